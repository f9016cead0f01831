//! The header that begins a connection of the PROXY protocol, version 1 and 2 (HAProxy's proxy-protocol.txt).
//!
//! Pure: bytes in, addresses out. A header that breaks the rules ends its connection, for nobody can tell what follows.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use gateway_spec::Address;

/// The longest header of version 1, its end included (section 2.1).
const V1_BYTES: usize = 107;

/// What a header of version 1 begins with.
const V1: &[u8] = b"PROXY ";

/// What a header of version 2 begins with (section 2.2).
const V2: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Bytes of version 2 before its addresses.
const V2_FIXED: usize = 16;

/// Bytes of version 2 behind its fixed part: more than all that is in use, certificates' names included.
const V2_BYTES: usize = 4 * 1024;

/// What a header has said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Header {
    /// The connection is the proxy's own, such as a check of health: its addresses are the socket's.
    Local,
    /// It is somebody else's, of whom the proxy says nothing: not the proxy's own, so it has none of the proxy's trust.
    Unknown,
    /// It is somebody else's.
    Proxied {
        client: Address,
        server: Address,
        security: Security,
    },
}

/// Whether the client speaks TLS with the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Security {
    NotSaid,
    Tls,
}

/// What is missing of a header.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing: this is what it says.
    Nothing(Header),
    /// So many bytes more, all of which are its.
    Bytes(usize),
    /// The rest of a line, which takes at most so many bytes more.
    Line(usize),
}

/// A header that breaks the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadHeader(&'static str);

impl fmt::Display for BadHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no header of the PROXY protocol: {}", self.0)
    }
}

impl std::error::Error for BadHeader {}

/// Looks at all that has come of a header.
pub(crate) fn read(bytes: &[u8]) -> Result<Need, BadHeader> {
    let begins = |signature: &[u8]| bytes.iter().zip(signature).all(|(a, b)| a == b);
    if begins(V1) {
        return v1(bytes);
    }
    if !begins(V2) {
        return Err(BadHeader("it begins otherwise"));
    }
    if bytes.len() < V2_FIXED {
        return Ok(Need::Bytes(V2_FIXED - bytes.len()));
    }
    v2(bytes)
}

fn v1(bytes: &[u8]) -> Result<Need, BadHeader> {
    if let Some(line) = bytes.strip_suffix(b"\n") {
        let line = line
            .strip_suffix(b"\r")
            .ok_or(BadHeader("a line ends by CR LF"))?;
        return v1_line(line).map(Need::Nothing);
    }
    match V1_BYTES.checked_sub(bytes.len()) {
        None | Some(0) => Err(BadHeader("a line of version 1 has at most 107 bytes")),
        Some(left) => Ok(Need::Line(left)),
    }
}

fn v1_line(line: &[u8]) -> Result<Header, BadHeader> {
    let text = std::str::from_utf8(line).map_err(|_| BadHeader("it is no ASCII"))?;
    let mut words = text.split(' ').skip(1);
    let mut word = || words.next().ok_or(BadHeader("a word is missing"));
    let family = word()?;
    // What else it says is to be ignored (section 2.1).
    if family == "UNKNOWN" {
        return Ok(Header::Unknown);
    }
    let is_v4 = match family {
        "TCP4" => true,
        "TCP6" => false,
        _ => return Err(BadHeader("it names neither TCP4, TCP6 nor UNKNOWN")),
    };
    let ends = [word()?, word()?];
    let ports = [word()?, word()?];
    if words.next().is_some() {
        return Err(BadHeader("there are words too many"));
    }
    let address = |end: usize| -> Result<Address, BadHeader> {
        let ip: IpAddr = ends[end]
            .parse()
            .map_err(|_| BadHeader("an address is none"))?;
        if ip.is_ipv4() != is_v4 {
            return Err(BadHeader("an address is of the other family"));
        }
        Ok(Address::Tcp(SocketAddr::new(ip, port(ports[end])?)))
    };
    Ok(Header::Proxied {
        client: address(0)?,
        server: address(1)?,
        security: Security::NotSaid,
    })
}

