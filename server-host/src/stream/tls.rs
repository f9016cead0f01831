//! TLS over a socket.
//!
//! Bytes count as written when the socket has what they were encrypted to, not before: so a stream's deadlines, flushes and
//! bounds mean the same with TLS and without it. What was encrypted cannot be taken back; a write that the socket took only
//! in part is pending, and the next one, which begins with the same bytes, tells of those.

use std::io::{self, BufRead, IoSlice, Read, Write};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use rustls::ServerConnection;
use tokio::io::{AsyncWrite, ReadBuf};

use super::{PeerState, Socket};

/// A connection of TLS.
#[derive(Debug)]
pub(crate) struct TlsStream {
    socket: Socket,
    session: ServerConnection,
    /// Bytes that were encrypted, and that no write has told of.
    untold: usize,
    goodbye: Goodbye,
    /// Whether the end is to be seen as no clean one.
    is_cut_off: AtomicBool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goodbye {
    Unsaid,
    Said,
}

impl TlsStream {
    pub(crate) const fn new(socket: Socket, session: ServerConnection) -> Self {
        Self {
            socket,
            session,
            untold: 0,
            goodbye: Goodbye::Unsaid,
            is_cut_off: AtomicBool::new(false),
        }
    }

    pub(super) const fn socket(&self) -> &Socket {
        &self.socket
    }

    pub(super) fn cut_off(&self) {
        self.is_cut_off.store(true, Ordering::Relaxed);
        self.socket.reset_on_close();
    }

    /// Agrees on everything; the session is ready for bytes both ways then.
    pub(crate) fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let sent = self.poll_drain(cx)?;
            if !self.session.is_handshaking() {
                return sent.map(Ok);
            }
            if ready!(self.poll_fill(cx))? == 0 {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    /// The session, for what was agreed on.
    pub(crate) const fn session(&self) -> &ServerConnection {
        &self.session
    }

    /// As [`Stream::peer_state`](crate::Stream::peer_state). An end of the socket behind which nothing is left is no end of TLS, which
    /// says goodbye: whoever left so does not wait for answers either.
    pub(super) fn peer_state(&self, cx: &mut Context<'_>) -> PeerState {
        match self.socket.peer_state(cx) {
            PeerState::HalfClosed if !self.has_input() && self.socket.is_empty() => {
                PeerState::Broken
            }
            state => state,
        }
    }

    /// Whether a read would bring something, or the end, without the socket.
    pub(super) fn has_input(&self) -> bool {
        !self.session.wants_read()
    }

    pub(super) fn poll_read_into(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        let room = buffer.capacity() - buffer.len();
        self.poll_take(cx, room, |bytes| buffer.extend_from_slice(bytes))
    }

    /// Takes at most so many bytes of what the peer has sent; none is its end.
    fn poll_take(
        &mut self,
        cx: &mut Context<'_>,
        room: usize,
        mut take: impl FnMut(&[u8]),
    ) -> Poll<io::Result<usize>> {
        let mut taken = 0;
        loop {
            match self.session.reader().fill_buf() {
                Ok([]) => return Poll::Ready(Ok(taken)),
                Ok(bytes) => {
                    let length = bytes.len().min(room - taken);
                    take(&bytes[..length]);
                    self.session.reader().consume(length);
                    taken += length;
                    if taken == room {
                        return Poll::Ready(Ok(taken));
                    }
                }
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                    return Poll::Ready(Err(error));
                }
                Err(_) if taken > 0 => return Poll::Ready(Ok(taken)),
                Err(_) => drop(ready!(self.poll_fill(cx))?),
            }
        }
    }

    /// Reads once from the socket, and decrypts what is whole; 0 is the socket's end.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let read = loop {
            match self.session.read_tls(&mut Nonblocking(&self.socket)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.socket.poll_readable(cx))?;
                }
                read => break read?,
            }
        };
        let processed = self.session.process_new_packets();
        // Answers of the protocol itself, such as the alert that says what was wrong. What the socket does not take now goes with
        // the next write.
        let _ = self.poll_drain(cx)?;
        match processed {
            Ok(_) => Poll::Ready(Ok(read)),
            Err(error) => Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error))),
        }
    }

    /// Gives the socket all that is encrypted.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> io::Result<Poll<()>> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut Nonblocking(&self.socket)) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.socket.poll_writable(cx)?.is_pending() {
                        return Ok(Poll::Pending);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Poll::Ready(()))
    }

    pub(super) fn poll_write_slices(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_drain(cx)?);
        if self.untold == 0 {
            self.untold = self.session.writer().write_vectored(slices)?;
            ready!(self.poll_drain(cx)?);
        }
        let given: usize = slices.iter().map(|slice| slice.len()).sum();
        let told = self.untold.min(given);
        self.untold -= told;
        Poll::Ready(Ok(told))
    }

    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.say_goodbye();
        ready!(self.poll_drain(cx)?);
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }

    fn say_goodbye(&mut self) {
        if self.goodbye == Goodbye::Unsaid {
            self.session.send_close_notify();
            self.goodbye = Goodbye::Said;
        }
    }

    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let room = into.remaining();
        self.poll_take(cx, room, |bytes| into.put_slice(bytes))
            .map_ok(|_| ())
    }
}

impl Drop for TlsStream {
    fn drop(&mut self) {
        // A connection that ends in order ends its direction before; this is one that is idle. After half of something, an
        // end that looks clean would be a lie.
        let is_whole = self.untold == 0 && !self.session.wants_write();
        if is_whole && !self.session.is_handshaking() && !self.is_cut_off.load(Ordering::Relaxed) {
            self.say_goodbye();
            // What the socket does not take now is not worth waiting for.
            let _ = self.session.write_tls(&mut Nonblocking(&self.socket));
        }
    }
}

/// The socket as rustls wants it.
struct Nonblocking<'a>(&'a Socket);

impl Read for Nonblocking<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(into)
    }
}

impl Write for Nonblocking<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_send(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
