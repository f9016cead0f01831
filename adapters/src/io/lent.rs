//! A tunnel in the hands of code that keeps it.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use gateway_spec::Tunnel;
use tokio::sync::oneshot;

use super::TunnelIo;
use super::source::Source;
use super::target::Target;

impl TunnelIo {
    /// Lends it to code that wants to own what it reads and writes, such as the implementation of a protocol in a task of
    /// its own. Whatever becomes of it there, it comes back when it is dropped, for its terminal call.
    ///
    /// # Examples
    ///
    /// ```
    /// use adapters::io::{LentTunnel, TunnelIo};
    /// use gateway_spec::{AppError, Done, Tunnel};
    ///
    /// /// Somebody's protocol.
    /// fn serve_in_the_background(io: LentTunnel) {
    ///     drop(io);
    /// }
    ///
    /// async fn host(tunnel: Tunnel) -> Result<Done, AppError> {
    ///     let (io, returned) = TunnelIo::new(tunnel).lend();
    ///     serve_in_the_background(io);
    ///     returned.await.finish().await
    /// }
    /// # let _ = host;
    /// ```
    pub fn lend(self) -> (LentTunnel, Returned) {
        let (home, returned) = oneshot::channel();
        let lent = LentTunnel {
            lent: Some((self, home)),
        };
        (lent, Returned { returned })
    }
}

/// A [`TunnelIo`] that goes back to whoever [lent](TunnelIo::lend) it when it is dropped. It reads and writes as
/// [`TunnelIo`] does.
///
/// If nobody waits for it any more, dropping it closes the connection, as dropping a [`TunnelIo`] does.
///
/// # Examples
///
/// ```
/// use adapters::io::{LentTunnel, TunnelIo};
///
/// fn lend(io: TunnelIo) -> LentTunnel {
///     let (lent, _nobody_waits) = io.lend();
///     lent
/// }
/// # let _ = lend;
/// ```
pub struct LentTunnel {
    // Empty only while it is dropped.
    lent: Option<(TunnelIo, oneshot::Sender<TunnelIo>)>,
}

impl LentTunnel {
    fn io(&mut self) -> &mut TunnelIo {
        let (io, _) = self.lent.as_mut().expect("only `drop` empties it");
        io
    }
}

impl Source for LentTunnel {
    type From = Tunnel;

    fn source(&mut self) -> (&mut Bytes, &mut Tunnel) {
        self.io().source()
    }
}

impl Target for LentTunnel {
    fn poll_take(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.io().poll_take(cx, bytes)
    }

    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io().poll_sent(cx)
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io().poll_end(cx)
    }
}

impl Drop for LentTunnel {
    fn drop(&mut self) {
        if let Some((io, home)) = self.lent.take() {
            // Nobody waits for it: it is dropped here, and with it the connection is closed.
            let _ = home.send(io);
        }
    }
}

impl fmt::Debug for LentTunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LentTunnel").finish_non_exhaustive()
    }
}

/// Resolves with a [`TunnelIo`] that was [lent](TunnelIo::lend), once it is given back.
///
/// # Cancel safety
///
/// Dropped before, the tunnel is closed when it would have come back.
///
/// # Examples
///
/// ```
/// use adapters::io::Returned;
/// use gateway_spec::{AppError, Done};
///
/// async fn end(returned: Returned) -> Result<Done, AppError> {
///     returned.await.finish().await
/// }
/// # let _ = end;
/// ```
#[must_use = "the tunnel is closed if nobody waits for it"]
#[derive(Debug)]
pub struct Returned {
    returned: oneshot::Receiver<TunnelIo>,
}

impl Future for Returned {
    type Output = TunnelIo;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<TunnelIo> {
        Pin::new(&mut self.returned)
            .poll(cx)
            .map(|returned| returned.expect("`drop` sends it before the sender is gone"))
    }
}
