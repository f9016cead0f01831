//! What is asked for on the command line, and what follows from it for each client.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use chat_link::{Target, TargetError};
use clap::Parser;

/// What one address has of ports: the kernel's range has 28,232 for a server, and those of earlier runs rest a minute.
const CLIENTS_OF_A_SOURCE: u32 = 25_000;

/// Descriptors that the process has beside its connections.
const OTHER_DESCRIPTORS: u64 = 100;

/// Messages a second that the chat lets a client say for long.
const SAID_AT_MOST: f64 = 5.0;

/// The longest text: the chat's, less what is measured with.
const TEXT_BYTES: usize = 4_000;

/// Thousands of clients for a chat: what they wait for, and whether anything gets lost.
///
/// Exits with 0 if every client was told every message of its room once and in one order, with 1 if not, and with 2 if it
/// could not begin.
#[derive(Clone, Debug, Parser)]
#[command(name = "chat-load")]
pub struct Plan {
    /// The chat, such as ws://127.0.0.1:8000
    pub address: String,
    /// How many clients, each with a connection of its own
    #[arg(long, default_value_t = NonZeroU32::new(1_000).expect("not zero"), value_name = "N")]
    pub clients: NonZeroU32,
    /// How many of them share a room
    #[arg(long, default_value_t = NonZeroU32::new(100).expect("not zero"), value_name = "N")]
    pub room_size: NonZeroU32,
    /// Messages a second in each room, said by its clients in turn; 0: nobody says anything
    #[arg(long, default_value_t = 1.0, value_name = "N")]
    pub rate: f64,
    /// Bytes of a message, 32 to 4,000
    #[arg(long, default_value_t = 64, value_name = "N")]
    pub bytes: usize,
    /// How long messages are said
    #[arg(long, default_value_t = 30.0, value_name = "S")]
    pub seconds: f64,
    /// New connections a second at the start
    #[arg(long, default_value_t = 1_000.0, value_name = "N")]
    pub ramp: f64,
    /// How long all are in their rooms before anybody speaks
    #[arg(long, default_value_t = 2.0, value_name = "S")]
    pub rest: f64,
    /// A storm each so many seconds while messages are said: connections break, and their clients resume
    #[arg(long, value_name = "S")]
    pub storm_every: Option<f64>,
    /// How many of a hundred clients a storm hits
    #[arg(long, default_value_t = 50, value_name = "PERCENT", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub storm_share: u32,
    /// The longest first wait before a client comes back, in seconds; half of it and more, at random
    #[arg(long, default_value_t = 0.5, value_name = "S")]
    pub back_off: f64,
    /// The longest wait for clients to be in their rooms, and for the last messages to reach them
    #[arg(long, default_value_t = 60.0, value_name = "S")]
    pub patience: f64,
    /// The server's process on this machine, whose memory and time are looked at
    #[arg(long, value_name = "PID")]
    pub pid: Option<u32>,
    /// Threads of this program
    #[arg(long, default_value_t = NonZeroU32::MIN, value_name = "N")]
    pub threads: NonZeroU32,
    /// Connect from these addresses of this machine in turn; without, as many of 127.0.0.x as are needed
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',')]
    pub source: Vec<IpAddr>,
    /// Trust the authorities of this PEM file instead of this machine's, for wss://
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Also write the report as JSON to this file; `-`: to the output, instead of the table
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

impl Plan {
    /// A plan with the defaults of the command line.
    ///
    /// # Panics
    ///
    /// Never: an address is all that is needed, and it is looked at by [`check`](Self::check).
    #[must_use]
    pub fn of(address: &str) -> Self {
        Self::parse_from(["chat-load", "--", address])
    }

