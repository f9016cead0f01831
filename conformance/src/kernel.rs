//! What the kernel holds of a connection between two processes of this machine: so that what a server holds can be told
//! from it.

use std::net::SocketAddr;

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
    /// Of a connection on which nothing moves; `None` if this machine does not list both of its ends.
    pub(crate) fn between(server: &Server, client: &Client) -> Option<Self> {
        let (server, client) = (server.address(), client.address());
        let table = std::fs::read_to_string("/proc/net/tcp").ok()?;
        Some(Self {
            server: Queues::listed(&table, server, client)?,
            client: Queues::listed(&table, client, server)?,
        })
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
    fn listed(table: &str, local: SocketAddr, remote: SocketAddr) -> Option<Self> {
        let (local, remote) = (listed(local)?, listed(remote)?);
        table.lines().find_map(|line| {
            let mut fields = line.split_whitespace().skip(1);
            let ends = (fields.next()?, fields.next()?);
            let _state = fields.next()?;
            let (sent, come) = fields.next()?.split_once(':')?;
            (ends == (&*local, &*remote)).then_some(Self {
                unacknowledged: usize::from_str_radix(sent, 16).ok()?,
                unread: usize::from_str_radix(come, 16).ok()?,
            })
        })
    }
}

/// An address as the kernel lists it: the four bytes of an IPv4 address as one number of this machine, and the port.
fn listed(address: SocketAddr) -> Option<String> {
    let SocketAddr::V4(address) = address else {
        return None;
    };
    let number = u32::from_ne_bytes(address.ip().octets());
    Some(format!("{number:08X}:{:04X}", address.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_table_is_found_by_its_ends() {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let ip = listed(address(0))
            .expect("it is of IPv4")
            .replace(":0000", "");
        let table = format!(
            "  sl  local_address rem_address   st tx_queue rx_queue\n   0: {ip}:1F90 {ip}:0001 01 00000010:000000FF 00:0\n"
        );
        let found = Queues::listed(&table, address(8080), address(1)).expect("it is listed");
        assert_eq!((found.unacknowledged, found.unread), (16, 255));
        assert!(Queues::listed(&table, address(1), address(8080)).is_none());
    }
}
