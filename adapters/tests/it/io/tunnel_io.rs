//! A tunnel as a duplex stream of bytes.

use std::io;
use std::pin::pin;
use std::sync::Arc;

use adapters::io::{LentTunnel, TunnelIo};
use gateway_spec::{AppError, BodyError, Gone, HttpReceive};
use proptest::collection::vec;
use proptest::prelude::{any, proptest};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::wire::{Wire, any_parts, any_wire, quick};
use crate::support::{block_on, both, turn};

fn tunnel(wire: &Arc<Wire>) -> TunnelIo {
    TunnelIo::new(wire.tunnel())
}

/// Writes this in pieces of such a size, and closes.
async fn write(mut to: impl AsyncWrite + Unpin, bytes: &[u8], size: usize) {
    for piece in bytes.chunks(size) {
        to.write_all(piece).await.unwrap();
    }
    to.shutdown().await.unwrap();
}

async fn read(mut from: impl AsyncRead + Unpin) -> Vec<u8> {
    let mut read = Vec::new();
    from.read_to_end(&mut read).await.unwrap();
    read
}

proptest! {
    #[test]
    fn both_directions_carry_their_bytes_beside_each_other(
        wire in any_wire(),
        parts in any_parts(),
        written in vec(any::<u8>(), 0..100),
        size in 1..9_usize,
    ) {
        let expected = parts.concat();
        wire.deliver(parts);
        wire.end();
        let (reading, writing) = tokio::io::split(tunnel(&wire));
        let (received, ()) = block_on(both(read(reading), write(writing, &written, size)));
        assert_eq!(received, expected);
        assert_eq!(wire.sent(), written);
        assert_eq!(wire.calls(), ["end", "flush", "close"]);
    }

    #[test]
    fn the_traits_of_futures_do_the_same(
        wire in any_wire(),
        parts in any_parts(),
        written in vec(any::<u8>(), 0..100),
    ) {
        let expected = parts.concat();
        wire.deliver(parts);
        wire.end();
        let (mut reading, mut writing) = futures_util::AsyncReadExt::split(tunnel(&wire));
        let mut received = Vec::new();
        let read = futures_util::AsyncReadExt::read_to_end(&mut reading, &mut received);
        let write = async {
            futures_util::AsyncWriteExt::write_all(&mut writing, &written).await?;
            futures_util::AsyncWriteExt::close(&mut writing).await
        };
        let (read, write) = block_on(both(read, write));
        read.unwrap();
        write.unwrap();
        assert_eq!(received, expected);
        assert_eq!(wire.sent(), written);
        assert_eq!(wire.calls(), ["end", "flush"]);
    }
}

#[test]
fn closing_one_direction_leaves_the_other_and_happens_once() {
    let wire = quick();
    let mut io = tunnel(&wire);
    wire.set_credit(3);
    block_on(io.write_all(b"abc")).unwrap();
    wire.set_credit(0);
    assert!(
        turn(pin!(io.shutdown())).is_pending(),
        "no credit for the end"
    );
    assert_eq!(wire.calls(), [""; 0]);
    wire.set_credit(3);
    assert!(turn(pin!(io.shutdown())).is_pending());
    for _ in 0..2 {
        block_on(io.shutdown()).unwrap();
    }
    assert_eq!(
        wire.calls(),
        ["end", "flush"],
        "once, and behind what was written"
    );
    let error = block_on(io.write(b"x")).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    assert_eq!(
        AppError::from(error).gone(),
        None,
        "the client has not left"
    );
    block_on(io.flush()).unwrap();
    wire.deliver(["still"]);
    let mut into = [0; 5];
    block_on(io.read_exact(&mut into)).unwrap();
    assert_eq!(&into, b"still");
}

#[test]
fn an_end_that_is_sent_and_not_taken_is_not_sent_again() {
    let wire = quick();
    let mut io = tunnel(&wire);
    block_on(io.write_all(b"abc")).unwrap();
    wire.set_credit(9);
    let first = turn(pin!(io.shutdown()));
    assert!(first.is_pending(), "sent, and not taken");
    assert_eq!(wire.calls(), ["end"]);
    let error = block_on(io.write(b"x")).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    block_on(io.shutdown()).unwrap();
    assert_eq!(wire.calls(), ["flush"]);
}

