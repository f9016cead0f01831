//! What holds whatever comes, each as one function of bytes: the properties of this suite call them with inputs of proptest's, the
//! targets in `fuzz/` with a fuzzer's.
//!
//! A *wire* is what a peer sends, and nothing else, so that any corpus of requests is a corpus for it. *Choices* are read one
//! byte a decision, by [`Choices`].

use gateway_spec::Headers;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use http1::{
    AfterReply, BodyFraming, Event, Limits, PeerError, ReplyBody, RequestHead, Step, UsageError,
};

use super::seeds::{WIRES, small};
use super::support::{DATE, Server, Then, cut_at_random, seen};

/// However a wire is cut, it means the same; an error stays; what waits in the input is bounded. (RFC 9112 section 2)
pub(crate) fn cuts_change_nothing(wire: &[u8]) {
    for limits in [Limits::default(), small()] {
        for then in [Then::Wait, Then::Leave] {
            let whole = seen([wire], limits, then);
            assert_eq!(seen(wire.chunks(1), limits, then), whole, "byte by byte");
            for seed in 1..4 {
                let pieces = cut_at_random(wire, seed + checksum(wire));
                assert_eq!(seen(pieces, limits, then), whole, "cut by seed {seed}");
            }
        }
    }
}

/// The cuts follow from the wire, so that an input that fails does so again.
fn checksum(wire: &[u8]) -> u64 {
    let step = |sum: u64, byte: &u8| sum.wrapping_mul(31).wrapping_add(u64::from(*byte));
    wire.iter().fold(0, step) >> 8
}

/// What was read on a connection before says nothing of what comes: not a head with the same fields, nor one with nearly the same.
pub(crate) fn the_head_before_changes_nothing(wire: &[u8]) {
    for limits in [Limits::default(), small()] {
        let alone = seen([wire], limits, Then::Leave);
        for head in heads_before(wire) {
            let mut expected = seen([&head[..]], limits, Then::Wait);
            let waits = expected.pop();
            match &expected[..] {
                // A request that another follows at once.
                [head] if waits.is_some_and(|waits| waits == "waits") && !has_body(head) => {}
                _ => continue,
            }
            expected.extend_from_slice(&alone);
            assert_eq!(seen([&head, wire], limits, Then::Leave), expected);
        }
    }
}

fn has_body(line: &str) -> bool {
    line.contains(" | Chunked") || line.contains(" | Sized(")
}

/// The first head of a wire, with its own request line and with others; and one that nearly every wire differs from.
fn heads_before(wire: &[u8]) -> Vec<Vec<u8>> {
    let mut heads = vec![b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()];
    let end = wire.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    let head = &wire[..end.map_or(0, |end| end + 4)];
    if let Some(line) = head.windows(2).position(|bytes| bytes == b"\r\n") {
        heads.push(head.to_vec());
        for other in [
            &b"GET / HTTP/1.1"[..],
            b"OPTIONS /a/longer/one?x HTTP/1.1",
            b"GET / HTTP/1.0",
        ] {
            heads.push([other, &head[line..]].concat());
        }
    }
    heads
}

/// A wire that ends between requests means the same each time that it is sent, bodies and all: of what is remembered of a head, framing is
/// what a smuggler would want to be wrong.
pub(crate) fn three_times_is_three_times(wire: &[u8]) {
    for limits in [Limits::default(), small()] {
        let once = seen([wire], limits, Then::Wait);
        let Some((last, events)) = once.split_last() else {
            return;
        };
        // One empty line may stand before a request; of two wires there might be two.
        if last != "waits"
            || wire.starts_with(b"\r\n")
            || !ends_between_requests(wire, limits, events)
        {
            continue;
        }
        let mut expected = [events, events, events].concat();
        expected.push(last.clone());
        let all = wire.repeat(3);
        assert_eq!(seen([&all[..]], limits, Then::Wait), expected);
        for seed in 1..4 {
            let pieces = cut_at_random(&all, seed + checksum(wire));
            assert_eq!(
                seen(pieces, limits, Then::Wait),
                expected,
                "cut by seed {seed}"
            );
        }
    }
}

