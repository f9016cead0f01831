//! WebSockets whose messages go to everybody, until the server drains.

use gateway::{Accept, AppError, CloseCode, Done, Message, WebSocket};
use tokio::sync::watch;

/// The newest message, and who waits for the next.
pub(crate) struct Crowd {
    newest: watch::Sender<Message>,
}

impl Default for Crowd {
    fn default() -> Self {
        Self {
            newest: watch::Sender::new(Message::from("")),
        }
    }
}

impl Crowd {
    pub(crate) async fn join(&self, socket: WebSocket) -> Result<Done, AppError> {
        let mut drain = socket.scope.drain();
        let mut news = self.newest.subscribe();
        let mut socket = socket.handshake.accept(Accept::new()).await?;
        loop {
            tokio::select! {
                said = socket.message() => match said {
                    Some(message) => drop(self.newest.send_replace(message)),
                    None => return socket.close(CloseCode::NORMAL, "").await,
                },
                _ = news.changed() => {
                    let message = news.borrow_and_update().clone();
                    socket.send(message).await?;
                }
                _ = &mut drain => return socket.close(CloseCode::GOING_AWAY, "").await,
            }
        }
    }
}
