//! Applications as tower services: called by hand, inside of hyper and of axum, and with layers around them.

#[cfg(feature = "axum")]
mod inside_axum;
mod layers;
mod leaving;
mod lifespan;
mod request;
mod response;
mod support;
mod tunnels;
mod wire;
