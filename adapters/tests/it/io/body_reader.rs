//! A request's body as a reader.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use adapters::io::BodyReader;
use bytes::Bytes;
use gateway_spec::{AppError, BodyError, BodyLength, Gone, HttpReceive};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, prop_oneof, proptest};

use super::wire::{Wire, any_parts, any_wire, quick};
use crate::support::{block_on, last_part, part, turn};

fn reader(wire: &Arc<Wire>) -> BodyReader {
    let http = wire.http(BodyLength::Unknown);
    drop(http.responder.abort());
    BodyReader::new(http.body)
}

/// One way to take bytes: by tokio's traits, by those of futures, or without any.
#[derive(Debug, Clone)]
enum Step {
    /// `read` into so many bytes.
    Read(usize),
    /// `fill_buf`, and at most so much of it consumed.
    Lend(usize),
    FuturesRead(usize),
    FuturesLend(usize),
    Chunk,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..9_usize).prop_map(Step::Read),
        (0..9_usize).prop_map(Step::Lend),
        (0..9_usize).prop_map(Step::FuturesRead),
        (0..9_usize).prop_map(Step::FuturesLend),
        Just(Step::Chunk),
    ]
}

/// Takes a step; `None` at the end.
async fn take(body: &mut BodyReader, step: &Step) -> io::Result<Option<Vec<u8>>> {
    let read = |count, mut into: Vec<u8>| {
        let can_be_the_end = !into.is_empty();
        into.truncate(count);
        (into, can_be_the_end)
    };
    let lent = |lent: &[u8], at_most| (lent[..lent.len().min(at_most)].to_vec(), lent.is_empty());
    let (taken, may_end) = match *step {
        Step::Read(room) => {
            let mut into = vec![0; room];
            read(tokio::io::AsyncReadExt::read(body, &mut into).await?, into)
        }
        Step::FuturesRead(room) => {
            let mut into = vec![0; room];
            read(
                futures_util::AsyncReadExt::read(body, &mut into).await?,
                into,
            )
        }
        Step::Lend(at_most) => {
            let taken = lent(tokio::io::AsyncBufReadExt::fill_buf(body).await?, at_most);
            tokio::io::AsyncBufReadExt::consume(body, taken.0.len());
            taken
        }
        Step::FuturesLend(at_most) => {
            let taken = lent(
                futures_util::AsyncBufReadExt::fill_buf(body).await?,
                at_most,
            );
            futures_util::AsyncBufReadExt::consume_unpin(body, taken.0.len());
            taken
        }
        Step::Chunk => body
            .chunk()
            .await?
            .map_or((Vec::new(), true), |part| (part.to_vec(), false)),
    };
    Ok((!taken.is_empty() || !may_end).then_some(taken))
}

const ENDS: [Step; 5] = [
    Step::Read(1),
    Step::Lend(1),
    Step::FuturesRead(1),
    Step::FuturesLend(1),
    Step::Chunk,
];

proptest! {
    #[test]
    fn however_it_comes_and_however_it_is_read_the_bytes_are_the_same(
        wire in any_wire(),
        parts in any_parts(),
        steps in vec(any_step(), 1..20),
    ) {
        let expected = parts.concat();
        wire.deliver(parts);
        wire.end();
        let mut body = reader(&wire);
        let mut read = Vec::new();
        block_on(async {
            for step in steps.iter().chain([&Step::Read(3)]).cycle() {
                match take(&mut body, step).await.unwrap() {
                    Some(bytes) => read.extend(bytes),
                    None => break,
                }
            }
            for step in ENDS {
                assert_eq!(take(&mut body, &step).await.unwrap(), None, "it is the end as often as asked");
            }
        });
        assert_eq!(read, expected);
    }

    #[test]
    fn what_was_not_read_is_given_back(
        wire in any_wire(),
        parts in any_parts(),
        steps in vec(any_step(), 0..9),
    ) {
        let expected = parts.concat();
        wire.deliver(parts);
        wire.end();
        let mut body = reader(&wire);
        let mut read = Vec::new();
        block_on(async {
            for step in &steps {
                read.extend(take(&mut body, step).await.unwrap().unwrap_or_default());
            }
            let (rest, mut body) = body.into_inner();
            read.extend(body.collect_after(rest, 1000).await.unwrap());
        });
        assert_eq!(read, expected);
    }
}

#[test]
fn a_part_is_lent_without_a_copy() {
    let wire = quick();
    let first = Bytes::from_static(b"first part");
    wire.deliver([first.clone()]);
    let mut body = reader(&wire);
    let lent = block_on(tokio::io::AsyncBufReadExt::fill_buf(&mut body)).unwrap();
    assert_eq!((lent.as_ptr(), lent.len()), (first.as_ptr(), first.len()));
    tokio::io::AsyncBufReadExt::consume(&mut body, 6);
    let rest = block_on(body.chunk()).unwrap().unwrap();
    assert_eq!(
        (&rest[..], rest.as_ptr()),
        (&b"part"[..], first[6..].as_ptr())
    );
}

