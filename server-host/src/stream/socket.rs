//! A socket of either family: the one place where the two differ.

use std::future::Future;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{BufMut, BytesMut};
use rustix::net::{RecvFlags, SendFlags};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::PeerState;

/// A connected socket.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Which of the two it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Tcp,
    Unix,
}

/// The same for a socket of either family.
macro_rules! either {
    ($socket:expr, $name:ident => $do:expr) => {
        match $socket {
            Socket::Tcp($name) => $do,
            Socket::Unix($name) => $do,
        }
    };
}

impl Socket {
    /// Takes a socket that was accepted, and does not block, into the runtime of this thread.
    pub(crate) fn register(accepted: OwnedFd, family: Family) -> io::Result<Self> {
        match family {
            Family::Tcp => TcpStream::from_std(accepted.into()).map(Self::Tcp),
            Family::Unix => UnixStream::from_std(accepted.into()).map(Self::Unix),
        }
    }

    /// As [`Stream::poll_read_into`](crate::Stream::poll_read_into).
    #[inline]
    pub(crate) fn poll_read_into(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        let room = buffer.capacity() - buffer.len();
        self.poll_read_room(cx, buffer, room)
    }

    /// As [`Stream::poll_read_unbudgeted`](crate::Stream::poll_read_unbudgeted).
    #[inline]
    pub(crate) fn poll_read_unbudgeted(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        let room = into.remaining();
        self.poll_read_room(cx, into, room)
    }

