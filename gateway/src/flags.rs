//! The launcher's flags.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use server_host::{AccessLogging, Settings};

/// How to serve this application.
#[derive(Debug, Parser)]
#[command(version, about = None, disable_help_subcommand = true)]
pub(crate) struct Flags {
    /// The server: `raw` speaks HTTP/1.1 by hand and is the fastest; `hyper` is the engine that half the world runs
    #[arg(long, value_enum, default_value_t = ServerChoice::Raw)]
    pub(crate) server: ServerChoice,

    /// An address to listen on; may be given several times; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8000", value_parser = address)]
    bind: Vec<SocketAddr>,

    /// Worker threads [default: one for each core]
    #[arg(long, value_name = "N")]
    workers: Option<NonZeroUsize>,

    /// Whether each exchange is logged to stderr
    #[arg(long, value_enum, default_value_t = Switch::On)]
    access_log: Switch,

    /// How long open exchanges may go on after SIGINT or SIGTERM; a second signal ends them at once
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    grace: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ServerChoice {
    Raw,
    Hyper,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
}

impl Flags {
    pub(crate) fn settings(&self) -> Settings {
        let mut settings = Settings::default();
        settings.bind.clone_from(&self.bind);
        if let Some(workers) = self.workers {
            settings.workers = workers;
        }
        settings.access_log = match self.access_log {
            Switch::On => AccessLogging::On,
            Switch::Off => AccessLogging::Off,
        };
        settings.grace = Duration::from_secs(self.grace);
        settings
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let local = |port: &str| {
        port.parse()
            .map(|port| SocketAddr::from(([127, 0, 0, 1], port)))
    };
    match text.strip_prefix("localhost:").map(local) {
        Some(Ok(address)) => Ok(address),
        _ => text.parse().map_err(|_| {
            String::from("an address is IP:PORT, such as 127.0.0.1:8000, 0.0.0.0:80 or [::1]:8000")
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(flags: &[&str]) -> Result<Settings, clap::Error> {
        Flags::try_parse_from(std::iter::once(&"app").chain(flags)).map(|flags| flags.settings())
    }

    #[test]
    fn the_default_is_local_and_gives_thirty_seconds_of_grace() {
        let settings = settings(&[]).expect("no flags are right");
        assert_eq!(settings.bind, [SocketAddr::from(([127, 0, 0, 1], 8000))]);
        assert_eq!(settings.grace, Duration::from_secs(30));
        assert_eq!(settings.access_log, AccessLogging::On);
    }

    #[test]
    fn several_addresses_can_be_bound() {
        let settings =
            settings(&["--bind", "[::1]:0", "--bind", "localhost:81"]).expect("right flags");
        assert_eq!(settings.bind.len(), 2);
        assert_eq!(settings.bind[1], SocketAddr::from(([127, 0, 0, 1], 81)));
    }

    #[test]
    fn wrong_flags_end_with_code_2() {
        for flags in [
            &["--bind", "nowhere"][..],
            &["--bind", "localhost:x"],
            &["--workers", "0"],
            &["--server", "apache"],
            &["--access-log", "maybe"],
            &["--grace", "-1"],
            &["--unknown"],
        ] {
            assert_eq!(
                settings(flags).expect_err("wrong flags").exit_code(),
                2,
                "{flags:?}"
            );
        }
    }
}
