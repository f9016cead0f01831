//! A socket's call, with what needs a clock beside it: pings for a silent client, and an end to the wait for its close
//! frame. The clock is the server's.
//!
//! # What counts as life
//!
//! Any byte that comes, whether the application receives it or not: what it leaves unreceived is read on up to the
//! exchange's bound. Behind that the client is not read, so its silence is not its fault and it is not timed; nor is it
//! while it has not been given all that was sent before the ping. Both are watched by others: the write timeout looks after
//! what is to be sent, and the kernel's own after what it holds, pings among it, so that a client that died unread is found
//! too.

use std::{
    fmt,
    future::{Future, poll_fn},
    num::NonZeroU32,
    pin::pin,
    task::{Context, Poll},
    time::Duration,
};

use crate::watch::{Standing, Watch};

/// The times of a socket. The default has those of `server-host`.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// Silence of a client after which it is pinged (WS-9); any byte ends the silence. 20 seconds, as Python's
    /// `websockets` and uvicorn: most proxies drop a connection that is silent for 60. `None`: no pings.
    pub ping_interval: Option<Duration>,
    /// From a ping to whatever comes from the client. 20 seconds, as Python's `websockets` and uvicorn: a phone may take that long
    /// to find its network. `None`: nobody is given up for silence.
    pub ping_timeout: Option<Duration>,
    /// From our close frame, once the client has taken it, to the client's. 5 seconds: a page that lives answers at once.
    pub close: Duration,
}

impl Times {
    /// Sets [`ping_interval`](Self::ping_interval).
    #[must_use]
    pub const fn with_ping_interval(mut self, interval: Option<Duration>) -> Self {
        self.ping_interval = interval;
        self
    }

    /// Sets [`ping_timeout`](Self::ping_timeout).
    #[must_use]
    pub const fn with_ping_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.ping_timeout = timeout;
        self
    }

    /// Sets [`close`](Self::close).
    #[must_use]
    pub const fn with_close(mut self, close: Duration) -> Self {
        self.close = close;
        self
    }
}

impl Default for Times {
    fn default() -> Self {
        Self {
            ping_interval: Some(Duration::from_secs(20)),
            ping_timeout: Some(Duration::from_secs(20)),
            close: Duration::from_secs(5),
        }
    }
}

/// A deadline that can be set anew.
pub trait Timer {
    /// From now on it is due after so long; `None` is never.
    fn set(&mut self, after: Option<Duration>);

    /// Ready while it is due, or wakes when it will be.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// The client is given up, since this did not come in time: for who counts. Nothing, by default.
    fn missed(&mut self, _missed: Missed) {}
}

/// What a client did not do in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed {
    /// It said nothing after a ping ([`Times::ping_timeout`]).
    Pong,
    /// It did not answer our close frame by its own ([`Times::close`]).
    Close,
}

/// What a server knows of a client's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// Changes when something comes, received by the application or not.
    pub heard: u32,
    /// Whether what the client sends is read.
    pub is_read: bool,
    /// Whether the kernel has all that was sent to it.
    pub has_all: bool,
}

/// Looks after one socket, beside its call and as long as the client's close frame is to come (WS-9, WS-18, WS-19).
///
/// ```
/// use std::task::{Context, Poll};
/// use std::time::Duration;
/// use gateway_spec::{AppError, Application, Connection, Done, Http};
/// use websocket::{Keeper, Life, Settings, Timer, Times, Upgrade, upgrade};
///
/// async fn serve(
///     app: &impl Application,
///     http: Http,
///     timer: impl Timer,
///     life: impl Fn() -> Life,
/// ) -> Result<Done, AppError> {
///     match upgrade(http, &Settings::default()) {
///         Upgrade::Http(http) => app.call(Connection::Http(http)).await,
///         Upgrade::Refused(http, error) => http.responder.respond(error).await,
///         Upgrade::WebSocket(socket, watch) => {
///             let call = app.call(Connection::WebSocket(socket));
///             // No grace period comes to its end here.
///             let forced = std::future::pending();
///             Keeper::new(watch, Times::default(), timer).keep(call, life, forced).await
///         }
///     }
/// }
/// ```
pub struct Keeper<T> {
    watch: Watch,
    timer: T,
    times: Kept,
    wait: Waiting,
    heard: u32,
    behind: Behind,
}

/// The times as a socket keeps them, of which there are many: each in 4 bytes.
#[derive(Debug, Clone, Copy)]
struct Kept {
    ping_interval: Option<Milliseconds>,
    ping_timeout: Option<Milliseconds>,
    close: Milliseconds,
}

/// Rounded up; seven weeks, where it would be more. One more than it is, so that none has its place.
#[derive(Debug, Clone, Copy)]
struct Milliseconds(NonZeroU32);

impl Kept {
    const fn of(times: Times) -> Self {
        const fn kept(time: Option<Duration>) -> Option<Milliseconds> {
            match time {
                Some(time) => Some(Milliseconds::of(time)),
                None => None,
            }
        }
        Self {
            ping_interval: kept(times.ping_interval),
            ping_timeout: kept(times.ping_timeout),
            close: Milliseconds::of(times.close),
        }
    }
}

impl Milliseconds {
    const fn of(time: Duration) -> Self {
        let count = time.as_nanos().div_ceil(1_000_000);
        let most = (u32::MAX - 1) as u128;
        let count = if count < most { count } else { most } as u32;
        Self(NonZeroU32::MIN.saturating_add(count))
    }

    const fn time(self) -> Duration {
        Duration::from_millis((self.0.get() - 1) as u64)
    }
}

