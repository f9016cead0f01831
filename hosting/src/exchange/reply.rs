//! What an application may send, and when: the order of events, the length of the body, the trailers.

use bytes::Bytes;
use gateway_spec::{Abort, HttpSend, ResponseHead, SendError, TrailersPlan};
use http::header::{CONTENT_LENGTH, TRAILER};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::facts::{BodyAllowed, Facts, Informational, TrailersTaken, UpgradeAsked};
use super::{Outgoing, Queued, ReplyLength, Turn, Verdict, files};

/// What was sent, for the access log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// The final status, if one was sent.
    pub status: Option<StatusCode>,
    /// Bytes of the body.
    pub bytes: u64,
}

#[derive(Debug, Default)]
pub(super) struct Reply {
    facts: Facts,
    phase: Phase,
    status: Option<StatusCode>,
    bytes: u64,
}

#[derive(Debug, Default)]
enum Phase {
    /// Nothing final was sent.
    #[default]
    Before,
    /// The head was sent.
    Body {
        declared: Option<Declared>,
        suppressed: bool,
        trailers: TrailersPlan,
    },
    /// The bytes are the tunnel's.
    Tunnel { shut_down: bool },
    /// The response is complete.
    Ended,
    /// Let go of before the start; the call may still return an error whose status is the answer.
    Abandoned,
    /// Given up, and the client was told in one way or another.
    Settled,
}

/// A declared `content-length`.
#[derive(Debug, Clone, Copy)]
struct Declared {
    length: u64,
    left: u64,
}

impl Reply {
    pub(super) fn begin(&mut self, facts: Facts) {
        *self = Self {
            facts,
            ..Self::default()
        };
    }

    pub(super) fn sent(&self) -> Sent {
        Sent {
            status: self.status,
            bytes: self.bytes,
        }
    }

