//! What of the settings is wrong, and what is unsafe. Settings are called as the launcher's keys are.

use std::time::Duration;

use super::extremes::{self, Machine};
use super::{ProxyProtocol, Settings};
use crate::Place;

impl Settings {
    /// Whether one can serve by these settings at all.
    ///
    /// # Errors
    ///
    /// A line that names the setting and the mend.
    pub fn check(&self) -> Result<(), String> {
        if self.bind.is_empty() {
            return Err(String::from(
                "bind: there is nothing to listen on; give an address",
            ));
        }
        let proxies = &self.proxies;
        if proxies.protocol == ProxyProtocol::Required && proxies.trusted.is_empty() {
            return Err(String::from(
                "proxy-protocol without trusted-proxy: everybody could say to be anybody; name the proxies",
            ));
        }
        Ok(())
    }

    /// What is allowed and unsafe, a line each: [`serve`](crate::serve()) warns of it. The defaults give none, but where
    /// the process may open next to no descriptors. A limit that is hardly one, a time that ends nothing or meets honest clients, more
    /// than the machine has, and what is shown to whom it is not for.
    #[must_use]
    pub fn concerns(&self) -> Vec<String> {
        let (limits, timeouts) = (&self.limits, &self.timeouts);
        let mut concerns = Vec::new();
        let mut note = |is_so: bool, text: String| {
            if is_so {
                concerns.push(text);
            }
        };
        for (name, time, most, why) in [
            (
                "handshake-timeout",
                timeouts.handshake,
                MINUTE,
                "a peer that says nothing before HTTP holds a connection for as long",
            ),
            (
                "head-timeout",
                timeouts.head,
                MINUTE,
                "a client that trickles its head holds a connection for as long",
            ),
            (
                "idle-timeout",
                timeouts.idle,
                60 * MINUTE,
                "clients that have left without a word hold their connections for as long",
            ),
            (
                "body-timeout",
                timeouts.body,
                10 * MINUTE,
                "a client that stops in a body holds a call for as long",
            ),
            (
                "write-timeout",
                timeouts.write,
                10 * MINUTE,
                "a client that does not read holds a call and its memory for as long",
            ),
            (
                "linger-timeout",
                timeouts.linger,
                MINUTE,
                "connections that are over are kept for as long",
            ),
        ] {
            note(time > most, format!("{name} is {time:?}: {why}"));
        }
        for (name, rate) in [
            ("body-rate", timeouts.body_rate),
            ("write-rate", timeouts.write_rate),
        ] {
            note(
                rate.is_none(),
                format!("{name} is off: a byte now and then holds a call for very long"),
            );
        }
        for (name, time) in [
            ("ws-ping-interval", timeouts.ping_interval),
            ("ws-ping-timeout", timeouts.ping_timeout),
        ] {
            note(
                time.is_none(),
                format!("{name} is off: WebSockets of clients that are gone are never closed"),
            );
        }
        let head = limits.head_bytes;
        note(
            head > 1 << 20,
            format!("head-bytes is {head}: each connection may hold as much for a head alone"),
        );
        let target = limits.target_bytes;
        note(
            target > head,
            format!("target-bytes is {target}: above head-bytes, {head}, it has no effect"),
        );
        let fields = limits.header_fields;
        note(
            fields > 1_000,
            format!("header-fields is {fields}: looking a field up takes as long"),
        );
        let streams = limits.streams;
        note(
            streams > 1_000,
            format!("streams is {streams}: one connection may start as many calls at once"),
        );
        for (name, resets) in [
            ("resets", limits.resets as usize),
            ("unseen-resets", limits.unseen_resets),
            ("error-resets", limits.error_resets),
        ] {
            note(
                resets > 10_000,
                format!("{name} is {resets}: one connection may start and cancel as many calls"),
            );
        }
        let message = self.websocket.limits.message_bytes;
        note(
            message > 256 << 20,
            format!("ws-message-bytes is {message}: each socket may hold as much"),
        );
        for network in &self.proxies.trusted {
            note(
                network.is_everybody(),
                format!(
                    "trusted-proxy is {network}: every client may say to be anybody; name the proxies"
                ),
            );
        }
        let mode = self.unix.mode;
        let is_of_unix = |place: &Place| matches!(place, Place::Unix(_));
        note(
            mode & WORLD_WRITABLE != 0 && self.bind.iter().any(|bind| is_of_unix(&bind.place)),
            format!("unix-mode is {mode:o}: every user of this machine may connect"),
        );
        note(
            self.grace.is_zero(),
            String::from("grace is 0: a shutdown cuts off what is under way"),
        );
        extremes::add_to(&mut concerns, self, Machine::this());
        concerns
    }
}

const MINUTE: Duration = Duration::from_secs(60);

/// To connect to a unix socket is to write to it.
const WORLD_WRITABLE: u32 = 0o002;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_right_and_safe() {
        let settings = Settings::default();
        assert_eq!(settings.check(), Ok(()));
        assert_eq!(settings.concerns(), <[String; 0]>::default());
    }

    type Change = fn(&mut Settings);

    #[test]
    fn each_unsafe_setting_is_named() {
        let changes: [(&str, Change); 13] = [
            ("handshake-timeout", |settings| {
                settings.timeouts.handshake = 2 * MINUTE
            }),
            ("trusted-proxy", |settings| {
                settings.proxies.trusted = vec!["::/0".parse().expect("a network")]
            }),
            ("unix-mode", |settings| {
                settings.bind = vec!["unix:/run/app.sock".parse().expect("a place")];
                settings.unix.mode = 0o666
            }),
            ("head-timeout", |settings| {
                settings.timeouts.head = 2 * MINUTE
            }),
            ("linger-timeout", |settings| {
                settings.timeouts.linger = 2 * MINUTE
            }),
            ("body-rate", |settings| settings.timeouts.body_rate = None),
            ("ws-ping-timeout", |settings| {
                settings.timeouts.ping_timeout = None
            }),
            ("head-bytes", |settings| {
                settings.limits.head_bytes = 2 << 20
            }),
            ("target-bytes", |settings| {
                settings.limits.target_bytes = 1 << 20
            }),
            ("header-fields", |settings| {
                settings.limits.header_fields = 9_999
            }),
            ("unseen-resets", |settings| {
                settings.limits.unseen_resets = 99_999
            }),
            ("ws-message-bytes", |settings| {
                settings.websocket.limits.message_bytes = 1 << 30
            }),
            ("grace", |settings| settings.grace = Duration::ZERO),
        ];
        for (name, change) in changes {
            let mut settings = Settings::default();
            change(&mut settings);
            let concerns = settings.concerns();
            assert_eq!(concerns.len(), 1, "{name}: {concerns:?}");
            assert!(concerns[0].starts_with(name), "{name}: {concerns:?}");
        }
    }

    #[test]
    fn the_mode_of_unix_sockets_concerns_nobody_who_has_none() {
        let mut settings = Settings::default();
        settings.unix.mode = 0o666;
        assert_eq!(settings.concerns(), <[String; 0]>::default());
    }

    #[test]
    fn nothing_to_listen_on_is_wrong() {
        let mut settings = Settings::default();
        settings.bind.clear();
        let error = settings.check().expect_err("there is no address");
        assert!(error.starts_with("bind: "), "{error}");
    }
}
