//! The peer application on the servers of this workspace, as the launcher starts it.
//!
//! The launcher has no flags for the times that a server waits. Cases that need short ones set them by the environment, and
//! the server is then started below the launcher.
#![forbid(unsafe_code)]

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use conformance::{Peer, TIMEOUTS};
use server_host::{Listening, Settings, Timeouts};
use server_hyper::Hyper;
use server_raw::Raw;

fn main() -> ExitCode {
    match std::env::var(TIMEOUTS) {
        Ok(times) => serve(&times),
        Err(_) => gateway::run(Peer::new()),
    }
}

fn serve(times: &str) -> ExitCode {
    let mut settings = Settings::default();
    settings.bind = vec![([127, 0, 0, 1], 0).into()];
    set(&mut settings.timeouts, times);
    let raw = std::env::args().any(|argument| argument == "raw");
    let served = if raw {
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

fn set(timeouts: &mut Timeouts, times: &str) {
    for time in times.split(',') {
        let (name, milliseconds) = time
            .split_once('=')
            .expect("each time is NAME=MILLISECONDS");
        let milliseconds = milliseconds
            .parse()
            .expect("each time is NAME=MILLISECONDS");
        let of_name = match name {
            "head" => &mut timeouts.head,
            "idle" => &mut timeouts.idle,
            "body" => &mut timeouts.body,
            "write" => &mut timeouts.write,
            "linger" => &mut timeouts.linger,
            _ => panic!("there is no time called {name}"),
        };
        *of_name = Duration::from_millis(milliseconds);
    }
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