    /// Whether nothing more can be sent.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Ended | Phase::Abandoned | Phase::Settled)
    }

    pub(super) fn is_tunnel(&self) -> bool {
        matches!(self.phase, Phase::Tunnel { .. })
    }

    /// Takes an event of the application, if it fits, and gives on what the wire has to send for it.
    pub(super) fn accept(
        &mut self,
        mut event: HttpSend,
        mut send: impl FnMut(Queued),
    ) -> Result<(), SendError> {
        let mut outgoing = |outgoing| send(Queued::Ready(outgoing));
        match event {
            // By reference, until it is accepted: a head is large, and each move of it a copy.
            HttpSend::Start {
                ref mut head,
                ref body,
                more,
                ref mut trailers,
            } => {
                let length = self.start(head, body, more, std::mem::take(trailers))?;
                if let HttpSend::Start { head, body, .. } = event {
                    outgoing(Outgoing::Head {
                        head,
                        length,
                        first: body,
                    });
                }
                Ok(())
            }
            HttpSend::Body { bytes, more } => self.body(bytes, more, outgoing),
            HttpSend::Informational(head) => self.inform(head, outgoing),
            HttpSend::Trailers(trailers) => self.trailers(trailers, outgoing),
            HttpSend::Upgrade { head } => self.upgrade(head, outgoing),
            HttpSend::File(region) => {
                let suppressed = match &mut self.phase {
                    Phase::Body {
                        declared,
                        suppressed,
                        ..
                    } => {
                        count(declared, region.length, *suppressed)?;
                        *suppressed
                    }
                    Phase::Tunnel { shut_down: false } => false,
                    _ => return Err(SendError::OutOfOrder),
                };
                self.bytes += region.length;
                if !suppressed && region.length > 0 {
                    send(Queued::File(files::Reading::of(region)));
                }
                Ok(())
            }
            _ => Err(SendError::Unsupported),
        }
    }

    /// Takes a response that is one event, if it fits.
    #[inline(always)]
    pub(super) fn whole(
        &mut self,
        head: &mut ResponseHead,
        body: &Bytes,
        trailers: &mut TrailersPlan,
    ) -> Result<(), SendError> {
        // What nearly none has is left to `start`, which would come to the same.
        let is_plain = matches!(self.phase, Phase::Before)
            && matches!(trailers, TrailersPlan::None)
            && !head.status.is_informational()
            && match head.headers.only() {
                Some((name, _)) => *name != CONTENT_LENGTH,
                None => !head.headers.contains(&CONTENT_LENGTH),
            };
        if !is_plain {
            let trailers = std::mem::take(trailers);
            return self.start(head, body, false, trailers).map(drop);
        }
        self.status = Some(head.status);
        self.phase = Phase::Ended;
        if self.facts.body == BodyAllowed::Yes && !is_bodiless(head.status) {
            self.bytes = body.len() as u64;
        }
        Ok(())
    }

    /// Takes the start of the response, if it fits, and gives the length of the body.
    fn start(
        &mut self,
        head: &mut ResponseHead,
        body: &Bytes,
        more: bool,
        trailers: TrailersPlan,
    ) -> Result<ReplyLength, SendError> {
        if !matches!(self.phase, Phase::Before) {
            return Err(SendError::OutOfOrder);
        }
        if head.status.is_informational() {
            return Err(SendError::BadHead);
        }
        let suppressed = self.facts.body == BodyAllowed::Head || is_bodiless(head.status);
        let mut declared = content_length(head)?.map(|length| Declared {
            length,
            left: length,
        });
        count(&mut declared, body.len() as u64, suppressed)?;
        if !more {
            complete(declared, suppressed)?;
        }
        let length = match (more, declared) {
            (false, _) => ReplyLength::Whole,
            (true, Some(declared)) => ReplyLength::Known(declared.length),
            (true, None) => ReplyLength::Unknown,
        };
        if let (TrailersPlan::Announced(names), false) = (&trailers, suppressed) {
            announce(names, head);
        }
        self.status = Some(head.status);
        self.phase = if more {
            Phase::Body {
                declared,
                suppressed,
                trailers,
            }
        } else {
            Phase::Ended
        };
        if !suppressed {
            self.bytes = body.len() as u64;
        }
        // The wire suppresses the body itself: it needs its length for HEAD.
        Ok(length)
    }

    fn body(
        &mut self,
        bytes: Bytes,
        more: bool,
        mut send: impl FnMut(Outgoing),
    ) -> Result<(), SendError> {
        match &mut self.phase {
            Phase::Body {
                declared,
                suppressed,
                ..
            } => {
                // A part that is refused for its end is not counted either.
                let mut counted = *declared;
                count(&mut counted, bytes.len() as u64, *suppressed)?;
                if !more {
                    complete(counted, *suppressed)?;
                }
                *declared = counted;
                if !*suppressed && !bytes.is_empty() {
                    self.bytes += bytes.len() as u64;
                    send(Outgoing::Data(bytes));
                }
                if !more {
                    self.phase = Phase::Ended;
                    send(Outgoing::End(None));
                }
                Ok(())
            }
            Phase::Tunnel { shut_down } if !*shut_down => {
                if !bytes.is_empty() {
                    self.bytes += bytes.len() as u64;
                    send(Outgoing::Data(bytes));
                }
                if !more {
                    *shut_down = true;
                    send(Outgoing::Shutdown);
                }
                Ok(())
            }
            _ => Err(SendError::OutOfOrder),
        }
    }

    fn inform(
        &mut self,
        head: ResponseHead,
        mut send: impl FnMut(Outgoing),
    ) -> Result<(), SendError> {
        if !matches!(self.phase, Phase::Before) {
            return Err(SendError::OutOfOrder);
        }
        if !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(SendError::BadHead);
        }
        if self.facts.informational == Informational::Sent {
            send(Outgoing::Informational(head));
        }
        Ok(())
    }

    fn trailers(
        &mut self,
        trailers: HeaderMap,
        mut send: impl FnMut(Outgoing),
    ) -> Result<(), SendError> {
        let Phase::Body {
            declared,
            suppressed,
            trailers: plan,
        } = &self.phase
        else {
            return Err(SendError::OutOfOrder);
        };
        complete(*declared, *suppressed)?;
        let allowed = match plan {
            TrailersPlan::None => false,
            TrailersPlan::Maybe => trailers.keys().all(may_be_trailer),
            TrailersPlan::Announced(names) => trailers
                .keys()
                .all(|name| names.contains(name) && may_be_trailer(name)),
        };
        if !allowed {
            return Err(SendError::BadTrailer);
        }
        let taken = match self.facts.trailers {
            TrailersTaken::None => false,
            TrailersTaken::Announced => matches!(plan, TrailersPlan::Announced(_)),
            TrailersTaken::All => true,
        };
        let trailers = (taken && !*suppressed && !trailers.is_empty()).then_some(trailers);
        self.phase = Phase::Ended;
        send(Outgoing::End(trailers));
        Ok(())
    }

    fn upgrade(
        &mut self,
        head: ResponseHead,
        mut send: impl FnMut(Outgoing),
    ) -> Result<(), SendError> {
        if !matches!(self.phase, Phase::Before) || self.facts.upgrade != UpgradeAsked::Yes {
            return Err(SendError::OutOfOrder);
        }
        let switches = head.status == StatusCode::SWITCHING_PROTOCOLS || head.status.is_success();
        if !switches {
            return Err(SendError::BadHead);
        }
        self.status = Some(head.status);
        self.phase = Phase::Tunnel { shut_down: false };
        send(Outgoing::Upgrade(head));
        Ok(())
    }

    /// Ends a tunnel; whether the wire has to be told.
    pub(super) fn close(&mut self) -> bool {
        let open = self.is_tunnel();
        if open {
            self.phase = Phase::Ended;
        }
        open
    }

    /// Gives the exchange up; whether the wire has to be told at once. A dropped handle before the start is left for
    /// [`settle`](Self::settle): the call may return an error whose status is the answer.
    pub(super) fn abort(&mut self, why: Abort) -> bool {
        let started = match self.phase {
            Phase::Before => false,
            Phase::Body { .. } | Phase::Tunnel { .. } => true,
            Phase::Ended | Phase::Abandoned | Phase::Settled => return false,
        };
        if started || why == Abort::Deliberate {
            self.phase = Phase::Settled;
            return true;
        }
        self.phase = Phase::Abandoned;
        false
    }

    pub(super) fn settle(&mut self, turn: Turn<'_>) -> Verdict {
        match (&self.phase, turn) {
            (Phase::Ended | Phase::Settled, _) | (_, Turn::Over) => Verdict::Fine,
            (Phase::Abandoned, Turn::Pending) => self.answer(StatusCode::INTERNAL_SERVER_ERROR),
            (_, Turn::Pending) => Verdict::Fine,
            (Phase::Before | Phase::Abandoned, Turn::Forced) => {
                self.answer(StatusCode::SERVICE_UNAVAILABLE)
            }
            (Phase::Before | Phase::Abandoned, Turn::Failed(error)) => {
                self.answer(error.status_code())
            }
            (Phase::Before | Phase::Abandoned, Turn::Done) => {
                self.answer(StatusCode::INTERNAL_SERVER_ERROR)
            }
            (Phase::Tunnel { .. }, Turn::Done | Turn::Forced) => {
                self.phase = Phase::Settled;
                Verdict::CloseTunnel
            }
            (Phase::Body { .. } | Phase::Tunnel { .. }, _) => {
                self.phase = Phase::Settled;
                Verdict::CutOff
            }
        }
    }

    fn answer(&mut self, status: StatusCode) -> Verdict {
        self.phase = Phase::Settled;
        Verdict::Answer(status)
    }

    /// Notes the server's own answer; gives back the part of its body that is sent.
    pub(super) fn answered(&mut self, status: StatusCode, body: Bytes) -> Bytes {
        self.status = Some(status);
        if self.facts.body != BodyAllowed::Head {
            self.bytes = body.len() as u64;
        }
        body
    }

    /// A file could not be read to the end of its region: the response is cut off.
    pub(super) fn file_failed(&mut self) {
        self.phase = Phase::Settled;
    }
}

