//! What others produce as the body of a response.

use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use adapters::io::{send_body, send_iter, send_reader, send_stream};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use gateway_spec::{AppError, Done, Gone, HttpSend, SendError, Trailing, Writer};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use proptest::prelude::proptest;
use tokio::io::{AsyncRead, ReadBuf};

use super::wire::{Wire, any_parts, any_wire, quick};
use crate::support::{block_on, request, turn};

/// The response of an exchange over it, that may end with trailers.
fn trailing(wire: &Arc<Wire>) -> Writer<Trailing> {
    let http = wire.http(gateway_spec::BodyLength::Empty);
    block_on(http.responder.start_with_trailers(StatusCode::OK, None)).unwrap()
}

fn parts(parts: Vec<Vec<u8>>) -> impl Stream<Item = io::Result<Bytes>> {
    stream::iter(parts.into_iter().map(|part| Ok(part.into())))
}

/// All ways to send these parts.
fn each_way(parts_sent: &[Vec<u8>], wire: &Arc<Wire>) -> [Result<Done, AppError>; 4] {
    let owned = || parts_sent.to_vec();
    let frames = parts(owned()).map(|part| part.map(Frame::data));
    [
        block_on(send_stream(wire.writer(), parts(owned()))),
        block_on(send_iter(wire.writer(), owned())),
        block_on(send_reader(
            wire.writer(),
            tokio_util::io::StreamReader::new(parts(owned())),
        )),
        block_on(send_body(trailing(wire), StreamBody::new(frames))),
    ]
}

proptest! {
    #[test]
    fn the_bytes_are_the_same_in_every_way(wire in any_wire(), sent in any_parts()) {
        for done in each_way(&sent, &wire) {
            drop(done.unwrap());
        }
        assert_eq!(wire.sent(), sent.concat().repeat(4));
        assert_eq!(wire.calls(), ["end"; 4]);
    }
}

/// A source that has nothing to give, and tells whether it lives.
struct Idle {
    dropped: Arc<AtomicBool>,
}

impl Idle {
    fn new() -> (Self, Arc<AtomicBool>) {
        let dropped = Arc::new(AtomicBool::new(false));
        let idle = Self {
            dropped: Arc::clone(&dropped),
        };
        (idle, dropped)
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        self.dropped.store(true, Ordering::Relaxed);
    }
}

impl Stream for Idle {
    type Item = io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Pending
    }
}

