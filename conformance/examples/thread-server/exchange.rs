//! One request and its response, between the thread that has the socket and the application: the [`HttpTransport`].
//!
//! It holds the connection's protocol, [`http1::Connection`], for as long as the exchange lasts. An event of the application
//! goes through the protocol into [`Output`] at once, and what the protocol refuses, the application is told as it is; so of
//! HTTP nothing is decided here. When the exchange is over, the thread [takes](Exchange::finish) the protocol back, and a
//! handle that the application kept finds nothing that it could touch (SRV-9).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Instant, SystemTime};

use bytes::{Bytes, BytesMut};
use gateway_spec::{
    Abort, AppError, BodyError, Gone, GoneSignal, Headers, HttpReceive, HttpSend, HttpTransport,
    Response, SendError, Signal, TrailersPlan,
};
use http::{HeaderName, HeaderValue, StatusCode, header};
use http1::{BodyFraming, Event, Payload, PeerError, ReplyBody, RequestHead, Step, Trailers};

use crate::bell::Bell;
use crate::output::Output;

/// Bytes that are kept for a side that is slower than the other, in each direction (SRV-5). 64 KiB keep a fast network busy.
const WINDOW: usize = 64 * 1024;

/// Bytes of a request's body (HTTP-7). 1 GiB: applications stream, and have lower limits of their own.
pub(crate) const BODY_BYTES: u64 = 1 << 30;

/// Bytes of a body that nobody wants which are read all the same, to keep the connection (SRV-6): about what is on its way
/// already when the answer is sent.
pub(crate) const DISCARD_BYTES: u64 = 256 * 1024;

/// One request and its response.
pub(crate) struct Exchange {
    state: Mutex<State>,
    /// Calls the connection's thread, when there is something for it to do.
    bell: Arc<Bell>,
}

#[derive(Default)]
struct State {
    /// The protocol; taken back at the end.
    http1: Option<http1::Connection>,

    /// Parts of the body that the application has not taken, and how it ended.
    received: VecDeque<HttpReceive>,
    /// Bytes in `received`.
    buffered: usize,
    body: Body,
    /// Bytes of a declared length that did not come yet.
    announced: u64,

    reply: Reply,
    client_takes_trailers: Trailers,
    output: Output,
    /// Bytes that the thread has taken out of `output` and the kernel has not taken yet.
    sending: usize,

    /// Nothing comes any more but what lies before the protocol.
    input_ended: bool,
    /// When something came last.
    heard: Option<Instant>,
    half_close: HalfClose,
    /// Why the exchange is over, for good.
    gone: Option<Gone>,
    signal: Signal<Gone>,

    receiver: Option<Waker>,
    sender: Option<Waker>,
    flusher: Option<Waker>,
}

/// The request's body, as the wire has it.
#[derive(Default)]
enum Body {
    /// More comes, of which so many bytes are allowed.
    Coming { allowed: u64 },
    /// More comes and is thrown away, so many bytes of it.
    Unwanted { worth: u64 },
    /// All of it was read, or it failed.
    #[default]
    Over,
}

/// Where the response stands. Which event may come next is the protocol's to say (HTTP-20); this is what only the contract
/// knows.
#[derive(Default)]
enum Reply {
    #[default]
    Before,
    /// The application let go of its handle; it may yet return an error, whose status is the answer.
    Abandoned,
    Started(TrailersPlan),
    Tunnel,
    /// A tunnel whose direction to the client has ended.
    HalfTunnel,
    Ended(End),
}

/// How an exchange ends, once all that was accepted is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The response is whole.
    Complete,
    /// The tunnel is closed.
    Close,
    /// In a way that the client can see is not clean.
    Abort,
    /// The tunnel is cut off: what was in it has an end of its own, so only a reset can tell (HTTP-32).
    Reset,
}

/// Whether the client has ended its direction (SRV-3).
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum HalfClose {
    #[default]
    No,
    Noticed,
    /// The application received it: once is enough.
    Told,
}

