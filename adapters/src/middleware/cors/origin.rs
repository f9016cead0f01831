//! Origins as browsers write them (RFC 6454 section 6.2, Fetch Standard).

use http::HeaderValue;

use crate::middleware::BuildError;

/// An origin of the author's list, if a browser could ever send it.
pub(super) fn serialized(origin: &str) -> Result<HeaderValue, BuildError> {
    let refuse = |why: &str| BuildError::new(format!("`{origin}` is no origin: {why}"));
    match origin {
        "*" => return Err(refuse("say `any_origin`")),
        "null" => {
            return Err(refuse(
                "every page can have it, by a sandboxed frame; if you mean that, decide by `origins_by`",
            ));
        }
        _ => {}
    }
    let Some((scheme, authority)) = origin.split_once("://") else {
        return Err(refuse("write `scheme://host` or `scheme://host:port`"));
    };
    if !origin.is_ascii() {
        return Err(refuse("write its host as browsers send it, `xn--…`"));
    }
    if origin.contains('*') {
        return Err(refuse("nothing is matched by `*`; decide by `origins_by`"));
    }
    if authority.contains(['/', '?', '#', '@']) {
        return Err(refuse("it ends with the host or the port, without a slash"));
    }
    if origin.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(refuse("browsers send it in lower case"));
    }
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let (host, port) = host_and_port(authority);
    if !is_scheme || host.is_empty() || !host.bytes().all(is_of_a_host) {
        return Err(refuse("write `scheme://host` or `scheme://host:port`"));
    }
    match port {
        Some(port) if Some(port) == default_port(scheme) => {
            return Err(refuse("browsers leave a default port out"));
        }
        Some(port) if port.starts_with('0') || port.parse::<u16>().is_err() => {
            return Err(refuse("its port is a number from 1 to 65535"));
        }
        _ => {}
    }
    HeaderValue::from_str(origin).map_err(|_| refuse("it can be no field's value"))
}

/// Whether a page's origin is where its request was sent to, but for the scheme: behind a proxy that ends TLS, this server's own is
/// another.
pub(super) fn is_same_site(origin: &[u8], authority: Option<&str>) -> bool {
    let origin = str::from_utf8(origin).ok();
    let (Some((scheme, of_page)), Some(of_request)) = (
        origin.and_then(|origin| origin.split_once("://")),
        authority,
    ) else {
        return false;
    };
    let (host, port) = host_and_port(of_request);
    let is_default = port.is_none_or(|port| port.is_empty() || Some(port) == default_port(scheme));
    let of_request = if is_default { host } else { of_request };
    of_page.eq_ignore_ascii_case(of_request)
}

fn host_and_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        // A colon of an IPv6 address is inside of its brackets.
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

fn default_port(scheme: &str) -> Option<&'static str> {
    match scheme {
        "http" => Some("80"),
        "https" => Some("443"),
        _ => None,
    }
}

const fn is_of_a_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'[' | b']' | b':')
}
