//! Tower services as applications, through the client in the process.

mod leaving;
mod lifespan;
mod readiness;
mod reply;
mod request;
mod support;
mod upgrade;
