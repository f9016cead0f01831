//! HTTP-4 to HTTP-15: the request's body.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_core::Stream;
use gateway_spec::{BodyError, BodyLength, Gone, HttpReceive, RequestBody};
use http::HeaderMap;
use http_body::Body as _;

use crate::support::{Task, assert_gone, exchange, exchange_of, last, now, part};

fn chunk(body: &mut RequestBody) -> Result<Option<Bytes>, BodyError> {
    now(body.chunk())
}

fn trailers() -> HeaderMap {
    HeaderMap::from_iter([(http::header::ETAG, "x".parse().unwrap())])
}

#[test]
fn parts_come_in_order_and_empty_ones_mean_nothing() {
    let (mut http, _script) = exchange([part("one"), part(""), part("two"), last("")]);
    assert_eq!(chunk(&mut http.body), Ok(Some("one".into())));
    assert_eq!(chunk(&mut http.body), Ok(Some("two".into())));
    assert!(!http.body.is_end());
    for _ in 0..2 {
        assert_eq!(chunk(&mut http.body), Ok(None));
        assert!(http.body.is_end());
    }
}

#[test]
fn a_body_that_the_scope_says_is_empty_is_not_asked_for() {
    for length in [BodyLength::Empty, BodyLength::Known(0)] {
        let (mut http, script) = exchange_of(length, [part("never")]);
        assert!(http.body.is_end());
        assert_eq!(chunk(&mut http.body), Ok(None));
        assert_eq!(now(http.body.buffered(1)), Ok(()));
        drop(http.body);
        assert_eq!(script.calls(), "");
    }
}

#[test]
fn what_is_left_is_known_where_the_length_was() {
    let (mut http, _script) = exchange_of(BodyLength::Known(5), [part("abc"), last("de")]);
    assert_eq!(http.body.remaining(), BodyLength::Known(5));
    chunk(&mut http.body).unwrap();
    assert_eq!(http.body.remaining(), BodyLength::Known(2));
    assert_eq!(http_body::Body::size_hint(&http.body).exact(), Some(2));
    chunk(&mut http.body).unwrap();
    assert_eq!(http.body.remaining(), BodyLength::Empty);

    let (mut http, _script) = exchange([last("abc")]);
    assert_eq!(http.body.remaining(), BodyLength::Unknown);
    assert_eq!(http_body::Body::size_hint(&http.body).exact(), None);
    chunk(&mut http.body).unwrap();
    assert_eq!(http_body::Body::size_hint(&http.body).exact(), Some(0));
}

#[test]
fn a_chunk_that_is_dropped_loses_nothing() {
    let (mut http, script) = exchange([]);
    let mut body = Box::new(http.body);
    {
        let mut waiting = std::pin::pin!(body.chunk());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(&mut cx).is_pending());
    }
    script.deliver(last("whole"));
    assert_eq!(chunk(&mut body), Ok(Some("whole".into())));
    http.scope.edit();
}

#[test]
fn a_body_made_ended_has_nothing_and_takes_nothing() {
    let (http, script) = exchange([part("later")]);
    let mut ended = http.body.ended();
    assert!(ended.is_end() && ended.is_end_stream());
    assert_eq!(ended.remaining(), BodyLength::Empty);
    assert_eq!(chunk(&mut ended), Ok(None));
    assert_eq!(now(ended.trailers()), Ok(None));
    assert_eq!(now(ended.buffered(1)), Ok(()));
    let mut gone = Task::new(ended.gone());
    assert!(gone.poll().is_pending());
    script.gone.raise(Gone::PeerReset);
    assert_eq!(gone.poll(), Poll::Ready(Gone::PeerReset));
    drop(ended);
    let mut body = http.body;
    assert_eq!(script.calls(), "", "the body is still wanted");
    assert_eq!(chunk(&mut body), Ok(Some("later".into())));
}