/// What there is to do for the connection's thread.
pub(crate) struct Todo {
    pub(crate) ended: Option<End>,
    /// The application has ended the tunnel's direction to the client.
    pub(crate) end_output: bool,
    /// There is room for more of the request.
    pub(crate) read: bool,
    /// The application waits for more of the request.
    pub(crate) hurry: bool,
}

/// What is done after the lock was let go of, for it runs the code of others (SRV-13).
#[derive(Default)]
struct After {
    wake: Vec<Waker>,
    drop: Vec<Waker>,
    /// There is something new for the connection's thread.
    ring: bool,
}

impl Exchange {
    pub(crate) fn new(http1: http1::Connection, head: &RequestHead, bell: Arc<Bell>) -> Self {
        let coming = Body::Coming {
            allowed: BODY_BYTES,
        };
        let (body, announced) = match head.facts.framing {
            BodyFraming::Empty => (Body::Over, 0),
            BodyFraming::Sized(length) => (coming, length),
            BodyFraming::Chunked => (coming, 0),
        };
        let mut state = State {
            http1: Some(http1),
            body,
            announced,
            heard: Some(Instant::now()),
            client_takes_trailers: head.facts.trailers,
            ..State::default()
        };
        if announced > BODY_BYTES {
            // Known before it comes: nobody is asked to send it.
            state.fail_body(BodyError::TooLarge { limit: BODY_BYTES });
        }
        Self {
            state: Mutex::new(state),
            bell,
        }
    }

    /// Changes the state under its lock.
    fn with<T>(&self, change: impl FnOnce(&mut State, &mut After) -> T) -> T {
        let mut after = After::default();
        // No code of others runs under this lock, so a poisoned one is whole.
        let result = change(
            &mut self.state.lock().unwrap_or_else(PoisonError::into_inner),
            &mut after,
        );
        drop(after.drop);
        after.wake.into_iter().for_each(Waker::wake);
        if after.ring {
            self.bell.ring();
        }
        result
    }
}

/// The side of the connection's thread.
impl Exchange {
    pub(crate) fn todo(&self) -> Todo {
        self.with(|state, _| Todo {
            ended: match state.reply {
                Reply::Ended(end) => Some(end),
                _ => None,
            },
            end_output: matches!(state.reply, Reply::HalfTunnel),
            read: state.has_room(),
            hurry: state.receiver.is_some() && matches!(state.body, Body::Coming { .. }),
        })
    }

    /// Takes what came from the client out of `input`, as far as there is room for it.
    pub(crate) fn read(&self, input: &mut BytesMut) {
        self.with(|state, after| {
            state.read(input);
            if !state.received.is_empty() || !matches!(state.body, Body::Coming { .. }) {
                after.wake.extend(state.receiver.take());
            }
        });
    }

    /// Moves what is to be sent into `sending`, which is empty.
    pub(crate) fn take_output(&self, sending: &mut Output) {
        self.with(|state, _| {
            std::mem::swap(&mut state.output, sending);
            state.sending = sending.len();
        });
    }

    /// The kernel has taken all but so many bytes of it.
    pub(crate) fn sent_all_but(&self, left: usize) {
        self.with(|state, after| {
            state.sending = left;
            if state.has_credit() {
                after.wake.extend(state.sender.take());
            }
            if state.is_flushed() {
                after.wake.extend(state.flusher.take());
            }
        });
    }

    /// No more bytes come from the client; all that came were read, but for those in `input`.
    pub(crate) fn end_input(&self) {
        self.with(|state, _| {
            state.input_ended = true;
            state.http1.iter_mut().for_each(|h| h.end_of_input());
        });
        self.half_close();
    }

