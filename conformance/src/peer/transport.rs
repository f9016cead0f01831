//! The routes that drive the transport itself, below the handles, and report what it said: orders that no handle allows, waits
//! that none shows.

use std::future::poll_fn;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};

use gateway_spec::bytes::Bytes;
use gateway_spec::types::{HeaderMap, HeaderValue, StatusCode, header};
use gateway_spec::{
    AppError, BodyLength, Done, Gone, Http, HttpReceive, HttpSend, HttpTransport, ResponseHead,
    Scope, SendError, TrailersPlan,
};

use super::{Routes, false_done};

impl Routes {
    pub(super) async fn transport(&self, how: &[&str], http: Http) -> Result<Done, AppError> {
        let (scope, transport) = http.into_transport();
        let driven = match how {
            ["order"] => self.order(&*transport).await,
            ["informational"] => self.informational(&*transport).await,
            ["write"] => self.write(&*transport).await,
            ["buffered", bytes] => self.buffered(bytes.parse()?, &scope, &*transport).await,
            ["finished"] => self.finished(&*transport).await,
            ["wakers"] => self.wakers(&transport).await,
            _ => transport
                .send(whole(StatusCode::NOT_FOUND, ""))
                .map_err(AppError::from),
        };
        driven.map(|()| false_done(&scope))
    }

    fn tell(&self, what: &str, said: &Result<(), SendError>) {
        self.reports
            .say("transport", format_args!("{what}: {said:?}"));
    }

    /// Each event where it does not belong, around a response that is right.
    async fn order(&self, transport: &dyn HttpTransport) -> Result<(), AppError> {
        let early = || ResponseHead::new(StatusCode::EARLY_HINTS);
        poll_fn(|cx| transport.poll_ready(cx)).await?;
        self.tell("body before start", &transport.send(body("no", true)));
        self.tell("end before start", &transport.send(body("", false)));
        let trailers = HttpSend::Trailers(HeaderMap::new());
        self.tell("trailers before start", &transport.send(trailers));
        self.tell("start", &transport.send(start("yes ")));
        self.tell("a second start", &transport.send(start("no")));
        self.tell(
            "a whole second",
            &transport.send(whole(StatusCode::OK, "no")),
        );
        let informational = HttpSend::Informational(early());
        self.tell("informational after start", &transport.send(informational));
        let head = ResponseHead::new(StatusCode::SWITCHING_PROTOCOLS)
            .with_header(header::UPGRADE, HeaderValue::from_static("echo"));
        self.tell(
            "upgrade after start",
            &transport.send(HttpSend::Upgrade { head }),
        );
        self.tell("body", &transport.send(body("and ", true)));
        self.tell("end", &transport.send(body("yes", false)));
        self.tell("body after end", &transport.send(body("no", true)));
        self.tell("start after end", &transport.send(start("no")));
        Ok(())
    }

    /// Each status where it does not belong.
    async fn informational(&self, transport: &dyn HttpTransport) -> Result<(), AppError> {
        poll_fn(|cx| transport.poll_ready(cx)).await?;
        for status in [StatusCode::SWITCHING_PROTOCOLS, StatusCode::OK] {
            let event = HttpSend::Informational(ResponseHead::new(status));
            self.tell(status.as_str(), &transport.send(event));
        }
        Ok(transport.send(whole(StatusCode::OK, "informed"))?)
    }

    /// Events and `poll_write` by turns.
    async fn write(&self, transport: &dyn HttpTransport) -> Result<(), AppError> {
        poll_fn(|cx| transport.poll_ready(cx)).await?;
        transport.send(start("begin "))?;
        for n in 0..20 {
            let line = format!("written {n} ");
            let mut left = line.as_bytes();
            while !left.is_empty() {
                let accepted = poll_fn(|cx| transport.poll_write(cx, left)).await?;
                if !(1..=left.len()).contains(&accepted) {
                    self.reports
                        .say("transport", format_args!("{accepted} accepted"));
                    return Err(AppError::message("poll_write breaks HTTP-18"));
                }
                left = &left[accepted..];
            }
            poll_fn(|cx| transport.poll_ready(cx)).await?;
            transport.send(body(format!("sent {n} "), true))?;
        }
        // More than any bound: it has to take it in parts.
        let block = vec![b'x'; 4 * 1024 * 1024];
        let mut at = 0;
        while at < block.len() {
            at += poll_fn(|cx| transport.poll_write(cx, &block[at..])).await?;
        }
        poll_fn(|cx| transport.poll_ready(cx)).await?;
        transport.send(body("end", false))?;
        self.reports.say("transport", "written");
        Ok(())
    }

    /// Waits for so many bytes, and reports how many there were then; then takes all.
    async fn buffered(
        &self,
        bytes: usize,
        scope: &Scope,
        transport: &dyn HttpTransport,
    ) -> Result<(), AppError> {
        let mut told = false;
        let waited = poll_fn(|cx| {
            let polled = transport.poll_buffered(cx, bytes);
            if polled.is_pending() && !told {
                told = true;
                self.reports.say("transport", "waiting");
            }
            polled
        })
        .await;
        if let Err(gone) = waited {
            self.reports
                .say("transport", format_args!("gone: {gone:?}"));
            return Err(gone.into());
        }
        let mut all = Vec::new();
        let mut there = None;
        let end = poll_fn(|cx| {
            // Without a body there is no event of its end.
            if scope.body == BodyLength::Empty {
                return Poll::Ready("whole".to_owned());
            }
            loop {
                match transport.poll_receive(cx) {
                    Poll::Ready(HttpReceive::Body { bytes, more }) => {
                        all.extend_from_slice(&bytes);
                        if !more {
                            return Poll::Ready("whole".to_owned());
                        }
                    }
                    Poll::Ready(other) => return Poll::Ready(format!("{other:?}")),
                    Poll::Pending => {
                        there.get_or_insert(all.len());
                        return Poll::Pending;
                    }
                }
            }
        })
        .await;
        let there = there.unwrap_or(all.len());
        self.reports.say(
            "transport",
            format_args!("{there} there, {} in all, {end}", all.len()),
        );
        Ok(transport.send(whole(StatusCode::OK, all))?)
    }

