//! `hyper::upgrade::OnUpgrade` on a server that is not hyper.
//!
//! Only hyper can make one, so hyper does: an [`Offer`] is a connection of hyper's over an [`Io`] in memory, from which it
//! reads a canned request, and whose one handler hands its `OnUpgrade` to the service. When the service has answered,
//! the handler answers 101 too; hyper writes that into the [`Io`], which swallows it, gives the [`Io`] to whoever waits for
//! the upgrade, and is gone. From then on the [`Io`] is the tunnel, with neither a task nor a pipe between.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use gateway_spec::{AppError, Scope, Tunnel};
use http::header::{CONNECTION, UPGRADE};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::ext::Protocol;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use tokio::sync::oneshot;

use crate::completion::Completion;
use crate::io::source::Source;
use crate::io::target::Target;
use crate::io::{LentTunnel, TunnelIo};

const REQUEST: &[u8] =
    b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: tunnel\r\n\r\n";

/// What a request that may switch protocols has in its extensions, and the way to fulfil it. Dropped, it is cancelled.
pub(super) struct Offer {
    hyper: Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>,
    shared: Arc<Shared>,
    to_io: oneshot::Sender<LentTunnel>,
}

/// Between an offer and hyper's handler.
struct Shared {
    /// On its way to the request. Nobody else may have one: what nobody takes is dropped only with the last.
    on_upgrade: Mutex<Option<OnUpgrade>>,
    accepted: Completion<()>,
}

impl Shared {
    fn on_upgrade(&self) -> MutexGuard<'_, Option<OnUpgrade>> {
        self.on_upgrade
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Offer {
    /// Puts it into the request's extensions, and beside it the protocol of an extended CONNECT.
    pub(super) fn make<B>(scope: &Scope, request: &mut Request<B>) -> Result<Self, AppError> {
        let shared = Arc::new(Shared {
            on_upgrade: Mutex::default(),
            accepted: Completion::new(),
        });
        let (to_io, tunnel) = oneshot::channel();
        let io = Io::Canned {
            unread: REQUEST,
            written: [0; 4],
            tunnel,
        };
        let mut hyper = serve(io, Arc::clone(&shared));
        // All that it reads is there, so one turn takes it to its handler.
        let turn = hyper.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let (Poll::Pending, Some(on_upgrade)) = (turn, shared.on_upgrade().take()) else {
            return Err(AppError::message("hyper did not offer an upgrade"));
        };
        request.extensions_mut().insert(on_upgrade);
        if let Some(protocol) = scope.protocol.as_deref() {
            request.extensions_mut().insert(Protocol::from(protocol));
        }
        Ok(Self {
            hyper,
            shared,
            to_io,
        })
    }

    /// Gives the tunnel to whoever waits for the upgrade, and back when it was dropped there.
    pub(super) async fn fulfil(self, tunnel: Tunnel) -> Result<TunnelIo, AppError> {
        let (lent, returned) = TunnelIo::new(tunnel).lend();
        // In its place before hyper gives the `Io` away: the service may write from another thread at once.
        if self.to_io.send(lent).is_err() {
            return Err(AppError::message("hyper did not keep its connection"));
        }
        let waker = self.shared.accepted.complete(());
        waker.into_iter().for_each(Waker::wake);
        self.hyper.await?;
        Ok(returned.await)
    }
}

impl fmt::Debug for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offer").finish_non_exhaustive()
    }
}

fn serve(io: Io, shared: Arc<Shared>) -> Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>> {
    let handler = service_fn(move |mut request| {
        *shared.on_upgrade() = Some(hyper::upgrade::on(&mut request));
        let shared = Arc::clone(&shared);
        async move {
            shared.accepted.wait().await;
            let mut response = Response::new(Empty::<Bytes>::new());
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            let upgrade = HeaderValue::from_static("upgrade");
            response.headers_mut().insert(CONNECTION, upgrade);
            let tunnel = HeaderValue::from_static("tunnel");
            response.headers_mut().insert(UPGRADE, tunnel);
            Ok::<_, Infallible>(response)
        }
    });
    Box::pin(
        http1::Builder::new()
            .serve_connection(io, handler)
            .with_upgrades(),
    )
}

/// The connection that hyper reads and writes, and then gives away.
enum Io {
    /// hyper plays its part.
    Canned {
        unread: &'static [u8],
        /// The last bytes of what hyper has written, whose end is an empty line.
        written: [u8; 4],
        tunnel: oneshot::Receiver<LentTunnel>,
    },
    /// The service's.
    Live(LentTunnel),
}

impl Io {
    /// Swallows bytes of hyper's answer; behind its last this is the tunnel.
    fn swallow(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Self::Canned {
            written, tunnel, ..
        } = self
        {
            for &byte in bytes {
                written.rotate_left(1);
                written[3] = byte;
            }
            if written == b"\r\n\r\n" {
                let tunnel = tunnel.try_recv().map_err(io::Error::other)?;
                *self = Self::Live(tunnel);
            }
        }
        Ok(bytes.len())
    }
}

impl Read for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            // Nobody waits for more than the request: hyper is polled when there is something for it to do.
            Self::Canned { unread: [], .. } => Poll::Pending,
            Self::Canned { unread, .. } => {
                let (now, later) = unread.split_at(unread.len().min(buffer.remaining()));
                buffer.put_slice(now);
                *unread = later;
                Poll::Ready(Ok(()))
            }
            Self::Live(tunnel) => tunnel
                .poll_copy(cx, buffer.remaining(), |bytes| buffer.put_slice(bytes))
                .map_ok(|_| ()),
        }
    }
}

impl Write for Io {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Canned { .. } => Poll::Ready(self.swallow(bytes)),
            Self::Live(tunnel) => tunnel.poll_take(cx, bytes),
        }
    }

    /// As of a socket: the kernel has what was written.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Canned { .. } => Poll::Ready(Ok(())),
            Self::Live(tunnel) => tunnel.poll_sent(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Canned { .. } => Poll::Ready(Ok(())),
            Self::Live(tunnel) => tunnel.poll_end(cx),
        }
    }
}
