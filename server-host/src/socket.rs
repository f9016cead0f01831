//! A WebSocket's call, with what needs a clock beside it: pings for a silent client, and an end to the wait for its close
//! frame.
//!
//! # What counts as life
//!
//! Any byte that comes, whether the application receives it or not: what it leaves unreceived is read on up to
//! [`INBOUND_BYTES`](crate::INBOUND_BYTES). Behind that the client is not read, so its silence is not its fault and it is
//! not timed; nor is it while it has not been given all that was sent before the ping. Both are watched by others: the
//! write timeout looks after what is to be sent, and the kernel's own after what it holds, pings among it, so that a
//! client that died unread is found too.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use gateway_spec::Wait;
use websocket::{Standing, Watch};

use crate::clock::{Alarm, Clock};
use crate::{Exchange, Timeouts};

/// The times of a socket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    ping_interval: Option<Duration>,
    ping_timeout: Option<Duration>,
    close: Duration,
}

impl Times {
    pub(crate) fn of(timeouts: &Timeouts) -> Self {
        Self {
            ping_interval: timeouts.ping_interval,
            ping_timeout: timeouts.ping_timeout,
            close: timeouts.close,
        }
    }
}

/// Looks after one socket, beside its call and as long as the client's close frame is to come.
#[derive(Debug)]
pub(crate) struct Keeper {
    watch: Watch,
    exchange: Arc<Exchange>,
    clock: Arc<Clock>,
    alarm: Arc<Alarm>,
    times: Times,
    wait: Waiting,
    heard: u32,
    behind: Behind,
}

/// What is waited for from the client; the alarm is its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    /// Nothing: the handshake is the application's to answer, or the socket is over.
    Nothing,
    /// Anything, before it is pinged.
    Anything,
    /// Anything, after a ping.
    Answer,
    /// Its close frame.
    Close,
}

/// Whether we owe the client something, for so long its silence does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behind {
    No,
    Yes,
}

impl Keeper {
    pub(crate) fn new(
        watch: Watch,
        exchange: Arc<Exchange>,
        clock: &Arc<Clock>,
        times: Times,
    ) -> Self {
        Self {
            watch,
            exchange,
            alarm: clock.alarm(),
            clock: Arc::clone(clock),
            times,
            wait: Waiting::Nothing,
            heard: 0,
            behind: Behind::No,
        }
    }

    /// Runs the call, and then waits for what is left of the closing handshake. `forced` is the end of the grace period,
    /// which the call learns by its disconnect.
    pub(crate) async fn keep<T>(
        mut self,
        call: impl Future<Output = T>,
        mut forced: Wait<()>,
    ) -> T {
        let mut call = pin!(call);
        let mut told = false;
        let result = poll_fn(|cx| {
            if !told && Pin::new(&mut forced).poll(cx).is_ready() {
                told = true;
                self.watch.shut_down();
            }
            let polled = call.as_mut().poll(cx);
            // What it ends, the call learns by being woken.
            let _ = self.poll(cx);
            polled
        })
        .await;
        // The lack of the client's close frame is not the application's error.
        poll_fn(|cx| self.poll(cx)).await;
        result
    }

    /// Does what is due; ready when nothing is left to wait for but the application.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.alarm.register(cx.waker());
        match self.watch.standing() {
            Standing::Open => {
                self.look_for_life();
                Poll::Ready(())
            }
            Standing::Closing => self.poll_closed(cx),
            Standing::Handshake | Standing::Over => {
                self.wait_for(Waiting::Nothing);
                Poll::Ready(())
            }
        }
    }

    fn look_for_life(&mut self) {
        let life = self.exchange.life();
        let was_behind = std::mem::replace(
            &mut self.behind,
            if life.is_read && life.has_all {
                Behind::No
            } else {
                Behind::Yes
            },
        );
        let heard = std::mem::replace(&mut self.heard, life.heard) != life.heard;
        match self.wait {
            Waiting::Nothing | Waiting::Close => self.wait_for(Waiting::Anything),
            Waiting::Anything | Waiting::Answer if heard => self.wait_for(Waiting::Anything),
            Waiting::Anything if self.is_due() => {
                let asked = self.watch.ping();
                self.wait_for(if asked {
                    Waiting::Answer
                } else {
                    Waiting::Anything
                });
            }
            Waiting::Answer if (was_behind, self.behind) != (Behind::No, Behind::No) => {
                self.wait_for(Waiting::Answer);
            }
            Waiting::Answer if self.is_due() => {
                self.wait_for(Waiting::Nothing);
                self.watch.time_out();
            }
            Waiting::Anything | Waiting::Answer => {}
        }
    }

    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // The time runs once the client can have our close frame.
        if self.wait != Waiting::Close || !self.exchange.life().has_all {
            self.wait_for(Waiting::Close);
        } else if self.is_due() {
            self.watch.give_up();
        }
        self.watch.poll_closed(cx)
    }

    fn is_due(&self) -> bool {
        self.alarm.is_due(self.clock.now())
    }

    /// Waits for this, beginning now.
    fn wait_for(&mut self, wait: Waiting) {
        self.wait = wait;
        let after = match wait {
            Waiting::Nothing => None,
            Waiting::Anything => self.times.ping_interval,
            Waiting::Answer => self.times.ping_timeout,
            Waiting::Close => Some(self.times.close),
        };
        self.alarm
            .set(after.map_or(0, |after| self.clock.deadline(after)));
    }
}

#[cfg(test)]
mod tests;
