//! A raw-socket client that hides nothing: what it is told goes out byte for byte, what comes back is shown as it came.
//!
//! Blocking, and bounded everywhere: each read and each write has a time limit, and running into it is a failure. A call
//! that fails panics at its caller's line, as the assertions of a test do, and the conversation so far is printed.

mod transport;

use std::cell::Cell;
use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use socket2::{Domain, Socket, Type};

use crate::evidence;
use crate::response::{Cut, Method, Parser, Response, Step};
use transport::Transport;

/// The longest that one call waits for the server, unless its [`Subject`](crate::Subject) says otherwise. Only failures
/// take as long, so it is generous: a busy machine must not fail a test.
pub const PATIENCE: Duration = Duration::from_secs(20);

thread_local! {
    /// What the case that this thread runs has in place of [`PATIENCE`].
    static OF_THIS_CASE: Cell<Duration> = const { Cell::new(PATIENCE) };
}

/// How long the case that this thread runs waits.
pub(crate) fn patience() -> Duration {
    OF_THIS_CASE.get()
}

/// Sets how long the case that this thread runs next waits.
pub(crate) fn set_patience(patience: Duration) {
    OF_THIS_CASE.set(patience);
}

/// How much of each direction is kept for the report of a failure.
const TRANSCRIPT_BYTES: usize = 4 * 1024;

/// How much of a line is shown there.
const LINE_BYTES: usize = 160;

/// One connection to a server.
///
/// ```no_run
/// # let address = "127.0.0.1:80".parse().unwrap();
/// let mut client = conformance::Client::connect(address);
/// client.send("GET /conformance/hello HTTP/1.1\r\nhost: a\r\n\r\n");
/// assert_eq!(client.read_response().status, 200);
/// client.half_close();
/// client.expect_end();
/// ```
#[derive(Debug)]
pub struct Client {
    stream: Transport,
    /// Bytes that came and were not used yet.
    input: Vec<u8>,
    sent: Transcript,
    received: Transcript,
}

/// How a connection ended for its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The server closed its direction in order (FIN).
    Closed,
    /// The connection was reset (RST).
    Reset,
}

impl Client {
    /// Connects.
    ///
    /// # Panics
    ///
    /// If nobody listens there.
    #[track_caller]
    #[must_use]
    pub fn connect(address: SocketAddr) -> Self {
        Self::over(Transport::Tcp(tcp(address)))
    }

    /// Connects to a unix socket.
    ///
    /// # Panics
    ///
    /// If nobody listens there.
    #[track_caller]
    #[must_use]
    pub fn connect_unix(path: &Path) -> Self {
        let socket = UnixStream::connect(path).expect("the server is listening");
        Self::over(Transport::Unix(socket))
    }

    /// Connects and agrees on TLS, with the server of this name.
    ///
    /// # Errors
    ///
    /// If they do not agree.
    ///
    /// # Panics
    ///
    /// If nobody listens there, or the name is none.
    #[track_caller]
    pub fn connect_tls(
        address: SocketAddr,
        config: &Arc<ClientConfig>,
        name: &str,
    ) -> io::Result<Self> {
        Self::begin_tls(tcp(address), config, name)
    }

    /// Agrees on TLS over a connection on which something was said before.
    ///
    /// # Errors
    ///
    /// If they do not agree.
    ///
    /// # Panics
    ///
    /// If the name is none.
    #[track_caller]
    pub fn begin_tls(
        mut socket: TcpStream,
        config: &Arc<ClientConfig>,
        name: &str,
    ) -> io::Result<Self> {
        let name = ServerName::try_from(name.to_owned()).expect("a name or an address");
        let mut tls =
            ClientConnection::new(Arc::clone(config), name).expect("the configuration is right");
        socket.set_read_timeout(Some(patience()))?;
        while tls.is_handshaking() {
            tls.complete_io(&mut socket)?;
        }
        Ok(Self::over(Transport::Tls(Box::new(StreamOwned::new(
            tls, socket,
        )))))
    }

    /// What was agreed on, where TLS is spoken.
    #[must_use]
    pub fn tls(&self) -> Option<&ClientConnection> {
        match &self.stream {
            Transport::Tls(tls) => Some(&tls.conn),
            Transport::Tcp(_) | Transport::Unix(_) => None,
        }
    }

