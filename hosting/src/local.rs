//! An exchange whose client is in the process too: no wire, and the rules of every server.
//!
//! [`exchange`] gives three things: what the application is called with, a [`Host`] whose [`Call`] polls it, and the
//! [`Client`]. Both ends may be in one task or in different threads. What the application sends lies in the exchange
//! (64 KiB and an event, SRV-5), and from there the call brings as much again to the client, as a kernel would: so a
//! flush resolves though the client has not read (HTTP-17), and a client that does not read holds the application up.

mod link;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use gateway_spec::{AppError, BodyError, Done, Gone, Http, Scope};
use http::HeaderMap;

use self::link::{Credit, Delivery, Link, Phase};
use crate::call::{drop_confined, poll_confined};
use crate::exchange::{Exchange, Facts, Life, Outgoing, Turn, Wanted, keep, wake, weight};

/// Makes an exchange in the process. `body_limit` is what [`BodyError::TooLarge`] refuses, in bytes.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use std::task::{Context, Poll, Waker};
/// use gateway_spec::{Capabilities, Connection, ConnectionInfo, HttpScope, Scope};
/// use hosting::{Facts, Outgoing, local};
///
/// let scope = Scope::new(HttpScope::new(Arc::new(ConnectionInfo::new(Capabilities::new("example")))));
/// let facts = Facts::of(&scope);
/// let (http, host, client) = local::exchange(scope, facts, u64::MAX);
/// let mut call = host.call(async { http.responder.respond("Hello, world!").await });
///
/// let mut task = Context::from_waker(Waker::noop());
/// assert!(std::pin::pin!(&mut call).poll(&mut task).is_ready());
/// let Poll::Ready(Some(Outgoing::Head { head, first, .. })) = client.poll_next(&mut task) else { panic!() };
/// assert_eq!((head.status.as_u16(), &first[..]), (200, &b"Hello, world!"[..]));
/// assert_eq!(head.headers.get_str("content-length"), Some("13"));
/// ```
pub fn exchange(scope: Scope, facts: Facts, body_limit: u64) -> (Http, Host, Client) {
    let mut exchange = Exchange::new();
    exchange.begin(facts, scope.body, body_limit);
    let link = Arc::new(Link::new(exchange, facts.body));
    let http = Http::new(scope.clone(), Arc::clone(&link.exchange) as _);
    let host = Host {
        link: Arc::clone(&link),
        scope,
    };
    (http, host, Client { link })
}

/// The side that calls the application. Dropped, or its [`Call`] before its end, the server is no more.
#[must_use = "nobody calls the application"]
pub struct Host {
    link: Arc<Link>,
    scope: Scope,
}

impl Host {
    /// Has `call` polled, with the exchange's [`Http`] in it.
    pub fn call<F>(self, call: F) -> Call<F>
    where
        F: Future<Output = Result<Done, AppError>>,
    {
        Call {
            future: Some(Box::pin(call)),
            host: self,
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.link.leave(Gone::Shutdown);
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host")
            .field("link", &self.link)
            .finish_non_exhaustive()
    }
}

/// A call of the application: polled to its end whatever the client does (SRV-1), its panics confined (SRV-7), its missing
/// answers given (SRV-12).
///
/// It is over when the application has returned and all that it sent is with the client, or the client has left.
#[must_use = "nobody calls the application"]
pub struct Call<F> {
    /// `None` once it has returned.
    future: Option<Pin<Box<F>>>,
    host: Host,
}

impl<F: Future<Output = Result<Done, AppError>>> Future for Call<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<()> {
        let me = &mut *self;
        let link = &*me.host.link;
        link.exchange.enter(task.waker());
        let progress = match &mut me.future {
            Some(future) => {
                let polled = poll_confined(future.as_mut(), task);
                if polled.is_ready() {
                    drop_confined(|| me.future = None);
                }
                link.exchange.settle(&polled, &me.host.scope)
            }
            None => link.exchange.leave(Turn::Over).0,
        };
        if link.deliver(progress, task.waker()) == Delivery::Over && me.future.is_none() {
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl<F> Drop for Call<F> {
    fn drop(&mut self) {
        // First, so that what is dropped finds its client gone; a response that is complete stays so.
        self.host.link.leave(Gone::Shutdown);
        drop_confined(|| self.future = None);
    }
}

impl<F> fmt::Debug for Call<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("has_returned", &self.future.is_none())
            .field("link", &self.host.link)
            .finish_non_exhaustive()
    }
}

/// The client's side. Dropped before the end, the client has left: [`Gone::PeerReset`].
///
/// One task reads and one sends at a time; the last waker given counts.
#[must_use = "dropped before its end, the client has left"]
pub struct Client {
    link: Arc<Link>,
}

impl Client {
    /// A client that hands on what it gets, and [acknowledges](Self::acknowledge) what it could: until then the application gets no
    /// credit for it, and a flush waits. So both together hold 64 KiB and an event.
    pub fn handing_on(self) -> Self {
        self.link.lock().credit = Credit::OnAcknowledgement;
        self
    }

