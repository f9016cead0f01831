//! Between a client of HTTP/2 in the clear and a server: passes all bytes on, and counts what was asked and what was answered.
//!
//! What a client says of a connection's end is its view of it: h2load counts requests as failed that it has never sent.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// The client's first bytes (RFC 9113 section 3.4), before its frames.
const PREFACE: usize = 24;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;

/// A relay, until the process ends.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

/// What has passed, on all connections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Streams that the client has begun.
    pub(crate) asked: usize,
    /// Streams that the server has ended in order.
    pub(crate) answered: usize,
    /// Those that it has reset.
    pub(crate) reset: usize,
    /// How often it has told a client to go.
    pub(crate) goaways: usize,
}

/// Whose bytes they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    Client,
    Server,
}

impl Relay {
    pub(crate) fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let seen = Arc::new(Mutex::new(Seen::default()));
        let of_connections = Arc::clone(&seen);
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.expect("a client");
                let server = TcpStream::connect(server).expect("it listens");
                let both = |stream: &TcpStream| stream.try_clone().expect("a descriptor");
                let (to_client, to_server) = (both(&client), both(&server));
                let (one, other) = (Arc::clone(&of_connections), Arc::clone(&of_connections));
                thread::spawn(move || pass(client, to_server, From::Client, &one));
                thread::spawn(move || pass(server, to_client, From::Server, &other));
            }
        });
        Self { address, seen }
    }

    pub(crate) fn seen(&self) -> Seen {
        *lock(&self.seen)
    }
}

fn lock(seen: &Mutex<Seen>) -> std::sync::MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Passes on what comes, and counts the frames that are whole.
fn pass(mut from: TcpStream, mut to: TcpStream, whose: From, seen: &Mutex<Seen>) {
    let mut bytes = Vec::new();
    let mut skip = if whose == From::Client { PREFACE } else { 0 };
    let mut part = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut part) {
        bytes.extend_from_slice(&part[..length]);
        let skipped = skip.min(bytes.len());
        bytes.drain(..skipped);
        skip -= skipped;
        // Before they are passed on: who sees an answer sees it counted.
        count(&mut bytes, whose, &mut lock(seen));
        if to.write_all(&part[..length]).is_err() {
            break;
        }
    }
    // The other one is gone already, it may be.
    let _ = to.shutdown(Shutdown::Write);
}

fn count(bytes: &mut Vec<u8>, whose: From, seen: &mut Seen) {
    while let [a, b, c, kind, flags, ..] = bytes[..] {
        let end = 9 + u32::from_be_bytes([0, a, b, c]) as usize;
        if bytes.len() < end {
            return;
        }
        let ends = flags & END_STREAM != 0;
        match (whose, kind) {
            (From::Client, HEADERS) => seen.asked += 1,
            (From::Server, HEADERS | DATA) if ends => seen.answered += 1,
            (From::Server, RST_STREAM) => seen.reset += 1,
            (From::Server, GOAWAY) => seen.goaways += 1,
            _ => {}
        }
        bytes.drain(..end);
    }
}
