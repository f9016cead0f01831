//! What every peer has: its arguments, its socket, the bodies it answers with.
#![forbid(unsafe_code)]

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use memchr::memmem::Finder;
use socket2::{Domain, Socket, Type};
use tokio::net::TcpStream;

/// The answer to `GET /`.
pub const HELLO: &str = "Hello, world!";
/// The answer to `GET /json`.
pub const JSON: &str = r#"{"message":"Hello, world!"}"#;
/// `GET /stream` answers so many times [`CHUNK`].
pub const CHUNKS: u32 = 64;
/// One piece of `GET /stream`.
pub static CHUNK: [u8; 1024] = [b'x'; 1024];

/// `server [--port N] [--workers N] [--mode NAME]`
#[derive(Clone)]
pub struct Args {
    pub port: u16,
    pub workers: usize,
    pub mode: String,
}

/// The command line.
///
/// # Panics
///
/// If it is wrong.
#[must_use]
pub fn args() -> Args {
    let mut args = Args {
        port: 0,
        workers: 1,
        mode: String::new(),
    };
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        let value = given.next().expect("a value after each option");
        match name.as_str() {
            "--port" => args.port = value.parse().expect("a port"),
            "--workers" => args.workers = value.parse().expect("a number of workers"),
            "--mode" => args.mode = value,
            _ => panic!("unknown option {name}"),
        }
    }
    args
}

/// A non-blocking loopback listener that shares its port: each worker has its own.
///
/// # Panics
///
/// If the port is not to be had.
#[must_use]
pub fn listener(port: u16) -> TcpListener {
    let listen = || {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
        socket.listen(4096)?;
        Ok::<_, std::io::Error>(socket.into())
    };
    listen().expect("a free port")
}

/// Runs `work` on so many threads, the calling one included, and waits for all of them.
///
/// # Panics
///
/// If one of them does.
pub fn per_worker(workers: usize, work: impl Fn() + Send + Clone + 'static) {
    let others: Vec<_> = (1..workers)
        .map(|_| std::thread::spawn(work.clone()))
        .collect();
    work();
    for other in others {
        other.join().expect("no worker panics");
    }
}

/// Runs what `serve` makes on a current-thread tokio runtime for each worker.
///
/// # Panics
///
/// If a runtime is not to be had.
pub fn per_runtime<F: Future>(workers: usize, serve: impl Fn() -> F + Send + Clone + 'static) {
    per_worker(workers, move || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().expect("a runtime");
        runtime.block_on(serve());
    });
}

/// Accepts for ever; each connection is a task that does what `speak` makes.
///
/// # Panics
///
/// If the port is not to be had.
pub async fn accept<F>(port: u16, speak: impl Fn(TcpStream) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = tokio::net::TcpListener::from_std(listener(port)).expect("a listener");
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        if stream.set_nodelay(true).is_ok() {
            tokio::spawn(speak(stream));
        }
    }
}

/// The value of `Date`.
#[must_use]
pub fn date() -> String {
    httpdate::fmt_http_date(std::time::SystemTime::now())
}

/// The answer to `GET /` as the limits write it without looking, with the date of their start.
#[must_use]
pub fn fixed_response() -> Vec<u8> {
    let date = date();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 13\r\ndate: {date}\r\n\r\n{HELLO}"
    )
    .into_bytes()
}

/// Finds complete heads (up to an empty line) in a byte stream and nothing else.
pub struct Heads {
    finder: Finder<'static>,
    /// The last bytes of a read that ended inside a head.
    tail: [u8; 3],
    length: usize,
}

impl Default for Heads {
    fn default() -> Self {
        Self {
            finder: Finder::new(b"\r\n\r\n"),
            tail: [0; 3],
            length: 0,
        }
    }
}

impl Heads {
    /// How many heads end in `bytes`, given those fed before.
    #[inline]
    pub fn feed(&mut self, mut bytes: &[u8]) -> usize {
        let mut ended = 0;
        if self.length > 0 {
            // An end that was cut in two.
            let mut seam = [0_u8; 6];
            seam[..self.length].copy_from_slice(&self.tail[..self.length]);
            let more = bytes.len().min(3);
            seam[self.length..self.length + more].copy_from_slice(&bytes[..more]);
            if let Some(at) = self.finder.find(&seam[..self.length + more]) {
                ended += 1;
                bytes = &bytes[at + 4 - self.length..];
            }
            self.length = 0;
        }
        while let Some(at) = self.finder.find(bytes) {
            ended += 1;
            bytes = &bytes[at + 4..];
        }
        if !bytes.is_empty() {
            self.length = bytes.len().min(3);
            self.tail[..self.length].copy_from_slice(&bytes[bytes.len() - self.length..]);
        }
        ended
    }
}
