//! The routes that show what an application may count on: scopes that are kept, bodies that are read in odd ways, a runtime.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use gateway_spec::types::{HeaderName, HeaderValue, header};
use gateway_spec::{AppError, Done, RequestBody, Responder, Response, Scope};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use super::Routes;
use super::describe::describe;

impl Routes {
    /// Keeps its scope beyond its exchange, and reports it when its gate is opened.
    pub(super) async fn kept(&self, scope: Scope, responder: Responder) -> Result<Done, AppError> {
        let described = describe(&scope);
        let reports = Arc::clone(&self.reports);
        tokio::spawn(async move {
            reports.pass("kept").await;
            reports.say("kept", describe(&scope));
        });
        responder.respond(described).await
    }

    /// Reads in one task, drops its scope on a thread, and answers from another task.
    pub(super) async fn split(
        &self,
        scope: Scope,
        mut body: RequestBody,
        responder: Responder,
    ) -> Result<Done, AppError> {
        let reading = tokio::spawn(async move { body.collect(1024 * 1024).await });
        let described = thread::spawn(move || scope.path().to_owned());
        let all = reading.await??;
        let path = described
            .join()
            .map_err(|_| AppError::message("the thread panicked"))?;
        let answering = tokio::spawn(async move {
            let text = format!("{path} {}", all.escape_ascii());
            responder.respond(text).await
        });
        answering.await?
    }

    /// Asks for each part, lets go of the asking before it is there, and asks again.
    pub(super) async fn dropped_chunks(
        &self,
        mut body: RequestBody,
        responder: Responder,
    ) -> Result<Done, AppError> {
        let mut all = Vec::new();
        let mut dropped = 0;
        loop {
            // A future that was not ready is dropped here.
            let asked = {
                let mut cx = Context::from_waker(Waker::noop());
                pin!(body.chunk()).poll(&mut cx)
            };
            match asked {
                Poll::Ready(Ok(Some(part))) => all.extend_from_slice(&part),
                Poll::Ready(Ok(None)) => break,
                Poll::Ready(Err(error)) => return Err(error.into()),
                Poll::Pending => {
                    dropped += 1;
                    self.reports.say("dropped-chunks", dropped);
                    body.buffered(1).await?;
                }
            }
        }
        let again = [body.chunk().await?, body.chunk().await?];
        self.reports
            .say("dropped-chunks", format_args!("at the end {again:?}"));
        responder.respond(all).await
    }
}

/// Time, I/O and tasks, as tokio has them.
pub(super) async fn runtime(responder: Responder) -> Result<Done, AppError> {
    sleep(Duration::from_millis(1)).await;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let connecting = tokio::spawn(TcpStream::connect(address));
    let _accepted = listener.accept().await?;
    let _connected = connecting.await??;
    responder.respond("time and io").await
}

/// What looks as if a server could do something with it.
pub(super) async fn representation(responder: Responder) -> Result<Done, AppError> {
    let value = HeaderValue::from_static;
    let response = Response::new(vec![b'a'; 10_000])
        .with_header(header::CONTENT_TYPE, value("text/plain"))
        .with_header(header::CONTENT_ENCODING, value("gzip"))
        .with_header(header::ETAG, value("\"one\""))
        .with_header(header::ACCEPT_RANGES, value("bytes"))
        .with_header(
            header::LAST_MODIFIED,
            value("Thu, 01 Jan 1970 00:00:00 GMT"),
        )
        .with_header(HeaderName::from_static("vary"), value("accept-encoding"));
    responder.respond(response).await
}
