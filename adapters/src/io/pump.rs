//! From whatever gives a body in pieces to a writer, with the backpressure of the client.

use std::error::Error;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use gateway_spec::{AppError, Gone, SendError, Writer};
use http::HeaderMap;
use http_body::Body;

/// A piece of a body.
pub(crate) enum Piece {
    Data(Bytes),
    Trailers(HeaderMap),
    End,
}

impl Piece {
    /// The next piece of a body.
    pub(crate) fn poll<B>(body: Pin<&mut B>, cx: &mut Context<'_>) -> Poll<Result<Self, AppError>>
    where
        B: Body<Error: Into<Box<dyn Error + Send + Sync>>>,
    {
        let Some(frame) = ready!(body.poll_frame(cx)) else {
            return Poll::Ready(Ok(Self::End));
        };
        Poll::Ready(match frame {
            Ok(frame) => Ok(match frame.into_data() {
                // No copy, of `Bytes`.
                Ok(mut data) => Self::Data(data.copy_to_bytes(data.remaining())),
                Err(frame) => match frame.into_trailers() {
                    Ok(trailers) => Self::Trailers(trailers),
                    // A kind of frame that came later is none of the content.
                    Err(_) => Self::Data(Bytes::new()),
                },
            }),
            Err(error) => Err(AppError::new(error)),
        })
    }
}

/// Sends all that `next` gives, and gives back the trailers, if that is how it ended. `next` is also who notices, while there
/// is nothing to send, that its client has left.
pub(crate) async fn pump<K, E>(
    writer: &mut Writer<K>,
    mut first: Option<Piece>,
    mut next: impl FnMut(&Writer<K>, &mut Context<'_>) -> Poll<Result<Piece, E>>,
) -> Result<Option<HeaderMap>, E>
where
    E: From<Gone> + From<SendError>,
{
    loop {
        // Nothing is taken out of the body before there is room for it.
        writer.ready().await?;
        let piece = match first.take() {
            Some(piece) => piece,
            None => poll_fn(|cx| next(writer, cx)).await?,
        };
        match piece {
            Piece::Data(bytes) => writer.send(bytes)?,
            Piece::Trailers(trailers) => return Ok(Some(trailers)),
            Piece::End => return Ok(None),
        }
    }
}
