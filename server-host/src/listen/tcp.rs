//! Listeners of TCP.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use socket2::{Domain, Protocol, Socket, Type};

/// Binds an address so many times: the kernel spreads connections over the sockets. A port of 0 becomes a free one, the
/// same for all.
pub(super) fn bind(address: SocketAddr, sockets: usize, backlog: u32) -> io::Result<Vec<OwnedFd>> {
    // The first one is bound alone, so that a port that another process shares is seen to be taken.
    let first = socket(address)?;
    first.bind(&address.into())?;
    let mut all = vec![first];
    if sockets > 1 {
        all[0].set_reuse_port(true)?;
        let real = all[0].local_addr()?;
        for _ in 1..sockets {
            let next = socket(address)?;
            next.set_reuse_port(true)?;
            next.bind(&real)?;
            all.push(next);
        }
    }
    let listening = all.into_iter().map(|socket| {
        socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        Ok(socket.into())
    });
    listening.collect()
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
