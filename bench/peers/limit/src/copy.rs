//! What moving bytes costs by itself: `GET /bytes/N` and `POST /sink` as blocking copy loops, one connection after
//! the other.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use peer::listener;

/// As many bytes at a time as the application under test writes.
const PIECE: usize = 64 * 1024;

pub(crate) fn run(port: u16) {
    let listener = listener(port);
    listener
        .set_nonblocking(false)
        .expect("a blocking listener");
    for stream in listener.incoming().flatten() {
        // A client that leaves is not this loop's concern.
        let _ = serve(stream);
    }
}

fn serve(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![b'x'; PIECE];
    loop {
        let Some((head, after)) = head(&mut stream, &mut buffer)? else {
            return Ok(());
        };
        if let Some(count) = number_after(&head, "GET /bytes/") {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {count}\r\n\r\n");
            stream.write_all(head.as_bytes())?;
            let mut left = count;
            while left > 0 {
                let piece = left.min(PIECE);
                stream.write_all(&buffer[..piece])?;
                left -= piece;
            }
        } else {
            let count = number_after(&head, "content-length: ").unwrap_or(0);
            let mut left = count - after;
            while left > 0 {
                match stream.read(&mut buffer)? {
                    0 => return Ok(()),
                    read => left -= read,
                }
            }
            let text = count.to_string();
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}",
                text.len()
            );
            stream.write_all(answer.as_bytes())?;
        }
    }
}

/// A head, and how many bytes of the body came with it; nothing after the last request.
fn head(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<Option<(String, usize)>> {
    let mut read = Vec::new();
    loop {
        match stream.read(buffer)? {
            0 => return Ok(None),
            more => read.extend_from_slice(&buffer[..more]),
        }
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&read[..end]).to_string();
            return Ok(Some((head, read.len() - end - 4)));
        }
    }
}

fn number_after(head: &str, name: &str) -> Option<usize> {
    let (_, rest) = head.split_once(name)?;
    rest.split(|c: char| !c.is_ascii_digit())
        .next()?
        .parse()
        .ok()
}