/// Names the trailers in the head, unless the application did (RFC 9110 section 6.6.2).
fn announce(names: &[HeaderName], head: &mut ResponseHead) {
    if names.is_empty() || head.headers.contains(TRAILER) {
        return;
    }
    let list = names
        .iter()
        .map(HeaderName::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    if let Ok(list) = HeaderValue::try_from(list) {
        head.headers.append(TRAILER, list);
    }
}

/// The application's `content-length`: at most one, digits only.
fn content_length(head: &ResponseHead) -> Result<Option<u64>, SendError> {
    let mut values = head.headers.get_all(CONTENT_LENGTH);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() || value.is_empty() {
        return Err(SendError::BadHead);
    }
    let length = value.iter().try_fold(0_u64, |length, byte| {
        let digit = byte.is_ascii_digit().then(|| byte - b'0')?;
        length.checked_mul(10)?.checked_add(digit.into())
    });
    length.map(Some).ok_or(SendError::BadHead)
}

/// Counts bytes against the declared length. What is suppressed does not count: a HEAD's body may be left out.
fn count(declared: &mut Option<Declared>, bytes: u64, suppressed: bool) -> Result<(), SendError> {
    match declared {
        Some(declared) if !suppressed => {
            let too_much = SendError::TooMuch {
                declared: declared.length,
            };
            declared.left = declared.left.checked_sub(bytes).ok_or(too_much)?;
            Ok(())
        }
        _ => Ok(()),
    }
}

fn complete(declared: Option<Declared>, suppressed: bool) -> Result<(), SendError> {
    match declared {
        Some(Declared { left, .. }) if left > 0 && !suppressed => {
            Err(SendError::TooLittle { missing: left })
        }
        _ => Ok(()),
    }
}

/// Whether a final response with this status never has a body (RFC 9110 sections 15.3.5, 15.3.6 and 15.4.5).
#[must_use]
pub const fn is_bodiless(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED
    )
}

/// Whether a field may come as a trailer: none that frames, routes or authenticates a message (RFC 9110 section 6.5.1).
#[must_use]
pub fn may_be_trailer(name: &HeaderName) -> bool {
    !matches!(
        name.as_str(),
        "transfer-encoding"
            | "content-length"
            | "host"
            | "connection"
            | "keep-alive"
            | "te"
            | "trailer"
            | "upgrade"
            | "content-encoding"
            | "content-type"
            | "content-range"
            | "authorization"
            | "cookie"
            | "set-cookie"
            | "proxy-authorization"
            | "proxy-authenticate"
            | "www-authenticate"
            | "cache-control"
            | "expect"
            | "max-forwards"
            | "pragma"
            | "range"
            | "age"
            | "date"
            | "expires"
            | "location"
            | "retry-after"
            | "vary"
    )
}
