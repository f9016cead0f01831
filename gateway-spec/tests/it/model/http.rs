//! The response side of an HTTP exchange: what the application may send, what ends it, and what the client gets for it.

use std::fs::File as OpenFile;
use std::sync::Arc;

use ::http::header::CONTENT_LENGTH;
use ::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use bytes::Bytes;
use gateway_spec::{FileRegion, HttpSend, ResponseHead, TrailersPlan};

use super::Comes::{Goes, Refused, Stays};
use super::Refusal::{BadHead, BadTrailer, Gone, OutOfOrder, Over, TooLittle, TooMuch};
use super::{Row, Subject, Table, row};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing final was accepted.
    Silent,
    /// The same, of a request that asks to switch protocols.
    Asked,
    /// The head is out, more of the body may come, and no trailers.
    Body,
    /// The same, and trailers of any name.
    MaybeTrailers,
    /// The same, and trailers of the announced names.
    Announced,
    /// The head declared a length of which two bytes, one, or none are missing.
    OwesTwo,
    OwesOne,
    OwesNothing,
    /// The bytes are the tunnel's.
    Tunnel,
    /// The same, and the server's direction is closed.
    HalfTunnel,
    // The ends. Each exchange comes to one of these, and stays.
    Complete,
    Closed,
    CutOff,
    /// Aborted on purpose before the start: no answer.
    GivenUp,
    /// The server answered in the application's place.
    Answered,
    /// The client is gone.
    Lost,
    /// Every handle was dropped before the start, and the call goes on: the server is about to answer.
    LetGo,
}
use State::{
    Announced, Answered, Asked, Body, Closed, Complete, CutOff, GivenUp, HalfTunnel, LetGo, Lost,
    MaybeTrailers, OwesNothing, OwesOne, OwesTwo, Silent, Tunnel,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    // What `send` is given.
    Inform,
    /// 101 as an informational response.
    InformSwitch,
    /// 200 as an informational response.
    InformFinal,
    /// A start with `more: false`.
    Whole,
    /// A start with `more: true`.
    Start,
    StartMaybe,
    StartAnnounced,
    /// With a `content-length` of two.
    StartOfTwo,
    /// With a `content-length` of one, and two bytes.
    WholeTooLong,
    /// With a `content-length` of two, and one byte.
    WholeTooShort,
    /// With a `content-length` that is no number.
    StartNoNumber,
    /// With a `content-length` twice.
    StartTwoLengths,
    /// With a status of 100.
    StartInterim,
    /// One byte, and more to come.
    Part,
    /// Three bytes, and more to come.
    LongPart,
    /// One byte, and that was all.
    LastPart,
    /// No byte, and that was all.
    End,
    /// An empty region of a file.
    File,
    /// The trailer that was announced.
    Trailers,
    /// One that was not.
    OtherTrailers,
    /// `content-length` as a trailer.
    FramingTrailers,
    Upgrade,
    /// An upgrade with a status of 404.
    UpgradeRefusing,
    // What the handles do besides.
    Close,
    Abort,
    Drop,
    // What the call does: is polled and waits, returns with a `Done`, fails, or is ended with the grace period.
    Waits,
    Returns,
    Fails,
    Forced,
    // What the client does.
    HalfCloses,
    Leaves,
}
use Event::{
    Abort, Close, Drop, End, Fails, File, Forced, FramingTrailers, HalfCloses, Inform, InformFinal,
    InformSwitch, LastPart, Leaves, LongPart, OtherTrailers, Part, Returns, Start, StartAnnounced,
    StartInterim, StartMaybe, StartNoNumber, StartOfTwo, StartTwoLengths, Trailers, Upgrade,
    UpgradeRefusing, Waits, Whole, WholeTooLong, WholeTooShort,
};

#[rustfmt::skip]
pub(crate) const STATES: &[State] = &[Silent, Asked, Body, MaybeTrailers, Announced, OwesTwo, OwesOne, OwesNothing, Tunnel, HalfTunnel, Complete, Closed, CutOff, GivenUp, Answered, Lost, LetGo,];

