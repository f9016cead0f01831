//! Between the application and a right server: an exchange whose events go wrong.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use gateway_spec::bytes::Bytes;
use gateway_spec::types::StatusCode;
use gateway_spec::{
    Abort, Gone, GoneSignal, Http, HttpLayer, HttpReceive, HttpSend, HttpTransport, Layered,
    ResponseHead, SendError, TrailersPlan,
};
use tokio::task;

/// What a wrong server does where a right one would hand on: each hook of a layer, faithful unless it is set.
#[derive(Clone, Copy)]
pub(crate) struct Exchange {
    /// When the exchange begins.
    pub(crate) begin: fn(&Layer),
    /// With what the client sent.
    pub(crate) received: fn(&Layer, HttpReceive) -> HttpReceive,
    /// When the application asks to receive nothing more.
    pub(crate) stop: fn(&Layer),
    /// When the application asks for credit.
    pub(crate) ready: fn(&Layer, &mut Context<'_>) -> Poll<Result<(), Gone>>,
    /// With what the application sends.
    pub(crate) send: fn(&Layer, HttpSend) -> Result<(), SendError>,
    /// When the application writes bytes.
    pub(crate) write: fn(&Layer, &mut Context<'_>, &[u8]) -> Written,
    /// When the application waits for so many bytes to be buffered.
    pub(crate) buffered: fn(&Layer, &mut Context<'_>, usize) -> Poll<Result<(), Gone>>,
    /// When the application asks for a waiter.
    pub(crate) gone: fn(&Layer) -> GoneSignal,
    /// When a tunnel is dropped.
    pub(crate) close: fn(&Layer),
    /// When the application gives up.
    pub(crate) abort: fn(&Layer, Abort),
}

/// How many bytes were accepted.
pub(crate) type Written = Poll<Result<usize, SendError>>;

/// Nothing goes wrong.
pub(crate) const FAITHFUL: Exchange = Exchange {
    begin: |_| {},
    received: |_, event| event,
    stop: |layer| layer.inner.stop_receiving(),
    ready: |layer, cx| layer.inner.poll_ready(cx),
    send: |layer, event| layer.inner.send(event),
    write: |layer, cx, bytes| layer.inner.poll_write(cx, bytes),
    buffered: |layer, cx, n| layer.inner.poll_buffered(cx, n),
    gone: |layer| layer.inner.gone(),
    close: |layer| layer.inner.close(),
    abort: |layer, why| layer.inner.abort(why),
};

/// The exchange with this in between.
pub(crate) fn wrap(http: Http, exchange: Exchange) -> Http {
    http.map_transport(|inner| {
        let layer = Layer {
            exchange,
            inner,
            held: Mutex::new(None),
            task: task::try_id(),
        };
        (layer.exchange.begin)(&layer);
        Arc::new(Layered(layer))
    })
}

pub(crate) struct Layer {
    exchange: Exchange,
    pub(crate) inner: Arc<dyn HttpTransport>,
    /// The task that the exchange began in.
    pub(crate) task: Option<task::Id>,
    /// An event that a fault holds back.
    pub(crate) held: Mutex<Option<HttpSend>>,
}

impl HttpLayer for Layer {
    fn inner(&self) -> &dyn HttpTransport {
        &*self.inner
    }

    fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<HttpReceive> {
        let event = self.inner.poll_receive(cx);
        event.map(|event| (self.exchange.received)(self, event))
    }

    fn stop_receiving(&self) {
        (self.exchange.stop)(self);
    }

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        (self.exchange.ready)(self, cx)
    }

    fn send(&self, event: HttpSend) -> Result<(), SendError> {
        (self.exchange.send)(self, event)
    }

    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, SendError>> {
        (self.exchange.write)(self, cx, bytes)
    }

    fn poll_buffered(&self, cx: &mut Context<'_>, n: usize) -> Poll<Result<(), Gone>> {
        (self.exchange.buffered)(self, cx, n)
    }

    fn gone(&self) -> GoneSignal {
        (self.exchange.gone)(self)
    }

    fn close(&self) {
        (self.exchange.close)(self);
    }

    fn abort(&self, why: Abort) {
        (self.exchange.abort)(self, why);
    }
}

/// Holds back each event that this is true of, until the next event.
pub(crate) fn hold(
    layer: &Layer,
    event: HttpSend,
    is_held: fn(&HttpSend) -> bool,
) -> Result<(), SendError> {
    let mut held = layer.held.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(earlier) = held.take() {
        layer.inner.send(earlier)?;
    }
    if is_held(&event) {
        *held = Some(event);
        return Ok(());
    }
    layer.inner.send(event)
}

/// Answers what was forgotten by an empty success, as if the application had said so.
pub(crate) fn answer_for(layer: &Layer, why: Abort) {
    let empty = HttpSend::Start {
        head: ResponseHead::new(StatusCode::OK),
        body: Bytes::new(),
        more: false,
        trailers: TrailersPlan::None,
    };
    if why == Abort::Deliberate || layer.inner.send(empty).is_err() {
        layer.inner.abort(why);
    }
}
