//! A WebSocket: its handshake, the open socket, and the ways in which it ends.

use super::Comes::{Goes, Refused, Stays};
use super::Refusal::{AnyWay, BadHandshake, OutOfOrder, Over};
use super::{Row, Table, row};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Not answered.
    Handshake,
    /// Not answered, and the client is gone.
    LeftEarly,
    /// Accepted: messages go both ways.
    Open,
    /// Our close frame is sent, the client's is awaited.
    Closing,
    // The ends of an accepted socket, named by the cause of their one disconnect.
    Remote,
    Local,
    Protocol,
    Timeout,
    Shutdown,
    Lost,
    // The ends of a handshake.
    /// Answered by a plain response.
    Denied,
    /// The application has the plain exchange.
    GivenBack,
    /// Aborted on purpose.
    GivenUp,
    /// Dropped: the server answers.
    LetGo,
}
use State::{
    Closing, Denied, GivenBack, GivenUp, Handshake, LeftEarly, LetGo, Local, Lost, Open, Protocol,
    Remote, Shutdown, Timeout,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    // What the application sends.
    Accept,
    /// An acceptance with a subprotocol that was not offered.
    AcceptOther,
    /// An acceptance with a field that the handshake owns.
    AcceptOwned,
    Deny,
    Message,
    Ping,
    /// A ping of 126 bytes.
    LongPing,
    Pong,
    Close,
    // What its handles do besides.
    TakeHttp,
    Abort,
    Drop,
    // What the client does, once the socket was accepted.
    ClientMessage,
    ClientPing,
    ClientPong,
    ClientCloses,
    /// A frame that breaks the protocol.
    ClientBreaks,
    ClientHalfCloses,
    ClientLeaves,
    // What the server does.
    TimesOut,
    ShutsDown,
}
use Event::{
    Abort, Accept, AcceptOther, AcceptOwned, ClientBreaks, ClientCloses, ClientHalfCloses,
    ClientLeaves, ClientMessage, ClientPing, ClientPong, Close, Deny, Drop, LongPing, Message,
    Ping, Pong, ShutsDown, TakeHttp, TimesOut,
};

#[rustfmt::skip]
pub(crate) const STATES: &[State] = &[
    Handshake, LeftEarly, Open, Closing, Remote, Local, Protocol, Timeout, Shutdown, Lost, Denied, GivenBack, GivenUp, LetGo,
];

#[rustfmt::skip]
pub(crate) const EVENTS: &[Event] = &[
    Accept, AcceptOther, AcceptOwned, Deny, Message, Ping, LongPing, Pong, Close, TakeHttp, Abort, Drop, ClientMessage,
    ClientPing, ClientPong, ClientCloses, ClientBreaks, ClientHalfCloses, ClientLeaves, TimesOut, ShutsDown,
];

/// The ends of an accepted socket: each has given its one disconnect.
pub(crate) const ENDED: &[State] = &[Remote, Local, Protocol, Timeout, Shutdown, Lost];
const UNACCEPTED: &[State] = &[Denied, GivenBack, GivenUp, LetGo];

const ACCEPTS: &[Event] = &[Accept, AcceptOther, AcceptOwned];
const FRAMES: &[Event] = &[Message, Ping, Pong, Close];
const CLIENT: &[Event] = &[
    ClientMessage,
    ClientPing,
    ClientPong,
    ClientCloses,
    ClientBreaks,
    ClientHalfCloses,
    ClientLeaves,
];
const SERVER: &[Event] = &[TimesOut, ShutsDown];

