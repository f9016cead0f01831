//! One `check` for every case: what arrives is fed whole, byte by byte, in two pieces and cut at random places, and must be
//! understood in the same way.

use bytes::{Buf, BytesMut};
use gateway_spec::Headers;
use http::StatusCode;
use http1::{
    AfterReply, Check, Connection, Event, Limits, Passed, PeerError, RequestHead, Step, Verdict,
};

pub(crate) const DATE: &[u8; 29] = b"Sun, 06 Nov 1994 08:49:37 GMT";

/// What happens to the connection when all bytes were fed.
#[derive(Clone, Copy)]
pub(crate) enum Then {
    /// It stays open.
    Wait,
    /// The peer sends its FIN.
    Leave,
}

/// Feeds `wire` in every way and compares what was seen with `expected`, a line an event.
#[track_caller]
pub(crate) fn check(wire: impl AsRef<[u8]>, expected: &[&str]) {
    check_with(Limits::default(), wire, Then::Wait, expected);
}

/// As `check`, for a wire that must be refused after `seen`.
#[track_caller]
pub(crate) fn check_refused(wire: impl AsRef<[u8]>, seen: &[&str], error: PeerError) {
    let error = format!("{error:?}");
    let mut expected = seen.to_vec();
    expected.push(&error);
    check(wire, &expected);
}

#[track_caller]
pub(crate) fn check_with(limits: Limits, wire: impl AsRef<[u8]>, then: Then, expected: &[&str]) {
    let wire = wire.as_ref();
    let shown = wire[..wire.len().min(300)].escape_ascii();
    assert_eq!(
        seen([wire], limits, then),
        expected,
        "in one piece: {shown}"
    );
    assert_eq!(
        seen(wire.chunks(1), limits, then),
        expected,
        "byte by byte: {shown}"
    );
    // Long wires are of one kind all along.
    for at in (0..wire.len().min(400)).step_by(1 + wire.len() / 1000) {
        let (head, tail) = wire.split_at(at);
        assert_eq!(
            seen([head, tail], limits, then),
            expected,
            "cut at {at}: {shown}"
        );
    }
    for seed in 1..20 {
        let pieces = cut_at_random(wire, seed);
        assert_eq!(
            seen(pieces, limits, then),
            expected,
            "cut by seed {seed}: {shown}"
        );
    }
}

/// A small generator is enough, and the same cuts come every time.
pub(crate) fn cut_at_random(mut wire: &[u8], seed: u64) -> Vec<&[u8]> {
    let mut state = seed;
    let mut pieces = Vec::new();
    while !wire.is_empty() {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let longest = 1 << (seed % 7);
        let (piece, rest) = wire.split_at(((state >> 33) as usize % longest + 1).min(wire.len()));
        pieces.push(piece);
        wire = rest;
    }
    pieces
}

/// What a server that answers every request with 200 sees. Data is joined, since where it is cut is nobody's promise.
///
/// A check of the same bytes must have let through what it saw, and refuse what it refused.
pub(crate) fn seen<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    limits: Limits,
    then: Then,
) -> Vec<String> {
    let pieces: Vec<_> = pieces.into_iter().collect();
    let lines = seen_by_connection(&pieces, limits, then, Looks::Anew);
    let repeated = seen_by_connection(&pieces, limits, then, Looks::ForRepeated);
    assert_eq!(
        repeated, lines,
        "where heads that are as those before are looked for"
    );
    let (passed, refused) = pass(&pieces, limits, then);
    let behind = match refused {
        Some(_) => Then::Wait,
        None => then,
    };
    // With no room at all, a connection refuses even the bytes that there are not.
    let some_room = limits.with_head_bytes(limits.head_bytes.max(1));
    let mut seen_behind = seen_by_connection(&[&passed], some_room, behind, Looks::ForRepeated);
    if let Some(error) = refused {
        assert_eq!(seen_behind.pop().as_deref(), Some("waits"));
        seen_behind.push(format!("{error:?}"));
    }
    assert_eq!(
        seen_behind,
        lines,
        "behind a check: {}",
        passed.escape_ascii()
    );
    lines
}

/// What a check lets through of the pieces, as long as every request is answered by 200; and what it refuses then.
fn pass(pieces: &[&[u8]], limits: Limits, then: Then) -> (Vec<u8>, Option<PeerError>) {
    let mut check = Check::new(limits);
    let mut head = RequestHead::default();
    let mut passed = Vec::new();
    let mut left = Vec::new();
    for piece in pieces {
        left.extend_from_slice(piece);
        loop {
            let Passed { bytes, verdict } = check.pass(&left, &mut head);
            passed.extend(left.drain(..bytes));
            match verdict {
                Verdict::Right if bytes == 0 => break,
                Verdict::Right | Verdict::Head(_) => {}
                Verdict::Paused => check.go_on(),
                Verdict::Ended => return (passed, None),
                Verdict::HeadRefused(error) | Verdict::BodyRefused(error) => {
                    let again = check.pass(b"x", &mut head).verdict;
                    assert_eq!(again, verdict, "an error stays");
                    return (passed, Some(error));
                }
            }
        }
    }
    match then {
        Then::Wait => (passed, None),
        Then::Leave => match check.end_of_input(&left) {
            Verdict::HeadRefused(error) => (passed, Some(error)),
            _ => (passed, None),
        },
    }
}