    /// Reads into a buffer that has so much room.
    #[inline]
    fn poll_read_room(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut impl BufMut,
        room: usize,
    ) -> Poll<io::Result<usize>> {
        // Without a look at the task's budget, which a connection has of its own: it reads so many times a poll.
        loop {
            match either!(self, socket => socket.try_read_buf(buffer)) {
                Ok(length) => {
                    if 0 < length && length < room {
                        self.note_empty();
                    }
                    return Poll::Ready(Ok(length));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.poll_readable(cx))?;
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Reads once into memory that is initialised, and notes where the socket gave all that it had; names nobody who waits.
    #[inline]
    pub(crate) fn try_receive(&self, into: &mut [u8]) -> io::Result<usize> {
        let mut received = Err(io::ErrorKind::WouldBlock.into());
        // What the runtime is told holds nothing, so that it costs nothing, as in `note_empty`.
        let told = either!(self, socket => socket.try_io(Interest::READABLE, || {
            received = receive(socket, into);
            let is_empty = match &received {
                Ok(length) => 0 < *length && *length < into.len(),
                Err(error) => error.kind() == io::ErrorKind::WouldBlock,
            };
            match is_empty {
                true => Err(io::ErrorKind::WouldBlock.into()),
                false => Ok(()),
            }
        }));
        std::mem::forget(told);
        received
    }

    /// The socket gave all that it had: notes that, so that nobody asks it in vain before it says that there is more.
    #[inline]
    fn note_empty(&self) {
        let nothing = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
        let told = either!(self, socket => socket.try_io(Interest::READABLE, nothing));
        // What it says is what was told to it: an error that holds nothing, and whose drop would look for something.
        std::mem::forget(told);
    }

    /// As [`Stream::poll_readable`](crate::Stream::poll_readable).
    #[inline]
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, socket => socket.poll_read_ready(cx))
    }

    /// Waits until there may be room: no system call.
    pub(crate) fn poll_writable(&self, cx: &mut Context<'_>) -> io::Result<Poll<()>> {
        match either!(self, socket => socket.poll_write_ready(cx)) {
            Poll::Ready(ready) => ready.map(Poll::Ready),
            Poll::Pending => Ok(Poll::Pending),
        }
    }

    /// Reads once, and names nobody who waits.
    pub(crate) fn try_read(&self, into: &mut [u8]) -> io::Result<usize> {
        either!(self, socket => socket.try_read(into))
    }

    /// Writes once in a way of its own, which does not block, and names nobody who waits.
    pub(crate) fn try_write_by(
        &self,
        write: impl FnOnce(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> io::Result<usize> {
        either!(self, socket => socket.try_io(Interest::WRITABLE, || write(socket.as_fd())))
    }

    /// Writes once, and names nobody who waits.
    pub(crate) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        either!(self, socket => socket.try_write_vectored(slices))
    }

    /// As [`Stream::peer_state`](crate::Stream::peer_state).
    pub(crate) fn peer_state(&self, cx: &mut Context<'_>) -> PeerState {
        let interest = Interest::READABLE | Interest::ERROR;
        match either!(self, socket => pin!(socket.ready(interest)).poll(cx)) {
            Poll::Ready(Ok(ready)) if ready.is_error() || ready.is_write_closed() => {
                PeerState::Broken
            }
            Poll::Ready(Ok(ready)) if ready.is_read_closed() => PeerState::HalfClosed,
            Poll::Ready(Ok(_)) | Poll::Pending => PeerState::Open,
            Poll::Ready(Err(_)) => PeerState::Broken,
        }
    }

    /// Whether a socket that has ended has nothing left to read either.
    pub(crate) fn is_empty(&self) -> bool {
        self.peek().is_ok_and(|read| read == 0)
    }

    /// As [`Stream::has_unread`](crate::Stream::has_unread).
    pub(crate) fn has_unread(&self) -> bool {
        self.peek().is_ok_and(|read| read > 0)
    }

    /// How much of one byte can be read, which stays there. Asks the kernel, whatever the runtime knows.
    fn peek(&self) -> io::Result<usize> {
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        let (read, _) = rustix::net::recv(self, &mut [0; 1], flags)?;
        Ok(read)
    }

    /// As [`Stream::reset_on_close`](crate::Stream::reset_on_close). Unix sockets have no resets.
    pub(crate) fn reset_on_close(&self) {
        if let Self::Tcp(socket) = self {
            // Without it the client sees an end, which of a response with a length is as clear.
            let _ = socket2::SockRef::from(socket).set_linger(Some(std::time::Duration::ZERO));
        }
    }

    /// Does what does not block whenever there may be something to read, until it does not say that there is nothing.
    pub(crate) async fn when_readable<T>(
        &self,
        mut read: impl FnMut(BorrowedFd<'_>) -> io::Result<T>,
    ) -> io::Result<T> {
        either!(self, socket => socket.async_io(Interest::READABLE, || read(socket.as_fd())).await)
    }

    /// Writes once, and names nobody who waits.
    #[inline]
    pub(crate) fn try_send(&self, bytes: &[u8]) -> io::Result<usize> {
        either!(self, socket => socket.try_io(Interest::WRITABLE, || send(socket, bytes)))
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        either!(self, socket => socket.as_fd())
    }
}

/// One system call, as [`send`] is one.
fn receive(socket: impl AsFd, into: &mut [u8]) -> io::Result<usize> {
    let (length, _) = rustix::net::recv(socket, into, RecvFlags::empty())?;
    Ok(length)
}

/// One system call, without what a C library does around it for threads that may be cancelled.
fn send(socket: impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    Ok(rustix::net::send(socket, bytes, SendFlags::NOSIGNAL)?)
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        either!(self.get_mut(), socket => Pin::new(socket).poll_read(cx, into))
    }
}

impl AsyncWrite for Socket {
    #[inline]
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        // A socket nearly always has room, and then nobody has to be named who waits for it.
        match self.try_send(bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                either!(self.get_mut(), socket => Pin::new(socket).poll_write(cx, bytes))
            }
            written => Poll::Ready(written),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self.get_mut(), socket => Pin::new(socket).poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self.get_mut(), socket => Pin::new(socket).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self.get_mut(), socket => Pin::new(socket).poll_shutdown(cx))
    }
}
