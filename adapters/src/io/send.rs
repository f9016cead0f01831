//! What others produce as the body of a response, to its end.

use std::error::Error;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use gateway_spec::{AppError, Done, GoneSignal, Trailing, Writer};
use hosting::may_be_trailer;
use http::{HeaderMap, HeaderName};
use http_body::Body;

use super::pump::{Piece, pump};

type BoxError = Box<dyn Error + Send + Sync>;

/// Sends the parts of a stream, and ends the response with the stream. Terminal.
///
/// A part is asked for when there is credit for it, so the stream is as slow as the client, and one part passes the bound
/// of what the server buffers (SRV-5). Nothing is copied.
///
/// The stream is dropped when this returns: at its end, at its first error, and as soon as the client is gone for good,
/// even while the stream has nothing to give. A client that merely stopped sending may still read
/// ([`Gone::HalfClosed`](gateway_spec::Gone)), so a stream goes on for it; and since a client that closes is seen to stop sending
/// first, and to be gone at the next part that is sent, a stream that is silent for long ends early by
/// `stream.take_until(writer.gone())`.
///
/// # Errors
///
/// The stream's own, and the response is cut off so that the client can tell; that the client is gone; that more or less was
/// sent than the declared `content-length` (HTTP-24).
///
/// # Cancel safety
///
/// Dropped before it resolved, the response is cut off.
///
/// # Examples
///
/// ```
/// use std::io;
/// use adapters::io::send_stream;
/// use bytes::Bytes;
/// use futures_util::Stream;
/// use gateway_spec::{AppError, Done, Responder};
/// use http::StatusCode;
///
/// async fn rows(
///     responder: Responder,
///     rows: impl Stream<Item = io::Result<Bytes>>,
/// ) -> Result<Done, AppError> {
///     send_stream(responder.start(StatusCode::OK).await?, rows).await
/// }
/// ```
pub async fn send_stream<K, S, B, E>(mut writer: Writer<K>, stream: S) -> Result<Done, AppError>
where
    S: Stream<Item = Result<B, E>>,
    B: Into<Bytes>,
    E: Into<BoxError>,
{
    let mut stream = pin!(stream);
    let next = |cx: &mut Context<'_>| {
        Poll::Ready(match ready!(stream.as_mut().poll_next(cx)) {
            Some(part) => Ok(Piece::Data(part.map_err(AppError::new)?.into())),
            None => Ok(Piece::End),
        })
    };
    send(&mut writer, next).await?;
    writer.finish().await
}

/// Sends the parts of an iterator, and ends the response with it. Terminal. What WSGI's iterable is to
/// [`respond_with`](gateway_spec::SyncResponder::respond_with), here for asynchronous applications.
///
/// The iterator must not block: what waits for a disk or computes for long belongs in a
/// [`SyncApplication`](gateway_spec::SyncApplication). It is as slow as the client, as in [`send_stream`], and dropped as there.
///
/// # Errors
///
/// As [`send_stream`].
///
/// # Cancel safety
///
/// As [`send_stream`].
///
/// # Examples
///
/// ```
/// use adapters::io::send_iter;
/// use gateway_spec::{AppError, Done, Responder};
/// use http::StatusCode;
///
/// async fn squares(responder: Responder) -> Result<Done, AppError> {
///     let lines = (0_u64..1_000_000).map(|n| format!("{}\n", n * n));
///     send_iter(responder.start(StatusCode::OK).await?, lines).await
/// }
/// # let _ = squares;
/// ```
pub async fn send_iter<K, I>(mut writer: Writer<K>, parts: I) -> Result<Done, AppError>
where
    I: IntoIterator,
    I::Item: Into<Bytes>,
{
    let mut parts = parts.into_iter();
    loop {
        writer.ready().await?;
        match parts.next() {
            Some(part) => writer.send(part)?,
            None => return writer.finish().await,
        }
    }
}

/// Sends what a reader gives, and ends the response with it. Terminal.
///
/// Each read goes into a block of 16 KiB that is then sent without a copy, where `tokio::io::copy` copies into its
/// own buffer and from there. At most one block is held while the reader waits. Files are better sent by
/// [`Writer::write_file`], which leaves them to the server. The reader is dropped as the stream of [`send_stream`] is.
///
/// # Errors
///
/// As [`send_stream`].
///
/// # Cancel safety
///
/// As [`send_stream`].
///
/// # Examples
///
/// ```
/// use adapters::io::send_reader;
/// use gateway_spec::{AppError, Done, Responder};
/// use http::StatusCode;
/// use tokio::io::AsyncRead;
///
/// /// The output of a program, for example.
/// async fn output(responder: Responder, stdout: impl AsyncRead) -> Result<Done, AppError> {
///     send_reader(responder.start(StatusCode::OK).await?, stdout).await
/// }
/// ```
#[cfg(feature = "tokio-io")]
pub async fn send_reader<K, R>(mut writer: Writer<K>, reader: R) -> Result<Done, AppError>
where
    R: tokio::io::AsyncRead,
{
    let mut reader = pin!(reader);
    let mut block = bytes::BytesMut::new();
    send(&mut writer, |cx| {
        poll_block(reader.as_mut(), &mut block, cx)
    })
    .await?;
    writer.finish().await
}

