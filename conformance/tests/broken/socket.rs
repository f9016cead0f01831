//! Between the application and a right server: a WebSocket whose events go wrong.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll};

use gateway_spec::{
    Abort, Gone, GoneSignal, Http, SendError, WebSocket, WebSocketReceive, WebSocketSend,
    WebSocketTransport,
};

/// What a wrong server does where a right one would hand on, as [`Exchange`](crate::exchange::Exchange).
#[derive(Clone, Copy)]
pub(crate) struct Socket {
    /// When the handshake begins.
    pub(crate) begin: fn(&Layer),
    /// With what the client sent.
    pub(crate) received: fn(&Layer, WebSocketReceive) -> WebSocketReceive,
    /// When the application asks for credit.
    pub(crate) ready: fn(&Layer, &mut Context<'_>) -> Poll<Result<(), Gone>>,
    /// When the application waits for the kernel to have everything.
    pub(crate) flush: fn(&Layer, &mut Context<'_>) -> Poll<Result<(), Gone>>,
    /// With what the application sends.
    pub(crate) send: fn(&Layer, WebSocketSend) -> Result<(), SendError>,
    /// When the application asks for the plain exchange.
    pub(crate) take_http: fn(&Layer) -> Option<Http>,
    /// When the application gives up.
    pub(crate) abort: fn(&Layer, Abort),
}

/// Nothing goes wrong.
pub(crate) const FAITHFUL: Socket = Socket {
    begin: |_| {},
    received: |_, event| event,
    ready: |layer, cx| layer.inner.poll_ready(cx),
    flush: |layer, cx| layer.inner.poll_flush(cx),
    send: |layer, event| layer.inner.send(event),
    take_http: |layer| layer.inner.take_http(),
    abort: |layer, why| layer.inner.abort(why),
};

/// The WebSocket with this in between.
pub(crate) fn wrap(websocket: WebSocket, socket: Socket) -> WebSocket {
    websocket.map_transport(|inner| {
        let layer = Layer {
            socket,
            inner,
            before: AtomicBool::new(false),
        };
        (layer.socket.begin)(&layer);
        Arc::new(layer)
    })
}

pub(crate) struct Layer {
    socket: Socket,
    pub(crate) inner: Arc<dyn WebSocketTransport>,
    /// Whether the fault has struck before: for those that strike once.
    pub(crate) before: AtomicBool,
}

impl WebSocketTransport for Layer {
    fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<WebSocketReceive> {
        let event = self.inner.poll_receive(cx);
        event.map(|event| (self.socket.received)(self, event))
    }

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        (self.socket.ready)(self, cx)
    }

    fn send(&self, event: WebSocketSend) -> Result<(), SendError> {
        (self.socket.send)(self, event)
    }

    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        (self.socket.flush)(self, cx)
    }

    fn gone(&self) -> GoneSignal {
        self.inner.gone()
    }

    fn take_http(&self) -> Option<Http> {
        (self.socket.take_http)(self)
    }

    fn abort(&self, why: Abort) {
        (self.socket.abort)(self, why);
    }
}
