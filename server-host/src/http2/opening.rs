//! Which protocol a connection speaks, by its first bytes: HTTP/1 and HTTP/2 share a cleartext port.

/// What an HTTP/2 connection begins with (RFC 9113 section 3.4).
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes of the preface that no HTTP/1 request begins with, its method's and its version's: who has sent them means
/// HTTP/2.
const MEANT: usize = b"PRI * HTTP/2".len();

/// Bytes after which a first line without any sign of a protocol is left to HTTP/1, which has limits of its own.
const PATIENCE: usize = 128;

/// What the first bytes of a connection say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// Not enough: ask again with more.
    Undecided,
    /// HTTP/1, or nothing that is known, which HTTP/1 answers best.
    Http1,
    /// The whole preface of HTTP/2.
    Http2,
    /// Meant for HTTP/2, and broken, or for no HTTP at all. Whoever sends it understands no answer of HTTP/1: the
    /// connection is to be closed without one.
    Broken,
}

impl Opening {
    /// Looks at all that has come so far.
    ///
    /// ```
    /// use server_host::http2::{Opening, PREFACE};
    ///
    /// assert_eq!(Opening::of(b"GET /"), Opening::Http1);
    /// assert_eq!(Opening::of(&PREFACE[..5]), Opening::Undecided);
    /// assert_eq!(Opening::of(PREFACE), Opening::Http2);
    /// ```
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let alike = bytes
            .iter()
            .zip(PREFACE)
            .take_while(|(a, b)| a == b)
            .count();
        if alike == PREFACE.len() {
            return Self::Http2;
        }
        if alike == bytes.len() {
            return Self::Undecided;
        }
        if alike >= MEANT {
            return Self::Broken;
        }
        first_line(bytes)
    }
}

/// HTTP/1 shows itself by its target or its version; a whole line of three words without either is none.
fn first_line(bytes: &[u8]) -> Opening {
    let end = bytes.iter().position(|&byte| byte == b'\n');
    let line = &bytes[..end.unwrap_or(bytes.len())];
    let mut words = line.split(|&byte| byte == b' ');
    let (method, target, version) = (words.next(), words.next(), words.next());
    let word = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_alphabetic);
    if !method.is_some_and(word) {
        return Opening::Http1;
    }
    match (target, version, end) {
        // What is of HTTP/1 has a slash, a colon or an asterisk in its target, which is then no word.
        (Some(target), Some(_), _) if !word(target) => Opening::Http1,
        (Some(target), None, _) if !target.is_empty() && !word(target) => Opening::Http1,
        (Some(_), Some(version), Some(_)) if words.next().is_none() => {
            let version = version.trim_ascii_end();
            let http = version.len() >= 4 && version[..4].eq_ignore_ascii_case(b"HTTP");
            if version.is_empty() || http {
                Opening::Http1
            } else {
                Opening::Broken
            }
        }
        (_, _, Some(_)) => Opening::Http1,
        (_, _, None) if bytes.len() >= PATIENCE => Opening::Http1,
        (_, _, None) => Opening::Undecided,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preface_is_known_when_it_is_whole() {
        for length in 0..PREFACE.len() {
            assert_eq!(
                Opening::of(&PREFACE[..length]),
                Opening::Undecided,
                "{length}"
            );
        }
        assert_eq!(Opening::of(PREFACE), Opening::Http2);
        assert_eq!(
            Opening::of(&[PREFACE, &b"\0\0\0"[..]].concat()),
            Opening::Http2
        );
    }

    #[test]
    fn each_byte_of_a_preface_counts() {
        for broken in 0..PREFACE.len() {
            let mut bytes = *PREFACE;
            bytes[broken] ^= 1;
            let expected = if broken < MEANT {
                Opening::Http1
            } else {
                Opening::Broken
            };
            assert_eq!(Opening::of(&bytes), expected, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn http_1_is_known_early_and_nothing_else_is_answered() {
        use Opening::{Broken, Http1, Undecided};
        for (bytes, expected) in [
            ("", Undecided),
            ("G", Undecided),
            ("GET ", Undecided),
            ("GET /", Http1),
            ("POST http://a", Http1),
            ("OPTIONS *", Http1),
            ("CONNECT a", Undecided),
            ("CONNECT a:80", Http1),
            ("\r\nGET /", Http1),
            ("GET  / HTTP/1.1", Http1),
            ("\0", Http1),
            ("GET", Undecided),
            ("GET\r\n", Http1),
            ("GET x\r\n", Http1),
            ("GET x HTTP/1.1\r\n", Http1),
            ("GET x http/9\r\n", Http1),
            ("GET x \r\n", Http1),
            ("GET / PREFACE\r\n", Http1),
            ("INVALID CONNECTION PREFACE", Undecided),
            ("INVALID CONNECTION PREFACE\r\n", Broken),
            ("one two three four\r\n", Http1),
            ("PRI * HTTP/1.1\r\n", Http1),
        ] {
            assert_eq!(Opening::of(bytes.as_bytes()), expected, "{bytes:?}");
        }
        assert_eq!(Opening::of(&[b'x'; PATIENCE]), Http1);
    }
}