    /// Connects with a receive buffer of about `bytes` in this side's kernel, so that a server soon feels that nobody reads.
    ///
    /// # Panics
    ///
    /// If nobody listens there.
    #[track_caller]
    #[must_use]
    pub fn connect_with_receive_buffer(address: SocketAddr, bytes: usize) -> Self {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)
            .expect("sockets can be made");
        // Before connecting: the size decides the window scale of the handshake.
        socket
            .set_recv_buffer_size(bytes)
            .expect("the size is small");
        socket
            .connect_timeout(&address.into(), patience())
            .expect("the server is listening");
        Self::over(Transport::Tcp(socket.into()))
    }

    #[track_caller]
    fn over(stream: Transport) -> Self {
        let socket = stream.socket();
        let set = socket.set_write_timeout(Some(patience()));
        let is_unix = matches!(stream, Transport::Unix(_));
        set.and_then(|()| {
            if is_unix {
                Ok(())
            } else {
                socket.set_tcp_nodelay(true)
            }
        })
        .expect("a connected socket takes options");
        Self {
            stream,
            input: Vec::new(),
            sent: Transcript::default(),
            received: Transcript::default(),
        }
    }

    /// This side's address.
    #[track_caller]
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.stream
            .socket()
            .local_addr()
            .ok()
            .and_then(|address| address.as_socket())
            .expect("the socket is bound")
    }

    /// Sends bytes whole.
    ///
    /// # Panics
    ///
    /// If the server does not take them.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        if let Err(error) = self.try_send(bytes) {
            panic!("sending {} bytes failed: {error}", bytes.len());
        }
    }

    /// Sends bytes whole; the server may have closed.
    ///
    /// # Errors
    ///
    /// If the server does not take them.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        let bytes = bytes.as_ref();
        self.sent.push(bytes);
        self.stream.write_all(bytes)
    }

    /// Sends each byte in a segment of its own. A server that answers and closes half-way is none the worse for it.
    pub fn send_each_byte(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        self.send_cut(bytes, &(1..bytes.len()).collect::<Vec<_>>());
    }

    /// Sends bytes cut into segments at these offsets. A server that answers and closes half-way is none the worse for it.
    ///
    /// # Panics
    ///
    /// If the offsets do not ascend or lie outside of the bytes.
    #[track_caller]
    pub fn send_cut(&mut self, bytes: impl AsRef<[u8]>, cuts: &[usize]) {
        let bytes = bytes.as_ref();
        let mut from = 0;
        for &to in cuts.iter().chain([&bytes.len()]) {
            if self.try_send(&bytes[from..to]).is_err() {
                return;
            }
            // Gives the server a chance to read the piece alone; nothing depends on whether it does.
            thread::yield_now();
            from = to;
        }
    }

    /// Sends this block again and again while the server takes it, and returns how many bytes that was: it stops at `limit`
    /// bytes, or when nothing could be sent for `quiet`. The last block may be cut anywhere.
    ///
    /// # Panics
    ///
    /// If the connection breaks.
    #[track_caller]
    pub fn send_until_stuck(&mut self, block: &[u8], limit: usize, quiet: Duration) -> usize {
        let (total, end) = write_until_stuck(self.stream.tcp(), block, limit, quiet);
        match end {
            Err(error) if !is_timeout(&error) => {
                panic!("sending stopped after {total} bytes: {error}")
            }
            _ => total,
        }
    }

    /// `GET` of this path, and its response.
    ///
    /// # Panics
    ///
    /// If there is no whole one.
    #[track_caller]
    pub fn get(&mut self, path: &str) -> Response {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n"));
        self.read_response()
    }

    /// `POST` of this body to this path, and its response.
    ///
    /// # Panics
    ///
    /// If there is no whole one.
    #[track_caller]
    pub fn post(&mut self, path: &str, body: impl AsRef<[u8]>) -> Response {
        let body = body.as_ref();
        let mut request = format!(
            "POST {path} HTTP/1.1\r\nhost: test\r\ncontent-length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        self.send(request);
        self.read_response()
    }

    /// The next whole response to anything but HEAD; informational ones too.
    ///
    /// # Panics
    ///
    /// If there is none, or it is cut off or breaks the rules.
    #[track_caller]
    pub fn read_response(&mut self) -> Response {
        self.read_response_to(Method::Other)
    }

    /// The next whole response to a request of this method.
    ///
    /// # Panics
    ///
    /// If there is none, or it is cut off or breaks the rules.
    #[track_caller]
    pub fn read_response_to(&mut self, method: Method) -> Response {
        match self.try_read_response(method) {
            Ok(response) => response,
            Err(cut) => panic!("expected a whole response, but {cut}"),
        }
    }

    /// The next response, whole or not.
    ///
    /// # Errors
    ///
    /// What there was of it, and why it is not whole.
    pub fn try_read_response(&mut self, method: Method) -> Result<Response, Cut> {
        let mut parser = Parser::new(method);
        let until = Instant::now() + patience();
        loop {
            match parser.step(&mut self.input) {
                Ok(Step::Whole(response)) => return Ok(response),
                Ok(Step::NeedBytes) => {}
                Err(why) => return Err(parser.cut(why)),
            }
            match self.fill(until) {
                Ok(None) => {}
                Ok(Some(End::Closed)) => return parser.at_end(),
                Ok(Some(End::Reset)) => return Err(parser.cut("the connection was reset".into())),
                Err(error) => return Err(parser.cut(error.to_string())),
            }
        }
    }

    /// The head of the next response, and nothing of its body.
    ///
    /// # Panics
    ///
    /// If there is none, or it breaks the rules.
    #[track_caller]
    pub fn read_head(&mut self) -> Response {
        let end =
            |input: &[u8]| Some(4 + input.windows(4).position(|window| window == b"\r\n\r\n")?);
        let mut head = self.read_until("the end of a head", end);
        let mut parser = Parser::new(Method::Head);
        match parser.step(&mut head) {
            Ok(Step::Whole(response)) => response,
            Ok(Step::NeedBytes) => panic!("a whole head needs no more bytes"),
            Err(why) => panic!("expected a head, but {why}"),
        }
    }

    /// The data of the next chunk, after [`read_head`](Self::read_head); empty for the last one, whose trailers stay unread.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[track_caller]
    pub fn read_chunk(&mut self) -> Vec<u8> {
        let line = |input: &[u8]| Some(2 + input.windows(2).position(|window| window == b"\r\n")?);
        let size = self.read_until("the line of a chunk", line);
        let size = size
            .strip_suffix(b"\r\n")
            .and_then(|size| str::from_utf8(size).ok());
        let Some(size) = size.and_then(|size| usize::from_str_radix(size, 16).ok()) else {
            panic!("{size:?} is no size of a chunk");
        };
        if size == 0 {
            return Vec::new();
        }
        let mut data = self.read_bytes(size + 2);
        assert_eq!(data.split_off(size), b"\r\n", "after the data of a chunk");
        data
    }

    /// Exactly so many bytes.
    ///
    /// # Panics
    ///
    /// If they do not come.
    #[track_caller]
    pub fn read_bytes(&mut self, count: usize) -> Vec<u8> {
        self.read_until("bytes", |input| (input.len() >= count).then_some(count))
    }

    /// All that comes until `end` finds where it ends.
    #[track_caller]
    fn read_until(&mut self, what: &str, end: impl Fn(&[u8]) -> Option<usize>) -> Vec<u8> {
        let until = Instant::now() + patience();
        loop {
            if let Some(at) = end(&self.input) {
                return self.input.drain(..at).collect();
            }
            match self.fill(until) {
                Ok(None) => {}
                Ok(Some(end)) => panic!("expected {what}, but the connection ended: {end:?}"),
                Err(error) => panic!("expected {what}: {error}"),
            }
        }
    }

    /// Everything until the connection's end.
    ///
    /// # Panics
    ///
    /// If it does not end in time.
    #[track_caller]
    pub fn read_to_end(&mut self) -> (Vec<u8>, End) {
        let until = Instant::now() + patience();
        loop {
            match self.fill(until) {
                Ok(None) => {}
                Ok(Some(end)) => return (std::mem::take(&mut self.input), end),
                Err(error) => panic!("expected the connection to end: {error}"),
            }
        }
    }

    /// Everything until the connection's end, or until the server is silent for so long; then there is no end.
    pub fn read_until_quiet(&mut self, quiet: Duration) -> (Vec<u8>, Option<End>) {
        loop {
            match self.fill(Instant::now() + quiet) {
                Ok(None) => {}
                Ok(Some(end)) => return (std::mem::take(&mut self.input), Some(end)),
                Err(TooLate) => return (std::mem::take(&mut self.input), None),
            }
        }
    }

    /// Sees that the server closes in order and sends nothing more.
    ///
    /// # Panics
    ///
    /// If it does anything else.
    #[track_caller]
    pub fn expect_end(&mut self) {
        let (rest, end) = self.read_to_end();
        assert!(
            rest.is_empty(),
            "expected the end, got {}",
            rest.escape_ascii()
        );
        assert_eq!(end, End::Closed, "how the connection ended");
    }

    /// Sees that the server ends the connection, in order or by a reset, and sends nothing more.
    ///
    /// # Panics
    ///
    /// If it does anything else.
    #[track_caller]
    pub fn expect_gone(&mut self) {
        let (rest, _) = self.read_to_end();
        assert!(
            rest.is_empty(),
            "expected the end, got {}",
            rest.escape_ascii()
        );
    }

    /// Waits so long for anything to come, the end included; returns whether it did.
    pub fn poll_read(&mut self, wait: Duration) -> bool {
        !self.input.is_empty() || self.fill(Instant::now() + wait).is_ok()
    }

    /// What has come and was not used yet.
    #[must_use]
    pub fn unread(&self) -> &[u8] {
        &self.input
    }

    /// Closes this side's direction (FIN); the server's answers can still be read.
    ///
    /// # Panics
    ///
    /// If the connection is broken.
    #[track_caller]
    pub fn half_close(&mut self) {
        self.stream.end().expect("the connection is open");
    }

    /// As [`half_close`](Self::half_close); the server may have ended the connection.
    pub fn try_half_close(&mut self) {
        // An error says that there is nothing left to close.
        let _ = self.stream.end();
    }

    /// Ends this side's direction as one that was cut off ends: of TLS, without its goodbye.
    ///
    /// # Panics
    ///
    /// If the connection is broken.
    #[track_caller]
    pub fn abandon(&mut self) {
        self.stream
            .socket()
            .shutdown(Shutdown::Write)
            .expect("the connection is open");
    }

    /// Resets the connection (RST).
    ///
    /// # Panics
    ///
    /// If the socket refuses the option.
    #[track_caller]
    pub fn reset(self) {
        self.stream
            .socket()
            .set_linger(Some(Duration::ZERO))
            .expect("a connected socket takes options");
    }

    /// A second handle to the socket, for another protocol's client to go on with.
    ///
    /// # Panics
    ///
    /// If bytes were read that the other would miss.
    #[track_caller]
    #[must_use]
    pub fn into_stream(self) -> TcpStream {
        assert!(self.input.is_empty(), "unread bytes would be lost");
        self.stream
            .set_read_timeout(patience())
            .and_then(|()| self.stream.tcp().try_clone())
            .expect("a connected socket takes options")
    }

    /// Reads once: `None` if bytes came, else how the connection ended.
    fn fill(&mut self, until: Instant) -> Result<Option<End>, TooLate> {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(TooLate);
        }
        self.stream
            .set_read_timeout(left)
            .expect("a connected socket takes options");
        let mut block = [0; 16 * 1024];
        match self.stream.read(&mut block) {
            Ok(0) => Ok(Some(End::Closed)),
            Ok(count) => {
                self.received.push(&block[..count]);
                self.input.extend_from_slice(&block[..count]);
                Ok(None)
            }
            Err(error) if is_timeout(&error) => Err(TooLate),
            Err(_) => Ok(Some(End::Reset)),
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if thread::panicking() {
            let from = self.stream.socket().local_addr();
            let (sent, received) = (self.sent.show("sent"), self.received.show("received"));
            evidence::add_conversation(format!("--- conversation of {from:?}\n{sent}{received}"));
        }
    }
}

