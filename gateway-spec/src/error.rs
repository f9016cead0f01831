//! What can go wrong, sorted by culprit: the peer left, the peer's body was bad, the app sent something wrong.
//!
//! The handles return [`BodyError`] and [`SendError`], real errors; an application returns [`AppError`], into which
//! both turn by `?`.

use std::error::Error;
use std::time::Duration;
use std::{fmt, io};

use http::StatusCode;
use http::header::RETRY_AFTER;

use crate::Response;

use crate::Disconnect;

/// Why the other end of an exchange is gone (SRV-2).
///
/// Never an application's error: servers do not log it as one. ASGI: `http.disconnect`, which gives no reason.
///
/// # Examples
///
/// ```
/// use gateway_spec::Gone;
///
/// assert!(!Gone::HalfClosed.is_final());
/// assert_eq!(Gone::PeerReset.to_string(), "the client reset the connection");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Gone {
    /// The client stopped sending but may still read: writes succeed. The one reason that is not final.
    HalfClosed,
    /// The client reset the connection, or the network lost it.
    PeerReset,
    /// The client cancelled this one stream (HTTP/2); its connection may live on.
    StreamReset,
    /// The client did not read for longer than the server waits.
    WriteTimeout,
    /// The server's shutdown grace period is over.
    Shutdown,
    /// The exchange was aborted on this side: by the application, or after its error.
    Aborted,
    /// The exchange is complete; nothing more comes, nothing more can be sent.
    Finished,
}

impl Gone {
    /// Whether nothing can be sent any more: all but [`HalfClosed`](Self::HalfClosed).
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::HalfClosed)
    }
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HalfClosed => "the client stopped sending",
            Self::PeerReset => "the client reset the connection",
            Self::StreamReset => "the client cancelled the stream",
            Self::WriteTimeout => "the client did not read in time",
            Self::Shutdown => "the server is shutting down",
            Self::Aborted => "the exchange was aborted",
            Self::Finished => "the exchange is over",
        })
    }
}

impl Error for Gone {}

/// Why a request body cannot be read to its end.
///
/// # Examples
///
/// ```
/// use gateway_spec::{AppError, BodyError};
/// use http::StatusCode;
///
/// // Returned by an application, it answers with the status that fits.
/// let error = AppError::from(BodyError::TooLarge { limit: 1024 });
/// assert_eq!(error.status_code(), StatusCode::PAYLOAD_TOO_LARGE);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyError {
    /// More bytes than the limit, in bytes, of the server or of the call. Answers 413.
    TooLarge {
        /// The limit that was passed, in bytes.
        limit: u64,
    },
    /// The body did not arrive in time. Answers 408.
    Timeout,
    /// The body broke the rules of its framing, or ended early. Answers 400.
    Malformed,
    /// The client is gone.
    Gone(Gone),
}

impl BodyError {
    /// The status that tells the client of it; `None` where nobody is left to be told.
    #[must_use]
    pub const fn status(self) -> Option<StatusCode> {
        match self {
            Self::TooLarge { .. } => Some(StatusCode::PAYLOAD_TOO_LARGE),
            Self::Timeout => Some(StatusCode::REQUEST_TIMEOUT),
            Self::Malformed => Some(StatusCode::BAD_REQUEST),
            Self::Gone(_) => None,
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { limit } => write!(f, "the request body is larger than {limit} bytes"),
            Self::Timeout => f.write_str("the request body did not arrive in time"),
            Self::Malformed => f.write_str("the request body is malformed or cut off"),
            Self::Gone(_) => f.write_str("the request body cannot be read"),
        }
    }
}

impl Error for BodyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Gone(gone) => Some(gone),
            _ => None,
        }
    }
}

impl From<Gone> for BodyError {
    fn from(gone: Gone) -> Self {
        Self::Gone(gone)
    }
}

