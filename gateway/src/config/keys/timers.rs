//! Times after which a peer is given up, or a startup has failed.

use super::Key;
use crate::config::form::{OrOff, Rate, Time, TimeOrZero};

pub(super) fn keys() -> Vec<Key> {
    vec![
        Key::one::<Time, _>(
            "startup-timeout",
            "From the process's start to the application's; what takes longer is a failed startup. Below the 90s after \
             which systemd kills",
            |config| &mut config.settings.timeouts.startup,
        ),
        Key::one::<Time, _>(
            "head-timeout",
            "From the first byte of a request's head, or the connection's start, to the head's end",
            |config| &mut config.settings.timeouts.head,
        ),
        Key::one::<Time, _>(
            "idle-timeout",
            "Between two requests of a connection. Behind a proxy: longer than the proxy keeps its side, or it meets a \
             closed connection",
            |config| &mut config.settings.timeouts.idle,
        ),
        Key::one::<Time, _>(
            "body-timeout",
            "Without progress of a body that the application waits for. 408 after it",
            |config| &mut config.settings.timeouts.body,
        ),
        Key::one::<OrOff<Rate>, _>(
            "body-rate",
            "Bytes a second of a body that count as progress: each second's worth gives a second of --body-timeout back. \
             off: any byte is progress, so a trickle holds its place",
            |config| &mut config.settings.timeouts.body_rate,
        ),
        Key::one::<Time, _>(
            "body-ceiling",
            "All the time that one body may be waited for, however fast it is",
            |config| &mut config.settings.timeouts.body_ceiling,
        ),
        Key::one::<Time, _>(
            "write-timeout",
            "Without progress of an answer that the client is to take",
            |config| &mut config.settings.timeouts.write,
        ),
        Key::one::<OrOff<Rate>, _>(
            "write-rate",
            "Bytes a second of an answer that count as progress, as --body-rate",
            |config| &mut config.settings.timeouts.write_rate,
        ),
        Key::one::<Time, _>(
            "write-ceiling",
            "All the time for which a client may be behind with what it takes, until it has all that was sent",
            |config| &mut config.settings.timeouts.write_ceiling,
        ),
        Key::one::<TimeOrZero, _>(
            "linger-timeout",
            "How long a closing connection is still read so that the client sees the answer (RFC 9112 section 9.6)",
            |config| &mut config.settings.timeouts.linger,
        ),
        Key::one::<Time, _>(
            "resets-window",
            "The time for which --resets counts",
            |config| &mut config.settings.timeouts.resets,
        ),
    ]
}
