//! The chat on a server: see `--help`.
#![forbid(unsafe_code)]

use std::io::Write;
use std::process::ExitCode;

use app_ws_chat::options::{HELP, Options, Place};

fn main() -> ExitCode {
    let taken = Options::take(std::env::args_os(), |name| std::env::var_os(name));
    let begun = taken.and_then(|(options, rest)| Ok((options.chat()?, options, rest)));
    match begun {
        Ok((chat, options, rest)) => {
            if options.aside && rest.iter().any(|one| one == "--help" || one == "-h") {
                // Whoever closed stdout does not want to know.
                let _ = std::io::stdout().write_all(HELP.as_bytes());
            }
            if !options.aside {
                announce(&options.place);
            }
            gateway::run_from(chat, rest)
        }
        Err(error) => {
            say(&format!("error: {error}\n"));
            ExitCode::from(2)
        }
    }
}

fn announce(place: &Place) {
    say(&match place {
        Place::File(file) => format!("history in {} (--db FILE: elsewhere)\n", file.display()),
        Place::Memory => "history in memory: it ends with the process\n".to_owned(),
    });
}

/// One line in one piece: another process may write there too.
fn say(line: &str) {
    // Nobody is left to be told that nobody can be told.
    let _ = std::io::stderr().write_all(line.as_bytes());
}
