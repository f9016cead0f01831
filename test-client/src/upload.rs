//! What the client has sent and the application has not received: the body, or a tunnel's bytes.

use std::collections::VecDeque;

use bytes::Bytes;
use gateway_spec::{BodyError, BodyLength, HttpReceive};
use http::HeaderMap;

/// Bytes of a request's body that a server takes ahead of the application (SRV-5); 64 KiB, as the servers.
pub(crate) const AHEAD: usize = 64 * 1024;

#[derive(Debug)]
pub(crate) struct Upload {
    parts: VecDeque<Bytes>,
    /// Bytes in `parts`.
    held: usize,
    source: Source,
    expectation: Expectation,
}

/// Where the client stands.
#[derive(Debug)]
enum Source {
    /// More may come.
    Coming,
    /// The end comes after `parts`.
    Ended(Option<HeaderMap>),
    Failed(BodyError),
    /// The application knows how it ended, or does not want it.
    Told,
}

/// `Expect: 100-continue`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expectation {
    None,
    /// The client waits for the application to ask for the body.
    Waiting,
}

impl Upload {
    pub(crate) fn new(length: BodyLength, expects: bool) -> Self {
        Self {
            parts: VecDeque::new(),
            held: 0,
            source: match length {
                BodyLength::Empty | BodyLength::Known(0) => Source::Told,
                BodyLength::Known(_) | BodyLength::Unknown => Source::Coming,
            },
            expectation: if expects {
                Expectation::Waiting
            } else {
                Expectation::None
            },
        }
    }

    pub(crate) const fn held(&self) -> usize {
        self.held
    }

    pub(crate) const fn has_room(&self) -> bool {
        self.held < AHEAD
    }

    /// Whether there is something that the client may still send.
    const fn is_open(&self) -> bool {
        matches!(self.source, Source::Coming)
    }

    pub(crate) fn push(&mut self, bytes: Bytes) {
        if self.is_open() && !bytes.is_empty() {
            self.held += bytes.len();
            self.parts.push_back(bytes);
        }
    }

    pub(crate) fn end(&mut self, trailers: Option<HeaderMap>) {
        if self.is_open() {
            self.source = Source::Ended(trailers);
        }
    }

    pub(crate) fn fail(&mut self, error: BodyError) {
        if self.is_open() {
            self.source = Source::Failed(error);
        }
    }

    /// The application does not want it.
    pub(crate) fn stop(&mut self) {
        self.parts.clear();
        self.held = 0;
        self.source = Source::Told;
    }

    pub(crate) fn become_tunnel(&mut self) {
        if let Source::Told = self.source {
            self.source = Source::Coming;
        }
    }

    /// The application asks for the body; whether the client waits for that.
    pub(crate) fn ask(&mut self) -> bool {
        self.is_pending()
            && std::mem::replace(&mut self.expectation, Expectation::None) == Expectation::Waiting
    }

    const fn is_pending(&self) -> bool {
        !matches!(self.source, Source::Told)
    }

    /// What the application receives next.
    pub(crate) fn next(&mut self) -> Option<HttpReceive> {
        if let Some(bytes) = self.parts.pop_front() {
            self.held -= bytes.len();
            let is_last = self.parts.is_empty() && matches!(self.source, Source::Ended(None));
            if is_last {
                self.source = Source::Told;
            }
            return Some(HttpReceive::Body {
                bytes,
                more: !is_last,
            });
        }
        match std::mem::replace(&mut self.source, Source::Told) {
            Source::Coming => {
                self.source = Source::Coming;
                None
            }
            Source::Ended(None) => Some(HttpReceive::Body {
                bytes: Bytes::new(),
                more: false,
            }),
            Source::Ended(Some(trailers)) => Some(HttpReceive::Trailers(trailers)),
            Source::Failed(error) => Some(HttpReceive::Failed(error)),
            Source::Told => None,
        }
    }

    /// Whether so many bytes are there, or as many as ever will be.
    pub(crate) fn has(&self, bytes: usize) -> bool {
        !self.is_open() || self.held >= bytes.min(AHEAD)
    }
}