/// Whether a request that follows is one.
fn ends_between_requests(wire: &[u8], limits: Limits, events: &[String]) -> bool {
    let probe = b"GET /probe HTTP/1.1\r\nhost: q\r\n\r\n";
    let alone = seen([&probe[..]], limits, Then::Wait);
    // As a whole: what is left of a body would be the beginning of its method.
    seen([wire, &probe[..]], limits, Then::Wait) == [events, &alone].concat()
}

/// The events of each request are those of its framing: no data for an empty body, as many bytes as were declared and no more,
/// trailers behind chunks alone, one end.
pub(crate) fn events_fit_their_head(wire: &[u8]) {
    let mut server = Server::new(Limits::default());
    server.input.extend_from_slice(wire);
    server.connection.end_of_input();
    let mut owed = Owed::Nothing;
    // Each event takes at least one byte, but for heads' and bodies' ends.
    for _ in 0..3 * wire.len() + 3 {
        match server.next() {
            Ok(Step::Event(event)) => owed = owed.after(&event, &server.head),
            Ok(Step::Paused) => {
                assert_eq!(owed, Owed::Nothing, "a pause is the request's end");
                let status = match server.head.method {
                    Method::CONNECT => StatusCode::FORBIDDEN,
                    _ => StatusCode::OK,
                };
                let (connection, out) = (&mut server.connection, &mut server.out);
                connection
                    .send_whole(status, &Headers::new(), b"", DATE, out)
                    .expect("a reply is owed");
                connection.start_next().expect("the reply is whole");
            }
            Ok(Step::NeedBytes) => panic!("the peer has left"),
            Ok(Step::Closed) => {
                assert_eq!(owed, Owed::Nothing, "a connection ends between requests");
                return;
            }
            Err(error) => {
                assert!(error.status().is_client_error() || error.status().is_server_error());
                return;
            }
        }
    }
    panic!("no end after {} bytes", wire.len());
}

/// What must still come of a request.
#[derive(Debug, PartialEq, Eq)]
enum Owed {
    Nothing,
    Bytes(u64),
    Chunks,
    EndAfterTrailers,
}

impl Owed {
    fn after(self, event: &Event, head: &RequestHead) -> Self {
        match (self, event) {
            (Self::Nothing, Event::Head) => match head.facts.framing {
                BodyFraming::Empty => Self::Nothing,
                BodyFraming::Sized(length) => Self::Bytes(length),
                BodyFraming::Chunked => Self::Chunks,
            },
            (Self::Bytes(left), Event::Data(data)) => {
                assert!(!data.is_empty());
                let left = left.checked_sub(data.len() as u64);
                Self::Bytes(left.expect("no more than was declared"))
            }
            (Self::Bytes(0), Event::End) => Self::Nothing,
            (Self::Chunks, Event::Data(data)) => {
                assert!(!data.is_empty());
                Self::Chunks
            }
            (Self::Chunks, Event::Trailers(trailers)) => {
                assert!(!trailers.is_empty());
                Self::EndAfterTrailers
            }
            (Self::Chunks | Self::EndAfterTrailers, Event::End) => Self::Nothing,
            (owed, event) => panic!("{event:?} while {owed:?} is owed"),
        }
    }
}

