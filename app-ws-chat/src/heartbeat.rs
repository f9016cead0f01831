//! Whether a client is still there: pings, and how long their answers may take. Time is an argument.

use std::time::Duration;

use tokio::time::Instant;

/// Time between pings: proxies close what was silent for a minute, mobile networks after half of it.
const PING_EVERY: Duration = Duration::from_secs(25);

/// A ping comes so much earlier or later at most, so that a thousand clients are not asked at once.
const JITTER: Duration = Duration::from_secs(5);

/// Time for the answer to a ping: a slow mobile network takes two seconds.
const PONG_WITHIN: Duration = Duration::from_secs(10);

/// When to ping next, or until when an answer is awaited.
#[derive(Debug)]
pub(crate) enum Heartbeat {
    /// The client was heard of; a ping is due then.
    Heard {
        /// When.
        ping_at: Instant,
    },
    /// A ping is out; an answer is due then.
    Asked {
        /// When.
        answer_by: Instant,
    },
}

/// What to do when the time has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Beat {
    /// Nothing yet.
    Wait,
    /// Send a ping.
    Ping,
    /// Give the client up.
    Dead,
}

/// Whether the client could have answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reader {
    /// It reads what it is sent, and its answers are read.
    Prompt,
    /// It still has much to read, the ping behind it; its bound is another.
    Behind,
}

impl Heartbeat {
    /// A client that has just come. `jitter` is random, from 0 to 1.
    pub(crate) fn new(now: Instant, jitter: f64) -> Self {
        Self::Heard {
            ping_at: now + PING_EVERY - JITTER + (2 * JITTER).mul_f64(jitter),
        }
    }

    /// When to ask [`beat`](Self::beat).
    pub(crate) const fn due(&self) -> Instant {
        match *self {
            Self::Heard { ping_at: due } | Self::Asked { answer_by: due } => due,
        }
    }

    /// The client has sent something, which answers a ping as well as a pong does.
    pub(crate) fn heard(&mut self, now: Instant, jitter: f64) {
        if let Self::Asked { .. } = self {
            *self = Self::new(now, jitter);
        }
    }

    /// Says what to do now.
    pub(crate) fn beat(&mut self, now: Instant, reader: Reader) -> Beat {
        if now < self.due() {
            return Beat::Wait;
        }
        let asked = Self::Asked {
            answer_by: now + PONG_WITHIN,
        };
        match (std::mem::replace(self, asked), reader) {
            (Self::Heard { .. }, _) => Beat::Ping,
            (Self::Asked { .. }, Reader::Behind) => Beat::Wait,
            (Self::Asked { .. }, Reader::Prompt) => Beat::Dead,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{Beat, Heartbeat, Reader};

    #[test]
    fn a_ping_comes_every_twenty_to_thirty_seconds_and_its_answer_within_ten() {
        enum At {
            Heard,
            Beat(Reader),
        }
        use At::Heard;
        let prompt = || At::Beat(Reader::Prompt);
        let behind = || At::Beat(Reader::Behind);
        // Seconds since the start, what happens, what to do; the jitter is in the middle.
        let rows = [
            (24, prompt(), Some(Beat::Wait)),
            (25, prompt(), Some(Beat::Ping)),
            (34, prompt(), Some(Beat::Wait)),
            (34, Heard, None),
            (58, prompt(), Some(Beat::Wait)),
            (58, Heard, None),
            (59, prompt(), Some(Beat::Ping)),
            (69, behind(), Some(Beat::Wait)),
            (78, prompt(), Some(Beat::Wait)),
            (79, prompt(), Some(Beat::Dead)),
        ];
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(start, 0.5);
        for (row, (at, what, expected)) in rows.into_iter().enumerate() {
            let now = start + Duration::from_secs(at);
            let got = match what {
                Heard => {
                    heartbeat.heard(now, 0.5);
                    None
                }
                At::Beat(reader) => Some(heartbeat.beat(now, reader)),
            };
            assert_eq!(got, expected, "row {row}");
        }
        for (jitter, seconds) in [(0.0, 20), (1.0, 30)] {
            let due = Heartbeat::new(start, jitter).due();
            assert_eq!(due - start, Duration::from_secs(seconds));
        }
    }
}
