//! The routes that show how a response flows: parts, backpressure, leaving clients, the drain.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use gateway_spec::bytes::Bytes;
use gateway_spec::types::StatusCode;
use gateway_spec::{AppError, Done, Http, HttpReceive, Responder, Scope, SendError, Writer};
use tokio::time::{sleep, timeout};

use super::Routes;
use super::reports::Reports;

/// The size of the parts that `/stall`, `/fill` and `/endless` write, in bytes.
const PART: usize = 4 * 1024;

/// A writer that could not write for so long counts as stalled. Short: it only has to outlast a busy moment of the machine,
/// and one that is taken for stalled too early shows a smaller buffer than there is.
const STALLED: Duration = Duration::from_millis(500);

/// How long the application works on something while the server drains.
const WORK: Duration = Duration::from_millis(50);

/// What `/fill` and `/stall` give up at, in bytes: far over every bound, so that a server without one does not run out of
/// memory.
const RUNAWAY: usize = 64 * 1024 * 1024;

/// How many events `/receive` asks for at the most.
const RECEIVED: usize = 20;

impl Routes {
    /// Reports the first reason for which the client is gone, and answers all the same.
    pub(super) async fn gone(&self, responder: Responder) -> Result<Done, AppError> {
        self.reports.say("gone", "waiting");
        self.reports
            .say("gone", format_args!("{:?}", responder.gone().await));
        responder.respond("answered all the same").await
    }

    /// Never answers and never returns; says when its client leaves, and when it is dropped.
    pub(super) async fn never(&self, responder: Responder) -> Result<Done, AppError> {
        let _guard = Dropped(Arc::clone(&self.reports));
        self.reports.say("never", "waiting");
        let gone = responder.gone().await;
        self.reports.say("never", format_args!("gone: {gone}"));
        std::future::pending().await
    }

    /// Has a task report why the exchange ended, which holds nothing of it but the signal; answers meanwhile.
    pub(super) async fn watched(&self, responder: Responder) -> Result<Done, AppError> {
        let (gone, reports) = (responder.gone(), Arc::clone(&self.reports));
        tokio::spawn(async move { reports.say("watch", format_args!("{:?}", gone.await)) });
        responder.respond("watched").await
    }

    /// Reports each reason until the final one.
    pub(super) async fn gone_for_good(&self, responder: Responder) -> Result<Done, AppError> {
        self.reports.say("gone", "waiting");
        let mut gone = responder.gone();
        loop {
            let why = (&mut gone).await;
            self.reports.say("gone", format_args!("{why:?}"));
            if why.is_final() {
                return Ok(responder.abort());
            }
        }
    }

    /// Reports each event that is received but parts of the body, until the final one has come twice, or there were too
    /// many.
    pub(super) async fn receive(&self, http: Http) -> Result<Done, AppError> {
        let (scope, transport) = http.into_transport();
        let mut finals = 0;
        for _ in 0..RECEIVED {
            let line = match poll_fn(|cx| transport.poll_receive(cx)).await {
                HttpReceive::Body { more: true, .. } => continue,
                HttpReceive::Body { more: false, .. } => "the body ended".to_owned(),
                HttpReceive::Disconnect(why) => {
                    finals += usize::from(why.is_final());
                    format!("disconnect {why:?}")
                }
                other => format!("{other:?}"),
            };
            self.reports.say("receive", line);
            if finals == 2 {
                break;
            }
        }
        Ok(Http::new(scope, transport).responder.abort())
    }

    /// A stream whose chunks the case paces by opening a gate.
    pub(super) async fn chunks(
        &self,
        count: usize,
        responder: Responder,
    ) -> Result<Done, AppError> {
        let mut writer = responder.start(StatusCode::OK).await?;
        for n in 0..count {
            self.reports.pass("chunk").await;
            writer.write(format!("chunk {n}\n")).await?;
        }
        self.reports.pass("chunk").await;
        writer.finish().await
    }

    /// Writes until the client is gone, and reports why it ended.
    pub(super) async fn endless(&self, responder: Responder) -> Result<Done, AppError> {
        let mut writer = responder.start(StatusCode::OK).await?;
        self.reports.say("endless", "started");
        let error = loop {
            if let Err(error) = writer.write(part()).await {
                break error;
            }
        };
        self.reports.say("endless", format_args!("{error:?}"));
        Err(error.into())
    }