/// Each head that we accept, httparse accepts with the same length, method, target, version and fields.
///
/// The other way round it is laxer by design: it takes bare line feeds, white space that we refuse, and knows nothing of Host,
/// framing or the forms of a target. Two differences in what is given: a target that is not in origin form is compared by the
/// bytes that `http::Uri` writes only where it writes what was sent; and an empty line before the request counts for both.
pub(crate) fn no_laxer_than_httparse(wire: &[u8]) {
    let mut server = Server::new(Limits::default());
    server.input.extend_from_slice(wire);
    if server.next() != Ok(Step::Event(Event::Head)) {
        return;
    }
    let length = wire.len() - server.input.len();
    let mut fields = [httparse::EMPTY_HEADER; 128];
    let mut theirs = httparse::Request::new(&mut fields);
    let parsed = theirs.parse(&wire[..length]);
    assert_eq!(parsed, Ok(httparse::Status::Complete(length)));
    let ours = &server.head;
    assert_eq!(theirs.method, Some(ours.method.as_str()));
    let target = ours.uri.to_string();
    if target.starts_with('/') {
        assert_eq!(theirs.path, Some(&*target));
    }
    let minor = u8::from(ours.facts.version == Version::HTTP_11);
    assert_eq!(theirs.version, Some(minor));
    let theirs: Vec<_> = theirs
        .headers
        .iter()
        .map(|field| (field.name, field.value))
        .collect();
    let ours: Vec<_> = ours.headers.iter().collect();
    assert_eq!(ours, theirs);
}

/// What a reply was written as, another reader reads back: status, fields, body and where it ends.
pub(crate) fn replies_read_back(choices: &[u8]) {
    let mut choices = Choices(choices);
    let request = choices.of(REQUESTS);
    let mut server = Server::asked(request);
    let method = server.head.method.clone();
    let (status, headers) = (choices.status(), choices.headers());
    let pieces: Vec<Vec<u8>> = (0..choices.below(4)).map(|_| choices.data()).collect();
    let body = pieces.concat();
    let (connection, out) = (&mut server.connection, &mut server.out);
    let mut sent = if choices.below(2) == 0 {
        connection.send_whole(status, &headers, &body, DATE, out)
    } else {
        connection.send_head(status, &headers, ReplyBody::Stream, DATE, out)
    };
    let mut trailers = HeaderMap::new();
    if sent.is_ok() && connection.send_data(b"", out).is_ok() {
        let data = pieces
            .iter()
            .try_for_each(|piece| connection.send_data(piece, out));
        if choices.below(2) == 0 {
            trailers.insert("x-sum", HeaderValue::from_static("1"));
        }
        sent = data.and_then(|()| connection.send_end(Some(&trailers), out));
    }
    let closes = connection.after_reply() == AfterReply::Close;
    let replies = read_replies(&server.out, std::slice::from_ref(&method));
    if sent.is_err() {
        // Of what is refused, nothing was written.
        assert!(replies.iter().all(|reply| body.starts_with(&reply.body)));
        return;
    }
    let [reply] = &*replies else {
        panic!("{} replies", replies.len())
    };
    assert!(
        reply.complete || closes,
        "an end that only the connection's tells"
    );
    assert_eq!(reply.status, status.as_u16());
    let none = method == Method::HEAD || matches!(reply.status, 204 | 304);
    assert_eq!(reply.body, if none { &[][..] } else { &body });
    let passed = headers.iter().filter(|(name, _)| name.starts_with("x-"));
    let passed: Vec<_> = passed
        .map(|(name, value)| (name.to_owned(), value.to_vec()))
        .collect();
    assert_eq!(reply.fields_of_the_app(), passed);
    assert_eq!(reply.says("connection", "close"), closes);
}

/// Whatever is called, and in whatever order: no panic; what is refused writes nothing; and all that was written is replies, each
/// to a request, in order, with nothing between or behind them.
pub(crate) fn operations_in_any_order(choices: &[u8]) {
    let mut choices = Choices(choices);
    let mut server = Server::new(Limits::default());
    let mut methods = Vec::new();
    let mut failed: Option<PeerError> = None;
    for _ in 0..200 {
        if choices.0.is_empty() {
            break;
        }
        let before = server.out.len();
        let done = operate(&mut choices, &mut server, &mut methods, &mut failed);
        if done.is_err() {
            assert_eq!(server.out.len(), before, "{done:?} has written something");
        }
    }
    // An error that no request stands before is answered too.
    methods.push(Method::GET);
    read_replies(&server.out, &methods);
}