#[rustfmt::skip]
pub(crate) const EVENTS: &[Event] = &[Inform, InformSwitch, InformFinal, Whole, Start, StartMaybe, StartAnnounced, StartOfTwo, WholeTooLong, WholeTooShort, StartNoNumber, StartTwoLengths, StartInterim, Part, LongPart, LastPart, End, File, Trailers, OtherTrailers, FramingTrailers, Upgrade, UpgradeRefusing, Close, Abort, Drop, Waits, Returns, Fails, Forced, HalfCloses, Leaves,];

const BEFORE: &[State] = &[Silent, Asked];
const STARTED: &[State] = &[
    Body,
    MaybeTrailers,
    Announced,
    OwesTwo,
    OwesOne,
    OwesNothing,
];
const UNDECLARED: &[State] = &[Body, MaybeTrailers, Announced];
const DECLARED: &[State] = &[OwesTwo, OwesOne, OwesNothing];
const TUNNELS: &[State] = &[Tunnel, HalfTunnel];
const ENDS: &[State] = &[Complete, Closed, CutOff, GivenUp, Answered];

const STARTS: &[Event] = &[
    Whole,
    Start,
    StartMaybe,
    StartAnnounced,
    StartOfTwo,
    WholeTooLong,
    WholeTooShort,
    StartNoNumber,
    StartTwoLengths,
    StartInterim,
];
const INFORMS: &[Event] = &[Inform, InformSwitch, InformFinal];
const PARTS: &[Event] = &[Part, LongPart, LastPart, End, File];
const TRAILERS: &[Event] = &[Trailers, OtherTrailers, FramingTrailers];
const UPGRADES: &[Event] = &[Upgrade, UpgradeRefusing];

