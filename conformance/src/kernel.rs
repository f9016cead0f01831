//! What the kernel holds of a connection between two processes of this machine: so that what a server holds can be told
//! from it.

use std::net::{Ipv4Addr, SocketAddr};

use crate::client::Client;
use crate::server::Server;

/// The queues of both ends of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kernels {
    server: Queues,
    client: Queues,
}

/// Bytes that the kernel holds for one end.
#[derive(Debug, Clone, Copy)]
struct Queues {
    /// Written, and not acknowledged by the other end.
    unacknowledged: usize,
    /// Come, and not read.
    unread: usize,
}

impl Kernels {
    /// Of a connection on which nothing moves.
    ///
    /// # Panics
    ///
    /// If the kernel does not list it.
    #[track_caller]
    pub(crate) fn between(server: &Server, client: &Client) -> Self {
        let (server, client) = (server.address(), client.address());
        Self {
            server: Queues::of(server, client),
            client: Queues::of(client, server),
        }
    }

    /// Bytes on their way to the client.
    pub(crate) fn to_client(self) -> usize {
        self.server.unacknowledged + self.client.unread
    }

    /// Bytes on their way to the server.
    pub(crate) fn to_server(self) -> usize {
        self.client.unacknowledged + self.server.unread
    }
}

impl Queues {
    #[track_caller]
    fn of(local: SocketAddr, remote: SocketAddr) -> Self {
        let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux lists its sockets");
        let found = table.lines().find_map(|line| {
            let mut fields = line.split_whitespace().skip(1);
            let ends = (fields.next()?, fields.next()?);
            let _state = fields.next()?;
            let (sent, come) = fields.next()?.split_once(':')?;
            (ends == (&*listed(local), &*listed(remote))).then(|| Self {
                unacknowledged: hexadecimal(sent),
                unread: hexadecimal(come),
            })
        });
        found.expect("the connection is open")
    }
}

fn hexadecimal(digits: &str) -> usize {
    usize::from_str_radix(digits, 16).expect("the kernel writes hexadecimal digits")
}

/// An address as the kernel lists it: the four bytes of an IPv4 address as one number of this machine, and the port.
fn listed(address: SocketAddr) -> String {
    let SocketAddr::V4(address) = address else {
        panic!("{address} is not of IPv4");
    };
    let ip: &Ipv4Addr = address.ip();
    let number = u32::from_ne_bytes(ip.octets());
    format!("{number:08X}:{:04X}", address.port())
}
