//! The place of an application in a WebSocket, until the handshake is answered.

use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};

use gateway_spec::{
    Abort, AppError, Done, Gone, Handshake, Http, HttpTransport, Layered, Responder, Response,
    SendError, WebSocket, WebSocketLayer, WebSocketReceive, WebSocketSend, WebSocketTransport,
};

use super::http::{HttpStand, answer_at_once};
use super::stage::{Stage, Start};
use super::{HeadKind, OnHead, Stand};
use crate::middleware::layered_socket;

pub(in crate::middleware) struct SocketStand<H> {
    inner: Arc<dyn WebSocketTransport>,
    /// What the application has taken back, and answers by.
    plain: OnceLock<Arc<dyn HttpTransport>>,
    stage: Stage,
    on_head: H,
}

impl<H: OnHead> SocketStand<H> {
    /// Puts one around a socket.
    pub(in crate::middleware) fn around(
        socket: WebSocket,
        start: Start,
        on_head: H,
    ) -> (WebSocket, Arc<Layered<Self>>) {
        layered_socket(socket, |inner| Self {
            inner,
            plain: OnceLock::new(),
            stage: Stage::shared(start),
            on_head,
        })
    }
}

impl<H: OnHead> Stand for SocketStand<H> {
    const ANSWERS: bool = H::CHANGES;

    fn stage(&self) -> &Stage {
        &self.stage
    }

    async fn answer(&self, response: Response) -> Result<Done, AppError> {
        let response = self.on_head.changed(response);
        match self.plain.get() {
            Some(http) => Responder::over(Arc::clone(http)).respond(response).await,
            None => {
                let handshake = Handshake::new(Arc::clone(&self.inner));
                handshake.deny(response).await
            }
        }
    }

    fn answer_at_once(&self, response: Response) -> Result<(), SendError> {
        let response = self.on_head.changed(response);
        match self.plain.get() {
            Some(http) => answer_at_once(&**http, response),
            None => {
                let mut cx = Context::from_waker(Waker::noop());
                match self.inner.poll_ready(&mut cx) {
                    Poll::Ready(ready) => ready?,
                    Poll::Pending => return Err(SendError::Unsupported),
                }
                self.inner.send(WebSocketSend::Deny(response))
            }
        }
    }

    fn hand_on(&self, why: Abort) {
        match self.plain.get() {
            Some(http) => http.abort(why),
            None => self.inner.abort(why),
        }
    }

    fn cut_off(&self) {
        match self.plain.get() {
            Some(http) if self.stage.is_upgraded() => http.close(),
            Some(http) => http.abort(Abort::Deliberate),
            // With a close frame that says that it is not the client's fault (WS-14).
            None => self.inner.abort(Abort::Dropped),
        }
    }
}

impl<H: OnHead> WebSocketLayer for SocketStand<H> {
    fn inner(&self) -> &dyn WebSocketTransport {
        &*self.inner
    }

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        if self.stage.is_taken() {
            return Poll::Ready(Err(Gone::Aborted));
        }
        self.inner.poll_ready(cx)
    }

    fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<WebSocketReceive> {
        let received = self.inner.poll_receive(cx);
        if let Poll::Ready(WebSocketReceive::Disconnect(_)) = received {
            self.stage.end();
        }
        received
    }

    fn send(&self, mut event: WebSocketSend) -> Result<(), SendError> {
        match &mut event {
            WebSocketSend::Accept(accept) => {
                self.on_head.change(HeadKind::Upgrade, &mut accept.headers);
                self.begin(HeadKind::Upgrade, false, || self.inner.send(event))
            }
            WebSocketSend::Deny(response) => {
                let headers = &mut response.head.headers;
                self.on_head.change(HeadKind::Response, headers);
                self.begin(HeadKind::Response, true, || self.inner.send(event))
            }
            _ if self.stage.is_taken() => Err(Gone::Aborted.into()),
            WebSocketSend::Close(_) => {
                self.inner.send(event)?;
                self.stage.end();
                Ok(())
            }
            _ => self.inner.send(event),
        }
    }

    fn take_http(&self) -> Option<Http> {
        if self.stage.is_taken() {
            return None;
        }
        let http = self.inner.take_http()?;
        let stage = self.stage.same()?;
        let http = http.map_transport(|inner| {
            // Once: the inner transport gives it back once.
            let _ = self.plain.set(Arc::clone(&inner));
            inner
        });
        let (http, _) = HttpStand::with_stage(http, stage, self.on_head.clone());
        Some(http)
    }

    fn abort(&self, why: Abort) {
        self.aborted(why);
    }
}
