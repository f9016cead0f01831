//! The wire by hand: HTTP/1.1 by the sans-I/O [`http1`] package, on tokio's sockets; and HTTP/2, by prior knowledge on
//! the same port, by the `h2` crate.
//!
//! Choose it for speed: a plain request of HTTP/1 costs no allocation, no spawn and no wake.
//!
//! All that is not the wire is `server-host`'s. The files are those of `server-hyper`, so that the two can be read
//! side by side: `connection` drives, `request` turns heads into scopes, `reply` takes what the application sends,
//! `body` brings it the request's body, `upgrade` carries tunnels, `io` moves bytes, `http2` has the streams. What
//! hyper has between it and a stream is here in the folder `http2`.
//!
//! # What HTTP/2 does otherwise
//!
//! Each stream is a task. Names come in lower case, as they are on the wire there, and without their order across names.
//! What was accepted before an abort is sent before the stream is reset. A request that breaks the rules of RFC 9113 is
//! reset by `h2`; one that breaks those of HTTP is answered, with 400 or what fits better. A fragment in `:path` is
//! dropped.
#![forbid(unsafe_code)]

mod body;
mod connection;
mod http2;
mod reply;
mod request;
mod upgrade;

use gateway_spec::Capabilities;
use server_host::{Context, Protocol, Stream};

use connection::Connection;

/// HTTP/1.1 by hand and HTTP/2 by `h2`, for [`server_host::serve`].
///
/// # Examples
///
/// ```no_run
/// use gateway_spec::{Connection, application_fn};
/// use server_host::Settings;
///
/// let app = application_fn(|connection: Connection| connection.refuse());
/// server_host::serve(server_raw::Raw, app, Settings::default(), |listening| {
///     println!("{listening}");
/// })?;
/// # Ok::<_, server_host::ServeError>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Raw;

impl Protocol for Raw {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new("server-raw")
            .with_informational(true)
            .with_wire_order(true)
            .with_wire_case(true)
            .with_continue_on_read(true)
            .with_trailers(true)
    }

    fn connection(
        &self,
        stream: Stream,
        context: Context,
    ) -> impl Future<Output = ()> + Send + 'static {
        Connection::new(stream, context)
    }
}
