//! The server: connections to it, and one exchange at a time.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use clap::Args;
use socket2::{Domain, Socket, Type};

use crate::Fields;

/// A server that says nothing for so long is broken: the measuring programs slow it down, but not by so much.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Target {
    /// The server's port on 127.0.0.1
    #[arg(long)]
    port: u16,
}

/// An answer in full.
pub(crate) struct Answer {
    pub(crate) head: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

impl Target {
    pub(crate) fn connect(self) -> io::Result<TcpStream> {
        self.connect_from(Ipv4Addr::UNSPECIFIED)
    }

    pub(crate) fn connect_from(self, from: Ipv4Addr) -> io::Result<TcpStream> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        if !from.is_unspecified() {
            socket.bind(&SocketAddr::from((from, 0)).into())?;
        }
        socket.connect(&SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)).into())?;
        let stream = TcpStream::from(socket);
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    pub(crate) fn request(self, path: &str, fields: Fields) -> Vec<u8> {
        let more = match fields {
            Fields::Host => "",
            Fields::Browser => BROWSER,
        };
        let port = self.port;
        format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{more}\r\n").into_bytes()
    }
}

/// With Host, fifteen fields.
const BROWSER: &str = concat!(
    "Connection: keep-alive\r\nCache-Control: max-age=0\r\n",
    "sec-ch-ua: \"Chromium\";v=\"140\", \"Not=A?Brand\";v=\"24\", \"Google Chrome\";v=\"140\"\r\n",
    "sec-ch-ua-mobile: ?0\r\nsec-ch-ua-platform: \"Linux\"\r\nUpgrade-Insecure-Requests: 1\r\n",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) ",
    "Chrome/140.0.0.0 Safari/537.36\r\n",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,",
    "*/*;q=0.8,application/signed-exchange;v=b3;q=0.7\r\n",
    "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-User: ?1\r\n",
    "Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-GB,en-US;q=0.9,en;q=0.8\r\n",
    "Cookie: session=eyJ1c2VyIjoxMjM0NTY3ODkwfQ.aGVsbG8.c2lnbmF0dXJlLXNpZ25hdHVyZQ; theme=dark; ",
    "_ga=GA1.1.123456789.1700000000\r\n",
);

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