    /// The client has ended its direction: that is told at once, however much of the body is still to be read (SRV-3).
    pub(crate) fn half_close(&self) {
        let news = self.with(|state, after| {
            if state.half_close != HalfClose::No {
                return None;
            }
            state.half_close = HalfClose::Noticed;
            after.wake.extend(state.receiver.take());
            Some(state.signal.clone())
        });
        if let Some(signal) = news {
            signal.raise(Gone::HalfClosed);
        }
    }

    /// The connection ends after it.
    pub(crate) fn be_the_last(&self) {
        self.with(|state, _| {
            state.http1.iter_mut().for_each(|h| h.close_after_reply());
        });
    }

    /// The body did not come in time.
    pub(crate) fn time_out(&self) {
        self.with(|state, after| {
            state.fail_body(BodyError::Timeout);
            after.wake.extend(state.receiver.take());
        });
    }

    /// Since when the client is silent, though it is read and has all that was sent to it; now, if it is not (WS-9).
    pub(crate) fn silent_since(&self) -> Instant {
        self.with(|state, _| match state.heard {
            Some(heard) if state.has_room() && state.is_flushed() => heard,
            _ => Instant::now(),
        })
    }

    /// Notes that something came, of whatever kind.
    pub(crate) fn hear(&self) {
        self.with(|state, _| state.heard = Some(Instant::now()));
    }

    /// Answers for an application that has dropped its handle, though its call goes on (SRV-12); whether it had.
    pub(crate) fn answer_if_abandoned(&self) -> bool {
        self.with(|state, _| {
            let is_abandoned = matches!(state.reply, Reply::Abandoned);
            if is_abandoned {
                state.answer(&AppError::status(StatusCode::INTERNAL_SERVER_ERROR).response());
            }
            is_abandoned
        })
    }

    /// Ends what the application has not, by the answer to this error if nothing was started (SRV-12); whether there was something.
    pub(crate) fn settle(&self, error: &AppError) -> bool {
        self.with(|state, _| match state.reply {
            Reply::Before | Reply::Abandoned => {
                state.answer(&error.response());
                true
            }
            Reply::Started(_) => {
                state.reply = Reply::Ended(End::Abort);
                true
            }
            Reply::Tunnel | Reply::HalfTunnel => {
                state.reply = Reply::Ended(End::Close);
                false
            }
            Reply::Ended(_) => false,
        })
    }

    /// Ends the exchange for the application and gives the protocol back, for the next request.
    pub(crate) fn finish(&self, gone: Gone) -> Option<http1::Connection> {
        let (http1, signal) = self.with(|state, after| {
            state.gone = Some(gone);
            state.output = Output::default();
            let waiting = [&mut state.receiver, &mut state.sender, &mut state.flusher];
            after
                .wake
                .extend(waiting.into_iter().filter_map(Option::take));
            (state.http1.take(), state.signal.clone())
        });
        signal.raise(gone);
        http1
    }
}

impl State {
    fn has_room(&self) -> bool {
        let waits_to_be_asked = self.http1.as_ref().is_some_and(|h| h.expects_continue());
        match self.body {
            Body::Coming { .. } => self.buffered < WINDOW && !waits_to_be_asked,
            Body::Unwanted { worth } => worth > 0,
            Body::Over => false,
        }
    }

    fn has_credit(&self) -> bool {
        self.output.len() + self.sending < WINDOW
    }

    fn is_flushed(&self) -> bool {
        self.output.is_empty() && self.sending == 0
    }

    // The request.

    fn read(&mut self, input: &mut BytesMut) {
        if let Reply::Tunnel | Reply::HalfTunnel = self.reply {
            if !input.is_empty() && self.has_room() {
                self.bring(input.split().freeze());
            }
            if input.is_empty() && self.input_ended {
                self.body = Body::Over;
            }
            return;
        }
        // Only a head is ever put into it.
        let mut no_head = RequestHead::default();
        while self.has_room()
            && let Some(http1) = &mut self.http1
        {
            match http1.next_event(input, &mut no_head) {
                Ok(Step::Event(Event::Data(bytes))) => self.bring(bytes),
                Ok(Step::Event(Event::Trailers(trailers))) => {
                    self.received.push_back(HttpReceive::Trailers(trailers));
                }
                Ok(Step::Event(Event::End)) => self.end_body(),
                Ok(Step::Event(Event::Head) | Step::NeedBytes | Step::Paused | Step::Closed) => {
                    return;
                }
                Err(PeerError::BodyTooLarge) => {
                    self.fail_body(BodyError::TooLarge { limit: BODY_BYTES });
                }
                Err(_) => self.fail_body(BodyError::Malformed),
            }
        }
    }

