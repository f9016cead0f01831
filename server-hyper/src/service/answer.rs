//! What hyper asks for: a response to each request, and then its frames.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context as Task, Poll};

use bytes::Bytes;
use gateway_spec::{HttpScope, ResponseHead};
use http::{Method, Request, Response, StatusCode};
use hyper::body::{Frame, Incoming};
use server_host::{Outgoing, ReplyLength};

use super::{App, BodyState, End, Hyper, Next, Outlet, Reply, Serving, Then, Turn};
use crate::io::Shared;
use crate::reply::{self, CutOff, FRAME, Framing, ReplyBody};

/// Hyper's service for HTTP/1: one exchange at a time, in one place.
pub(crate) struct OneAtATime {
    serving: Shared<Serving>,
}

impl OneAtATime {
    pub(crate) fn new(serving: Shared<Serving>) -> Self {
        Self { serving }
    }
}

impl hyper::service::Service<Request<Incoming>> for OneAtATime {
    type Response = Response<ReplyBody>;
    type Error = CutOff;
    type Future = Answer;

    fn call(&self, request: Request<Incoming>) -> Answer {
        self.serving.lock().begin(request);
        Answer::new(self.serving.clone())
    }
}

/// A response that hyper waits for.
pub(crate) struct Answer {
    serving: Shared<Serving>,
}

impl Answer {
    pub(crate) fn new(serving: Shared<Serving>) -> Self {
        Self { serving }
    }
}

impl Future for Answer {
    type Output = Result<Response<ReplyBody>, CutOff>;

    fn poll(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Self::Output> {
        let mut response = Response::new(ReplyBody::Empty);
        let polled = self
            .serving
            .lock()
            .poll_answer(&self.serving, &mut response, task);
        polled.map_ok(|()| response)
    }
}

/// Whether the connection goes on after a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AfterReply {
    KeepOpen,
    Close,
}

/// Whether hyper can be given this head. That of a CONNECT would make a tunnel (RFC 9110 section 9.3.6), which nobody asked for.
fn is_taken(head: &ResponseHead, request: &HttpScope) -> bool {
    request.method != Method::CONNECT || !head.status.is_success()
}

impl Serving {
    /// Hyper asks for the response, which is made where it is: it is large, and each move of it a copy.
    #[inline]
    fn poll_answer(
        &mut self,
        this: &Shared<Self>,
        response: &mut Response<ReplyBody>,
        task: &mut Task<'_>,
    ) -> Poll<Result<(), CutOff>> {
        self.hyper = Hyper::Output;
        if let Some(request) = self.held.take() {
            if self.reply == Reply::Cut {
                return Poll::Ready(Err(CutOff));
            }
            if self.call.is_active() {
                self.held = Some(request);
                return Poll::Pending;
            }
            self.begin(request);
        }
        if let Some(error) = self.refused {
            *response = reply::refusal(error);
            return Poll::Ready(Ok(()));
        }
        if self.app == App::Waiting && !self.poll(task) {
            return Poll::Pending;
        }
        if self.outlet.room() == 0 {
            self.hyper = Hyper::Room;
            return Poll::Pending;
        }
        if let Some(answered) = self.answer_whole(this, response) {
            return Poll::Ready(answered);
        }
        while let Some(outgoing) = self.call.exchange().next_output() {
            self.hyper = Hyper::Nothing;
            match outgoing {
                Outgoing::Informational(_) => self.hyper = Hyper::Output,
                Outgoing::Head {
                    head,
                    length,
                    first,
                } => return Poll::Ready(self.answer(head, length, first, this, response)),
                Outgoing::Upgrade(mut head) => {
                    if matches!(self.outlet, Outlet::Stream)
                        && head.status == StatusCode::SWITCHING_PROTOCOLS
                    {
                        // HTTP/2 has none (RFC 9113 section 8.6): an application need not know by which version it was
                        // asked.
                        head.status = StatusCode::OK;
                    }
                    let switched = reply::switch(response, head);
                    self.reply = match switched {
                        Ok(()) => Reply::Switched,
                        Err(CutOff) => Reply::Cut,
                    };
                    return Poll::Ready(switched);
                }
                Outgoing::Abort
                | Outgoing::Close
                | Outgoing::Data(_)
                | Outgoing::End(_)
                | Outgoing::File(_)
                | Outgoing::Shutdown => {
                    self.reply = Reply::Cut;
                    return Poll::Ready(Err(CutOff));
                }
            }
        }
        Poll::Pending
    }

