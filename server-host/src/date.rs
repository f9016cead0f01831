//! The `Date` header's value, formatted twice a second for each worker.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use http::HeaderValue;

use crate::clock::{Clock, TICK};

/// An HTTP date (RFC 9110 section 5.6.7), such as `Sun, 06 Nov 1994 08:49:37 GMT`.
pub type HttpDate = [u8; 29];

/// The date last formatted. Written by the worker's own thread alone, which is the one that reads it: no response pays for a lock.
#[derive(Debug)]
pub(crate) struct Dates {
    /// The tick at which it was formatted.
    at: AtomicU32,
    words: [AtomicU64; WORDS],
    /// The same as a field's value, and the tick at which it was made, for protocols whose fields are values.
    value: Mutex<(u32, HeaderValue)>,
}

/// Words of eight bytes that a date takes.
const WORDS: usize = size_of::<HttpDate>().div_ceil(8);

impl Dates {
    pub(crate) fn new() -> Self {
        let dates = Self {
            at: AtomicU32::new(0),
            words: [const { AtomicU64::new(0) }; WORDS],
            value: Mutex::new((NEVER, HeaderValue::from_static(""))),
        };
        dates.format(0);
        dates
    }

    /// The date, at most a second old.
    #[inline]
    pub(crate) fn get(&self, clock: &Clock) -> HttpDate {
        let now = clock.now();
        // Half a second, so that two roundings stay below one.
        if now.wrapping_sub(self.at.load(Ordering::Relaxed)) >= 500 / TICK.as_millis() as u32 {
            self.format(now);
        }
        let mut bytes = [0; WORDS * 8];
        for (bytes, word) in bytes.as_chunks_mut().0.iter_mut().zip(&self.words) {
            *bytes = word.load(Ordering::Relaxed).to_ne_bytes();
        }
        let mut date = [0; size_of::<HttpDate>()];
        date.copy_from_slice(&bytes[..size_of::<HttpDate>()]);
        date
    }

    /// The same date as a field's value, without an allocation but for the first in half a second.
    pub(crate) fn value(&self, clock: &Clock) -> HeaderValue {
        let date = self.get(clock);
        let at = self.at.load(Ordering::Relaxed);
        let mut value = self.value.lock().unwrap_or_else(PoisonError::into_inner);
        if value.0 != at
            && let Ok(made) = HeaderValue::from_bytes(&date)
        {
            *value = (at, made);
        }
        value.1.clone()
    }

    #[cold]
    fn format(&self, now: u32) {
        let mut bytes = [0; WORDS * 8];
        bytes[..size_of::<HttpDate>()].copy_from_slice(&format(SystemTime::now()));
        for (bytes, word) in bytes.as_chunks().0.iter().zip(&self.words) {
            word.store(u64::from_ne_bytes(*bytes), Ordering::Relaxed);
        }
        self.at.store(now, Ordering::Relaxed);
    }
}

/// No tick that a clock comes to.
const NEVER: u32 = u32::MAX;

pub(crate) fn format(time: SystemTime) -> HttpDate {
    let text = httpdate::fmt_http_date(time);
    text.as_bytes()
        .try_into()
        .expect("an HTTP date has 29 bytes until the year 9999")
}

/// The same date as RFC 3339 has it: `2026-11-30T09:37:03Z`.
pub(crate) fn rfc3339(date: &HttpDate) -> String {
    let parts = Parts::of(date);
    let Parts {
        year, day, time, ..
    } = parts;
    format!("{year}-{:02}-{day}T{time}Z", parts.month_number())
}

/// The same date as the common log format has it: `30/Nov/2026:09:37:03 +0000`.
pub(crate) fn common(date: &HttpDate) -> String {
    let Parts {
        year,
        month,
        day,
        time,
    } = Parts::of(date);
    format!("{day}/{month}/{year}:{time} +0000")
}

/// The parts of an HTTP date.
struct Parts<'a> {
    year: &'a str,
    month: &'a str,
    day: &'a str,
    time: &'a str,
}

impl<'a> Parts<'a> {
    /// Of `Mon, 30 Nov 2026 09:37:03 GMT`.
    fn of(date: &'a HttpDate) -> Self {
        let text = str::from_utf8(date).unwrap_or("                             ");
        Self {
            year: &text[12..16],
            month: &text[8..11],
            day: &text[5..7],
            time: &text[17..25],
        }
    }

    fn month_number(&self) -> usize {
        const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
        MONTHS.find(self.month).map_or(0, |at| at / 3 + 1)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_date_has_the_form_of_rfc_9110() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(&format(time), b"Sun, 06 Nov 1994 08:49:37 GMT");
    }

    #[test]
    fn logs_have_it_in_forms_of_their_own() {
        let months = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ];
        for (number, month) in (1..).zip(months) {
            let date = format!("Mon, 30 {month} 2026 09:37:03 GMT");
            let date: HttpDate = date.as_bytes().try_into().expect("it has 29 bytes");
            assert_eq!(rfc3339(&date), format!("2026-{number:02}-30T09:37:03Z"));
            assert_eq!(common(&date), format!("30/{month}/2026:09:37:03 +0000"));
        }
    }

    #[test]
    fn the_date_is_kept_for_half_a_second() {
        let (clock, dates) = (Clock::new(), Dates::new());
        let first = dates.get(&clock);
        assert!(first.ends_with(b" GMT"));
        for words in &dates.words {
            words.store(u64::from_ne_bytes(*b"an old d"), Ordering::Relaxed);
        }
        clock.tick(3);
        assert_eq!(&dates.get(&clock), b"an old dan old dan old dan ol");
        clock.tick(4);
        assert!(dates.get(&clock).ends_with(b" GMT"));
    }

    #[test]
    fn the_value_is_the_date() {
        let (clock, dates) = (Clock::new(), Dates::new());
        for tick in [0, 4, 9] {
            clock.tick(tick);
            let value = dates.value(&clock);
            assert_eq!(value.as_bytes(), dates.get(&clock), "at {tick}");
        }
    }
}