    fn bring(&mut self, bytes: Bytes) {
        let length = bytes.len() as u64;
        self.announced = self.announced.saturating_sub(length);
        match &mut self.body {
            Body::Coming { allowed } => match allowed.checked_sub(length) {
                Some(left) => {
                    *allowed = left;
                    self.buffered += bytes.len();
                    // More may follow, as far as anybody knows; an empty part says when not (HTTP-5).
                    let part = HttpReceive::Body { bytes, more: true };
                    self.received.push_back(part);
                }
                None => self.fail_body(BodyError::TooLarge { limit: BODY_BYTES }),
            },
            Body::Unwanted { worth } => *worth = worth.saturating_sub(length),
            Body::Over => {}
        }
    }

    fn end_body(&mut self) {
        let is_told = matches!(self.received.back(), Some(HttpReceive::Trailers(_)));
        if let (Body::Coming { .. }, false) = (&self.body, is_told) {
            let (bytes, more) = (Bytes::new(), false);
            self.received.push_back(HttpReceive::Body { bytes, more });
        }
        self.body = Body::Over;
    }

    /// The client can still be told; no other request of it can be read (HTTP-7).
    fn fail_body(&mut self, error: BodyError) {
        if let Body::Coming { .. } = self.body {
            self.received.push_back(HttpReceive::Failed(error));
        }
        self.body = Body::Over;
        self.http1.iter_mut().for_each(|h| h.close_after_reply());
    }

    /// The application waits for more; a client that waits to be asked for it is told to go on (SRV-8).
    fn wait_to_receive(&mut self, cx: &Context<'_>, after: &mut After) {
        if let Some(http1) = &mut self.http1
            && http1.expects_continue()
        {
            let out = self.output.tail();
            let sent = http1.send_informational(StatusCode::CONTINUE, &Headers::new(), out);
            debug_assert_eq!(sent, Ok(()), "no response has begun, as the question says");
        }
        let before = self.receiver.replace(cx.waker().clone());
        after.ring = before.is_none();
        after.drop.extend(before);
    }

    // The response.