/// First what the application gets: a `M`essage, a `P`ing, a p`O`ng, its one `D`isconnect. Then the client: the `u`pgrade, a `w`hole
/// plain response, a `m`essage, a `p`ing, a p`o`ng, a close frame (`k`), the `c`lose of the connection, an `a`bort.
#[rustfmt::skip]
const ROWS: &[Row<State, Event>] = &[
    // The handshake has three answers.
    row(&[Handshake], &[Accept], Goes(Open), "u", "WS-3"),
    row(&[Handshake], &[AcceptOther, AcceptOwned], Refused(BadHandshake), "", "WS-5"),
    row(&[Handshake], &[Deny], Goes(Denied), "w", "WS-15"),
    row(&[Handshake], &[TakeHttp], Goes(GivenBack), "", "WS-6"),
    row(&[Handshake], FRAMES, Refused(OutOfOrder), "", "WS-11"),
    row(&[Handshake], &[LongPing], Refused(OutOfOrder), "", "WS-11"),
    row(&[Handshake], &[Abort], Goes(GivenUp), "a", "HTTP-29"),
    row(&[Handshake], &[Drop], Goes(LetGo), "", "SRV-12"),
    row(&[Handshake], &[ClientLeaves], Goes(LeftEarly), "", "SRV-2"),
    // Nobody speaks before the answer; a half-closed client can still be answered.
    row(&[Handshake], &[ClientMessage, ClientPing, ClientPong, ClientCloses, ClientBreaks, ClientHalfCloses], Stays, "", "WS-3"),
    row(&[Handshake], SERVER, Stays, "", "WS-3"),

    row(&[LeftEarly], ACCEPTS, Refused(AnyWay), "", "HTTP-35"),
    row(&[LeftEarly], &[Deny], Refused(AnyWay), "", "HTTP-35"),
    row(&[LeftEarly], FRAMES, Refused(AnyWay), "", "HTTP-35"),
    row(&[LeftEarly], &[LongPing], Refused(AnyWay), "", "HTTP-35"),
    row(&[LeftEarly], &[TakeHttp, Abort, Drop], Stays, "", "SRV-2"),
    row(&[LeftEarly], CLIENT, Stays, "", "SRV-2"),
    row(&[LeftEarly], SERVER, Stays, "", "SRV-2"),

    // Without an acceptance there is no socket, and no disconnect.
    row(UNACCEPTED, ACCEPTS, Refused(Over), "", "WS-11"),
    row(UNACCEPTED, &[Deny], Refused(Over), "", "WS-11"),
    row(UNACCEPTED, FRAMES, Refused(Over), "", "WS-11"),
    row(UNACCEPTED, &[LongPing], Refused(Over), "", "WS-11"),
    row(UNACCEPTED, &[TakeHttp, Abort, Drop], Stays, "", "WS-6"),
    row(UNACCEPTED, CLIENT, Stays, "", "WS-15"),
    row(UNACCEPTED, SERVER, Stays, "", "WS-15"),

    // The open socket.
    row(&[Open], ACCEPTS, Refused(OutOfOrder), "", "WS-11"),
    row(&[Open], &[Deny], Refused(OutOfOrder), "", "WS-11"),
    row(&[Open], &[TakeHttp], Stays, "", "WS-6"),
    row(&[Open], &[Message], Stays, "m", "WS-17"),
    row(&[Open], &[Ping], Stays, "p", "WS-8"),
    row(&[Open], &[Pong], Stays, "o", "WS-8"),
    row(&[Open], &[LongPing], Refused(BadHandshake), "", "WS-8"),
    row(&[Open], &[Close], Goes(Closing), "k", "WS-19"),
    row(&[Open], &[Abort], Goes(Local), "Da", "WS-14"),
    row(&[Open], &[Drop], Goes(Local), "Dkc", "WS-14"),
    row(&[Open], &[ClientMessage], Stays, "M", "WS-7"),
    row(&[Open], &[ClientPing], Stays, "Po", "WS-9"),
    row(&[Open], &[ClientPong], Stays, "O", "WS-9"),
    row(&[Open], &[ClientCloses], Goes(Remote), "Dkc", "WS-13"),
    row(&[Open], &[ClientBreaks], Goes(Protocol), "Dkc", "WS-16"),
    row(&[Open], &[ClientHalfCloses], Goes(Lost), "Dc", "WS-13"),
    row(&[Open], &[ClientLeaves], Goes(Lost), "D", "WS-12"),
    row(&[Open], &[TimesOut], Goes(Timeout), "Dkc", "WS-9"),
    row(&[Open], &[ShutsDown], Goes(Shutdown), "Dkc", "WS-18"),

    // Our close frame is the last that we send; what the client sent before its own means nothing any more.
    row(&[Closing], ACCEPTS, Refused(OutOfOrder), "", "WS-11"),
    row(&[Closing], &[Deny], Refused(OutOfOrder), "", "WS-11"),
    row(&[Closing], FRAMES, Refused(Over), "", "WS-11"),
    row(&[Closing], &[LongPing], Refused(Over), "", "WS-11"),
    row(&[Closing], &[TakeHttp, Abort, Drop], Stays, "", "WS-14"),
    row(&[Closing], &[ClientMessage, ClientPing, ClientPong], Stays, "", "WS-19"),
    row(&[Closing], &[ClientCloses, ClientBreaks, ClientHalfCloses], Goes(Local), "Dc", "WS-19"),
    row(&[Closing], &[ClientLeaves], Goes(Local), "D", "WS-12"),
    row(&[Closing], SERVER, Stays, "", "WS-19"),

    // The end is the end.
    row(ENDED, ACCEPTS, Refused(Over), "", "WS-11"),
    row(ENDED, &[Deny], Refused(Over), "", "WS-11"),
    row(ENDED, FRAMES, Refused(Over), "", "WS-11"),
    row(ENDED, &[LongPing], Refused(Over), "", "WS-11"),
    row(ENDED, &[TakeHttp, Abort, Drop], Stays, "", "WS-14"),
    row(ENDED, CLIENT, Stays, "", "WS-12"),
    row(ENDED, SERVER, Stays, "", "WS-12"),
];

pub(crate) const TABLE: Table<State, Event> = Table {
    states: STATES,
    events: EVENTS,
    rows: ROWS,
};

/// That the client got nothing before the handshake's answer, no frame behind the close frame, and nothing behind the end; and the
/// application one disconnect at the most, with nothing behind it.
pub(crate) fn is_legal(given: &str) -> bool {
    let (app, client): (Vec<char>, Vec<char>) =
        given.chars().partition(|letter| letter.is_uppercase());
    let before_last = app.len().saturating_sub(1);
    let app_is_legal = !app[..before_last].contains(&'D');
    let frames = client.strip_prefix(&['u']);
    let client_is_legal = match (client.as_slice(), frames) {
        ([] | ['w'] | ['a'], _) => true,
        (_, None) => false,
        (_, Some(frames)) => {
            let end = frames.strip_suffix(&['c']).or(frames.strip_suffix(&['a']));
            let frames = end.unwrap_or(frames);
            let frames = frames.strip_suffix(&['k']).unwrap_or(frames);
            frames.iter().all(|letter| ['m', 'p', 'o'].contains(letter))
        }
    };
    app_is_legal && client_is_legal
}
