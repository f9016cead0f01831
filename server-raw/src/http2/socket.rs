//! The socket below `h2`, which the connection's task looks after beside it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context as Task, Poll, ready};

use bytes::{Buf, BytesMut};
use server_host::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that are thrown away at a time.
const SPILL: usize = 4 * 1024;

/// The socket, for `h2` and for the connection. Only the connection's task locks it, so it never waits.
#[derive(Clone, Debug)]
pub(super) struct SharedSocket(Arc<Mutex<Socket>>);

#[derive(Debug)]
struct Socket {
    stream: Stream,
    /// What was read before it was known to be HTTP/2's.
    first: BytesMut,
    written: Written,
}

/// What the socket has taken since somebody asked last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// All that there was.
    All,
    /// So many bytes, and not all.
    Some(usize),
}

impl SharedSocket {
    pub(super) fn new(stream: Stream, first: BytesMut) -> Self {
        Self(Arc::new(Mutex::new(Socket {
            stream,
            first,
            written: Written::All,
        })))
    }

    /// What the socket has taken since this was asked last.
    pub(super) fn written(&self) -> Written {
        let mut socket = self.lock();
        let written = socket.written;
        if let Written::Some(bytes) = &mut socket.written {
            *bytes = 0;
        }
        written
    }

    pub(super) fn reset_on_close(&self) {
        self.lock().stream.reset_on_close();
    }

    /// Reads and throws away; how many bytes, of which none is the end.
    pub(super) fn discard(&self, task: &mut Task<'_>) -> io::Result<Poll<usize>> {
        let mut spill = [0; SPILL];
        let mut spill = ReadBuf::new(&mut spill);
        let stream = &mut self.lock().stream;
        let read = Pin::new(stream).poll_read(task, &mut spill)?;
        Ok(read.map(|()| spill.filled().len()))
    }

    fn lock(&self) -> MutexGuard<'_, Socket> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Socket {
    /// Notes how a write of so many bytes went.
    fn note(&mut self, result: Poll<io::Result<usize>>, length: usize) -> Poll<io::Result<usize>> {
        let before = match self.written {
            Written::All => 0,
            Written::Some(bytes) => bytes,
        };
        self.written = match &result {
            Poll::Ready(Ok(written)) if *written == length => Written::All,
            Poll::Ready(Ok(written)) => Written::Some(before + written),
            Poll::Ready(Err(_)) | Poll::Pending => Written::Some(before),
        };
        result
    }
}

impl AsyncRead for SharedSocket {
    fn poll_read(
        self: Pin<&mut Self>,
        task: &mut Task<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let socket = &mut *self.lock();
        if socket.first.is_empty() {
            return Pin::new(&mut socket.stream).poll_read(task, into);
        }
        let length = socket.first.len().min(into.remaining());
        into.put_slice(&socket.first[..length]);
        socket.first.advance(length);
        if socket.first.is_empty() {
            socket.first = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for SharedSocket {
    fn poll_write(
        self: Pin<&mut Self>,
        task: &mut Task<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let socket = &mut *self.lock();
        let result = Pin::new(&mut socket.stream).poll_write(task, bytes);
        socket.note(result, bytes.len())
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        task: &mut Task<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let socket = &mut *self.lock();
        let result = Pin::new(&mut socket.stream).poll_write_vectored(task, slices);
        socket.note(result, slices.iter().map(|slice| slice.len()).sum())
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _task: &mut Task<'_>) -> Poll<io::Result<()>> {
        // The kernel has what was written.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<io::Result<()>> {
        let socket = &mut *self.lock();
        ready!(Pin::new(&mut socket.stream).poll_shutdown(task))?;
        Poll::Ready(Ok(()))
    }
}
