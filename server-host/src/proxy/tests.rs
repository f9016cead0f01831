use gateway_spec::{Capabilities, Headers};

use super::*;
use crate::settings::ForwardedFields;

/// A request to `/a?b` from `10.0.0.1`, of which these fields came; what becomes of its scope. The network 10 is trusted.
fn scope(fields: ForwardedFields, lines: &[(&'static str, &str)]) -> HttpScope {
    scope_from("10.0.0.1:4000", fields, lines)
}

fn scope_from(peer: &str, fields: ForwardedFields, lines: &[(&'static str, &str)]) -> HttpScope {
    let proxies = Proxies {
        trusted: vec!["10.0.0.0/8".parse().expect("a network")],
        fields,
        ..Proxies::default()
    };
    let info = ConnectionInfo::new(Capabilities::new("test"))
        .with_client(Address::Tcp(peer.parse().expect("an address")));
    apply(&proxies, info, "/a?b", lines)
}

fn apply(
    proxies: &Proxies,
    info: ConnectionInfo,
    target: &str,
    lines: &[(&'static str, &str)],
) -> HttpScope {
    let info = Arc::new(info);
    let mut scope = HttpScope::new(Arc::clone(&info));
    scope.uri = target.parse().expect("a target");
    scope.headers = Headers::default();
    let host = [("host", "inside.example")];
    for (name, value) in host.iter().chain(lines) {
        let value = HeaderValue::from_str(value).expect("a value");
        scope
            .headers
            .append(http::HeaderName::from_static(name), value);
    }
    let rewriting = Rewriting::new(proxies).expect("there is something to do");
    if rewriting.concerns(info.client.as_ref()) {
        rewriting.apply(&mut scope, &info);
    }
    scope
}

fn client(scope: &HttpScope) -> String {
    let client = scope.connection.client.as_ref();
    client.map_or_else(|| "-".into(), ToString::to_string)
}

#[test]
fn the_client_is_the_first_from_the_right_that_is_not_trusted() {
    for (lines, expected) in [
        (&[][..], "10.0.0.1:4000"),
        (&["192.0.2.1"], "192.0.2.1:0"),
        (&["6.6.6.6, 192.0.2.1"], "192.0.2.1:0"),
        (&["6.6.6.6, 192.0.2.1, 10.0.0.2, 10.0.0.3"], "192.0.2.1:0"),
        (&["6.6.6.6", "192.0.2.1", "10.0.0.2"], "192.0.2.1:0"),
        (&["10.0.0.3, 10.0.0.2"], "10.0.0.3:0"),
        (&["192.0.2.1:5000"], "192.0.2.1:5000"),
        (&["2001:db8::1"], "[2001:db8::1]:0"),
        (&["[2001:db8::1]:5000"], "[2001:db8::1]:5000"),
        (&["[2001:db8::1]"], "[2001:db8::1]:0"),
        (&["::ffff:192.0.2.1"], "192.0.2.1:0"),
        (&["6.6.6.6, ::ffff:10.0.0.9"], "6.6.6.6:0"),
        (&["6.6.6.6, unknown, 10.0.0.2"], "-"),
        (&["6.6.6.6, "], "-"),
        (&["6.6.6.6, 192.0.2.1.example"], "-"),
    ] {
        let fields: Vec<_> = lines
            .iter()
            .map(|line| ("x-forwarded-for", *line))
            .collect();
        let scope = scope(ForwardedFields::XForwarded, &fields);
        assert_eq!(client(&scope), expected, "{lines:?}");
    }
}

#[test]
fn scheme_and_host_are_the_last_that_were_written() {
    for (clients, schemes, expected) in [
        ("192.0.2.1", "https", "https"),
        ("192.0.2.1", "http, https", "https"),
        // The client sent the first one, to a proxy that adds its own.
        ("6.6.6.6, 192.0.2.1", "https, http", "http"),
        ("192.0.2.1, 10.0.0.2", "https, http", "http"),
        ("192.0.2.1, 10.0.0.2", "http, https", "https"),
        // The last proxy has replaced what the one before said.
        ("192.0.2.1, 10.0.0.2", "https", "https"),
        ("192.0.2.1", "gopher", "http"),
        ("192.0.2.1", "HTTPS", "https"),
    ] {
        let fields = [("x-forwarded-for", clients), ("x-forwarded-proto", schemes)];
        let scope = scope(ForwardedFields::XForwarded, &fields);
        assert_eq!(
            scope.connection.scheme.as_str(),
            expected,
            "{clients}; {schemes}"
        );
    }
    let alone = [
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "a.example"),
    ];
    let scope = scope(ForwardedFields::XForwardedHost, &alone);
    assert_eq!(scope.connection.scheme, Scheme::HTTPS);
    assert_eq!(scope.authority(), Some("a.example"));
    assert_eq!(scope.headers.get_all("host").count(), 1);
    assert_eq!(client(&scope), "10.0.0.1:4000");
}

#[test]
fn what_a_client_writes_beside_a_proxy_is_not_believed() {
    // The client has sent the first of each, and claims to have come by a trusted proxy; the proxy adds to them.
    for clients in ["6.6.6.6, 10.0.0.9, 192.0.2.1", "192.0.2.1, 10.0.0.2"] {
        let fields = [
            ("x-forwarded-for", clients),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", "evil.example, a.example"),
        ];
        let with_host = scope(ForwardedFields::XForwardedHost, &fields);
        assert_eq!(client(&with_host), "192.0.2.1:0");
        assert_eq!(with_host.connection.scheme, Scheme::HTTP);
        assert_eq!(with_host.authority(), Some("a.example"));
    }
    // A proxy that writes no host hands the client's on.
    let fields = [
        ("x-forwarded-for", "192.0.2.1"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "evil.example"),
    ];
    let by_default = scope(ForwardedFields::default(), &fields);
    assert_eq!(by_default.authority(), Some("inside.example"));
    assert_eq!(client(&by_default), "192.0.2.1:0");
}

#[test]
fn a_host_that_is_none_is_not_taken() {
    for host in ["", "user@a.example", "a b", "a/b", "http://a"] {
        let fields = [("x-forwarded-host", host)];
        let scope = scope(ForwardedFields::XForwardedHost, &fields);
        assert_eq!(scope.authority(), Some("inside.example"), "{host}");
    }
}

#[test]
fn an_authority_in_the_target_is_replaced_too() {
    let proxies = Proxies {
        trusted: vec!["unix".parse().expect("a network")],
        fields: ForwardedFields::XForwardedHost,
        ..Proxies::default()
    };
    let info = ConnectionInfo::new(Capabilities::new("test")).with_client(Address::Unix(None));
    let fields = [("x-forwarded-host", "a.example:8080")];
    let scope = apply(&proxies, info, "http://inside.example/a?b", &fields);
    assert_eq!(scope.uri, "http://a.example:8080/a?b");
    assert_eq!(scope.authority(), Some("a.example:8080"));
}

#[test]
fn the_unix_address_of_a_header_is_not_that_of_a_socket_of_ours() {
    let fields = [("x-forwarded-for", "192.0.2.1")];
    for (protocol, expected) in [
        (ProxyProtocol::Off, "192.0.2.1:0"),
        (ProxyProtocol::Required, "unix:/run/a.sock"),
    ] {
        let proxies = Proxies {
            trusted: vec!["unix".parse().expect("a network")],
            protocol,
            ..Proxies::default()
        };
        let address = Address::Unix(Some("/run/a.sock".into()));
        let info = ConnectionInfo::new(Capabilities::new("test")).with_client(address);
        let scope = apply(&proxies, info, "/a?b", &fields);
        assert_eq!(client(&scope), expected);
    }
}

#[test]
fn whoever_is_not_trusted_is_not_believed() {
    let fields = [
        ("x-forwarded-for", "192.0.2.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "a.example"),
        ("forwarded", "for=192.0.2.1;proto=https;host=a.example"),
    ];
    for kind in [
        ForwardedFields::XForwarded,
        ForwardedFields::XForwardedHost,
        ForwardedFields::Forwarded,
    ] {
        let scope = scope_from("192.0.2.9:80", kind, &fields);
        assert_eq!(client(&scope), "192.0.2.9:80");
        assert_eq!(scope.connection.scheme, Scheme::HTTP);
        assert_eq!(scope.authority(), Some("inside.example"));
    }
}

#[test]
fn only_the_kind_of_fields_that_proxies_write_is_read() {
    let fields = [
        ("x-forwarded-for", "192.0.2.1"),
        ("forwarded", "for=192.0.2.2"),
    ];
    let by_x = scope(ForwardedFields::XForwarded, &fields);
    assert_eq!(client(&by_x), "192.0.2.1:0");
    let by_forwarded = scope(ForwardedFields::Forwarded, &fields);
    assert_eq!(client(&by_forwarded), "192.0.2.2:0");
    // CVE-2024-45614.
    let underscores = scope(
        ForwardedFields::XForwarded,
        &[("x_forwarded_for", "6.6.6.6")],
    );
    assert_eq!(client(&underscores), "10.0.0.1:4000");
}

#[test]
fn elements_of_forwarded_are_read_from_the_right() {
    for (lines, expected, scheme) in [
        (&["for=192.0.2.1"][..], "192.0.2.1:0", "http"),
        (
            &["for=192.0.2.1;proto=https;by=10.0.0.1"],
            "192.0.2.1:0",
            "https",
        ),
        (
            &["For=\"192.0.2.1:5000\" ; PROTO=https"],
            "192.0.2.1:5000",
            "https",
        ),
        (&["for=\"[2001:db8::1]:80\""], "[2001:db8::1]:80", "http"),
        (&["for=\"[2001:db8::1]\""], "[2001:db8::1]:0", "http"),
        // rustfs#4461: neither the leftmost element, nor an address that was split in the middle.
        (
            &["for=6.6.6.6;proto=https, for=192.0.2.1"],
            "192.0.2.1:0",
            "http",
        ),
        (
            &["for=6.6.6.6, for=192.0.2.1;proto=https, for=10.0.0.2;proto=http"],
            "192.0.2.1:0",
            "https",
        ),
        (
            &["for=6.6.6.6;proto=https", "for=192.0.2.1"],
            "192.0.2.1:0",
            "http",
        ),
        // A client's line that breaks the rules does not take away what a proxy has written in one of its own.
        (
            &["for=\"6.6.6.6", "for=192.0.2.1;proto=https"],
            "192.0.2.1:0",
            "https",
        ),
        (&["for=\"6.6.6.6", "for=10.0.0.2;proto=https"], "-", "http"),
        (&["for=192.0.2.1;proto=https", "for=\"6.6.6.6"], "-", "http"),
        (&["for=2001:db8::1"], "-", "http"),
        (&["for=\"2001:db8::1\""], "-", "http"),
        (&["for=unknown;proto=https"], "-", "https"),
        (&["for=_hidden"], "-", "http"),
        (&["proto=https"], "-", "https"),
        (
            &["for=\"_a, for=6.6.6.6\", for=192.0.2.1"],
            "192.0.2.1:0",
            "http",
        ),
        (&["for=\"19\\2.0.2.1\""], "192.0.2.1:0", "http"),
        (&[", for=192.0.2.1 ,"], "192.0.2.1:0", "http"),
        // Whoever leaves a quotation open would swallow what the proxy adds.
        (&["for=\"6.6.6.6, for=192.0.2.1"], "-", "http"),
        (&["for=6.6.6.6;proto=https;for=192.0.2.1"], "-", "http"),
        (&["for=192.0.2.1 proto=https"], "-", "http"),
        (&["for==192.0.2.1"], "-", "http"),
        (&["for="], "-", "http"),
    ] {
        let fields: Vec<_> = lines.iter().map(|line| ("forwarded", *line)).collect();
        let scope = scope(ForwardedFields::Forwarded, &fields);
        assert_eq!(client(&scope), expected, "{lines:?}");
        assert_eq!(scope.connection.scheme.as_str(), scheme, "{lines:?}");
    }
}

#[test]
fn a_root_path_is_mounted_and_put_back_where_a_proxy_took_it_away() {
    let proxies = Proxies {
        root_path: Some("/api".parse().expect("a root path")),
        ..Proxies::default()
    };
    for (target, uri, path) in [
        ("/api/user?a=b", "/api/user?a=b", "/user"),
        ("/user?a=b", "/api/user?a=b", "/user"),
        ("/api", "/api", "/"),
        ("/api/", "/api/", "/"),
        ("/", "/api/", "/"),
        ("/apis", "/api/apis", "/apis"),
        ("/api%2Fa", "/api/api%2Fa", "/api%2Fa"),
        (
            "http://a.example/user",
            "http://a.example/api/user",
            "/user",
        ),
    ] {
        let info = ConnectionInfo::new(Capabilities::new("test"));
        let scope = apply(&proxies, info, target, &[]);
        assert_eq!(scope.uri.to_string(), uri, "{target}");
        assert_eq!(
            (scope.root_path(), scope.path()),
            ("/api", path),
            "{target}"
        );
    }
    let info = ConnectionInfo::new(Capabilities::new("test"));
    let asterisk = apply(&proxies, info, "*", &[]);
    assert_eq!((asterisk.root_path(), asterisk.path()), ("", "*"));
}
