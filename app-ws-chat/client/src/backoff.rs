//! How long to wait between attempts.

use std::time::Duration;

/// A wait that doubles from one attempt to the next, with jitter so that those who were cut off together do not come
/// back together.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use chat_client::Backoff;
///
/// let backoff = Backoff { first: Duration::from_millis(500), longest: Duration::from_secs(30) };
/// assert_eq!(backoff.wait(0, 0.0), Duration::from_millis(250));
/// assert_eq!(backoff.wait(1, 1.0), Duration::from_secs(1));
/// assert_eq!(backoff.wait(60, 1.0), Duration::from_secs(30));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Backoff {
    /// The longest wait before the first attempt.
    pub first: Duration,
    /// The longest wait of all.
    pub longest: Duration,
}

impl Backoff {
    /// The wait before an attempt, counted from 0. `random` from 0 to 1 chooses between half and the whole of it.
    #[must_use]
    pub fn wait(&self, attempt: u32, random: f64) -> Duration {
        let doubled = 2_u32
            .checked_pow(attempt)
            .and_then(|times| self.first.checked_mul(times))
            .unwrap_or(self.longest);
        doubled
            .min(self.longest)
            .mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0)
    }
}

impl Default for Backoff {
    /// Half a second, too short to notice; half a minute, so that a server that starts is found soon.
    fn default() -> Self {
        Self {
            first: Duration::from_millis(500),
            longest: Duration::from_secs(30),
        }
    }
}