/// What the client gets: `i`nformational, a `w`hole response, a `h`ead, `d`ata, the `e`nd of the body, an `u`pgrade, the
/// `s`hutdown of the tunnel's direction, the `c`lose of the tunnel, an `a`bort that it can tell.
#[rustfmt::skip]
const ROWS: &[Row<State, Event>] = &[
    // Before the start.
    row(BEFORE, &[Inform], Stays, "i", "HTTP-19"),
    row(BEFORE, &[InformSwitch, InformFinal], Refused(BadHead), "", "HTTP-22"),
    row(BEFORE, &[Whole], Goes(Complete), "w", "HTTP-20"),
    row(BEFORE, &[Start], Goes(Body), "h", "HTTP-20"),
    row(BEFORE, &[StartMaybe], Goes(MaybeTrailers), "h", "HTTP-27"),
    row(BEFORE, &[StartAnnounced], Goes(Announced), "h", "HTTP-27"),
    row(BEFORE, &[StartOfTwo], Goes(OwesTwo), "h", "HTTP-26"),
    row(BEFORE, &[WholeTooLong], Refused(TooMuch), "", "HTTP-24"),
    row(BEFORE, &[WholeTooShort], Refused(TooLittle), "", "HTTP-24"),
    row(BEFORE, &[StartNoNumber, StartTwoLengths, StartInterim], Refused(BadHead), "", "HTTP-22"),
    row(BEFORE, PARTS, Refused(OutOfOrder), "", "HTTP-20"),
    row(BEFORE, TRAILERS, Refused(OutOfOrder), "", "HTTP-20"),
    row(&[Silent], UPGRADES, Refused(OutOfOrder), "", "HTTP-30"),
    row(&[Asked], &[Upgrade], Goes(Tunnel), "u", "HTTP-30"),
    row(&[Asked], &[UpgradeRefusing], Refused(BadHead), "", "HTTP-30"),
    row(BEFORE, &[Close], Stays, "", "HTTP-32"),
    row(BEFORE, &[Abort], Goes(GivenUp), "a", "HTTP-29"),
    row(BEFORE, &[Drop], Goes(LetGo), "", "SRV-12"),
    row(BEFORE, &[Waits], Stays, "", "SRV-1"),
    row(BEFORE, &[Returns], Goes(Answered), "w", "SRV-12"),
    row(BEFORE, &[Fails], Goes(Answered), "w", "APP-6"),
    row(BEFORE, &[Forced], Goes(Answered), "w", "SRV-16"),

    // All handles dropped, before the start: 500, or the status of the error that the call fails with.
    row(&[LetGo], INFORMS, Refused(Over), "", "HTTP-20"),
    row(&[LetGo], STARTS, Refused(Over), "", "HTTP-20"),
    row(&[LetGo], PARTS, Refused(Over), "", "HTTP-20"),
    row(&[LetGo], TRAILERS, Refused(Over), "", "HTTP-20"),
    row(&[LetGo], UPGRADES, Refused(Over), "", "HTTP-20"),
    row(&[LetGo], &[Close, Abort, Drop], Stays, "", "HTTP-29"),
    row(&[LetGo], &[Waits, Returns], Goes(Answered), "w", "SRV-12"),
    row(&[LetGo], &[Fails], Goes(Answered), "w", "APP-6"),
    row(&[LetGo], &[Forced], Goes(Answered), "w", "SRV-16"),

    // The head is out.
    row(STARTED, INFORMS, Refused(OutOfOrder), "", "HTTP-20"),
    row(STARTED, STARTS, Refused(OutOfOrder), "", "HTTP-20"),
    row(STARTED, UPGRADES, Refused(OutOfOrder), "", "HTTP-20"),
    row(STARTED, &[File], Stays, "", "HTTP-25"),
    row(UNDECLARED, &[Part, LongPart], Stays, "d", "HTTP-20"),
    row(UNDECLARED, &[LastPart], Goes(Complete), "de", "HTTP-20"),
    row(UNDECLARED, &[End], Goes(Complete), "e", "HTTP-20"),
    row(&[Body], TRAILERS, Refused(BadTrailer), "", "HTTP-27"),
    row(&[MaybeTrailers], &[Trailers, OtherTrailers], Goes(Complete), "e", "HTTP-27"),
    row(&[MaybeTrailers], &[FramingTrailers], Refused(BadTrailer), "", "HTTP-27"),
    row(&[Announced], &[Trailers], Goes(Complete), "e", "HTTP-27"),
    row(&[Announced], &[OtherTrailers, FramingTrailers], Refused(BadTrailer), "", "HTTP-27"),
    row(DECLARED, &[LongPart], Refused(TooMuch), "", "HTTP-24"),
    row(&[OwesTwo], &[Part], Goes(OwesOne), "d", "HTTP-26"),
    row(&[OwesOne], &[Part], Goes(OwesNothing), "d", "HTTP-26"),
    row(&[OwesNothing], &[Part, LastPart], Refused(TooMuch), "", "HTTP-24"),
    row(&[OwesTwo], &[LastPart], Refused(TooLittle), "", "HTTP-24"),
    row(&[OwesOne], &[LastPart], Goes(Complete), "de", "HTTP-26"),
    row(&[OwesTwo, OwesOne], &[End], Refused(TooLittle), "", "HTTP-24"),
    row(&[OwesNothing], &[End], Goes(Complete), "e", "HTTP-26"),
    row(&[OwesTwo, OwesOne], TRAILERS, Refused(TooLittle), "", "HTTP-24"),
    row(&[OwesNothing], TRAILERS, Refused(BadTrailer), "", "HTTP-27"),
    row(STARTED, &[Close], Stays, "", "HTTP-32"),
    row(STARTED, &[Abort], Goes(CutOff), "a", "HTTP-29"),
    row(STARTED, &[Drop], Goes(CutOff), "a", "SRV-12"),
    row(STARTED, &[Waits], Stays, "", "SRV-1"),
    row(STARTED, &[Returns], Goes(CutOff), "a", "SRV-12"),
    row(STARTED, &[Fails], Goes(CutOff), "a", "APP-6"),
    row(STARTED, &[Forced], Goes(CutOff), "a", "SRV-16"),

    // The tunnel.
    row(&[Tunnel], &[Part, LongPart], Stays, "d", "HTTP-31"),
    row(&[Tunnel], &[LastPart], Goes(HalfTunnel), "ds", "HTTP-31"),
    row(&[Tunnel], &[End], Goes(HalfTunnel), "s", "HTTP-31"),
    row(&[Tunnel], &[File], Stays, "", "HTTP-20"),
    row(&[HalfTunnel], PARTS, Refused(OutOfOrder), "", "HTTP-31"),
    row(TUNNELS, INFORMS, Refused(OutOfOrder), "", "HTTP-20"),
    row(TUNNELS, STARTS, Refused(OutOfOrder), "", "HTTP-20"),
    row(TUNNELS, TRAILERS, Refused(OutOfOrder), "", "HTTP-20"),
    row(TUNNELS, UPGRADES, Refused(OutOfOrder), "", "HTTP-20"),
    row(TUNNELS, &[Close], Goes(Closed), "c", "HTTP-32"),
    row(TUNNELS, &[Abort, Drop], Goes(CutOff), "a", "HTTP-32"),
    row(TUNNELS, &[Waits], Stays, "", "SRV-1"),
    row(TUNNELS, &[Returns], Goes(Closed), "c", "HTTP-32"),
    row(TUNNELS, &[Fails], Goes(CutOff), "a", "APP-6"),
    row(TUNNELS, &[Forced], Goes(Closed), "c", "SRV-16"),

    // The end is the end.
    row(ENDS, INFORMS, Refused(Over), "", "HTTP-20"),
    row(ENDS, STARTS, Refused(Over), "", "HTTP-20"),
    row(ENDS, PARTS, Refused(Over), "", "HTTP-20"),
    row(ENDS, TRAILERS, Refused(Over), "", "HTTP-20"),
    row(ENDS, UPGRADES, Refused(Over), "", "HTTP-20"),
    row(ENDS, &[Close, Abort, Drop], Stays, "", "HTTP-29"),
    row(ENDS, &[Waits, Returns, Fails, Forced], Stays, "", "SRV-12"),
    row(ENDS, &[Leaves], Stays, "", "SRV-2"),

    // The client.
    row(&[Silent, Asked, LetGo], &[Leaves], Goes(Lost), "", "SRV-2"),
    row(STARTED, &[Leaves], Goes(Lost), "", "SRV-2"),
    row(TUNNELS, &[Leaves], Goes(Lost), "", "SRV-2"),
    row(&[Lost], INFORMS, Refused(Gone), "", "HTTP-35"),
    row(&[Lost], STARTS, Refused(Gone), "", "HTTP-35"),
    row(&[Lost], PARTS, Refused(Gone), "", "HTTP-35"),
    row(&[Lost], TRAILERS, Refused(Gone), "", "HTTP-35"),
    row(&[Lost], UPGRADES, Refused(Gone), "", "HTTP-35"),
    row(&[Lost], &[Close, Abort, Drop, Waits, Returns, Fails, Forced, Leaves], Stays, "", "SRV-2"),
    row(STATES, &[HalfCloses], Stays, "", "SRV-3"),
];

