//! How fast a peer has to be: a time without progress, a least rate, and a bound on all of it.
//!
//! A peer has patience to spend, which runs out while it is waited for and comes back with the bytes that it moves, at the
//! least rate: so one that pauses is let go on, one that trickles is not. What the application takes to think costs it
//! nothing. This is the shape of Apache's `MinRate`, which its time can only lengthen to a ceiling.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::clock::{TICKS_A_SECOND, ticks};

/// What is asked of a peer in one direction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Ticks without progress.
    patience: u32,
    rate: Option<NonZeroU32>,
    /// Ticks in all.
    ceiling: u32,
}

impl Pace {
    /// `rate` is in bytes a second; without one every byte is progress.
    pub(crate) fn new(patience: Duration, rate: Option<NonZeroU32>, ceiling: Duration) -> Self {
        Self {
            patience: ticks(patience),
            rate,
            ceiling: ticks(ceiling),
        }
    }
}

/// How a peer has kept a pace, for one body or one answer.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Kept {
    /// What of its patience is spent, in bytes that it owes times the ticks of a second.
    spent: u64,
    /// Ticks for which it was waited for.
    waited: u32,
    /// The tick since which it is waited for; 0 if it is not.
    since: u32,
}

impl Kept {
    pub(crate) fn is_waited_for(&self) -> bool {
        self.since != 0
    }

    /// Waits from now on, or goes on waiting after so many bytes; the tick at which it is too late.
    pub(crate) fn wait(&mut self, pace: &Pace, moved: u64, now: u32) -> u32 {
        self.pause(pace, now);
        if moved > 0 {
            self.spent = match pace.rate {
                Some(_) => self
                    .spent
                    .saturating_sub(moved.saturating_mul(TICKS_A_SECOND)),
                None => 0,
            };
        }
        self.since = now;
        let rate = per_tick(pace);
        let left = (u64::from(pace.patience) * rate).saturating_sub(self.spent) / rate;
        // It is a part of `patience`.
        let left = u32::try_from(left).unwrap_or(u32::MAX);
        // One more: the tick under way is already partly over.
        now.saturating_add(left.min(pace.ceiling.saturating_sub(self.waited)))
            .saturating_add(1)
    }

    /// It is not waited for any more.
    pub(crate) fn pause(&mut self, pace: &Pace, now: u32) {
        if self.since != 0 {
            let waited = now.saturating_sub(self.since);
            self.waited = self.waited.saturating_add(waited);
            let cost = u64::from(waited) * per_tick(pace);
            self.spent = self.spent.saturating_add(cost);
            self.since = 0;
        }
    }
}

/// What a tick costs. Without a rate it is any number: all is paid back by one byte.
fn per_tick(pace: &Pace) -> u64 {
    pace.rate.map_or(1, NonZeroU32::get).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u32 = TICKS_A_SECOND as u32;

    fn pace(rate: u32) -> Pace {
        Pace::new(
            Duration::from_secs(30),
            NonZeroU32::new(rate),
            Duration::from_secs(600),
        )
    }

    /// Until when a peer lasts that moves so many bytes after each so many ticks; in ticks.
    fn lasts(pace: &Pace, bytes: u64, every: u32) -> u32 {
        let (mut kept, mut now) = (Kept::default(), 1);
        let mut until = kept.wait(pace, 0, now);
        while now + every < until {
            now += every;
            until = kept.wait(pace, bytes, now);
            if now > 10_000 * SECOND {
                break;
            }
        }
        until
    }

    #[test]
    fn a_silent_peer_has_its_patience() {
        assert_eq!(lasts(&pace(500), 0, SECOND), 30 * SECOND + 2);
        assert_eq!(lasts(&pace(0), 0, SECOND), 30 * SECOND + 2);
    }

    #[test]
    fn a_trickle_is_no_progress_if_there_is_a_rate() {
        let (all, few) = (600 * SECOND, 31 * SECOND);
        for (rate, bytes, every, least, most) in [
            // Half of the rate lasts twice as long.
            (500, 250, SECOND, 59 * SECOND, 62 * SECOND),
            (500, 1, 29 * SECOND, 29 * SECOND, few),
            (500, 1, 1, 30 * SECOND, few),
            // In small pieces it is the same rate.
            (500, 50, 1, all, all + 2),
            (500, 500, SECOND, all, all + 2),
            (500, 14_500, 29 * SECOND, all, all + 2),
            (0, 1, 29 * SECOND, all, all + 2),
        ] {
            let lasted = lasts(&pace(rate), bytes, every);
            let case = format!("{bytes} bytes each {every} ticks at {rate}");
            assert!((least..=most).contains(&lasted), "{case}: {lasted}");
        }
    }

    #[test]
    fn no_rate_gets_beyond_the_ceiling() {
        let lasted = lasts(&pace(500), 1 << 40, SECOND);
        assert!(
            (600 * SECOND..=600 * SECOND + 2).contains(&lasted),
            "{lasted}"
        );
    }

    #[test]
    fn what_it_is_not_waited_for_costs_nothing() {
        let pace = pace(500);
        let mut kept = Kept::default();
        kept.wait(&pace, 0, 1);
        kept.pause(&pace, 1 + 20 * SECOND);
        assert_eq!(kept.wait(&pace, 0, 5_000 * SECOND), 5_010 * SECOND + 1);
    }

    #[test]
    fn the_longest_times_do_not_overflow() {
        let pace = Pace::new(Duration::MAX, NonZeroU32::new(u32::MAX), Duration::MAX);
        let mut kept = Kept::default();
        for now in [1, u32::MAX / 2, u32::MAX] {
            kept.wait(&pace, u64::MAX, now);
            kept.wait(&pace, 0, u32::MAX);
        }
        assert_eq!(kept.wait(&pace, 0, u32::MAX), u32::MAX);
    }
}
