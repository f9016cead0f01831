//! The market on a server: see `--help`.
#![forbid(unsafe_code)]

use std::io::Write;
use std::process::ExitCode;

use market::options::{HELP, Options};

fn main() -> ExitCode {
    let taken = Options::take(std::env::args_os(), |name| std::env::var_os(name));
    let begun = taken.and_then(|(options, rest)| Ok((options.settings()?, options, rest)));
    match begun {
        Ok((settings, options, rest)) => {
            if options.asks_for_help {
                // Whoever closed stdout does not want to know.
                let _ = std::io::stdout().write_all(HELP.as_bytes());
            }
            if !options.aside {
                let file = settings.database().display();
                say(&format!("items in {file} (--db FILE: elsewhere)\n"));
            }
            gateway::run_from(market::market(settings), rest)
        }
        Err(error) => {
            say(&format!("error: {error}\n"));
            ExitCode::from(2)
        }
    }
}

/// One line in one piece: another process may write there too.
fn say(line: &str) {
    // Nobody is left to be told that nobody can be told.
    let _ = std::io::stderr().write_all(line.as_bytes());
}