    /// Writes until the client is too slow, reports how many bytes that were, and ends when the client has read.
    pub(super) async fn stall(&self, responder: Responder) -> Result<Done, AppError> {
        let mut writer = responder.start(StatusCode::OK).await?;
        let written = write_until_stalled(&mut writer).await?;
        self.reports.say("stall", written);
        writer.write("the end").await?;
        writer.finish().await
    }

    /// Writes until the client is too slow, has a task of its own wait for the kernel to have it all, and reports how that ended.
    pub(super) async fn flush(&self, responder: Responder) -> Result<Done, AppError> {
        let mut writer = responder.start(StatusCode::OK).await?;
        write_until_stalled(&mut writer).await?;
        self.reports.say("flush", "stalled");
        let flushing = tokio::spawn(async move {
            let flushed = writer.flush().await;
            (format!("{flushed:?}"), writer)
        });
        let (flushed, writer) = flushing.await?;
        self.reports.say("flush", flushed);
        writer.finish().await
    }

    /// Reports how many bytes are accepted at once, without giving the server a turn to send any: its own buffer.
    pub(super) async fn fill(&self, responder: Responder) -> Result<Done, AppError> {
        let mut writer = responder.start(StatusCode::OK).await?;
        let accepted = poll_fn(|cx| {
            let mut accepted = 0;
            loop {
                match pin!(writer.ready()).poll(cx) {
                    Poll::Pending => return Poll::Ready(Ok(accepted)),
                    Poll::Ready(Err(gone)) => return Poll::Ready(Err(SendError::from(gone))),
                    Poll::Ready(Ok(())) => {}
                }
                if let Err(error) = writer.send(part()) {
                    return Poll::Ready(Err(error));
                }
                accepted += PART;
                if accepted > RUNAWAY {
                    return Poll::Ready(Ok(accepted));
                }
            }
        })
        .await?;
        self.reports.say("fill", accepted);
        self.reports.pass("fill").await;
        writer.finish().await
    }

    /// Its timers go on while the client does not read.
    pub(super) async fn ticks(&self, responder: Responder) -> Result<Done, AppError> {
        let mut writer = responder.start(StatusCode::OK).await?;
        write_until_stalled(&mut writer).await?;
        self.reports.say("ticks", "stalled");
        let mut blocked = pin!(writer.ready());
        for n in 0..10 {
            match timeout(Duration::from_millis(5), &mut blocked).await {
                Err(_) => self.reports.say("ticks", n),
                Ok(_) => break,
            }
        }
        self.reports.pass("ticks").await;
        writer.finish().await
    }

    /// What it does once the server drains. It tells by the log: no second connection can ask then.
    pub(super) async fn drain(
        &self,
        how: &[&str],
        scope: &Scope,
        responder: Responder,
    ) -> Result<Done, AppError> {
        match how {
            ["answer"] => {
                self.reports.say("drain", "waiting");
                scope.drain().await;
                sleep(WORK).await;
                return responder.respond("answered while draining").await;
            }
            ["work"] => {
                let done = responder.respond("answered").await;
                scope.drain().await;
                sleep(WORK).await;
                eprintln!("peer: the work has ended");
                return done;
            }
            _ => {}
        }
        let mut writer = responder.start(StatusCode::OK).await?;
        writer.write("open\n").await?;
        writer.flush().await?;
        if how == ["ignored"] {
            let left = scope
                .drain()
                .await
                .saturating_duration_since(Instant::now());
            eprintln!("peer: the deadline is in {} ms", left.as_millis());
            let why = writer.gone().await;
            eprintln!("peer: gone by {why:?}");
            return Err(why.into());
        }
        scope.drain().await;
        eprintln!("peer: draining");
        for n in 0..3 {
            sleep(WORK).await;
            writer.write(format!("drained {n}\n")).await?;
        }
        eprintln!("peer: drained");
        writer.finish().await
    }
}

async fn write_until_stalled<K>(writer: &mut Writer<K>) -> Result<usize, SendError> {
    let mut written = 0;
    loop {
        match timeout(STALLED, writer.ready()).await {
            Err(_) => return Ok(written),
            Ok(ready) => ready?,
        }
        writer.send(part())?;
        written += PART;
        if written > RUNAWAY {
            return Ok(written);
        }
    }
}

fn part() -> Bytes {
    Bytes::from_static(&[b'x'; PART])
}

/// Tells of a future that was dropped. By the log too: while the server drains no second connection can ask.
struct Dropped(Arc<Reports>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.say("never", "dropped");
        eprintln!("peer: dropped");
    }
}