    /// The response, if it is one event: what nearly all are.
    #[inline]
    fn answer_whole(
        &mut self,
        this: &Shared<Self>,
        response: &mut Response<ReplyBody>,
    ) -> Option<Result<(), CutOff>> {
        let (exchange, scope) = self.call.exchange_and_scope()?;
        let spare = &mut self.spare;
        let framing = exchange.write_whole(|head, body| {
            is_taken(head, scope).then(|| {
                reply::use_again(spare, scope, response);
                reply::fill(response, head, ReplyLength::Whole, body, scope, this)
            })
        })?;
        self.hyper = Hyper::Nothing;
        Some(self.answered(response, framing, ReplyLength::Whole))
    }

    /// The response that begins with this head.
    fn answer(
        &mut self,
        mut head: ResponseHead,
        length: ReplyLength,
        first: Bytes,
        this: &Shared<Self>,
        response: &mut Response<ReplyBody>,
    ) -> Result<(), CutOff> {
        let framing = self
            .call
            .exchange_and_scope()
            .filter(|(_, scope)| is_taken(&head, scope))
            .map(|(_, scope)| {
                reply::use_again(&mut self.spare, scope, response);
                reply::fill(response, &mut head, length, first, scope, this)
            });
        self.answered(response, framing, length)
    }

    /// Whether hyper can keep the connection, as far as this side is concerned.
    fn after_reply(&self, length: ReplyLength) -> AfterReply {
        if self.next == Next::Unwanted {
            return AfterReply::Close;
        }
        let exchange = self.call.exchange();
        match &self.body {
            None if self.body_state == BodyState::Whole => AfterReply::KeepOpen,
            None => AfterReply::Close,
            Some(_) if !exchange.can_keep_connection(length, self.limits.discard_bytes) => {
                AfterReply::Close
            }
            // A peer that was not asked for its body by now may send it or not.
            Some(body) if body.is_held_back() => AfterReply::Close,
            Some(_) => AfterReply::KeepOpen,
        }
    }

    /// What follows a head; without a framing, hyper cannot be given it.
    #[inline]
    fn answered(
        &mut self,
        response: &mut Response<ReplyBody>,
        framing: Option<Framing>,
        length: ReplyLength,
    ) -> Result<(), CutOff> {
        let Some(framing) = framing else {
            self.reply = Reply::Cut;
            return Err(CutOff);
        };
        match self.outlet {
            Outlet::Socket(_) if self.after_reply(length) == AfterReply::Close => {
                reply::close_after(response);
            }
            Outlet::Stream if reply::take_connection(response) => self.end = End::Asked,
            Outlet::Socket(_) | Outlet::Stream => {}
        }
        match (framing, length) {
            (Framing::Complete, _) | (Framing::Suppressed, ReplyLength::Whole) => self.complete(),
            (Framing::Suppressed, _) => self.reply = Reply::Past,
            (Framing::Follows(first), length) => {
                self.rest = first;
                let then = match length {
                    ReplyLength::Whole => Then::End,
                    ReplyLength::Known(_) | ReplyLength::Unknown => Then::More,
                };
                self.reply = Reply::Taken { then };
            }
        }
        Ok(())
    }

