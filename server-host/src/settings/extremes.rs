//! What is unsafe because it goes too far: for this machine, or for anybody who operates one.

use std::fmt::Display;
use std::net::IpAddr;
use std::num::{NonZeroU64, NonZeroUsize};
use std::time::Duration;

use rustix::process::{Resource, getrlimit};

use super::{Limits, SelfSigned, Settings};
use crate::{Bind, Place};

/// What a machine has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Machine {
    /// Cores that this process may use.
    cores: usize,
    /// Descriptors that it may open at once; any number if there is no limit.
    descriptors: Option<u64>,
}

impl Machine {
    /// The one that this is.
    pub(super) fn this() -> Self {
        Self {
            cores: std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
            // The process raises its own limit to this one.
            descriptors: getrlimit(Resource::Nofile).maximum,
        }
    }
}

/// Adds a line for each.
pub(super) fn add_to(concerns: &mut Vec<String>, settings: &Settings, machine: Machine) {
    let found = [
        limits(&settings.limits),
        sockets(settings),
        waits(settings),
        haste(settings),
        capacity(settings, machine),
        places(settings),
        recycling(settings),
    ];
    concerns.extend(found.into_iter().flatten());
}

/// `NAME is VALUE: WHY`, if it is so.
fn note(is_so: bool, name: &str, value: impl Display, why: &str) -> Option<String> {
    is_so.then(|| format!("{name} is {value}: {why}"))
}

