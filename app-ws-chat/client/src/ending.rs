//! What the end of a connection means: come back, and when, or not.

use std::fmt;
use std::time::Duration;

use crate::frame::Bye;

/// How a connection came to its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Close {
    /// A close frame with this code; 1005 for one without a code.
    Code(u16),
    /// The link broke without a close frame, or could not be made.
    Lost,
    /// There was no socket: the handshake was answered with this status of HTTP.
    Status(u16),
}

/// What follows from it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Come back, no sooner than after this time.
    ComeBack(Duration),
    /// Do not.
    StayAway(Reason),
}

/// Why not to come back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reason {
    /// How the connection ended.
    pub close: Close,
    /// What the server said about it, for people; may be empty.
    pub msg: Box<str>,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.msg.is_empty() {
            return f.write_str(&self.msg);
        }
        match self.close {
            Close::Code(4501) => f.write_str("banned from all rooms"),
            Close::Code(4502) => f.write_str("the peer does not speak chat.v1"),
            Close::Code(code) => write!(f, "the server closed with code {code}"),
            Close::Lost => f.write_str("the link broke"),
            Close::Status(400) => f.write_str("no chat.v1 there (400)"),
            Close::Status(404) => f.write_str("no chat at this address (404)"),
            Close::Status(status) => write!(f, "the handshake was answered with {status}"),
        }
    }
}

/// Decides by the goodbye if there was one, else by the code.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use chat_client::{Close, Verdict, verdict};
///
/// assert_eq!(verdict(None, Close::Code(4008)), Verdict::ComeBack(Duration::ZERO));
/// assert!(matches!(verdict(None, Close::Code(4501)), Verdict::StayAway(_)));
/// ```
#[must_use]
pub fn verdict(bye: Option<Bye>, close: Close) -> Verdict {
    match bye {
        Some(Bye {
            reconnect_ms: Some(after),
            ..
        }) => Verdict::ComeBack(Duration::from_millis(after)),
        Some(bye) => Verdict::StayAway(Reason {
            close: Close::Code(bye.code),
            msg: bye.msg,
        }),
        None if is_final(close) => Verdict::StayAway(Reason {
            close,
            msg: Box::default(),
        }),
        None => Verdict::ComeBack(Duration::ZERO),
    }
}

fn is_final(close: Close) -> bool {
    match close {
        Close::Code(1000 | 1002 | 1003 | 1007..=1010 | 4500..=4999) => true,
        Close::Code(_) | Close::Lost => false,
        // What is wrong with the request stays wrong, but for a server that is busy.
        Close::Status(408 | 429) => false,
        Close::Status(status) => (400..500).contains(&status),
    }
}

#[cfg(test)]
mod tests {
    use super::{Close, Verdict, is_final, verdict};
    use crate::frame::Bye;

    #[test]
    fn the_code_decides_as_the_page_says() {
        let ends = [
            1000, 1002, 1003, 1007, 1008, 1009, 1010, 4500, 4501, 4502, 4999,
        ];
        let pauses = [
            1001, 1005, 1006, 1011, 1012, 1013, 4000, 4001, 4008, 4009, 4010, 4029, 4499,
        ];
        for code in ends {
            assert!(is_final(Close::Code(code)), "{code}");
        }
        for code in pauses {
            assert!(!is_final(Close::Code(code)), "{code}");
        }
        for (status, expected) in [
            (400, true),
            (403, true),
            (404, true),
            (429, false),
            (503, false),
        ] {
            assert_eq!(is_final(Close::Status(status)), expected, "{status}");
        }
    }

    #[test]
    fn a_goodbye_is_stronger_than_the_code() {
        let bye = |reconnect_ms| Bye {
            code: 4001,
            reconnect_ms,
            msg: "".into(),
        };
        let stay = verdict(Some(bye(None)), Close::Code(4001));
        assert!(matches!(stay, Verdict::StayAway(_)), "{stay:?}");
        let back = verdict(Some(bye(Some(7))), Close::Code(1000));
        assert_eq!(back, Verdict::ComeBack(std::time::Duration::from_millis(7)));
    }
}
