//! The wire by hyper.
#![forbid(unsafe_code)]

use gateway_spec::Capabilities;
use server_host::{Context, Protocol, Stream};

/// HTTP by hyper, for [`server_host::serve`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Hyper;

impl Protocol for Hyper {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new("server-hyper")
    }

    fn connection(
        &self,
        stream: Stream,
        context: Context,
    ) -> impl Future<Output = ()> + Send + 'static {
        async move { drop((stream, context)) }
    }
}
