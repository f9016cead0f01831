//! The transport around an exchange: it decides when the answer begins, and then lets all go by, or queues it to be coded.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use gateway_spec::{
    Abort, Gone, HttpLayer, HttpSend, HttpTransport, ResponseHead, SendError, TrailersPlan,
};

use super::choice::{Asked, BodyWanted, Declared, Settings};
use super::encoder::{Encoder, Place};
use super::queue::{Open, Queue, Way};
use crate::ContentCoding;

/// Bytes that are coded at a time, before others on the same thread have their turn: some 100 µs of work (APP-7).
pub(super) const SLICE: usize = 8 * 1024;

/// Bytes of a slice that is written from a borrowed buffer.
const COPY: usize = 16 * 1024;

pub(super) struct Layer {
    pub(super) inner: Arc<dyn HttpTransport>,
    pub(super) settings: Arc<Settings>,
    pub(super) queue: Queue,
    asked: Asked,
}

impl Layer {
    pub(super) fn new(
        inner: Arc<dyn HttpTransport>,
        settings: Arc<Settings>,
        asked: Asked,
    ) -> Self {
        Self {
            inner,
            settings,
            queue: Queue::default(),
            asked,
        }
    }

    fn start(
        &self,
        mut head: ResponseHead,
        body: Bytes,
        more: bool,
        trailers: TrailersPlan,
    ) -> Result<(), SendError> {
        let declared = Declared::of(&head.headers);
        let length = match (&declared, more) {
            (Declared::Length(length), true) => Some(*length),
            // The answer to HEAD may be that to GET, or its head alone.
            (Declared::Length(length), false) if self.asked.body == BodyWanted::No => Some(*length),
            (Declared::Nothing, false) if self.asked.body == BodyWanted::No && body.is_empty() => {
                None
            }
            (Declared::Length(length), false) if *length != body.len() as u64 => {
                return self.pass(head, body, more, trailers);
            }
            (Declared::Length(_) | Declared::Nothing, false) => Some(body.len() as u64),
            (Declared::Nothing, true) => None,
            (Declared::Wrong, _) => return self.pass(head, body, more, trailers),
        };
        let Some(coding) = self.settings.decide(&self.asked, &mut head, length) else {
            return self.pass(head, body, more, trailers);
        };
        if self.asked.body == BodyWanted::No {
            return self.start_head(head, more, trailers);
        }
        if !more {
            return self.start_whole(coding, head, body);
        }
        let open = Open::new(length, trailers.clone(), body.len() as u64)?;
        self.inner.send(HttpSend::Start {
            head,
            body: Bytes::new(),
            more: true,
            trailers,
        })?;
        self.queue.begin(coding, open, body);
        Ok(())
    }

    fn pass(
        &self,
        head: ResponseHead,
        body: Bytes,
        more: bool,
        trailers: TrailersPlan,
    ) -> Result<(), SendError> {
        self.inner.send(HttpSend::Start {
            head,
            body,
            more,
            trailers,
        })?;
        self.queue.pass();
        Ok(())
    }

    /// Of HEAD the server drops whatever follows; the length of what would is not known.
    fn start_head(
        &self,
        head: ResponseHead,
        more: bool,
        trailers: TrailersPlan,
    ) -> Result<(), SendError> {
        self.inner.send(HttpSend::Start {
            head,
            body: Bytes::new(),
            more: true,
            trailers,
        })?;
        self.queue.pass();
        if more {
            return Ok(());
        }
        self.inner.send(HttpSend::Body {
            bytes: Bytes::new(),
            more: false,
        })
    }

    /// What is little is coded at once, and stays one event.
    fn start_whole(
        &self,
        coding: ContentCoding,
        head: ResponseHead,
        body: Bytes,
    ) -> Result<(), SendError> {
        let levels = self.settings.levels;
        if body.len() > SLICE || levels.place(coding) == Place::Thread {
            self.queue.begin_whole(coding, head, body);
            return Ok(());
        }
        let coded = Encoder::whole(coding, levels, &body).map_err(|_| SendError::Unsupported)?;
        self.inner.send(HttpSend::Start {
            head,
            body: coded,
            more: false,
            trailers: TrailersPlan::None,
        })?;
        self.queue.done();
        Ok(())
    }

    /// Why nobody is left, if nobody is.
    fn left(&self) -> Option<Gone> {
        self.inner.gone().value().filter(|gone| gone.is_final())
    }
}

impl HttpLayer for Layer {
    fn inner(&self) -> &dyn HttpTransport {
        &*self.inner
    }

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        match self.queue.way() {
            Way::Decide | Way::Pass => self.inner.poll_ready(cx),
            Way::Queue => self.queue.poll_ready(cx),
        }
    }

    fn send(&self, event: HttpSend) -> Result<(), SendError> {
        match (self.queue.way(), event) {
            (
                Way::Decide,
                HttpSend::Start {
                    head,
                    body,
                    more,
                    trailers,
                },
            ) => self.start(head, body, more, trailers),
            (Way::Decide, event @ HttpSend::Upgrade { .. }) => {
                self.inner.send(event)?;
                self.queue.pass();
                Ok(())
            }
            (Way::Decide | Way::Pass, event) => self.inner.send(event),
            (Way::Queue, event) => self.queue.send(event, self.left()),
        }
    }

    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, SendError>> {
        match self.queue.way() {
            Way::Decide | Way::Pass => self.inner.poll_write(cx, bytes),
            Way::Queue => {
                ready!(self.queue.poll_ready(cx))?;
                let piece = &bytes[..bytes.len().min(COPY)];
                self.send(HttpSend::Body {
                    bytes: Bytes::copy_from_slice(piece),
                    more: true,
                })?;
                Poll::Ready(Ok(piece.len()))
            }
        }
    }

    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        if let Way::Queue = self.queue.way() {
            ready!(self.queue.poll_handed_on(cx))?;
        }
        self.inner.poll_flush(cx)
    }

    fn abort(&self, why: Abort) {
        if !self.queue.abort(why) {
            self.inner.abort(why);
        }
    }
}
