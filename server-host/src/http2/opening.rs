//! Which protocol a connection speaks, by its first bytes: HTTP/1 and HTTP/2 share a cleartext port.

/// What an HTTP/2 connection begins with (RFC 9113 section 3.4).
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes of the preface that no HTTP/1 request begins with, its method's and its version's: who has sent them means
/// HTTP/2.
const MEANT: usize = b"PRI * HTTP/2".len();

/// What the first bytes of a connection say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// Not enough: ask again with more.
    Undecided,
    /// HTTP/1, or nothing that is known, which HTTP/1 answers best.
    Http1,
    /// The whole preface of HTTP/2.
    Http2,
    /// Meant for HTTP/2, and broken. Whoever sends it understands no answer of HTTP/1: the connection is to be closed
    /// without one.
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
        Self::Http1
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
    fn all_else_is_left_to_http_1_at_once() {
        for bytes in [
            "G",
            "GET /",
            "\r\nGET /",
            "\0",
            "PRI / HTTP/1.1\r\n",
            "PRI * HTTP/1.1\r\n",
        ] {
            assert_eq!(Opening::of(bytes.as_bytes()), Opening::Http1, "{bytes:?}");
        }
    }
}
