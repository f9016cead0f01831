//! Whether a server answers what all of them answer.

use std::io;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::target::{Answer, Target, exchange, find};
use crate::{Routes, websocket};

pub(crate) fn run(target: Target, routes: Routes) -> io::Result<String> {
    match routes {
        Routes::Websocket => echoes(target)?,
        Routes::Any => drop(get(&mut target.connect()?, "/")?),
        Routes::Few => few(&mut target.connect()?)?,
        Routes::All => {
            let mut stream = target.connect()?;
            few(&mut stream)?;
            others(&mut stream)?;
        }
    }
    Ok(r#"{"check": "passed"}"#.into())
}

fn echoes(target: Target) -> io::Result<()> {
    let mut stream = websocket::open(target, "/ws")?;
    [0, 20, 125, 126, 1024, 65_535, 65_536]
        .iter()
        .try_for_each(|&size| websocket::echo(&mut stream, &vec![b'z'; size]))
}

fn few(stream: &mut TcpStream) -> io::Result<()> {
    is("/", &get(stream, "/")?.body, b"Hello, world!")?;
    is(
        "/json",
        &get(stream, "/json")?.body,
        br#"{"message":"Hello, world!"}"#,
    )
}

fn others(stream: &mut TcpStream) -> io::Result<()> {
    is("/user", &get(stream, "/user/4711")?.body, b"4711")?;
    let before = Instant::now();
    is("/sleep", &get(stream, "/sleep")?.body, b"Hello, world!")?;
    holds("/sleep", before.elapsed() >= Duration::from_millis(9))?;
    // In chunks, whose frames are not taken apart here.
    let stream_body = get(stream, "/stream")?.body;
    let letters = stream_body.iter().filter(|&&byte| byte == b'x').count();
    holds("/stream", letters == 64 * 1024)?;
    let upload = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde";
    let echoed = exchange(stream, upload)?.ok()?;
    holds("/echo", find(&echoed.body, b"abcde").is_some())
}

fn get(stream: &mut TcpStream, path: &str) -> io::Result<Answer> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    exchange(stream, request.as_bytes())?.ok()
}

fn is(path: &str, body: &[u8], expected: &[u8]) -> io::Result<()> {
    if body == expected {
        return Ok(());
    }
    let body = String::from_utf8_lossy(body);
    Err(io::Error::other(format!("{path} answers {body:?}")))
}

fn holds(path: &str, so: bool) -> io::Result<()> {
    match so {
        true => Ok(()),
        false => Err(io::Error::other(format!("{path} answers otherwise"))),
    }
}