    /// What receiving gives once the response is complete.
    async fn finished(&self, transport: &dyn HttpTransport) -> Result<(), AppError> {
        poll_fn(|cx| transport.poll_ready(cx)).await?;
        transport.send(whole(StatusCode::OK, "finished"))?;
        for _ in 0..2 {
            let event = poll_fn(|cx| {
                loop {
                    match transport.poll_receive(cx) {
                        Poll::Ready(HttpReceive::Body { .. }) => {}
                        other => return other,
                    }
                }
            })
            .await;
            self.reports.say("transport", format_args!("{event:?}"));
        }
        Ok(())
    }

    /// Wakers that use the transport when they are woken and when they are dropped: under a lock of its own, that never ends.
    async fn wakers(&self, transport: &Arc<dyn HttpTransport>) -> Result<(), AppError> {
        poll_fn(|cx| transport.poll_ready(cx)).await?;
        transport.send(start("begun\n"))?;
        // Twice: the second drops the first.
        for _ in 0..2 {
            let waker = Waker::from(Arc::new(Curious(Arc::downgrade(transport))));
            let mut cx = Context::from_waker(&waker);
            let _ = transport.poll_receive(&mut cx);
            let _ = transport.poll_buffered(&mut cx, usize::MAX);
            let _ = transport.poll_flush(&mut cx);
            while transport.poll_ready(&mut cx).is_ready() {
                transport.send(body(vec![b'x'; 16 * 1024], true))?;
            }
            drop(waker);
        }
        let waker = Waker::from(Arc::new(Curious(Arc::downgrade(transport))));
        let mut gone = transport.gone();
        let _ = std::pin::Pin::new(&mut gone).poll(&mut Context::from_waker(&waker));
        drop(waker);
        self.reports.say("transport", "registered");
        self.reports.pass("transport").await;
        poll_fn(|cx| transport.poll_ready(cx)).await?;
        drop(gone);
        transport.send(body("the end", false))?;
        self.reports.say("transport", "ended");
        Ok(())
    }
}

/// Uses its transport whenever it can.
struct Curious(Weak<dyn HttpTransport>);

impl Curious {
    fn look(&self) {
        if let Some(transport) = self.0.upgrade() {
            let mut cx = Context::from_waker(Waker::noop());
            let _: Poll<Result<(), Gone>> = transport.poll_flush(&mut cx);
            drop(transport.gone());
            let _ = transport.send(HttpSend::Informational(ResponseHead::new(
                StatusCode::EARLY_HINTS,
            )));
        }
    }
}

impl Wake for Curious {
    fn wake(self: Arc<Self>) {
        self.look();
    }
}

impl Drop for Curious {
    fn drop(&mut self) {
        self.look();
    }
}

/// The scope's exchange in memory, with the client's body and the response handed on by hand.
pub(super) async fn relay_in_memory<F>(
    http: Http,
    call: impl FnOnce(Http) -> F,
) -> Result<Done, AppError>
where
    F: Future<Output = Result<Done, AppError>>,
{
    let (scope, outer) = http.into_transport();
    let (inner, mut events) = Http::in_memory(Scope::clone(&scope));
    let mut call = std::pin::pin!(call(inner));
    let (mut returned, mut all_sent, mut all_received) = (None, false, false);
    poll_fn(|cx| {
        while !all_received {
            let Poll::Ready(event) = outer.poll_receive(cx) else {
                break;
            };
            all_received = matches!(event, HttpReceive::Disconnect(_));
            events.deliver(event);
        }
        if returned.is_none()
            && let Poll::Ready(result) = call.as_mut().poll(cx)
        {
            returned = Some(result);
        }
        while !all_sent {
            if let Poll::Ready(Err(gone)) = outer.poll_ready(cx) {
                return Poll::Ready(Err(AppError::from(gone)));
            }
            match events.poll_sent(cx) {
                Poll::Ready(Some(event)) => outer.send(event)?,
                Poll::Ready(None) => all_sent = true,
                Poll::Pending => break,
            }
        }
        match returned.take() {
            Some(result) if all_sent => Poll::Ready(result),
            result => {
                returned = result;
                Poll::Pending
            }
        }
    })
    .await
}

fn start(first: &'static str) -> HttpSend {
    HttpSend::Start {
        head: ResponseHead::new(StatusCode::OK),
        body: Bytes::from_static(first.as_bytes()),
        more: true,
        trailers: TrailersPlan::None,
    }
}

fn whole(status: StatusCode, body: impl Into<Bytes>) -> HttpSend {
    HttpSend::Start {
        head: ResponseHead::new(status),
        body: body.into(),
        more: false,
        trailers: TrailersPlan::None,
    }
}

fn body(bytes: impl Into<Bytes>, more: bool) -> HttpSend {
    HttpSend::Body {
        bytes: bytes.into(),
        more,
    }
}
