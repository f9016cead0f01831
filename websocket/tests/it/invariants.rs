//! What holds whatever comes, each as one function of bytes: the properties of this suite call them with inputs of proptest's, the
//! targets in `fuzz/` with a fuzzer's.
//!
//! A *wire* is what a client sends after the handshake, and nothing else. *Choices* are read one byte a decision, by [`Choices`].

use bytes::{Bytes, BytesMut};
use gateway_spec::{CloseCode, CloseFrame, Message};
use http::{Method, Request, Version};
use tungstenite::{Message as Theirs, handshake::server::create_response};
use websocket::{
    Agreement, Event, Limits, NotSent, Prepared, Role, Session, State, Step,
    deflate::{self, Context, WindowBits},
    frame::{FrameHeader, Opcode},
    handshake,
};

use super::peer::{Action, Pair, converse};
use super::support::{KEY, Meaning, agreement, deflating, read, server};

/// Limits that a short wire can meet.
fn small() -> Limits {
    Limits::default()
        .with_frame_bytes(100)
        .with_wire_bytes(150)
        .with_message_bytes(200)
        .with_fragments(3)
}

/// However a wire is cut, it means the same; nothing is over a limit; an error ends it.
pub(crate) fn cuts_change_nothing(wire: &[u8]) {
    type Make = fn() -> Session;
    let limited: Make = || Session::new(Role::Server, &Agreement::default(), small());
    let limited_deflating: Make = || {
        let agreed = agreement("permessage-deflate", &deflate::Settings::default());
        Session::new(Role::Server, &agreed, small())
    };
    let client: Make = || {
        Session::new(
            Role::Client { seed: 3 },
            &Agreement::default(),
            Limits::default(),
        )
    };
    for (make, limits) in [
        (server as Make, Limits::default()),
        (deflating, Limits::default()),
        (limited, small()),
        (limited_deflating, small()),
        (client, Limits::default()),
    ] {
        let mut session = make();
        let whole = read(&mut session, [wire]);
        check(&mut session, &whole, &limits);
        assert_eq!(read(&mut make(), wire.chunks(1)), whole, "byte by byte");
        let size = usize::from(wire.first().copied().unwrap_or(0)) % 13 + 2;
        assert_eq!(
            read(&mut make(), wire.chunks(size)),
            whole,
            "by {size} bytes"
        );
        let (head, tail) = wire.split_at(wire.len() / 2);
        assert_eq!(read(&mut make(), [head, tail]), whole, "in two");
    }
}

fn check(session: &mut Session, meaning: &Meaning, limits: &Limits) {
    let (events, error) = meaning;
    for (number, event) in events.iter().enumerate() {
        match event {
            Event::Message(message) => {
                assert!(message.as_bytes().len() <= limits.message_bytes);
                if let Message::Text(text) = message {
                    assert!(str::from_utf8(text.as_bytes()).is_ok());
                }
            }
            Event::Ping(payload) | Event::Pong(payload) => assert!(payload.len() <= 125),
            Event::Close(_) => assert_eq!(number + 1, events.len(), "nothing behind a close frame"),
        }
    }
    let closed = matches!(events.last(), Some(Event::Close(_)));
    let state = match (closed, error) {
        (_, Some(_)) => State::Failed,
        (true, None) => State::CloseReceived,
        (false, None) => State::Open,
    };
    assert_eq!(session.state(), state);
    if state != State::Open {
        let mut more = BytesMut::from(&b"anything"[..]);
        assert_eq!(session.next_event(&mut more), Ok(Step::Closed));
        assert!(more.is_empty());
    }
}

/// What we accept, tungstenite accepts and reads alike.
///
/// The other way round it is laxer: it takes lengths that are not minimal. Where we fail, it may not; what came before the
/// failure is compared as far as it says.
pub(crate) fn no_laxer_than_tungstenite(wire: &[u8]) {
    let (ours, error) = read(&mut server(), [wire]);
    let mut pair = Pair::new(Role::Client { seed: 1 });
    pair.write(wire);
    let mut theirs = Vec::new();
    let failed = loop {
        match pair.theirs.read() {
            Ok(message) => theirs.push(message),
            Err(tungstenite::Error::Io(_) | tungstenite::Error::ConnectionClosed) => break None,
            Err(failed) => break Some(failed),
        }
    };
    if error.is_none() {
        assert!(failed.is_none(), "{failed:?} where we read {ours:?}");
        assert_eq!(theirs.len(), ours.len(), "{theirs:?}");
    }
    for (ours, theirs) in ours.iter().zip(&theirs) {
        let same = match (ours, theirs) {
            (Event::Message(Message::Text(ours)), Theirs::Text(theirs)) => **ours == **theirs,
            (Event::Message(Message::Binary(ours)), Theirs::Binary(theirs)) => ours == theirs,
            (Event::Ping(ours), Theirs::Ping(theirs)) => ours == theirs,
            (Event::Pong(ours), Theirs::Pong(theirs)) => ours == theirs,
            (Event::Close(None), Theirs::Close(None)) => true,
            // In IANA's registry, and none that tungstenite knows.
            (Event::Close(Some(ours)), Theirs::Close(Some(theirs)))
                if ours.code == CloseCode::BAD_GATEWAY =>
            {
                u16::from(theirs.code) == 1002
            }
            (Event::Close(Some(ours)), Theirs::Close(Some(theirs))) => {
                ours.code.get() == u16::from(theirs.code) && *ours.reason == *theirs.reason
            }
            _ => false,
        };
        assert!(same, "{ours:?} and {theirs:?}");
    }
}