/// Digits alone, and no zero before them.
fn port(text: &str) -> Result<u16, BadHeader> {
    let is_canonical =
        text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    let port = text.parse().ok().filter(|_| is_canonical);
    port.ok_or(BadHeader("a port is none"))
}

fn v2(bytes: &[u8]) -> Result<Need, BadHeader> {
    let length = usize::from(u16::from_be_bytes([bytes[14], bytes[15]]));
    if length > V2_BYTES {
        return Err(BadHeader("it is longer than 4 KiB"));
    }
    match (V2_FIXED + length).checked_sub(bytes.len()) {
        Some(0) => {}
        Some(left) => return Ok(Need::Bytes(left)),
        None => return Err(BadHeader("there is more of it than it says")),
    }
    let (command, protocol, rest) = (bytes[12], bytes[13], &bytes[V2_FIXED..]);
    match command {
        // LOCAL: the rest is to be thrown away.
        0x20 => return Ok(Need::Nothing(Header::Local)),
        0x21 => {}
        _ => return Err(BadHeader("its version or its command is unknown")),
    }
    let short = BadHeader("it is too short for its addresses");
    let (client, server, more) = match protocol {
        0x00 => return Ok(Need::Nothing(Header::Unknown)),
        0x11 => {
            let (addresses, more) = rest.split_first_chunk::<12>().ok_or(short)?;
            let [a, b, c, d, e, f, g, h, ports @ ..] = *addresses;
            let ends = [Ipv4Addr::new(a, b, c, d), Ipv4Addr::new(e, f, g, h)];
            let [client, server] = with_ports(ends.map(IpAddr::V4), ports);
            (client, server, more)
        }
        0x21 => {
            let (addresses, more) = rest.split_first_chunk::<36>().ok_or(short)?;
            let (client, rest) = addresses.split_first_chunk::<16>().ok_or(short)?;
            let (server, ports) = rest.split_first_chunk::<16>().ok_or(short)?;
            let ports = *ports.first_chunk().ok_or(short)?;
            let ends = [Ipv6Addr::from(*client), Ipv6Addr::from(*server)];
            let [client, server] = with_ports(ends.map(IpAddr::V6), ports);
            (client, server, more)
        }
        0x31 => {
            let (addresses, more) = rest.split_first_chunk::<216>().ok_or(short)?;
            let (client, server) = addresses.split_at(108);
            (unix(client), unix(server), more)
        }
        _ => return Err(BadHeader("it is of no protocol of streams")),
    };
    Ok(Need::Nothing(Header::Proxied {
        client,
        server,
        security: security(more)?,
    }))
}

fn with_ports(ends: [IpAddr; 2], ports: [u8; 4]) -> [Address; 2] {
    let [client, server] = ends;
    let [a, b, c, d] = ports;
    [(client, [a, b]), (server, [c, d])]
        .map(|(ip, port)| Address::Tcp(SocketAddr::new(ip, u16::from_be_bytes(port))))
}

fn unix(bytes: &[u8]) -> Address {
    let end = bytes.iter().position(|byte| *byte == 0);
    let path = &bytes[..end.unwrap_or(bytes.len())];
    let path = (!path.is_empty()).then(|| PathBuf::from(std::ffi::OsStr::from_bytes(path)));
    Address::Unix(path)
}

/// What the vectors behind the addresses say of TLS (section 2.2.6): each is a type, a length and so many bytes.
fn security(mut vectors: &[u8]) -> Result<Security, BadHeader> {
    const PP2_TYPE_SSL: u8 = 0x20;
    const PP2_CLIENT_SSL: u8 = 0x01;
    let mut security = Security::NotSaid;
    while let [kind, high, low, rest @ ..] = vectors {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (value, rest) = rest
            .split_at_checked(length)
            .ok_or(BadHeader("a vector is longer than what is there"))?;
        if *kind == PP2_TYPE_SSL
            && value
                .first()
                .is_some_and(|client| client & PP2_CLIENT_SSL != 0)
        {
            security = Security::Tls;
        }
        vectors = rest;
    }
    if vectors.is_empty() {
        Ok(security)
    } else {
        Err(BadHeader("a vector is cut off"))
    }
}

#[cfg(test)]
mod tests;
