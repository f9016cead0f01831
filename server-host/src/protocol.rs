//! What a server supplies: the wire of one connection.

use std::future::Future;

use gateway_spec::Capabilities;

use crate::{Context, Stream};

/// A wire: how one connection becomes exchanges. All else of a server is this crate's.
pub trait Protocol: Send + Sync + 'static {
    /// What the wire can do; its name is the server's.
    fn capabilities(&self) -> Capabilities;

    /// Serves one connection to its end. It looks at [`Context::shutdown`] at each poll, ends idle connections when
    /// a shutdown begins, and keeps its deadlines in the context.
    fn connection(
        &self,
        stream: Stream,
        context: Context,
    ) -> impl Future<Output = ()> + Send + 'static;
}
