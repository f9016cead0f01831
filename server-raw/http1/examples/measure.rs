//! Checks a request, reads it and answers it, so many times: `measure 1000 browser`, or `minimal` for one with Host alone.
//!
//! For instruction counts: run it under callgrind with N and with 2N and subtract, so that start-up does not count, and look at
//! `parse`, `reply_head` and `reply_body`; and at `check`, which is what a server pays that has another parse.
#![forbid(unsafe_code)]

use std::hint::black_box;

use bytes::BytesMut;
use gateway_spec::Headers;
use http::{HeaderValue, StatusCode, header};
use http1::{Check, Connection, Event, Limits, ReplyBody, RequestHead, Step};

const MINIMAL: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost:8080\r\n\r\n";

const BROWSER: &[u8] = b"GET / HTTP/1.1\r\n\
    Host: localhost:8080\r\n\
    Connection: keep-alive\r\n\
    Cache-Control: max-age=0\r\n\
    sec-ch-ua: \"Chromium\";v=\"128\", \"Not;A=Brand\";v=\"24\", \"Google Chrome\";v=\"128\"\r\n\
    sec-ch-ua-mobile: ?0\r\n\
    sec-ch-ua-platform: \"Linux\"\r\n\
    Upgrade-Insecure-Requests: 1\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Safari/537.36\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7\r\n\
    Sec-Fetch-Site: none\r\n\
    Sec-Fetch-Mode: navigate\r\n\
    Sec-Fetch-User: ?1\r\n\
    Sec-Fetch-Dest: document\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Accept-Language: en-US,en;q=0.9\r\n\
    \r\n";

const BODY: &[u8] = b"Hello, world!";
const DATE: &[u8; 29] = b"Sun, 06 Nov 1994 08:49:37 GMT";

fn main() {
    let mut arguments = std::env::args().skip(1);
    let times: u32 = arguments
        .next()
        .and_then(|times| times.parse().ok())
        .unwrap_or(1000);
    let request = match arguments.next().as_deref() {
        Some("minimal") => MINIMAL,
        _ => BROWSER,
    };
    let mut connection = Connection::new(Limits::default());
    let mut strict = Check::new(Limits::default());
    let mut head = RequestHead::default();
    let mut input = BytesMut::with_capacity(16 * 1024);
    let mut out = Vec::with_capacity(4 * 1024);
    let headers: Headers = [(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"))]
        .into_iter()
        .collect();
    for _ in 0..times {
        check(&mut strict, black_box(request));
        input.clear();
        input.extend_from_slice(black_box(request));
        out.clear();
        parse(&mut connection, &mut input, &mut head);
        reply_head(&mut connection, &headers, &mut out);
        reply_body(&mut connection, &mut out);
        connection.start_next().expect("the reply is whole");
    }
    println!(
        "{} bytes in, {} fields, {} bytes out",
        request.len(),
        head.headers.len(),
        out.len()
    );
}

#[inline(never)]
fn check(check: &mut Check, request: &[u8]) {
    assert_eq!(check.pass(request).bytes, request.len());
}

#[inline(never)]
fn parse(connection: &mut Connection, input: &mut BytesMut, head: &mut RequestHead) {
    let step = connection.next_event(input, head);
    assert_eq!(step, Ok(Step::Event(Event::Head)));
}

#[inline(never)]
fn reply_head(connection: &mut Connection, headers: &Headers, out: &mut Vec<u8>) {
    connection
        .send_head(
            StatusCode::OK,
            headers,
            ReplyBody::Whole(BODY.len() as u64),
            DATE,
            out,
        )
        .expect("a request was read");
}

#[inline(never)]
fn reply_body(connection: &mut Connection, out: &mut Vec<u8>) {
    connection.send_data(BODY, out).expect("the head was sent");
    connection.send_end(None, out).expect("the body is whole");
}
