//! What an HTTP/1 connection waits for between two requests.

use crate::{Context, Reading};

/// Whether a connection of HTTP/1 has served a request since its client's time began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fresh {
    /// It has served none at all.
    New,
    /// The next one is waited for.
    Waiting,
    /// One was served since.
    Served,
}

/// What is here of the next request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextRequest {
    /// Nothing.
    Nothing,
    /// The beginning of its head.
    Begun,
}

impl Fresh {
    /// Waits for the next request: for a while until it begins, and then for so long until its head is complete. A client that has asked
    /// for nothing yet has the time of a head for both.
    #[inline]
    pub fn expect_request(&mut self, next: NextRequest, context: &mut Context) {
        match (next, *self) {
            (NextRequest::Nothing, Self::Served) => {
                *self = Self::Waiting;
                context.expect_anew(Reading::Idle);
            }
            (NextRequest::Nothing, Self::Waiting) => context.expect(Reading::Idle),
            // The time of the head before is not this one's.
            (NextRequest::Begun, Self::Served) => {
                *self = Self::Waiting;
                context.expect_anew(Reading::Head);
            }
            (NextRequest::Begun, _) | (NextRequest::Nothing, Self::New) => {
                context.expect(Reading::Head)
            }
        }
    }
}
