//! How WebSockets are spoken.

use websocket::deflate::{Context, WindowBits};

use super::Key;
use crate::config::form::{Bytes, Choice, Count, Form, Named, OrOff, Switch, Time};

pub(super) fn keys() -> Vec<Key> {
    let mut keys = limits();
    keys.extend(times());
    keys.extend(compression());
    keys
}

fn limits() -> Vec<Key> {
    vec![
        Key::one::<Bytes, _>(
            "ws-message-bytes",
            "Bytes of a message, after inflation. The socket is closed with 1009 above it",
            |config| &mut config.settings.websocket.limits.message_bytes,
        ),
        Key::one::<Bytes, _>(
            "ws-wire-bytes",
            "Bytes of a message as on the wire. 1009 above it",
            |config| &mut config.settings.websocket.limits.wire_bytes,
        ),
        Key::one::<Bytes, _>(
            "ws-frame-bytes",
            "Bytes of a frame as on the wire. 1009 above it",
            |config| &mut config.settings.websocket.limits.frame_bytes,
        ),
        Key::one::<Count, _>(
            "ws-fragments",
            "Frames of a message. 1009 above it",
            |config| &mut config.settings.websocket.limits.fragments,
        ),
    ]
}

fn times() -> Vec<Key> {
    vec![
        Key::one::<OrOff<Time>, _>(
            "ws-ping-interval",
            "Silence of a client after which it is pinged: most proxies drop a connection that is silent for 60s",
            |config| &mut config.settings.timeouts.ping_interval,
        ),
        Key::one::<OrOff<Time>, _>(
            "ws-ping-timeout",
            "From a ping to whatever comes from the client, before it is given up",
            |config| &mut config.settings.timeouts.ping_timeout,
        ),
        Key::one::<Time, _>(
            "ws-close-timeout",
            "From our close frame to the client's",
            |config| &mut config.settings.timeouts.close,
        ),
    ]
}

fn compression() -> Vec<Key> {
    vec![
        Key::one::<Switch, _>(
            "ws-deflate",
            "Whether messages are compressed (RFC 7692) for clients that offer it",
            |config| &mut config.ws_deflate,
        ),
        Key::one::<Choice, _>(
            "ws-deflate-context",
            "fresh: each message by itself, so a quiet socket costs nothing; kept: similar messages get smaller, for \
             some 400 KiB a socket",
            |config| &mut config.ws_context,
        ),
        Key::one::<Window, _>(
            "ws-deflate-window",
            "The logarithm of the window that we compress with: 9 to 15",
            |config| &mut config.ws_deflate_settings.window,
        ),
        Key::one::<Level, _>("ws-deflate-level", "zlib's level, 0 to 9", |config| {
            &mut config.ws_deflate_settings.level
        }),
        Key::one::<Bytes, _>(
            "ws-deflate-min-bytes",
            "Messages below it are sent as they are",
            |config| &mut config.ws_deflate_settings.minimum_bytes,
        ),
    ]
}

impl Named for Context {
    const ALL: &'static [(&'static str, Self)] = &[("fresh", Self::Fresh), ("kept", Self::Kept)];
}

enum Window {}

impl Form<WindowBits> for Window {
    fn name() -> std::borrow::Cow<'static, str> {
        "9..15".into()
    }

    fn read(text: &str) -> Result<WindowBits, String> {
        let bits = text.parse().ok().and_then(WindowBits::new);
        bits.ok_or_else(|| format!("{text:?} is not one of 9 to 15"))
    }

    fn show(value: &WindowBits) -> String {
        value.get().to_string()
    }
}

enum Level {}

impl Form<u8> for Level {
    fn name() -> std::borrow::Cow<'static, str> {
        "0..9".into()
    }

    fn read(text: &str) -> Result<u8, String> {
        let level = text.parse().ok().filter(|level| *level <= 9);
        level.ok_or_else(|| format!("{text:?} is not one of 0 to 9"))
    }

    fn show(value: &u8) -> String {
        value.to_string()
    }
}