fn operate(
    choices: &mut Choices<'_>,
    server: &mut Server,
    methods: &mut Vec<Method>,
    failed: &mut Option<PeerError>,
) -> Result<(), UsageError> {
    let operation = choices.below(14);
    let Server {
        connection,
        input,
        head,
        out,
        ..
    } = server;
    match operation {
        0 => input.extend_from_slice(choices.of(WIRES)),
        1 => input.extend_from_slice(&choices.data()),
        2 | 3 => match connection.next_event(input, &mut *head) {
            Ok(step) => {
                // Once it is answered, the connection is closed.
                assert!(
                    failed.is_none() || step == Step::Closed,
                    "{step:?} behind an error"
                );
                if step == Step::Event(Event::Head) {
                    methods.push(head.method.clone());
                }
            }
            Err(error) => assert_eq!(*failed.get_or_insert(error), error, "an error stays"),
        },
        4 => connection.end_of_input(),
        5 => connection.close_after_reply(),
        6 => {
            let status = choices.of(&[100, 103, 101, 200]);
            let status = StatusCode::from_u16(status).expect("a status");
            return connection.send_informational(status, &choices.headers(), out);
        }
        7 => {
            let body = match choices.below(2) {
                0 => ReplyBody::Stream,
                _ => ReplyBody::Whole(choices.below(20) as u64),
            };
            let (status, headers) = (choices.status(), choices.headers());
            return connection.send_head(status, &headers, body, DATE, out);
        }
        8 => return connection.send_data(&choices.data(), out),
        9 => {
            let name = choices.of(&["x-sum", "content-length"]);
            let field = (HeaderName::from_static(name), HeaderValue::from_static("1"));
            let trailers = HeaderMap::from_iter([field]);
            let trailers = (choices.below(2) == 0).then_some(&trailers);
            return connection.send_end(trailers, out);
        }
        10 => {
            let (status, headers, data) = (choices.status(), choices.headers(), choices.data());
            return connection.send_whole(status, &headers, &data, DATE, out);
        }
        11 => {
            let status = choices.of(&[101, 200, 404]);
            let status = StatusCode::from_u16(status).expect("a status");
            return connection.switch_protocols(status, &choices.headers(), DATE, out);
        }
        12 => {
            let error = failed.unwrap_or(PeerError::Target);
            return connection.error_reply(error, DATE, out);
        }
        _ => {
            let next = connection.start_next();
            let _ = (connection.after_reply(), connection.expects_continue());
            return next;
        }
    }
    Ok(())
}

/// Requests whose replies differ in their framing.
const REQUESTS: &[&str] = &[
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.0\r\n\r\n",
    "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
];

/// Decisions, a byte each; the first of the choices when there are no more bytes.
pub(crate) struct Choices<'a>(pub(crate) &'a [u8]);

impl Choices<'_> {
    fn below(&mut self, end: usize) -> usize {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        usize::from(*first) % end
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    fn status(&mut self) -> StatusCode {
        let status = self.of(&[200, 204, 304, 404, 426, 599, 100, 101]);
        StatusCode::from_u16(status).expect("a status")
    }

    fn data(&mut self) -> Vec<u8> {
        let length = self.of(&[0, 1, 2, 3, 9, 10, 15, 16, 17, 255, 256, 4096]);
        vec![b"x\r\n0"[self.below(4)]; length]
    }

    fn headers(&mut self) -> Headers {
        let fields = [
            ("x-a", "1"),
            ("x-a", ""),
            ("x-b", "a, b"),
            ("content-length", "3"),
            ("content-length", "0"),
            ("content-length", "+3"),
            ("transfer-encoding", "chunked"),
            ("connection", "close"),
            ("connection", "x"),
            ("keep-alive", "timeout=1"),
            ("upgrade", "x"),
            ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ];
        let mut headers = Headers::new();
        for _ in 0..self.below(4) {
            let (name, value) = self.of(&fields);
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        headers
    }
}

/// A final reply as its reader has it.
struct Reply {
    status: u16,
    fields: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    /// Whether the reader knows where it ends, without the connection's end.
    complete: bool,
}

impl Reply {
    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let of_name = self.fields.iter().filter(move |field| field.0 == name);
        of_name.filter_map(|field| str::from_utf8(&field.1).ok())
    }

    fn says(&self, name: &str, value: &str) -> bool {
        self.values(name).any(|found| found == value)
    }

    fn fields_of_the_app(&self) -> Vec<(String, Vec<u8>)> {
        let ours = self
            .fields
            .iter()
            .filter(|(name, _)| name.starts_with("x-"));
        ours.cloned().collect()
    }
}

