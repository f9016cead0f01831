//! Requests whose bodies are coded.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use gateway_spec::{
    AppError, Application, BodyError, BodyLength, Connection, Done, Gone, Headers, Http, HttpLayer,
    HttpReceive, HttpSend, HttpTransport, Layered, SendError,
};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::decoder::{Decoded, Decoder};
use crate::ContentCoding;
use crate::middleware::only;
use crate::middleware::stand_in::plain;

/// Plain bytes that are given at a time.
const PIECE: usize = 16 * 1024;

/// Plain bytes that are decoded at one turn, some milliseconds of work at the worst. The others on the thread have theirs after it.
const TURN: usize = 256 * 1024;

/// How many times as long as what came a body may get. Text is seldom over 20; what is made to fill memory is over 1000.
const RATIO: u64 = 100;

/// Plain bytes of which the ratio is not looked at: a small body may be nothing but a repetition.
const FREE: u64 = 64 * 1024;

/// Decodes requests whose bodies come in brotli, zstd or gzip (RFC 9110 section 8.4): the application sees the plain body, of at most so
/// many bytes.
///
/// - `Content-Encoding` and `Content-Length` are taken from the scope, whose body is then of unknown length.
/// - A coding that is none of these, or several one upon the other, is answered with 415 and an `Accept-Encoding` that says what is taken
///   (section 15.5.16), before the body is asked for.
/// - A body that is longer than `limit` when it is decoded, or over 64 KiB and a [`ratio`](Decompress::ratio) of 100, fails with
///   [`BodyError::TooLarge`] as soon as it is: nothing is decoded that was not asked for, 16 KiB at a time. One that is not what it is
///   said to be, or breaks off, is [`BodyError::Malformed`].
/// - After 256 KiB that came out of what is there, the others on the thread have their turn.
/// - **WebSockets**, tunnels, requests without a body or without a coding, and the **lifespan** pass.
///
/// A [`limit_body`](crate::middleware::limit_body) outside of this counts what comes, one inside what is decoded.
///
/// # Cost
///
/// Nothing for what is not coded. Else the decoder's window for as long as the body comes: 32 KiB for gzip, at most 8 MiB for zstd and
/// 16 MiB for brotli, as its sender chose, and no more than was decoded.
///
/// # Examples
///
/// ```
/// use adapters::middleware::decompress;
/// use gateway_spec::{Connection, application_fn};
///
/// let app = application_fn(|connection: Connection| connection.refuse());
/// let app = decompress(app, 1024 * 1024);
/// # fn assert(_: impl gateway_spec::Application) {}
/// # assert(app);
/// ```
pub fn decompress<A: Application>(app: A, limit: u64) -> Decompress<A> {
    Decompress {
        app,
        bounds: Bounds {
            limit,
            ratio: RATIO,
        },
    }
}

/// An application whose requests are decoded: see [`decompress`].
///
/// # Examples
///
/// ```
/// use adapters::middleware::{Decompress, decompress};
/// use gateway_spec::BoxApplication;
///
/// /// Logs repeat themselves.
/// fn collector(app: BoxApplication) -> Decompress<BoxApplication> {
///     decompress(app, 64 * 1024 * 1024).ratio(500)
/// }
/// # let _ = collector;
/// ```
#[derive(Clone)]
pub struct Decompress<A> {
    app: A,
    bounds: Bounds,
}

#[derive(Debug, Clone, Copy)]
struct Bounds {
    limit: u64,
    ratio: u64,
}

impl<A> Decompress<A> {
    /// Sets how many times as long as what came a body of over 64 KiB may get.
    #[must_use]
    pub fn ratio(mut self, ratio: u64) -> Self {
        self.bounds.ratio = ratio;
        self
    }
}

impl<A: Application> Application for Decompress<A> {
    async fn call(&self, connection: Connection) -> Result<Done, AppError> {
        let http = match connection {
            Connection::Http(http) => http,
            other => return self.app.call(other).await,
        };
        let http = match Coded::of(&http) {
            Coded::No => http,
            Coded::By(coding) => decoded(http, coding, self.bounds)?,
            Coded::Unknown => return refuse(http).await,
        };
        self.app.call(Connection::Http(http)).await
    }
}

impl<A> fmt::Debug for Decompress<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decompress")
            .field("bounds", &self.bounds)
            .finish_non_exhaustive()
    }
}

/// How a request's body comes.
enum Coded {
    No,
    By(ContentCoding),
    Unknown,
}

impl Coded {
    fn of(http: &Http) -> Self {
        let headers: &Headers = &http.scope.headers;
        let has_none = matches!(
            http.body.remaining(),
            BodyLength::Empty | BodyLength::Known(0)
        );
        if has_none || !headers.contains(CONTENT_ENCODING) {
            return Self::No;
        }
        match only(headers, &CONTENT_ENCODING).map(<[u8]>::trim_ascii) {
            Some(coding) if coding.eq_ignore_ascii_case(b"identity") => Self::No,
            Some(coding) => ContentCoding::of_token(coding).map_or(Self::Unknown, Self::By),
            None => Self::Unknown,
        }
    }
}

fn decoded(http: Http, coding: ContentCoding, bounds: Bounds) -> Result<Http, AppError> {
    let decoder = Decoder::new(coding)?;
    let (mut scope, inner) = http.into_transport();
    let edited = scope.edit();
    edited.headers.remove(CONTENT_ENCODING);
    edited.headers.remove(CONTENT_LENGTH);
    edited.body = BodyLength::Unknown;
    let layer = Decoding {
        inner,
        bounds,
        is_tunnel: AtomicBool::new(false),
        body: Mutex::new(Body {
            phase: Phase::Decoding(decoder),
            trailers: None,
            came: 0,
            decoded: 0,
            in_turn: 0,
            room: Vec::new(),
        }),
    };
    Ok(Http::new(scope, Arc::new(Layered(layer))))
}

