//! Each extreme is named, and what is only large or small is not.

use super::*;

const MACHINE: Machine = Machine {
    cores: 4,
    descriptors: Some(524_288),
};

fn found(change: impl FnOnce(&mut Settings), machine: Machine) -> Vec<String> {
    let mut settings = Settings {
        workers: NonZeroUsize::MIN,
        ..Settings::default()
    };
    change(&mut settings);
    let mut concerns = Vec::new();
    add_to(&mut concerns, &settings, machine);
    concerns
}

type Change = fn(&mut Settings);

#[test]
fn each_extreme_is_named_and_what_is_below_is_not() {
    let changes: &[(&str, Change, Change)] = &[
        (
            "trailer-bytes",
            |settings| settings.limits.trailer_bytes = 2 << 20,
            |settings| settings.limits.trailer_bytes = 1 << 20,
        ),
        (
            "trailer-fields",
            |settings| settings.limits.trailer_fields = 1_001,
            |settings| settings.limits.trailer_fields = 1_000,
        ),
        (
            "chunk-extension-bytes",
            |settings| settings.limits.chunk_extension_bytes = 2 << 20,
            |settings| settings.limits.chunk_extension_bytes = 1 << 20,
        ),
        (
            "body-bytes",
            |settings| settings.limits.body_bytes = 1 << 40,
            |settings| settings.limits.body_bytes = 64 << 30,
        ),
        (
            "discard-bytes",
            |settings| settings.limits.discard_bytes = 1 << 30,
            |settings| settings.limits.discard_bytes = 1 << 20,
        ),
        (
            "requests",
            |settings| settings.limits.requests = 9.try_into().expect("not zero"),
            |settings| settings.limits.requests = 10.try_into().expect("not zero"),
        ),
        (
            "resets",
            |settings| settings.limits.resets = 99,
            |settings| settings.limits.resets = 100,
        ),
        (
            "handshakes",
            |settings| settings.limits.handshakes = 100_000,
            |settings| settings.limits.handshakes = 10_000,
        ),
        (
            "exchanges",
            |settings| settings.limits.exchanges = 10_000_000,
            |settings| settings.limits.exchanges = 100_000,
        ),
        (
            "ws-wire-bytes",
            |settings| settings.websocket.limits.wire_bytes = 1 << 30,
            |settings| settings.websocket.limits.wire_bytes = 256 << 20,
        ),
        (
            "ws-frame-bytes",
            |settings| settings.websocket.limits.frame_bytes = 1 << 30,
            |settings| settings.websocket.limits.frame_bytes = 256 << 20,
        ),
        (
            "ws-fragments",
            |settings| settings.websocket.limits.fragments = 1 << 30,
            |settings| settings.websocket.limits.fragments = 1 << 20,
        ),
        (
            "body-ceiling",
            |settings| settings.timeouts.body_ceiling = 8 * DAY,
            |settings| settings.timeouts.body_ceiling = 7 * DAY,
        ),
        (
            "write-ceiling",
            |settings| settings.timeouts.write_ceiling = 8 * DAY,
            |settings| settings.timeouts.write_ceiling = 7 * DAY,
        ),
        (
            "ws-ping-interval",
            |settings| settings.timeouts.ping_interval = Some(11 * MINUTE),
            |settings| settings.timeouts.ping_interval = Some(10 * MINUTE),
        ),
        (
            "ws-ping-timeout",
            |settings| settings.timeouts.ping_timeout = Some(11 * MINUTE),
            |settings| settings.timeouts.ping_timeout = None,
        ),
        (
            "ws-close-timeout",
            |settings| settings.timeouts.close = 6 * MINUTE,
            |settings| settings.timeouts.close = 5 * MINUTE,
        ),
        (
            "startup-timeout",
            |settings| settings.timeouts.startup = 11 * MINUTE,
            |settings| settings.timeouts.startup = 10 * MINUTE,
        ),
        (
            "grace",
            |settings| settings.grace = DAY,
            |settings| settings.grace = 60 * MINUTE,
        ),
        (
            "stall-threshold",
            |settings| settings.stall_threshold = Some(MINUTE),
            |settings| settings.stall_threshold = Some(Duration::from_secs(10)),
        ),
        (
            "stall-threshold",
            |settings| settings.stall_threshold = None,
            |settings| settings.stall_threshold = Some(Duration::from_millis(1)),
        ),
        (
            "head-timeout",
            |settings| settings.timeouts.head = Duration::from_millis(999),
            |settings| settings.timeouts.head = Duration::from_secs(1),
        ),
        (
            "body-timeout",
            |settings| settings.timeouts.body = Duration::from_millis(999),
            |settings| settings.timeouts.body = Duration::from_secs(1),
        ),
        (
            "write-timeout",
            |settings| settings.timeouts.write = Duration::from_millis(999),
            |settings| settings.timeouts.write = Duration::from_secs(1),
        ),
        (
            "ws-ping-timeout",
            |settings| settings.timeouts.ping_timeout = Some(Duration::from_millis(999)),
            |settings| settings.timeouts.ping_timeout = Some(Duration::from_secs(1)),
        ),
        (
            "resets-window",
            |settings| settings.timeouts.resets = Duration::from_millis(10),
            |settings| settings.timeouts.resets = Duration::from_secs(1),
        ),
        (
            "workers",
            |settings| settings.workers = 17.try_into().expect("not zero"),
            |settings| settings.workers = 16.try_into().expect("not zero"),
        ),
        (
            "backlog",
            |settings| settings.backlog = 15,
            |settings| settings.backlog = 16,
        ),
        (
            "metrics-bind",
            |settings| settings.metrics_bind = Some(([0, 0, 0, 0], 9000).into()),
            |settings| settings.metrics_bind = Some(([127, 0, 0, 1], 9000).into()),
        ),
        (
            "tls-self-signed",
            |settings| {
                settings.tls.self_signed = SelfSigned::On;
                settings.bind.push(([0, 0, 0, 0], 443).into());
            },
            |settings| settings.tls.self_signed = SelfSigned::On,
        ),
        (
            "recycle-requests",
            |settings| settings.recycling.requests = NonZeroU64::new(999),
            |settings| settings.recycling.requests = NonZeroU64::new(1_000),
        ),
        (
            "recycle-lifetime",
            |settings| settings.recycling.lifetime = Some(Duration::from_secs(59)),
            |settings| settings.recycling.lifetime = Some(MINUTE),
        ),
        (
            "recycle-memory",
            |settings| settings.recycling.memory = NonZeroU64::new(1 << 20),
            |settings| settings.recycling.memory = NonZeroU64::new(64 << 20),
        ),
    ];
    for (name, extreme, below) in changes {
        let concerns = found(extreme, MACHINE);
        assert_eq!(concerns.len(), 1, "{name}: {concerns:?}");
        let is_named = concerns[0].starts_with(&format!("{name} is "));
        assert!(is_named, "{name}: {concerns:?}");
        assert_eq!(found(below, MACHINE), <[String; 0]>::default(), "{name}");
    }
}