/// Bytes that [`send_reader`] reads at once: a frame of HTTP/2, and a record of TLS.
#[cfg(feature = "tokio-io")]
const BLOCK_BYTES: usize = 16 * 1024;

/// A block is read into as long as so much of it is free. Less would make many small reads of the end of one; beginning a new
/// one for each read would have a small part in the server's queue hold a whole block.
#[cfg(feature = "tokio-io")]
const WORTH_READING: usize = 1024;

#[cfg(feature = "tokio-io")]
fn poll_block(
    mut reader: Pin<&mut impl tokio::io::AsyncRead>,
    block: &mut bytes::BytesMut,
    cx: &mut Context<'_>,
) -> Poll<Result<Piece, AppError>> {
    if block.capacity() < WORTH_READING {
        block.reserve(BLOCK_BYTES);
    }
    // The future has no state but what it borrows, so a new one each time loses nothing.
    let reading = pin!(tokio::io::AsyncReadExt::read_buf(&mut reader, block));
    Poll::Ready(match ready!(reading.poll(cx))? {
        0 => Ok(Piece::End),
        _ => Ok(Piece::Data(block.split().freeze())),
    })
}

/// Sends a body with its trailers, and ends the response with it. Terminal.
///
/// Frames of `Bytes` are not copied. Trailers end the response where the writer's plan has them
/// ([`start_with_trailers`](gateway_spec::Responder::start_with_trailers)) and the client can take them (HTTP-28); frames
/// of a kind that is unknown here are passed over. All else is as in [`send_stream`].
///
/// # Errors
///
/// As [`send_stream`]; a trailer that was not announced (HTTP-27). Fields that may be no trailers (RFC 9110 section 6.5.1) are left
/// out and are no error: a body that relays them could not help it.
///
/// # Cancel safety
///
/// As [`send_stream`].
///
/// # Examples
///
/// ```
/// use adapters::io::send_body;
/// use bytes::Bytes;
/// use gateway_spec::{AppError, Done, Responder, ResponseHead};
/// use http_body_util::combinators::BoxBody;
///
/// /// What another server has answered.
/// async fn relay(
///     responder: Responder,
///     response: http::Response<BoxBody<Bytes, std::io::Error>>,
/// ) -> Result<Done, AppError> {
///     let (parts, body) = response.into_parts();
///     let mut head = ResponseHead::new(parts.status);
///     head.headers = parts.headers.into();
///     send_body(responder.start_with_trailers(head, None).await?, body).await
/// }
/// # let _ = relay;
/// ```
pub async fn send_body<B>(mut writer: Writer<Trailing>, body: B) -> Result<Done, AppError>
where
    B: Body<Error: Into<BoxError>>,
{
    let mut body = pin!(body);
    let trailers = send(&mut writer, |cx| Piece::poll(body.as_mut(), cx)).await?;
    match trailers {
        Some(mut trailers) => {
            keep_trailers(&mut trailers, None);
            writer.finish_with_trailers(trailers).await
        }
        None => writer.finish().await,
    }
}

/// Leaves of the trailers that a body gives what a response may end with: fields that frame, route or authenticate a
/// message are none (RFC 9110 section 6.5.1), and would cost it its end; and of the others those that were announced, if that is needed.
pub(crate) fn keep_trailers(trailers: &mut HeaderMap, announced: Option<&[HeaderName]>) {
    let may_stay = |name: &HeaderName| {
        may_be_trailer(name) && announced.is_none_or(|names| names.contains(name))
    };
    let others = trailers.keys().filter(|name| !may_stay(name));
    for name in others.cloned().collect::<Vec<_>>() {
        trailers.remove(name);
    }
}

/// Sends all of a source, while its client is there.
async fn send<K>(
    writer: &mut Writer<K>,
    mut source: impl FnMut(&mut Context<'_>) -> Poll<Result<Piece, AppError>>,
) -> Result<Option<HeaderMap>, AppError> {
    let mut watch = Watch::default();
    let next = |writer: &Writer<K>, cx: &mut Context<'_>| {
        let piece = source(cx);
        watch.poll(writer, cx, piece)
    };
    pump(writer, None, next).await
}

/// Whoever is written to, watched while there is nothing to write.
#[derive(Default)]
struct Watch {
    // Most sources never wait: the signal is made when it is needed.
    gone: Option<GoneSignal>,
}

impl Watch {
    /// What the source has come to; where it waits, whether the client is gone for good.
    fn poll<K>(
        &mut self,
        writer: &Writer<K>,
        cx: &mut Context<'_>,
        piece: Poll<Result<Piece, AppError>>,
    ) -> Poll<Result<Piece, AppError>> {
        if piece.is_ready() {
            return piece;
        }
        let signal = self.gone.get_or_insert_with(|| writer.gone());
        loop {
            let gone = ready!(Pin::new(&mut *signal).poll(cx));
            if gone.is_final() {
                return Poll::Ready(Err(gone.into()));
            }
        }
    }
}
