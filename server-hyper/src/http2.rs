//! The streams of an HTTP/2 connection: each polls hyper's part of the stream and the application beside each other.
//!
//! When hyper has spawned all streams that have come, each is given its first turns. Most are over then; the others become tasks.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context as Task, Poll, Waker};

use gateway_spec::Gone;
use http::{Method, Request, Response};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::http2::{Builder, Connection};
use hyper::service::Service;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use server_host::http2::{self, Course, connection_window};
use server_host::{
    Context, INBOUND_BYTES, OUTBOUND_BYTES, OpenStream, Overdue, Requests, Shutdown,
};
use tokio::task::AbortHandle;

use crate::connection::{Over, TURNS};
use crate::io::{HyperIo, Io, News, Shared};
use crate::reply::{CutOff, ReplyBody};
use crate::service::{Answer, Outlet, Refused, Serving, Standing, Turn};
use crate::upgrade::{self, Tunnel};

/// Places for exchanges that are kept for the next streams: what a browser asks for at once.
const KEPT: usize = 16;

/// Hyper's connection, and its streams.
pub(crate) struct Http2 {
    hyper: Connection<TokioIo<HyperIo>, Streams, Streams>,
    streams: Streams,
}

/// The streams of a connection: hyper's service and its executor.
#[derive(Clone)]
struct Streams {
    known: http2::Streams,
    state: Shared<State>,
}

/// What hyper's service and its executor have in common.
struct State {
    /// Of the connection, for its streams.
    context: Context,
    free: Vec<Shared<Serving>>,
    /// The stream that hyper is about to spawn: it asks the service, and then the executor.
    starting: Option<Starting>,
    /// Those that hyper has spawned since: they have their first turns together, since code that is run over and over stays in the
    /// processor.
    begun: Vec<Box<dyn Begun>>,
    /// What hyper has just spawned for a stream that became a tunnel.
    beside: Option<AbortHandle>,
}

/// How the connection stands after a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Frames {
    Open(Turn),
    /// Hyper is done with it.
    Closed,
}

struct Starting {
    serving: Shared<Serving>,
    upgrade: Option<OnUpgrade>,
    open: OpenStream,
}

impl Http2 {
    pub(crate) fn new(io: TokioIo<HyperIo>, context: &Context) -> Self {
        let mut of_streams = context.for_stream();
        let capabilities = context.capabilities().with_continue_on_read(false);
        // What HPACK gives is put together by name.
        of_streams.set_capabilities(capabilities.with_wire_order(false));
        let streams = Streams {
            known: http2::Streams::new(),
            state: Shared::new(State {
                context: of_streams,
                free: Vec::new(),
                starting: None,
                begun: Vec::new(),
                beside: None,
            }),
        };
        let limits = context.limits();
        let mut builder = Builder::new(streams.clone());
        builder
            .max_concurrent_streams(limits.streams)
            .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
            .initial_stream_window_size(INBOUND_BYTES as u32)
            .initial_connection_window_size(connection_window(limits))
            .max_send_buf_size(OUTBOUND_BYTES)
            .max_pending_accept_reset_streams(limits.unseen_resets)
            .max_local_error_reset_streams(limits.error_resets)
            .enable_connect_protocol();
        Self {
            hyper: builder.serve_connection(io, streams.clone()),
            streams,
        }
    }

    /// Gives hyper its turn, and then the streams that it has begun.
    pub(crate) fn poll(
        &mut self,
        context: &mut Context,
        task: &mut Task<'_>,
    ) -> Result<Frames, Over> {
        match self.streams.known.begin_turn(task.waker(), context) {
            Course::GoesOn => {}
            Course::Ends => self.graceful_shutdown(),
            // Hyper has no words for it.
            Course::Broken => return Err(Over(Gone::PeerReset)),
        }
        let polled = Pin::new(&mut self.hyper).poll(task);
        if polled.is_ready() {
            // If there are streams left, this is why they end.
            self.end(Gone::PeerReset);
        }
        let turn = self.streams.give_first_turns();
        Ok(match polled {
            Poll::Ready(_) => Frames::Closed,
            Poll::Pending => Frames::Open(turn),
        })
    }

    pub(crate) fn graceful_shutdown(&mut self) {
        Pin::new(&mut self.hyper).graceful_shutdown();
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.streams.known.is_idle()
    }

    pub(crate) fn set_deadlines(&self, context: &mut Context) {
        self.streams.known.set_deadlines(context);
    }

    /// The connection is over: its streams will see that they are, and this is why.
    pub(crate) fn end(&self, gone: Gone) {
        self.streams.known.end(gone);
    }
}

impl Service<Request<Incoming>> for Streams {
    type Response = Response<ReplyBody>;
    type Error = CutOff;
    type Future = Answer;

