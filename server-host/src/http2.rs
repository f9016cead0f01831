//! What both servers know of HTTP/2 beyond its frames: how a connection opens, which requests are none, and when a connection with
//! streams is idle, or ends.
//!
//! The frames, windows and header compression are those of the `h2` crate in both, which refuses by itself what breaks
//! the rules of RFC 9113 on names, values and pseudo-fields. What it lets pass is checked here, as strictly as HTTP/1.1.

mod authority;
mod opening;
mod request;
mod streams;
mod trailers;

pub use opening::{Opening, PREFACE};
pub use request::{Expectation, Refusal, check, facts};
pub use streams::{Course, Streams, connection_window};
pub use trailers::check_trailers;
