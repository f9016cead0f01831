//! What is believed of proxies.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use gateway_spec::Address;

/// Proxies in front of the server, and what they say. By default nothing is believed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Proxies {
    /// Whose word counts.
    pub trusted: Vec<Network>,
    /// The fields in which they tell of their clients. Proxies leave those that they do not write as the client sent
    /// them, so only one kind is read.
    pub fields: ForwardedFields,
    /// Whether each connection begins with a header of the PROXY protocol.
    pub protocol: ProxyProtocol,
    /// Where the proxy shows the application, such as `/api`. A path below it is mounted there; to one that is not, from a
    /// proxy that has taken it away, it is put back (SCOPE-5). ASGI: `root_path`; WSGI: `SCRIPT_NAME`.
    pub root_path: Option<RootPath>,
}

/// The fields in which proxies tell of their clients.
///
/// Of scheme and host the rightmost word counts: the trusted proxy that asks has written it, and a client may have written
/// what is left of it. That holds only if the proxy does write these fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ForwardedFields {
    /// `X-Forwarded-For` and `X-Forwarded-Proto`, which most proxies write.
    #[default]
    XForwarded,
    /// These and `X-Forwarded-Host`. Many proxies do not write it, but hand on what a client has sent, who could so name any
    /// host.
    XForwardedHost,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// Whether connections begin with a header of the PROXY protocol, version 1 or 2 (HAProxy's proxy-protocol.txt).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProxyProtocol {
    /// They do not.
    #[default]
    Off,
    /// Each does, exactly once; who is not trusted is refused.
    Required,
}

/// Addresses that share a prefix, or all clients of unix sockets: `10.0.0.0/8`, `::1`, `unix`.
///
/// # Examples
///
/// ```
/// use server_host::Network;
///
/// let network: Network = "10.0.0.0/8".parse()?;
/// assert!(network.has(&gateway_spec::Address::Tcp("10.1.2.3:80".parse().unwrap())));
/// assert_eq!(network.to_string(), "10.0.0.0/8");
/// # Ok::<(), server_host::BadNetwork>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Prefix { address: IpAddr, bits: u8 },
    Unix,
}

impl Network {
    /// Whether an address is one of them.
    #[must_use]
    pub fn has(&self, address: &Address) -> bool {
        match address {
            Address::Tcp(address) => self.has_ip(address.ip()),
            Address::Unix(_) => self.0 == Kind::Unix,
            _ => false,
        }
    }

    /// Whether it has every address of a family.
    pub(crate) fn is_everybody(&self) -> bool {
        matches!(self.0, Kind::Prefix { bits: 0, .. })
    }

    /// Whether an IP address is one of them.
    pub(crate) fn has_ip(&self, other: IpAddr) -> bool {
        let Kind::Prefix { address, bits } = self.0 else {
            return false;
        };
        // A client of IPv4 that reaches a socket of IPv6 has an address of both.
        match (address, other.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differing = u32::from(own) ^ u32::from(other);
                differing.leading_zeros() >= u32::from(bits)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differing = u128::from(own) ^ u128::from(other);
                differing.leading_zeros() >= u32::from(bits)
            }
            _ => false,
        }
    }
}

/// A text that names no network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadNetwork(String);

impl FromStr for Network {
    type Err = BadNetwork;

    fn from_str(text: &str) -> Result<Self, BadNetwork> {
        if text == "unix" {
            return Ok(Self(Kind::Unix));
        }
        let (address, bits) = text
            .split_once('/')
            .map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: Option<IpAddr> = address.parse().ok();
        let length = if matches!(address, Some(IpAddr::V4(_))) {
            32
        } else {
            128
        };
        let bits = bits.map_or(Some(length), |bits| bits.parse().ok());
        let (Some(address), Some(bits)) = (address, bits.filter(|bits| *bits <= length)) else {
            return Err(BadNetwork(format!(
                "{text:?} is no network; write 10.0.0.0/8, 192.0.2.7, fd00::/8 or unix"
            )));
        };
        let base = base(address, bits);
        if base != address {
            return Err(BadNetwork(format!(
                "{text:?} names an address within a network; the network is {base}/{bits}"
            )));
        }
        Ok(Self(canonical(address, bits)))
    }
}

