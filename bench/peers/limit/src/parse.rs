//! One step from the floor towards a server: httparse, a match on the path, an answer written into a buffer that the
//! connection keeps, and a date made twice a second.

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::time::Duration;

use httparse::Status;
use peer::{HELLO, JSON, accept};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

thread_local! {
    static DATE: Cell<[u8; 29]> = const { Cell::new([0; 29]) };
}

pub(crate) async fn run(port: u16) {
    tokio::spawn(keep_date());
    accept(port, serve).await;
}

async fn keep_date() {
    loop {
        DATE.set(peer::date().as_bytes().try_into().expect("29 bytes"));
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

async fn serve(mut stream: TcpStream) {
    let mut buffer = vec![0_u8; 16 * 1024];
    let mut answers = Vec::with_capacity(4096);
    let (mut from, mut to) = (0, 0);
    while let Ok(read @ 1..) = stream.read(&mut buffer[to..]).await {
        to += read;
        while from < to {
            let mut fields = [const { MaybeUninit::uninit() }; 64];
            let mut request = httparse::Request::new(&mut []);
            match request.parse_with_uninit_headers(&buffer[from..to], &mut fields) {
                Ok(Status::Complete(length)) => {
                    from += length;
                    match request.path {
                        Some("/") => answer(&mut answers, "text/plain", HELLO),
                        _ => answer(&mut answers, "application/json", JSON),
                    }
                }
                Ok(Status::Partial) => break,
                Err(_) => return,
            }
        }
        buffer.copy_within(from..to, 0);
        (from, to) = (0, to - from);
        if !answers.is_empty() && stream.write_all(&answers).await.is_err() {
            return;
        }
        answers.clear();
    }
}

fn answer(wire: &mut Vec<u8>, kind: &str, body: &str) {
    wire.extend_from_slice(b"HTTP/1.1 200 OK\r\ncontent-type: ");
    wire.extend_from_slice(kind.as_bytes());
    wire.extend_from_slice(b"\r\ncontent-length: ");
    wire.extend_from_slice(&[
        b'0' + (body.len() / 10) as u8,
        b'0' + (body.len() % 10) as u8,
    ]);
    wire.extend_from_slice(b"\r\ndate: ");
    wire.extend_from_slice(&DATE.get());
    wire.extend_from_slice(b"\r\n\r\n");
    wire.extend_from_slice(body.as_bytes());
}
