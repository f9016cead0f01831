//! WS as the handles have it.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use gateway_spec::{
    Accept, AppError, Cause, CloseCode, CloseFrame, Disconnect, Gone, Incoming, Message, SendError,
    Socket, Text, WebSocketReceive, WebSocketTransport,
};
use http::StatusCode;

use crate::support::{SocketScript, assert_done, assert_gone, exchange, now, socket};

fn open<const N: usize>(events: [WebSocketReceive; N]) -> (Socket, Arc<SocketScript>) {
    let (socket, script) = socket(events);
    let open = now(socket.handshake.accept(Accept::new())).unwrap();
    script.calls();
    (open, script)
}

fn closed(cause: Cause) -> WebSocketReceive {
    WebSocketReceive::Disconnect(Disconnect::new(1000, "bye", cause))
}

#[test]
fn a_handshake_is_accepted_or_denied_or_given_back() {
    let (accepted, script) = socket([]);
    assert_eq!(accepted.subprotocols, ["chat.v1", "chat.v2"]);
    let accept = Accept::new().subprotocol("chat.v2");
    drop(now(accepted.handshake.accept(accept)).unwrap().abort());
    assert_eq!(script.calls(), "accept Some(\"chat.v2\"); abort Deliberate");

    let (denied, script) = socket([]);
    assert_done(now(denied.handshake.deny(StatusCode::UNAUTHORIZED)));
    assert_eq!(script.calls(), "deny 401");

    let (given, script) = socket([]);
    let (http, outer) = exchange([]);
    script.keep(http);
    let http = given.handshake.into_http().unwrap();
    assert_done(now(http.responder.respond("plain")));
    assert_eq!(script.calls(), "", "the handshake is not dropped");
    assert_eq!(outer.calls(), "start 200 \"plain\"");
}

#[test]
fn the_plain_exchange_has_the_scope_that_middleware_made() {
    let (mut edited, script) = socket([]);
    let (http, _outer) = exchange([]);
    script.keep(http);
    edited.scope.edit().extensions.insert("by middleware");
    let http = edited.into_http().unwrap();
    let seen = http.scope.extensions.get::<&str>();
    assert_eq!(seen, Some(&"by middleware"));
    drop(http);

    let (nothing_to_give, script) = socket([]);
    assert!(nothing_to_give.into_http().is_none());
    assert_eq!(script.calls(), "abort Dropped");
}

#[test]
fn a_handshake_that_is_lost_is_aborted() {
    let (dropped, script) = socket([]);
    drop(dropped);
    assert_eq!(script.calls(), "abort Dropped");

    let (dropped, script) = socket([]);
    drop(dropped.handshake.accept(Accept::new()));
    assert_eq!(script.calls(), "abort Dropped");

    let (nothing_to_give, script) = socket([]);
    assert!(nothing_to_give.handshake.into_http().is_none());
    assert_eq!(script.calls(), "abort Dropped");

    let (refused, script) = socket([]);
    script.refuse(SendError::BadHandshake);
    let accept = Accept::new().subprotocol("unknown");
    assert_eq!(
        now(refused.handshake.accept(accept)).unwrap_err(),
        SendError::BadHandshake
    );
    assert_eq!(script.calls(), "abort Dropped");
}

#[test]
fn messages_come_whole_and_the_end_as_often_as_it_is_asked_for() {
    let text = Message::from("hi");
    let (mut socket, _script) = open([
        WebSocketReceive::Message(text.clone()),
        WebSocketReceive::Ping("p".into()),
        WebSocketReceive::Pong("q".into()),
        closed(Cause::Remote),
    ]);
    assert_eq!(now(socket.receive()), Incoming::Message(text));
    assert_eq!(now(socket.receive()), Incoming::Ping("p".into()));
    assert_eq!(now(socket.receive()), Incoming::Pong("q".into()));
    for _ in 0..2 {
        let end = Disconnect::new(1000, "bye", Cause::Remote);
        assert_eq!(now(socket.receive()), Incoming::Closed(end));
        assert_eq!(now(socket.message()), None);
    }
}

