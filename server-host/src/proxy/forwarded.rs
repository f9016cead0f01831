//! What forwarded fields say, read from the right: each proxy adds whom it was asked by, so what is right of the first address
//! that is not trusted was written by proxies that are, and what is left of it by anybody.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use gateway_spec::Headers;
use http::uri::{Authority, Scheme};

use super::{scheme, without_port};
use crate::settings::ForwardedFields;

/// What was said, as far as it can be believed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// Where the client is, if anything was said of it.
    pub(super) client: Option<Client>,
    pub(super) scheme: Option<Scheme>,
    pub(super) host: Option<Authority>,
}

/// Where a client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Client {
    At(SocketAddr),
    /// A proxy does not know, or does not say.
    Unknown,
}

/// Reads the fields of a request that came from a trusted proxy.
pub(super) fn read(
    headers: &Headers,
    fields: ForwardedFields,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> Said {
    match fields {
        ForwardedFields::XForwarded => x_forwarded(headers, is_trusted),
        ForwardedFields::XForwardedHost => Said {
            host: rightmost(headers, "x-forwarded-host").and_then(authority),
            ..x_forwarded(headers, is_trusted)
        },
        ForwardedFields::Forwarded => forwarded(headers, is_trusted),
    }
}

fn x_forwarded(headers: &Headers, is_trusted: impl Fn(IpAddr) -> bool) -> Said {
    let mut client = None;
    for item in from_the_right(headers, "x-forwarded-for") {
        let at = item.and_then(node);
        client = Some(at.map_or(Client::Unknown, Client::At));
        if !at.is_some_and(|at| is_trusted(at.ip())) {
            break;
        }
    }
    Said {
        client,
        scheme: rightmost(headers, "x-forwarded-proto").and_then(scheme),
        host: None,
    }
}

/// What the proxy that asks has written. Nobody can tell who wrote what is left of it: not every proxy adds to each field, so
/// counting along with the addresses would end at a client's own word.
fn rightmost<'a>(headers: &'a Headers, name: &'static str) -> Option<&'a str> {
    from_the_right(headers, name).next().flatten()
}

/// The items of a field's lines, the last first; `None` for what is no text.
fn from_the_right<'a>(
    headers: &'a Headers,
    name: &'static str,
) -> impl Iterator<Item = Option<&'a str>> {
    let mut lines: Vec<&[u8]> = headers.get_all(name).collect();
    lines.reverse();
    lines.into_iter().flat_map(|line| {
        let items = line.rsplit(|byte| *byte == b',');
        items.map(|item| std::str::from_utf8(item).ok().map(str::trim))
    })
}

fn forwarded(headers: &Headers, is_trusted: impl Fn(IpAddr) -> bool) -> Said {
    let mut said = Said::default();
    let mut lines: Vec<&[u8]> = headers.get_all("forwarded").collect();
    lines.reverse();
    for line in lines {
        let Some(elements) = std::str::from_utf8(line).ok().and_then(elements_of) else {
            // Where an element ends cannot be told, nor who wrote it.
            return Said {
                client: Some(Client::Unknown),
                ..Said::default()
            };
        };
        for element in elements.into_iter().rev() {
            let at = element.client.as_deref().and_then(bracketed_node);
            said = Said {
                client: Some(at.map_or(Client::Unknown, Client::At)),
                scheme: element.scheme.as_deref().and_then(scheme),
                host: element.host.as_deref().and_then(authority),
            };
            if !at.is_some_and(|at| is_trusted(at.ip())) {
                return said;
            }
        }
    }
    said
}

/// One element of `Forwarded`: what one proxy has added.
#[derive(Debug, Default)]
struct Element {
    client: Option<String>,
    scheme: Option<String>,
    host: Option<String>,
}

/// The elements of a line (RFC 7239 section 4); `None` if it breaks the rules.
fn elements_of(line: &str) -> Option<Vec<Element>> {
    let mut elements = Vec::new();
    let mut rest = line;
    loop {
        let (element, after) = element(rest)?;
        elements.extend(element);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None if after.is_empty() => return Some(elements),
            None => return None,
        }
    }
}

/// One element and what follows it; an empty one is none (RFC 9110 section 5.6.1).
fn element(text: &str) -> Option<(Option<Element>, &str)> {
    let mut element = Element::default();
    let mut rest = text.trim_start_matches([' ', '\t']);
    if rest.is_empty() || rest.starts_with(',') {
        return Some((None, rest));
    }
    loop {
        let (name, value, after) = pair(rest)?;
        let place = match name.to_ascii_lowercase().as_str() {
            "for" => Some(&mut element.client),
            "proto" => Some(&mut element.scheme),
            "host" => Some(&mut element.host),
            _ => None,
        };
        if let Some(place) = place
            && place.replace(value).is_some()
        {
            // Each parameter once.
            return None;
        }
        let after = after.trim_start_matches([' ', '\t']);
        match after.strip_prefix(';') {
            Some(next) => rest = next.trim_start_matches([' ', '\t']),
            None => return Some((Some(element), after)),
        }
    }
}

/// `name=value`, whose value may be quoted; and what follows it.
fn pair(text: &str) -> Option<(&str, String, &str)> {
    let (name, rest) = text.split_once('=')?;
    if name.is_empty() || !name.bytes().all(is_token) {
        return None;
    }
    let Some(quoted) = rest.strip_prefix('"') else {
        let end = rest.bytes().position(|byte| !is_token(byte));
        let (value, rest) = rest.split_at(end.unwrap_or(rest.len()));
        return (!value.is_empty()).then(|| (name, value.to_owned(), rest));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((name, value, &quoted[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            character => value.push(character),
        }
    }
    None
}

/// RFC 9110 section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// An address as `X-Forwarded-For` has it: with or without a port, of IPv6 with or without brackets.
fn node(text: &str) -> Option<SocketAddr> {
    match text.parse::<IpAddr>() {
        Ok(ip) => Some(without_port(ip.to_canonical())),
        Err(_) => bracketed_node(text),
    }
}

/// An address as `Forwarded` has it (RFC 7239 section 6): IPv6 in brackets, or a port could not be told from it.
fn bracketed_node(text: &str) -> Option<SocketAddr> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(SocketAddr::new(address.ip().to_canonical(), address.port()));
    }
    if let Ok(ip) = text.parse::<std::net::Ipv4Addr>() {
        return Some(without_port(ip.into()));
    }
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    let ip: Ipv6Addr = inner.parse().ok()?;
    Some(without_port(ip.to_canonical()))
}

/// A host, and a port if it has one.
fn authority(text: &str) -> Option<Authority> {
    let authority: Authority = text.parse().ok()?;
    // Whoever writes a user there means something else than a host.
    (!authority.as_str().contains('@')).then_some(authority)
}
