//! In front of a right server: a relay that mangles what goes through it, a thread for each direction.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, SockRef, Socket, Type};

/// What is done to the bytes of a connection, as they are read: a pattern that comes in two reads is passed over.
#[derive(Clone, Copy)]
pub(crate) struct Wire {
    /// From the client to the server.
    pub(crate) up: fn(&mut Vec<u8>),
    /// From the server to the client.
    pub(crate) down: fn(&mut Vec<u8>),
    /// Whether the client is reset once it was sent these bytes.
    pub(crate) reset_after: fn(&[u8]) -> bool,
    pub(crate) room: Room,
}

/// How much of what a client sends the relay holds.
#[derive(Clone, Copy)]
pub(crate) enum Room {
    /// One read.
    Bounded,
    /// All of it.
    Endless,
}

/// Nothing goes wrong.
pub(crate) const FAITHFUL: Wire = Wire {
    up: |_| {},
    down: |_| {},
    reset_after: |_| false,
    room: Room::Bounded,
};

/// What the kernel holds for each of the relay's sockets and directions: little, so that the relay hides nobody's
/// backpressure.
const KERNEL: usize = 64 * 1024;

/// How long the relay is waited for when the server has ended.
const LAST_BYTES: Duration = Duration::from_secs(1);

/// A relay that runs.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    open: Arc<AtomicUsize>,
}

impl Relay {
    /// Begins to relay to this server, on a port of its own.
    pub(crate) fn start(server: SocketAddr, wire: Wire) -> io::Result<Self> {
        let socket = socket()?;
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
        socket.listen(1024)?;
        let listener = TcpListener::from(socket);
        let relay = Self {
            address: listener.local_addr()?,
            open: Arc::default(),
        };
        let open = Arc::clone(&relay.open);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                open.fetch_add(1, Ordering::SeqCst);
                let open = Arc::clone(&open);
                thread::spawn(move || {
                    // A server that takes nobody new is a closed connection to its client.
                    let _ = carry(&client, server, wire);
                    drop(client);
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Ok(relay)
    }

    /// Waits until what the server sent last is with its clients.
    pub(crate) fn finish(&self) {
        let until = Instant::now() + LAST_BYTES;
        while self.open.load(Ordering::SeqCst) > 0 && Instant::now() < until {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

fn socket() -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_recv_buffer_size(KERNEL)?;
    socket.set_send_buffer_size(KERNEL)?;
    Ok(socket)
}

fn carry(client: &TcpStream, server: SocketAddr, wire: Wire) -> io::Result<()> {
    let upstream = socket()?;
    upstream.connect(&server.into())?;
    let upstream = TcpStream::from(upstream);
    client.set_nodelay(true)?;
    upstream.set_nodelay(true)?;
    thread::scope(|both| {
        both.spawn(|| match wire.room {
            Room::Bounded => copy(client, &upstream, wire.up, |_| false),
            Room::Endless => copy_without_waiting(client, &upstream, wire.up),
        });
        copy(&upstream, client, wire.down, wire.reset_after);
    });
    Ok(())
}

/// Until the end of this direction, which is handed on as it came: in order or by a reset.
fn copy(
    mut from: &TcpStream,
    mut to: &TcpStream,
    mangle: fn(&mut Vec<u8>),
    reset_after: fn(&[u8]) -> bool,
) {
    let mut block = [0; 16 * 1024];
    loop {
        let read = match from.read(&mut block) {
            Ok(0) => {
                let _ = to.shutdown(Shutdown::Write);
                return;
            }
            Ok(read) => read,
            Err(_) => return reset(to),
        };
        let mut bytes = block[..read].to_vec();
        mangle(&mut bytes);
        if to.write_all(&bytes).is_err() {
            return reset(from);
        }
        if reset_after(&bytes) {
            return reset(to);
        }
    }
}

/// Reads whether or not anybody takes it.
fn copy_without_waiting(mut from: &TcpStream, mut to: &TcpStream, mangle: fn(&mut Vec<u8>)) {
    let (held, taken) = mpsc::channel::<Vec<u8>>();
    thread::scope(|both| {
        both.spawn(move || {
            while let Ok(bytes) = taken.recv() {
                if to.write_all(&bytes).is_err() {
                    return;
                }
            }
            let _ = to.shutdown(Shutdown::Write);
        });
        let mut block = [0; 16 * 1024];
        while let Ok(read @ 1..) = from.read(&mut block) {
            let mut bytes = block[..read].to_vec();
            mangle(&mut bytes);
            if held.send(bytes).is_err() {
                return;
            }
        }
        drop(held);
    });
}

/// Ends a connection so that the other side sees that it is not in order: by a reset, once both threads have let go of it.
fn reset(stream: &TcpStream) {
    // Both fail only if it is gone already. The second wakes the other thread; closing its writing side too would say that
    // all is in order.
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
    let _ = stream.shutdown(Shutdown::Read);
}
