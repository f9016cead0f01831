//! The peer application on the servers of this workspace, as the launcher starts it.
//!
//! The launcher has no flags for the times that a server waits, nor for its limits. Cases that need small ones set them by the
//! environment, and the server is then started below the launcher.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use conformance::{Peer, set_by_environment};
use server_host::{Listening, Settings};
use server_hyper::Hyper;
use server_raw::Raw;

pub(super) fn serve(flags: Vec<OsString>) -> ExitCode {
    let mut settings = Settings::default();
    if set_by_environment(&mut settings) {
        return serve_set(&flags, settings);
    }
    let peer = Peer::new().started_by(this_command(&flags));
    let program = OsString::from("conformance peer");
    gateway::run_from(peer, [program].into_iter().chain(flags))
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

fn serve_set(flags: &[OsString], mut settings: Settings) -> ExitCode {
    settings.bind = vec![([127, 0, 0, 1], 0).into()];
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

fn announce(listening: Listening) {
    let mut stdout = std::io::stdout();
    writeln!(stdout, "listening on {listening} ({})", listening.server)
        .expect("the test reads this");
}
