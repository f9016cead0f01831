//! What both servers know of HTTP/2 beyond its frames: how a connection opens, and which requests are none.
//!
//! The frames, windows and header compression are those of the `h2` crate in both, which refuses by itself what breaks
//! the rules of RFC 9113 on names, values and pseudo-fields. What it lets pass is checked here, as strictly as HTTP/1.1.

mod authority;
mod opening;
mod request;
mod trailers;

pub use opening::{Opening, PREFACE};
pub use request::{Expectation, Refusal, check, facts};
pub use trailers::check_trailers;