/// Why an event was not accepted for sending.
///
/// All but [`Gone`](Self::Gone) are the application's mistakes; what was sent before them stands.
///
/// # Examples
///
/// ```
/// use gateway_spec::{AppError, Gone, SendError};
///
/// assert_eq!(AppError::from(SendError::Gone(Gone::PeerReset)).gone(), Some(Gone::PeerReset));
/// assert_eq!(AppError::from(SendError::TooMuch { declared: 3 }).gone(), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// Nobody is left to send to.
    Gone(Gone),
    /// The event does not fit the state of the exchange, such as a second start (HTTP-20).
    OutOfOrder,
    /// The body is longer than the declared `content-length` (HTTP-24).
    TooMuch {
        /// The declared length in bytes.
        declared: u64,
    },
    /// The body ended before the declared `content-length` (HTTP-24).
    TooLittle {
        /// Bytes that are missing.
        missing: u64,
    },
    /// The head is not one that can be sent: its `content-length` is no number, is given twice, or its status is not
    /// a final one where a final one must be (HTTP-22).
    BadHead,
    /// A trailer field that was not announced, or that may not be one (HTTP-27).
    BadTrailer,
    /// A WebSocket reply that its handshake does not allow: a subprotocol that was not offered, a field that the
    /// handshake owns, a control frame over 125 bytes (WS-5, WS-8).
    BadHandshake,
    /// The server cannot do this on this connection; [`Capabilities`](crate::Capabilities) said so.
    Unsupported,
    /// A file could not be read.
    File(io::ErrorKind),
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone(_) => f.write_str("nobody is left to send to"),
            Self::OutOfOrder => {
                f.write_str("the event does not fit the state of the exchange (HTTP-20)")
            }
            Self::TooMuch { declared } => {
                write!(
                    f,
                    "the body is longer than the declared content-length of {declared} bytes (HTTP-24)"
                )
            }
            Self::TooLittle { missing } => {
                write!(
                    f,
                    "the body ended {missing} bytes before the declared content-length (HTTP-24)"
                )
            }
            Self::BadHead => f.write_str("the response head cannot be sent (HTTP-22)"),
            Self::BadTrailer => {
                f.write_str("a trailer field was not announced or is not allowed (HTTP-27)")
            }
            Self::BadHandshake => {
                f.write_str("the WebSocket handshake does not allow this (WS-5, WS-8)")
            }
            Self::Unsupported => f.write_str("the server cannot do this on this connection"),
            Self::File(kind) => write!(f, "the file could not be read: {kind}"),
        }
    }
}

impl Error for SendError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Gone(gone) => Some(gone),
            _ => None,
        }
    }
}

impl From<Gone> for SendError {
    fn from(gone: Gone) -> Self {
        Self::Gone(gone)
    }
}

impl From<BodyError> for io::Error {
    fn from(error: BodyError) -> Self {
        let kind = match error {
            BodyError::TooLarge { .. } => io::ErrorKind::FileTooLarge,
            BodyError::Timeout => io::ErrorKind::TimedOut,
            BodyError::Malformed => io::ErrorKind::InvalidData,
            BodyError::Gone(_) => io::ErrorKind::ConnectionReset,
        };
        Self::new(kind, error)
    }
}

impl From<SendError> for io::Error {
    fn from(error: SendError) -> Self {
        let kind = match error {
            SendError::Gone(_) => io::ErrorKind::BrokenPipe,
            SendError::File(kind) => kind,
            _ => io::ErrorKind::InvalidInput,
        };
        Self::new(kind, error)
    }
}

/// What an application needs has no room for it now: 503, with `Retry-After` (RFC 9110 section 10.2.3).
///
/// For pools, queues and limits whose callers only hand their errors on.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use gateway_spec::{AppError, Unavailable};
/// use http::header::RETRY_AFTER;
///
/// let error = AppError::from(Unavailable::for_about(Duration::from_millis(1500)));
/// let answer = error.response();
/// assert_eq!(answer.head.status, 503);
/// assert_eq!(answer.head.headers.get_str(RETRY_AFTER), Some("2"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unavailable {
    wait: Duration,
}

impl Unavailable {
    /// There may be room again after so long. Clients are told whole seconds, at least one.
    #[must_use]
    pub const fn for_about(wait: Duration) -> Self {
        Self { wait }
    }

    /// Whole seconds after which a client may ask again.
    #[must_use]
    pub const fn retry_after(self) -> u64 {
        let seconds = self.wait.as_secs() + (self.wait.subsec_nanos() > 0) as u64;
        if seconds == 0 { 1 } else { seconds }
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no room for it now")
    }
}

impl Error for Unavailable {}

