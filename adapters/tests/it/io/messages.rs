//! A WebSocket as a stream and a sink of messages.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};

use adapters::io::{MessageSink, MessageStream, Messages, SocketError};
use bytes::Bytes;
use futures_util::stream::FusedStream;
use futures_util::{FutureExt, SinkExt, StreamExt, stream};
use gateway_spec::{
    Abort, Accept, AppError, Application, Cause, CloseCode, Connection, Disconnect, Done, Gone,
    GoneSignal, Handshake, Http, Message, SendError, Signal, Socket, WebSocketReceive,
    WebSocketSend, WebSocketTransport, application_fn,
};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use test_client::TestClient;

use super::wire::Waits;
use crate::support::block_on;

/// An application that accepts every socket.
fn sockets<F>(serve: fn(Messages) -> F) -> impl Application
where
    F: Future<Output = Result<Done, AppError>> + Send + 'static,
{
    application_fn(move |connection: Connection| async move {
        let Connection::WebSocket(socket) = connection else {
            return connection.refuse().await;
        };
        serve(Messages::new(socket.handshake.accept(Accept::new()).await?)).await
    })
}

async fn echo(messages: Messages) -> Result<Done, AppError> {
    let (mut sink, stream) = messages.split();
    stream.forward(&mut sink).await?;
    sink.into_inner().close(CloseCode::NORMAL, "").await
}

#[tokio::test]
async fn an_echo_is_one_line() {
    let client = TestClient::new(sockets(echo));
    let mut socket = client.websocket("/").connect().await.unwrap();
    for message in [Message::from("text"), Message::from(vec![1, 2, 3])] {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.message().await, Some(message));
    }
    socket.ping("are you there").await.unwrap();
    socket.send("after a ping").await.unwrap();
    assert_eq!(socket.text().await.unwrap(), "after a ping");
    assert_eq!(socket.close(CloseCode::GOING_AWAY, "bye").await.code, 1001);
    assert!(socket.outcome().await.is_done());
}

/// Says what it makes of the end.
async fn to_the_end(mut messages: Messages) -> Result<Done, AppError> {
    assert!(messages.ended().is_none());
    while let Some(message) = messages.next().await {
        drop(message?);
    }
    assert!(messages.next().await.is_none(), "as often as it is asked");
    let end = messages.ended().unwrap();
    assert_eq!((end.code, &*end.reason), (4000, "enough"));
    messages.into_inner().close(CloseCode::NORMAL, "").await
}

#[tokio::test]
async fn a_close_by_the_client_is_the_end_and_says_its_reason() {
    let client = TestClient::new(sockets(to_the_end));
    let mut socket = client.websocket("/").connect().await.unwrap();
    socket.send("one").await.unwrap();
    socket.close(CloseCode::new(4000), "enough").await;
    assert!(socket.outcome().await.is_done());
}

#[tokio::test]
async fn a_client_that_is_lost_is_an_error_and_none_of_the_applications() {
    let client = TestClient::new(sockets(to_the_end));
    let mut socket = client.websocket("/").connect().await.unwrap();
    socket.send("one").await.unwrap();
    assert_eq!(socket.reset().outcome().await.gone(), Some(Gone::PeerReset));

    let mut socket = client.websocket("/").connect().await.unwrap();
    socket.send_raw(&[0xff, 0xff][..]).await.unwrap();
    assert_eq!(socket.closed().await.code, 1002);
    assert_eq!(socket.outcome().await.gone(), Some(Gone::Aborted));
}

/// Closes first, and reads on to the client's answer.
async fn close(mut messages: Messages) -> Result<Done, AppError> {
    messages.send("last".into()).await?;
    for _ in 0..2 {
        messages.close().await?;
    }
    let refused = messages.send("too late".into()).await.unwrap_err();
    assert_eq!(
        refused,
        SocketError::NotSent(SendError::Gone(Gone::Finished))
    );
    while let Some(message) = messages.next().await {
        drop(message?);
    }
    assert_eq!(messages.ended().unwrap().cause, Cause::Local);
    messages
        .into_inner()
        .close(CloseCode::INTERNAL_ERROR, "not sent")
        .await
}