    fn send(&mut self, event: HttpSend) -> Result<(), SendError> {
        if let Some(gone) = self.gone {
            return Err(SendError::Gone(gone));
        }
        if let Reply::Ended(_) = self.reply {
            return Err(SendError::OutOfOrder);
        }
        let is_long = self.announced > DISCARD_BYTES;
        let Self {
            http1: Some(http1),
            output,
            reply,
            ..
        } = self
        else {
            return Err(SendError::Gone(Gone::Finished));
        };
        match event {
            HttpSend::Informational(head) => {
                http1.send_informational(head.status, &head.headers, output.tail())?;
            }
            HttpSend::Start {
                mut head,
                body,
                more,
                trailers,
            } => {
                let stays_unread = match self.body {
                    Body::Coming { .. } => !more,
                    Body::Unwanted { .. } => true,
                    Body::Over => false,
                };
                if is_long && stays_unread {
                    http1.close_after_reply();
                }
                announce(&trailers, &mut head.headers);
                let length = body.len() as u64;
                let kind = match more {
                    true => ReplyBody::Begins(length),
                    false => ReplyBody::Whole(length),
                };
                let out = output.tail();
                http1.send_head(head.status, &head.headers, kind, &date(), out)?;
                http1.send_data(&body, out)?;
                *reply = Reply::Started(trailers);
                if !more {
                    http1.send_end(None, out)?;
                    *reply = Reply::Ended(End::Complete);
                }
            }
            HttpSend::Body { bytes, more } => match (&*reply, more) {
                (Reply::Tunnel, _) => {
                    output.tail().extend_from_slice(&bytes);
                    if !more {
                        *reply = Reply::HalfTunnel;
                    }
                }
                (_, true) => http1.send_data(&bytes, output.tail())?,
                (_, false) => {
                    http1.send_last(&bytes, output.tail())?;
                    *reply = Reply::Ended(End::Complete);
                }
            },
            HttpSend::File(region) => {
                let suffix: &[u8] = match &*reply {
                    Reply::Tunnel => b"",
                    _ => {
                        let length = usize::try_from(region.length).unwrap_or(usize::MAX);
                        match http1.send_data_frame(length, output.tail())? {
                            Payload::Write { suffix } => suffix,
                            Payload::Skip => return Ok(()),
                        }
                    }
                };
                output.push_file(region);
                output.tail().extend_from_slice(suffix);
            }
            HttpSend::Trailers(trailers) => {
                let Reply::Started(plan) = &*reply else {
                    return Err(SendError::OutOfOrder);
                };
                if !trailers.keys().all(|name| is_planned(name, plan)) {
                    return Err(SendError::BadTrailer);
                }
                // HTTP-28: the rest of the clients is spared them.
                let taken = (self.client_takes_trailers, plan);
                let taken = matches!(taken, (Trailers::Wanted, TrailersPlan::Announced(_)));
                http1.send_end(taken.then_some(&trailers), output.tail())?;
                *reply = Reply::Ended(End::Complete);
            }
            HttpSend::Upgrade { head } => {
                let (status, out) = (head.status, output.tail());
                http1.switch_protocols(status, &head.headers, &date(), out)?;
                *reply = Reply::Tunnel;
                self.body = Body::Coming { allowed: u64::MAX };
            }
            // What this version of the contract does not know (APP-8).
            _ => return Err(SendError::Unsupported),
        }
        Ok(())
    }

    /// The server's own answer, with no details of why (APP-6).
    fn answer(&mut self, answer: &Response) {
        if let Some(http1) = &mut self.http1 {
            // Nothing was started, so nothing can be in its way.
            let _ = http1.send_whole(
                answer.head.status,
                &answer.head.headers,
                &answer.body,
                &date(),
                self.output.tail(),
            );
        }
        self.reply = Reply::Ended(End::Complete);
    }
}

/// The application's side.
impl HttpTransport for Exchange {
    fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<HttpReceive> {
        self.with(|state, after| {
            if let Some(event) = state.received.pop_front() {
                after.ring = state.buffered >= WINDOW;
                if let HttpReceive::Body { bytes, .. } = &event {
                    state.buffered -= bytes.len();
                }
                return Poll::Ready(event);
            }
            if let Some(gone) = state.gone {
                return Poll::Ready(HttpReceive::Disconnect(gone));
            }
            if let Reply::Ended(_) = state.reply {
                return Poll::Ready(HttpReceive::Disconnect(Gone::Finished));
            }
            let is_read = !matches!(state.body, Body::Coming { .. });
            if state.half_close == HalfClose::Noticed && is_read {
                state.half_close = HalfClose::Told;
                return Poll::Ready(HttpReceive::Disconnect(Gone::HalfClosed));
            }
            state.wait_to_receive(cx, after);
            Poll::Pending
        })
    }

