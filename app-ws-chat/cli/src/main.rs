//! The chat in a terminal: see `--help`.
#![forbid(unsafe_code)]

mod terminal;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use chat_cli::{App, Colours, Memory, default_file};
use chat_link::Target;
use clap::Parser;
use jiff::tz::TimeZone;

/// The chat in a terminal. Inside, /help lists the commands and /keys the keys.
///
/// Who you are, your rooms, how far you have read, and what could not be sent yet are kept in a file for each address, and
/// are there again the next time.
#[derive(Debug, Parser)]
#[command(name = "chat-cli")]
struct Flags {
    /// The chat, such as https://chat.example or ws://127.0.0.1:8000
    address: String,
    /// What you want to be called; else as the last time, or as you are called on this machine
    #[arg(long, short, value_name = "NAME")]
    nick: Option<String>,
    /// Rooms to enter; else those of the last time, or the lobby. With the moderators' token in the environment as
    /// CHAT_TOKEN, you moderate them
    #[arg(long = "room", short, value_name = "NAME")]
    rooms: Vec<String>,
    /// Trust the authorities of this PEM file instead of this machine's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Keep the memory in this file instead of ~/.local/state/chat-cli/
    #[arg(long, value_name = "FILE", conflicts_with = "forget")]
    state: Option<PathBuf>,
    /// Be somebody new, and keep nothing
    #[arg(long)]
    forget: bool,
}

fn main() -> ExitCode {
    match run(Flags::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to be told that nobody can be told.
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(flags: Flags) -> Result<(), Box<dyn std::error::Error>> {
    let mut target = Target::parse(&flags.address)?;
    if let Some(file) = &flags.ca {
        target = target.with_authorities(file)?;
    }
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Err("chat-cli needs a terminal".into());
    }
    let file = match (flags.forget, flags.state) {
        (true, _) => None,
        (false, Some(file)) => Some(file),
        (false, None) => Some(
            default_file(&target.to_string())
                .ok_or("there is no $HOME: say --state FILE or --forget")?,
        ),
    };
    let memory = match &file {
        Some(file) => Memory::load(file).map_err(|error| {
            format!("{}: {error}. Move it away, or say --forget", file.display())
        })?,
        None => Memory::new()?,
    };
    let app = begin(memory, flags.nick, &flags.rooms);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(terminal::run(app, target, file))?;
    Ok(())
}

fn begin(memory: Memory, nick: Option<String>, rooms: &[String]) -> App {
    let now = Instant::now();
    let user = || std::env::var("USER").ok().filter(|user| !user.is_empty());
    let known = memory.nick.as_deref().map(ToOwned::to_owned);
    let nick = nick
        .or(known)
        .or_else(user)
        .unwrap_or_else(|| "guest".to_owned());
    let first_time = memory.rooms.is_empty() && rooms.is_empty();
    let token = std::env::var("CHAT_TOKEN")
        .ok()
        .filter(|token| !token.is_empty());
    let colours = match std::env::var_os("NO_COLOR") {
        Some(set) if !set.is_empty() => Colours::None,
        _ => Colours::Many,
    };
    let mut app = App::new(memory, &nick, TimeZone::system(), now).with_colours(colours);
    for room in rooms
        .iter()
        .map(String::as_str)
        .chain(first_time.then_some("lobby"))
    {
        app.enter(room, token.as_deref(), now);
    }
    app
}