#[test]
fn the_clients_end_is_an_end_and_writing_goes_on() {
    let ends = [
        HttpReceive::Disconnect(Gone::HalfClosed),
        crate::support::last_part(""),
        crate::support::last_part("end"),
    ];
    for end in ends {
        let wire = quick();
        let mut io = tunnel(&wire);
        wire.deliver_event(end);
        let _ = block_on(read(&mut io));
        for _ in 0..2 {
            assert_eq!(block_on(io.read(&mut [0])).unwrap(), 0);
        }
        block_on(io.write_all(b"still")).unwrap();
        assert_eq!(wire.sent(), b"still");
    }
}

#[test]
fn a_client_that_is_gone_for_good_is_an_error_both_ways() {
    let wire = quick();
    let mut io = tunnel(&wire);
    let gone = io.gone();
    wire.leave(Gone::PeerReset);
    assert_eq!(block_on(gone), Gone::PeerReset);
    let read = block_on(io.read(&mut [0])).unwrap_err();
    let written = block_on(io.write(b"x")).unwrap_err();
    let flushed = block_on(io.flush()).unwrap_err();
    let closed = block_on(io.shutdown()).unwrap_err();
    assert_eq!(read.kind(), io::ErrorKind::ConnectionReset);
    for error in [read, written, flushed, closed] {
        if error.kind() != io::ErrorKind::ConnectionReset {
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        }
        assert_eq!(AppError::from(error).gone(), Some(Gone::PeerReset));
    }

    let wire = quick();
    let mut io = tunnel(&wire);
    wire.deliver_event(HttpReceive::Failed(BodyError::Timeout));
    assert_eq!(
        block_on(io.read(&mut [0])).unwrap_err().kind(),
        io::ErrorKind::TimedOut
    );
}

#[test]
fn dropping_closes_finishing_flushes_first_and_aborting_cuts_off() {
    let wire = quick();
    drop(TunnelIo::from(wire.tunnel()));
    assert_eq!(wire.calls(), ["close"]);
    drop(block_on(tunnel(&wire).finish()).unwrap());
    assert_eq!(wire.calls(), ["flush", "close"]);
    drop(tunnel(&wire).abort());
    assert_eq!(wire.calls(), ["abort: deliberate"]);
}

#[test]
fn what_was_not_read_is_given_back_with_the_tunnel() {
    let wire = quick();
    wire.deliver(["abc"]);
    let mut io = tunnel(&wire);
    assert_eq!(block_on(io.read_u8()).unwrap(), b'a');
    let (rest, tunnel) = io.into_inner();
    assert_eq!(rest, "bc");
    drop(block_on(tunnel.finish()).unwrap());
}

/// Reads a byte, writes one, closes its direction, and keeps the rest to itself.
async fn use_up(mut io: LentTunnel) {
    let byte = io.read_u8().await.unwrap();
    io.write_all(&[byte]).await.unwrap();
    io.shutdown().await.unwrap();
}

#[test]
fn a_lent_tunnel_comes_back_as_it_was_left() {
    let wire = quick();
    wire.deliver(["abc"]);
    let (lent, returned) = tunnel(&wire).lend();
    let mut returned = pin!(returned);
    assert!(turn(returned.as_mut()).is_pending());
    let (mut io, ()) = block_on(both(returned, use_up(lent)));
    assert_eq!(wire.calls(), ["end", "flush"], "it was not closed");
    assert_eq!(block_on(io.read_u8()).unwrap(), b'b');
    block_on(io.write(b"x")).unwrap_err();
    drop(block_on(io.finish()).unwrap());
    assert_eq!(wire.sent(), b"a");
    assert_eq!(wire.calls(), ["flush", "close"]);
}

#[test]
fn a_lent_tunnel_that_nobody_waits_for_is_closed_when_it_is_dropped() {
    let wire = quick();
    let (lent, returned) = tunnel(&wire).lend();
    drop(returned);
    assert_eq!(wire.calls(), [""; 0]);
    drop(lent);
    assert_eq!(wire.calls(), ["close"]);

    let (lent, returned) = tunnel(&wire).lend();
    drop(lent);
    assert_eq!(wire.calls(), [""; 0], "it waits for its owner");
    drop(returned);
    assert_eq!(wire.calls(), ["close"]);
}
