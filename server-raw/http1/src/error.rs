//! What can go wrong, sorted by culprit: the peer, or the caller.

use std::error::Error;
use std::fmt;

use gateway_spec::SendError;
use http::StatusCode;

/// The peer broke a rule of HTTP/1.1 or a limit. No request can be read from this connection any more.
///
/// [`status`](Self::status) is what to answer if nothing was answered yet, and the text says what was wrong and whose rule
/// it was; it holds nothing of what the peer sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PeerError {
    /// A first line of three words that has neither a target nor the version of a protocol. Whoever sends it does not speak
    /// HTTP/1.1 and would not understand an answer, so there is none (RFC 9113 section 3.4 has it so for a broken preface).
    NotHttp,
    /// A request line that is not `method SP target SP version`.
    RequestLine,
    /// A method that is not a token.
    Method,
    /// A method longer than any that is known.
    MethodTooLong,
    /// A target in none of the four forms, in one that the method does not take, with user information or with a fragment.
    Target,
    /// A target over [`Limits::target_bytes`](crate::Limits::target_bytes).
    TargetTooLong,
    /// A version of HTTP other than 1.0 and 1.1.
    Version,
    /// A carriage return without a line feed.
    BareCarriageReturn,
    /// A line feed without a carriage return.
    BareLineFeed,
    /// A head over [`Limits::head_bytes`](crate::Limits::head_bytes).
    HeadTooLarge,
    /// More fields than [`Limits::fields`](crate::Limits::fields) in the head.
    TooManyFields,
    /// A field name that is empty or not a token, or a line without a colon.
    FieldName,
    /// White space between a field name and its colon.
    SpaceBeforeColon,
    /// A line that continues the one before.
    FoldedLine,
    /// A control byte other than a tab in a field value or in the request line.
    ControlByte,
    /// An HTTP/1.1 request without a Host.
    MissingHost,
    /// More than one Host.
    RepeatedHost,
    /// A Host that is not a host with an optional port.
    Host,
    /// A Host that is not the authority of the target.
    HostDiffers,
    /// A Content-Length that is not a number of 64 bits, in digits.
    ContentLength,
    /// More than one Content-Length.
    RepeatedContentLength,
    /// A Transfer-Encoding that does not end in one `chunked`.
    TransferEncoding,
    /// A transfer coding beside `chunked`.
    UnknownCoding,
    /// A Transfer-Encoding in an HTTP/1.0 request.
    CodingInHttp10,
    /// A Transfer-Encoding and a Content-Length.
    TwoLengths,
    /// An Expect other than `100-continue`.
    Expectation,
    /// A chunk size that is not one to sixteen hexadecimal digits.
    ChunkSize,
    /// A chunk extension that is not of the grammar: `;name`, `;name=token` or `;name="quoted"`.
    ChunkExtension,
    /// Chunk extensions over [`Limits::chunk_extension_bytes`](crate::Limits::chunk_extension_bytes).
    ChunkExtensionsTooLarge,
    /// A chunk that takes the body over [`Limits::chunked_body_bytes`](crate::Limits::chunked_body_bytes).
    BodyTooLarge,
    /// A chunk whose data is not followed by a line end.
    ChunkEnd,
    /// Trailers over [`Limits::trailer_bytes`](crate::Limits::trailer_bytes) or
    /// [`Limits::trailer_fields`](crate::Limits::trailer_fields).
    TrailersTooLarge,
    /// A trailer that only a head may have.
    ForbiddenTrailer,
    /// The peer left within a head.
    TruncatedHead,
    /// The peer left within a body.
    TruncatedBody,
}

