//! What can be read, whatever the trait is called by which it is read.

use std::io;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use gateway_spec::{BodyError, RequestBody, Tunnel};

/// What comes in parts.
pub(crate) trait Parts {
    /// The next part, never empty; `None` at the end, as often as asked.
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BodyError>>;
}

impl Parts for RequestBody {
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BodyError>> {
        self.poll_chunk(cx).map(Option::transpose)
    }
}

impl Parts for Tunnel {
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BodyError>> {
        self.poll_read(cx)
    }
}

/// What can be read: the part that a read took a piece of, and whence the next ones come.
pub(crate) trait Source {
    type From: Parts;

    fn source(&mut self) -> (&mut Bytes, &mut Self::From);

    /// What there is to read, at least one byte; nothing at the end.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let (rest, from) = self.source();
        if rest.is_empty()
            && let Some(part) = ready!(from.poll_part(cx))?
        {
            *rest = part;
        }
        Poll::Ready(Ok(rest))
    }

    /// Goes on behind so many bytes of what there is.
    fn consume(&mut self, amount: usize) {
        self.source().0.advance(amount);
    }

    /// Copies as much of what there is as fits, by `put`. Where nothing fits nothing is waited for.
    fn poll_copy(
        &mut self,
        cx: &mut Context<'_>,
        room: usize,
        put: impl FnOnce(&[u8]),
    ) -> Poll<io::Result<usize>> {
        if room == 0 {
            return Poll::Ready(Ok(0));
        }
        let there = ready!(self.poll_fill(cx))?;
        let count = there.len().min(room);
        put(&there[..count]);
        self.consume(count);
        Poll::Ready(Ok(count))
    }
}