    fn stop_receiving(&self) {
        let unwanted = self.with(|state, after| {
            after.ring = true;
            state.buffered = 0;
            if let Body::Coming { .. } = state.body {
                state.body = Body::Unwanted {
                    worth: DISCARD_BYTES,
                };
            }
            std::mem::take(&mut state.received)
        });
        drop(unwanted);
    }

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        self.with(|state, after| match state.gone {
            Some(gone) => Poll::Ready(Err(gone)),
            None if state.has_credit() => Poll::Ready(Ok(())),
            None => {
                after.drop.extend(state.sender.replace(cx.waker().clone()));
                Poll::Pending
            }
        })
    }

    fn send(&self, event: HttpSend) -> Result<(), SendError> {
        self.with(|state, after| {
            after.ring = true;
            state.send(event)?;
            if let Reply::Ended(_) = state.reply {
                // Whoever waits for more of the request learns that it is over (HTTP-10).
                after.wake.extend(state.receiver.take());
            }
            Ok(())
        })
    }

    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, SendError>> {
        std::task::ready!(self.poll_ready(cx))?;
        let piece = &bytes[..bytes.len().min(WINDOW)];
        self.send(HttpSend::Body {
            bytes: Bytes::copy_from_slice(piece),
            more: true,
        })?;
        Poll::Ready(Ok(piece.len()))
    }

    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        self.with(|state, after| match state.gone {
            // Over is over only when the kernel has everything.
            Some(Gone::Finished) => Poll::Ready(Ok(())),
            Some(gone) => Poll::Ready(Err(gone)),
            None if state.is_flushed() => Poll::Ready(Ok(())),
            None => {
                after.drop.extend(state.flusher.replace(cx.waker().clone()));
                Poll::Pending
            }
        })
    }

    fn poll_buffered(&self, cx: &mut Context<'_>, n: usize) -> Poll<Result<(), Gone>> {
        self.with(|state, after| {
            let is_coming = matches!(state.body, Body::Coming { .. });
            if !is_coming || state.buffered >= n.min(WINDOW) {
                return Poll::Ready(Ok(()));
            }
            if let Some(gone) = state.gone {
                return Poll::Ready(Err(gone));
            }
            state.wait_to_receive(cx, after);
            Poll::Pending
        })
    }

    fn gone(&self) -> GoneSignal {
        self.with(|state, _| state.signal.wait())
    }

    fn close(&self) {
        self.with(|state, after| {
            if state.is_tunnel() {
                state.reply = Reply::Ended(End::Close);
                after.ring = true;
            }
        });
    }

    fn abort(&self, why: Abort) {
        self.with(|state, after| {
            after.ring = true;
            state.reply = match (&state.reply, why) {
                (Reply::Before, Abort::Dropped) => Reply::Abandoned,
                (Reply::Ended(end), _) => Reply::Ended(*end),
                (Reply::Tunnel | Reply::HalfTunnel, _) => Reply::Ended(End::Reset),
                _ => Reply::Ended(End::Abort),
            };
        });
    }
}

impl State {
    fn is_tunnel(&self) -> bool {
        matches!(self.reply, Reply::Tunnel | Reply::HalfTunnel)
    }
}

/// Names the planned trailers in the head (HTTP-27).
fn announce(plan: &TrailersPlan, headers: &mut Headers) {
    if let TrailersPlan::Announced(names) = plan {
        let list = names.iter().map(HeaderName::as_str).collect::<Vec<_>>();
        if let (false, Ok(list)) = (list.is_empty(), HeaderValue::try_from(list.join(", "))) {
            headers.insert(header::TRAILER, list);
        }
    }
}

fn is_planned(name: &HeaderName, plan: &TrailersPlan) -> bool {
    let is_planned = match plan {
        TrailersPlan::None => false,
        TrailersPlan::Announced(names) => names.contains(name),
        TrailersPlan::Maybe => true,
    };
    is_planned && !http1::is_forbidden_trailer(name.as_str().as_bytes())
}

/// The value of `Date` (HTTP-23).
pub(crate) fn date() -> [u8; 29] {
    let date = httpdate::fmt_http_date(SystemTime::now());
    let date = date.as_bytes().try_into();
    date.expect("an HTTP date has 29 bytes until the year 9999")
}
