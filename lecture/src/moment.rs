//! Clocks: one that both processes of a run read alike, and one of a thread's own work.

use std::fmt;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// A time of the system's monotonic clock: the same for all processes of a machine, so that what a client has sent and
/// what a server has done can be drawn on one line. (An [`Instant`](std::time::Instant) cannot be told to another process.)
///
/// # Examples
///
/// ```
/// use lecture::Moment;
///
/// let earlier = Moment::now();
/// assert!(Moment::now() >= earlier);
/// assert_eq!(earlier.since(earlier).as_nanos(), 0);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Moment {
    /// Since the machine was started.
    nanoseconds: u64,
}

impl Moment {
    /// The present time.
    #[must_use]
    pub fn now() -> Self {
        Self {
            nanoseconds: read(ClockId::Monotonic).as_nanos() as u64,
        }
    }

    /// How long after `earlier` this is; nothing if it is not.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.nanoseconds.saturating_sub(earlier.nanoseconds))
    }

    /// This and so much more.
    #[must_use]
    pub const fn after(self, time: Duration) -> Self {
        Self {
            nanoseconds: self.nanoseconds.saturating_add(time.as_nanos() as u64),
        }
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", Duration::from_nanos(self.nanoseconds))
    }
}

/// How long the calling thread has been at work on a core: it stands still while the thread sleeps or others have the core.
pub(crate) fn worked() -> Duration {
    read(ClockId::ThreadCPUTime)
}

fn read(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    // Neither clock is ever before its beginning.
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}
