//! The request's body on its way from the wire to the application.

use std::pin::Pin;
use std::task::{Context as Task, Poll};

use gateway_spec::BodyError;
use hyper::body::{Body, Frame, Incoming};
use server_host::{Exchange, Wanted, may_be_trailer};

/// What to do with the bytes of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Intake {
    /// Read and bring them.
    Bring,
    /// Leave them where they are: the application's buffer is full, or nobody asked a peer that waits to be asked.
    Leave,
    /// Read and throw away.
    Discard,
    /// There are none.
    Nothing,
}

/// Whether the peer waits for `100 Continue`, which hyper sends when the body is polled first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Continue {
    Expected,
    NotExpected,
}

/// What came of asking hyper for the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Brought {
    /// A fact of the body was brought, or thrown away; there may be more.
    Part { bytes: u64 },
    /// Nothing more will come.
    End,
    /// It cannot be read any further. The application was not told.
    Failed,
    /// Nothing yet.
    Nothing,
}

impl Intake {
    pub(crate) fn of(wanted: Wanted, waits: Continue) -> Self {
        match (wanted, waits) {
            (Wanted::Now(0) | Wanted::NotYet(0), _)
            | (Wanted::NotYet(_) | Wanted::Never, Continue::Expected) => Self::Leave,
            (Wanted::Now(_) | Wanted::NotYet(_), _) => Self::Bring,
            (Wanted::Never, Continue::NotExpected) => Self::Discard,
            (Wanted::Complete, _) => Self::Nothing,
        }
    }
}

/// Brings the next fact of the body to the application.
pub(crate) fn bring(body: &mut Incoming, exchange: &Exchange, task: &mut Task<'_>) -> Brought {
    match poll(body, task) {
        Poll::Pending => Brought::Nothing,
        Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
            Ok(bytes) => {
                let length = bytes.len() as u64;
                exchange.push_body(bytes);
                if body.is_end_stream() {
                    exchange.end_body(None);
                    return Brought::End;
                }
                Brought::Part { bytes: length }
            }
            Err(frame) => match frame.into_trailers() {
                Ok(trailers) if !trailers.keys().all(may_be_trailer) => Brought::Failed,
                trailers => {
                    exchange.end_body(trailers.ok());
                    Brought::End
                }
            },
        },
        Poll::Ready(Some(Err(_))) => Brought::Failed,
        Poll::Ready(None) => {
            exchange.end_body(None);
            Brought::End
        }
    }
}

/// Throws the next fact of the body away.
pub(crate) fn discard(body: &mut Incoming, task: &mut Task<'_>) -> Brought {
    match poll(body, task) {
        Poll::Pending => Brought::Nothing,
        Poll::Ready(Some(Ok(frame))) => Brought::Part {
            bytes: frame.data_ref().map_or(0, |bytes| bytes.len() as u64),
        },
        Poll::Ready(Some(Err(_))) => Brought::Failed,
        Poll::Ready(None) => Brought::End,
    }
}

/// The wire cannot read the body any further.
pub(crate) fn fail(exchange: &Exchange) {
    exchange.fail_body(BodyError::Malformed);
}

fn poll(
    body: &mut Incoming,
    task: &mut Task<'_>,
) -> Poll<Option<Result<Frame<bytes::Bytes>, hyper::Error>>> {
    Pin::new(body).poll_frame(task)
}
