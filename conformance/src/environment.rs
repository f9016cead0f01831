//! What cases set of a server by its environment: times and limits for which launchers have no flags.

use std::env;
use std::num::NonZeroUsize;
use std::time::Duration;

use server_host::{Limits, Settings, Timeouts};

/// The variable of the environment that sets a server's times, in milliseconds: `head=400,idle=600,body=500,write=500,
/// ping=1000,pong=500,close=300,linger=200,startup=900`, in any order, without spaces.
pub const TIMEOUTS: &str = "PEER_TIMEOUTS";

/// The variable of the environment that sets a server's limits: `exchanges=2`, as [`TIMEOUTS`]. The server has one worker then.
pub const LIMITS: &str = "PEER_LIMITS";

/// Sets what the environment says; whether it said anything.
///
/// # Panics
///
/// If it says it in another form than [`TIMEOUTS`] and [`LIMITS`] have.
pub fn set_by_environment(settings: &mut Settings) -> bool {
    let (times, limits) = (env::var(TIMEOUTS), env::var(LIMITS));
    if let Ok(times) = &times {
        set_times(&mut settings.timeouts, times);
    }
    if let Ok(limits) = &limits {
        // They are a worker's, and a case has to know which one it talks to.
        settings.workers = NonZeroUsize::MIN;
        set_limits(&mut settings.limits, limits);
    }
    times.is_ok() || limits.is_ok()
}

fn set_times(timeouts: &mut Timeouts, times: &str) {
    for (name, milliseconds) in pairs(times) {
        let of_name = match name {
            "head" => &mut timeouts.head,
            "idle" => &mut timeouts.idle,
            "body" => &mut timeouts.body,
            "write" => &mut timeouts.write,
            "close" => &mut timeouts.close,
            "linger" => &mut timeouts.linger,
            "ping" => timeouts.ping_interval.get_or_insert_default(),
            "pong" => timeouts.ping_timeout.get_or_insert_default(),
            "startup" => &mut timeouts.startup,
            _ => panic!("there is no time called {name}"),
        };
        *of_name = Duration::from_millis(milliseconds);
    }
}

fn set_limits(limits: &mut Limits, numbers: &str) {
    for (name, number) in pairs(numbers) {
        let number = usize::try_from(number).expect("a limit is a number");
        let of_name = match name {
            "exchanges" => &mut limits.exchanges,
            "connections" => &mut limits.connections,
            _ => panic!("there is no limit called {name}"),
        };
        *of_name = number;
    }
}

/// `NAME=NUMBER,NAME=NUMBER`
fn pairs(text: &str) -> impl Iterator<Item = (&str, u64)> {
    text.split_terminator(',').map(|pair| {
        let (name, number) = pair.split_once('=').expect("each is NAME=NUMBER");
        (name, number.parse().expect("each is NAME=NUMBER"))
    })
}
