//! Each application of the cookbook over real sockets: on both servers, and, by the same assertions, on the server that it
//! was written for.
#![forbid(unsafe_code)]

mod client;
mod host;
mod program;
mod site;

mod asked;
mod bodies;
mod differences;
mod events;
mod flask;
mod grpc;
mod layers;
mod notes;
mod odd;
mod parity;
mod pipes;
mod shutdown;
mod silence;
mod sockets;