#[test]
fn more_connections_than_descriptors_are_named_where_they_are_meant() {
    let with = |connections, descriptors| {
        let machine = Machine {
            descriptors,
            ..MACHINE
        };
        let concerns = found(
            |settings| {
                settings.workers = 4.try_into().expect("not zero");
                settings.limits.connections = connections;
            },
            machine,
        );
        concerns.len()
    };
    let default = Limits::default().connections;
    for (connections, descriptors, named) in [
        (default, Some(524_288), 0),
        // As many systems are, and nobody has asked for so many.
        (default, Some(10_000), 0),
        (default, Some(1_024), 1),
        (2_500, Some(10_000), 0),
        (2_501, Some(10_000), 1),
        (usize::MAX, None, 0),
    ] {
        let found = with(connections, descriptors);
        assert_eq!(found, named, "{connections} of {descriptors:?}");
    }
}

#[test]
fn an_address_says_whom_it_is_for() {
    for (address, expected) in [
        ("0.0.0.0", true),
        ("::", true),
        ("203.0.113.7", true),
        ("100.128.0.1", true),
        ("172.32.0.1", true),
        ("2001:db8::1", true),
        ("::ffff:203.0.113.7", true),
        ("127.0.0.1", false),
        ("::1", false),
        ("10.1.2.3", false),
        ("172.16.0.1", false),
        ("192.168.0.1", false),
        ("169.254.0.1", false),
        ("100.64.0.1", false),
        ("fd00::1", false),
        ("fe80::1", false),
        ("::ffff:10.0.0.1", false),
    ] {
        let ip: IpAddr = address.parse().expect("an address");
        assert_eq!(is_public(ip), expected, "{address}");
    }
}
