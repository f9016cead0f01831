//! What comes before a connection's first byte of HTTP, off the path that accepts: the TLS handshake.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use crate::clock::Alarm;
use crate::stream::{Socket, Stream, TlsStream};
use crate::tls::Identity;
use crate::worker::Worker;
use crate::{Context, Shutdown};

/// What a connection has to pass.
#[derive(Debug, Clone)]
pub(crate) struct Passage {
    pub(crate) identity: Option<Arc<Identity>>,
}

impl Passage {
    /// Whether HTTP begins at once.
    pub(crate) const fn is_open(&self) -> bool {
        self.identity.is_none()
    }

    /// Takes a connection to where HTTP begins. `None` if it is not worth going on with.
    pub(crate) async fn pass(
        self,
        socket: Socket,
        mut context: Context,
        worker: &Worker,
    ) -> Option<(Stream, Context)> {
        let alarm = worker.clock.alarm();
        let after = worker.settings.timeouts.handshake;
        alarm.set(worker.clock.deadline(after));
        worker
            .handshakes
            .note(&alarm, worker.settings.limits.handshakes);
        let client = context.info().client.clone();
        let passing = self.go(socket, &mut context);
        let why: &dyn std::fmt::Display = match in_time(worker, &alarm, passing).await {
            Some(Ok(stream)) => return Some((stream, context)),
            Some(Err(error)) => &error.to_string(),
            None => &"it took too long",
        };
        // Scanners and clients that trust somebody else are none of the operator's business, until it is asked for.
        if let Some(client) = client {
            tracing::debug!(%client, "no connection: {why}");
        }
        None
    }

    async fn go(self, socket: Socket, context: &mut Context) -> io::Result<Stream> {
        match self.identity {
            None => Ok(Stream::clear_text(socket)),
            Some(identity) => {
                let (tls, info) = handshake(socket, &identity).await?;
                context.set_tls(info);
                Ok(Stream::tls(tls))
            }
        }
    }
}

async fn handshake(
    socket: Socket,
    identity: &Identity,
) -> io::Result<(Box<TlsStream>, gateway_spec::TlsInfo)> {
    let (session, chosen) = identity.begin().map_err(io::Error::other)?;
    let mut tls = Box::new(TlsStream::new(socket, session));
    poll_fn(|cx| tls.poll_handshake(cx)).await?;
    let info = chosen.info(tls.session());
    Ok((tls, info))
}

/// Waits until the alarm is due, or the shutdown leaves no time.
async fn in_time<T>(worker: &Worker, alarm: &Alarm, passing: impl Future<Output = T>) -> Option<T> {
    let mut passing = pin!(passing);
    poll_fn(|cx| {
        alarm.register(cx.waker());
        let shutdown = worker.shutdown();
        if shutdown != Shutdown::No {
            alarm.hurry(worker.heads_until());
        }
        if shutdown == Shutdown::Forced || alarm.is_due(worker.clock.now()) {
            return Poll::Ready(None);
        }
        passing.as_mut().poll(cx).map(Some)
    })
    .await
}
