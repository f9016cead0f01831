//! What a server, which has the clock, does with a socket that the application has.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

/// Where a socket stands, as far as a server has to do something about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The handshake is not answered.
    Handshake,
    /// Messages go both ways: a client that is silent for long may be pinged.
    Open,
    /// Our close frame is sent and the client's is to come: for a bounded time.
    Closing,
    /// There is nothing to wait for.
    Over,
}

/// Why a server ends a socket that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Silence,
    Shutdown,
}

/// A socket as a [`Watch`] has it.
pub(crate) trait Watched: Send + Sync {
    fn standing(&self) -> Standing;

    /// Pings, if there is credit.
    fn ping(&self) -> bool;

    /// Waits for the client's close frame, if ours is sent.
    fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<()>;

    /// Waits no longer for it.
    fn give_up(&self);

    /// Ends the socket, if it is open.
    fn end(&self, why: Ending);
}

/// The server's hold on a socket: to ping a silent client (WS-9), and to wait for a client's close frame (WS-19).
///
/// As a future it waits for what is left when the application has returned: the client's answer to our close frame (RFC 6455
/// §5.5.1). Then, or if there is nothing to wait for, it resolves, and the tunnel is closed. The server bounds the wait by a timer of
/// its own.
///
/// A server that measures the time while the application still runs looks at [`standing`](Self::standing) after each of its turns, and
/// polls for the end while the socket is [`Closing`](Standing::Closing).
///
/// All of it is optional. Dropped, the tunnel is closed behind our close frame at once, which a client that has read it does not mind.
///
/// # Cancel safety
///
/// Nothing is lost.
#[must_use = "dropped, nobody waits for the client's close frame"]
pub struct Watch {
    socket: Arc<dyn Watched>,
}

impl Watch {
    pub(crate) fn new(socket: Arc<dyn Watched>) -> Self {
        Self { socket }
    }

    /// As awaiting it, by polling.
    pub fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.socket.poll_closed(cx)
    }

    /// Where the socket stands, for whoever measures times.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.socket.standing()
    }

    /// Sends an empty ping, and says whether it did: not if the socket is not open, or the client is so slow that there is no
    /// credit for it. The application sees the pong.
    ///
    /// Who is to be pinged, the server knows: it sees bytes come, received by the application or not.
    #[must_use = "without credit nothing was asked, and no answer will come"]
    pub fn ping(&self) -> bool {
        self.socket.ping()
    }

    /// Waits no longer for a client's close frame: the tunnel is closed behind what was sent. The application's disconnect has
    /// the cause that our close frame had.
    pub fn give_up(&self) {
        self.socket.give_up();
    }

    /// Gives up a client that was silent for too long: 1011 for it, [`Cause::Timeout`](gateway_spec::Cause::Timeout) for the application.
    pub fn time_out(&self) {
        self.socket.end(Ending::Silence);
    }

    /// Closes the socket because the server shuts down: 1012 for the client, [`Cause::Shutdown`](gateway_spec::Cause::Shutdown) for
    /// the application (WS-18).
    pub fn shut_down(&self) {
        self.socket.end(Ending::Shutdown);
    }
}

impl Future for Watch {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_closed(cx)
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("standing", &self.standing())
            .finish_non_exhaustive()
    }
}
