//! What a server, which has the clock, does with a socket that the application has.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use crate::exchange::Exchange;

/// The server's hold on a socket: to ping a silent client (WS-9), and to wait for a client's close frame (WS-19).
///
/// As a future it waits for what is left when the application has returned: the client's answer to our close frame (RFC 6455
/// §5.5.1). Then, or if there is nothing to wait for, it resolves, and the tunnel is closed. The server bounds the wait by a timer of
/// its own.
///
/// All of it is optional. Dropped, the tunnel is closed behind our close frame at once, which a client that has read it does not mind.
///
/// # Cancel safety
///
/// Nothing is lost.
#[must_use = "dropped, nobody waits for the client's close frame"]
pub struct Watch {
    exchange: Arc<Exchange>,
}

impl Watch {
    pub(crate) fn new(exchange: Arc<Exchange>) -> Self {
        Self { exchange }
    }

    /// As awaiting it, by polling.
    pub fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.exchange.poll_closed(cx)
    }

    /// A number that grows when something came from the client, of whatever kind; `None` when the socket is not open (any more).
    ///
    /// Bytes come while the application receives. Of an application that does not, the number says nothing about the client.
    #[must_use]
    pub fn heard(&self) -> Option<u64> {
        self.exchange.heard()
    }

    /// Sends an empty ping, unless the socket is not open, or the client is so slow that there is no credit for it. The
    /// application sees the pong.
    pub fn ping(&self) {
        self.exchange.ping();
    }

    /// Gives up a client that was silent for too long: 1011 for it, [`Cause::Timeout`](gateway_spec::Cause::Timeout) for the application.
    pub fn time_out(&self) {
        self.exchange.time_out();
    }

    /// Closes the socket because the server shuts down: 1012 for the client, [`Cause::Shutdown`](gateway_spec::Cause::Shutdown) for
    /// the application (WS-18).
    pub fn shut_down(&self) {
        self.exchange.shut_down();
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
            .field("heard", &self.heard())
            .finish_non_exhaustive()
    }
}
