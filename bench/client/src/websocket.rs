//! WebSocket load: the same masked frame over and over, echoes counted by their frames.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use crate::Load;
use crate::load::{self, Replies};
use crate::target::{Target, exchange, find};

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A client's frame with a whole binary message.
pub(crate) fn frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x82];
    match payload.len() {
        short @ ..=125 => frame.push(0x80 | short as u8),
        middle @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(middle as u16).to_be_bytes());
        }
        long => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&MASK);
    let masked = payload.iter().zip(MASK.iter().cycle());
    frame.extend(masked.map(|(byte, mask)| byte ^ mask));
    frame
}

/// Follows a server's frames; a reply is a whole message.
#[derive(Default)]
pub(crate) struct Frames {
    head: Vec<u8>,
    payload_left: u64,
    /// Whether the frame that is being passed over ends a message.
    ends_message: bool,
    last_control: Option<Control>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Control {
    Close,
    Ping,
}

/// An answer to a ping, without its payload: it only says that we live.
pub(crate) const PONG: &[u8] = &[0x8a, 0x80, 0, 0, 0, 0];
/// A close frame without a code.
pub(crate) const CLOSE: &[u8] = &[0x88, 0x80, 0, 0, 0, 0];

impl Replies for Frames {
    fn feed(&mut self, mut bytes: &[u8]) -> io::Result<usize> {
        let mut messages = 0;
        while !bytes.is_empty() {
            if self.payload_left > 0 {
                let passed = self.payload_left.min(bytes.len() as u64);
                self.payload_left -= passed;
                bytes = &bytes[passed as usize..];
            } else {
                self.head.push(bytes[0]);
                bytes = &bytes[1..];
                if !self.head_is_whole() {
                    continue;
                }
            }
            if self.payload_left == 0 && self.ends_message {
                self.ends_message = false;
                messages += 1;
            }
        }
        Ok(messages)
    }
}

impl Frames {
    /// Once the head is whole: takes it apart and forgets it.
    fn head_is_whole(&mut self) -> bool {
        let length = match self.head[..] {
            [_, 126, high, low] => u64::from(u16::from_be_bytes([high, low])),
            [_, 127, a, b, c, d, e, f, g, h] => u64::from_be_bytes([a, b, c, d, e, f, g, h]),
            [_, short @ ..=125] => u64::from(short),
            _ => return false,
        };
        let opcode = self.head[0] & 15;
        match opcode {
            8 => self.last_control = Some(Control::Close),
            9 => self.last_control = Some(Control::Ping),
            _ => {}
        }
        self.payload_left = length;
        self.ends_message = opcode < 8 && self.head[0] & 0x80 != 0;
        self.head.clear();
        true
    }

    /// Whether the server has closed the socket.
    pub(crate) fn closed(&self) -> bool {
        self.last_control == Some(Control::Close)
    }

    /// Whether a ping came since this was asked.
    pub(crate) fn pinged(&mut self) -> bool {
        self.last_control
            .take_if(|last| *last == Control::Ping)
            .is_some()
    }
}

pub(crate) fn open(target: Target, path: &str) -> io::Result<TcpStream> {
    let mut stream = target.connect()?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    let answer = exchange(&mut stream, request.as_bytes())?;
    // RFC 6455 has this key and its answer as the example.
    if find(&answer.head, b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=").is_none() || !answer.body.is_empty() {
        return Err(io::Error::other(format!(
            "no handshake: {:?}",
            String::from_utf8_lossy(&answer.head)
        )));
    }
    Ok(stream)
}

/// One echo, compared byte for byte.
pub(crate) fn echo(stream: &mut TcpStream, payload: &[u8]) -> io::Result<()> {
    let sent = frame(payload);
    stream.write_all(&sent)?;
    let mut echoed = vec![0; sent.len() - MASK.len()];
    stream.read_exact(&mut echoed)?;
    match echoed[0] == 0x82 && echoed.ends_with(payload) {
        true => Ok(()),
        false => Err(io::Error::other("not an echo in one frame")),
    }
}

pub(crate) fn load(target: Target, load: &Load, size: usize) -> io::Result<String> {
    let payload: Vec<u8> = (b'a'..=b'z').cycle().take(size).collect();
    let open = |_| {
        let mut stream = open(target, "/ws")?;
        echo(&mut stream, &payload)?;
        Ok((stream, Frames::default()))
    };
    let connections = (0..load.connections).map(open).collect::<io::Result<_>>()?;
    load::run(connections, &frame(&payload), load)
}
