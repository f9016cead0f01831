//! How often a connection may do something: a token bucket. Time is an argument.

use std::time::{Duration, Instant};

/// How often something may be done: `burst` times at once, and then once in an `interval`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    interval: Duration,
    burst: u32,
}

impl Allowance {
    pub(crate) const fn new(burst: u32, interval: Duration) -> Self {
        Self { interval, burst }
    }
}

/// How much of an allowance is left: a bucket of `burst` tokens, of which one comes back every `interval`.
///
/// Kept as the moment at which the bucket will be full again, so that nothing has to be refilled; and apart from the
/// allowance, because each connection has several.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TokenBucket {
    full_at: Option<Instant>,
}

impl TokenBucket {
    /// Takes a token; if there is none, says how long until there is one.
    pub(crate) fn take(&mut self, allowance: Allowance, now: Instant) -> Result<(), Duration> {
        let Allowance { interval, burst } = allowance;
        let full_at = self.full_at.unwrap_or(now).max(now) + interval;
        let missing = full_at.duration_since(now);
        let capacity = interval * burst;
        if missing > capacity {
            return Err(missing - capacity);
        }
        self.full_at = Some(full_at);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Allowance, TokenBucket};

    #[test]
    fn a_burst_passes_and_then_one_an_interval() {
        let start = Instant::now();
        let ms = Duration::from_millis;
        let allowance = Allowance::new(3, ms(200));
        let mut bucket = TokenBucket::default();
        // Milliseconds since the start, and how long to wait.
        let rows = [
            (0, None),
            (0, None),
            (0, None),
            (0, Some(200)),
            (150, Some(50)),
            (200, None),
            (200, Some(200)),
            (800, None),
            (800, None),
            (800, None),
            (800, Some(200)),
            (60_000, None),
            (60_000, None),
            (60_000, None),
            (60_000, Some(200)),
        ];
        for (row, (at, wait)) in rows.into_iter().enumerate() {
            assert_eq!(
                bucket.take(allowance, start + ms(at)).err(),
                wait.map(ms),
                "row {row}"
            );
        }
    }
}
