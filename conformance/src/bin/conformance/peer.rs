//! The peer application on the servers of this workspace, as the launcher starts it.
//!
//! The launcher has no flags for the times that a server waits, nor for its limits. Cases that need small ones set them by the
//! environment, and the server is then started below the launcher.

use std::ffi::OsString;
use std::io::Write;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::time::Duration;

use conformance::{LIMITS, Peer, TIMEOUTS};
use server_host::{Limits, Listening, Settings, Timeouts};
use server_hyper::Hyper;
use server_raw::Raw;

pub(super) fn serve(flags: Vec<OsString>) -> ExitCode {
    match (std::env::var(TIMEOUTS), std::env::var(LIMITS)) {
        (Err(_), Err(_)) => {
            let peer = Peer::new().started_by(this_command(&flags));
            let program = OsString::from("conformance peer");
            gateway::run_from(peer, [program].into_iter().chain(flags))
        }
        (times, limits) => serve_set(&flags, times.ok().as_deref(), limits.ok().as_deref()),
    }
}

/// This program with the same server; of the other flags, the cases give those that they need.
fn this_command(flags: &[OsString]) -> Vec<String> {
    let server = flags
        .windows(2)
        .find(|pair| pair[0] == "--server")
        .and_then(|pair| pair[1].to_str())
        .unwrap_or("raw");
    match std::env::current_exe() {
        Ok(file) => {
            let file = file.to_string_lossy().into_owned();
            let words = ["peer", "--server", server].map(str::to_owned);
            [file].into_iter().chain(words).collect()
        }
        Err(_) => Vec::new(),
    }
}

fn serve_set(flags: &[OsString], times: Option<&str>, limits: Option<&str>) -> ExitCode {
    let mut settings = Settings::default();
    settings.bind = vec![([127, 0, 0, 1], 0).into()];
    set_times(&mut settings.timeouts, times.unwrap_or_default());
    if let Some(limits) = limits {
        // They are a worker's, and a case has to know which one it talks to.
        settings.workers = NonZeroUsize::MIN;
        set_limits(&mut settings.limits, limits);
    }
    let served = if flags.iter().any(|flag| flag == "raw") {
        server_host::serve(Raw, Peer::new(), settings, announce)
    } else {
        server_host::serve(Hyper, Peer::new(), settings, announce)
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn set_times(timeouts: &mut Timeouts, times: &str) {
    for (name, milliseconds) in pairs(times) {
        let of_name = match name {
            "head" => &mut timeouts.head,
            "idle" => &mut timeouts.idle,
            "body" => &mut timeouts.body,
            "write" => &mut timeouts.write,
            "linger" => &mut timeouts.linger,
            "close" => &mut timeouts.close,
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

fn announce(listening: Listening) {
    let mut stdout = std::io::stdout();
    writeln!(
        stdout,
        "listening on http://{} ({})",
        listening.address, listening.server
    )
    .expect("the test reads this");
}
