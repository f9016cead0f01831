//! A host with an optional port, as a request names where it goes (RFC 3986 section 3.2).

use std::net::Ipv6Addr;

/// A host with an optional port; no user information, which no request may have (RFC 9110 section 4.2.4).
#[derive(Clone, Copy, Debug)]
pub(super) struct Authority<'a> {
    name: &'a [u8],
    pub(super) port: Option<u16>,
}

impl<'a> Authority<'a> {
    pub(super) fn read(text: &'a [u8]) -> Option<Self> {
        let (name, rest) = text.split_at(name_end(text)?);
        let port = match rest {
            [] | [b':'] => None,
            [b':', digits @ ..] if digits.iter().all(u8::is_ascii_digit) => {
                Some(str::from_utf8(digits).ok()?.parse().ok()?)
            }
            _ => return None,
        };
        (!name.is_empty()).then_some(Self { name, port })
    }

    /// Whether both are the same place, for a scheme of this default port.
    pub(super) fn agrees_with(self, other: Self, default_port: u16) -> bool {
        let port = |authority: Self| authority.port.unwrap_or(default_port);
        self.name.eq_ignore_ascii_case(other.name) && port(self) == port(other)
    }
}

/// The end of an IPv6 address in brackets, an IPv4 address or a registered name (RFC 3986 section 3.2.2).
fn name_end(text: &[u8]) -> Option<usize> {
    if text.first() == Some(&b'[') {
        let end = text.iter().position(|&byte| byte == b']')?;
        let address = str::from_utf8(&text[1..end]).ok()?;
        address.parse::<Ipv6Addr>().ok()?;
        return Some(end + 1);
    }
    let mut at = 0;
    loop {
        at += text[at..]
            .iter()
            .take_while(|&&byte| IS_NAME[usize::from(byte)])
            .count();
        match &text[at..] {
            [] | [b':', ..] => return Some(at),
            [b'%', a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => at += 3,
            _ => return None,
        }
    }
}

/// RFC 3986 section 2: `unreserved` and `sub-delims`.
const IS_NAME: [bool; 256] = {
    let mut is_name = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        is_name[byte] = (byte as u8).is_ascii_alphanumeric()
            || matches!(
                byte as u8,
                b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&'..=b',' | b';' | b'='
            );
        byte += 1;
    }
    is_name
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_a_host_and_a_port() {
        for text in [
            "a",
            "A.example:80",
            "[::1]:8000",
            "a%20b",
            "a:",
            "127.0.0.1",
        ] {
            assert!(Authority::read(text.as_bytes()).is_some(), "{text}");
        }
        for text in [
            "", ":80", "a b", "u@a", "a:99999", "a:+80", "[::1", "[x]", "a%2", "a/b",
        ] {
            assert!(Authority::read(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn a_name_has_unreserved_bytes_and_delimiters() {
        for byte in 0..=u8::MAX {
            let expected = byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte);
            assert_eq!(IS_NAME[usize::from(byte)], expected, "{byte:#x}");
        }
    }

    #[test]
    fn authorities_agree_but_for_case_and_default_port() {
        for (one, other, agree) in [
            ("a", "A", true),
            ("a", "a:80", true),
            ("a:81", "a:81", true),
            ("a", "b", false),
            ("a", "a:81", false),
        ] {
            let [one, other] = [one, other].map(|text| Authority::read(text.as_bytes()));
            let (one, other) = (one.expect("it is one"), other.expect("it is one"));
            assert_eq!(one.agrees_with(other, 80), agree, "{one:?} {other:?}");
        }
    }
}