#[test]
fn a_read_that_is_dropped_has_taken_nothing_and_one_of_nothing_waits_for_nothing() {
    use tokio::io::AsyncReadExt;
    let wire = quick();
    let mut body = reader(&wire);
    let mut into = [0; 4];
    assert!(turn(pin!(body.read(&mut into))).is_pending());
    assert!(matches!(turn(pin!(body.read(&mut []))), Poll::Ready(Ok(0))));
    let of_futures = futures_util::AsyncReadExt::read(&mut body, &mut []);
    assert!(matches!(turn(pin!(of_futures)), Poll::Ready(Ok(0))));
    wire.deliver(["abcdef"]);
    assert_eq!(block_on(body.read(&mut into)).unwrap(), 4);
    assert_eq!(&into, b"abcd");
    assert_eq!(block_on(body.read(&mut into)).unwrap(), 2);
}

#[test]
fn what_is_left_can_be_collected_and_counted() {
    use tokio::io::AsyncReadExt;
    let wire = quick();
    wire.deliver(["abc", "def"]);
    let mut body = BodyReader::new(wire.http(BodyLength::Known(6)).body);
    assert_eq!(body.remaining(), BodyLength::Known(6));
    assert_eq!(block_on(body.read_u8()).unwrap(), b'a');
    assert_eq!(body.remaining(), BodyLength::Known(5));
    assert_eq!(
        block_on(body.collect(4)),
        Err(BodyError::TooLarge { limit: 4 })
    );

    let wire = quick();
    wire.deliver(["def"]);
    wire.deliver_event(last_part("gh"));
    let mut body = reader(&wire);
    assert_eq!(body.remaining(), BodyLength::Unknown);
    assert_eq!(block_on(body.read_u8()).unwrap(), b'd');
    assert_eq!(block_on(body.collect(4)).unwrap(), "efgh");
    assert_eq!(body.remaining(), BodyLength::Empty);

    wire.deliver_event(last_part("xyz"));
    let mut body = reader(&wire);
    assert_eq!(block_on(body.read_u8()).unwrap(), b'x');
    let left = body.remaining();
    assert_eq!(left, BodyLength::Known(2), "all that is left is here");
}

#[test]
fn trailers_follow_the_end_or_what_is_thrown_away() {
    use tokio::io::AsyncReadExt;
    let wire = quick();
    let trailers = HeaderMap::from_iter([(header::ETAG, HeaderValue::from_static("x"))]);
    wire.deliver(["abc", "def"]);
    wire.deliver_event(HttpReceive::Trailers(trailers.clone()));
    let mut body = reader(&wire);
    assert_eq!(block_on(body.read_u8()).unwrap(), b'a');
    assert_eq!(block_on(body.trailers()).unwrap(), Some(trailers));
    assert_eq!(block_on(body.read(&mut [0])).unwrap(), 0);
}

#[test]
fn every_way_not_to_end_keeps_its_meaning() {
    let table = [
        (
            HttpReceive::Failed(BodyError::TooLarge { limit: 3 }),
            io::ErrorKind::FileTooLarge,
            StatusCode::PAYLOAD_TOO_LARGE,
            None,
        ),
        (
            HttpReceive::Failed(BodyError::Timeout),
            io::ErrorKind::TimedOut,
            StatusCode::REQUEST_TIMEOUT,
            None,
        ),
        (
            HttpReceive::Failed(BodyError::Malformed),
            io::ErrorKind::InvalidData,
            StatusCode::BAD_REQUEST,
            None,
        ),
        // Not an end: what was cut short must not be taken for whole.
        (
            HttpReceive::Disconnect(Gone::HalfClosed),
            io::ErrorKind::InvalidData,
            StatusCode::BAD_REQUEST,
            None,
        ),
        (
            HttpReceive::Disconnect(Gone::StreamReset),
            io::ErrorKind::ConnectionReset,
            StatusCode::INTERNAL_SERVER_ERROR,
            Some(Gone::StreamReset),
        ),
    ];
    for (event, kind, status, gone) in table {
        let wire = quick();
        wire.deliver(["abc"]);
        wire.deliver_event(event);
        let mut body = reader(&wire);
        let mut read = Vec::new();
        let copied = tokio::io::AsyncReadExt::read_to_end(&mut body, &mut read);
        let error = block_on(copied).unwrap_err();
        assert_eq!((error.kind(), &read[..]), (kind, &b"abc"[..]));
        let error = AppError::from(error);
        assert_eq!((error.status_code(), error.gone()), (status, gone));
        for step in ENDS {
            assert_eq!(
                block_on(take(&mut body, &step)).unwrap_err().kind(),
                kind,
                "again"
            );
        }
    }
}

#[test]
fn dropped_before_its_end_the_rest_is_not_wanted() {
    let wire = quick();
    let body = reader(&wire);
    assert_eq!(wire.calls(), ["abort: deliberate"]);
    let gone = body.gone();
    drop(body);
    assert_eq!(wire.calls(), ["stop"]);
    wire.leave(Gone::PeerReset);
    assert_eq!(block_on(gone), Gone::PeerReset);
}

#[test]
#[should_panic(expected = "cannot advance past")]
fn consuming_more_than_there_is_panics() {
    let wire = quick();
    wire.deliver_event(part("abc"));
    let mut body = reader(&wire);
    block_on(tokio::io::AsyncBufReadExt::fill_buf(&mut body)).unwrap();
    tokio::io::AsyncBufReadExt::consume(&mut body, 4);
}