#[track_caller]
fn tcp(address: SocketAddr) -> TcpStream {
    TcpStream::connect_timeout(&address, patience()).expect("the server is listening")
}

/// Writes this block again and again: how many bytes that were, and what ended it before the limit.
pub(crate) fn write_until_stuck(
    mut stream: &TcpStream,
    block: &[u8],
    limit: usize,
    quiet: Duration,
) -> (usize, io::Result<()>) {
    let set_timeout = |timeout| {
        stream
            .set_write_timeout(Some(timeout))
            .expect("a connected socket takes options");
    };
    set_timeout(quiet);
    let mut total = 0;
    let mut end = Ok(());
    while total < limit && end.is_ok() {
        match stream.write(&block[total % block.len()..]) {
            Ok(count) => total += count,
            Err(error) => end = Err(error),
        }
    }
    set_timeout(patience());
    (total, end)
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// The server said nothing for as long as a test waits.
struct TooLate;

impl fmt::Display for TooLate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nothing came for {:?}", patience())
    }
}

/// The beginning of what went one way.
#[derive(Debug, Default)]
struct Transcript {
    kept: Vec<u8>,
    total: usize,
}

impl Transcript {
    fn push(&mut self, bytes: &[u8]) {
        let room = TRANSCRIPT_BYTES.saturating_sub(self.kept.len());
        self.kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.total += bytes.len();
    }

    fn show(&self, direction: &str) -> String {
        let mut text = format!("{direction} {} bytes:\n", self.total);
        for line in self.kept.split_inclusive(|&byte| byte == b'\n') {
            let shown = &line[..line.len().min(LINE_BYTES)];
            let dots = if shown.len() < line.len() { "…" } else { "" };
            text += &format!("    {}{dots}\n", shown.escape_ascii());
        }
        text
    }
}