#[tokio::test]
async fn closing_the_sink_is_a_close_frame_behind_all_messages() {
    let client = TestClient::new(sockets(close));
    let mut socket = client.websocket("/").connect().await.unwrap();
    assert_eq!(socket.text().await.unwrap(), "last");
    assert_eq!(socket.closed().await.code, 1000);
    assert!(socket.outcome().await.is_done());
}

async fn forget(messages: Messages) -> Result<Done, AppError> {
    drop(messages);
    Err(AppError::message("forgotten"))
}

#[tokio::test]
async fn what_is_dropped_without_a_close_is_an_error_to_the_client() {
    let client = TestClient::new(sockets(forget));
    let mut socket = client.websocket("/").connect().await.unwrap();
    assert_eq!(socket.closed().await.code, 1011);
}

/// Sends until there is no credit.
async fn flood(mut messages: Messages) -> Result<Done, AppError> {
    let block = Message::from(vec![0; 10_000]);
    let mut sent = 0_u32;
    while messages
        .feed(block.clone())
        .now_or_never()
        .transpose()?
        .is_some()
    {
        sent += 1;
    }
    messages.send(sent.to_string().into()).await?;
    messages.close().await?;
    messages.into_inner().close(CloseCode::NORMAL, "").await
}

#[tokio::test]
async fn the_sink_waits_for_a_slow_client() {
    let client = TestClient::new(sockets(flood));
    let mut socket = client.websocket("/").connect().await.unwrap();
    let mut blocks = 0;
    loop {
        match socket.message().await.unwrap() {
            Message::Binary(_) => blocks += 1,
            Message::Text(sent) => {
                assert_eq!(sent, blocks.to_string());
                break;
            }
        }
    }
    assert!((5..9).contains(&blocks), "{blocks} blocks of 10,000 bytes");
    assert!(socket.outcome().await.is_done());
}

/// A socket that waits as its script says.
#[derive(Debug)]
struct Script {
    state: Mutex<State>,
    gone: Signal<Gone>,
}

#[derive(Debug)]
struct State {
    inbound: VecDeque<WebSocketReceive>,
    receiving: Waits,
    sending: Waits,
    sent: Vec<Message>,
    calls: Vec<String>,
}

fn script(waits: Vec<bool>) -> Arc<Script> {
    let state = State {
        inbound: VecDeque::new(),
        receiving: Waits::new(waits.clone()),
        sending: Waits::new(waits),
        sent: Vec::new(),
        calls: Vec::new(),
    };
    Arc::new(Script {
        state: Mutex::new(state),
        gone: Signal::new(),
    })
}

impl Script {
    fn socket(self: &Arc<Self>) -> Socket {
        let handshake = Handshake::new(Arc::clone(self) as _);
        block_on(handshake.accept(Accept::new())).unwrap()
    }

    fn end(&self, cause: Cause) {
        let end = WebSocketReceive::Disconnect(Disconnect::new(1006, "", cause));
        self.lock().inbound.push_back(end);
    }

    fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().calls)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn left(&self) -> Result<(), Gone> {
        self.gone.value().map_or(Ok(()), Err)
    }
}

impl WebSocketTransport for Script {
    fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<WebSocketReceive> {
        let mut state = self.lock();
        ready!(state.receiving.poll_turn(cx));
        state.inbound.pop_front().map_or(Poll::Pending, Poll::Ready)
    }

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        self.left()?;
        self.lock().sending.poll_turn(cx).map(Ok)
    }

    fn send(&self, event: WebSocketSend) -> Result<(), SendError> {
        let mut state = self.lock();
        match event {
            WebSocketSend::Message(message) => state.sent.push(message),
            WebSocketSend::Close(frame) => state.calls.push(format!("close {}", frame.code.get())),
            _ => {}
        }
        Ok(())
    }

    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        self.left().or_else(|gone| {
            if gone == Gone::Finished {
                Ok(())
            } else {
                Err(gone)
            }
        })?;
        let mut state = self.lock();
        ready!(state.sending.poll_turn(cx));
        state.calls.push("flush".into());
        Poll::Ready(Ok(()))
    }

    fn gone(&self) -> GoneSignal {
        self.gone.wait()
    }

    fn take_http(&self) -> Option<Http> {
        None
    }

    fn abort(&self, why: Abort) {
        self.state
            .lock()
            .unwrap()
            .calls
            .push(format!("abort {why:?}"));
    }
}

