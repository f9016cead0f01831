//! The request's body on its way to the application: a bounded queue and how it ends.

use std::collections::VecDeque;

use bytes::Bytes;
use gateway_spec::{BodyError, BodyLength, HttpReceive};
use http::HeaderMap;

use super::INBOUND_BYTES;

/// How much of the body the application can take, as the wire sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Nobody asked yet: a client that waits for `100 Continue` waits on (SRV-8). So many bytes can be kept.
    NotYet(usize),
    /// The application waits for it. So many bytes can be kept.
    Now(usize),
    /// The application will never ask; what comes is to be thrown away.
    Never,
    /// All of it has come.
    Complete,
}

impl Wanted {
    /// Bytes that can be kept.
    #[must_use]
    pub const fn room(self) -> usize {
        match self {
            Self::NotYet(room) | Self::Now(room) => room,
            Self::Never | Self::Complete => 0,
        }
    }

    /// Whether nothing is wanted any more.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Never | Self::Complete)
    }

    pub(super) const fn is_full(self) -> bool {
        matches!(self, Self::NotYet(0) | Self::Now(0))
    }
}

/// Whether an application that answers may still read what it has not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    /// Its response goes on, and so may its reading.
    MayBeRead,
    /// Its response is whole.
    Stays,
}

#[derive(Debug, Default)]
pub(super) struct Inbound {
    parts: VecDeque<Bytes>,
    buffered: usize,
    left_of_limit: u64,
    limit: u64,
    source: Source,
    /// Bytes of a declared length that have not come.
    declared_left: Option<u64>,
    failed: bool,
    asked: bool,
    half_close_told: bool,
    /// Bytes that came, of all bodies: it is never set back, so a request without a body pays nothing for it.
    received: u64,
}

/// Where the body stands on the wire.
#[derive(Debug, Default)]
enum Source {
    /// More may come.
    Coming,
    /// The last part lies in the queue, or the trailers after it.
    Ended(Option<Box<HeaderMap>>),
    /// It failed, after what lies in the queue.
    Failed(BodyError),
    /// The application knows how it ended.
    #[default]
    Told,
    /// The application does not want it.
    Unwanted,
}

impl Inbound {
    pub(super) fn begin(&mut self, length: BodyLength, limit: u64) {
        self.release();
        self.buffered = 0;
        self.left_of_limit = limit;
        self.limit = limit;
        self.source = match length {
            BodyLength::Empty | BodyLength::Known(0) => Source::Told,
            // Known before it comes: nobody is asked to send it.
            BodyLength::Known(length) if length > limit => {
                Source::Failed(BodyError::TooLarge { limit })
            }
            BodyLength::Known(_) | BodyLength::Unknown => Source::Coming,
        };
        self.declared_left = match length {
            BodyLength::Known(length) => Some(length),
            BodyLength::Empty | BodyLength::Unknown => None,
        };
        self.failed = matches!(self.source, Source::Failed(_));
        self.asked = false;
        self.half_close_told = false;
    }

    /// Gives back what the body has made it take.
    pub(super) fn release(&mut self) {
        if !self.parts.is_empty() {
            self.parts.clear();
        }
        if self.parts.capacity() > super::KEPT_PARTS {
            self.parts = VecDeque::new();
        }
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.parts.capacity()
    }

    /// Whether what is left of the body is not worth reading once a response was decided on: it failed, or nobody
    /// will read it and more is to come than so many bytes.
    pub(super) fn is_lost(&self, unread: Unread, worth: u64) -> bool {
        let long = self.declared_left.is_some_and(|left| left > worth);
        let unread = match (&self.source, unread) {
            (Source::Unwanted, _) | (Source::Coming, Unread::Stays) => true,
            (Source::Coming, Unread::MayBeRead) => false,
            (Source::Ended(_) | Source::Failed(_) | Source::Told, _) => false,
        };
        self.failed || (unread && long)
    }

