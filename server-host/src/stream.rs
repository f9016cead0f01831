//! A connection's bytes: what both servers read and write.

mod socket;

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub(crate) use socket::{Family, Socket};

/// A connection that was accepted. It knows its socket, so that a client that leaves is noticed without reading.
#[derive(Debug)]
pub struct Stream {
    socket: Socket,
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
    pub(crate) const fn new(socket: Socket) -> Self {
        Self { socket }
    }

    /// Reads into the spare capacity of `buffer`, which must have some; 0 is the end.
    ///
    /// # Errors
    ///
    /// If the connection is broken.
    #[inline]
    pub fn poll_read_into(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        self.socket.poll_read_into(cx, buffer)
    }

    /// Waits until there may be something to read: no system call.
    ///
    /// # Errors
    ///
    /// If the runtime shuts down.
    #[inline]
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_readable(cx)
    }

    /// Looks at the readiness that the runtime already knows: no system call, nothing consumed.
    pub fn peer_state(&self, cx: &mut Context<'_>) -> PeerState {
        self.socket.peer_state(cx)
    }

    /// Makes the close of this connection a reset: the client sees at once that something was cut off. Of a unix socket it
    /// sees an end, for there are no resets.
    pub fn reset_on_close(&self) {
        self.socket.reset_on_close();
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, into)
    }
}

impl AsyncWrite for Stream {
    #[inline]
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