fn any_event() -> impl Strategy<Value = WebSocketReceive> {
    prop_oneof![
        "[a-z]{0,5}".prop_map(|text| WebSocketReceive::Message(text.into())),
        vec(any::<u8>(), 0..5).prop_map(|bytes| WebSocketReceive::Message(bytes.into())),
        Just(WebSocketReceive::Ping(Bytes::new())),
        Just(WebSocketReceive::Pong(Bytes::new())),
    ]
}

proptest! {
    #[test]
    fn every_message_goes_through_once_and_in_order(
        waits in vec(any::<bool>(), 0..6),
        events in vec(any_event(), 0..12),
        split in any::<bool>(),
    ) {
        let script = script(waits);
        let expected: Vec<Message> = events.iter().filter_map(|event| match event {
            WebSocketReceive::Message(message) => Some(message.clone()),
            _ => None,
        }).collect();
        script.lock().inbound.extend(events);
        script.end(Cause::Remote);
        let messages = Messages::new(script.socket());
        let sender = if split {
            let (mut sink, stream) = messages.split();
            block_on(stream.forward(&mut sink)).unwrap();
            sink.into_inner()
        } else {
            let mut messages = messages;
            block_on(async {
                while let Some(message) = messages.next().await {
                    messages.send(message?).await?;
                }
                messages.close().await
            }).unwrap();
            messages.into_inner().split().0
        };
        assert_eq!(script.lock().sent, expected);
        let calls = script.calls();
        assert_eq!(calls.iter().filter(|call| *call == "close 1000").count(), 1);
        assert_eq!(calls.last().unwrap(), "flush");
        drop(sender.abort());
    }
}

#[test]
fn each_cause_is_an_end_or_an_error_and_then_an_end() {
    let table = [
        (Cause::Remote, None),
        (Cause::Local, None),
        (Cause::Protocol, Some(Gone::Aborted)),
        (Cause::Timeout, Some(Gone::WriteTimeout)),
        (Cause::Shutdown, Some(Gone::Shutdown)),
        (Cause::Lost, Some(Gone::PeerReset)),
    ];
    for (cause, gone) in table {
        let script = script(Vec::new());
        script.end(cause);
        let (sender, receiver) = script.socket().split();
        let mut stream = MessageStream::new(receiver);
        assert!(!stream.is_terminated());
        if let Some(gone) = gone {
            let error = block_on(stream.next()).unwrap().unwrap_err();
            assert_eq!(error, SocketError::Lost(Disconnect::new(1006, "", cause)));
            assert_eq!(AppError::from(error).gone(), Some(gone), "{cause:?}");
        }
        assert!(block_on(stream.next()).is_none(), "{cause:?}");
        assert!(stream.is_terminated());
        assert_eq!(stream.ended().unwrap().cause, cause);
        drop((sender.abort(), stream.into_inner()));
    }
}

#[test]
fn a_client_that_left_is_an_error_of_the_sink_but_not_of_closing_what_is_closed() {
    for (gone, closes) in [(Gone::Finished, true), (Gone::PeerReset, false)] {
        let script = script(Vec::new());
        let (sender, _receiver) = script.socket().split();
        let mut sink = MessageSink::new(sender);
        script.gone.raise(gone);
        let error = block_on(sink.send("x".into())).unwrap_err();
        assert_eq!(error, SocketError::NotSent(SendError::Gone(gone)));
        assert_eq!(AppError::from(error).gone(), Some(gone));
        assert_eq!(block_on(sink.close()).is_ok(), closes, "{gone}");
        assert_eq!(block_on(sink.flush()).is_ok(), closes, "{gone}");
        assert!(!script.calls().contains(&"close 1000".into()));
    }
}

#[test]
fn a_sink_that_is_dropped_is_a_socket_that_is_dropped() {
    let script = script(Vec::new());
    let (sender, receiver) = script.socket().split();
    drop(MessageStream::new(receiver));
    assert_eq!(script.calls(), [""; 0]);
    drop(MessageSink::new(sender));
    assert_eq!(script.calls(), ["abort Dropped"]);
    drop(block_on(
        stream::empty::<Result<Message, SocketError>>().forward(Messages::from(script.socket())),
    ));
    assert_eq!(script.calls(), ["close 1000", "flush", "abort Dropped"]);
}
