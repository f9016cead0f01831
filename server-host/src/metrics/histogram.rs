//! How long exchanges take: counted in buckets that grow by a quarter of each doubling.

use std::time::Duration;

use super::Count;

/// Microseconds below which all are one bucket, as a power of two.
const FIRST: u32 = 4;

/// The last doubling, from 67 to 134 seconds; what is beyond is counted with it.
const LAST: u32 = 26;

/// Buckets of a doubling, as a power of two: a value is known to 25 %.
const PARTS: u32 = 2;

/// Times, counted by how long they are.
#[derive(Debug)]
pub(crate) struct Histogram {
    buckets: Vec<Count>,
    /// Of all, in microseconds.
    sum: Count,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        let buckets = 1 + ((LAST - FIRST + 1) << PARTS) as usize;
        Self {
            buckets: std::iter::repeat_with(Count::default)
                .take(buckets)
                .collect(),
            sum: Count::default(),
        }
    }

    pub(crate) fn add(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.sum.add(micros);
        let at = bucket(micros).min(self.buckets.len() - 1);
        self.buckets[at].add(1);
    }

    /// Of all, in seconds.
    pub(crate) fn sum(&self) -> f64 {
        self.sum.get() as f64 / 1e6
    }

    /// The upper bound of each bucket, in microseconds, and how many are in it.
    pub(crate) fn buckets(&self) -> impl Iterator<Item = (u64, u64)> {
        (0..).map(bound).zip(self.buckets.iter().map(Count::get))
    }
}

/// Whether a bucket's bound is that of a doubling.
pub(crate) const fn is_doubling(bound: u64) -> bool {
    bound.is_power_of_two()
}

fn bucket(micros: u64) -> usize {
    let octave = micros.max(1).ilog2();
    if octave < FIRST {
        return 0;
    }
    let part = (micros >> (octave - PARTS)) as usize & ((1 << PARTS) - 1);
    1 + (((octave - FIRST) as usize) << PARTS) + part
}

fn bound(bucket: usize) -> u64 {
    let Some(beyond) = bucket.checked_sub(1) else {
        return 1 << FIRST;
    };
    let octave = FIRST as usize + (beyond >> PARTS);
    let part = (beyond & ((1 << PARTS) - 1)) as u64;
    ((1 << PARTS) + part + 1) << (octave - PARTS as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_is_below_its_bound_and_not_below_the_one_before() {
        for micros in (0..10_000).chain((0..40).map(|power| 3 << power)) {
            let at = bucket(micros);
            assert!(micros < bound(at), "{micros}");
            assert!(at == 0 || micros >= bound(at - 1), "{micros}");
        }
    }

    #[test]
    fn bounds_grow_by_a_quarter_at_most() {
        let histogram = Histogram::new();
        let bounds: Vec<u64> = histogram.buckets().map(|(bound, _)| bound).collect();
        for pair in bounds.windows(2) {
            assert!(pair[1] > pair[0] && pair[1] * 4 <= pair[0] * 5, "{pair:?}");
        }
        assert_eq!(bounds.last(), Some(&(1 << (LAST + 1))));
    }

    #[test]
    fn what_is_beyond_the_last_is_counted_too() {
        let histogram = Histogram::new();
        histogram.add(Duration::from_secs(9_999));
        histogram.add(Duration::ZERO);
        let counts: Vec<u64> = histogram.buckets().map(|(_, count)| count).collect();
        assert_eq!((counts[0], counts.last()), (1, Some(&1)));
        assert!((histogram.sum() - 9_999.0).abs() < 1e-6);
    }
}
