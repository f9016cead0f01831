//! The traits of `futures-io` and `futures-sink`.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_io::{AsyncBufRead, AsyncRead, AsyncWrite};
use futures_sink::Sink;

use super::body_writer::left;
use super::source::Source;
use super::target::Target;
use super::{BodyReader, BodyWriter, LentTunnel, TunnelIo};

macro_rules! read {
    ($($name:ty),*) => {$(
        impl AsyncRead for $name {
            fn poll_read(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                into: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                self.poll_copy(cx, into.len(), |bytes| into[..bytes.len()].copy_from_slice(bytes))
            }
        }

        impl AsyncBufRead for $name {
            fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
                self.get_mut().poll_fill(cx)
            }

            fn consume(mut self: Pin<&mut Self>, amount: usize) {
                Source::consume(&mut *self, amount);
            }
        }
    )*};
}
read!(BodyReader, TunnelIo, LentTunnel);

macro_rules! write {
    ($($name:ident $(<$kind:ident>)?),*) => {$(
        impl $(<$kind>)? AsyncWrite for $name $(<$kind>)? {
            fn poll_write(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                self.poll_take(cx, bytes)
            }

            fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.poll_sent(cx)
            }

            fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.poll_end(cx)
            }
        }
    )*};
}
write!(BodyWriter<K>, TunnelIo, LentTunnel);

impl<K> Sink<Bytes> for BodyWriter<K> {
    type Error = io::Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.poll_ready(cx).map_err(left)
    }

    fn start_send(mut self: Pin<&mut Self>, part: Bytes) -> io::Result<()> {
        Ok(self.writer.send(part)?)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_sent(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_end(cx)
    }
}