impl AsyncRead for Idle {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl hyper::body::Body for Idle {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

/// What is sent goes on for a client that stopped sending, and is dropped when the client is gone for good.
#[track_caller]
fn check_left<F>(wire: &Wire, dropped: &AtomicBool, sending: F)
where
    F: Future<Output = Result<Done, AppError>>,
{
    let mut sending = pin!(sending);
    assert!(turn(sending.as_mut()).is_pending());
    wire.leave(Gone::HalfClosed);
    assert!(turn(sending.as_mut()).is_pending(), "it may still read");
    assert!(turn(sending.as_mut()).is_pending());
    wire.leave(Gone::PeerReset);
    let Poll::Ready(ended) = turn(sending.as_mut()) else {
        panic!("it goes on for nobody");
    };
    assert_eq!(ended.unwrap_err().gone(), Some(Gone::PeerReset));
    assert!(dropped.load(Ordering::Relaxed));
}

#[test]
fn an_idle_source_is_dropped_when_its_client_is_gone() {
    let wire = quick();
    let (idle, dropped) = Idle::new();
    check_left(&wire, &dropped, send_stream(wire.writer(), idle));
    let wire = quick();
    let (idle, dropped) = Idle::new();
    check_left(&wire, &dropped, send_reader(wire.writer(), idle));
    let wire = quick();
    let (idle, dropped) = Idle::new();
    check_left(&wire, &dropped, send_body(trailing(&wire), idle));
}

#[test]
fn nothing_is_asked_for_that_cannot_be_sent() {
    let wire = quick();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = || {
        let asked = Arc::clone(&asked);
        (0..3_u8).map(move |n| {
            asked.fetch_add(1, Ordering::Relaxed);
            vec![n; 9]
        })
    };
    let ok = || count().map(|part| Ok::<_, io::Error>(Bytes::from(part)));
    let frames = stream::iter(ok()).map(|part| part.map(Frame::data));
    let mut sent_stream = pin!(send_stream(wire.writer(), stream::iter(ok())));
    let mut sent_iter = pin!(send_iter(wire.writer(), count()));
    let reader = tokio_util::io::StreamReader::new(stream::iter(ok()));
    let mut sent_reader = pin!(send_reader(wire.writer(), reader));
    let mut sent_body = pin!(send_body(trailing(&wire), StreamBody::new(frames)));
    wire.set_credit(0);
    assert!(turn(sent_stream.as_mut()).is_pending());
    assert!(turn(sent_iter.as_mut()).is_pending());
    assert!(turn(sent_reader.as_mut()).is_pending());
    assert!(turn(sent_body.as_mut()).is_pending());
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    wire.set_credit(1);
    assert!(turn(sent_iter.as_mut()).is_pending());
    assert_eq!(
        asked.load(Ordering::Relaxed),
        1,
        "one part passes the bound"
    );
}

#[test]
fn a_source_that_fails_cuts_the_response_off() {
    let wire = quick();
    let failing = || {
        let parts = [
            Ok(Bytes::from("some")),
            Err(io::Error::other("the disk is on fire")),
        ];
        stream::iter(parts)
    };
    let frames = failing().map(|part| part.map(Frame::data));
    let outcomes = [
        block_on(send_stream(wire.writer(), failing())),
        block_on(send_reader(
            wire.writer(),
            tokio_util::io::StreamReader::new(failing()),
        )),
        block_on(send_body(trailing(&wire), StreamBody::new(frames))),
    ];
    for outcome in outcomes {
        assert_eq!(outcome.unwrap_err().to_string(), "the disk is on fire");
    }
    assert_eq!(wire.sent(), b"somesomesome");
    assert_eq!(wire.calls(), ["abort: dropped"; 3]);
}

#[test]
fn an_error_keeps_its_meaning() {
    let gone = stream::iter([Err::<Bytes, _>(SendError::Gone(Gone::StreamReset))]);
    let error = block_on(send_stream(quick().writer(), gone)).unwrap_err();
    assert_eq!(error.gone(), Some(Gone::StreamReset));
    let boxed: Box<dyn std::error::Error + Send + Sync> = "in a box".into();
    let error = block_on(send_stream(
        quick().writer(),
        stream::iter([Err::<Bytes, _>(boxed)]),
    ));
    assert_eq!(error.unwrap_err().to_string(), "in a box");
}

#[test]
fn what_the_transport_refuses_ends_it() {
    let wire = quick();
    let writer = wire.writer();
    wire.refuse(SendError::TooMuch { declared: 0 });
    let outcome = block_on(send_iter(writer, ["too much"]));
    assert!(outcome.unwrap_err().to_string().contains("content-length"));
    assert_eq!(wire.calls(), ["abort: dropped"]);
}

#[test]
fn trailers_end_the_response() {
    let wire = quick();
    let trailers = HeaderMap::from_iter([(header::ETAG, HeaderValue::from_static("x"))]);
    let body = Full::<Bytes>::from("data").with_trailers(async move { Some(Ok(trailers)) });
    drop(block_on(send_body(trailing(&wire), body)).unwrap());
    assert_eq!(wire.sent(), b"data");
    assert_eq!(wire.calls(), ["trailers"]);
}

#[test]
fn data_of_other_kinds_is_sent_too() {
    let wire = quick();
    let data = bytes::Buf::chain(&b"two "[..], &b"pieces"[..]);
    drop(block_on(send_body(trailing(&wire), Full::new(data))).unwrap());
    assert_eq!(wire.sent(), b"two pieces");
}

/// Gives so many bytes at a time, and remembers into how much room.
struct Trickle {
    bytes: usize,
    left: usize,
    rooms: Arc<std::sync::Mutex<Vec<usize>>>,
}

impl AsyncRead for Trickle {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.rooms.lock().unwrap().push(into.remaining());
        let count = self.bytes.min(self.left).min(into.remaining());
        self.left -= count;
        into.put_slice(&vec![7; count]);
        Poll::Ready(Ok(()))
    }
}

#[test]
fn small_reads_share_a_block_and_large_ones_fill_it() {
    let reads = |bytes, left| {
        let rooms = Arc::default();
        let wire = quick();
        let reader = Trickle {
            bytes,
            left,
            rooms: Arc::clone(&rooms),
        };
        drop(block_on(send_reader(wire.writer(), reader)).unwrap());
        assert_eq!(wire.sent(), vec![7; left]);
        Arc::try_unwrap(rooms).unwrap().into_inner().unwrap()
    };
    const BLOCK: usize = 16 * 1024;
    assert_eq!(
        reads(100, 300),
        [BLOCK, BLOCK - 100, BLOCK - 200, BLOCK - 300]
    );
    assert_eq!(reads(usize::MAX, 3 * BLOCK), [BLOCK; 4]);
    let small = reads(BLOCK - 1000, 2 * BLOCK);
    assert!(small.iter().all(|&room| room >= 1024), "{small:?}");
}

#[test]
fn what_may_be_no_trailer_is_left_out() {
    let (connection, mut events) = request(gateway_spec::BodyLength::Empty);
    let gateway_spec::Connection::Http(http) = connection else {
        unreachable!("it is a request")
    };
    let writer = block_on(http.responder.start_with_trailers(StatusCode::OK, None)).unwrap();
    let named = |name| http::HeaderName::from_static(name);
    let one = HeaderValue::from_static("1");
    let trailers =
        ["x-sum", "content-type", "authorization"].map(|name| (named(name), one.clone()));
    let trailers = HeaderMap::from_iter(trailers);
    let frames = stream::iter([Ok::<_, Infallible>(Frame::<Bytes>::trailers(trailers))]);
    drop(block_on(send_body(writer, StreamBody::new(frames))).unwrap());
    let sent = std::iter::from_fn(|| block_on(events.sent()));
    let trailers = sent.filter_map(|event| match event {
        HttpSend::Trailers(trailers) => Some(format!("{trailers:?}")),
        _ => None,
    });
    assert_eq!(trailers.collect::<Vec<_>>(), [r#"{"x-sum": "1"}"#]);
}