pub(crate) const TABLE: Table<State, Event> = Table {
    states: STATES,
    events: EVENTS,
    rows: ROWS,
};

impl Event {
    /// The event as the contract has it, if it is one that is sent.
    pub(crate) fn to_send(self) -> Option<HttpSend> {
        Some(match self {
            Inform => HttpSend::Informational(head(103, &[])),
            InformSwitch => HttpSend::Informational(head(101, &[])),
            InformFinal => HttpSend::Informational(head(200, &[])),
            Whole => start(head(200, &[]), "x", false, TrailersPlan::None),
            Start => start(head(200, &[]), "", true, TrailersPlan::None),
            StartMaybe => start(head(200, &[]), "", true, TrailersPlan::Maybe),
            StartAnnounced => {
                let names = [HeaderName::from_static(ANNOUNCED)].into();
                start(head(200, &[]), "", true, TrailersPlan::Announced(names))
            }
            StartOfTwo => start(head(200, &["2"]), "", true, TrailersPlan::None),
            WholeTooLong => start(head(200, &["1"]), "xy", false, TrailersPlan::None),
            WholeTooShort => start(head(200, &["2"]), "x", false, TrailersPlan::None),
            StartNoNumber => start(head(200, &["+1"]), "", true, TrailersPlan::None),
            StartTwoLengths => start(head(200, &["1", "1"]), "", true, TrailersPlan::None),
            StartInterim => start(head(100, &[]), "", true, TrailersPlan::None),
            Part => part("x", true),
            LongPart => part("xyz", true),
            LastPart => part("x", false),
            End => part("", false),
            File => {
                let file = OpenFile::open(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
                HttpSend::File(FileRegion {
                    file: Arc::new(file.expect("the manifest of this package")),
                    offset: 0,
                    length: 0,
                })
            }
            Trailers => trailers(ANNOUNCED),
            OtherTrailers => trailers("x-other"),
            FramingTrailers => trailers("content-length"),
            Upgrade => HttpSend::Upgrade {
                head: head(101, &[]),
            },
            UpgradeRefusing => HttpSend::Upgrade {
                head: head(404, &[]),
            },
            Close | Abort | Drop | Waits | Returns | Fails | Forced | HalfCloses | Leaves => {
                return None;
            }
        })
    }
}

const ANNOUNCED: &str = "x-sum";

fn head(status: u16, lengths: &[&'static str]) -> ResponseHead {
    let head = ResponseHead::new(StatusCode::from_u16(status).expect("a status"));
    lengths.iter().fold(head, |head, length| {
        head.with_header(CONTENT_LENGTH, HeaderValue::from_static(length))
    })
}

fn start(head: ResponseHead, body: &'static str, more: bool, trailers: TrailersPlan) -> HttpSend {
    let body = Bytes::from_static(body.as_bytes());
    HttpSend::Start {
        head,
        body,
        more,
        trailers,
    }
}

fn part(bytes: &'static str, more: bool) -> HttpSend {
    let bytes = Bytes::from_static(bytes.as_bytes());
    HttpSend::Body { bytes, more }
}

fn trailers(name: &'static str) -> HttpSend {
    let field = (HeaderName::from_static(name), HeaderValue::from_static("1"));
    HttpSend::Trailers(HeaderMap::from_iter([field]))
}

/// That `given`, in letters, is what one response may look like: nothing before its head or behind its end.
fn is_legal(given: &str) -> bool {
    let given = given.trim_start_matches('i');
    match given.as_bytes() {
        [] | b"w" | b"a" => true,
        [b'h', rest @ ..] => {
            let body = rest.strip_suffix(b"e").or(rest.strip_suffix(b"a"));
            body.unwrap_or(rest).iter().all(|&letter| letter == b'd')
        }
        [b'u', rest @ ..] => {
            let open = rest.strip_suffix(b"c").or(rest.strip_suffix(b"a"));
            let bytes = open.unwrap_or(rest);
            let bytes = bytes.strip_suffix(b"s").unwrap_or(bytes);
            bytes.iter().all(|&letter| letter == b'd')
        }
        _ => false,
    }
}

/// How many ends the client got.
fn outcomes(given: &str) -> usize {
    given.matches(['w', 'e', 'c', 'a']).count()
}

/// Walks the table, and has the call return in the end: what the client got is a legal response, with one end if the client
/// stayed. How many steps were compared.
pub(crate) fn walk<T: Subject<Event>>(
    start: State,
    events: &[Event],
    make: impl Fn() -> T,
) -> usize {
    super::walk(&TABLE, start, events, make, |subject, state, given| {
        let mut given = given.to_owned();
        if events.contains(&Returns) {
            let _ = subject.apply(Returns);
            given += &subject.given();
            assert_eq!(outcomes(&given), usize::from(state != Lost), "{given}");
        }
        assert!(is_legal(&given), "{given}");
    })
}
