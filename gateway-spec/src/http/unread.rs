//! A part of a body that was received and is put back.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;

use super::HttpLayer;
use crate::{Gone, HttpReceive, HttpTransport, SendError};

/// Gives again what was put back, and then how the body ended, if that is known already.
pub(super) struct Unread<T> {
    inner: T,
    rest: Mutex<Rest>,
}

struct Rest {
    part: Bytes,
    end: Option<HttpReceive>,
}

impl<T> Unread<T> {
    pub(super) const fn new(inner: T, part: Bytes, end: Option<HttpReceive>) -> Self {
        Self {
            inner,
            rest: Mutex::new(Rest { part, end }),
        }
    }

    fn rest(&self) -> MutexGuard<'_, Rest> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: std::ops::Deref<Target = dyn HttpTransport> + Send + Sync + 'static> HttpLayer
    for Unread<T>
{
    fn inner(&self) -> &dyn HttpTransport {
        &*self.inner
    }

    fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<HttpReceive> {
        let mut rest = self.rest();
        if !rest.part.is_empty() {
            let bytes = std::mem::take(&mut rest.part);
            return Poll::Ready(HttpReceive::Body { bytes, more: true });
        }
        match rest.end.take() {
            Some(end) => Poll::Ready(end),
            None => {
                drop(rest);
                self.inner.poll_receive(cx)
            }
        }
    }

    fn stop_receiving(&self) {
        let unwanted = {
            let mut rest = self.rest();
            (std::mem::take(&mut rest.part), rest.end.take())
        };
        drop(unwanted);
        self.inner.stop_receiving();
    }

    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, SendError>> {
        self.inner.poll_write(cx, bytes)
    }

    fn poll_buffered(&self, cx: &mut Context<'_>, n: usize) -> Poll<Result<(), Gone>> {
        let left = {
            let rest = self.rest();
            if rest.end.is_some() {
                return Poll::Ready(Ok(()));
            }
            n.saturating_sub(rest.part.len())
        };
        if left == 0 {
            return Poll::Ready(Ok(()));
        }
        self.inner.poll_buffered(cx, left)
    }
}
