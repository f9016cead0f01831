//! RFC 9112: heads read, strictly checked, answered.

use std::hint::black_box;

use bytes::BytesMut;
use gateway_spec::Headers;
use http::{HeaderValue, StatusCode, header};
use http1::{Check, Connection, Event, Limits, RequestHead, Step};

use crate::{Case, Work};

pub(crate) const CASES: &[Case] = &[
    ("http1: a head, Host only, and an empty answer", || {
        exchange(HOST, &Answer::empty())
    }),
    ("http1: a head, Host only, and a text", || {
        exchange(HOST, &Answer::text())
    }),
    ("http1: a head, a browser's 15 fields, and a text", || {
        exchange(&browser(), &Answer::text())
    }),
    ("http1: what server-hyper reads, Host only", || {
        check([HOST.to_owned(), HOST.to_owned()])
    }),
    (
        "http1: what server-hyper reads, a browser's 15 fields",
        || check([browser(), browser()]),
    ),
    (
        "http1: the same, another cookie than the time before",
        || check([browser(), browser().replace("theme=dark", "theme=pale")]),
    ),
];

const HOST: &str = "GET / HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n";
const DATE: &[u8; 29] = b"Sun, 06 Nov 1994 08:49:37 GMT";

/// What the load client sends in a browser's name.
pub(crate) fn browser() -> String {
    let fields = include_str!("../../client/src/browser.txt").replace('\n', "\r\n");
    format!("GET / HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n{fields}\r\n")
}

#[derive(Clone)]
struct Answer {
    status: StatusCode,
    fields: Headers,
    body: &'static [u8],
}

impl Answer {
    fn empty() -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            fields: Headers::new(),
            body: b"",
        }
    }

    fn text() -> Self {
        let kind = (header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        Self {
            status: StatusCode::OK,
            fields: [kind].into_iter().collect(),
            body: b"Hello, world!",
        }
    }
}

/// A request read from a buffer that is filled anew, and its answer written; what is kept between two requests is kept.
fn exchange(request: &str, answer: &Answer) -> Work {
    let request = request.to_owned();
    let answer = answer.clone();
    let mut connection = Connection::new(Limits::default());
    let mut head = RequestHead::default();
    let mut input = BytesMut::with_capacity(16 * 1024);
    let mut output = Vec::with_capacity(4 * 1024);
    Box::new(move || {
        input.clear();
        input.extend_from_slice(black_box(request.as_bytes()));
        next_head(&mut connection, &mut input, &mut head);
        output.clear();
        let Answer {
            status,
            fields,
            body,
        } = black_box(&answer);
        connection
            .send_whole(*status, fields, body, DATE, &mut output)
            .expect("a request was read");
        connection.start_next().expect("the answer is whole");
    })
}

/// Both in turn.
fn check(requests: [String; 2]) -> Work {
    let mut check = Check::new(Limits::default());
    let mut head = RequestHead::default();
    let mut turn = 0;
    Box::new(move || {
        let request = &requests[turn % 2];
        turn += 1;
        let passed = check.pass(black_box(request.as_bytes()), &mut head);
        assert_eq!(passed.bytes, request.len());
    })
}

pub(crate) fn next_head(connection: &mut Connection, input: &mut BytesMut, head: &mut RequestHead) {
    let step = connection.next_event(input, head);
    assert_eq!(step, Ok(Step::Event(Event::Head)));
}
