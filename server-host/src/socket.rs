//! A WebSocket's call, with what needs a clock beside it, on the worker's clock.

use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use gateway_spec::Wait;
use websocket::{Life, Missed, Timer, Times, Watch};

use crate::clock::{Alarm, Clock};
use crate::metrics::{self, Counts};
use crate::{Exchange, Timeouts};

/// The times of a socket, among the others.
pub(crate) fn times(timeouts: &Timeouts) -> Times {
    Times::default()
        .with_ping_interval(timeouts.ping_interval)
        .with_ping_timeout(timeouts.ping_timeout)
        .with_close(timeouts.close)
}

/// An alarm of the worker's clock, of one socket.
#[derive(Debug)]
struct Ticking {
    clock: Arc<Clock>,
    alarm: Arc<Alarm>,
    counts: Arc<Counts>,
}

/// What a client has missed is a timer that ran out.
fn timer_of(missed: Missed) -> metrics::Timer {
    match missed {
        Missed::Pong => metrics::Timer::WsPing,
        Missed::Close => metrics::Timer::WsClose,
    }
}

impl Timer for Ticking {
    fn set(&mut self, after: Option<Duration>) {
        self.alarm
            .set(after.map_or(0, |after| self.clock.deadline(after)));
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.alarm.register(cx.waker());
        if self.is_due() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    fn missed(&mut self, missed: Missed) {
        self.counts.ran_out(timer_of(missed));
    }
}

impl Ticking {
    fn is_due(&self) -> bool {
        self.alarm.is_due(self.clock.now())
    }
}

/// Looks after one socket, beside its call and as long as the client's close frame is to come.
#[derive(Debug)]
pub(crate) struct Keeper {
    keeper: websocket::Keeper<Ticking>,
    exchange: Arc<Exchange>,
}

impl Keeper {
    pub(crate) fn new(
        watch: Watch,
        exchange: Arc<Exchange>,
        clock: &Arc<Clock>,
        counts: &Arc<Counts>,
        times: Times,
    ) -> Self {
        let timer = Ticking {
            alarm: clock.alarm(),
            clock: Arc::clone(clock),
            counts: Arc::clone(counts),
        };
        Self {
            keeper: websocket::Keeper::new(watch, times, timer),
            exchange,
        }
    }

    /// Runs the call, and then waits for what is left of the closing handshake. `forced` is the end of the grace period,
    /// which the call learns by its disconnect.
    pub(crate) async fn keep<T>(self, call: impl Future<Output = T>, forced: Wait<()>) -> T {
        let Self { keeper, exchange } = self;
        keeper.keep(call, || life(&exchange), forced).await
    }
}

fn life(exchange: &Exchange) -> Life {
    let life = exchange.life();
    Life {
        heard: life.heard,
        is_read: life.is_read,
        has_all: life.has_all,
    }
}

#[cfg(test)]
mod tests;
mod wire;

pub(crate) use wire::Wire;
