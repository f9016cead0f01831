//! A response's body as a writer and as a sink.

use std::io;
use std::pin::pin;
use std::task::Poll;

use adapters::io::BodyWriter;
use bytes::Bytes;
use futures_util::SinkExt;
use gateway_spec::{AppError, Gone, SendError};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};

use super::wire::{any_wire, quick};
use crate::support::{block_on, turn};

/// One way to write.
#[derive(Debug, Clone)]
enum Step {
    Write(Vec<u8>),
    FuturesWrite(Vec<u8>),
    Send(Vec<u8>),
    Flush,
    FuturesFlush,
    SinkFlush,
    Shutdown,
    FuturesClose,
    SinkClose,
}

fn any_step() -> impl Strategy<Value = Step> {
    let bytes = || vec(any::<u8>(), 0..20);
    prop_oneof![
        3 => bytes().prop_map(Step::Write),
        3 => bytes().prop_map(Step::FuturesWrite),
        3 => bytes().prop_map(Step::Send),
        1 => Just(Step::Flush),
        1 => Just(Step::FuturesFlush),
        1 => Just(Step::SinkFlush),
        1 => Just(Step::Shutdown),
        1 => Just(Step::FuturesClose),
        1 => Just(Step::SinkClose),
    ]
}

async fn take(body: &mut BodyWriter, step: Step) -> io::Result<()> {
    match step {
        Step::Write(bytes) => tokio::io::AsyncWriteExt::write_all(body, &bytes).await,
        Step::FuturesWrite(bytes) => futures_util::AsyncWriteExt::write_all(body, &bytes).await,
        Step::Send(bytes) => SinkExt::send(body, Bytes::from(bytes)).await,
        Step::Flush => tokio::io::AsyncWriteExt::flush(body).await,
        Step::FuturesFlush => futures_util::AsyncWriteExt::flush(body).await,
        Step::SinkFlush => SinkExt::flush(body).await,
        Step::Shutdown => tokio::io::AsyncWriteExt::shutdown(body).await,
        Step::FuturesClose => futures_util::AsyncWriteExt::close(body).await,
        Step::SinkClose => SinkExt::close(body).await,
    }
}

proptest! {
    #[test]
    fn however_it_is_written_the_bytes_are_the_same_and_only_finishing_ends_them(
        wire in any_wire(),
        steps in vec(any_step(), 0..20),
    ) {
        let mut body = BodyWriter::new(wire.writer());
        let mut expected = Vec::new();
        for step in steps {
            if let Step::Write(bytes) | Step::FuturesWrite(bytes) | Step::Send(bytes) = &step {
                expected.extend_from_slice(bytes);
            }
            block_on(take(&mut body, step)).unwrap();
        }
        assert_eq!(wire.sent(), expected);
        assert!(wire.calls().iter().all(|call| *call == "flush"));
        drop(block_on(body.into_inner().finish()).unwrap());
        assert_eq!(wire.calls(), ["end"]);
    }
}

const FLUSHES: [Step; 6] = [
    Step::Flush,
    Step::FuturesFlush,
    Step::SinkFlush,
    Step::Shutdown,
    Step::FuturesClose,
    Step::SinkClose,
];

#[test]
fn flushing_and_closing_wait_until_everything_is_taken() {
    for step in FLUSHES {
        let wire = quick();
        let mut body = BodyWriter::new(wire.writer());
        block_on(take(&mut body, Step::Write(b"abc".to_vec()))).unwrap();
        wire.set_credit(0);
        assert!(turn(pin!(take(&mut body, step.clone()))).is_pending());
        wire.set_credit(9);
        block_on(take(&mut body, step.clone())).unwrap();
        assert_eq!(wire.calls(), ["flush"], "{step:?}");
        block_on(take(&mut body, Step::Write(b"def".to_vec()))).unwrap();
        assert_eq!(
            wire.sent(),
            b"abcdef",
            "the response goes on after {step:?}"
        );
    }
}

#[test]
fn writes_wait_for_credit_and_dropped_have_written_nothing() {
    let wire = quick();
    let mut body = BodyWriter::new(wire.writer());
    wire.set_credit(0);
    for step in [
        Step::Write(b"a".to_vec()),
        Step::FuturesWrite(b"b".to_vec()),
        Step::Send(b"c".to_vec()),
    ] {
        assert!(turn(pin!(take(&mut body, step))).is_pending());
    }
    for nothing in [Step::Write(Vec::new()), Step::FuturesWrite(Vec::new())] {
        assert!(matches!(
            turn(pin!(take(&mut body, nothing))),
            Poll::Ready(Ok(()))
        ));
    }
    assert_eq!(wire.sent(), b"");
}

#[test]
fn a_writer_that_is_dropped_cuts_the_response_off() {
    let wire = quick();
    drop(BodyWriter::from(wire.writer()));
    assert_eq!(wire.calls(), ["abort: dropped"]);
}

#[test]
fn a_client_that_left_is_a_broken_pipe_that_says_why() {
    let wire = quick();
    let mut body = BodyWriter::new(wire.writer());
    let gone = body.gone();
    wire.leave(Gone::WriteTimeout);
    assert_eq!(block_on(gone), Gone::WriteTimeout);
    let writes = [
        Step::Write(b"a".to_vec()),
        Step::FuturesWrite(b"b".to_vec()),
        Step::Send(b"c".to_vec()),
    ];
    for step in writes.into_iter().chain(FLUSHES) {
        let error = block_on(take(&mut body, step.clone())).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe, "{step:?}");
        assert_eq!(
            AppError::from(error).gone(),
            Some(Gone::WriteTimeout),
            "{step:?}"
        );
    }
}

#[test]
fn more_than_was_declared_is_the_applications_mistake() {
    let wire = quick();
    let mut body = BodyWriter::new(wire.writer());
    for step in [
        Step::Write(b"a".to_vec()),
        Step::FuturesWrite(b"b".to_vec()),
        Step::Send(b"c".to_vec()),
    ] {
        wire.refuse(SendError::TooMuch { declared: 0 });
        let error = block_on(take(&mut body, step)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert_eq!(AppError::from(error).gone(), None);
    }
}

#[test]
fn a_part_is_sent_without_a_copy_whole_and_waits_for_credit_alone() {
    let wire = quick();
    wire.set_credit(1);
    let mut body = BodyWriter::new(wire.writer());
    block_on(SinkExt::send(
        &mut body,
        Bytes::from_static(b"a part over the bound"),
    ))
    .unwrap();
    assert_eq!(
        wire.sent(),
        b"a part over the bound",
        "the bound is soft by one part"
    );
}
