//! The body of a response, as the outer server takes it.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use gateway_spec::Gone;
use hosting::Outgoing;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use super::peer::Peer;

/// The body of a response of an [`IntoService`](super::IntoService).
///
/// Its size is known if the application answered whole or declared it. It may end in trailers. Dropped before its end, the client
/// has left: the application learns it, and runs on.
///
/// The default is empty: what layers such as `CorsLayer` answer with themselves.
///
/// # Examples
///
/// ```
/// use adapters::tower::ResponseBody;
/// use http_body::Body;
///
/// let body = ResponseBody::default();
/// assert!(body.is_end_stream());
/// assert_eq!(body.size_hint().exact(), Some(0));
/// ```
#[derive(Default)]
pub struct ResponseBody {
    kind: Kind,
}

#[derive(Default)]
enum Kind {
    #[default]
    Empty,
    Whole(Bytes),
    /// There is none, whatever the application writes (SRV-6); how long it would be, where hyper wants to be told.
    Suppressed(Option<u64>),
    Stream(Stream),
    /// There is no response, which tower cannot say.
    Nothing,
    Failed,
}

/// A body that comes in parts.
struct Stream {
    peer: Arc<Peer>,
    /// What comes next, if it was looked at already.
    next: Option<Piece>,
    /// Bytes of the part that was given last, until somebody asks for another.
    given: usize,
    /// Bytes that are still to come, if that was declared.
    left: Option<u64>,
    stage: Stage,
}

/// A piece of a body.
enum Piece {
    Data(Bytes),
    End(Option<Box<HeaderMap>>),
    /// The rest is missing.
    Cut,
}

impl From<Option<Outgoing>> for Piece {
    fn from(outgoing: Option<Outgoing>) -> Self {
        match outgoing {
            Some(Outgoing::Data(bytes)) => Self::Data(bytes),
            Some(Outgoing::End(trailers)) => Self::End(trailers.map(Box::new)),
            _ => Self::Cut,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Flows,
    /// It is to be cut off, once the outer server had a turn to send what it has.
    Cut,
    Ended,
}

/// The error of a [`ResponseBody`]: the application gave its response up after it had begun it, or failed then. The outer server
/// cuts the response off for it.
///
/// Its cause is [`Gone::Aborted`], so that an exchange around this one does not take it for an error of its own: the log has the
/// application's.
///
/// # Examples
///
/// ```
/// use adapters::tower::CutOff;
/// use gateway_spec::{AppError, Gone};
///
/// fn reason(error: CutOff) -> Option<Gone> {
///     AppError::from(error).gone()
/// }
/// # let _ = reason;
/// ```
#[derive(Debug)]
pub struct CutOff {
    gone: Gone,
}

impl CutOff {
    const ABORTED: Self = Self {
        gone: Gone::Aborted,
    };
}

impl fmt::Display for CutOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the response is cut off")
    }
}

impl Error for CutOff {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.gone)
    }
}

impl ResponseBody {
    pub(super) const fn whole(bytes: Bytes) -> Self {
        Self {
            kind: Kind::Whole(bytes),
        }
    }

    pub(super) const fn suppressed(told: Option<u64>) -> Self {
        Self {
            kind: Kind::Suppressed(told),
        }
    }

    pub(super) const fn nothing() -> Self {
        Self {
            kind: Kind::Nothing,
        }
    }

    /// A body of so many bytes, if that is known, that begins with these.
    pub(super) fn stream(peer: Arc<Peer>, first: Bytes, length: Option<u64>) -> Self {
        Self {
            kind: Kind::Stream(Stream {
                peer,
                next: (!first.is_empty()).then_some(Piece::Data(first)),
                given: 0,
                left: length,
                stage: Stage::Flows,
            }),
        }
    }
}

type Part = Result<Frame<Bytes>, CutOff>;

impl Stream {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Part>> {
        match self.stage {
            Stage::Flows => {}
            Stage::Cut => {
                self.stage = Stage::Ended;
                return Poll::Ready(Some(Err(CutOff::ABORTED)));
            }
            Stage::Ended => return Poll::Ready(None),
        }
        // Whoever asks again has passed on what it got.
        let passed_on = std::mem::take(&mut self.given);
        self.peer.client().acknowledge(passed_on);
        let piece = match self.next.take() {
            Some(piece) => piece,
            None => ready!(self.peer.client().poll_next(cx)).into(),
        };
        match piece {
            Piece::Data(bytes) => {
                self.given = bytes.len();
                if let Some(left) = &mut self.left {
                    *left = left.saturating_sub(bytes.len() as u64);
                }
                self.look_ahead();
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Piece::End(trailers) => {
                self.stage = Stage::Ended;
                Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(*trailers))))
            }
            Piece::Cut => {
                // hyper sends what it has only while it waits.
                self.stage = Stage::Cut;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    /// Looks whether the part that is given now is the last, so that the outer server can end with it.
    fn look_ahead(&mut self) {
        // Nobody waits now: who does, will ask.
        let mut cx = Context::from_waker(Waker::noop());
        let Poll::Ready(outgoing) = self.peer.client().poll_next(&mut cx) else {
            return;
        };
        match outgoing.into() {
            Piece::End(None) => self.stage = Stage::Ended,
            piece => self.next = Some(piece),
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        match (self.stage, self.left) {
            (Stage::Ended, _) => {}
            // hyper counts the bytes, and does not ask for the end of those that it was told of.
            (Stage::Flows, Some(0)) => self.peer.outlive(),
            _ => self.peer.leave(),
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Part>> {
        match &mut self.kind {
            Kind::Empty | Kind::Suppressed(_) | Kind::Failed => Poll::Ready(None),
            Kind::Whole(_) => {
                let Kind::Whole(bytes) = std::mem::take(&mut self.kind) else {
                    return Poll::Ready(None);
                };
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Kind::Stream(stream) => stream.poll_frame(cx),
            Kind::Nothing => {
                self.kind = Kind::Failed;
                Poll::Ready(Some(Err(CutOff::ABORTED)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Empty | Kind::Suppressed(None) | Kind::Failed => true,
            Kind::Whole(bytes) => bytes.is_empty(),
            Kind::Stream(stream) => stream.stage == Stage::Ended,
            Kind::Suppressed(Some(_)) | Kind::Nothing => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        let length = match &self.kind {
            Kind::Empty | Kind::Failed => Some(0),
            Kind::Whole(bytes) => Some(bytes.len() as u64),
            // Whoever states lengths by what a body says must not take this for an empty one.
            Kind::Suppressed(told) => *told,
            Kind::Stream(stream) => stream.left,
            Kind::Nothing => None,
        };
        length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody")
            .field("size", &self.size_hint())
            .finish_non_exhaustive()
    }
}