async fn refuse(http: Http) -> Result<Done, AppError> {
    let Http {
        body, responder, ..
    } = http;
    drop(body);
    let taken = HeaderValue::from_static("br, zstd, gzip");
    let answer = plain(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    responder
        .respond(answer.with_header(ACCEPT_ENCODING, taken))
        .await
}

/// The transport of one request.
struct Decoding {
    inner: Arc<dyn HttpTransport>,
    bounds: Bounds,
    is_tunnel: AtomicBool,
    body: Mutex<Body>,
}

struct Body {
    phase: Phase,
    trailers: Option<HeaderMap>,
    came: u64,
    decoded: u64,
    /// What was decoded since others had their turn.
    in_turn: usize,
    /// Room to decode into.
    room: Vec<u8>,
}

enum Phase {
    Decoding(Decoder),
    /// It failed, and the application knows.
    Failed,
    /// All of it was given.
    Over,
}

/// What is next.
enum Next {
    Give(HttpReceive),
    /// Others are to have their turn.
    GiveWay,
    /// More must come.
    Receive,
    /// Whatever comes is no body's, or of one that failed.
    Pass,
    PassDisconnect,
}

impl Body {
    fn next(&mut self, bounds: Bounds) -> Next {
        let decoder = match &mut self.phase {
            Phase::Decoding(decoder) => decoder,
            Phase::Failed => return Next::PassDisconnect,
            Phase::Over => return Next::Pass,
        };
        if self.in_turn >= TURN {
            self.in_turn = 0;
            return Next::GiveWay;
        }
        self.room.resize(PIECE, 0);
        match decoder.decode(&mut self.room) {
            Decoded::Bytes(length) => {
                self.decoded += length as u64;
                self.in_turn += length;
                let too_long = self.came.saturating_mul(bounds.ratio).max(FREE);
                if self.decoded > bounds.limit.min(too_long) {
                    let limit = bounds.limit.min(too_long);
                    return self.fail(BodyError::TooLarge { limit });
                }
                let mut piece = std::mem::take(&mut self.room);
                piece.truncate(length);
                Next::Give(part(piece.into(), true))
            }
            Decoded::Starved => Next::Receive,
            Decoded::Complete => {
                self.phase = Phase::Over;
                Next::Give(match self.trailers.take() {
                    Some(trailers) => HttpReceive::Trailers(trailers),
                    None => part(Bytes::new(), false),
                })
            }
            Decoded::Broken => self.fail(BodyError::Malformed),
        }
    }

    fn fail(&mut self, error: BodyError) -> Next {
        self.phase = Phase::Failed;
        Next::Give(HttpReceive::Failed(error))
    }

    /// Takes what came; gives back what is to be handed on.
    fn take(&mut self, event: HttpReceive) -> Option<HttpReceive> {
        let Phase::Decoding(decoder) = &mut self.phase else {
            return Some(event);
        };
        match event {
            HttpReceive::Body { bytes, more } => {
                self.came += bytes.len() as u64;
                decoder.feed(bytes);
                if !more {
                    decoder.end();
                }
                None
            }
            HttpReceive::Trailers(trailers) => {
                decoder.end();
                self.trailers = Some(trailers);
                None
            }
            HttpReceive::Failed(_) => {
                self.phase = Phase::Failed;
                Some(event)
            }
            other => Some(other),
        }
    }
}

const fn part(bytes: Bytes, more: bool) -> HttpReceive {
    HttpReceive::Body { bytes, more }
}

impl Decoding {
    fn body(&self) -> MutexGuard<'_, Body> {
        self.body.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HttpLayer for Decoding {
    fn inner(&self) -> &dyn HttpTransport {
        &*self.inner
    }

    fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<HttpReceive> {
        if self.is_tunnel.load(Ordering::Acquire) {
            return self.inner.poll_receive(cx);
        }
        loop {
            let next = self.body().next(self.bounds);
            match next {
                Next::Give(event) => {
                    if let HttpReceive::Failed(_) = event {
                        self.inner.stop_receiving();
                    }
                    return Poll::Ready(event);
                }
                Next::Pass => return self.inner.poll_receive(cx),
                Next::PassDisconnect => {
                    let event = ready!(self.inner.poll_receive(cx));
                    if let HttpReceive::Disconnect(_) = event {
                        return Poll::Ready(event);
                    }
                }
                Next::GiveWay => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Next::Receive => {
                    let Poll::Ready(event) = self.inner.poll_receive(cx) else {
                        self.body().in_turn = 0;
                        return Poll::Pending;
                    };
                    if let Some(event) = self.body().take(event) {
                        return Poll::Ready(event);
                    }
                }
            }
        }
    }

    fn poll_buffered(&self, cx: &mut Context<'_>, n: usize) -> Poll<Result<(), Gone>> {
        // What was begun has more to give, or waits for what is asked for next.
        if self.body().came > 0 && !self.is_tunnel.load(Ordering::Acquire) {
            return Poll::Ready(Ok(()));
        }
        self.inner.poll_buffered(cx, n)
    }

    fn send(&self, event: HttpSend) -> Result<(), SendError> {
        let upgrades = matches!(event, HttpSend::Upgrade { .. });
        self.inner.send(event)?;
        if upgrades {
            self.is_tunnel.store(true, Ordering::Release);
        }
        Ok(())
    }

    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, SendError>> {
        self.inner.poll_write(cx, bytes)
    }
}
