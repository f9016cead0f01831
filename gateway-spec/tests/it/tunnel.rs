//! HTTP-30 to HTTP-32: what is left of an exchange whose protocol was switched.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use gateway_spec::{BodyError, BodyLength, Gone, HttpReceive, Tunnel};
use http::StatusCode;

use crate::support::{Script, Task, assert_done, assert_gone, exchange_of, last, now, part};

fn tunnel<const N: usize>(events: [HttpReceive; N]) -> (Tunnel, Arc<Script>) {
    let (http, script) = exchange_of(BodyLength::Empty, events);
    let upgrading = http
        .responder
        .upgrade(StatusCode::SWITCHING_PROTOCOLS, http.body);
    let tunnel = now(upgrading).unwrap();
    assert_eq!(
        script.calls(),
        "upgrade 101",
        "the body is not said to be unwanted"
    );
    (tunnel, script)
}

#[test]
fn bytes_go_both_ways_also_where_the_request_has_no_body() {
    let (mut tunnel, script) = tunnel([part("ping"), part("")]);
    assert_eq!(now(tunnel.read()), Ok(Some("ping".into())));
    now(tunnel.write("pong")).unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    assert_eq!(tunnel.poll_write(&mut cx, b"12345"), Poll::Ready(Ok(4)));
    assert_eq!(tunnel.poll_write(&mut cx, b""), Poll::Ready(Ok(0)));
    assert!(tunnel.poll_flush(&mut cx).is_ready());
    assert!(
        tunnel.poll_read(&mut cx).is_pending(),
        "an empty part is nothing"
    );
    assert_eq!(script.calls(), "body \"pong\" …; write \"1234\"; flush");
    drop(tunnel);
}

#[test]
fn the_clients_end_is_remembered() {
    let ends: [&[HttpReceive]; 3] = [
        &[last("end")],
        &[part("end"), last("")],
        &[part("end"), HttpReceive::Disconnect(Gone::HalfClosed)],
    ];
    for events in ends {
        let (mut tunnel, script) = tunnel([]);
        events
            .iter()
            .cloned()
            .for_each(|event| script.deliver(event));
        assert_eq!(now(tunnel.read()), Ok(Some("end".into())));
        for _ in 0..2 {
            assert_eq!(now(tunnel.read()), Ok(None), "{events:?}");
        }
        now(tunnel.write("still")).unwrap();
    }
}

#[test]
fn each_direction_is_closed_by_itself() {
    let (mut tunnel, script) = tunnel([part("still")]);
    now(tunnel.shutdown()).unwrap();
    assert_eq!(script.calls(), "body \"\"");
    assert_eq!(now(tunnel.read()), Ok(Some("still".into())));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(tunnel.poll_shutdown(&mut cx).is_ready());
}

#[test]
fn dropping_it_closes_and_finishing_flushes_first() {
    let (dropped, script) = tunnel([]);
    drop(dropped);
    assert_eq!(script.calls(), "close");

    let (finished, script) = tunnel([]);
    assert_done(now(finished.finish()));
    assert_eq!(script.calls(), "flush; close");

    let (aborted, script) = tunnel([]);
    drop(aborted.abort());
    assert_eq!(script.calls(), "abort Deliberate");
}

#[test]
fn a_client_that_left_is_an_error() {
    let (mut tunnel, script) = tunnel([]);
    let gone = tunnel.gone();
    script.leave(Gone::PeerReset);
    assert_eq!(now(gone), Gone::PeerReset);
    assert_gone(now(tunnel.read()), Gone::PeerReset);
    assert_gone(now(tunnel.write("x")), Gone::PeerReset);
    assert_gone(now(tunnel.shutdown()), Gone::PeerReset);
    assert_gone(now(tunnel.finish()), Gone::PeerReset);

    let (mut failed, script) = self::tunnel([]);
    script.deliver(HttpReceive::Failed(BodyError::Timeout));
    assert_eq!(now(failed.read()), Err(BodyError::Timeout));
}

#[test]
fn an_upgrade_that_is_dropped_is_aborted() {
    let (http, script) = exchange_of(BodyLength::Unknown, []);
    script.block();
    let mut task = Task::new(http.responder.upgrade(StatusCode::OK, http.body));
    assert!(task.poll().is_pending());
    drop(task);
    assert_eq!(script.calls(), "abort Dropped");
}