fn limits(limits: &Limits) -> Vec<String> {
    let Limits {
        trailer_bytes,
        trailer_fields,
        chunk_extension_bytes,
        body_bytes,
        discard_bytes,
        requests,
        resets,
        streams,
        handshakes,
        exchanges,
        ..
    } = *limits;
    [
        note(
            trailer_bytes > 1 << 20,
            "trailer-bytes",
            trailer_bytes,
            "each request may hold as much for trailers alone",
        ),
        note(
            trailer_fields > 1_000,
            "trailer-fields",
            trailer_fields,
            "looking a field up takes as long",
        ),
        note(
            chunk_extension_bytes > 1 << 20,
            "chunk-extension-bytes",
            chunk_extension_bytes,
            "a client may send as much that nobody reads",
        ),
        note(
            body_bytes > 64 << 30,
            "body-bytes",
            body_bytes,
            "an application that sets no limit of its own takes as much from each client",
        ),
        note(
            discard_bytes > 64 << 20,
            "discard-bytes",
            discard_bytes,
            "a client that was refused may send as much for nothing",
        ),
        note(
            requests.get() < 10,
            "requests",
            requests,
            "clients connect anew, and agree on TLS anew, after so few",
        ),
        note(
            resets < streams,
            "resets",
            resets,
            "a browser that leaves a page cancels all that it has open, up to --streams, and loses its connection",
        ),
        note(
            handshakes > 1 << 16,
            "handshakes",
            handshakes,
            "peers that say nothing may hold as many connections of a worker",
        ),
        note(
            exchanges > 1 << 20,
            "exchanges",
            exchanges,
            "a worker starts as many calls before it refuses one",
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Sizes of WebSockets, beside those of their messages.
fn sockets(settings: &Settings) -> Vec<String> {
    let limits = &settings.websocket.limits;
    [
        note(
            limits.wire_bytes > 256 << 20,
            "ws-wire-bytes",
            limits.wire_bytes,
            "each socket may hold as much",
        ),
        note(
            limits.frame_bytes > 256 << 20,
            "ws-frame-bytes",
            limits.frame_bytes,
            "each socket may hold as much",
        ),
        note(
            limits.fragments > 10_000_000,
            "ws-fragments",
            limits.fragments,
            "a message may come in as many pieces of nothing",
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Times that are so long that nothing ends.
fn waits(settings: &Settings) -> Vec<String> {
    let timeouts = &settings.timeouts;
    let (grace, threshold) = (settings.grace, settings.stall_threshold);
    let long = [
        (
            "body-ceiling",
            timeouts.body_ceiling,
            7 * DAY,
            "one upload may hold a call for as long",
        ),
        (
            "write-ceiling",
            timeouts.write_ceiling,
            7 * DAY,
            "one download may hold a call for as long",
        ),
        (
            "ws-ping-interval",
            timeouts.ping_interval.unwrap_or_default(),
            10 * MINUTE,
            "WebSockets of clients that are gone are kept for as long",
        ),
        (
            "ws-ping-timeout",
            timeouts.ping_timeout.unwrap_or_default(),
            10 * MINUTE,
            "WebSockets of clients that are gone are kept for as long",
        ),
        (
            "ws-close-timeout",
            timeouts.close,
            5 * MINUTE,
            "sockets that are over are kept for as long",
        ),
        (
            "startup-timeout",
            timeouts.startup,
            10 * MINUTE,
            "a startup that hangs is not seen before; systemd kills after 90s, by default and without a reason in the log",
        ),
        (
            "grace",
            grace,
            60 * MINUTE,
            "a shutdown may take as long; systemd kills after 90s by default, Kubernetes after 30",
        ),
        (
            "stall-threshold",
            threshold.unwrap_or_default(),
            Duration::from_secs(10),
            "whoever shares a worker waits as long before anybody is told",
        ),
    ];
    let long = long
        .into_iter()
        .filter_map(|(name, time, most, why)| note(time > most, name, Text(time), why));
    let unseen = note(
        threshold.is_none(),
        "stall-threshold",
        "off",
        "code that holds a worker, and all of its clients, is not seen",
    );
    long.chain(unseen).collect()
}

/// Times that are so short that they meet honest clients.
fn haste(settings: &Settings) -> Vec<String> {
    let timeouts = &settings.timeouts;
    let short = [
        ("head-timeout", timeouts.head),
        ("body-timeout", timeouts.body),
        ("write-timeout", timeouts.write),
        (
            "ws-ping-timeout",
            timeouts.ping_timeout.unwrap_or(Duration::MAX),
        ),
    ];
    let mut found: Vec<String> = short
        .into_iter()
        .filter_map(|(name, time)| {
            let why = "a client that loses a packet is given up";
            note(time < Duration::from_secs(1), name, Text(time), why)
        })
        .collect();
    found.extend(note(
        timeouts.resets < Duration::from_secs(1),
        "resets-window",
        Text(timeouts.resets),
        "one connection may cancel --resets calls in each",
    ));
    found
}

/// More than the machine has.
fn capacity(settings: &Settings, machine: Machine) -> Vec<String> {
    let workers = settings.workers.get();
    let cores = machine.cores;
    let connections = settings.limits.connections;
    let all = connections.saturating_mul(workers) as u64;
    let most = machine.descriptors.unwrap_or(u64::MAX);
    // By default there are more than some systems allow: that is worth a word only where it is meant, or few are left.
    let is_meant = connections != Limits::default().connections;
    let why = format!(
        "with {workers} workers that is more than the {most} descriptors that this process may open; raise LimitNOFILE, or \
         connections cannot be accepted"
    );
    [
        note(
            workers > cores.saturating_mul(4),
            "workers",
            workers,
            &format!("there are {cores} cores; more workers share them and win nothing. Blocking work has threads of its own"),
        ),
        note(
            all > most && (is_meant || most < FEW_DESCRIPTORS),
            "connections",
            connections,
            &why,
        ),
        note(
            settings.backlog < 16,
            "backlog",
            settings.backlog,
            "connections that come at once are dropped beyond it",
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What is shown to whom it is not for.
fn places(settings: &Settings) -> Vec<String> {
    let ip = |bind: &Bind| match &bind.place {
        Place::Tcp(address) => Some(address.ip()),
        _ => None,
    };
    let is_open = |bind: &Bind| ip(bind).is_some_and(is_public);
    let is_remote = |bind: &Bind| ip(bind).is_some_and(|ip| !ip.to_canonical().is_loopback());
    let metrics = settings.metrics_bind.as_ref();
    let metrics = metrics.filter(|bind| is_open(bind)).map(|bind| {
        format!("metrics-bind is {bind}: whoever reaches it sees routes, load and failures; bind it to an address of your own network")
    });
    let is_made = settings.tls.self_signed == SelfSigned::On;
    let certificate = note(
        is_made && settings.bind.iter().any(is_remote),
        "tls-self-signed",
        "on",
        "no client can tell this server from another; it is for development, on this machine",
    );
    metrics.into_iter().chain(certificate).collect()
}

/// A process that replaces itself all the time.
fn recycling(settings: &Settings) -> Vec<String> {
    let recycling = &settings.recycling;
    let requests = recycling.requests.map_or(u64::MAX, NonZeroU64::get);
    let memory = recycling.memory.map_or(u64::MAX, NonZeroU64::get);
    let lifetime = recycling.lifetime.unwrap_or(Duration::MAX);
    let why = "the process replaces itself again and again, and has little time to serve";
    [
        note(requests < 1_000, "recycle-requests", requests, why),
        note(lifetime < MINUTE, "recycle-lifetime", Text(lifetime), why),
        note(memory < 64 << 20, "recycle-memory", memory, why),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Whether others than those of one's own network may reach it, as far as an address says so.
fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            // 100.64.0.0/10 is what carriers and clouds share (RFC 6598).
            let is_shared = ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64;
            !(ip.is_loopback() || ip.is_private() || ip.is_link_local() || is_shared)
        }
        IpAddr::V6(ip) => !(ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local()),
    }
}

/// A time as the other concerns write it.
struct Text(Duration);

impl Display for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// Below it even a small service runs out.
const FEW_DESCRIPTORS: u64 = 4_096;

const MINUTE: Duration = Duration::from_secs(60);

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[cfg(test)]
mod tests;
