//! Reading, over a pair of sockets.

use std::io::Write;
use std::os::unix::net::UnixStream;

use super::*;
use crate::stream::{Family, Socket};

/// A connection, and its peer.
fn connected() -> (Io, UnixStream) {
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    ours.set_nonblocking(true).expect("it can be set");
    let socket = Socket::register(ours.into(), Family::Unix).expect("there is a runtime");
    (Io::new(Stream::clear_text(socket)), theirs)
}

/// Waits until there is something to read.
async fn readable(io: &mut Io) {
    let received = std::future::poll_fn(|task| {
        io.wake();
        match io.rest(task) {
            Ok(Received::Nothing) => Poll::Pending,
            other => Poll::Ready(other),
        }
    });
    assert_eq!(received.await.expect("it is open"), Received::Bytes);
}

#[tokio::test]
async fn what_is_short_comes_to_the_desk_and_what_is_long_does_not() {
    let (mut io, mut peer) = connected();
    let mut desk = Desk::take();
    assert_eq!(io.try_read_to(&mut desk).expect("it is open"), 0);
    for _ in 0..2 {
        peer.write_all(b"short").expect("it is open");
        readable(&mut io).await;
        assert_eq!(io.try_read_to(&mut desk).expect("it is open"), 5);
        assert_eq!(&desk[..5], b"short");
        assert!(!io.may_have_more(), "it gave all that it had");
        assert_eq!(io.try_read_to(&mut desk).expect("it is open"), 0);
    }
    // The first of a kind comes there, too; the second has a buffer of its own.
    let long = [b'x'; 3000];
    peer.write_all(&long).expect("it is open");
    readable(&mut io).await;
    assert_eq!(io.try_read_to(&mut desk).expect("it is open"), long.len());
    io.keep(&desk[2999..3000]);
    assert_eq!(&io.input[..], b"x");
    io.take(1);
    peer.write_all(&long).expect("it is open");
    readable(&mut io).await;
    assert_eq!(io.try_read_to(&mut desk).expect("it is open"), 0);
    let read = std::future::poll_fn(|task| Poll::Ready(io.poll_read(task)));
    assert_eq!(read.await.expect("it is open"), Received::Bytes);
    assert_eq!(io.input.len(), long.len());
    // What waits to be used is not passed by what comes.
    peer.write_all(b"short").expect("it is open");
    io.wake();
    assert_eq!(io.try_read_to(&mut desk).expect("it is open"), 0);
    desk.give_back();
}

#[tokio::test]
async fn an_end_is_left_to_the_usual_read() {
    let (mut io, peer) = connected();
    drop(peer);
    readable(&mut io).await;
    let mut desk = Desk::take();
    assert_eq!(io.try_read_to(&mut desk).expect("it ended in order"), 0);
    let read = std::future::poll_fn(|task| Poll::Ready(io.poll_read(task)));
    assert_eq!(read.await.expect("it ended in order"), Received::End);
    desk.give_back();
}
