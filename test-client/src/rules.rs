//! What an application may send, and when, and what of it reaches the client (HTTP-19 to HTTP-30, SRV-6).
//!
//! Pure: events in, [`Output`]s out. `server-host` decides the same for the servers; `tests/it/rules.rs` plays every short
//! sequence of events to both.

use bytes::Bytes;
use gateway_spec::{
    AppError, FileRegion, Gone, HttpScope, HttpSend, Response, ResponseHead, SendError,
    TrailersPlan,
};
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};

/// What of a request decides about its response.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    method: BodyOfMethod,
    upgrade: UpgradeAsked,
    informational: Informational,
    trailers: TrailersTaken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BodyOfMethod {
    Sent,
    /// HEAD.
    Suppressed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum UpgradeAsked {
    Yes,
    No,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Informational {
    Sent,
    /// HTTP/1.0 knows none.
    Dropped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TrailersTaken {
    None,
    Announced,
    All,
}

impl Facts {
    pub(crate) fn of(scope: &HttpScope) -> Self {
        let is_http_10 = scope.version < Version::HTTP_11;
        let upgrade = scope.method == Method::CONNECT
            || (scope.version == Version::HTTP_11
                && scope.headers.contains(UPGRADE)
                && scope.headers.contains_token(CONNECTION, "upgrade"));
        Self {
            method: match scope.method {
                Method::HEAD => BodyOfMethod::Suppressed,
                _ => BodyOfMethod::Sent,
            },
            upgrade: if upgrade {
                UpgradeAsked::Yes
            } else {
                UpgradeAsked::No
            },
            informational: if is_http_10 {
                Informational::Dropped
            } else {
                Informational::Sent
            },
            trailers: match scope.version {
                Version::HTTP_11 if scope.headers.contains_token(TE, "trailers") => {
                    TrailersTaken::Announced
                }
                version if version < Version::HTTP_2 => TrailersTaken::None,
                _ => TrailersTaken::All,
            },
        }
    }
}

/// What reaches the client, in order.
#[derive(Debug)]
pub(crate) enum Output {
    Informational(ResponseHead),
    Head(Head),
    Data(Bytes),
    File(FileRegion),
    /// The response is complete.
    End(Option<HeaderMap>),
    Upgrade(ResponseHead),
    /// The tunnel's direction to the client ends.
    Shutdown,
    /// The tunnel ends.
    Close,
    /// The response is cut off, or the connection closed without one.
    CutOff,
}

/// The head of a response, and what of it the server knows.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) head: ResponseHead,
    pub(crate) length: Option<u64>,
    pub(crate) by: Answerer,
}

/// Who answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answerer {
    /// The application.
    Application,
    /// The server, in the place of an application that failed, panicked or forgot (SRV-12).
    Server,
}

/// How far the response is.
#[derive(Debug)]
pub(crate) struct Rules {
    facts: Facts,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    Before,
    Body {
        body: Body,
        trailers: TrailersPlan,
    },
    Tunnel,
    /// A tunnel whose direction to the client was closed.
    HalfTunnel,
    /// A handle was dropped before the start; the call may still return an error whose status is the answer.
    Abandoned,
    Ended,
}

#[derive(Debug, Clone, Copy)]
enum Body {
    /// HEAD, 204, 304: whatever is written counts as accepted and is not sent.
    Suppressed,
    Declared {
        length: u64,
        left: u64,
    },
    Undeclared,
}

/// What a poll of the call came to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Turn<'a> {
    Pending,
    Done,
    Failed(&'a AppError),
    Panicked,
}

/// What becomes of an exchange whose call has returned, or let go of its handles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The response is complete, or still in the application's hands.
    Fine,
    /// The server answers.
    Answer(StatusCode),
    /// The response is cut off.
    CutOff,
    /// The tunnel is closed.
    Close,
}

impl Rules {
    pub(crate) const fn new(facts: Facts) -> Self {
        Self {
            facts,
            phase: Phase::Before,
        }
    }

    pub(crate) const fn is_before(&self) -> bool {
        matches!(self.phase, Phase::Before)
    }

    pub(crate) const fn is_tunnel(&self) -> bool {
        matches!(self.phase, Phase::Tunnel | Phase::HalfTunnel)
    }

