//! A tunnel as a duplex stream of bytes.

use std::io;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use gateway_spec::{AppError, Done, GoneSignal, Tunnel};

use super::body_writer::left;
use super::source::Source;
use super::target::Target;

/// A [`Tunnel`] as a duplex stream of bytes, as a TCP socket is one: `AsyncRead`, `AsyncBufRead` and `AsyncWrite`, tokio's and
/// those of `futures-io`.
///
/// - A read gives what there is, at least one byte, and 0 once the client has closed its direction, as often as asked
///   (HTTP-31). The other direction stays open.
/// - `write` takes as much as there is credit for, at least one byte, and copies it once; `flush` waits until the kernel has
///   all of it.
/// - `shutdown` and `close` close this direction alone, behind all that was written, and wait until the kernel has that;
///   again, they do nothing. What the client still sends can be read.
/// - Dropping it sends what was written and then closes the connection (HTTP-32), and so does the terminal call,
///   [`finish`](Self::finish). `tokio::io::split` and the `split` of futures work: one task may read while another writes.
///
/// # Errors
///
/// A client that is gone for good is `ConnectionReset` for who reads and `BrokenPipe` for who writes, with the reason inside
/// ([`AppError::gone`]). Writing after `shutdown` is `BrokenPipe` too, with no such reason.
///
/// # Panics
///
/// `consume` of more than there is.
///
/// # Cancel safety
///
/// A read or a write that is dropped has moved nothing.
///
/// # Examples
///
/// A proxy: the bytes of an upgraded exchange go to a server and back, until both directions have ended.
///
/// ```
/// # #[cfg(feature = "tokio-io")]
/// # mod example {
/// use adapters::io::TunnelIo;
/// use gateway_spec::{AppError, Done, Http, ResponseHead};
/// use http::{HeaderValue, StatusCode, header};
/// use tokio::io::{AsyncRead, AsyncWrite};
///
/// async fn proxy(http: Http, mut origin: impl AsyncRead + AsyncWrite + Unpin) -> Result<Done, AppError> {
///     let head = ResponseHead::new(StatusCode::SWITCHING_PROTOCOLS)
///         .with_header(header::UPGRADE, HeaderValue::from_static("tcp"));
///     let mut client = TunnelIo::new(http.responder.upgrade(head, http.body).await?);
///     tokio::io::copy_bidirectional(&mut client, &mut origin).await?;
///     client.finish().await
/// }
/// # }
/// ```
#[must_use = "dropping it closes the connection"]
#[derive(Debug)]
pub struct TunnelIo {
    tunnel: Tunnel,
    rest: Bytes,
    sending: Sending,
}

/// The direction to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sending {
    Open,
    /// Its end was sent, and may not be in the kernel yet.
    Ending,
    Ended,
}

impl TunnelIo {
    /// Reads from and writes to this tunnel.
    pub const fn new(tunnel: Tunnel) -> Self {
        Self {
            tunnel,
            rest: Bytes::new(),
            sending: Sending::Open,
        }
    }

    /// Resolves when the client is gone.
    pub fn gone(&self) -> GoneSignal {
        self.tunnel.gone()
    }

    /// Sends what was written and closes. Terminal.
    ///
    /// # Errors
    ///
    /// As [`Tunnel::finish`].
    pub async fn finish(self) -> Result<Done, AppError> {
        self.tunnel.finish().await
    }

    /// Cuts the connection off. Terminal.
    pub fn abort(self) -> Done {
        self.tunnel.abort()
    }

    /// The tunnel, and before it what was taken from it and not read: the rest of a part, empty where a part was read
    /// whole.
    pub fn into_inner(self) -> (Bytes, Tunnel) {
        (self.rest, self.tunnel)
    }
}

impl From<Tunnel> for TunnelIo {
    fn from(tunnel: Tunnel) -> Self {
        Self::new(tunnel)
    }
}

impl Source for TunnelIo {
    type From = Tunnel;

    fn source(&mut self) -> (&mut Bytes, &mut Tunnel) {
        (&mut self.rest, &mut self.tunnel)
    }
}

impl Target for TunnelIo {
    fn poll_take(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.sending != Sending::Open {
            let closed = "this direction of the tunnel was closed";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::BrokenPipe, closed)));
        }
        self.tunnel.poll_write(cx, bytes).map_err(io::Error::from)
    }

    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tunnel.poll_flush(cx).map_err(left)
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.sending == Sending::Open {
            ready!(self.tunnel.poll_shutdown(cx))?;
            self.sending = Sending::Ending;
        }
        if self.sending == Sending::Ending {
            ready!(self.poll_sent(cx))?;
            self.sending = Sending::Ended;
        }
        Poll::Ready(Ok(()))
    }
}