    /// So many of the bytes that were taken have been handed on.
    pub fn acknowledge(&self, bytes: usize) {
        if bytes > 0 {
            self.link.exchange.written(bytes);
        }
    }

    /// The next thing that the client gets. After `Head` of a [whole](crate::ReplyLength::Whole) response, `End`, `Close` or `Abort`, and after
    /// either side has [gone](Self::gone), that is `None`.
    ///
    /// A head has the fields of the application that are its own to say (HTTP-23), and a whole response its `content-length`.
    /// Where no body belongs there is none (SRV-6).
    pub fn poll_next(&self, task: &mut Context<'_>) -> Poll<Option<Outgoing>> {
        let mut state = self.link.lock();
        match state.arrived.pop_front() {
            Some(outgoing) => {
                state.bytes -= weight(&outgoing);
                let driver = state.has_room().then(|| state.driver.take()).flatten();
                drop(state);
                wake([driver]);
                Poll::Ready(Some(outgoing))
            }
            None if state.phase != Phase::Open => Poll::Ready(None),
            None => {
                let unused = keep(&mut state.reader, task.waker());
                drop(state);
                drop(unused);
                Poll::Pending
            }
        }
    }

    /// How much of the body is wanted now; [`Never`](Wanted::Never) after the end. For a client that is polled with the call, after it.
    pub fn wanted(&self) -> Wanted {
        if self.link.lock().phase != Phase::Open {
            return Wanted::Never;
        }
        self.link.exchange.wanted()
    }

    /// How much of the body is wanted, once it is as much as `enough` says; [`Never`](Wanted::Never) after the end.
    pub fn poll_wanted(
        &self,
        task: &mut Context<'_>,
        enough: impl FnOnce(Wanted) -> bool,
    ) -> Poll<Wanted> {
        let unused = {
            let mut state = self.link.lock();
            if state.phase != Phase::Open {
                return Poll::Ready(Wanted::Never);
            }
            // Before the look, so that what changes after it is told.
            keep(&mut state.sender, task.waker())
        };
        drop(unused);
        let wanted = self.link.exchange.wanted();
        if wanted.is_over() || enough(wanted) {
            return Poll::Ready(wanted);
        }
        Poll::Pending
    }

    /// Sends a part of the request's body, or of the tunnel. It is kept however long: see [`poll_wanted`](Self::poll_wanted) before.
    pub fn send(&self, bytes: Bytes) {
        self.link.exchange.push_body(bytes);
    }

    /// Ends the request's body, or this direction of the tunnel.
    pub fn finish(&self, trailers: Option<HeaderMap>) {
        self.link.exchange.end_body(trailers);
    }

    /// The body cannot be sent to its end, and the client still wants the answer (HTTP-7).
    pub fn fail(&self, error: BodyError) {
        self.link.exchange.fail_body(error);
    }

    /// The client stops sending and reads on (SRV-3). A body that is not finished then is cut short: [`fail`](Self::fail) says so
    /// before (HTTP-8).
    pub fn half_close(&self) {
        self.link.exchange.half_close();
    }

    /// The client leaves, for this reason. After the end this does nothing.
    pub fn leave(&self, gone: Gone) {
        self.link.leave(gone);
    }

    /// What is known of the client's own life, for whoever looks after a WebSocket.
    pub fn life(&self) -> Life {
        self.link.exchange.life()
    }

    /// Why the exchange is over, if it is.
    pub fn gone(&self) -> Option<Gone> {
        match self.link.lock().phase {
            Phase::Open => None,
            Phase::Ended(gone) => Some(gone),
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.link.leave(Gone::PeerReset);
        self.link.forget();
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("link", &self.link)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