    pub(crate) const fn is_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended)
    }

    /// Takes an event, if it fits; else nothing of it counts.
    pub(crate) fn accept(
        &mut self,
        event: HttpSend,
        mut send: impl FnMut(Output),
    ) -> Result<(), SendError> {
        if let Phase::Ended = self.phase {
            return Err(SendError::Gone(Gone::Finished));
        }
        match event {
            HttpSend::Informational(head) => self.inform(head, send),
            HttpSend::Start {
                head,
                body,
                more,
                trailers,
            } => self.start(head, body, more.into(), trailers, send),
            HttpSend::Body { bytes, more } => self.body(bytes, more.into(), send),
            HttpSend::File(region) => self.file(region, send),
            HttpSend::Trailers(trailers) => self.trailers(trailers, send),
            HttpSend::Upgrade { head } => {
                if !self.is_before() || self.facts.upgrade == UpgradeAsked::No {
                    return Err(SendError::OutOfOrder);
                }
                if head.status != StatusCode::SWITCHING_PROTOCOLS && !head.status.is_success() {
                    return Err(SendError::BadHead);
                }
                self.phase = Phase::Tunnel;
                send(Output::Upgrade(head));
                Ok(())
            }
            _ => Err(SendError::Unsupported),
        }
    }

    fn inform(&self, head: ResponseHead, mut send: impl FnMut(Output)) -> Result<(), SendError> {
        if !self.is_before() {
            return Err(SendError::OutOfOrder);
        }
        if !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(SendError::BadHead);
        }
        if self.facts.informational == Informational::Sent {
            send(Output::Informational(head));
        }
        Ok(())
    }

    fn start(
        &mut self,
        mut head: ResponseHead,
        first: Bytes,
        more: More,
        trailers: TrailersPlan,
        mut send: impl FnMut(Output),
    ) -> Result<(), SendError> {
        if !self.is_before() {
            return Err(SendError::OutOfOrder);
        }
        if head.status.is_informational() {
            return Err(SendError::BadHead);
        }
        let declared = content_length(&head)?;
        let bodiless = matches!(
            head.status,
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
        );
        let suppressed = bodiless || self.facts.method == BodyOfMethod::Suppressed;
        let body = match declared {
            _ if suppressed => Body::Suppressed,
            Some(length) => Body::Declared {
                length,
                left: length,
            },
            None => Body::Undeclared,
        };
        let body = body.after(first.len() as u64, more)?;
        own_the_connection(&mut head);
        if let (TrailersPlan::Announced(names), false) = (&trailers, suppressed) {
            announce(names, &mut head);
        }
        // A whole answer is framed by its length (HTTP-26).
        let length = declared.or(match more {
            More::No if !bodiless => Some(first.len() as u64),
            _ => None,
        });
        send(Output::Head(Head {
            head,
            length,
            by: Answerer::Application,
        }));
        if !suppressed && !first.is_empty() {
            send(Output::Data(first));
        }
        self.phase = match more {
            More::Yes => Phase::Body { body, trailers },
            More::No => {
                send(Output::End(None));
                Phase::Ended
            }
        };
        Ok(())
    }

    fn body(
        &mut self,
        bytes: Bytes,
        more: More,
        mut send: impl FnMut(Output),
    ) -> Result<(), SendError> {
        let suppressed = match &mut self.phase {
            Phase::Body { body, .. } => {
                *body = body.after(bytes.len() as u64, more)?;
                matches!(body, Body::Suppressed)
            }
            Phase::Tunnel => false,
            _ => return Err(SendError::OutOfOrder),
        };
        if !suppressed && !bytes.is_empty() {
            send(Output::Data(bytes));
        }
        if let More::No = more {
            self.phase = if let Phase::Tunnel = self.phase {
                send(Output::Shutdown);
                Phase::HalfTunnel
            } else {
                send(Output::End(None));
                Phase::Ended
            };
        }
        Ok(())
    }

    fn file(&mut self, region: FileRegion, mut send: impl FnMut(Output)) -> Result<(), SendError> {
        let suppressed = match &mut self.phase {
            Phase::Body { body, .. } => {
                *body = body.after(region.length, More::Yes)?;
                matches!(body, Body::Suppressed)
            }
            Phase::Tunnel => false,
            _ => return Err(SendError::OutOfOrder),
        };
        if !suppressed && region.length > 0 {
            send(Output::File(region));
        }
        Ok(())
    }

    fn trailers(
        &mut self,
        trailers: HeaderMap,
        mut send: impl FnMut(Output),
    ) -> Result<(), SendError> {
        let Phase::Body {
            body,
            trailers: plan,
        } = &self.phase
        else {
            return Err(SendError::OutOfOrder);
        };
        let suppressed = matches!(body.after(0, More::No)?, Body::Suppressed);
        let planned = trailers.keys().all(|name| {
            may_be_trailer(name)
                && match plan {
                    TrailersPlan::None => false,
                    TrailersPlan::Announced(names) => names.contains(name),
                    TrailersPlan::Maybe => true,
                }
        });
        if !planned || *plan == TrailersPlan::None {
            return Err(SendError::BadTrailer);
        }
        let taken = match self.facts.trailers {
            TrailersTaken::None => false,
            TrailersTaken::Announced => matches!(plan, TrailersPlan::Announced(_)),
            TrailersTaken::All => true,
        };
        let taken = taken && !suppressed && !trailers.is_empty();
        self.phase = Phase::Ended;
        send(Output::End(taken.then_some(trailers)));
        Ok(())
    }

    /// The application closes its tunnel; whether there is one.
    pub(crate) fn close(&mut self) -> Verdict {
        if !self.is_tunnel() {
            return Verdict::Fine;
        }
        self.phase = Phase::Ended;
        Verdict::Close
    }

    /// The application gives the exchange up on purpose.
    pub(crate) fn abort(&mut self) -> Verdict {
        if self.is_ended() {
            return Verdict::Fine;
        }
        self.phase = Phase::Ended;
        Verdict::CutOff
    }

    /// A handle was dropped. Before the start, [`settle`](Self::settle) decides.
    pub(crate) fn abandon(&mut self) -> Verdict {
        match self.phase {
            Phase::Before | Phase::Abandoned => {
                self.phase = Phase::Abandoned;
                Verdict::Fine
            }
            _ => self.abort(),
        }
    }

    /// The call was polled (SRV-7, SRV-12, APP-6).
    pub(crate) fn settle(&mut self, turn: Turn<'_>) -> Verdict {
        let verdict = match (&self.phase, turn) {
            (Phase::Ended, _) => return Verdict::Fine,
            (Phase::Abandoned, Turn::Pending) => Verdict::Answer(StatusCode::INTERNAL_SERVER_ERROR),
            (_, Turn::Pending) => return Verdict::Fine,
            (Phase::Before | Phase::Abandoned, Turn::Failed(error)) => {
                Verdict::Answer(error.status_code())
            }
            (Phase::Before | Phase::Abandoned, Turn::Done | Turn::Panicked) => {
                Verdict::Answer(StatusCode::INTERNAL_SERVER_ERROR)
            }
            (Phase::Tunnel | Phase::HalfTunnel, Turn::Done) => Verdict::Close,
            (Phase::Body { .. } | Phase::Tunnel | Phase::HalfTunnel, _) => Verdict::CutOff,
        };
        self.phase = Phase::Ended;
        verdict
    }

    /// The server's own answer, as the client sees it.
    pub(crate) fn answer(&self, page: Response, mut send: impl FnMut(Output)) {
        let length = Some(page.body.len() as u64);
        send(Output::Head(Head {
            head: page.head,
            length,
            by: Answerer::Server,
        }));
        if self.facts.method == BodyOfMethod::Sent {
            send(Output::Data(page.body));
        }
        send(Output::End(None));
    }
}

