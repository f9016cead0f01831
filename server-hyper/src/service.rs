//! What hyper calls: one exchange after another, shared by its service future, by the response's body and by the task
//! around hyper.
//!
//! Hyper asks for a response and then for its frames, and stops asking when a socket or a window is full, or when it has
//! all it needs. The application goes on all the same: whoever polls hyper calls [`Serving::after_hyper`] then.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context as Task, Poll};

use bytes::Bytes;
use gateway_spec::{BodyError, BodyLength, Gone, Headers};
use http::{HeaderMap, Method, Request, Response, Uri};
use http1::PeerError;
use hyper::body::{Frame, Incoming};
use server_host::{Call, Context, Limits, Outgoing, ReplyLength, Wanted};

use crate::body::{Brought, Continue, RequestBody};
use crate::io::{Io, News, Shared};
use crate::reply::{self, CutOff, FRAME, Framing, ReplyBody};
use crate::request::{self, KnownHost, Rare};

/// One exchange after another, between hyper and the application.
pub(crate) struct Serving {
    pub(crate) call: Call,
    limits: Limits,
    known_host: KnownHost,
    outlet: Outlet,
    body: Option<RequestBody>,
    body_state: BodyState,
    reply: Reply,
    /// What hyper has no room for yet of an event.
    rest: Bytes,
    app: App,
    hyper: Hyper,
    refused: Option<PeerError>,
    /// A request that came while the application is still at the one before, whose response hyper has already.
    held: Option<Request<Incoming>>,
    served: Served,
    brought: News,
    gave: News,
}

/// Where a response goes.
pub(crate) enum Outlet {
    /// To the socket; hyper has no bound of its own.
    Socket(Shared<Io>),
    /// To a stream of HTTP/2, whose window is the bound.
    Stream,
}

/// Whether the body could be read, as far as hyper has come with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BodyState {
    Whole,
    Broken,
}

/// Whether the connection goes on after a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AfterReply {
    KeepOpen,
    Close,
}

/// How far hyper has come with the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reply {
    /// It waits for the head.
    Waited,
    /// It takes frames.
    Taken { then: Then },
    /// It has all that it sends, but the application is not at its end.
    Past,
    /// It was told to switch protocols.
    Switched,
    /// It is to be told of the end that is not clean, once it has sent what it has.
    Cutting,
    /// It was told.
    Cut,
    /// It let go of the response before its end: the stream is gone.
    Dropped,
}

/// What follows what hyper has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// More of the exchange.
    More,
    /// Nothing: the response was one event.
    End,
}

/// Whether the application had its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum App {
    Polled,
    Waiting,
}

/// What hyper waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hyper {
    Nothing,
    /// That the application sends something.
    Output,
    /// That the socket takes something.
    Room,
    /// Another turn.
    Turn,
}

/// Whether a request came since somebody asked last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Served {
    Nothing,
    Request,
}

/// Whether hyper should have another turn at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    Again,
    Rest,
}

/// Where an exchange stands when hyper is done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// There is none, or only the application is still at it.
    Over,
    /// It became a tunnel.
    Tunnel,
    /// It was cut off.
    CutOff,
    /// It was under way.
    Open,
}

impl Serving {
    pub(crate) fn new(context: &Context, outlet: Outlet) -> Self {
        Self {
            call: context.call(),
            limits: context.limits().clone(),
            known_host: KnownHost::default(),
            outlet,
            body: None,
            body_state: BodyState::Whole,
            reply: Reply::Waited,
            rest: Bytes::new(),
            app: App::Waiting,
            hyper: Hyper::Nothing,
            refused: None,
            held: None,
            served: Served::Nothing,
            brought: News::None,
            gave: News::None,
        }
    }

    /// Hyper has a request.
    pub(crate) fn begin(&mut self, mut request: Request<Incoming>) {
        self.served = Served::Request;
        if self.call.is_active() {
            self.held = Some(request);
            return;
        }
        let discard_bytes = self.limits.discard_bytes;
        self.body = self
            .begin_call(&mut request)
            .map(|waits| RequestBody::new(request.into_body(), waits, discard_bytes));
    }

    /// Begins the call, unless the request is refused; whether there is a body, and its peer waits.
    fn begin_call(&mut self, request: &mut Request<Incoming>) -> Option<Continue> {
        let length = request::length(request.body());
        let rare = Rare::among(request.headers());
        let known = &mut self.known_host;
        let waits = match request::check(request, rare, length, &self.limits, known) {
            Ok(waits) => waits,
            Err(error) => {
                self.refused = Some(error);
                return None;
            }
        };
        let facts = request::facts(request, rare, length);
        self.call
            .begin(facts, |scope| request::fill(scope, request, length));
        self.body_state = BodyState::Whole;
        self.reply = Reply::Waited;
        self.app = App::Waiting;
        match length {
            BodyLength::Empty => None,
            BodyLength::Known(_) | BodyLength::Unknown => Some(waits),
        }
    }

