//! The request's body on its way from the wire to the application.

use std::pin::Pin;
use std::task::{Context as Task, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming};
use server_host::http2::check_trailers;
use server_host::{Exchange, Limits, Wanted};

/// What to do with the bytes of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Intake {
    /// Read and bring them.
    Bring,
    /// Leave them where they are: the application's buffer is full, or nobody asked a peer that waits to be asked.
    Leave,
    /// Read and throw away.
    Discard,
    /// There are none.
    Nothing,
}

impl Intake {
    fn of(wanted: Wanted, waits: Continue) -> Self {
        match (wanted, waits) {
            (Wanted::Now(0) | Wanted::NotYet(0), _)
            | (Wanted::NotYet(_) | Wanted::Never, Continue::Expected) => Self::Leave,
            (Wanted::Now(_) | Wanted::NotYet(_), _) => Self::Bring,
            (Wanted::Never, Continue::NotExpected) => Self::Discard,
            (Wanted::Complete, _) => Self::Nothing,
        }
    }
}

/// Whether the peer waits for `100 Continue`, which hyper sends when the body is asked for first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Continue {
    Expected,
    NotExpected,
}

/// What came of asking hyper for the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Brought {
    /// Parts of it; there may be more.
    Some,
    /// Nothing yet.
    Nothing,
    /// Its end.
    End,
    /// It is not what a body may be.
    Malformed,
    /// So much was thrown away that the rest is not worth reading.
    TooMuch,
    /// Hyper cannot read it any further.
    Failed,
}

/// The body of a request that hyper reads.
pub(crate) struct RequestBody {
    incoming: Incoming,
    waits: Continue,
    /// Bytes that may still be thrown away, before the reply is complete and after it.
    left: u64,
}

impl RequestBody {
    pub(crate) fn new(incoming: Incoming, waits: Continue, discard_bytes: u64) -> Self {
        Self {
            incoming,
            waits,
            left: discard_bytes,
        }
    }

    /// Whether the peer was not told to send it.
    pub(crate) fn is_held_back(&self) -> bool {
        self.waits == Continue::Expected
    }

    /// Brings what the application wants and hyper has.
    pub(crate) fn bring(
        &mut self,
        mut wanted: Wanted,
        exchange: &Exchange,
        limits: &Limits,
        task: &mut Task<'_>,
    ) -> Brought {
        let mut brought = Brought::Nothing;
        loop {
            if matches!(wanted, Wanted::Now(_)) {
                self.waits = Continue::NotExpected;
            }
            let intake = Intake::of(wanted, self.waits);
            match intake {
                Intake::Leave | Intake::Nothing => return brought,
                Intake::Discard if self.left == 0 => return Brought::TooMuch,
                Intake::Discard | Intake::Bring => {}
            }
            match self.poll(task) {
                Poll::Pending => return brought,
                Poll::Ready(Some(Err(_))) => return Brought::Failed,
                Poll::Ready(None) => {
                    exchange.end_body(None);
                    return Brought::End;
                }
                Poll::Ready(Some(Ok(frame))) if intake == Intake::Bring => {
                    match frame.into_data() {
                        Ok(bytes) if self.incoming.is_end_stream() => {
                            exchange.push_last_part(bytes);
                            return Brought::End;
                        }
                        Ok(bytes) => {
                            exchange.push_body(bytes);
                            brought = Brought::Some;
                        }
                        Err(frame) => return end(frame, exchange, limits),
                    }
                }
                Poll::Ready(Some(Ok(frame))) => {
                    self.left = self.left.saturating_sub(length(&frame));
                    brought = Brought::Some;
                }
            }
            wanted = exchange.wanted();
        }
    }

    /// Throws away what hyper has, up to the limit.
    pub(crate) fn discard(&mut self, task: &mut Task<'_>) -> Brought {
        loop {
            match self.poll(task) {
                Poll::Pending => return Brought::Nothing,
                Poll::Ready(Some(Err(_))) => return Brought::Failed,
                Poll::Ready(None) => return Brought::End,
                Poll::Ready(Some(Ok(frame))) => match self.left.checked_sub(length(&frame)) {
                    Some(left) => self.left = left,
                    None => return Brought::TooMuch,
                },
            }
        }
    }

    fn poll(&mut self, task: &mut Task<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.incoming).poll_frame(task)
    }
}

/// Bytes of the content.
fn length(frame: &Frame<Bytes>) -> u64 {
    frame.data_ref().map_or(0, |bytes| bytes.len() as u64)
}

/// Ends the body by what is no part of it.
fn end(frame: Frame<Bytes>, exchange: &Exchange, limits: &Limits) -> Brought {
    match frame.into_trailers() {
        Ok(trailers) if check_trailers(&trailers, limits).is_err() => Brought::Malformed,
        trailers => {
            exchange.end_body(trailers.ok());
            Brought::End
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_waits_to_be_asked_is_asked_only_for_the_application() {
        use Continue::{Expected, NotExpected};
        for (wanted, waits, intake) in [
            (Wanted::NotYet(9), NotExpected, Intake::Bring),
            (Wanted::NotYet(9), Expected, Intake::Leave),
            (Wanted::NotYet(0), NotExpected, Intake::Leave),
            (Wanted::Now(9), NotExpected, Intake::Bring),
            (Wanted::Now(9), Expected, Intake::Bring),
            (Wanted::Now(0), NotExpected, Intake::Leave),
            (Wanted::Never, NotExpected, Intake::Discard),
            (Wanted::Never, Expected, Intake::Leave),
            (Wanted::Complete, NotExpected, Intake::Nothing),
        ] {
            assert_eq!(Intake::of(wanted, waits), intake, "{wanted:?} {waits:?}");
        }
    }
}