/// Whether an event is the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum More {
    Yes,
    No,
}

impl From<bool> for More {
    fn from(more: bool) -> Self {
        if more { Self::Yes } else { Self::No }
    }
}

impl Body {
    /// What is left to come after so many bytes (HTTP-24).
    fn after(self, bytes: u64, more: More) -> Result<Self, SendError> {
        let Self::Declared { length, left } = self else {
            return Ok(self);
        };
        let too_much = SendError::TooMuch { declared: length };
        let left = left.checked_sub(bytes).ok_or(too_much)?;
        if more == More::No && left > 0 {
            return Err(SendError::TooLittle { missing: left });
        }
        Ok(Self::Declared { length, left })
    }
}

/// Drops the fields that are the server's (HTTP-23).
fn own_the_connection(head: &mut ResponseHead) {
    let headers = &mut head.headers;
    let closes = headers.contains_token(CONNECTION, "close");
    for name in [TRANSFER_ENCODING, CONNECTION] {
        headers.remove(&name);
    }
    headers.remove("keep-alive");
    if closes {
        headers.append(CONNECTION, HeaderValue::from_static("close"));
    }
    if head.status != StatusCode::UPGRADE_REQUIRED {
        headers.remove(UPGRADE);
    } else if headers.contains(UPGRADE) {
        // Which protocol to ask for is the application's to say (RFC 9110 section 15.5.22).
        headers.append(CONNECTION, HeaderValue::from_static("upgrade"));
    }
}

/// Names the trailers in the head, unless the application did (RFC 9110 section 6.6.2).
fn announce(names: &[HeaderName], head: &mut ResponseHead) {
    if names.is_empty() || head.headers.contains(TRAILER) {
        return;
    }
    let names: Vec<_> = names.iter().map(HeaderName::as_str).collect();
    let list = HeaderValue::try_from(names.join(", ")).expect("names of fields are valid values");
    head.headers.append(TRAILER, list);
}

/// The declared length: at most one, digits only (HTTP-22).
fn content_length(head: &ResponseHead) -> Result<Option<u64>, SendError> {
    let mut values = head.headers.get_all(CONTENT_LENGTH);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    match str::from_utf8(value).map(str::parse) {
        Ok(Ok(length)) if digits && values.next().is_none() => Ok(Some(length)),
        _ => Err(SendError::BadHead),
    }
}

/// Whether a field may come as a trailer (RFC 9110 section 6.5.1).
fn may_be_trailer(name: &HeaderName) -> bool {
    // Sorted by what they do: frame, route, authenticate, control.
    ![
        TRANSFER_ENCODING.as_str(),
        CONTENT_LENGTH.as_str(),
        CONNECTION.as_str(),
        "keep-alive",
        TE.as_str(),
        TRAILER.as_str(),
        UPGRADE.as_str(),
        "content-encoding",
        "content-type",
        "content-range",
        HOST.as_str(),
        "authorization",
        "proxy-authorization",
        "proxy-authenticate",
        "www-authenticate",
        "cookie",
        "set-cookie",
        "cache-control",
        "expect",
        "max-forwards",
        "pragma",
        "range",
        "age",
        "date",
        "expires",
        "location",
        "retry-after",
        "vary",
    ]
    .contains(&name.as_str())
}
