//! HTTP/2 by hand: frames as they go over the wire, right or wrong, and a client that keeps to the rules (the `h2` crate's).
//!
//! [`Frames`] decodes no header blocks: of a response it tells the status where that is an entry of HPACK's static table,
//! which holds for 200, 204, 206, 304, 400, 404 and 500.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use crate::client::{PATIENCE, write_until_stuck};
use crate::evidence;

pub(crate) mod session;

/// What a connection begins with (RFC 9113 section 3.4).
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Frames that are kept for the report of a failure, of the last.
const KEPT: usize = 60;

/// The types of frames (RFC 9113 section 6).
pub(crate) mod kind {
    pub(crate) const DATA: u8 = 0;
    pub(crate) const HEADERS: u8 = 1;
    pub(crate) const PRIORITY: u8 = 2;
    pub(crate) const RST_STREAM: u8 = 3;
    pub(crate) const SETTINGS: u8 = 4;
    pub(crate) const PUSH_PROMISE: u8 = 5;
    pub(crate) const PING: u8 = 6;
    pub(crate) const GOAWAY: u8 = 7;
    pub(crate) const WINDOW_UPDATE: u8 = 8;
    pub(crate) const CONTINUATION: u8 = 9;
}

/// Flags of frames.
pub(crate) mod flag {
    pub(crate) const ACK: u8 = 1;
    pub(crate) const END_STREAM: u8 = 1;
    pub(crate) const END_HEADERS: u8 = 4;
    pub(crate) const PADDED: u8 = 8;
}

/// Error codes (RFC 9113 section 7).
pub(crate) mod code {
    pub(crate) const NO_ERROR: u32 = 0;
    pub(crate) const PROTOCOL_ERROR: u32 = 1;
    pub(crate) const INTERNAL_ERROR: u32 = 2;
    pub(crate) const FLOW_CONTROL_ERROR: u32 = 3;
    pub(crate) const STREAM_CLOSED: u32 = 5;
    pub(crate) const FRAME_SIZE_ERROR: u32 = 6;
    pub(crate) const REFUSED_STREAM: u32 = 7;
    pub(crate) const CANCEL: u32 = 8;
    pub(crate) const COMPRESSION_ERROR: u32 = 9;
}

/// A frame that came.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// The status of a header block, where it is an entry of the static table.
    pub(crate) fn status(&self) -> Option<u16> {
        let block: &[u8] = match &self.payload[..] {
            // The size of the dynamic table may change first.
            [0x20..=0x3f, rest @ ..] => rest,
            block => block,
        };
        let statuses = [200, 204, 206, 304, 400, 404, 500];
        let index = block.first()?.checked_sub(0x88)?;
        statuses.get(usize::from(index)).copied()
    }

    /// Whether it is the last of its direction.
    pub(crate) fn ends_stream(&self) -> bool {
        matches!(self.kind, kind::DATA | kind::HEADERS) && self.flags & flag::END_STREAM != 0
    }

    /// The error code of RST_STREAM and GOAWAY.
    pub(crate) fn code(&self) -> u32 {
        let at = if self.kind == kind::GOAWAY { 4 } else { 0 };
        let bytes = self.payload.get(at..at + 4);
        bytes.map_or(u32::MAX, |bytes| {
            u32::from_be_bytes(bytes.try_into().expect("four bytes"))
        })
    }

    /// The parameters of SETTINGS.
    pub(crate) fn settings(&self) -> Vec<(u16, u32)> {
        let parameter = |bytes: &[u8]| {
            let id = u16::from_be_bytes([bytes[0], bytes[1]]);
            (
                id,
                u32::from_be_bytes([bytes[2], bytes[3], bytes[4], bytes[5]]),
            )
        };
        self.payload.chunks_exact(6).map(parameter).collect()
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.payload[..self.payload.len().min(40)];
        write!(
            f,
            "type {} flags {:#x} stream {} ({} bytes) {}",
            self.kind,
            self.flags,
            self.stream,
            self.payload.len(),
            shown.escape_ascii()
        )
    }
}

/// A frame as bytes.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("frames are small");
    let mut bytes = head(length, kind, flags, stream);
    bytes.extend_from_slice(payload);
    bytes
}

/// The nine bytes before a frame's payload, whatever its length is.
pub(crate) fn head(length: u32, kind: u8, flags: u8, stream: u32) -> Vec<u8> {
    let mut bytes = length.to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes
}

/// A header block: each field a literal that is not indexed, as it is (RFC 7541 section 6.2.2).
pub(crate) fn block(fields: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        string(&mut bytes, name.as_bytes());
        string(&mut bytes, value);
    }
    bytes
}

/// A string that is not Huffman-coded.
pub(crate) fn string(bytes: &mut Vec<u8>, text: &[u8]) {
    let mut length = text.len();
    if length < 127 {
        bytes.push(length as u8);
    } else {
        bytes.push(127);
        length -= 127;
        while length >= 128 {
            bytes.push((length % 128) as u8 | 128);
            length /= 128;
        }
        bytes.push(length as u8);
    }
    bytes.extend_from_slice(text);
}

