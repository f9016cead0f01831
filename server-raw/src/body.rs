//! The request's body on its way from the wire to the application.

use gateway_spec::BodyError;
use http1::{Event, PeerError};
use server_host::{Exchange, Limits, Wanted};

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

impl Intake {
    pub(crate) fn of(wanted: Wanted) -> Self {
        match wanted {
            Wanted::Now(0) | Wanted::NotYet(0) => Self::Leave,
            Wanted::Now(_) | Wanted::NotYet(_) => Self::Bring,
            Wanted::Never => Self::Discard,
            Wanted::Complete => Self::Nothing,
        }
    }
}

/// Brings a fact of the wire to the application; gives the number of bytes.
pub(crate) fn bring(event: Event, exchange: &Exchange) -> usize {
    match event {
        Event::Data(bytes) => {
            let length = bytes.len();
            exchange.push_body(bytes);
            length
        }
        Event::Trailers(trailers) => {
            exchange.end_body(Some(trailers));
            0
        }
        Event::End => {
            exchange.end_body(None);
            0
        }
        Event::Head => 0,
    }
}

/// The wire cannot read the body any further.
pub(crate) fn fail(error: PeerError, exchange: &Exchange, limits: &Limits) {
    exchange.fail_body(match error {
        PeerError::BodyTooLarge => BodyError::TooLarge {
            limit: limits.body_bytes,
        },
        _ => BodyError::Malformed,
    });
}
