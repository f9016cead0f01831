//! The `Date` header's value, formatted once a second for each worker.

use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use crate::clock::{Clock, TICK};

/// An HTTP date (RFC 9110 section 5.6.7), such as `Sun, 06 Nov 1994 08:49:37 GMT`.
pub type HttpDate = [u8; 29];

#[derive(Debug)]
pub(crate) struct Dates {
    last: Mutex<(u32, HttpDate)>,
}

impl Dates {
    pub(crate) fn new() -> Self {
        Self {
            last: Mutex::new((0, format(SystemTime::now()))),
        }
    }

    /// The date, at most a second old.
    pub(crate) fn get(&self, clock: &Clock) -> HttpDate {
        let now = clock.now();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        // Half a second, so that two roundings stay below one.
        if now.wrapping_sub(last.0) >= 500 / TICK.as_millis() as u32 {
            *last = (now, format(SystemTime::now()));
        }
        last.1
    }
}

fn format(time: SystemTime) -> HttpDate {
    let text = httpdate::fmt_http_date(time);
    text.as_bytes()
        .try_into()
        .expect("an HTTP date has 29 bytes until the year 9999")
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
}