impl PeerError {
    /// The status of the answer to this error.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::HeadTooLarge | Self::TooManyFields | Self::TrailersTooLarge => {
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
            }
            Self::ChunkExtensionsTooLarge | Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Expectation => StatusCode::EXPECTATION_FAILED,
            Self::MethodTooLong | Self::UnknownCoding => StatusCode::NOT_IMPLEMENTED,
            Self::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::NotHttp
            | Self::RequestLine
            | Self::Method
            | Self::Target
            | Self::BareCarriageReturn
            | Self::BareLineFeed
            | Self::FieldName
            | Self::SpaceBeforeColon
            | Self::FoldedLine
            | Self::ControlByte
            | Self::MissingHost
            | Self::RepeatedHost
            | Self::Host
            | Self::HostDiffers
            | Self::ContentLength
            | Self::RepeatedContentLength
            | Self::TransferEncoding
            | Self::CodingInHttp10
            | Self::TwoLengths
            | Self::ChunkSize
            | Self::ChunkExtension
            | Self::ChunkEnd
            | Self::ForbiddenTrailer
            | Self::TruncatedHead
            | Self::TruncatedBody => StatusCode::BAD_REQUEST,
        }
    }

    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::NotHttp => "the first line is not one of HTTP/1.1 (RFC 9112 section 3)",
            Self::RequestLine => "the request line is malformed (RFC 9112 section 3)",
            Self::Method => "the method is not a token (RFC 9112 section 3.1)",
            Self::MethodTooLong => "the method is too long (RFC 9112 section 3)",
            Self::Target => "the request target is malformed (RFC 9112 section 3.2)",
            Self::TargetTooLong => "the request target is too long (RFC 9112 section 3)",
            Self::Version => "the version of HTTP is not supported (RFC 9112 section 2.3)",
            Self::BareCarriageReturn => {
                "a carriage return stands without a line feed (RFC 9112 section 2.2)"
            }
            Self::BareLineFeed => {
                "a line feed stands without a carriage return (RFC 9112 section 2.2)"
            }
            Self::HeadTooLarge => "the request head is too large (RFC 6585 section 5)",
            Self::TooManyFields => "the request head has too many fields (RFC 6585 section 5)",
            Self::FieldName => "a field name is malformed (RFC 9112 section 5)",
            Self::SpaceBeforeColon => "white space stands before a colon (RFC 9112 section 5.1)",
            Self::FoldedLine => "a field line is folded (RFC 9112 section 5.2)",
            Self::ControlByte => "a line holds a control byte (RFC 9110 section 5.5)",
            Self::MissingHost => "the Host field is missing (RFC 9112 section 3.2)",
            Self::RepeatedHost => "the Host field is repeated (RFC 9112 section 3.2)",
            Self::Host => "the Host field is malformed (RFC 9112 section 3.2)",
            Self::HostDiffers => "the Host field differs from the target (RFC 9112 section 3.2)",
            Self::ContentLength => "the Content-Length field is malformed (RFC 9112 section 6.3)",
            Self::RepeatedContentLength => {
                "the Content-Length field is repeated (RFC 9112 section 6.3)"
            }
            Self::TransferEncoding => {
                "the Transfer-Encoding field does not end in one chunked (RFC 9112 section 6.3)"
            }
            Self::UnknownCoding => "a transfer coding is not supported (RFC 9112 section 6.1)",
            Self::CodingInHttp10 => {
                "an HTTP/1.0 request has a Transfer-Encoding field (RFC 9112 section 6.1)"
            }
            Self::TwoLengths => {
                "Transfer-Encoding and Content-Length stand together (RFC 9112 section 6.3)"
            }
            Self::Expectation => "the expectation cannot be met (RFC 9110 section 10.1.1)",
            Self::ChunkSize => "a chunk size is malformed (RFC 9112 section 7.1)",
            Self::ChunkExtension => "a chunk extension is malformed (RFC 9112 section 7.1.1)",
            Self::ChunkExtensionsTooLarge => {
                "the chunk extensions are too large (RFC 9112 section 7.1.1)"
            }
            Self::BodyTooLarge => "the request body is too large (RFC 9110 section 15.5.14)",
            Self::ChunkEnd => {
                "the data of a chunk is not followed by a line end (RFC 9112 section 7.1)"
            }
            Self::TrailersTooLarge => "the trailers are too large (RFC 6585 section 5)",
            Self::ForbiddenTrailer => "a field may not stand in trailers (RFC 9110 section 6.5.1)",
            Self::TruncatedHead => {
                "the connection ended within a request head (RFC 9112 section 8)"
            }
            Self::TruncatedBody => {
                "the connection ended within a request body (RFC 9112 section 8)"
            }
        }
    }
}

impl fmt::Display for PeerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl Error for PeerError {}

/// The caller asked for what HTTP/1.1 or the order of calls does not allow. Nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UsageError {
    /// The call does not fit where the connection stands, for instance data before a head.
    OutOfOrder,
    /// An interim status (1xx) where a final one belongs, a final one where an interim one does, or 101 outside of
    /// [`switch_protocols`](crate::Connection::switch_protocols).
    Status,
    /// A 2xx to CONNECT outside of [`switch_protocols`](crate::Connection::switch_protocols), which it makes a tunnel.
    Tunnel,
    /// A switch of protocols that the peer did not offer, or 101 without an `Upgrade` field.
    NotOffered,
    /// A content-length that is not a number of 64 bits in digits, or that is repeated.
    ContentLength,
    /// More data than the content-length says.
    TooMuchData {
        /// What it says, in bytes.
        declared: u64,
    },
    /// The end of a body shorter than the content-length says.
    TooLittleData {
        /// How many bytes are owed still.
        missing: u64,
    },
    /// A trailer that only a head may have.
    ForbiddenTrailer,
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OutOfOrder => "the call does not fit where the connection stands",
            Self::Status => "the status does not fit the call (RFC 9110 section 15.2)",
            Self::Tunnel => "a 2xx to CONNECT makes a tunnel (RFC 9110 section 9.3.6)",
            Self::NotOffered => "the switch of protocols was not offered (RFC 9110 section 7.8)",
            Self::ContentLength => {
                "the content-length is malformed or repeated (RFC 9110 section 8.6)"
            }
            Self::TooMuchData { .. } => {
                "the body is longer than its content-length (RFC 9112 section 6.2)"
            }
            Self::TooLittleData { .. } => {
                "the body is shorter than its content-length (RFC 9112 section 6.2)"
            }
            Self::ForbiddenTrailer => "a field may not stand in trailers (RFC 9110 section 6.5.1)",
        })
    }
}

impl Error for UsageError {}

/// What a transport of the contract tells an application whose event HTTP/1.1 does not allow: an event given to a
/// [`Connection`](crate::Connection) as it comes needs no other check than this.
impl From<UsageError> for SendError {
    fn from(error: UsageError) -> Self {
        match error {
            UsageError::OutOfOrder | UsageError::NotOffered => Self::OutOfOrder,
            UsageError::Status | UsageError::Tunnel | UsageError::ContentLength => Self::BadHead,
            UsageError::TooMuchData { declared } => Self::TooMuch { declared },
            UsageError::TooLittleData { missing } => Self::TooLittle { missing },
            UsageError::ForbiddenTrailer => Self::BadTrailer,
        }
    }
}