#[test]
fn message_passes_over_pings() {
    let (mut socket, _script) = open([
        WebSocketReceive::Ping("p".into()),
        WebSocketReceive::Message(Message::from(b"x".to_vec())),
    ]);
    assert_eq!(now(socket.message()), Some(Message::Binary("x".into())));
}

#[test]
fn both_halves_work_for_themselves() {
    let (whole, script) = open([WebSocketReceive::Message("in".into())]);
    let (mut sender, mut receiver) = whole.split();
    assert_eq!(now(receiver.message()), Some("in".into()));
    now(sender.ready()).unwrap();
    sender.send_now("now").unwrap();
    now(sender.send(Bytes::from_static(b"waited"))).unwrap();
    now(sender.ping("p")).unwrap();
    now(sender.flush()).unwrap();
    assert_done(now(sender.close(CloseCode::GOING_AWAY, "bye")));
    assert_eq!(
        script.calls(),
        "Message(Text(\"now\")); Message(Binary(b\"waited\")); Ping(b\"p\"); flush; close 1001 \"bye\""
    );
    drop(receiver);
    assert_eq!(script.calls(), "");
}

#[test]
fn both_halves_can_be_polled_without_a_split() {
    let (mut socket, script) = open([WebSocketReceive::Message("in".into())]);
    let mut cx = Context::from_waker(Waker::noop());
    let (sender, receiver) = socket.halves();
    let received = Poll::Ready(Incoming::Message("in".into()));
    assert_eq!(receiver.poll_receive(&mut cx), received);
    assert_eq!(sender.poll_ready(&mut cx), Poll::Ready(Ok(())));
    sender.send_now("out").unwrap();
    sender.close_now(CloseCode::NORMAL, "bye").unwrap();
    assert_eq!(sender.poll_flush(&mut cx), Poll::Ready(Ok(())));
    assert_eq!(
        script.calls(),
        "Message(Text(\"out\")); close 1000 \"bye\"; flush"
    );

    // What a transport says once the close frame is sent.
    script.refuse(SendError::Gone(Gone::Finished));
    sender.close_now(CloseCode::NORMAL, "again").unwrap();
    script.gone.raise(Gone::Finished);
    assert_done(now(socket.close(CloseCode::NORMAL, "again")));
    assert_eq!(script.calls(), "");

    let (mut socket, script) = open([]);
    script.gone.raise(Gone::PeerReset);
    let gone = Poll::Ready(Err(Gone::PeerReset));
    assert_eq!(socket.halves().0.poll_ready(&mut cx), gone);
    assert_eq!(socket.halves().0.poll_flush(&mut cx), gone);
    script.refuse(SendError::OutOfOrder);
    let refused = socket.halves().0.close_now(CloseCode::NORMAL, "");
    assert_eq!(refused, Err(SendError::OutOfOrder));
}

#[test]
fn a_socket_dropped_without_a_close_is_aborted_by_its_sending_half() {
    let (whole, script) = open([]);
    drop(whole);
    assert_eq!(script.calls(), "abort Dropped");

    let (whole, script) = open([]);
    let (sender, receiver) = whole.split();
    drop(receiver);
    assert_eq!(script.calls(), "");
    drop(sender);
    assert_eq!(script.calls(), "abort Dropped");
}

#[test]
fn closing_what_is_closed_succeeds_and_closing_what_is_lost_does_not() {
    for (reason, succeeds) in [
        (Gone::Finished, true),
        (Gone::PeerReset, false),
        (Gone::Shutdown, false),
    ] {
        let (socket, script) = open([]);
        script.gone.raise(reason);
        match now(socket.close(CloseCode::NORMAL, "")) {
            Ok(done) => {
                drop(done);
                assert!(succeeds, "{reason}");
                assert_eq!(script.calls(), "");
            }
            Err(error) => {
                assert!(!succeeds, "{reason}");
                assert_eq!(error.gone(), Some(reason));
            }
        }
    }
}

