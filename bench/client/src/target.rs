//! The server: connections to it, and one exchange at a time.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use clap::Args;
use socket2::Socket;

use crate::Fields;

/// A server that says nothing for so long is broken: the measuring programs slow it down, but not by so much.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Target {
    /// The server's port
    #[arg(long)]
    port: u16,
    /// Its address; between two addresses there are some 28,000 connections at most
    #[arg(long, default_value_t = Ipv4Addr::LOCALHOST)]
    address: Ipv4Addr,
}

/// An answer in full.
pub(crate) struct Answer {
    pub(crate) head: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

impl Target {
    pub(crate) fn connect(self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect((self.address, self.port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    pub(crate) fn request(self, path: &str, fields: Fields) -> Vec<u8> {
        let more = match fields {
            Fields::Host => String::new(),
            Fields::Browser => BROWSER.replace('\n', "\r\n"),
        };
        let port = self.port;
        format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{more}\r\n").into_bytes()
    }
}

/// With Host, the fifteen fields of a browser that has cookies for the page.
const BROWSER: &str = include_str!("browser.txt");

/// Closes with a reset, so that thousands of connections leave nothing behind in the kernel.
pub(crate) fn reset(stream: TcpStream) -> io::Result<()> {
    Socket::from(stream).set_linger(Some(Duration::ZERO))
}

pub(crate) fn exchange(stream: &mut TcpStream, request: &[u8]) -> io::Result<Answer> {
    stream.write_all(request)?;
    answer(stream)
}

/// Reads one whole answer: its head, and its body by length or by chunks (not taken apart).
pub(crate) fn answer(stream: &mut TcpStream) -> io::Result<Answer> {
    let mut read = Vec::new();
    let end = loop {
        if let Some(at) = find(&read, b"\r\n\r\n") {
            break at + 4;
        }
        more(stream, &mut read)?;
    };
    let head = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
    let length = if head.starts_with("http/1.1 101") {
        Some(read.len() - end)
    } else {
        head.lines()
            .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
    };
    let whole = |read: &[u8]| match length {
        Some(length) => read.len() >= end + length,
        None => read.ends_with(b"\r\n0\r\n\r\n"),
    };
    while !whole(&read) {
        more(stream, &mut read)?;
    }
    let body = read.split_off(end);
    Ok(Answer { head: read, body })
}

fn more(stream: &mut TcpStream, read: &mut Vec<u8>) -> io::Result<()> {
    let mut buffer = [0; 64 * 1024];
    match stream.read(&mut buffer)? {
        0 => Err(io::Error::other(format!(
            "the server closed the connection after {:?}",
            String::from_utf8_lossy(read)
        ))),
        bytes => {
            read.extend_from_slice(&buffer[..bytes]);
            Ok(())
        }
    }
}

pub(crate) fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

impl Answer {
    /// # Errors
    ///
    /// If its status is not 200.
    pub(crate) fn ok(self) -> io::Result<Self> {
        if self.head.starts_with(b"HTTP/1.1 200 ") {
            return Ok(self);
        }
        Err(io::Error::other(
            String::from_utf8_lossy(&self.head).to_string(),
        ))
    }

    pub(crate) fn len(&self) -> usize {
        self.head.len() + self.body.len()
    }
}