#[test]
fn a_failure_is_given_as_often_as_it_is_asked_for() {
    let failures = [
        BodyError::TooLarge { limit: 9 },
        BodyError::Timeout,
        BodyError::Malformed,
    ];
    for failure in failures {
        let (mut http, script) = exchange([part("abc"), HttpReceive::Failed(failure)]);
        assert_eq!(chunk(&mut http.body), Ok(Some("abc".into())));
        for _ in 0..2 {
            assert_eq!(chunk(&mut http.body), Err(failure));
            assert_eq!(now(http.body.trailers()), Err(failure));
            assert_eq!(now(http.body.collect(100)), Err(failure));
        }
        assert!(!http.body.is_end());
        drop(http.body);
        assert_eq!(script.calls(), "", "nothing is left to stop");
    }
}

#[test]
fn a_client_that_leaves_or_stops_in_the_middle_is_no_clean_end() {
    let (mut http, script) = exchange([part("abc")]);
    chunk(&mut http.body).unwrap();
    script.leave(Gone::PeerReset);
    assert_gone(chunk(&mut http.body), Gone::PeerReset);
    assert_gone(chunk(&mut http.body), Gone::PeerReset);

    let (mut http, script) = exchange([part("abc")]);
    chunk(&mut http.body).unwrap();
    script.leave(Gone::HalfClosed);
    assert_eq!(chunk(&mut http.body), Err(BodyError::Malformed));
}

#[test]
fn collecting_takes_what_fits_and_refuses_the_rest() {
    let collect = |parts: [HttpReceive; 3], limit| {
        let (mut http, _script) = exchange(parts);
        now(http.body.collect(limit))
    };
    let three = || [part("ab"), part("cd"), last("ef")];
    assert_eq!(collect(three(), 6), Ok("abcdef".into()));
    assert_eq!(collect(three(), 7), Ok("abcdef".into()));
    for limit in 0..6 {
        let too_large = BodyError::TooLarge {
            limit: limit as u64,
        };
        assert_eq!(collect(three(), limit), Err(too_large));
    }
    let one = || [part(""), part("abc"), last("")];
    assert_eq!(collect(one(), 3), Ok("abc".into()));
    assert_eq!(collect([part(""), part(""), last("")], 0), Ok("".into()));
}

#[test]
fn what_was_taken_already_is_collected_before_the_rest() {
    let collect = |taken: &'static str, limit| {
        let (mut http, _script) = exchange_of(BodyLength::Known(4), [part("cd"), last("ef")]);
        now(http.body.collect_after(taken.into(), limit))
    };
    assert_eq!(collect("ab", 6), Ok("abcdef".into()));
    assert_eq!(collect("", 4), Ok("cdef".into()));
    for (taken, limit) in [("ab", 5), ("", 3)] {
        let too_large = BodyError::TooLarge {
            limit: limit as u64,
        };
        assert_eq!(collect(taken, limit), Err(too_large));
    }
    let (mut http, _script) = exchange_of(BodyLength::Empty, []);
    assert_eq!(
        now(http.body.collect_after("all".into(), 3)),
        Ok("all".into())
    );
}

#[test]
fn a_single_part_is_collected_without_a_copy() {
    let text = Bytes::from_static(b"only");
    let (mut http, script) = exchange([]);
    script.deliver(HttpReceive::Body {
        bytes: text.clone(),
        more: false,
    });
    assert_eq!(now(http.body.collect(9)).unwrap().as_ptr(), text.as_ptr());
}

#[test]
fn what_is_announced_to_be_too_large_is_refused_before_it_is_read() {
    let (mut http, _script) = exchange_of(BodyLength::Known(5), [part("ab"), last("cde")]);
    let too_large = Err(BodyError::TooLarge { limit: 4 });
    assert_eq!(now(http.body.collect(4)), too_large);
    assert_eq!(
        now(http.body.collect(5)),
        Ok("abcde".into()),
        "nothing was taken"
    );

    let (mut http, _script) = exchange_of(BodyLength::Known(5), [part("ab"), last("cde")]);
    chunk(&mut http.body).unwrap();
    assert_eq!(
        now(http.body.collect(3)),
        Ok("cde".into()),
        "what was read does not count"
    );
}

