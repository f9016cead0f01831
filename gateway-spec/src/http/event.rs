//! The events of an exchange: ASGI's, as enums.

use std::fs::File;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName};

use crate::{BodyError, Gone, ResponseHead};

/// What comes from the client.
///
/// # Examples
///
/// ```
/// use gateway_spec::{Gone, HttpReceive};
///
/// fn describe(event: &HttpReceive) -> String {
///     match event {
///         HttpReceive::Body { bytes, more } => format!("{} bytes, more: {more}", bytes.len()),
///         HttpReceive::Trailers(trailers) => format!("{} trailers", trailers.len()),
///         HttpReceive::Failed(error) => error.to_string(),
///         HttpReceive::Disconnect(gone) => gone.to_string(),
///         _ => String::from("something newer"),
///     }
/// }
/// let left = HttpReceive::Disconnect(Gone::PeerReset);
/// assert_eq!(describe(&left), "the client reset the connection");
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum HttpReceive {
    /// A part of the body. ASGI: `http.request`.
    Body {
        /// The part; may be empty.
        bytes: Bytes,
        /// Whether more may come: further parts, trailers or a failure.
        more: bool,
    },
    /// The trailers, after the last part of the body. ASGI has none.
    Trailers(HeaderMap),
    /// The body cannot be read to its end; the client is still there and can be answered.
    Failed(BodyError),
    /// The client left, or the exchange is over. ASGI: `http.disconnect`.
    Disconnect(Gone),
}

/// What goes to the client.
///
/// # Examples
///
/// ```
/// use gateway_spec::{HttpSend, TrailersPlan};
/// use http::StatusCode;
///
/// // A whole answer is one event.
/// let event = HttpSend::Start {
///     head: StatusCode::OK.into(),
///     body: "Hello, world!".into(),
///     more: false,
///     trailers: TrailersPlan::None,
/// };
/// assert!(matches!(event, HttpSend::Start { more: false, .. }));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum HttpSend {
    /// An informational response (1xx), any number of times before the start. ASGI: `http.response.early_hint`.
    Informational(ResponseHead),
    /// The head and the first part of the body, so that a whole answer is one event. ASGI: `http.response.start` and
    /// the first `http.response.body`.
    Start {
        /// Status and fields.
        head: ResponseHead,
        /// The first part of the body; may be empty.
        body: Bytes,
        /// Whether more comes: further parts or trailers.
        more: bool,
        /// Which trailers may follow.
        trailers: TrailersPlan,
    },
    /// A further part of the body, or the tunnel's bytes. ASGI: `http.response.body`.
    Body {
        /// The part; may be empty.
        bytes: Bytes,
        /// Whether more comes. Of a tunnel: `false` closes this direction.
        more: bool,
    },
    /// A part of the body that lies in a file; more follows. ASGI: `http.response.zerocopysend`.
    File(FileRegion),
    /// The trailers, which end the response. ASGI: `http.response.trailers`.
    Trailers(HeaderMap),
    /// Switches protocols: the head (101, or 200 to an HTTP/2 CONNECT), after which `Body` carries the tunnel's bytes
    /// both ways. ASGI has none; CGI-like: hijacking.
    Upgrade {
        /// Status and fields.
        head: ResponseHead,
    },
}

/// Which trailers a response may end with.
///
/// # Examples
///
/// ```
/// use gateway_spec::TrailersPlan;
/// use http::HeaderName;
///
/// let checksum = HeaderName::from_static("x-checksum");
/// let plan = TrailersPlan::Announced([checksum].into());
/// assert_ne!(plan, TrailersPlan::default());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum TrailersPlan {
    /// None.
    #[default]
    None,
    /// These names and no others; the server sends them as the `Trailer` field.
    Announced(Arc<[HeaderName]>),
    /// Unknown until the end, as gRPC's and http-body's are. Where the client cannot take them they are dropped.
    Maybe,
}

/// A range of an open file. The server reads it; the application may drop its own handle at once.
///
/// # Examples
///
/// ```
/// use std::fs::File;
/// use std::io;
/// use gateway_spec::{FileRegion, SendError, Writer};
///
/// fn whole(file: File) -> io::Result<FileRegion> {
///     let length = file.metadata()?.len();
///     Ok(FileRegion { file: file.into(), offset: 0, length })
/// }
///
/// async fn send(writer: &mut Writer, region: FileRegion) -> Result<(), SendError> {
///     writer.write_file(region).await
/// }
/// # let _ = whole;
/// ```
#[derive(Debug, Clone)]
pub struct FileRegion {
    /// The file. It is read at positions, so its cursor is neither used nor moved.
    pub file: Arc<File>,
    /// Where to begin, in bytes.
    pub offset: u64,
    /// How many bytes. A file that is shorter makes the response fail (HTTP-25).
    pub length: u64,
}
