//! The board over a WebSocket: texts are posted, new notes are shown, binary messages come back.

use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use futures_util::stream::SplitSink;
use futures_util::{SinkExt, StreamExt};
use tokio::sync::mpsc;

use super::{Board, MESSAGE_BYTES};

/// The code of a close that the client asked for.
const AS_ASKED: u16 = 4000;

/// What comes back before the one who reads waits for the one who writes.
const REPLIES: usize = 16;

pub(super) async fn upgrade(State(board): State<Board>, upgrade: WebSocketUpgrade) -> Response {
    upgrade
        .protocols(["notes.v2", "notes.v1"])
        .max_message_size(MESSAGE_BYTES)
        .max_frame_size(MESSAGE_BYTES)
        .on_upgrade(move |socket| serve(board, socket))
}

/// One half writes, in a task of its own; this one reads.
async fn serve(board: Board, socket: WebSocket) {
    let _watching = board.watch();
    let spoken = socket.protocol().and_then(|name| name.to_str().ok());
    let welcome = format!("welcome to {}", spoken.unwrap_or("notes"));
    let (writes, mut reads) = socket.split();
    let (replies, to_write) = mpsc::channel(REPLIES);
    // There is room: nothing was sent yet.
    let _ = replies.try_send(Message::text(welcome));
    let writer = tokio::spawn(write(board.clone(), writes, to_write));
    while let Some(Ok(message)) = reads.next().await {
        let reply = match message {
            Message::Text(text) if text == "leave" => close(AS_ASKED, "as you wish"),
            Message::Text(text) => {
                board.post(text.as_str());
                continue;
            }
            Message::Binary(bytes) => Message::Binary(bytes),
            // axum answers pings and closes by itself.
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) => continue,
        };
        if replies.send(reply).await.is_err() {
            break;
        }
    }
    drop(replies);
    // It ends with the channel; that it panicked was logged.
    let _ = writer.await;
}

async fn write(
    board: Board,
    mut writes: SplitSink<WebSocket, Message>,
    mut replies: mpsc::Receiver<Message>,
) {
    let mut posted = board.posted();
    loop {
        let message = tokio::select! {
            reply = replies.recv() => match reply {
                Some(reply) => reply,
                None => return,
            },
            Ok(note) = posted.recv() => Message::text(format!("{}: {}", note.id, note.text)),
            () = board.closing() => close(close_code::AWAY, "the service closes"),
        };
        let last = matches!(message, Message::Close(_));
        if writes.send(message).await.is_err() || last {
            return;
        }
    }
}

fn close(code: u16, reason: &'static str) -> Message {
    Message::Close(Some(CloseFrame {
        code,
        reason: reason.into(),
    }))
}
