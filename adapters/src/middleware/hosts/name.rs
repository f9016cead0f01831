//! Hosts as requests name them, and the names that they are compared with (RFC 3986 section 3.2.2).

use std::net::Ipv6Addr;

use crate::middleware::BuildError;

/// A host and a port, as a request names them.
pub(super) struct Authority<'a> {
    host: Host<'a>,
    port: Option<u16>,
}

enum Host<'a> {
    /// A name, or an address of IPv4: without the dot at its end.
    Name(&'a str),
    V6(Ipv6Addr),
}

impl<'a> Authority<'a> {
    /// `None` if it is none.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (host, port) = match text.rsplit_once(':') {
            // A colon of an IPv6 address is inside of its brackets.
            Some((host, port)) if !port.contains(']') => (host, port),
            _ => (text, ""),
        };
        let port = match port {
            "" => None,
            // `parse` would take a sign.
            digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(digits.parse().ok()?)
            }
            _ => return None,
        };
        let host = match host.strip_prefix('[') {
            Some(address) => Host::V6(address.strip_suffix(']')?.parse().ok()?),
            None => Host::Name(name(host)?),
        };
        Some(Self { host, port })
    }
}

/// A registered name without the dot that says that it is whole.
fn name(text: &str) -> Option<&str> {
    let name = text.strip_suffix('.').unwrap_or(text);
    let mut rest = name.bytes();
    while let Some(byte) = rest.next() {
        let is_valid = match byte {
            b'%' => {
                let is_hex = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_hexdigit());
                is_hex(rest.next()) && is_hex(rest.next())
            }
            byte => byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte),
        };
        if !is_valid {
            return None;
        }
    }
    (!name.is_empty()).then_some(name)
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    }
}

/// What hosts are compared with.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    host: Hosts,
    port: Option<u16>,
}

#[derive(Debug, PartialEq, Eq)]
enum Hosts {
    Exactly(String),
    /// All below this name, which begins with its dot.
    Below(String),
    V6(Ipv6Addr),
}

impl Pattern {
    pub(super) fn parse(text: &str) -> Result<Self, BuildError> {
        let refuse = |why: &str| BuildError::new(format!("`{text}` is no host: {why}"));
        if text == "*" {
            return Err(refuse("for all others there is `otherwise`"));
        }
        if text.contains('/') {
            return Err(refuse(
                "write the name alone, without a scheme or a path; for paths there is `Mount`",
            ));
        }
        if !text.is_ascii() {
            return Err(refuse("write it as clients send it, `xn--…`"));
        }
        let (rest, is_wildcard) = match text.strip_prefix("*.") {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        if rest.contains('*') {
            return Err(refuse("a `*` stands for all that is before the first dot"));
        }
        let form = "write `name`, `name:port`, `*.name`, or an address, that of IPv6 in brackets";
        let named = Authority::parse(rest).ok_or_else(|| refuse(form))?;
        let host = match named.host {
            Host::Name(name) if name.contains('%') => {
                return Err(refuse(
                    "hosts are compared as they are sent: name it in ASCII",
                ));
            }
            Host::Name(name) if is_wildcard => {
                Hosts::Below(format!(".{}", name.to_ascii_lowercase()))
            }
            Host::Name(name) => Hosts::Exactly(name.to_ascii_lowercase()),
            Host::V6(_) if is_wildcard => return Err(refuse("nothing is below an address")),
            Host::V6(address) => Hosts::V6(address),
        };
        Ok(Self {
            host,
            port: named.port,
        })
    }

    /// Whether it is that of a request by this scheme, whose port clients leave out when it is the scheme's own (RFC 9110 section 4.2).
    pub(super) fn has(&self, named: &Authority<'_>, scheme: &str) -> bool {
        let port = || named.port.or_else(|| default_port(scheme));
        if self.port.is_some() && self.port != port() {
            return false;
        }
        match (&self.host, &named.host) {
            (Hosts::Exactly(known), Host::Name(name)) => known.eq_ignore_ascii_case(name),
            (Hosts::Below(known), Host::Name(name)) => {
                let start = name.len().checked_sub(known.len());
                let end = start
                    .filter(|start| *start > 0)
                    .and_then(|start| name.get(start..));
                end.is_some_and(|end| known.eq_ignore_ascii_case(end))
            }
            (Hosts::V6(known), Host::V6(address)) => known == address,
            (Hosts::V6(_), Host::Name(_)) | (_, Host::V6(_)) => false,
        }
    }

    /// Which of two that match is the more particular.
    pub(super) fn rank(&self) -> (bool, usize, bool) {
        let (is_exact, len) = match &self.host {
            Hosts::Exactly(_) | Hosts::V6(_) => (true, 0),
            Hosts::Below(name) => (false, name.len()),
        };
        (is_exact, len, self.port.is_some())
    }
}
