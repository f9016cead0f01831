//! The link: whatever the client wants next, done when the network lets it.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use chat_client::{Client, Close};
use futures_util::{Sink, SinkExt, Stream};
use tokio::time::{Sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::connect::{NotConnected, Socket, connect};
use crate::target::Target;

/// How long a farewell may take: nobody waits for it.
const FAREWELL: Duration = Duration::from_secs(1);

/// A client's connections, one after another.
pub struct Link {
    target: Arc<Target>,
    wire: Wire,
    timer: Pin<Box<Sleep>>,
    trouble: Option<String>,
}

enum Wire {
    Down,
    Connecting(Pin<Box<dyn Future<Output = Result<Socket, NotConnected>> + Send>>),
    Up(Box<Socket>),
}

impl Link {
    /// A link to this chat; connects when the client wants it.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with a timer.
    #[must_use]
    pub fn new(target: Target) -> Self {
        Self {
            target: Arc::new(target),
            wire: Wire::Down,
            timer: Box::pin(sleep_until(Instant::now().into())),
            trouble: None,
        }
    }

    /// Waits until something happens (the link comes up or goes down, a frame or the client's deadline comes) and
    /// tells the client. What the client wants sent is sent meanwhile.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: all that is under way is kept here.
    pub async fn turn(&mut self, client: &mut Client) {
        poll_fn(|cx| self.poll_turn(cx, client)).await;
    }

    /// Why there is no connection, for people; nothing once there is one.
    #[must_use]
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Breaks the connection without a word, as a network would.
    pub fn cut(&mut self, client: &mut Client) {
        self.wire = Wire::Down;
        client.closed(Close::Lost, Instant::now());
    }

    /// Says goodbye, if there is anybody to say it to.
    pub async fn close(self) {
        if let Wire::Up(mut socket) = self.wire {
            let normal = CloseFrame {
                code: CloseCode::Normal,
                reason: "".into(),
            };
            // Who does not take it within the time hears of it from TCP.
            let _ = timeout(FAREWELL, socket.send(Message::Close(Some(normal)))).await;
        }
    }

    fn poll_turn(&mut self, cx: &mut Context<'_>, client: &mut Client) -> Poll<()> {
        let now = Instant::now();
        if self.poll_wire(cx, client, now).is_ready() {
            return Poll::Ready(());
        }
        self.poll_timer(cx, client)
    }

    fn poll_wire(&mut self, cx: &mut Context<'_>, client: &mut Client, now: Instant) -> Poll<()> {
        use chat_client::Link as State;
        match (&mut self.wire, client.link()) {
            (Wire::Down, _) if client.wants_link(now) => {
                client.connecting();
                self.wire = Wire::Connecting(Box::pin(connect(Arc::clone(&self.target))));
                Poll::Ready(())
            }
            (Wire::Down, _) => Poll::Pending,
            (Wire::Connecting(connecting), State::Connecting) => {
                match std::task::ready!(connecting.as_mut().poll(cx)) {
                    Ok(socket) => {
                        self.wire = Wire::Up(Box::new(socket));
                        self.trouble = None;
                        client.opened(now);
                    }
                    Err(NotConnected { close, why }) => {
                        self.wire = Wire::Down;
                        self.trouble = Some(why);
                        client.closed(close, now);
                    }
                }
                Poll::Ready(())
            }
            (Wire::Up(socket), State::Open { .. }) => {
                let turn = std::task::ready!(poll_socket(socket, cx, client, now));
                if let Turn::Ended(close) = turn {
                    self.wire = Wire::Down;
                    client.closed(close, now);
                }
                Poll::Ready(())
            }
            // The client has given this one up.
            (Wire::Connecting(_) | Wire::Up(_), _) => {
                self.wire = Wire::Down;
                Poll::Ready(())
            }
        }
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>, client: &mut Client) -> Poll<()> {
        let Some(deadline) = client.deadline() else {
            return Poll::Pending;
        };
        // A deadline mostly moves away, with each frame; so the timer is set anew only when it comes nearer or fires.
        if self.timer.deadline().into_std() > deadline {
            self.timer.as_mut().reset(deadline.into());
        }
        loop {
            std::task::ready!(self.timer.as_mut().poll(cx));
            if deadline <= Instant::now() {
                client.expire(Instant::now());
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(deadline.into());
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wire = match self.wire {
            Wire::Down => "down",
            Wire::Connecting(_) => "connecting",
            Wire::Up(_) => "up",
        };
        f.debug_struct("Link")
            .field("target", &self.target)
            .field("wire", &wire)
            .field("trouble", &self.trouble)
            .finish_non_exhaustive()
    }
}

/// What a socket had.
enum Turn {
    /// A frame, which the client was told.
    Frame,
    /// Its end.
    Ended(Close),
}

fn poll_socket(
    socket: &mut Socket,
    cx: &mut Context<'_>,
    client: &mut Client,
    now: Instant,
) -> Poll<Turn> {
    if poll_send(Pin::new(socket), cx, client).is_err() {
        return Poll::Ready(Turn::Ended(Close::Lost));
    }
    let Some(read) = std::task::ready!(Pin::new(&mut *socket).poll_next(cx)) else {
        return Poll::Ready(Turn::Ended(Close::Lost));
    };
    let turn = match read {
        Ok(Message::Text(text)) => {
            client.received(&text, now);
            Turn::Frame
        }
        Ok(Message::Binary(_)) => {
            client.received_nonsense();
            Turn::Frame
        }
        Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => Turn::Frame,
        Ok(Message::Close(frame)) => {
            // The echo is small and goes out at once, or not at all.
            let _ = Pin::new(socket).poll_flush(cx);
            let code = frame.map_or(1005, |frame| frame.code.into());
            Turn::Ended(Close::Code(code))
        }
        Err(_) => Turn::Ended(Close::Lost),
    };
    Poll::Ready(turn)
}

/// Sends what the client has and the socket takes.
fn poll_send(
    mut socket: Pin<&mut Socket>,
    cx: &mut Context<'_>,
    client: &mut Client,
) -> Result<(), tokio_tungstenite::tungstenite::Error> {
    loop {
        match socket.as_mut().poll_ready(cx) {
            Poll::Pending => return Ok(()),
            Poll::Ready(ready) => ready?,
        }
        let Some(frame) = client.next_frame() else {
            break;
        };
        socket.as_mut().start_send(Message::text(frame))?;
    }
    match socket.poll_flush(cx) {
        Poll::Ready(flushed) => flushed,
        Poll::Pending => Ok(()),
    }
}
