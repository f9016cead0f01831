//! The wire by hand: HTTP/1.1 by the sans-I/O [`http1`] package, on tokio's sockets.
//!
//! Choose it for speed: a plain request costs no allocation, no spawn and no wake. It has HTTP/1.0, HTTP/1.1 and what
//! is upgraded from them; HTTP/2 is `server-hyper`'s.
//!
//! All that is not the wire is `server-host`'s. The files are those of `server-hyper`, so that the two can be read
//! side by side: `connection` drives, `request` turns heads into scopes, `reply` takes what the application sends,
//! `body` brings it the request's body, `upgrade` carries tunnels, `io` moves bytes.
#![forbid(unsafe_code)]

mod body;
mod connection;
mod io;
mod reply;
mod request;
mod upgrade;

use gateway_spec::Capabilities;
use server_host::{Context, Protocol, Stream};

use connection::Connection;

/// HTTP/1.1 by hand, for [`server_host::serve`].
///
/// # Examples
///
/// ```no_run
/// use gateway_spec::{Connection, application_fn};
/// use server_host::Settings;
///
/// let app = application_fn(|connection: Connection| connection.refuse());
/// server_host::serve(server_raw::Raw, app, Settings::default(), |listening| {
///     println!("{}", listening.address);
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