    fn call(&self, mut request: Request<Incoming>) -> Answer {
        let mut state = self.state.lock();
        let requests = state.context.count_request();
        let serving = state
            .free
            .pop()
            .unwrap_or_else(|| Shared::new(Serving::new(&state.context, Outlet::Stream)));
        let upgrade =
            (request.method() == Method::CONNECT).then(|| hyper::upgrade::on(&mut request));
        serving.lock().begin(request);
        state.starting = Some(Starting {
            serving: serving.clone(),
            upgrade,
            open: state.context.open_stream(),
        });
        drop(state);
        self.known.begin();
        if requests == Requests::Last {
            // Hyper is at work just now; it is told in the connection's next turn.
            self.known.ask_for_end();
        }
        Answer::new(serving)
    }
}

impl<F: Future<Output = ()> + Send + Unpin + 'static> Executor<F> for Streams {
    fn execute(&self, hyper: F) {
        let starting = self.state.lock().starting.take();
        match starting {
            Some(Starting {
                serving,
                upgrade,
                open,
            }) => {
                let begun = Box::new(Stream {
                    hyper: Some(hyper),
                    upgrade,
                    beside: None,
                    serving,
                    _open: open,
                });
                self.state.lock().begun.push(begun);
            }
            // What hyper needs beside, for a stream that became a tunnel.
            None => {
                let beside = tokio::spawn(hyper).abort_handle();
                self.state.lock().beside = Some(beside);
            }
        }
    }
}

/// One stream.
struct Stream<F> {
    hyper: Option<F>,
    upgrade: Option<OnUpgrade>,
    /// Hyper's part of the tunnel, which has its direction to the peer.
    beside: Option<AbortHandle>,
    serving: Shared<Serving>,
    _open: OpenStream,
}

/// A stream that waits for something, as a task: with deadlines of its own.
struct StreamTask<F> {
    stream: Stream<F>,
    tunnel: Option<Io<TokioIo<Upgraded>>>,
    context: Context,
    streams: Streams,
}

/// A stream that has not had its first turns, whatever hyper calls its part of it.
trait Begun: Send {
    /// Gives it its first turns, and makes it a task if it is not over then.
    fn begin(self: Box<Self>, streams: &Streams);
}

impl<F: Future<Output = ()> + Send + Unpin + 'static> Begun for Stream<F> {
    fn begin(mut self: Box<Self>, streams: &Streams) {
        // A task looks at everything again, so nobody has to be woken before.
        let mut task = Task::from_waker(Waker::noop());
        for _ in 0..TURNS {
            match self.exchange(streams, &mut task) {
                Ok(Turn::Again) => {}
                Ok(Turn::Rest) => break,
                Err(Over(gone)) => {
                    self.end(gone, streams);
                    return streams.keep(self.serving);
                }
            }
        }
        streams.known.open();
        let context = streams.state.lock().context.for_stream();
        tokio::spawn(StreamTask {
            stream: *self,
            tunnel: None,
            context,
            streams: streams.clone(),
        });
    }
}

impl<F: Future<Output = ()> + Unpin> Stream<F> {
    /// One step of hyper and the application; none when they are done and what follows is a tunnel.
    fn exchange(&mut self, streams: &Streams, task: &mut Task<'_>) -> Result<Turn, Over> {
        if let Some(hyper) = &mut self.hyper
            && Pin::new(hyper).poll(task).is_ready()
        {
            self.hyper = None;
            self.beside = streams.state.lock().beside.take();
        }
        let mut serving = self.serving.lock();
        let turn = serving.after_hyper(task);
        if serving.take_end_asked() {
            streams.known.ask_for_end();
        }
        if let Some(Refused { refusal, .. }) = serving.take_refused() {
            let state = streams.state.lock();
            state.context.refused(refusal.status(), &refusal);
        }
        match serving.standing() {
            Standing::Lost => Err(Over(streams.known.gone())),
            _ if self.hyper.is_some() => Ok(turn),
            Standing::Over if serving.call.is_active() => Ok(turn),
            Standing::Over => Err(Over(Gone::Finished)),
            Standing::CutOff => Err(Over(Gone::Aborted)),
            Standing::Open => Err(Over(streams.known.gone())),
            Standing::Tunnel => Ok(Turn::Rest),
        }
    }

    fn end(&mut self, gone: Gone, streams: &Streams) {
        // Hyper's part resets the stream if it is not at its end.
        self.hyper = None;
        if gone != Gone::Finished
            && let Some(beside) = &self.beside
        {
            // Else it ends its direction as if all were well.
            beside.abort();
        }
        if gone == Gone::StreamReset {
            streams.known.note_reset();
        }
        let mut serving = self.serving.lock();
        serving.end(gone);
        serving.forget();
    }
}

