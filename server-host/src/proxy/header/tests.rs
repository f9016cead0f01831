use super::*;

/// What becomes of a header that comes whole, and byte by byte.
fn check(bytes: &[u8]) -> Result<Need, BadHeader> {
    for length in 0..bytes.len() {
        match read(&bytes[..length]) {
            // It never asks for more than belongs to it.
            Ok(Need::Bytes(more)) => {
                assert!(length + more <= bytes.len().max(V2_FIXED), "{length}")
            }
            Ok(Need::Line(more)) => assert!(length + more <= V1_BYTES, "{length}"),
            // It is known to be wrong before it is whole.
            Err(error) => return Err(error),
            Ok(Need::Nothing(_)) => panic!("it is whole after {length} bytes"),
        }
    }
    read(bytes)
}

fn proxied(client: &str, server: &str, security: Security) -> Result<Need, BadHeader> {
    let address = |text: &str| Address::Tcp(text.parse().expect("an address"));
    Ok(Need::Nothing(Header::Proxied {
        client: address(client),
        server: address(server),
        security,
    }))
}

/// Version 2: a command, a protocol and what is behind them.
fn v2(command: u8, protocol: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).expect("short").to_be_bytes();
    [&V2[..], &[command, protocol], &length, rest].concat()
}

const V4: [u8; 12] = [192, 0, 2, 1, 10, 0, 0, 1, 0x13, 0x88, 0x01, 0xbb];

#[test]
fn lines_of_version_1_are_read() {
    for (line, client, server) in [
        (
            "PROXY TCP4 192.0.2.1 10.0.0.1 5000 443\r\n",
            "192.0.2.1:5000",
            "10.0.0.1:443",
        ),
        (
            "PROXY TCP4 255.255.255.255 0.0.0.0 65535 0\r\n",
            "255.255.255.255:65535",
            "0.0.0.0:0",
        ),
        (
            "PROXY TCP6 2001:db8::1 ::1 1 2\r\n",
            "[2001:db8::1]:1",
            "[::1]:2",
        ),
    ] {
        assert_eq!(
            check(line.as_bytes()),
            proxied(client, server, Security::NotSaid),
            "{line}"
        );
    }
    for line in ["PROXY UNKNOWN\r\n", "PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"] {
        assert_eq!(
            check(line.as_bytes()),
            Ok(Need::Nothing(Header::Unknown)),
            "{line}"
        );
    }
}

#[test]
fn lines_that_break_the_rules_are_refused() {
    for line in [
        "GET / HTTP/1.1\r\n",
        "proxy TCP4 192.0.2.1 10.0.0.1 5000 443\r\n",
        "PROXY\r\n",
        "PROXY  TCP4 192.0.2.1 10.0.0.1 5000 443\r\n",
        "PROXY TCP4  192.0.2.1 10.0.0.1 5000 443\r\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1 5000 443 \r\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1 5000\r\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1 5000 443 6\r\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1 5000 443\n",
        "PROXY TCP4 192.0.2.1 ::1 5000 443\r\n",
        "PROXY TCP6 192.0.2.1 10.0.0.1 5000 443\r\n",
        "PROXY TCP4 192.0.2.01 10.0.0.1 5000 443\r\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1 05000 443\r\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1 +5000 443\r\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1 65536 443\r\n",
        "PROXY UDP4 192.0.2.1 10.0.0.1 5000 443\r\n",
        "PROXY UNKNOWNS\r\n",
    ] {
        assert!(check(line.as_bytes()).is_err(), "{line}");
    }
}

#[test]
fn a_line_without_an_end_is_bounded() {
    // CVE-2026-47736.
    let endless = [V1, &[b'x'; 200]].concat();
    assert!(matches!(read(&endless[..106]), Ok(Need::Line(1))));
    assert!(read(&endless[..107]).is_err());
}

#[test]
fn headers_of_version_2_are_read() {
    let v4 = proxied("192.0.2.1:5000", "10.0.0.1:443", Security::NotSaid);
    assert_eq!(check(&v2(0x21, 0x11, &V4)), v4);
    // With a vector of something unknown.
    let with_more = [&V4[..], &[0xe0, 0, 2, 1, 2]].concat();
    assert_eq!(check(&v2(0x21, 0x11, &with_more)), v4);
    let mut v6 = [0; 36];
    (v6[15], v6[31], v6[33], v6[35]) = (1, 2, 3, 4);
    assert_eq!(
        check(&v2(0x21, 0x21, &v6)),
        proxied("[::1]:3", "[::2]:4", Security::NotSaid)
    );
    let mut unix = [0; 216];
    unix[..4].copy_from_slice(b"/run");
    let expected = Header::Proxied {
        client: Address::Unix(Some("/run".into())),
        server: Address::Unix(None),
        security: Security::NotSaid,
    };
    assert_eq!(check(&v2(0x21, 0x31, &unix)), Ok(Need::Nothing(expected)));
    for local in [v2(0x20, 0x00, &[]), v2(0x20, 0x11, &V4)] {
        assert_eq!(check(&local), Ok(Need::Nothing(Header::Local)));
    }
    let unspecified = v2(0x21, 0x00, &[1, 2, 3]);
    assert_eq!(check(&unspecified), Ok(Need::Nothing(Header::Unknown)));
}

#[test]
fn a_header_of_version_2_says_whether_the_client_speaks_tls() {
    for (client, expected) in [
        (0x01, Security::Tls),
        (0x00, Security::NotSaid),
        (0x07, Security::Tls),
    ] {
        let vectors = [&V4[..], &[0x20, 0, 5, client, 0, 0, 0, 0]].concat();
        let said = proxied("192.0.2.1:5000", "10.0.0.1:443", expected);
        assert_eq!(check(&v2(0x21, 0x11, &vectors)), said);
    }
}

#[test]
fn headers_of_version_2_that_break_the_rules_are_refused() {
    let mut twisted = v2(0x21, 0x11, &V4);
    twisted[11] = 0;
    for header in [
        twisted,
        v2(0x11, 0x11, &V4),
        v2(0x31, 0x11, &V4),
        v2(0x22, 0x11, &V4),
        v2(0x21, 0x12, &V4),
        v2(0x21, 0x41, &V4),
        v2(0x21, 0x11, &V4[..11]),
        v2(0x21, 0x21, &V4),
        v2(0x21, 0x31, &V4),
        v2(0x21, 0x11, &[&V4[..], &[0x20, 0]].concat()),
        v2(0x21, 0x11, &[&V4[..], &[0x20, 0, 9, 1]].concat()),
        v2(0x21, 0x11, &[0; 5000]),
    ] {
        assert!(check(&header).is_err(), "{}", header[12..].escape_ascii());
    }
}
