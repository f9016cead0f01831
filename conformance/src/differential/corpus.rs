//! The recordings: the rows of the framing chapter, whole conversations, and the same with something wrong in them.

use crate::cases::recordings;

/// Mutations of each recording.
const MUTATIONS: u64 = 24;

/// What a mutation puts into a recording: what separates, ends and frames.
const PIECES: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b":",
    b",",
    b";",
    b"\x0b",
    b"\x7f",
    b"\x80",
    b"0",
    b"f",
    b"-",
    b"+",
    b"/",
    b"#",
    b"@",
    b"?",
    b"\r\n\r\n",
    b"chunked",
    b"content-length: 3\r\n",
    b"transfer-encoding: chunked\r\n",
    b"connection: close\r\n",
    b"expect: 100-continue\r\n",
    b"host: b\r\n",
];

/// Conversations that the rows of the cases do not have.
const CONVERSATIONS: &[(&str, &[u8])] = &[
    ("two_in_one", b"GET /conformance/hello HTTP/1.1\r\nhost: a\r\n\r\nHEAD /conformance/hello HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n"),
    ("post_then_get", b"POST /any HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhelloGET / HTTP/1.1\r\nhost: a\r\nX-One: 1\r\n\r\n"),
    ("chunks_then_get", b"PUT /any HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=\"y\"\r\nde\r\n0\r\nx-sum: 1\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n"),
    ("old_version", b"GET /conformance/hello HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n"),
    ("old_version_kept", b"GET /conformance/hello HTTP/1.0\r\nconnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n"),
    ("old_version_chunked_answer", b"GET /conformance/stream-status/200 HTTP/1.0\r\nhost: a\r\n\r\n"),
    ("chunked_answer", b"GET /conformance/stream-status/200 HTTP/1.1\r\nhost: a\r\n\r\n"),
    ("absolute_target", b"GET http://a/conformance/hello?x=1 HTTP/1.1\r\nhost: a\r\n\r\n"),
    ("asterisk", b"OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n"),
    ("connect", b"CONNECT a:80 HTTP/1.1\r\nhost: a:80\r\n\r\n"),
    ("odd_method", b"M-SEARCH /x HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\nx"),
    ("cookies", b"GET /cookie HTTP/1.1\r\nhost: a\r\ncookie: a=1; b=2\r\ncookie: c=3\r\n\r\n"),
    ("expectation", b"POST /conformance/read-all HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\nhi"),
    ("expectation_not_met", b"POST /conformance/early HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\nhi"),
    ("odd_expectation", b"POST /conformance/read-all HTTP/1.1\r\nhost: a\r\nexpect: something\r\ncontent-length: 2\r\n\r\nhi"),
    ("no_content", b"GET /conformance/status/204 HTTP/1.1\r\nhost: a\r\n\r\nGET /conformance/status/304 HTTP/1.1\r\nhost: a\r\n\r\nGET /conformance/status/205 HTTP/1.1\r\nhost: a\r\n\r\n"),
    ("trailers_asked_for", b"GET /conformance/trailers/announced HTTP/1.1\r\nhost: a\r\nte: trailers\r\nconnection: te\r\n\r\n"),
    ("tunnel", b"GET /conformance/upgrade HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nfirst"),
    ("websocket", b"GET /any HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x81\x83\0\0\0\0abc\x88\x82\0\0\0\0\x03\xe8"),
    ("websocket_unmasked", b"GET /any HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x81\x03abc"),
    ("websocket_denied", b"GET /conformance/ws/deny HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"),
    ("websocket_of_another_version", b"GET /any HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 8\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"),
    ("a_panic", b"GET /conformance/fail/panic HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n"),
    ("a_panic_within_the_answer", b"GET /conformance/fail/started/panic HTTP/1.1\r\nhost: a\r\n\r\n"),
    ("nothing", b""),
    ("an_empty_line", b"\r\n"),
    ("a_preface_that_breaks_off", b"PRI * HTTP/2.0\r\n\r\nSM\r\n"),
];

/// What a client sends on one connection before it half-closes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recording {
    /// Where it comes from: the name of a row, and for a mutation its number.
    pub name: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Recording {
    /// A recording of one's own.
    #[must_use]
    pub fn new(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            name: name.into(),
            bytes: bytes.into(),
        }
    }

    /// The recording with something deleted, doubled, put in or replaced at a place that the number chooses.
    pub(super) fn mutated(&self, number: u64) -> Self {
        let mut choices =
            Choices(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ self.bytes.len() as u64);
        let mut bytes = self.bytes.clone();
        for _ in 0..=choices.below(2) {
            let at = choices.below(bytes.len() + 1);
            let piece = PIECES[choices.below(PIECES.len())];
            match choices.below(4) {
                0 => drop(bytes.splice(at..(at + 1).min(bytes.len()), [])),
                1 => drop(bytes.splice(at..at, piece.iter().copied())),
                2 => drop(bytes.splice(
                    at..(at + piece.len()).min(bytes.len()),
                    piece.iter().copied(),
                )),
                _ => {
                    let to = (at + 1 + choices.below(24)).min(bytes.len());
                    let doubled = bytes[at..to].to_vec();
                    bytes.splice(at..at, doubled);
                }
            }
        }
        Self::new(format!("{}#{number}", self.name), bytes)
    }
}

/// All recordings, the same each time.
#[must_use]
pub fn corpus() -> Vec<Recording> {
    let conversations = CONVERSATIONS
        .iter()
        .map(|(name, bytes)| Recording::new(*name, *bytes));
    let mut all: Vec<Recording> = recordings().chain(conversations).collect();
    let mutations: Vec<Recording> = all
        .iter()
        .flat_map(|recording| (0..MUTATIONS).map(|number| recording.mutated(number)))
        .collect();
    all.extend(mutations);
    all
}

/// A small generator of numbers (SplitMix64): the corpus must be the same on every machine and with every library.
pub(super) struct Choices(u64);

impl Choices {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % bound as u64).expect("it is below a usize")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_corpus_is_the_same_each_time_and_has_no_name_twice() {
        let (one, other) = (corpus(), corpus());
        assert_eq!(one, other);
        let names: HashSet<&str> = one
            .iter()
            .map(|recording| recording.name.as_str())
            .collect();
        assert_eq!(names.len(), one.len());
    }

    #[test]
    fn most_mutations_change_something() {
        let original = Recording::new("x", *b"GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        let changed =
            (0..MUTATIONS).filter(|&number| original.mutated(number).bytes != original.bytes);
        assert!(changed.count() > 20);
    }
}
