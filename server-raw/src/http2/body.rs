//! The request's body on its way from its stream to the application.

use std::task::{Context as Task, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use http::HeaderMap;
use server_host::http2::{Expectation, check_trailers};
use server_host::{Exchange, INBOUND_BYTES, Limits, Wanted};

use crate::body::Intake;

/// What came of asking for the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Brought {
    /// Parts of it; there may be more.
    Some,
    /// Nothing yet.
    Nothing,
    /// Its end.
    End,
    /// It is not what a body may be.
    Malformed,
    /// More is thrown away than a stream is worth.
    TooMuch,
    /// The stream is gone.
    Lost,
}

/// The body of a request, and the window that it fills.
pub(super) struct RequestBody {
    stream: RecvStream,
    waits: Expectation,
    /// Bytes that the application was brought and has not read: the peer's window is as much smaller.
    held: usize,
    /// Bytes that may still be thrown away.
    left: u64,
}

enum Fact {
    Data(Bytes),
    End(Option<HeaderMap>),
    Lost,
}

impl RequestBody {
    pub(super) fn new(stream: RecvStream, waits: Expectation, discard_bytes: u64) -> Self {
        Self {
            stream,
            waits,
            held: 0,
            left: discard_bytes,
        }
    }

    /// Whether the peer waits to be asked; after this it does not.
    pub(super) fn take_expectation(&mut self) -> Expectation {
        std::mem::replace(&mut self.waits, Expectation::Nothing)
    }

    /// Whether what comes is left where it is.
    pub(super) fn is_left(&self, wanted: Wanted) -> bool {
        match (Intake::of(wanted), wanted) {
            (Intake::Leave | Intake::Nothing, _) => true,
            (Intake::Bring, Wanted::Now(_)) => false,
            (Intake::Bring | Intake::Discard, _) => self.waits == Expectation::Continue,
        }
    }

    /// Brings what the application wants and has come.
    pub(super) fn bring(
        &mut self,
        exchange: &Exchange,
        limits: &Limits,
        task: &mut Task<'_>,
    ) -> Brought {
        let mut brought = Brought::Nothing;
        loop {
            let wanted = exchange.wanted();
            if self.is_left(wanted) {
                return brought;
            }
            match self.poll(task) {
                Poll::Pending => return brought,
                Poll::Ready(Fact::Lost) => return Brought::Lost,
                Poll::Ready(Fact::Data(bytes)) if wanted == Wanted::Never => {
                    match self.left.checked_sub(bytes.len() as u64) {
                        Some(left) => self.left = left,
                        None => return Brought::TooMuch,
                    }
                    self.release(bytes.len());
                    brought = Brought::Some;
                }
                Poll::Ready(Fact::Data(bytes)) => {
                    self.held += bytes.len();
                    exchange.push_body(bytes);
                    brought = Brought::Some;
                }
                Poll::Ready(Fact::End(Some(trailers)))
                    if check_trailers(&trailers, limits).is_err() =>
                {
                    return Brought::Malformed;
                }
                Poll::Ready(Fact::End(trailers)) => {
                    exchange.end_body(trailers);
                    return Brought::End;
                }
            }
        }
    }

    /// Gives the peer as much of its window back as the application has read.
    pub(super) fn settle(&mut self, wanted: Wanted) {
        let unread = match wanted {
            Wanted::NotYet(room) | Wanted::Now(room) => INBOUND_BYTES - room,
            Wanted::Never | Wanted::Complete => 0,
        };
        if let Some(read @ 1..) = self.held.checked_sub(unread) {
            self.held = unread;
            self.release(read);
        }
    }

    fn release(&mut self, bytes: usize) {
        // More than was taken is never given; where the stream is gone nothing is to be done.
        let _ = self.stream.flow_control().release_capacity(bytes);
    }

    fn poll(&mut self, task: &mut Task<'_>) -> Poll<Fact> {
        match ready!(self.stream.poll_data(task)) {
            Some(Ok(bytes)) => return Poll::Ready(Fact::Data(bytes)),
            Some(Err(_)) => return Poll::Ready(Fact::Lost),
            None => {}
        }
        Poll::Ready(match ready!(self.stream.poll_trailers(task)) {
            Ok(trailers) => Fact::End(trailers),
            Err(_) => Fact::Lost,
        })
    }
}
