//! Tower services as applications, through the client in the process.

mod leaving;
mod lifespan;
mod readiness;
mod reply;
mod request;
pub(crate) mod support;
mod upgrade;