fn seen_by_connection(pieces: &[&[u8]], limits: Limits, then: Then, looks: Looks) -> Vec<String> {
    let mut server = Server::new(limits);
    server.looks = looks;
    let mut lines = Vec::new();
    for piece in pieces {
        server.input.extend_from_slice(piece);
        if server.pump(&mut lines) == Pumped::Over {
            return lines;
        }
    }
    if let Then::Leave = then {
        server.connection.end_of_input();
        if server.pump(&mut lines) == Pumped::Over {
            return lines;
        }
    }
    lines.push("waits".to_owned());
    lines
}

/// A connection and what its caller owns.
pub(crate) struct Server {
    pub(crate) connection: Connection,
    pub(crate) input: BytesMut,
    pub(crate) head: RequestHead,
    pub(crate) out: Vec<u8>,
    looks: Looks,
}

/// How a server reads a head.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Looks {
    Anew,
    /// First whether it is as the one before: what that finds must be what the other would.
    ForRepeated,
}

#[derive(PartialEq, Eq)]
enum Pumped {
    NeedsBytes,
    Over,
}

impl Server {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            connection: Connection::new(limits),
            input: BytesMut::new(),
            head: RequestHead::default(),
            out: Vec::new(),
            looks: Looks::ForRepeated,
        }
    }

    /// A server that has read the head of this request.
    #[track_caller]
    pub(crate) fn asked(wire: impl AsRef<[u8]>) -> Self {
        let mut server = Self::new(Limits::default());
        server.input.extend_from_slice(wire.as_ref());
        assert_eq!(server.next(), Ok(Step::Event(Event::Head)));
        server
    }

    pub(crate) fn next(&mut self) -> Result<Step, PeerError> {
        if self.looks == Looks::ForRepeated
            && let Some(length) = self.connection.next_repeated(&self.input, &mut self.head)
        {
            self.input.advance(length);
            return Ok(Step::Event(Event::Head));
        }
        self.connection.next_event(&mut self.input, &mut self.head)
    }

    /// What was written since the last call, as text.
    pub(crate) fn written(&mut self) -> String {
        String::from_utf8(std::mem::take(&mut self.out)).expect("tests write text")
    }

    fn pump(&mut self, lines: &mut Vec<String>) -> Pumped {
        loop {
            match self.next() {
                Ok(Step::Event(Event::Head)) => lines.push(head_line(&self.head)),
                Ok(Step::Event(Event::Data(data))) => {
                    assert!(!data.is_empty(), "data is never empty");
                    let text = data.escape_ascii().to_string();
                    match lines.last_mut() {
                        Some(last) if last.starts_with("data ") => last.push_str(&text),
                        _ => lines.push(format!("data {text}")),
                    }
                }
                Ok(Step::Event(Event::Trailers(trailers))) => {
                    lines.push(format!("trailers{}", fields(&trailers.into())));
                }
                Ok(Step::Event(Event::End)) => lines.push("end".to_owned()),
                Ok(Step::NeedBytes) => return Pumped::NeedsBytes,
                Ok(Step::Paused) => self.reply(),
                Ok(Step::Closed) => {
                    lines.push("closed".to_owned());
                    return Pumped::Over;
                }
                Err(error) => {
                    assert_eq!(self.next(), Err(error), "an error stays");
                    assert_eq!(self.connection.after_reply(), AfterReply::Close);
                    lines.push(format!("{error:?}"));
                    return Pumped::Over;
                }
            }
        }
    }

    fn reply(&mut self) {
        let connection = &mut self.connection;
        let status = if self.head.method == "CONNECT" {
            StatusCode::FORBIDDEN
        } else {
            StatusCode::OK
        };
        connection
            .send_whole(status, &Headers::new(), b"", DATE, &mut self.out)
            .expect("a reply is owed");
        connection.start_next().expect("the reply is whole");
    }
}

fn head_line(head: &RequestHead) -> String {
    let mut line = format!(
        "{} {} {:?}{}",
        head.method,
        head.uri,
        head.facts.version,
        fields(&head.headers)
    );
    for (default, found) in [
        ("Empty", format!("{:?}", head.facts.framing)),
        (
            "None",
            format!("expects {:?}", head.facts.expectation).replace("expects None", "None"),
        ),
        (
            "None",
            format!("upgrade {:?}", head.facts.upgrade).replace("upgrade None", "None"),
        ),
        (
            "Unasked",
            format!("trailers {:?}", head.facts.trailers).replace("trailers Unasked", "Unasked"),
        ),
    ] {
        if found != default {
            line.push_str(&format!(" | {found}"));
        }
    }
    line
}

fn fields(headers: &Headers) -> String {
    headers
        .iter()
        .map(|(name, value)| format!(" | {name}: {}", value.escape_ascii()))
        .collect()
}