    /// Hyper asks for the response.
    fn poll_answer(
        &mut self,
        this: &Shared<Self>,
        task: &mut Task<'_>,
    ) -> Poll<Result<Response<ReplyBody>, CutOff>> {
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
            return Poll::Ready(Ok(reply::refusal(error)));
        }
        if self.app == App::Waiting && !self.poll(task) {
            return Poll::Pending;
        }
        if self.outlet.room() == 0 {
            self.hyper = Hyper::Room;
            return Poll::Pending;
        }
        while let Some(outgoing) = self.call.exchange().next_output() {
            self.hyper = Hyper::Nothing;
            match outgoing {
                Outgoing::Informational(_) => self.hyper = Hyper::Output,
                Outgoing::Head {
                    mut head,
                    length,
                    first,
                } => {
                    if self.call.scope().method == Method::CONNECT && head.status.is_success() {
                        // It would make a tunnel (RFC 9110 section 9.3.6), which nobody asked for.
                        self.reply = Reply::Cut;
                        return Poll::Ready(Err(CutOff));
                    }
                    let spare = self.spare_map();
                    let mut response = Response::new(ReplyBody::Empty);
                    let scope = self.call.scope();
                    let framing =
                        reply::fill(&mut response, &mut head, length, &first, scope, this, spare);
                    if self.after_reply(&framing, length) == AfterReply::Close {
                        reply::close_after(&mut response);
                    }
                    self.answered(framing, length, first);
                    return Poll::Ready(Ok(response));
                }
                Outgoing::Upgrade(head) => {
                    let response = reply::switch(head);
                    self.reply = match response {
                        Ok(_) => Reply::Switched,
                        Err(CutOff) => Reply::Cut,
                    };
                    return Poll::Ready(response);
                }
                Outgoing::Abort
                | Outgoing::Close
                | Outgoing::Data(_)
                | Outgoing::End(_)
                | Outgoing::Shutdown => {
                    self.reply = Reply::Cut;
                    return Poll::Ready(Err(CutOff));
                }
            }
        }
        Poll::Pending
    }

    /// The map of the request's fields, if the application has let go of it: hyper fills it again for the next.
    fn spare_map(&mut self) -> HeaderMap {
        let scope = self.call.scope_mut();
        let fields = scope.map(|scope| std::mem::take(&mut scope.headers));
        fields.map(Headers::into_map).unwrap_or_default()
    }

    /// Whether hyper can keep the connection, as far as the body is concerned.
    fn after_reply(&self, framing: &Framing, length: ReplyLength) -> AfterReply {
        let exchange = self.call.exchange();
        match (&self.body, framing) {
            (None, _) if self.body_state == BodyState::Whole => AfterReply::KeepOpen,
            (None, _) => AfterReply::Close,
            (Some(_), _) if !exchange.can_keep_connection(length, self.limits.discard_bytes) => {
                AfterReply::Close
            }
            // A peer that was not asked for its body by now may send it or not.
            (Some(body), Framing::Complete) if body.is_held_back() => AfterReply::Close,
            (Some(_), _) => AfterReply::KeepOpen,
        }
    }

    fn answered(&mut self, framing: Framing, length: ReplyLength, first: Bytes) {
        match (framing, length) {
            (Framing::Complete, _) | (Framing::Suppressed, ReplyLength::Whole) => self.complete(),
            (Framing::Suppressed, _) => self.reply = Reply::Past,
            (Framing::Follows, length) => {
                self.rest = first;
                let then = match length {
                    ReplyLength::Whole => Then::End,
                    ReplyLength::Known(_) | ReplyLength::Unknown => Then::More,
                };
                self.reply = Reply::Taken { then };
            }
        }
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
                self.gave = News::Bytes;
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
                    self.hyper = Hyper::Output;
                    return Poll::Pending;
                }
            }
        }
    }

    /// Hyper drops the response's body: at its end, when it has as much as the head announced, or because the
    /// connection or the stream is over.
    pub(crate) fn let_go(&mut self) {
        let Reply::Taken { then } = self.reply else {
            return;
        };
        match (&self.outlet, then) {
            (_, Then::End) if self.rest.is_empty() => self.complete(),
            (Outlet::Socket(_), _) => self.reply = Reply::Past,
            (Outlet::Stream, _) => self.reply = Reply::Dropped,
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

    /// The reply is on its way; what is left is the rest of the request.
    fn complete(&mut self) {
        let failed = self.body.is_some() && self.call.exchange().body_failed();
        self.end(Gone::Finished);
        self.reply = Reply::Waited;
        if let Some(body) = &self.body
            && (failed || body.is_held_back() || matches!(self.outlet, Outlet::Stream))
        {
            // Hyper closes the connection then, or the stream.
            self.body = None;
        }
    }

    /// Ends the exchange, and lets go of the request: slices of it would hold hyper's read buffer.
    pub(crate) fn end(&mut self, gone: Gone) {
        self.call.end(gone);
        if let Some(scope) = self.call.scope_mut() {
            scope.headers = Headers::new();
            scope.uri = Uri::default();
        }
    }

    /// Polls the application and brings it the body; whether there is something to send.
    pub(crate) fn poll(&mut self, task: &mut Task<'_>) -> bool {
        self.app = App::Polled;
        loop {
            let progress = self.call.poll(task);
            let Some(body) = &mut self.body else {
                return progress.output;
            };
            match body.bring(progress.wanted, self.call.exchange(), task) {
                Brought::Nothing => return progress.output,
                Brought::Some => self.brought = News::Bytes,
                Brought::End => self.body = None,
                Brought::Failed => self.body_failed(),
            }
        }
    }

    fn body_failed(&mut self) {
        let exchange = self.call.exchange();
        match &self.outlet {
            Outlet::Socket(io) if io.lock().read_failed() => exchange.set_gone(Gone::PeerReset),
            Outlet::Socket(_) => exchange.fail_body(BodyError::Malformed),
            Outlet::Stream => exchange.set_gone(Gone::StreamReset),
        }
        self.body_state = BodyState::Broken;
        self.body = None;
    }

    /// Throws away the rest of a body that nobody wants, or lets hyper close.
    fn discard(&mut self, task: &mut Task<'_>) {
        if let Some(body) = &mut self.body
            && body.discard(task) != Brought::Nothing
        {
            self.body = None;
        }
    }

    /// Whether hyper waits for the socket to take something.
    pub(crate) fn waits_for_room(&self) -> bool {
        self.hyper == Hyper::Room
    }

    /// Tells the exchange how much of it is not written yet.
    pub(crate) fn unsent(&self, bytes: usize) {
        if self.call.is_active() {
            self.call.exchange().unsent(bytes + self.rest.len());
        }
    }

    /// Whether the rest of a request is being thrown away.
    pub(crate) fn is_discarding(&self) -> bool {
        !self.call.is_active() && self.body.is_some()
    }

    /// Whether there is no exchange, and nothing left of one.
    pub(crate) fn is_idle(&self) -> bool {
        !self.call.is_active() && self.body.is_none()
    }

    /// Whether the peer is to send a part of the body.
    pub(crate) fn waits_for_body(&self) -> bool {
        self.body.is_some() && matches!(self.call.exchange().wanted(), Wanted::Now(1..))
    }

    /// Whether hyper reads the body, and so sees a peer that leaves.
    pub(crate) fn reads_body(&self) -> bool {
        self.body.is_some() && self.call.exchange().wanted().room() > 0
    }

    pub(crate) fn body_timed_out(&self) {
        self.call.exchange().fail_body(BodyError::Timeout);
    }

    /// A request that was refused since this was asked last.
    pub(crate) fn take_refused(&mut self) -> Option<PeerError> {
        self.refused.take()
    }

    /// Whether a request came since this was asked last.
    pub(crate) fn take_served(&mut self) -> Served {
        std::mem::replace(&mut self.served, Served::Nothing)
    }

    /// Whether a part of the body came since this was asked last.
    pub(crate) fn take_brought(&mut self) -> News {
        std::mem::replace(&mut self.brought, News::None)
    }

    /// Whether hyper got a part of the response since this was asked last.
    pub(crate) fn take_gave(&mut self) -> News {
        std::mem::replace(&mut self.gave, News::None)
    }

    /// Whether hyper holds a part of the response that it cannot send on.
    pub(crate) fn waits_for_window(&self) -> bool {
        matches!(self.reply, Reply::Taken { .. }) && self.hyper == Hyper::Nothing
    }

    /// Forgets what is left of an exchange that is over.
    pub(crate) fn forget(&mut self) {
        self.body = None;
        self.held = None;
        self.rest = Bytes::new();
        self.reply = Reply::Waited;
        self.hyper = Hyper::Nothing;
    }

    /// Where the exchange stands.
    pub(crate) fn standing(&self) -> Standing {
        match self.reply {
            Reply::Cut | Reply::Cutting => Standing::CutOff,
            _ if !self.call.is_active() => Standing::Over,
            Reply::Switched => Standing::Tunnel,
            Reply::Past => Standing::Over,
            Reply::Waited | Reply::Taken { .. } | Reply::Dropped => Standing::Open,
        }
    }
}

impl Outlet {
    /// Bytes that hyper may be given.
    fn room(&self) -> usize {
        match self {
            Self::Socket(io) => io.lock().room(),
            Self::Stream => usize::MAX,
        }
    }

    fn gave(&self, bytes: usize) {
        match self {
            Self::Socket(io) => io.lock().gave(bytes),
            Self::Stream => {}
        }
    }

    /// Hyper asks for the next frame of a stream when it has passed the last one on. What a socket has taken, its task
    /// tells.
    fn settle(&self, call: &Call, rest: usize) {
        match self {
            Self::Socket(_) => {}
            Self::Stream => call.exchange().unsent(rest),
        }
    }
}

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
        self.serving.lock().poll_answer(&self.serving, task)
    }
}
