//! The place of an application in a plain exchange.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use gateway_spec::{
    Abort, AppError, Done, Gone, Http, HttpLayer, HttpSend, HttpTransport, Layered, Responder,
    Response, SendError, TrailersPlan,
};

use super::stage::{Stage, Start};
use super::{HeadKind, OnHead, Stand};
use crate::middleware::layered;

pub(in crate::middleware) struct HttpStand<H> {
    inner: Arc<dyn HttpTransport>,
    stage: Stage,
    on_head: H,
}

impl<H: OnHead> HttpStand<H> {
    /// Puts one around an exchange.
    pub(in crate::middleware) fn around(
        http: Http,
        start: Start,
        on_head: H,
    ) -> (Http, Arc<Layered<Self>>) {
        Self::with_stage(http, Stage::new(start), on_head)
    }

    pub(super) fn with_stage(http: Http, stage: Stage, on_head: H) -> (Http, Arc<Layered<Self>>) {
        layered(http, |inner| Self {
            inner,
            stage,
            on_head,
        })
    }
}

impl<H: OnHead> Stand for HttpStand<H> {
    const ANSWERS: bool = H::CHANGES;

    fn stage(&self) -> &Stage {
        &self.stage
    }

    async fn answer(&self, response: Response) -> Result<Done, AppError> {
        let responder = Responder::over(Arc::clone(&self.inner));
        responder.respond(self.on_head.changed(response)).await
    }

    fn answer_at_once(&self, response: Response) -> Result<(), SendError> {
        answer_at_once(&*self.inner, self.on_head.changed(response))
    }

    fn hand_on(&self, why: Abort) {
        self.inner.abort(why);
    }

    fn cut_off(&self) {
        if self.stage.is_upgraded() {
            self.inner.close();
        } else {
            self.inner.abort(Abort::Deliberate);
        }
    }
}

/// Nothing but informational responses can be before it, so there is credit.
pub(super) fn answer_at_once(
    transport: &dyn HttpTransport,
    response: Response,
) -> Result<(), SendError> {
    let mut cx = Context::from_waker(Waker::noop());
    match transport.poll_ready(&mut cx) {
        Poll::Ready(ready) => ready?,
        Poll::Pending => return Err(SendError::Unsupported),
    }
    let Response { head, body, .. } = response;
    transport.send(HttpSend::Start {
        head,
        body,
        more: false,
        trailers: TrailersPlan::None,
    })
}

impl<H: OnHead> HttpLayer for HttpStand<H> {
    fn inner(&self) -> &dyn HttpTransport {
        &*self.inner
    }

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        if self.stage.is_taken() {
            return Poll::Ready(Err(Gone::Aborted));
        }
        self.inner.poll_ready(cx)
    }

    fn send(&self, mut event: HttpSend) -> Result<(), SendError> {
        match &mut event {
            HttpSend::Start { head, more, .. } => {
                let ends = !*more;
                self.on_head.change(HeadKind::Response, &mut head.headers);
                return self.begin(HeadKind::Response, ends, || self.inner.send(event));
            }
            HttpSend::Upgrade { head } => {
                self.on_head.change(HeadKind::Upgrade, &mut head.headers);
                return self.begin(HeadKind::Upgrade, false, || self.inner.send(event));
            }
            _ if self.stage.is_taken() => return Err(Gone::Aborted.into()),
            _ => {}
        }
        // A tunnel goes on after its direction to the client has ended.
        let ends = matches!(
            event,
            HttpSend::Body { more: false, .. } | HttpSend::Trailers(_)
        ) && !self.stage.is_upgraded();
        self.inner.send(event)?;
        if ends {
            self.stage.end();
        }
        Ok(())
    }

    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, SendError>> {
        if self.stage.is_taken() {
            return Poll::Ready(Err(Gone::Aborted.into()));
        }
        self.inner.poll_write(cx, bytes)
    }

    fn close(&self) {
        if !self.stage.is_taken() {
            self.inner.close();
            self.stage.end();
        }
    }

    fn abort(&self, why: Abort) {
        self.aborted(why);
    }
}