#[test]
fn a_close_that_is_refused_is_an_abort_and_not_a_silence() {
    let (socket, script) = open([]);
    script.refuse(SendError::OutOfOrder);
    now(socket.close(CloseCode::NORMAL, "")).unwrap_err();
    assert_eq!(script.calls(), "abort Dropped");
}

#[test]
fn every_handle_says_why_the_client_is_gone() {
    let gone = Gone::PeerReset;
    let (accepting, script) = socket([]);
    script.gone.raise(gone);
    assert_eq!(now(accepting.handshake.gone()), gone);
    assert_gone(now(accepting.handshake.accept(Accept::new())), gone);
    let (denied, script) = socket([]);
    script.gone.raise(gone);
    assert_gone(now(denied.handshake.deny("no")), gone);

    let (mut socket, script) = open([]);
    script.gone.raise(gone);
    assert_eq!(now(socket.gone()), gone);
    assert_gone(now(socket.send("x")), gone);
    assert_gone(now(socket.ping("x")), gone);
    assert_gone(now(socket.flush()), gone);
    let (mut sender, receiver) = socket.split();
    assert_eq!(now(receiver.gone()), gone);
    assert_gone(now(sender.ready()), gone);
    assert_gone(now(sender.close(CloseCode::NORMAL, "")), gone);
}

#[test]
fn a_transport_can_be_put_around_another() {
    let (first, script) = socket([WebSocketReceive::Message("in".into())]);
    let wrapped = first.map_transport(|inner: Arc<dyn WebSocketTransport>| inner);
    assert_eq!(script.calls(), "");
    let mut socket = now(wrapped.handshake.accept(Accept::new())).unwrap();
    assert_eq!(now(socket.message()), Some("in".into()));
    drop(socket.abort());
    assert_eq!(script.calls(), "accept None; abort Deliberate");
}

#[test]
fn receiving_waits_without_losing_anything() {
    let (whole, _script) = open([]);
    let (sender, mut receiver) = whole.split();
    let mut cx = Context::from_waker(Waker::noop());
    assert!(matches!(receiver.poll_receive(&mut cx), Poll::Pending));
    drop(sender.abort());
}

#[test]
fn only_codes_that_may_be_sent_can_be_made() {
    for code in 0..=u16::MAX {
        let may = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
        let made = CloseCode::try_from(code);
        assert_eq!(made.map(CloseCode::get).ok(), may.then_some(code), "{code}");
    }
    assert!(std::panic::catch_unwind(|| CloseCode::new(1005)).is_err());
}

#[test]
fn a_reason_is_cut_at_a_character_to_what_a_frame_holds() {
    let reason = |text: String| CloseFrame::new(CloseCode::NORMAL, text).reason;
    assert_eq!(reason("x".repeat(123)).len(), 123);
    assert_eq!(reason("x".repeat(124)).len(), 123);
    assert_eq!(reason("é".repeat(62)).len(), 122);
    assert_eq!(reason(String::new()), Text::new());
}

#[test]
fn an_end_is_a_reason_to_be_gone() {
    let table = [
        (Cause::Remote, Gone::Finished),
        (Cause::Local, Gone::Finished),
        (Cause::Protocol, Gone::Aborted),
        (Cause::Timeout, Gone::WriteTimeout),
        (Cause::Shutdown, Gone::Shutdown),
        (Cause::Lost, Gone::PeerReset),
    ];
    for (cause, gone) in table {
        assert_eq!(Disconnect::new(1006, "", cause).gone(), gone);
    }
    let end = Disconnect::new(1006, "", Cause::Lost);
    assert_eq!(
        AppError::from(end).to_string(),
        "the connection was lost (code 1006)"
    );
}