    /// Checks that it can be done.
    ///
    /// # Errors
    ///
    /// [`PlanError`] says what cannot, and how to mend it.
    pub fn check(self) -> Result<Load, PlanError> {
        let mut target = Target::parse(&self.address)?;
        if let Some(file) = &self.ca {
            target = target.with_authorities(file)?;
        }
        for (flag, number, least) in [
            ("--rate", self.rate, 0.0),
            ("--seconds", self.seconds, 0.0),
            ("--ramp", self.ramp, 1.0),
            ("--rest", self.rest, 0.0),
            ("--storm-every", self.storm_every.unwrap_or(1.0), 0.1),
            ("--back-off", self.back_off, 0.0),
            ("--patience", self.patience, 0.0),
        ] {
            // A NaN is no number of anything, and more than a day is a mistake.
            if !(least..=86_400.0).contains(&number) {
                return Err(PlanError::Number(flag, least));
            }
        }
        if !(32..=TEXT_BYTES).contains(&self.bytes) {
            return Err(PlanError::Bytes);
        }
        let each = self.rate / f64::from(self.room_size.get().min(self.clients.get()));
        if each > SAID_AT_MOST {
            return Err(PlanError::Rate(each));
        }
        Ok(Load {
            target,
            run: fastrand::u32(..),
            plan: self,
        })
    }
}

/// A plan that can be carried out.
#[derive(Clone, Debug)]
pub struct Load {
    pub(crate) plan: Plan,
    pub(crate) target: Target,
    /// Makes rooms that no earlier run was in.
    run: u32,
}

impl Load {
    pub(crate) const fn clients(&self) -> u32 {
        self.plan.clients.get()
    }

    pub(crate) const fn rooms(&self) -> u32 {
        self.clients().div_ceil(self.plan.room_size.get())
    }

    pub(crate) fn room_name(&self, room: u32) -> String {
        format!("load-{:08x}-{room}", self.run)
    }

    /// The room that a client is in.
    pub(crate) const fn room_of(&self, client: u32) -> u32 {
        client / self.plan.room_size.get()
    }

    /// When a client connects, after the start.
    pub(crate) fn connects_after(&self, client: u32) -> Duration {
        Duration::from_secs_f64(f64::from(client) / self.plan.ramp)
    }

    /// When a client says its first message after speaking has begun, and how long it waits between two; nothing if
    /// nobody says anything. A room's clients take turns, and rooms begin at different times, as they do.
    fn speaks(&self, client: u32) -> Option<(Duration, Duration)> {
        if self.plan.rate <= 0.0 {
            return None;
        }
        let size = self.plan.room_size.get();
        let room = self.room_of(client);
        let members = size.min(self.clients() - room * size);
        let place = f64::from(client % size) + f64::from(room) / f64::from(self.rooms());
        let between = 1.0 / self.plan.rate;
        Some((
            Duration::from_secs_f64(place * between),
            Duration::from_secs_f64(f64::from(members) * between),
        ))
    }

    /// When a client says its message of this number, after speaking has begun; nothing if that is none of its turns.
    pub(crate) fn turn(&self, client: u32, number: u32) -> Option<Duration> {
        let (first, between) = self.speaks(client)?;
        let at = first + between * number;
        (at.as_secs_f64() < self.plan.seconds).then_some(at)
    }

    /// How many messages all clients together are to say.
    pub(crate) fn sayings(&self) -> u64 {
        let turns = |client| {
            (0..)
                .take_while(|&number| self.turn(client, number).is_some())
                .count()
        };
        (0..self.clients()).map(|client| turns(client) as u64).sum()
    }

    /// When storms come, after speaking has begun.
    pub(crate) fn storm(&self, number: u32) -> Option<Duration> {
        let every = self.plan.storm_every?;
        let at = every * f64::from(number + 1);
        (at < self.plan.seconds).then(|| Duration::from_secs_f64(at))
    }

    /// Where a client connects to, and from.
    pub(crate) fn target_of(&self, client: u32) -> Target {
        let target = self.target.clone();
        let listed = &self.plan.source;
        if !listed.is_empty() {
            let place = usize::try_from(client).unwrap_or_default() % listed.len();
            return target.with_source(listed[place]);
        }
        let local = target.host() == "localhost"
            || matches!(target.host().parse(), Ok(IpAddr::V4(ip)) if ip.is_loopback());
        match client / CLIENTS_OF_A_SOURCE {
            0 => target,
            _ if !local => target,
            // Of the 16 million addresses of the loopback, these are enough for 6 million clients.
            source => {
                let low = u8::try_from(source % 250).unwrap_or_default() + 1;
                target.with_source(Ipv4Addr::new(127, 0, 0, low).into())
            }
        }
    }

    /// So many descriptors are needed.
    pub(crate) fn descriptors(&self) -> u64 {
        u64::from(self.clients()) + OTHER_DESCRIPTORS
    }
}

