//! What systemd is told (sd_notify(3)): when the server is ready, reads its files again, stops, and lives.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// Whoever started this process and waits for word of it.
#[derive(Debug)]
pub(crate) struct Notify {
    to: Option<(UnixDatagram, SocketAddr)>,
}

impl Notify {
    /// Whom the environment names (`NOTIFY_SOCKET`); nobody, if it names none.
    pub(crate) fn by_environment() -> Self {
        let to = std::env::var("NOTIFY_SOCKET").ok();
        let to = to.filter(|name| !name.is_empty()).and_then(|name| {
            let connected = address(&name).and_then(|to| Ok((UnixDatagram::unbound()?, to)));
            connected
                .inspect_err(|error| {
                    tracing::warn!("nobody can be told that the server is ready: NOTIFY_SOCKET is {name:?}: {error}");
                })
                .ok()
        });
        Self { to }
    }

    /// The server serves, by its certificates of now.
    pub(crate) fn ready(&self) {
        self.say("READY=1");
    }

    /// The server reads its files again.
    pub(crate) fn reloading(&self) {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let microseconds = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
        self.say(&format!("RELOADING=1\nMONOTONIC_USEC={microseconds}"));
    }

    /// Another process serves in this one's place.
    pub(crate) fn taken_over(&self, by: u32) {
        self.say(&format!("MAINPID={by}"));
    }

    /// The server drains.
    pub(crate) fn stopping(&self) {
        self.say("STOPPING=1");
    }

    /// The server lives.
    pub(crate) fn alive(&self) {
        self.say("WATCHDOG=1");
    }

    fn say(&self, what: &str) {
        if let Some((socket, to)) = &self.to {
            // Nobody is left to be told that nobody can be told.
            let _ = socket.send_to_addr(what.as_bytes(), to);
        }
    }

    /// How often it has to be said that the server lives (`WATCHDOG_USEC`), if it has: at twice that rate, as
    /// sd_watchdog_enabled(3) recommends.
    pub(crate) fn interval(&self) -> Option<Duration> {
        let number = |name| {
            std::env::var(name)
                .ok()
                .and_then(|text| text.parse::<u64>().ok())
        };
        let for_another =
            number("WATCHDOG_PID").is_some_and(|id| id != u64::from(std::process::id()));
        let microseconds = number("WATCHDOG_USEC").filter(|number| *number > 0 && !for_another);
        self.to
            .as_ref()
            .and(microseconds)
            .map(|number| Duration::from_micros(number) / 2)
    }
}

/// A path, or after an `@` a name that no file has.
fn address(name: &str) -> io::Result<SocketAddr> {
    match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(name),
    }
}