/// Reads final replies to requests of these methods, by RFC 9112 section 6.3 and nothing of ours. Only the last may be cut short.
fn read_replies(mut out: &[u8], methods: &[Method]) -> Vec<Reply> {
    let mut replies: Vec<Reply> = Vec::new();
    let mut methods = methods.iter();
    while !out.is_empty() {
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut head = httparse::Response::new(&mut fields);
        let parsed = head.parse(out);
        let Ok(httparse::Status::Complete(length)) = parsed else {
            panic!("no head but {parsed:?}: {}", out.escape_ascii())
        };
        let mut reply = Reply {
            status: head.code.expect("a whole head"),
            fields: head
                .headers
                .iter()
                .map(|field| (field.name.to_ascii_lowercase(), field.value.to_vec()))
                .collect(),
            body: Vec::new(),
            complete: true,
        };
        out = &out[length..];
        if matches!(reply.status, 100 | 102..200) {
            assert!(
                reply
                    .values("content-length")
                    .chain(reply.values("transfer-encoding"))
                    .next()
                    .is_none()
            );
            continue;
        }
        let method = methods.next().expect("no more replies than requests");
        assert!(reply.values("date").next().is_some() || reply.status == 101);
        if reply.status == 101 || *method == Method::CONNECT && (200..300).contains(&reply.status) {
            assert!(out.is_empty(), "nothing of HTTP stands in a tunnel");
            replies.push(reply);
            break;
        }
        out = read_body(out, method, &mut reply);
        let closes = reply.says("connection", "close");
        assert!(
            out.is_empty() || (reply.complete && !closes),
            "bytes behind the last reply"
        );
        replies.push(reply);
    }
    replies
}

/// Reads the body, and gives what stands behind it.
fn read_body<'a>(out: &'a [u8], method: &Method, reply: &mut Reply) -> &'a [u8] {
    let lengths: Vec<_> = reply.values("content-length").map(str::to_owned).collect();
    let codings: Vec<_> = reply
        .values("transfer-encoding")
        .map(str::to_owned)
        .collect();
    assert!(
        lengths.len() + codings.len() <= 1,
        "one framing: {lengths:?}, {codings:?}"
    );
    if *method == Method::HEAD || matches!(reply.status, 204 | 304) {
        assert!(codings.is_empty() && (lengths.is_empty() || reply.status != 204));
        return out;
    }
    if let [length] = &*lengths {
        let length: usize = length.parse().expect("a number");
        let (body, rest) = out.split_at(length.min(out.len()));
        reply.body = body.to_vec();
        reply.complete = body.len() == length;
        return rest;
    }
    if codings.is_empty() {
        reply.body = out.to_vec();
        reply.complete = false;
        return &[];
    }
    assert_eq!(codings, ["chunked"]);
    read_chunks(out, reply)
}

fn read_chunks<'a>(mut out: &'a [u8], reply: &mut Reply) -> &'a [u8] {
    while !out.is_empty() {
        let Ok(httparse::Status::Complete((start, size))) = httparse::parse_chunk_size(out) else {
            panic!("no chunk size: {}", out.escape_ascii())
        };
        out = &out[start..];
        if size == 0 {
            let mut trailers = [httparse::EMPTY_HEADER; 8];
            let Ok(httparse::Status::Complete((end, _))) =
                httparse::parse_headers(out, &mut trailers)
            else {
                panic!("no trailers: {}", out.escape_ascii())
            };
            return &out[end..];
        }
        let (data, rest) = out.split_at(size as usize);
        reply.body.extend_from_slice(data);
        out = rest.strip_prefix(b"\r\n").expect("a chunk's end");
    }
    reply.complete = false;
    out
}
