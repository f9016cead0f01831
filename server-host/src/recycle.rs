//! When a process has served long enough: by requests, by its lifetime, or by its memory.
//!
//! It is for applications that leak, which are best mended, and for all that grows old unnoticed. What then happens is a
//! restart as by SIGUSR2: no client is refused.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

/// When a process is replaced by a new one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recycling {
    /// After so many requests. `None`: never. Gunicorn and uvicorn: `--max-requests`, `--limit-max-requests`.
    pub requests: Option<NonZeroU64>,
    /// After so long. `None`: never. Granian: `--workers-lifetime`.
    pub lifetime: Option<Duration>,
    /// When it holds so many bytes of memory, at three looks in a row. `None`: never. Granian: `--workers-max-rss`.
    pub memory: Option<NonZeroU64>,
    /// By how much `requests` and `lifetime` may be shorter, in percent, by chance: so that processes that were started together
    /// do not end together. 10.
    pub jitter: u8,
}

impl Default for Recycling {
    fn default() -> Self {
        Self {
            requests: None,
            lifetime: None,
            memory: None,
            jitter: 10,
        }
    }
}

/// Between two looks.
pub(crate) const LOOK: Duration = Duration::from_secs(1);

/// Looks in a row at which there is too much memory: what is given back soon is no leak.
const TOO_LARGE: u32 = 3;

/// How long a process goes on that could not be replaced, before it is tried again.
const AGAIN: Duration = Duration::from_secs(60);

/// Sees when it is time.
#[derive(Debug)]
pub(crate) struct Age {
    requests: Option<u64>,
    ends: Option<Instant>,
    memory: Option<u64>,
    large: u32,
    /// The next time that it may be said.
    not_before: Instant,
}

/// Why it is time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    Requests(u64),
    Lifetime,
    Memory(u64),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requests(count) => write!(f, "it has served {count} requests"),
            Self::Lifetime => f.write_str("its lifetime is over"),
            Self::Memory(bytes) => write!(f, "it holds {bytes} bytes of memory"),
        }
    }
}

impl Age {
    pub(crate) fn new(recycling: &Recycling, now: Instant) -> Self {
        // The keys of a hasher are random.
        Self::with_chance(recycling, now, RandomState::new().hash_one(0))
    }

    fn with_chance(recycling: &Recycling, now: Instant, chance: u64) -> Self {
        let jitter = u64::from(recycling.jitter.min(100));
        // In thousandths of what is set.
        let part = 1_000 - chance % (10 * jitter + 1);
        let shorten = |whole: u64| u64::try_from(u128::from(whole) * u128::from(part) / 1_000);
        let lifetime = recycling.lifetime.map(|lifetime| {
            let milliseconds = u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX);
            Duration::from_millis(shorten(milliseconds).unwrap_or(milliseconds))
        });
        Self {
            requests: recycling
                .requests
                .map(|requests| shorten(requests.get()).unwrap_or(requests.get()).max(1)),
            ends: lifetime.and_then(|lifetime| now.checked_add(lifetime)),
            memory: recycling.memory.map(NonZeroU64::get),
            large: 0,
            not_before: now,
        }
    }

    /// Whether there is anything to look for.
    pub(crate) fn is_bounded(&self) -> bool {
        self.requests.is_some() || self.ends.is_some() || self.memory.is_some()
    }

    /// Looks: whether it is time, and why. What is not done about it is said again after a while.
    pub(crate) fn look(
        &mut self,
        now: Instant,
        requests: u64,
        memory: impl FnOnce() -> Option<u64>,
    ) -> Option<Reason> {
        if now < self.not_before {
            return None;
        }
        let reason = self.reason(now, requests, memory)?;
        self.not_before = now + AGAIN;
        Some(reason)
    }

    fn reason(
        &mut self,
        now: Instant,
        requests: u64,
        memory: impl FnOnce() -> Option<u64>,
    ) -> Option<Reason> {
        if self.requests.is_some_and(|most| requests >= most) {
            return Some(Reason::Requests(requests));
        }
        if self.ends.is_some_and(|ends| now >= ends) {
            return Some(Reason::Lifetime);
        }
        let most = self.memory?;
        let held = memory().filter(|held| *held > most);
        self.large = if held.is_some() { self.large + 1 } else { 0 };
        held.filter(|_| self.large >= TOO_LARGE).map(Reason::Memory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recycling(requests: u64, seconds: u64, memory: u64) -> Recycling {
        Recycling {
            requests: NonZeroU64::new(requests),
            lifetime: (seconds > 0).then(|| Duration::from_secs(seconds)),
            memory: NonZeroU64::new(memory),
            jitter: 0,
        }
    }

    #[test]
    fn nothing_is_looked_for_by_default() {
        let start = Instant::now();
        let mut age = Age::new(&Recycling::default(), start);
        assert!(!age.is_bounded());
        assert_eq!(
            age.look(start + Duration::from_secs(1 << 30), u64::MAX, || Some(
                u64::MAX
            )),
            None
        );
    }

    #[test]
    fn each_bound_is_a_reason() {
        let start = Instant::now();
        let none = || None;
        let mut age = Age::new(&recycling(10, 0, 0), start);
        assert_eq!(age.look(start, 9, none), None);
        assert_eq!(age.look(start, 10, none), Some(Reason::Requests(10)));
        let mut age = Age::new(&recycling(0, 10, 0), start);
        assert_eq!(age.look(start + Duration::from_secs(9), 0, none), None);
        assert_eq!(
            age.look(start + Duration::from_secs(10), 0, none),
            Some(Reason::Lifetime)
        );
        let mut age = Age::new(&recycling(0, 0, 100), start);
        for (memory, reason) in [
            (101, None),
            (101, None),
            (100, None),
            (101, None),
            (101, None),
            (102, Some(Reason::Memory(102))),
        ] {
            assert_eq!(age.look(start, 0, || Some(memory)), reason);
        }
    }

    #[test]
    fn who_was_not_replaced_is_told_of_again_after_a_while() {
        let start = Instant::now();
        let mut age = Age::new(&recycling(1, 0, 0), start);
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(age.look(start, 1, || None).is_some());
        assert!(age.look(at(59), 1, || None).is_none());
        assert!(age.look(at(60), 1, || None).is_some());
    }

    #[test]
    fn jitter_shortens_and_never_by_more_than_it_says() {
        let start = Instant::now();
        let set = Recycling {
            jitter: 20,
            ..recycling(1_000, 1_000, 0)
        };
        let all: Vec<u64> = (0..1_000)
            .filter_map(|chance| Age::with_chance(&set, start, chance).requests)
            .collect();
        assert_eq!(
            (all.iter().min(), all.iter().max()),
            (Some(&800), Some(&1_000))
        );
        let ends = Age::with_chance(&set, start, 200).ends;
        assert_eq!(ends, Some(start + Duration::from_secs(800)));
        let most = Recycling {
            jitter: 255,
            ..recycling(u64::MAX, 0, 0)
        };
        assert_eq!(Age::with_chance(&most, start, 1_000).requests, Some(1));
    }
}
