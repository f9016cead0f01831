//! One long body on one connection.

use std::io::{self, Read, Write};
use std::time::Instant;

use crate::Direction;
use crate::target::{Target, answer, find};

pub(crate) fn run(target: Target, direction: Direction, bytes: u64) -> io::Result<String> {
    let start = Instant::now();
    match direction {
        Direction::Up => up(target, bytes)?,
        Direction::Down => down(target, bytes)?,
    }
    let seconds = start.elapsed().as_secs_f64();
    Ok(format!(r#"{{"seconds": {seconds:.3}}}"#))
}

fn up(target: Target, bytes: u64) -> io::Result<()> {
    let mut stream = target.connect()?;
    write!(
        stream,
        "POST /sink HTTP/1.1\r\nHost: a\r\ncontent-length: {bytes}\r\n\r\n"
    )?;
    io::copy(
        &mut io::repeat(b'x').take(bytes),
        &mut io::BufWriter::with_capacity(256 * 1024, &stream),
    )?;
    let counted = answer(&mut stream)?.ok()?.body;
    match counted == bytes.to_string().as_bytes() {
        true => Ok(()),
        false => Err(io::Error::other("the server counted other bytes")),
    }
}

fn down(target: Target, bytes: u64) -> io::Result<()> {
    let mut stream = target.connect()?;
    write!(stream, "GET /bytes/{bytes} HTTP/1.1\r\nHost: a\r\n\r\n")?;
    let mut buffer = vec![0; 256 * 1024];
    let first = stream.read(&mut buffer)?;
    let head = find(&buffer[..first], b"\r\n\r\n").map(|at| at + 4);
    let head = head.ok_or_else(|| io::Error::other("no head in one piece"))?;
    let mut left = bytes.saturating_sub((first - head) as u64);
    while left > 0 {
        match stream.read(&mut buffer)? as u64 {
            0 => return Err(io::Error::other("the server closed the connection")),
            read => left = left.saturating_sub(read),
        }
    }
    Ok(())
}