/// What is waited for from the client; the timer is its end.
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

/// Whether the time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    No,
    Yes,
}

impl<T: Timer> Keeper<T> {
    /// Looks after the socket that `watch` is of.
    pub const fn new(watch: Watch, times: Times, timer: T) -> Self {
        Self {
            watch,
            timer,
            times: Kept::of(times),
            wait: Waiting::Nothing,
            heard: 0,
            behind: Behind::No,
        }
    }

    /// The timer.
    pub const fn timer(&self) -> &T {
        &self.timer
    }

    /// The socket, to end it because the server shuts down.
    pub const fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Runs the call, and then waits for what is left of the closing handshake. `forced` is the end of the grace period, which
    /// the call learns by its disconnect.
    pub async fn keep<F: Future>(
        mut self,
        call: F,
        life: impl Fn() -> Life,
        forced: impl Future<Output = ()>,
    ) -> F::Output {
        let (mut call, mut forced) = (pin!(call), pin!(forced));
        let mut told = false;
        let result = poll_fn(|cx| {
            if !told && forced.as_mut().poll(cx).is_ready() {
                told = true;
                self.watch.shut_down();
            }
            let polled = call.as_mut().poll(cx);
            // What it ends, the call learns by being woken.
            let _ = self.poll(&life, cx);
            polled
        })
        .await;
        // The lack of the client's close frame is not the application's error.
        poll_fn(|cx| self.poll(&life, cx)).await;
        result
    }

    /// Does what is due; ready when nothing is left to wait for but the application.
    pub fn poll(&mut self, life: impl FnOnce() -> Life, cx: &mut Context<'_>) -> Poll<()> {
        let standing = self.watch.standing();
        self.turn(standing, life, cx)
    }

    /// As [`poll`](Self::poll), for a server that knows where the socket stands.
    #[inline]
    pub fn turn(
        &mut self,
        standing: Standing,
        life: impl FnOnce() -> Life,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let due = match self.timer.poll(cx) {
            Poll::Ready(()) => Due::Yes,
            Poll::Pending => Due::No,
        };
        match standing {
            Standing::Open => {
                self.look_for_life(life(), due, cx);
                Poll::Ready(())
            }
            Standing::Closing => self.poll_closed(life(), due, cx),
            Standing::Handshake | Standing::Over => {
                self.wait_for(Waiting::Nothing, cx);
                Poll::Ready(())
            }
        }
    }

    /// Whether nothing but silence is waited for: the client is read, and has all that was sent to it.
    #[inline]
    pub fn is_at_ease(&self) -> bool {
        self.wait == Waiting::Anything && self.behind == Behind::No
    }

    /// More was heard in the moment of the last [`turn`](Self::turn), and it [is at ease](Self::is_at_ease): the time that was begun then
    /// is this one's.
    #[inline]
    pub fn heard_more(&mut self, heard: u32) {
        self.heard = heard;
    }

    fn look_for_life(&mut self, life: Life, due: Due, cx: &mut Context<'_>) {
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
            Waiting::Nothing | Waiting::Close => self.wait_for(Waiting::Anything, cx),
            Waiting::Anything | Waiting::Answer if heard => self.wait_for(Waiting::Anything, cx),
            Waiting::Anything if due == Due::Yes => {
                let asked = self.watch.ping();
                self.wait_for(
                    if asked {
                        Waiting::Answer
                    } else {
                        Waiting::Anything
                    },
                    cx,
                );
            }
            Waiting::Answer if (was_behind, self.behind) != (Behind::No, Behind::No) => {
                self.wait_for(Waiting::Answer, cx);
            }
            Waiting::Answer if due == Due::Yes => {
                self.wait_for(Waiting::Nothing, cx);
                self.watch.time_out();
                self.timer.missed(Missed::Pong);
            }
            Waiting::Anything | Waiting::Answer => {}
        }
    }

    fn poll_closed(&mut self, life: Life, due: Due, cx: &mut Context<'_>) -> Poll<()> {
        // The time runs once the client can have our close frame.
        if self.wait != Waiting::Close || !life.has_all {
            self.wait_for(Waiting::Close, cx);
        } else if due == Due::Yes {
            self.watch.give_up();
            self.timer.missed(Missed::Close);
        }
        self.watch.poll_closed(cx)
    }

    /// Waits for this, beginning now.
    fn wait_for(&mut self, wait: Waiting, cx: &mut Context<'_>) {
        self.wait = wait;
        self.timer.set(match wait {
            Waiting::Nothing => None,
            Waiting::Anything => self.times.ping_interval.map(Milliseconds::time),
            Waiting::Answer => self.times.ping_timeout.map(Milliseconds::time),
            Waiting::Close => Some(self.times.close.time()),
        });
        if self.timer.poll(cx).is_ready() {
            // A time of nothing is over in the next turn.
            cx.waker().wake_by_ref();
        }
    }
}

impl<T> fmt::Debug for Keeper<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper")
            .field("watch", &self.watch)
            .field("wait", &self.wait)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_kept_to_the_millisecond() {
        for (time, kept) in [
            (Duration::ZERO, Duration::ZERO),
            (Duration::from_nanos(1), Duration::from_millis(1)),
            (Duration::from_secs(20), Duration::from_secs(20)),
            (
                Duration::MAX,
                Duration::from_millis(u64::from(u32::MAX - 1)),
            ),
        ] {
            assert_eq!(Milliseconds::of(time).time(), kept);
        }
        assert_eq!(size_of::<Kept>(), 12);
    }
}
