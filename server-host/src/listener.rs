//! Binds addresses and accepts connections.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use crate::ServeError;

/// Connections that may wait in the kernel. As nginx and node; the kernel's own limit may be lower.
const BACKLOG: i32 = 1024;

/// How long accepting pauses when descriptors have run out. Long enough for some to be given back, short enough that
/// nobody notices.
pub(crate) const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// One address, with a listener of its own for each worker: the kernel spreads connections over them.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) address: SocketAddr,
    pub(crate) listeners: Vec<TcpListener>,
}

/// Binds an address for so many workers. A port of 0 becomes a free one, the same for all.
pub(crate) fn bind(address: SocketAddr, workers: usize) -> Result<Bound, ServeError> {
    let error = |source| ServeError::Bind { address, source };
    // The first one is bound alone, so that a port that another process shares is seen to be taken.
    let first = socket(address).map_err(error)?;
    first.bind(&address.into()).map_err(error)?;
    first.set_reuse_port(true).map_err(error)?;
    let real = first.local_addr().map_err(error)?;
    let real = real.as_socket().unwrap_or(address);
    let mut sockets = vec![first];
    for _ in 1..workers {
        let next = socket(real).map_err(error)?;
        next.set_reuse_port(true).map_err(error)?;
        next.bind(&real.into()).map_err(error)?;
        sockets.push(next);
    }
    let mut listeners = Vec::with_capacity(workers);
    for socket in sockets {
        socket.listen(BACKLOG).map_err(error)?;
        listeners.push(socket.into());
    }
    Ok(Bound {
        address: real,
        listeners,
    })
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_nonblocking(true)?;
    // A server that restarts must not wait for the last connections of the one before.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // `[::]` is for IPv6 alone, so that it can stand beside `0.0.0.0`.
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

/// What to do after `accept` failed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum AcceptFailure {
    /// That connection alone is lost.
    Next,
    /// Descriptors or memory have run out: wait a little.
    Pause,
}

pub(crate) fn classify(error: &io::Error) -> AcceptFailure {
    match error.kind() {
        io::ErrorKind::ConnectionAborted
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionRefused
        | io::ErrorKind::Interrupted
        | io::ErrorKind::TimedOut => AcceptFailure::Next,
        _ => AcceptFailure::Pause,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_worker_listens_on_the_same_free_port() {
        let bound = bind(SocketAddr::from(([127, 0, 0, 1], 0)), 3).expect("a free port");
        assert_ne!(bound.address.port(), 0);
        assert_eq!(bound.listeners.len(), 3);
        for listener in &bound.listeners {
            assert_eq!(listener.local_addr().expect("bound"), bound.address);
        }
    }

    #[test]
    fn a_port_that_another_server_uses_is_taken() {
        let first = bind(SocketAddr::from(([127, 0, 0, 1], 0)), 2).expect("a free port");
        let second = bind(first.address, 2);
        assert!(
            matches!(second, Err(ServeError::Bind { source, .. }) if source.kind() == io::ErrorKind::AddrInUse)
        );
    }
}
