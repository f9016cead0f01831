//! How often a connection may do something: a token bucket. Time is an argument.

use std::time::{Duration, Instant};

/// A bucket of `burst` tokens, of which one comes back every `interval`.
///
/// Kept as the moment at which the bucket will be full again, so that nothing has to be refilled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenBucket {
    interval: Duration,
    burst: u32,
    full_at: Option<Instant>,
}

impl TokenBucket {
    /// A full bucket.
    pub(crate) const fn new(burst: u32, interval: Duration) -> Self {
        Self {
            interval,
            burst,
            full_at: None,
        }
    }

    /// Takes a token; if there is none, says how long until there is one.
    pub(crate) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let full_at = self.full_at.unwrap_or(now).max(now) + self.interval;
        let missing = full_at.duration_since(now);
        let capacity = self.interval * self.burst;
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

    use super::TokenBucket;

    #[test]
    fn a_burst_passes_and_then_one_an_interval() {
        let start = Instant::now();
        let ms = Duration::from_millis;
        let mut bucket = TokenBucket::new(3, ms(200));
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
            assert_eq!(bucket.take(start + ms(at)).err(), wait.map(ms), "row {row}");
        }
    }
}