/// The network as addresses are compared: of IPv4, if IPv6 has it mapped (RFC 4291 section 2.5.5.2).
fn canonical(address: IpAddr, bits: u8) -> Kind {
    const MAPPED: u8 = 96;
    match (address.to_canonical(), bits.checked_sub(MAPPED)) {
        (IpAddr::V4(inner), Some(bits)) if address.is_ipv6() => Kind::Prefix {
            address: inner.into(),
            bits,
        },
        _ => Kind::Prefix { address, bits },
    }
}

/// The first address with this prefix.
fn base(address: IpAddr, bits: u8) -> IpAddr {
    let bits = u32::from(bits);
    match address {
        IpAddr::V4(own) => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            IpAddr::V4((u32::from(own) & mask).into())
        }
        IpAddr::V6(own) => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            IpAddr::V6((u128::from(own) & mask).into())
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Kind::Prefix { address, bits } => write!(f, "{address}/{bits}"),
            Kind::Unix => f.write_str("unix"),
        }
    }
}

impl fmt::Display for BadNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadNetwork {}

/// The path at which a proxy shows an application: begins with a slash and does not end with one.
///
/// # Examples
///
/// ```
/// use server_host::RootPath;
///
/// assert_eq!("/api".parse::<RootPath>().unwrap().as_str(), "/api");
/// assert!("api/".parse::<RootPath>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootPath(String);

impl RootPath {
    /// The path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text that is no root path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRootPath(String);

impl FromStr for RootPath {
    type Err = BadRootPath;

    fn from_str(text: &str) -> Result<Self, BadRootPath> {
        let is_path = text.len() > 1
            && text.starts_with('/')
            && !text.ends_with('/')
            && text
                .parse::<http::uri::PathAndQuery>()
                .is_ok_and(|parsed| parsed.path() == text);
        if is_path {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadRootPath(text.to_owned()))
        }
    }
}

impl fmt::Display for BadRootPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is no root path; it begins with a slash and does not end with one, such as /api",
            self.0
        )
    }
}

impl std::error::Error for BadRootPath {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_what_its_prefix_says() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("10.0.0.0/8", "::ffff:10.0.0.1", "::ffff:11.0.0.1"),
            ("::ffff:10.0.0.0/104", "10.0.0.1", "11.0.0.0"),
            ("::ffff:10.0.0.0/104", "::ffff:10.0.0.1", "::a00:1"),
            ("::ffff:192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("fd00::/8", "fdff::1", "fe80::1"),
            ("::/0", "2001:db8::1", "127.0.0.1"),
            ("::1", "::1", "::2"),
        ] {
            let has = |address: &str| {
                let network: Network = network.parse().expect("a network");
                network.has_ip(address.parse().expect("an address"))
            };
            assert!(has(inside), "{network} has {inside}");
            assert!(!has(outside), "{network} has not {outside}");
        }
        let unix: Network = "unix".parse().expect("a network");
        assert!(unix.has(&Address::Unix(None)));
        assert!(!unix.has(&Address::Tcp(([127, 0, 0, 1], 1).into())));
    }

    #[test]
    fn a_network_is_called_as_it_is_compared() {
        for (text, canonical, everybody) in [
            ("10.0.0.0/8", "10.0.0.0/8", false),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8", false),
            ("::ffff:0.0.0.0/96", "0.0.0.0/0", true),
            ("::/0", "::/0", true),
            ("unix", "unix", false),
        ] {
            let network: Network = text.parse().expect("a network");
            assert_eq!(network.to_string(), canonical);
            assert_eq!(network.is_everybody(), everybody, "{text}");
        }
    }

    #[test]
    fn what_is_no_network_says_so() {
        for (text, mend) in [
            ("", "10.0.0.0/8"),
            ("10.0.0.0/33", "10.0.0.0/8"),
            ("10.0.0.0/x", "10.0.0.0/8"),
            ("example.com", "10.0.0.0/8"),
            ("*", "10.0.0.0/8"),
            ("10.1.0.0/8", "10.0.0.0/8"),
            ("fd00::1/8", "fd00::/8"),
        ] {
            let error = text.parse::<Network>().expect_err(text);
            assert!(error.to_string().contains(mend), "{error}");
        }
    }

    #[test]
    fn a_root_path_begins_with_a_slash_and_ends_with_none() {
        for right in ["/api", "/a/b", "/%41"] {
            assert!(right.parse::<RootPath>().is_ok(), "{right}");
        }
        for wrong in [
            "",
            "/",
            "api",
            "/api/",
            "/a?b",
            "/a#b",
            "/a b",
            "http://a/b",
        ] {
            assert!(wrong.parse::<RootPath>().is_err(), "{wrong}");
        }
    }
}
