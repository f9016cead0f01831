//! The traits of tokio.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};

use super::source::Source;
use super::target::Target;
use super::{BodyReader, BodyWriter, LentTunnel, TunnelIo};

macro_rules! read {
    ($($name:ty),*) => {$(
        impl AsyncRead for $name {
            fn poll_read(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                into: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                self.poll_copy(cx, into.remaining(), |bytes| into.put_slice(bytes))
                    .map_ok(|_| ())
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

            fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.poll_end(cx)
            }
        }
    )*};
}
write!(BodyWriter<K>, TunnelIo, LentTunnel);