/// The fields of a request to the server under test.
pub(crate) fn request<'a>(method: &'a str, path: &'a str) -> Vec<(&'a str, &'a [u8])> {
    vec![
        (":method", method.as_bytes()),
        (":scheme", b"http"),
        (":path", path.as_bytes()),
        (":authority", b"a"),
    ]
}

/// A connection that sends and shows frames.
#[derive(Debug)]
pub(crate) struct Frames {
    stream: TcpStream,
    input: Vec<u8>,
    log: Vec<String>,
}

impl Frames {
    /// Connects, and says nothing.
    #[track_caller]
    pub(crate) fn connect_silently(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).expect("the server listens");
        let options = stream
            .set_nodelay(true)
            .and_then(|()| stream.set_write_timeout(Some(PATIENCE)))
            .and_then(|()| stream.set_read_timeout(Some(PATIENCE)));
        options.expect("a connected socket takes options");
        Self {
            stream,
            input: Vec::new(),
            log: Vec::new(),
        }
    }

    /// Connects, with these parameters of its own.
    #[track_caller]
    pub(crate) fn connect_with(address: SocketAddr, settings: &[(u16, u32)]) -> Self {
        let mut frames = Self::connect_silently(address);
        let mut payload = Vec::new();
        for (id, value) in settings {
            payload.extend(id.to_be_bytes());
            payload.extend(value.to_be_bytes());
        }
        frames.send_bytes(PREFACE);
        frames.send(kind::SETTINGS, 0, 0, &payload);
        let theirs = frames.expect(|frame| frame.kind == kind::SETTINGS && frame.flags == 0);
        assert_eq!(theirs.stream, 0, "SETTINGS are the connection's");
        frames.send(kind::SETTINGS, flag::ACK, 0, &[]);
        frames.expect(|frame| frame.kind == kind::SETTINGS && frame.flags == flag::ACK);
        frames
    }

    #[track_caller]
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::connect_with(address, &[])
    }

    #[track_caller]
    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        if let Err(error) = self.try_send_bytes(bytes) {
            panic!("sending {} bytes failed: {error}", bytes.len());
        }
    }

    /// Sends; the server may have closed.
    pub(crate) fn try_send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        let shown = &bytes[..bytes.len().min(60)];
        self.note(format!("> {} bytes {}", bytes.len(), shown.escape_ascii()));
        self.stream.write_all(bytes)
    }

    #[track_caller]
    pub(crate) fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.send_bytes(&frame(kind, flags, stream, payload));
    }

    /// Sends a whole head.
    #[track_caller]
    pub(crate) fn send_head(&mut self, stream: u32, flags: u8, fields: &[(&str, &[u8])]) {
        let flags = flags | flag::END_HEADERS;
        self.send(kind::HEADERS, flags, stream, &block(fields));
    }

    /// A GET.
    #[track_caller]
    pub(crate) fn get(&mut self, stream: u32, path: &str) {
        self.send_head(stream, flag::END_STREAM, &request("GET", path));
    }

    /// A POST whose body follows.
    #[track_caller]
    pub(crate) fn post(&mut self, stream: u32, path: &str) {
        self.send_head(stream, 0, &request("POST", path));
    }

    #[track_caller]
    pub(crate) fn window_update(&mut self, stream: u32, increment: u32) {
        self.send(kind::WINDOW_UPDATE, 0, stream, &increment.to_be_bytes());
    }

    #[track_caller]
    pub(crate) fn reset(&mut self, stream: u32) {
        self.send(kind::RST_STREAM, 0, stream, &code::CANCEL.to_be_bytes());
    }

    /// The next frame; `None` if the connection ends before it is whole.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.take_frame() {
                self.note(format!("< {frame:?}"));
                return Some(frame);
            }
            let mut buffer = [0; 16 * 1024];
            match self.stream.read(&mut buffer) {
                Ok(0) => return self.ended("closed"),
                Ok(length) => self.input.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    panic!("the server said nothing for {PATIENCE:?}");
                }
                Err(_) => return self.ended("reset"),
            }
        }
    }

    fn ended(&mut self, how: &str) -> Option<Frame> {
        self.note(format!("< the connection was {how}"));
        None
    }

    fn take_frame(&mut self) -> Option<Frame> {
        let [a, b, c, kind, flags, s @ ..] = *self.input.first_chunk::<9>()?;
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        let payload = self.input.get(9..9 + length)?.to_vec();
        self.input.drain(..9 + length);
        Some(Frame {
            kind,
            flags,
            stream: u32::from_be_bytes(s),
            payload,
        })
    }

    /// The first frame that fits; others before it are passed over.
    #[track_caller]
    pub(crate) fn expect(&mut self, fits: impl Fn(&Frame) -> bool) -> Frame {
        loop {
            match self.next() {
                Some(frame) if fits(&frame) => return frame,
                Some(_) => {}
                None => panic!("the connection ended before the frame that was waited for"),
            }
        }
    }

    /// The head of the response on this stream.
    #[track_caller]
    pub(crate) fn expect_head(&mut self, stream: u32) -> Frame {
        self.expect(|frame| frame.kind == kind::HEADERS && frame.stream == stream)
    }

    /// The status of the response on this stream.
    #[track_caller]
    pub(crate) fn expect_status(&mut self, stream: u32, status: u16) {
        let head = self.expect_head(stream);
        assert_eq!(head.status(), Some(status), "of stream {stream}: {head:?}");
    }

    /// Reads the response on this stream to its end: its body.
    #[track_caller]
    pub(crate) fn read_body(&mut self, stream: u32) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let frame = self.expect(|frame| frame.stream == stream);
            match frame.kind {
                kind::DATA => body.extend_from_slice(&frame.payload),
                kind::RST_STREAM => panic!("stream {stream} was reset"),
                _ => {}
            }
            if frame.ends_stream() {
                return body;
            }
        }
    }

    /// Whether the connection lives: a PING is answered with what it said.
    #[track_caller]
    pub(crate) fn ping(&mut self) {
        self.send(kind::PING, 0, 0, b"a-living");
        let answer = self.expect(|frame| frame.kind == kind::PING && frame.flags == flag::ACK);
        assert_eq!(answer.payload, b"a-living");
    }

    /// The stream is reset with one of these codes; the connection may go with it.
    #[track_caller]
    pub(crate) fn expect_reset(&mut self, stream: u32, codes: &[u32]) {
        while let Some(frame) = self.next() {
            if frame.kind == kind::GOAWAY
                || frame.kind == kind::RST_STREAM && frame.stream == stream
            {
                let code = frame.code();
                assert!(codes.contains(&code), "{code} is none of {codes:?}");
                return;
            }
        }
        panic!("the connection ended without a word");
    }

    /// The connection is given up with one of these codes, and closed.
    #[track_caller]
    pub(crate) fn expect_goaway(&mut self, codes: &[u32]) {
        let mut said = None;
        while let Some(frame) = self.next() {
            if frame.kind == kind::GOAWAY {
                said = Some(frame.code());
            }
        }
        match said {
            Some(code) => assert!(codes.contains(&code), "{code} is none of {codes:?}"),
            None => panic!("the connection ended without a word"),
        }
    }

    /// The connection is closed, with or without a word.
    #[track_caller]
    pub(crate) fn expect_end(&mut self) {
        while self.next().is_some() {}
    }

    /// Sends this again and again until the server closes or takes no more for so long, or `limit` bytes were sent; how
    /// many were.
    pub(crate) fn send_until_refused(
        &mut self,
        bytes: &[u8],
        limit: usize,
        quiet: Duration,
    ) -> usize {
        self.note(format!("> {} bytes, again and again", bytes.len()));
        write_until_stuck(&self.stream, bytes, limit, quiet).0
    }

    fn note(&mut self, line: String) {
        if self.log.len() == KEPT {
            self.log.remove(0);
        }
        self.log.push(line);
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        if thread::panicking() {
            evidence::add_conversation(format!("--- the last frames\n{}", self.log.join("\n")));
        }
    }
}

