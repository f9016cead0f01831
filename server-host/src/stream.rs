//! A connection's bytes: what both servers read and write.

mod send_file;

pub use send_file::is_of_file;

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::BytesMut;
use gateway_spec::FileRegion;
use rustix::net::SendFlags;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

/// A connection that was accepted. It knows its socket, so that a client that leaves is noticed without reading.
#[derive(Debug)]
pub struct Stream {
    tcp: TcpStream,
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
    pub(crate) fn new(tcp: TcpStream) -> Self {
        Self { tcp }
    }

    /// Reads into the spare capacity of `buffer`, which must have some; 0 is the end.
    ///
    /// # Errors
    ///
    /// If the connection is broken.
    pub fn poll_read_into(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        let room = buffer.capacity() - buffer.len();
        // Without a look at the task's budget, which a connection has of its own: it reads so many times a poll.
        loop {
            match self.tcp.try_read_buf(buffer) {
                Ok(length) => {
                    if 0 < length && length < room {
                        self.note_empty();
                    }
                    return Poll::Ready(Ok(length));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    std::task::ready!(self.tcp.poll_read_ready(cx))?;
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// The socket gave all that it had: notes that, so that nobody asks it in vain before it says that there is more.
    #[inline]
    fn note_empty(&self) {
        let nothing = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
        // What it says is what was told to it.
        let _ = self.tcp.try_io(Interest::READABLE, nothing);
    }

    /// Waits until there may be something to read: no system call.
    ///
    /// # Errors
    ///
    /// If the runtime shuts down.
    #[inline]
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp.poll_read_ready(cx)
    }

    /// Looks at the readiness that the runtime already knows: no system call, nothing consumed.
    pub fn peer_state(&self, cx: &mut Context<'_>) -> PeerState {
        match pin!(self.tcp.ready(Interest::READABLE | Interest::ERROR)).poll(cx) {
            Poll::Ready(Ok(ready)) if ready.is_error() || ready.is_write_closed() => {
                PeerState::Broken
            }
            Poll::Ready(Ok(ready)) if ready.is_read_closed() => PeerState::HalfClosed,
            Poll::Ready(Ok(_)) | Poll::Pending => PeerState::Open,
            Poll::Ready(Err(_)) => PeerState::Broken,
        }
    }

    /// Whether the kernel can send parts of files by itself: not where something lies between the bytes and the socket.
    #[inline]
    #[must_use]
    pub const fn sends_files(&self) -> bool {
        cfg!(target_os = "linux")
    }

    /// Has the kernel send a part of a file from where it is, as much as the socket takes.
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
        send_file::poll(&self.tcp, cx, region)
    }

    /// Makes the close of this connection a reset: the client sees at once that something was cut off.
    pub fn reset_on_close(&self) {
        // Without it the client sees an end, which of a response with a length is as clear.
        let _ = socket2::SockRef::from(&self.tcp).set_linger(Some(std::time::Duration::ZERO));
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, into)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        // A socket nearly always has room, and then nobody has to be named who waits for it.
        match self
            .tcp
            .try_io(Interest::WRITABLE, || send(&self.tcp, bytes))
        {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Pin::new(&mut self.tcp).poll_write(cx, bytes)
            }
            written => Poll::Ready(written),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

/// One system call, without what a C library does around it for threads that may be cancelled.
fn send(tcp: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    Ok(rustix::net::send(tcp, bytes, SendFlags::NOSIGNAL)?)
}
