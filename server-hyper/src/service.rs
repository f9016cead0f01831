//! One exchange after another, between hyper and the application: what hyper calls, and the task around hyper looks at.
//!
//! Hyper asks for a response and then for its frames ([`answer`]), and stops asking when a socket or a window is full, or
//! when it has all it needs. The application goes on all the same: whoever polls hyper calls
//! [`Serving::after_hyper`] then.

mod answer;

use std::io;
use std::task::Context as Task;

use bytes::Bytes;
use gateway_spec::{BodyError, BodyLength, Gone};
use http::{HeaderMap, Request, Uri};
use http1::{Check, HeadFacts, HeadParts, Passed, PeerError, Persistence, RequestHead, Verdict};
use hyper::body::Incoming;
use server_host::http2::{self, Expectation};
use server_host::{BodyAllowed, Call, Context, Informational, Limits, Wanted};
use tokio::io::ReadBuf;

use crate::body::{Brought, Continue, RequestBody};
use crate::io::{Io, Shared};
use crate::request;

pub(crate) use answer::{Answer, OneAtATime};

/// One exchange after another, between hyper and the application.
pub(crate) struct Serving {
    pub(crate) call: Call,
    limits: Limits,
    outlet: Outlet,
    body: Option<RequestBody>,
    body_state: BodyState,
    reply: Reply,
    /// What hyper has no room for yet of an event.
    rest: Bytes,
    app: App,
    hyper: Hyper,
    refused: Option<Refused>,
    /// What the head says that hyper was told of last.
    head: HeadFacts,
    /// Whether hyper was told of a head whose request it has not brought yet.
    told: Told,
    /// The head of a request that came while the application is still at the one before.
    early: Option<Box<RequestHead>>,
    /// That request, when hyper has the whole response to the one before.
    held: Option<Request<Incoming>>,
    /// The map that came with the last request: memory for the response's fields.
    spare: Option<HeaderMap>,
    served: Served,
    /// Requests that a connection of HTTP/1 may still bring. Those of HTTP/2 are counted by its connection.
    requests: u32,
    next: Next,
    end: End,
    /// Bytes of a response that a stream has passed on since somebody asked last.
    gave: usize,
}

/// A request of HTTP/2 that is refused. Of HTTP/1, hyper is not told of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) refusal: http2::Refusal,
    /// It is this crate that leaves content out.
    pub(crate) body: BodyAllowed,
}

/// Whether an application asked for the connection's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    NotAsked,
    Asked,
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
    /// It let go of the response before its end, or lost the body: the stream is gone.
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

/// Whether hyper is about to bring a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Nothing,
    Head,
}

/// Whether another request may follow on the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Welcome,
    Unwanted,
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
    /// Its stream is gone.
    Lost,
}

impl Serving {
    pub(crate) fn new(context: &Context, outlet: Outlet) -> Self {
        Self {
            call: context.call(),
            limits: context.limits().clone(),
            outlet,
            body: None,
            body_state: BodyState::Whole,
            reply: Reply::Waited,
            rest: Bytes::new(),
            app: App::Waiting,
            hyper: Hyper::Nothing,
            refused: None,
            head: HeadFacts::default(),
            told: Told::Nothing,
            early: None,
            held: None,
            spare: None,
            served: Served::Nothing,
            requests: context.limits().requests.get(),
            next: Next::Welcome,
            end: End::NotAsked,
            gave: 0,
        }
    }

    /// Hyper has a request.
    pub(crate) fn begin(&mut self, request: Request<Incoming>) {
        self.served = Served::Request;
        if self.call.is_active() {
            self.held = Some(request);
            return;
        }
        self.requests = self.requests.saturating_sub(1);
        if self.requests == 0 && matches!(self.outlet, Outlet::Socket(_)) {
            self.close_after_reply();
        }
        self.body = match self.outlet {
            Outlet::Socket(_) => self.begin_http1(request),
            Outlet::Stream => self.begin_http2(request),
        };
        self.body_state = BodyState::Whole;
        self.reply = Reply::Waited;
        self.app = App::Waiting;
    }

    /// Has bytes of HTTP/1 checked. A head is put where its application sees it, unless that of the one before is still at it.
    #[inline(always)]
    pub(crate) fn pass(&mut self, check: &mut Check, bytes: &[u8]) -> Passed {
        if self.call.is_active() {
            return self.pass_early(check, bytes);
        }
        let scope = self.call.vacant();
        let place = HeadParts {
            method: &mut scope.method,
            uri: &mut scope.uri,
            headers: &mut scope.headers,
            facts: &mut self.head,
        };
        let passed = check.pass(bytes, place);
        if let Verdict::Head(_) = passed.verdict {
            request::note(self.head, scope);
        }
        passed
    }

    /// The same while the place of a head is taken, or bytes of a body come.
    #[inline(never)]
    fn pass_early(&mut self, check: &mut Check, bytes: &[u8]) -> Passed {
        let mut head = RequestHead::default();
        let passed = check.pass(bytes, &mut head);
        if let Verdict::Head(_) = passed.verdict {
            self.early = Some(Box::new(head));
        }
        passed
    }

