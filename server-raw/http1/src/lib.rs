//! HTTP/1.1 for a server, without I/O (RFC 9112, and what of RFC 9110 a server must know to frame messages).
//!
//! Bytes in, events out; replies in, bytes out. Nothing here reads, writes, waits or knows the time: whoever owns the socket
//! does, and owns the buffers too. So the rules can be tested byte by byte, and any shell can drive them.
//!
//! # Theory of operation
//!
//! A [`Connection`] is where one connection stands. An exchange begins with a head; then the rest of the request is read while
//! the reply is written, in any order of the two; and when both are done, the next may begin.
//!
//! ```text
//!            ┌──────────────────────────── start_next ───────────────────────────┐
//!            ▼                                                                   │
//!  ┌───────────────────┐ Event::Head ┌───────────────────────────────────────────┴──┐
//!  │ between requests, ├────────────▶│ reading: Data, Trailers, End ─▶ Paused       │
//!  │ or within a head  │             │ writing: send_head, send_data, send_end      │
//!  └────────┬──────────┘             └────────┬────────────────────────────┬────────┘
//!           │ PeerError, or the peer left     │ Connection: close, errors  │ switch_protocols
//!           ▼                                 ▼                            ▼
//!        closed                            closed                       tunnel
//! ```
//!
//! # Calling order
//!
//! * **In**: read bytes into the input and call [`next_event`](Connection::next_event) until it says [`Step::NeedBytes`]. At the
//!   peer's FIN, [`end_of_input`](Connection::end_of_input), and ask again.
//! * **Out**: after [`Event::Head`], any number of [`send_informational`](Connection::send_informational), then
//!   [`send_head`](Connection::send_head), [`send_data`](Connection::send_data) ..., [`send_end`](Connection::send_end); or
//!   [`send_whole`](Connection::send_whole) for all three; or [`switch_protocols`](Connection::switch_protocols).
//! * **On**: [`after_reply`](Connection::after_reply) says whether to close, to drain the rest of the body first, or to
//!   [`start_next`](Connection::start_next).
//! * **Amiss**: a [`PeerError`] knows its status, and [`error_reply`](Connection::error_reply) answers it. A [`UsageError`] is the
//!   caller's, and nothing was written.
//!
//! A [`Check`] is for a server that has another read bodies and write replies: it is given the bytes first, reads the heads, and says how
//! many of the others a connection would take.
//!
//! # Strictness
//!
//! What two parties could read differently is refused, with 400 and a closed connection: bare line feeds and carriage returns,
//! folded lines, white space before a colon, control bytes, lengths that are repeated, signed, listed or beside a coding,
//! codings other than one `chunked`, several Hosts or none, chunk sizes that are not plain hexadecimal, trailers that frame or
//! route. The [`Limits`] hold however the bytes arrive.
//!
//! Where RFC 9112 leaves a choice: `gzip, chunked` is answered with 501 and any other unknown coding with 400; a Host must not be
//! empty, may end in a colon, and must be the authority of an absolute target; of what may stand in a path or query, `http::Uri`
//! decides, except that a fragment is refused; one empty line before a request is ignored.
//!
//! # Examples
//!
//! ```
//! use bytes::BytesMut;
//! use gateway_spec::Headers;
//! use http::StatusCode;
//! use http1::{Connection, Event, Limits, RequestHead, Step};
//!
//! let mut connection = Connection::new(Limits::default());
//! let mut head = RequestHead::default();
//! let mut input = BytesMut::from("GET /hello HTTP/1.1\r\nHost: example\r\n\r\n");
//! let mut output = Vec::new();
//!
//! assert_eq!(connection.next_event(&mut input, &mut head)?, Step::Event(Event::Head));
//! assert_eq!((head.uri.path(), head.headers.get_str("host")), ("/hello", Some("example")));
//!
//! let date = b"Sun, 06 Nov 1994 08:49:37 GMT";
//! connection.send_whole(StatusCode::OK, &Headers::new(), b"Hello!", date, &mut output)?;
//! connection.start_next()?;
//! assert_eq!(connection.next_event(&mut input, &mut head)?, Step::NeedBytes);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod check;
mod chunk_extension;
mod connection;
mod state;

mod event;
mod head;

mod body_reader;
mod body_writer;
mod field_lines;
mod framing;
mod reply_head;
mod scan;
mod target;
mod trailers;

mod error;
mod limits;

pub use check::{Check, Passed, Verdict};
pub use connection::Connection;
pub use error::{PeerError, UsageError};
pub use event::{AfterReply, Event, Payload, Step};
pub use framing::{BodyFraming, ReplyBody};
pub use head::{
    Expectation, HeadFacts, HeadParts, METHOD_BYTES, Persistence, RequestHead, Trailers, Upgrade,
};
pub use limits::Limits;
pub use reply_head::write_closing_reply;
pub use trailers::is_forbidden_trailer;