/// A stream that is a tunnel, as blocking bytes: for the independent WebSocket client.
#[derive(Debug)]
pub(crate) struct Tunnel {
    pub(crate) frames: Frames,
    pub(crate) stream: u32,
    input: Vec<u8>,
    ended: bool,
}

impl Tunnel {
    pub(crate) fn new(frames: Frames, stream: u32) -> Self {
        Self {
            frames,
            stream,
            input: Vec::new(),
            ended: false,
        }
    }
}

impl Read for Tunnel {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.input.is_empty() && !self.ended {
            match self.frames.next() {
                Some(data) if data.stream == self.stream && data.kind == kind::DATA => {
                    self.ended = data.ends_stream();
                    if let Ok(length @ 1..) = u32::try_from(data.payload.len()) {
                        // A server that has said its last is no longer there to be told.
                        let of_connection = frame(kind::WINDOW_UPDATE, 0, 0, &length.to_be_bytes());
                        let _ = self.frames.try_send_bytes(&of_connection);
                        if !self.ended {
                            let of_stream =
                                frame(kind::WINDOW_UPDATE, 0, self.stream, &length.to_be_bytes());
                            let _ = self.frames.try_send_bytes(&of_stream);
                        }
                    }
                    self.input = data.payload;
                }
                Some(frame) if frame.stream == self.stream && frame.kind == kind::RST_STREAM => {
                    return Err(ErrorKind::ConnectionReset.into());
                }
                Some(_) => {}
                None => return Err(ErrorKind::UnexpectedEof.into()),
            }
        }
        let length = self.input.len().min(into.len());
        into[..length].copy_from_slice(&self.input[..length]);
        self.input.drain(..length);
        Ok(length)
    }
}

impl Write for Tunnel {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = &bytes[..bytes.len().min(16 * 1024)];
        let data = frame(kind::DATA, 0, self.stream, piece);
        self.frames.try_send_bytes(&data)?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