    /// Tells hyper of the head that was read.
    #[inline]
    pub(crate) fn tell(
        &mut self,
        persistence: Persistence,
        into: &mut ReadBuf<'_>,
    ) -> io::Result<()> {
        self.told = Told::Head;
        match &self.early {
            None => request::restate(&self.call.scope().method, self.head, persistence, into),
            Some(head) => request::restate(&head.method, head.facts, persistence, into),
        }
    }

    /// No request is here, and hyper is not about to bring one: gives back what only a request needs.
    pub(crate) fn rest(&mut self) {
        if self.told == Told::Nothing {
            self.call.rest();
        }
    }

    /// What hyper has of a head is what it was told; the head itself is in its place.
    fn begin_http1(&mut self, request: Request<Incoming>) -> Option<RequestBody> {
        self.told = Told::Nothing;
        if let Some(head) = self.early.take() {
            self.head = head.facts;
            request::show(*head, self.call.vacant());
        }
        let facts = request::facts(&self.call.scope().method, self.head);
        let waits = request::waits(self.head);
        self.call.begin(facts);
        let (told, body) = request.into_parts();
        self.spare = Some(told.headers);
        match self.call.scope().body {
            BodyLength::Empty => None,
            BodyLength::Known(_) | BodyLength::Unknown => {
                Some(RequestBody::new(body, waits, self.limits.discard_bytes))
            }
        }
    }

    /// Begins the call, unless the request is refused.
    fn begin_http2(&mut self, mut request: Request<Incoming>) -> Option<RequestBody> {
        let length = request::length(request.body());
        let facts = http2::facts(request.method(), Informational::Dropped);
        let waits = match http2::check(&mut request, length, &self.limits) {
            // Hyper cannot tell a peer to go on: it is left to its own patience.
            Ok(Expectation::Continue | Expectation::Nothing) => Continue::NotExpected,
            Err(refusal) => {
                self.refused = Some(Refused {
                    refusal,
                    body: facts.body,
                });
                return None;
            }
        };
        let (head, body) = request.into_parts();
        request::fill(self.call.vacant(), head, length);
        self.call.begin(facts);
        match length {
            BodyLength::Empty => None,
            BodyLength::Known(_) | BodyLength::Unknown => {
                Some(RequestBody::new(body, waits, self.limits.discard_bytes))
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

    /// Ends the exchange, and lets go of the request of HTTP/2: slices of it would hold a read buffer.
    pub(crate) fn end(&mut self, gone: Gone) {
        self.call.end(gone);
        if let Outlet::Stream = self.outlet
            && let Some(scope) = self.call.scope_mut()
        {
            // The response may have them already.
            if !scope.headers.is_empty() {
                scope.headers = HeaderMap::new().into();
            }
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
            match body.bring(progress.wanted, self.call.exchange(), &self.limits, task) {
                Brought::Nothing => return progress.output,
                Brought::Some => {}
                Brought::End => self.body = None,
                Brought::Malformed => self.fail_body(BodyError::Malformed),
                // It stays where it is until the answer is out; of a stream, it is let fall.
                Brought::TooMuch => match self.outlet {
                    Outlet::Socket(_) => return progress.output,
                    Outlet::Stream => self.body = None,
                },
                Brought::Failed => self.body_failed(),
            }
        }
    }

    fn body_failed(&mut self) {
        match &self.outlet {
            Outlet::Socket(io) if io.lock().read_failed() => {
                self.call.exchange().set_gone(Gone::PeerReset);
                self.body = None;
            }
            Outlet::Socket(io) => {
                let refused = io.lock().gate.refused_body();
                self.fail_body(match refused {
                    Some(PeerError::BodyTooLarge) => BodyError::TooLarge {
                        limit: self.limits.body_bytes,
                    },
                    _ => BodyError::Malformed,
                });
            }
            Outlet::Stream => {
                self.reply = Reply::Dropped;
                self.body = None;
            }
        }
    }

    fn fail_body(&mut self, error: BodyError) {
        self.call.exchange().fail_body(error);
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

    /// The next response is the last of the connection.
    pub(crate) fn close_after_reply(&mut self) {
        self.next = Next::Unwanted;
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
    pub(crate) fn take_refused(&mut self) -> Option<Refused> {
        self.refused.take()
    }

    /// Whether the application asked for the connection's end since this was asked last.
    pub(crate) fn take_end_asked(&mut self) -> bool {
        std::mem::replace(&mut self.end, End::NotAsked) == End::Asked
    }

    /// Whether a request came since this was asked last.
    pub(crate) fn take_served(&mut self) -> Served {
        std::mem::replace(&mut self.served, Served::Nothing)
    }

    /// Bytes of the response that hyper got since this was asked last.
    pub(crate) fn take_gave(&mut self) -> usize {
        std::mem::take(&mut self.gave)
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
            Reply::Waited | Reply::Taken { .. } => Standing::Open,
            Reply::Dropped => Standing::Lost,
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