impl<F: Future<Output = ()> + Unpin> StreamTask<F> {
    fn drive(&mut self, task: &mut Task<'_>) -> Result<Poll<()>, Over> {
        self.context.register(task.waker());
        if self.context.shutdown() == Shutdown::Forced {
            self.stream.serving.lock().call.force();
        }
        self.look_at_deadlines()?;
        for _ in 0..TURNS {
            if self.turn(task)? == Turn::Rest {
                self.set_deadlines();
                return Ok(Poll::Pending);
            }
        }
        task.waker().wake_by_ref();
        Ok(Poll::Pending)
    }

    fn turn(&mut self, task: &mut Task<'_>) -> Result<Turn, Over> {
        if self.tunnel.is_some() {
            return self.tunnel(task);
        }
        let turn = self.stream.exchange(&self.streams, task)?;
        if self.stream.hyper.is_some() || self.stream.serving.lock().standing() != Standing::Tunnel
        {
            return Ok(turn);
        }
        let upgraded = self.stream.upgrade.as_mut();
        match upgraded.map(|upgrade| Pin::new(upgrade).poll(task)) {
            Some(Poll::Ready(Ok(upgraded))) => {
                self.tunnel = Some(Io::new(TokioIo::new(upgraded)));
                Ok(Turn::Again)
            }
            Some(Poll::Pending) => Ok(Turn::Rest),
            Some(Poll::Ready(Err(_))) | None => Err(Over(self.streams.known.gone())),
        }
    }

    fn tunnel(&mut self, task: &mut Task<'_>) -> Result<Turn, Over> {
        let Some(io) = &mut self.tunnel else {
            return Ok(Turn::Rest);
        };
        let mut serving = self.stream.serving.lock();
        let reset = |_| Over(self.streams.known.gone());
        let state = if serving.call.is_active() {
            let call = &mut serving.call;
            match upgrade::advance(io, call, &self.context, task) {
                Err(Over(Gone::PeerReset)) => Err(Over(self.streams.known.gone())),
                state => state,
            }?
        } else {
            Tunnel::Closed
        };
        if state == Tunnel::Closed {
            io.shut_down();
            serving.end(Gone::Finished);
        }
        let sent = upgrade::flush(io, &mut self.context, task).map_err(reset)?;
        serving.unsent(io.unsent());
        match state {
            Tunnel::Closed if io.is_shut_down() => Err(Over(Gone::Finished)),
            Tunnel::Closed => Ok(Turn::Rest),
            Tunnel::Open(_) if sent == News::Bytes => Ok(Turn::Again),
            Tunnel::Open(turn) => Ok(turn),
        }
    }

    fn look_at_deadlines(&mut self) -> Result<(), Over> {
        match self.context.overdue() {
            None => {}
            Some(Overdue::Write) => return Err(Over(Gone::WriteTimeout)),
            Some(Overdue::Read(_)) => {
                self.context.expect_nothing();
                self.stream.serving.lock().body_timed_out();
            }
        }
        Ok(())
    }

    fn set_deadlines(&mut self) {
        if self.tunnel.is_some() {
            return self.context.expect_nothing();
        }
        let mut serving = self.stream.serving.lock();
        if serving.waits_for_body() {
            let received = serving.call.exchange().received();
            self.context.expect_body(received);
        } else {
            self.context.expect_nothing();
        }
        match (serving.waits_for_window(), serving.take_gave()) {
            (false, _) => self.context.expect_no_write(),
            (true, gave) => self.context.expect_write(gave),
        }
    }
}

impl<F: Future<Output = ()> + Unpin> Future for StreamTask<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<()> {
        let me = &mut *self;
        match me.drive(task) {
            Ok(poll) => poll,
            Err(Over(gone)) => {
                me.stream.end(gone, &me.streams);
                me.tunnel = None;
                Poll::Ready(())
            }
        }
    }
}

impl<F> Drop for StreamTask<F> {
    fn drop(&mut self) {
        self.streams.keep(self.stream.serving.clone());
        self.streams.known.close();
    }
}

impl Streams {
    /// Of those that have begun; whether there were some, whose answers are still to be written.
    fn give_first_turns(&self) -> Turn {
        let mut begun = std::mem::take(&mut self.state.lock().begun);
        if begun.is_empty() {
            return Turn::Rest;
        }
        for stream in begun.drain(..) {
            stream.begin(self);
        }
        self.state.lock().begun = begun;
        Turn::Again
    }

    /// A stream is over: its place is for one of the next, if its call is over too.
    fn keep(&self, serving: Shared<Serving>) {
        let is_free = {
            let call = &mut serving.lock().call;
            call.rest();
            !call.is_active()
        };
        let mut state = self.state.lock();
        if is_free && state.free.len() < KEPT {
            state.free.push(serving);
        }
    }
}
