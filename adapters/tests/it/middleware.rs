//! The middleware, in the process: each wrapper alone, then one inside of another.

mod cancel;
mod catch;
#[cfg(feature = "compression")]
mod compression;
mod cors;
mod fallbacks;
mod hosts;
mod ids;
mod limits;
mod logs;
mod mounts;
mod order;
mod passing;
pub(crate) mod support;
mod timeouts;