/// What we say, tungstenite hears, and the other way round, in both roles.
pub(crate) fn messages_go_both_ways(choices: &[u8]) {
    let mut choices = Choices(choices);
    let role = match choices.below(2) {
        0 => Role::Server,
        _ => Role::Client { seed: 5 },
    };
    let piece = choices.of(&[1, 2, 7, 100_000]);
    let actions = (0..choices.below(8)).map(|_| match choices.below(4) {
        0 => Action::TheirMessage(choices.message(), choices.below(4) + 1),
        1 => Action::TheirPing(choices.short()),
        2 => Action::OurMessage(choices.message()),
        _ => Action::OurPing(choices.short()),
    });
    let actions = actions.collect();
    converse(role, actions, piece);
}

/// Any bytes as a compressed message cost no more than the limit, and are a message or an error.
pub(crate) fn inflation_is_bounded(compressed: &[u8]) {
    const LIMIT: usize = 4096;
    let settings = deflate::Settings::default();
    let limits = Limits::default().with_message_bytes(LIMIT);
    for offer in [
        "permessage-deflate",
        "permessage-deflate; client_no_context_takeover",
    ] {
        let mut session = Session::new(Role::Server, &agreement(offer, &settings), limits);
        let mut header = FrameHeader::new(Opcode::Binary, compressed.len() as u64);
        header.mask = Some(KEY);
        header.compressed = true;
        let mut wire = BytesMut::new();
        header.write(&mut wire);
        let start = wire.len();
        wire.extend_from_slice(compressed);
        websocket::mask::apply(KEY, 0, &mut wire[start..]);
        let (events, error) = read(&mut session, [&wire[..]]);
        match (&*events, error) {
            ([Event::Message(message)], None) => assert!(message.as_bytes().len() <= LIMIT),
            ([], Some(_)) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Two sessions, whatever their users call and however the bytes travel: no panic; what is refused writes nothing; neither breaks the
/// protocol in the other's eyes; each message arrives once, in order, and whole.
pub(crate) fn operations_in_any_order(choices: &[u8]) {
    let mut choices = Choices(choices);
    let agreed = choices.agreement();
    let mut ends = [
        End::new(Role::Server, &agreed),
        End::new(Role::Client { seed: 11 }, &agreed),
    ];
    while !choices.0.is_empty() {
        let who = choices.below(2);
        let operation = choices.below(7);
        if operation == 6 {
            let count = choices.below(40) * choices.below(40) + 1;
            let [a, b] = &mut ends;
            let (from, to) = if who == 0 { (a, b) } else { (b, a) };
            from.deliver(to, count);
        } else {
            ends[who].operate(operation, &mut choices);
        }
    }
    // In the end all that was sent arrives.
    let [a, b] = &mut ends;
    a.deliver(b, usize::MAX);
    b.deliver(a, usize::MAX);
    for (from, to) in [(&*a, &*b), (&*b, &*a)] {
        assert!(
            from.said.starts_with(&to.heard),
            "{:?} and {:?}",
            from.said,
            to.heard
        );
        // Who has closed skips what still comes.
        if to.session.state() == State::Open {
            assert_eq!(from.said, to.heard);
        }
    }
}

struct End {
    session: Session,
    out: BytesMut,
    input: BytesMut,
    said: Vec<Message>,
    heard: Vec<Message>,
}

impl End {
    fn new(role: Role, agreed: &Agreement) -> Self {
        Self {
            session: Session::new(role, agreed, Limits::default()),
            out: BytesMut::new(),
            input: BytesMut::new(),
            said: Vec::new(),
            heard: Vec::new(),
        }
    }

    fn operate(&mut self, operation: usize, choices: &mut Choices<'_>) {
        let (before, state) = (self.out.len(), self.session.state());
        let Self {
            session, out, said, ..
        } = self;
        let done = match operation {
            0 => {
                let message = choices.message();
                let sent = session.send(&message, out);
                sent.map(|()| said.push(message))
            }
            1 => {
                let message = choices.message();
                let prepared = Prepared::new(message.clone());
                session.send_prepared(&prepared).map(|bytes| {
                    out.extend_from_slice(&bytes);
                    said.push(message);
                })
            }
            2 => session.ping(choices.short(), out),
            3 => session.pong(choices.short(), out),
            4 => session.ping(vec![0; 126].into(), out),
            _ => {
                let frame = CloseFrame::new(CloseCode::NORMAL, "bye");
                let closed = session.close(Some(&frame), out);
                assert_eq!(
                    closed.is_ok(),
                    matches!(state, State::Open | State::CloseReceived)
                );
                closed
            }
        };
        match done {
            Ok(()) => assert!(self.out.len() > before),
            Err(error) => {
                assert_eq!(self.out.len(), before, "{error:?} has written something");
                assert_eq!(self.session.state(), state);
                let allowed = state == State::Open;
                assert_eq!(error == NotSent::ControlTooLong, allowed && operation == 4);
            }
        }
    }

    /// Carries so many bytes over, and has them read.
    fn deliver(&mut self, to: &mut Self, count: usize) {
        let count = count.min(self.out.len());
        to.input.extend_from_slice(&self.out.split_to(count));
        loop {
            match to
                .session
                .next_event(&mut to.input)
                .expect("a peer that keeps the rules")
            {
                Step::Event(Event::Message(message)) => to.heard.push(message),
                Step::Event(_) => {}
                Step::NeedBytes { .. } | Step::Closed => break,
            }
        }
    }
}

/// A handshake, a field a line: what we accept has what RFC 6455 asks for, tungstenite accepts it with the same key, and our own client
/// takes the answer.
pub(crate) fn handshakes_are_judged_alike(lines: &[u8]) {
    let fields: Vec<(&str, &[u8])> = lines
        .split(|byte| *byte == b'\n')
        .filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let (name, value) = (str::from_utf8(&line[..colon]).ok()?, &line[colon + 1..]);
            Some((name, value.trim_ascii()))
        })
        .collect();
    let asked = handshake::is_upgrade(&Method::GET, fields.iter().copied());
    let offer = handshake::request(&Method::GET, Version::HTTP_11, fields.iter().copied());
    // Over HTTP/2 there is less to ask for.
    if offer.is_ok() {
        assert!(handshake::connect(fields.iter().copied()).is_ok());
    }
    let offer = match offer {
        Ok(offer) => offer,
        Err(error) => {
            assert!(error.status().is_client_error());
            return;
        }
    };
    assert!(asked, "what is a handshake asks for an upgrade");
    let settings = deflate::Settings::default();
    let chosen = offer.subprotocols().first().cloned();
    let accepted = offer
        .accept(chosen.as_deref(), Some(&settings))
        .expect("it was offered");
    assert_eq!(accepted.agreement.subprotocol, chosen);
    assert!(offer.accept(Some("never, offered"), None).is_err());

    let mut request = Request::builder().uri("/");
    for (name, value) in &fields {
        request = request.header(*name, *value);
    }
    // A field that the `http` crate has no room for never gets here by a server.
    let Ok(request) = request.body(()) else {
        return;
    };
    // Sixteen bytes in base64; the spare bits of the last letter may be set, as in the example of RFC 6455 section 4.1.
    let key = request.headers().get("sec-websocket-key");
    let (digits, padding) = key.expect("it was accepted").as_bytes().split_at(22);
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
    assert!(digits.iter().all(is_digit) && padding == b"==");

    // It looks at the first of these, in ASCII, without tabs and with one protocol alone, we at all; and it wants no spare bit set.
    let one = |name: &str| {
        let mut all = request.headers().get_all(name).iter();
        let first = all.next().and_then(|value| value.to_str().ok());
        first.filter(|_| all.next().is_none())
    };
    let alone = one("upgrade").is_some_and(|value| value.eq_ignore_ascii_case("websocket"));
    if one("connection").is_some_and(|value| !value.contains('\t'))
        && alone
        && b"AQgw".contains(&digits[21])
    {
        let theirs = create_response(&request).expect("no stricter than we are");
        let accept = theirs.headers().get("sec-websocket-accept");
        let ours = accepted.headers.iter();
        let ours = ours.filter(|(name, _)| name == "sec-websocket-accept");
        assert!(accept.into_iter().eq(ours.map(|(_, value)| value)));
    }
}

/// Decisions, a byte each; the first of the choices when there are no more bytes.
struct Choices<'a>(&'a [u8]);

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

    /// Lengths around those at which the wire's form changes, and the deflater sets in.
    fn message(&mut self) -> Message {
        let length = self.of(&[0, 1, 63, 64, 125, 126, 300, 65_535, 65_536]);
        let letter = self.of(b"ax\n");
        let bytes = vec![letter; length];
        if self.below(2) == 0 {
            return Message::from(bytes);
        }
        Message::from(String::from_utf8(bytes).expect("ASCII"))
    }

    fn short(&mut self) -> Bytes {
        let length = self.of(&[0, 1, 4, 124, 125]);
        vec![b'p'; length].into()
    }

    fn agreement(&mut self) -> Agreement {
        let offer = self.of(&[
            "",
            "permessage-deflate",
            "permessage-deflate; server_no_context_takeover",
            "permessage-deflate; client_no_context_takeover",
            "permessage-deflate; server_max_window_bits=9",
        ]);
        let context = self.of(&[Context::Kept, Context::Fresh]);
        let settings = deflate::Settings::default()
            .with_sending(context)
            .with_window(WindowBits::MAX);
        agreement(offer, &settings)
    }
}