#[test]
fn dropping_a_body_before_its_end_says_so_once() {
    let drop_after = |parts: usize| {
        let (mut http, script) = exchange([part("a"), part("b"), last("c")]);
        for _ in 0..parts {
            chunk(&mut http.body).unwrap();
        }
        drop(http.body);
        let calls = script.calls();
        drop(http.responder.abort());
        calls
    };
    assert_eq!(drop_after(0), "stop receiving");
    assert_eq!(drop_after(2), "stop receiving");
    assert_eq!(drop_after(3), "");
}

#[test]
fn trailers_end_the_body_and_are_given_once() {
    let (mut http, script) = exchange([part("abc"), HttpReceive::Trailers(trailers())]);
    assert_eq!(
        now(http.body.trailers()),
        Ok(Some(trailers())),
        "the body is thrown away"
    );
    assert_eq!(now(http.body.trailers()), Ok(None));
    assert_eq!(chunk(&mut http.body), Ok(None));
    drop(http.body);
    assert_eq!(script.calls(), "");

    let (mut http, _script) = exchange([last("abc")]);
    assert_eq!(now(http.body.trailers()), Ok(None));
}

#[test]
fn buffered_waits_without_taking_and_asks_only_while_more_may_come() {
    let (mut http, script) = exchange([last("abc")]);
    assert_eq!(now(http.body.buffered(7)), Ok(()));
    assert_eq!(script.calls(), "buffered 7");
    assert_eq!(chunk(&mut http.body), Ok(Some("abc".into())));
    assert_eq!(now(http.body.buffered(7)), Ok(()));
    assert_eq!(script.calls(), "");

    let (http, script) = exchange([]);
    script.leave(Gone::WriteTimeout);
    assert_gone(now(http.body.buffered(1)), Gone::WriteTimeout);
}

#[test]
fn a_body_is_an_http_body() {
    let mut cx = Context::from_waker(Waker::noop());
    let (mut http, _script) = exchange([part("abc"), HttpReceive::Trailers(trailers())]);
    let mut frame = |body: &mut RequestBody| match Pin::new(body).poll_frame(&mut cx) {
        Poll::Ready(frame) => frame.map(Result::unwrap),
        Poll::Pending => panic!("it waits"),
    };
    assert_eq!(frame(&mut http.body).unwrap().into_data().unwrap(), "abc");
    assert!(!http.body.is_end_stream());
    assert_eq!(
        frame(&mut http.body).unwrap().into_trailers().unwrap(),
        trailers()
    );
    assert!(http.body.is_end_stream());
    assert!(frame(&mut http.body).is_none());
    let (empty, _script) = exchange_of(BodyLength::Empty, []);
    assert!(empty.body.is_end_stream());
}

#[test]
fn a_body_is_a_stream() {
    let mut cx = Context::from_waker(Waker::noop());
    let (mut http, _script) = exchange([part("abc"), HttpReceive::Failed(BodyError::Timeout)]);
    let mut next = || Pin::new(&mut http.body).poll_next(&mut cx);
    assert_eq!(next(), Poll::Ready(Some(Ok("abc".into()))));
    assert_eq!(next(), Poll::Ready(Some(Err(BodyError::Timeout))));
}

#[test]
fn gone_is_told_to_everybody_and_twice() {
    let (http, script) = exchange([]);
    let mut by_body = Task::new({
        let mut gone = http.body.gone();
        async move { ((&mut gone).await, gone.await) }
    });
    let mut by_responder = Task::new(http.responder.gone());
    assert!(by_body.poll().is_pending());
    assert!(by_responder.poll().is_pending());
    script.leave(Gone::HalfClosed);
    assert_eq!((by_body.wakes(), by_responder.wakes()), (1, 1));
    assert_eq!(by_responder.poll(), Poll::Ready(Gone::HalfClosed));
    assert!(by_body.poll().is_pending(), "half closed is not the end");
    script.leave(Gone::PeerReset);
    assert_eq!(
        by_body.poll(),
        Poll::Ready((Gone::HalfClosed, Gone::PeerReset))
    );
}