    /// From here on the bytes are the tunnel's, without a limit on their sum.
    pub(super) fn become_tunnel(&mut self) {
        if matches!(self.source, Source::Told | Source::Unwanted) && !self.half_close_told {
            self.source = Source::Coming;
        }
        self.left_of_limit = u64::MAX;
        self.asked = true;
    }

    pub(super) fn wanted(&self) -> Wanted {
        let room = INBOUND_BYTES.saturating_sub(self.buffered);
        match self.source {
            Source::Coming if self.asked => Wanted::Now(room),
            Source::Coming => Wanted::NotYet(room),
            Source::Unwanted => Wanted::Never,
            Source::Ended(_) | Source::Failed(_) | Source::Told => Wanted::Complete,
        }
    }

    pub(super) fn push(&mut self, bytes: Bytes) {
        self.received = self.received.wrapping_add(bytes.len() as u64);
        if bytes.is_empty() || !matches!(self.source, Source::Coming) {
            return;
        }
        match self.left_of_limit.checked_sub(bytes.len() as u64) {
            Some(left) => self.left_of_limit = left,
            None => return self.fail(BodyError::TooLarge { limit: self.limit }),
        }
        if let Some(left) = &mut self.declared_left {
            *left = left.saturating_sub(bytes.len() as u64);
        }
        self.buffered += bytes.len();
        self.parts.push_back(bytes);
    }

    pub(super) const fn received(&self) -> u64 {
        self.received
    }

    pub(super) fn end(&mut self, trailers: Option<HeaderMap>) {
        if matches!(self.source, Source::Coming) {
            self.source = Source::Ended(trailers.map(Box::new));
        }
    }

    pub(super) fn fail(&mut self, error: BodyError) {
        if matches!(self.source, Source::Coming) {
            self.source = Source::Failed(error);
            self.failed = true;
        }
    }

    pub(super) fn has_failed(&self) -> bool {
        matches!(self.source, Source::Failed(_))
    }

    /// The application let go of the body.
    pub(super) fn stop(&mut self) {
        self.parts.clear();
        self.buffered = 0;
        self.source = match self.source {
            Source::Coming => Source::Unwanted,
            Source::Ended(_) | Source::Failed(_) | Source::Told => Source::Told,
            Source::Unwanted => Source::Unwanted,
        };
    }

    /// What the application gets next, if there is something.
    pub(super) fn next(&mut self) -> Option<HttpReceive> {
        if let Some(bytes) = self.parts.pop_front() {
            self.buffered -= bytes.len();
            let more = match self.source {
                Source::Ended(None) if self.parts.is_empty() => {
                    self.source = Source::Told;
                    false
                }
                _ => true,
            };
            return Some(HttpReceive::Body { bytes, more });
        }
        match std::mem::replace(&mut self.source, Source::Told) {
            Source::Ended(None) => Some(HttpReceive::Body {
                bytes: Bytes::new(),
                more: false,
            }),
            Source::Ended(Some(trailers)) => Some(HttpReceive::Trailers(*trailers)),
            Source::Failed(error) => Some(HttpReceive::Failed(error)),
            before @ (Source::Coming | Source::Told | Source::Unwanted) => {
                self.source = before;
                None
            }
        }
    }

    /// Whether nothing of the body is left to be told.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.source, Source::Told | Source::Unwanted)
    }

    /// Notes that the application waits; whether that is news.
    pub(super) fn ask(&mut self) -> bool {
        !std::mem::replace(&mut self.asked, true)
    }

    /// Whether the half-close is still to be told; it is told once.
    pub(super) fn tell_half_closed(&mut self) -> bool {
        !std::mem::replace(&mut self.half_close_told, true)
    }

    /// Whether `n` bytes are here, or as many as ever will be before the application reads.
    pub(super) fn has(&self, n: usize) -> bool {
        !matches!(self.source, Source::Coming) || self.buffered >= n.min(INBOUND_BYTES)
    }
}
