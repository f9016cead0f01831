//! The chat on a server: see `--help`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use app_ws_chat::Chat;

fn main() -> ExitCode {
    gateway::run(Chat::new())
}