/// Why a plan cannot be carried out.
#[derive(Debug)]
pub enum PlanError {
    /// The address.
    Target(TargetError),
    /// A flag's number is too small, too large, or none; and the smallest.
    Number(&'static str, f64),
    /// The length of a message.
    Bytes,
    /// Each client would have to say so many messages a second.
    Rate(f64),
    /// So many descriptors are needed, and so many allowed.
    Descriptors {
        /// Needed.
        needed: u64,
        /// Allowed.
        allowed: u64,
    },
    /// The server's process cannot be looked at.
    Process(u32, std::io::Error),
    /// The report cannot be written.
    Json(PathBuf, std::io::Error),
    /// There is no runtime.
    Runtime(std::io::Error),
}

impl From<TargetError> for PlanError {
    fn from(error: TargetError) -> Self {
        Self::Target(error)
    }
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Target(error) => error.fmt(f),
            Self::Number(flag, least) => write!(f, "{flag} takes a number from {least} to 86400"),
            Self::Bytes => write!(f, "--bytes takes a number from 32 to {TEXT_BYTES}"),
            Self::Rate(each) => write!(
                f,
                "each client would say {each:.1} messages a second, and the chat allows {SAID_AT_MOST}: lower --rate or \
                 raise --room-size"
            ),
            Self::Descriptors { needed, allowed } => write!(
                f,
                "{needed} descriptors are needed and {allowed} allowed: raise the hard limit (`ulimit -Hn`) or lower \
                 --clients"
            ),
            Self::Process(pid, error) => write!(f, "process {pid} cannot be looked at: {error}"),
            Self::Json(file, error) => write!(f, "{}: {error}", file.display()),
            Self::Runtime(error) => write!(f, "no threads: {error}"),
        }
    }
}

impl std::error::Error for PlanError {}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser;

    use super::{Load, Plan};

    fn load(flags: &[&str]) -> Result<Load, String> {
        let words = ["chat-load", "ws://127.0.0.1:1"]
            .into_iter()
            .chain(flags.iter().copied());
        let plan = Plan::try_parse_from(words).map_err(|e| e.to_string())?;
        plan.check().map_err(|e| e.to_string())
    }

    #[test]
    fn a_rooms_clients_take_turns() {
        let load = load(&["--clients", "5", "--room-size", "2", "--rate", "4"]).unwrap();
        assert_eq!(load.rooms(), 3);
        let millis = |client| {
            load.speaks(client)
                .map(|(a, b)| (a.as_millis(), b.as_millis()))
        };
        assert_eq!(millis(0), Some((0, 500)));
        assert_eq!(millis(1), Some((250, 500)));
        assert_eq!(millis(2), Some((83, 500)), "another room, a little later");
        assert_eq!(millis(4), Some((166, 250)), "alone in its room");
    }

    #[test]
    fn storms_come_while_messages_are_said() {
        let load = load(&["--storm-every", "10", "--seconds", "25"]).unwrap();
        let at: Vec<_> = (0..4)
            .map(|n| load.storm(n).map(|at| at.as_secs()))
            .collect();
        assert_eq!(at, [Some(10), Some(20), None, None]);
    }

    #[test]
    fn connections_beyond_an_addresss_ports_come_from_another() {
        let load = load(&["--clients", "60000", "--ramp", "100"]).unwrap();
        let source = |client| format!("{:?}", load.target_of(client)).contains("127.0.0.3");
        assert!(!source(24_999) && !source(25_000) && source(50_000));
        assert_eq!(load.connects_after(100), Duration::from_secs(1));
    }

    #[test]
    fn what_cannot_be_is_told_with_a_mend() {
        for (flags, told) in [
            (&["--room-size", "2", "--rate", "20"][..], "lower --rate"),
            (&["--seconds", "-1"], "unexpected argument"),
            (&["--seconds=-1"], "--seconds takes a number from 0"),
            (&["--rate=nan"], "--rate takes"),
            (&["--bytes", "5000"], "from 32 to 4000"),
            (&["--ca", "/nowhere"], "only a wss://"),
            (&["--clients", "0"], "--clients"),
            (&["--storm-share", "101"], "--storm-share"),
        ] {
            let error = load(flags).unwrap_err();
            assert!(error.contains(told), "{flags:?}: {error}");
        }
    }
}
