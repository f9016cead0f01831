//! The wire by hyper: HTTP/1.1, and HTTP/2 by prior knowledge on the same port.
//!
//! Choose it for an engine that half the world runs. All that is not the wire is `server-host`'s. The
//! files are those of `server-raw`, so that the two can be read side by side: `connection` drives, `request` turns
//! heads into scopes, `reply` takes what the application sends, `body` brings it the request's body, `upgrade` carries
//! tunnels, `io` moves bytes, `http2` has the streams. Two have no likeness there: `service` is what hyper calls, and
//! `gate` what it may read.
//!
//! # What hyper does not see
//!
//! Its parser is kinder than the rules, and says of much that it passed over nothing. So `gate` has every byte of HTTP/1.1
//! read before hyper sees it, by the code that `server-raw` reads requests with: the verdicts are the same, and so are the
//! answers to what is refused. A head goes to the application as it was read, in its order and its spelling. Hyper is told the gist of it: the
//! method, how long the body is, whether the connection goes on. So a head is read once, and nobody can take it for something else
//! than it was checked for. Of one that is refused, hyper is told nothing.
//!
//! # What hyper does not tell
//!
//! Informational responses cannot be sent through it. It answers HTTP/1.0
//! with its own version, and need not say that the connection then ends. It sends no
//! `100 Continue` on HTTP/2, nor on HTTP/1.1 once the response has begun. Of an aborted HTTP/2 stream, what is queued
//! is lost, and a tunnel there that the client cancels reads as one that it has closed. A peer that cancels more streams
//! than it may is not told why its connection ends.
//!
//! # What is not asked of hyper
//!
//! Its `pipeline_flush` gathers answers, but writes none while a byte of a request is unread: a streamed response would
//! stand still behind a pipelined request, and a 101 be lost behind the first bytes of its tunnel. Here the connection's
//! task writes after each turn of hyper, which gathers as much. Its timer is not used either: deadlines are the host's.
#![forbid(unsafe_code)]

mod body;
mod connection;
mod gate;
mod http2;
mod io;
mod reply;
mod request;
mod service;
mod upgrade;

use gateway_spec::Capabilities;
use server_host::{Context, Protocol, Stream};

use connection::Connection;

/// HTTP by hyper, for [`server_host::serve`].
///
/// # Examples
///
/// ```no_run
/// use gateway_spec::{Connection, application_fn};
/// use server_host::Settings;
///
/// let app = application_fn(|connection: Connection| connection.refuse());
/// server_host::serve(server_hyper::Hyper, app, Settings::default(), |listening| {
///     println!("{listening}");
/// })?;
/// # Ok::<_, server_host::ServeError>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Hyper;

impl Protocol for Hyper {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new("server-hyper")
            .with_wire_order(true)
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