    /// Hyper asks for the next frame of the response.
    pub(crate) fn poll_frame(
        &mut self,
        task: &mut Task<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        self.hyper = Hyper::Nothing;
        let Reply::Taken { then } = self.reply else {
            self.reply = Reply::Cut;
            return Poll::Ready(Some(Err(CutOff)));
        };
        self.outlet.settle(&self.call, self.rest.len());
        loop {
            let room = self.outlet.room().min(FRAME);
            if !self.rest.is_empty() && room > 0 {
                let frame = self.rest.split_to(room.min(self.rest.len()));
                self.outlet.gave(frame.len());
                self.gave += frame.len();
                return Poll::Ready(Some(Ok(Frame::data(frame))));
            }
            if self.rest.is_empty() && then == Then::End {
                self.complete();
                return Poll::Ready(None);
            }
            if room == 0 {
                if self.app == App::Waiting {
                    self.poll(task);
                }
                self.hyper = Hyper::Room;
                return Poll::Pending;
            }
            match self.call.exchange().next_output() {
                Some(Outgoing::Data(bytes)) => {
                    self.rest = bytes;
                    self.app = App::Waiting;
                }
                Some(Outgoing::End(trailers)) => {
                    self.complete();
                    return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))));
                }
                Some(_) => {
                    // An error now would take with it what hyper has not sent yet.
                    self.reply = Reply::Cutting;
                    self.hyper = Hyper::Turn;
                    return Poll::Pending;
                }
                None if self.app == App::Waiting => {
                    self.poll(task);
                }
                None => {
                    // A file is read on when what was read of it has left.
                    self.hyper = if self.call.exchange().holds_back() {
                        Hyper::Room
                    } else {
                        Hyper::Output
                    };
                    return Poll::Pending;
                }
            }
        }
    }

    /// Hyper drops the response's body: at its end, when it has as much as the head announced, or because the
    /// connection or the stream is over.
    pub(crate) fn let_go(&mut self) {
        match (self.reply, &self.outlet) {
            (Reply::Taken { then: Then::End }, _) if self.rest.is_empty() => self.complete(),
            (Reply::Taken { .. }, Outlet::Socket(_)) => self.reply = Reply::Past,
            (Reply::Taken { .. }, Outlet::Stream) => self.reply = Reply::Dropped,
            (Reply::Cutting, _) => {
                self.reply = Reply::Cut;
                self.hyper = Hyper::Nothing;
            }
            _ => {}
        }
    }

    /// After hyper had its turn: gives the application its own, if hyper did not, and goes on with what hyper has let
    /// go of.
    ///
    /// A tunnel is not hyper's any more, nor this function's.
    pub(crate) fn after_hyper(&mut self, task: &mut Task<'_>) -> Turn {
        if self.reply == Reply::Switched {
            return Turn::Rest;
        }
        if !self.call.is_active() {
            if self.body.is_some() {
                self.discard(task);
            }
            return Turn::Rest;
        }
        let mut turn = Turn::Rest;
        if self.app == App::Waiting && self.poll(task) && self.hyper == Hyper::Output {
            turn = Turn::Again;
        }
        if self.reply == Reply::Past {
            turn = self.finish_past(task);
        }
        if self.hyper == Hyper::Turn {
            turn = Turn::Again;
        }
        if turn == Turn::Rest {
            self.app = App::Waiting;
        }
        turn
    }

    /// Takes what the application sends after hyper has all it needs: its end.
    fn finish_past(&mut self, task: &mut Task<'_>) -> Turn {
        loop {
            match self.call.exchange().next_output() {
                Some(Outgoing::End(_)) => {
                    self.complete();
                    return if self.held.is_some() {
                        Turn::Again
                    } else {
                        Turn::Rest
                    };
                }
                Some(Outgoing::Data(_)) => self.app = App::Waiting,
                Some(_) => {
                    self.reply = Reply::Cut;
                    return Turn::Rest;
                }
                None if self.app == App::Waiting => {
                    self.poll(task);
                }
                None => return Turn::Rest,
            }
        }
    }
}
