//! A connection's bytes: what both servers read and write.

mod send_file;
mod socket;
mod tls;

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BytesMut;
use gateway_spec::FileRegion;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub use send_file::is_of_file;
pub(crate) use socket::{Family, Socket};
pub(crate) use tls::TlsStream;

/// A connection that was accepted. It knows its socket, so that a client that leaves is noticed without reading.
#[derive(Debug)]
pub struct Stream {
    kind: Kind,
}

/// What lies between the bytes and the socket: known at compile time, so that clear text pays one comparison for it.
#[derive(Debug)]
enum Kind {
    ClearText(Socket),
    Tls(Box<TlsStream>),
}

/// What a socket tells of its client without being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerState {
    /// Nothing has ended.
    Open,
    /// The client has stopped sending, after what can still be read.
    HalfClosed,
    /// The connection is broken.
    Broken,
}

impl Stream {
    pub(crate) const fn clear_text(socket: Socket) -> Self {
        Self {
            kind: Kind::ClearText(socket),
        }
    }

    pub(crate) const fn tls(tls: Box<TlsStream>) -> Self {
        Self {
            kind: Kind::Tls(tls),
        }
    }

    /// Reads into the spare capacity of `buffer`, which must have some; 0 is the end.
    ///
    /// # Errors
    ///
    /// If the connection is broken; of TLS also if it ends without a goodbye, as one does that somebody has cut off.
    #[inline]
    pub fn poll_read_into(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        match &mut self.kind {
            Kind::ClearText(socket) => socket.poll_read_into(cx, buffer),
            Kind::Tls(tls) => tls.poll_read_into(cx, buffer),
        }
    }

    /// As its [`AsyncRead`], but without a look at the task's budget: for a connection that has one of its own. How many bytes came; 0
    /// is the end.
    ///
    /// # Errors
    ///
    /// As [`poll_read_into`](Self::poll_read_into).
    #[inline]
    pub fn poll_read_unbudgeted(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        match &mut self.kind {
            Kind::ClearText(socket) => socket.poll_read_unbudgeted(cx, into),
            Kind::Tls(tls) => {
                let before = into.filled().len();
                let read = tls.poll_read(cx, into);
                read.map_ok(|()| into.filled().len() - before)
            }
        }
    }

    /// The socket, if nothing lies between it and the bytes.
    #[inline]
    pub(crate) const fn bare(&self) -> Option<&Socket> {
        match &self.kind {
            Kind::ClearText(socket) => Some(socket),
            Kind::Tls(_) => None,
        }
    }

    /// Waits until there may be something to read: no system call.
    ///
    /// # Errors
    ///
    /// If the runtime shuts down.
    #[inline]
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.kind {
            Kind::ClearText(socket) => socket.poll_readable(cx),
            Kind::Tls(tls) if tls.has_input() => Poll::Ready(Ok(())),
            Kind::Tls(tls) => tls.socket().poll_readable(cx),
        }
    }

    /// Looks at the readiness that the runtime already knows: nothing consumed, and no system call but where TLS may have ended
    /// without its goodbye.
    pub fn peer_state(&self, cx: &mut Context<'_>) -> PeerState {
        match &self.kind {
            Kind::ClearText(socket) => socket.peer_state(cx),
            Kind::Tls(tls) => tls.peer_state(cx),
        }
    }

    /// Whether the client has sent something that was not read. Asks the kernel: of a new connection the runtime may not have
    /// heard yet.
    #[must_use]
    pub fn has_unread(&self) -> bool {
        match &self.kind {
            Kind::ClearText(socket) => socket.has_unread(),
            Kind::Tls(tls) => tls.has_input() || tls.socket().has_unread(),
        }
    }

    /// Whether the kernel can send parts of files by itself: not where TLS lies between the bytes and the socket.
    #[inline]
    #[must_use]
    pub const fn sends_files(&self) -> bool {
        cfg!(target_os = "linux") && matches!(self.kind, Kind::ClearText(_))
    }

    /// Has the kernel send a part of a file from where it is, as much as the socket takes. Only where it
    /// [can](Self::sends_files).
    ///
    /// # Errors
    ///
    /// If the connection is broken; if the file cannot be read, or has become shorter than that, an error that is
    /// [no connection's](is_of_file).
    pub fn poll_send_file(
        &mut self,
        cx: &mut Context<'_>,
        region: &FileRegion,
    ) -> Poll<io::Result<usize>> {
        match &self.kind {
            Kind::ClearText(socket) => send_file::poll(socket, cx, region),
            Kind::Tls(_) => Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
        }
    }

    /// Makes the close of this connection a reset: the client sees at once that something was cut off. Of a unix socket it
    /// sees an end, for there are no resets.
    pub fn reset_on_close(&self) {
        match &self.kind {
            Kind::ClearText(socket) => socket.reset_on_close(),
            Kind::Tls(tls) => tls.cut_off(),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.kind {
            Kind::ClearText(socket) => Pin::new(socket).poll_read(cx, into),
            Kind::Tls(tls) => tls.poll_read(cx, into),
        }
    }
}

impl AsyncWrite for Stream {
    /// After `Pending`, the next write must begin with the same bytes, as [`Output`](crate::Output) sees to: of TLS, they may be
    /// encrypted already.
    #[inline]
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.kind {
            Kind::ClearText(socket) => Pin::new(socket).poll_write(cx, bytes),
            Kind::Tls(tls) => tls.poll_write_slices(cx, &[IoSlice::new(bytes)]),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.kind {
            Kind::ClearText(socket) => Pin::new(socket).poll_write_vectored(cx, slices),
            Kind::Tls(tls) => tls.poll_write_slices(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What was written is the kernel's.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.kind {
            Kind::ClearText(socket) => Pin::new(socket).poll_shutdown(cx),
            Kind::Tls(tls) => tls.poll_end(cx),
        }
    }
}