/// What an application returns when it could not do its work.
///
/// Any error turns into one by `?`. It is opaque: a box with the cause and, if one was given, the status that the
/// server answers while nothing was started. It is no [`Error`] itself, so that the blanket `From` can exist;
/// [`into_source`](Self::into_source) gives the cause back.
///
/// # Examples
///
/// ```
/// use gateway_spec::AppError;
/// use http::StatusCode;
///
/// fn parse(text: &str) -> Result<u32, AppError> {
///     text.parse().map_err(|error| AppError::status(StatusCode::BAD_REQUEST).with_source(error))
/// }
/// assert_eq!(parse("x").unwrap_err().status_code(), StatusCode::BAD_REQUEST);
/// assert!(parse("7").is_ok());
/// ```
pub struct AppError {
    inner: Box<Inner>,
}

struct Inner {
    status: Option<StatusCode>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl AppError {
    /// An error that answers with `status` if nothing was started (APP-6).
    #[must_use]
    pub fn status(status: StatusCode) -> Self {
        Self {
            inner: Box::new(Inner {
                status: Some(status),
                source: None,
            }),
        }
    }

    /// An error with this cause, which may be boxed already and then does not turn into one by `?`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::error::Error;
    /// use gateway_spec::{AppError, BodyError};
    ///
    /// let boxed: Box<dyn Error + Send + Sync> = BodyError::Timeout.into();
    /// assert_eq!(AppError::new(boxed).status_code(), 408);
    /// ```
    #[must_use]
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            inner: Box::new(Inner {
                status: None,
                source: Some(source.into()),
            }),
        }
    }

    /// An error with a text for the log; the client sees 500.
    #[must_use]
    pub fn message(text: impl Into<String>) -> Self {
        Self::new(text.into())
    }

    /// Gives the error another status.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.inner.status = Some(status);
        self
    }

    /// Gives the error a cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.inner.source = Some(source.into());
        self
    }

    /// The status that the server answers if nothing was started: the one given, the one that a [`BodyError`] or an
    /// [`Unavailable`] in the chain of causes stands for, or 500.
    #[must_use]
    pub fn status_code(&self) -> StatusCode {
        let of_body = || {
            self.find(|cause| {
                cause
                    .downcast_ref::<BodyError>()
                    .and_then(|body| body.status())
            })
        };
        let of_room = || self.unavailable().map(|_| StatusCode::SERVICE_UNAVAILABLE);
        self.inner
            .status
            .or_else(of_body)
            .or_else(of_room)
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// What the server answers if nothing was started (APP-6): the status in words, without any details, and `Retry-After`
    /// for what is [`Unavailable`].
    #[must_use]
    pub fn response(&self) -> Response {
        let status = self.status_code();
        let reason = status.canonical_reason().unwrap_or("Unknown");
        let page = Response::text(format!("{} {reason}\n", status.as_str())).with_status(status);
        match self.unavailable() {
            Some(unavailable) if status == StatusCode::SERVICE_UNAVAILABLE => {
                page.with_header(RETRY_AFTER, unavailable.retry_after().into())
            }
            _ => page,
        }
    }

    fn unavailable(&self) -> Option<Unavailable> {
        self.find(|cause| cause.downcast_ref::<Unavailable>().copied())
    }

    /// Why the client is gone, if that is what went wrong: found in the whole chain of causes, also inside an
    /// [`io::Error`]. The [`Disconnect`] of a WebSocket is such a reason too.
    #[must_use]
    pub fn gone(&self) -> Option<Gone> {
        self.find(|cause| {
            let of_socket = || cause.downcast_ref().map(Disconnect::gone);
            cause.downcast_ref::<Gone>().copied().or_else(of_socket)
        })
    }

    /// The cause, if there is one.
    #[must_use]
    pub fn source(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        self.inner.source.as_deref()
    }

    /// The cause by value; an error made of a status alone gives its text.
    #[must_use]
    pub fn into_source(self) -> Box<dyn Error + Send + Sync> {
        let text = self.to_string();
        self.inner.source.unwrap_or_else(|| text.into())
    }

    fn find<T>(&self, mut pick: impl FnMut(&(dyn Error + 'static)) -> Option<T>) -> Option<T> {
        let mut next: Option<&(dyn Error + 'static)> =
            self.inner.source.as_deref().map(|cause| cause as _);
        while let Some(cause) = next {
            if let Some(found) = pick(cause) {
                return Some(found);
            }
            // An io::Error gives as its source the source of what it wraps, not what it wraps.
            next = match cause
                .downcast_ref::<io::Error>()
                .and_then(io::Error::get_ref)
            {
                Some(wrapped) => Some(wrapped),
                None => cause.source(),
            };
        }
        None
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for AppError {
    fn from(error: E) -> Self {
        Self {
            inner: Box::new(Inner {
                status: None,
                source: Some(Box::new(error)),
            }),
        }
    }
}

impl From<AppError> for Box<dyn Error + Send + Sync> {
    fn from(error: AppError) -> Self {
        error.into_source()
    }
}

impl fmt::Display for AppError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.inner.source, self.inner.status) {
            (Some(source), _) => {
                write!(f, "{source}")?;
                let mut next = source.source();
                while let Some(cause) = next {
                    write!(f, ": {cause}")?;
                    next = cause.source();
                }
                Ok(())
            }
            (None, Some(status)) => write!(f, "the application answers {status}"),
            (None, None) => f.write_str("the application failed"),
        }
    }
}

impl fmt::Debug for AppError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("AppError");
        debug
            .field("status", &self.status_code())
            .field("source", &self.inner.source)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cause;

    #[test]
    fn a_leaving_client_is_recognised_through_every_wrapping() {
        let wrapped = io::Error::other(io::Error::from(SendError::Gone(Gone::WriteTimeout)));
        for (error, gone) in [
            (AppError::from(Gone::PeerReset), Some(Gone::PeerReset)),
            (
                AppError::from(BodyError::Gone(Gone::HalfClosed)),
                Some(Gone::HalfClosed),
            ),
            (
                AppError::from(SendError::Gone(Gone::StreamReset)),
                Some(Gone::StreamReset),
            ),
            (
                AppError::from(io::Error::from(BodyError::Gone(Gone::Shutdown))),
                Some(Gone::Shutdown),
            ),
            (AppError::from(wrapped), Some(Gone::WriteTimeout)),
            (AppError::new(Gone::PeerReset), Some(Gone::PeerReset)),
            (
                AppError::from(Disconnect::new(1006, "", Cause::Lost)),
                Some(Gone::PeerReset),
            ),
            (AppError::from(io::Error::other("x")), None),
            (AppError::from(SendError::OutOfOrder), None),
            (AppError::status(StatusCode::NOT_FOUND), None),
        ] {
            assert_eq!(error.gone(), gone, "{error:?}");
        }
    }

    #[test]
    fn a_body_error_anywhere_in_the_chain_decides_the_status_unless_one_was_given() {
        let too_large = || io::Error::from(BodyError::TooLarge { limit: 1 });
        assert_eq!(
            AppError::from(too_large()).status_code(),
            StatusCode::PAYLOAD_TOO_LARGE
        );
        let given = AppError::from(too_large()).with_status(StatusCode::IM_A_TEAPOT);
        assert_eq!(given.status_code(), StatusCode::IM_A_TEAPOT);
        assert_eq!(
            AppError::message("x").status_code(),
            StatusCode::INTERNAL_SERVER_ERROR
        );
    }

    #[test]
    fn what_is_unavailable_is_said_to_be_so_and_when_to_ask_again() {
        let about = |millis| Unavailable::for_about(Duration::from_millis(millis));
        for (millis, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (60_000, 60)] {
            assert_eq!(about(millis).retry_after(), seconds);
        }
        let seen = |error: AppError| {
            let Response { head, body } = error.response();
            let when = head.headers.get_str(RETRY_AFTER).map(str::to_owned);
            (head.status.as_u16(), when, body)
        };
        let when = Some(String::from("2"));
        let wrapped = io::Error::other(io::Error::other(about(2000)));
        let page = "503 Service Unavailable\n";
        assert_eq!(seen(wrapped.into()), (503, when, page.into()));
        assert_eq!(
            seen(AppError::from(about(2000)).with_status(StatusCode::TOO_MANY_REQUESTS)).1,
            None,
            "another status is another answer"
        );
        assert_eq!(
            seen(AppError::status(StatusCode::SERVICE_UNAVAILABLE)).1,
            None
        );
        let page = "500 Internal Server Error\n";
        assert_eq!(seen(AppError::message("secret")), (500, None, page.into()));
    }
}
