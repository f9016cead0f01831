//! Bodies, writers, tunnels and sockets as what the rest of the world reads, writes, streams and sends.

mod body_reader;
mod body_writer;
mod interop;
mod messages;
mod send;
mod tunnel_io;
mod wire;
