//! The bytes of an exchange whose protocol was switched: between hyper's connection and the application, both ways.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use gateway_spec::Gone;
use hosting::Outgoing;
use hosting::local::Client;
use hyper::rt::{Read, ReadBuf, Write};
use hyper::upgrade::{OnUpgrade, Upgraded};
use tokio::time::{Sleep, sleep, timeout};

use super::peer::Peer;

/// Bytes read at once: a piece of what the exchange keeps.
const PIECE: usize = 16 * 1024;

/// How long a closed connection is still read, so that what was sent last is not lost by a reset (RFC 9112 section 9.6). 2 seconds,
/// as the servers.
const LINGER: Duration = Duration::from_secs(2);

/// Carries the bytes until either side ends. The application learns by its transport how that went.
pub(super) async fn run(peer: Arc<Peer>, on_upgrade: OnUpgrade, write_timeout: Duration) {
    let Ok(io) = on_upgrade.await else {
        // The response did not reach the client.
        return peer.leave();
    };
    let mut tunnel = Tunnel::new(io, peer.client(), write_timeout);
    match poll_fn(|cx| tunnel.poll(cx)).await {
        End::Closed => {
            let _ = timeout(LINGER, poll_fn(|cx| tunnel.poll_read_out(cx))).await;
        }
        End::Gone(gone) => peer.client().leave(gone),
    }
}

struct Tunnel<'a> {
    io: Upgraded,
    client: &'a Client,
    input: Input,
    output: Output,
    /// What is being written.
    rest: Bytes,
    /// Bytes that were taken and are not known to have left.
    unflushed: usize,
    write_timeout: Duration,
    /// Runs while the client takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Input {
    Open,
    Ended,
}

/// The direction to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Output {
    Open,
    /// All that came before is written: this direction is to be closed.
    Closing,
    Closed,
    /// The same, and with it the whole.
    Ending,
}

/// What a look at one direction came to.
enum Step {
    /// Something happened, and more may.
    Done,
    /// It waits.
    Waits,
    End(End),
}

/// How a tunnel ends.
enum End {
    /// The application closed it, and all was written.
    Closed,
    Gone(Gone),
}

impl<'a> Tunnel<'a> {
    const fn new(io: Upgraded, client: &'a Client, write_timeout: Duration) -> Self {
        Self {
            io,
            client,
            input: Input::Open,
            output: Output::Open,
            rest: Bytes::new(),
            unflushed: 0,
            write_timeout,
            stalled: None,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        loop {
            match (self.read(cx), self.write(cx)) {
                (Step::End(end), _) | (_, Step::End(end)) => return Poll::Ready(end),
                (Step::Waits, Step::Waits) => return Poll::Pending,
                _ => {}
            }
        }
    }

    /// Reads what the application has room for.
    fn read(&mut self, cx: &mut Context<'_>) -> Step {
        if self.input == Input::Ended {
            return Step::Waits;
        }
        let Poll::Ready(wanted) = self.client.poll_wanted(cx, |wanted| wanted.room() > 0) else {
            return Step::Waits;
        };
        let room = wanted.room().min(PIECE);
        if room == 0 {
            self.input = Input::Ended;
            return Step::Waits;
        }
        let mut piece = [0; PIECE];
        match self.poll_piece(cx, &mut piece[..room]) {
            Poll::Pending => Step::Waits,
            Poll::Ready(Err(_)) => Step::End(End::Gone(Gone::PeerReset)),
            Poll::Ready(Ok(0)) => {
                self.input = Input::Ended;
                self.client.finish(None);
                self.client.half_close();
                Step::Done
            }
            Poll::Ready(Ok(length)) => {
                self.client.send(Bytes::copy_from_slice(&piece[..length]));
                Step::Done
            }
        }
    }

    fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
        piece: &mut [u8],
    ) -> Poll<std::io::Result<usize>> {
        let mut buffer = ReadBuf::new(piece);
        ready!(Pin::new(&mut self.io).poll_read(cx, buffer.unfilled()))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }

    fn write(&mut self, cx: &mut Context<'_>) -> Step {
        if !self.rest.is_empty() {
            let written = Pin::new(&mut self.io).poll_write(cx, &self.rest);
            return self.wrote(cx, written, |tunnel, length| {
                tunnel.rest.advance(length);
                match length {
                    0 => Step::End(End::Gone(Gone::PeerReset)),
                    _ => Step::Done,
                }
            });
        }
        if let Output::Closing | Output::Ending = self.output {
            let closed = Pin::new(&mut self.io).poll_shutdown(cx);
            return self.wrote(cx, closed, |tunnel, ()| {
                tunnel.flushed();
                match tunnel.output {
                    Output::Ending => Step::End(End::Closed),
                    _ => {
                        tunnel.output = Output::Closed;
                        Step::Done
                    }
                }
            });
        }
        match self.client.poll_next(cx) {
            Poll::Ready(outgoing) => self.take(outgoing),
            Poll::Pending if self.unflushed > 0 => {
                let flushed = Pin::new(&mut self.io).poll_flush(cx);
                self.wrote(cx, flushed, |tunnel, ()| {
                    tunnel.flushed();
                    Step::Done
                })
            }
            Poll::Pending => Step::Waits,
        }
    }

    fn take(&mut self, outgoing: Option<Outgoing>) -> Step {
        match outgoing {
            Some(Outgoing::Data(bytes)) => {
                self.unflushed += bytes.len();
                self.rest = bytes;
            }
            Some(Outgoing::Shutdown) => self.output = Output::Closing,
            Some(Outgoing::Close) if self.output == Output::Closed => {
                return Step::End(End::Closed);
            }
            Some(Outgoing::Close) => self.output = Output::Ending,
            Some(Outgoing::Abort) => return Step::End(End::Gone(Gone::Aborted)),
            // A tunnel has no others.
            Some(_) => {}
            None => {
                let gone = self.client.gone().unwrap_or(Gone::Finished);
                return Step::End(End::Gone(gone));
            }
        }
        Step::Done
    }

    fn flushed(&mut self) {
        let bytes = std::mem::take(&mut self.unflushed);
        self.client.acknowledge(bytes);
    }

    /// What has come of a try to write, which has its time.
    fn wrote<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<std::io::Result<T>>,
        then: impl FnOnce(&mut Self, T) -> Step,
    ) -> Step {
        match polled {
            Poll::Ready(Ok(written)) => {
                self.stalled = None;
                then(self, written)
            }
            Poll::Ready(Err(_)) => Step::End(End::Gone(Gone::PeerReset)),
            Poll::Pending => {
                let timer = || Box::pin(sleep(self.write_timeout));
                let stalled = self.stalled.get_or_insert_with(timer);
                match stalled.as_mut().poll(cx) {
                    Poll::Ready(()) => Step::End(End::Gone(Gone::WriteTimeout)),
                    Poll::Pending => Step::Waits,
                }
            }
        }
    }

    /// Reads what still comes, and throws it away.
    fn poll_read_out(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut piece = [0; PIECE];
        while let Poll::Ready(read) = self.poll_piece(cx, &mut piece) {
            if !matches!(read, Ok(1..)) {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }
}
