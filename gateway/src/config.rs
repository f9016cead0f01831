//! The launcher's configuration: one table of keys ([`keys`]) for flags, environment and file, in that order of strength.
//!
//! A key is added by an entry in the table, and is then a flag, a variable and a line of the file, in `--help` and in
//! `--check`.

mod error;
mod form;
mod help;
mod key;
mod keys;
mod layer;

use std::ffi::OsString;
use std::path::PathBuf;

use server_host::Settings;
use websocket::deflate;

use form::{LogFilter, Named};
use key::Key;
use layer::{Command, Flags, Given};

pub(crate) use error::ConfigError;

/// All that an operator can set, as the keys have it.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    file: Option<PathBuf>,
    pub(crate) server: ServerChoice,
    pub(crate) log: LogFilter,
    ws_deflate: bool,
    ws_context: deflate::Context,
    ws_deflate_settings: deflate::Settings,
    settings: Settings,
}

impl Default for Config {
    fn default() -> Self {
        let settings = Settings::default();
        let deflate = settings.websocket.deflate.unwrap_or_default();
        Self {
            file: None,
            server: ServerChoice::default(),
            log: LogFilter::default(),
            ws_deflate: settings.websocket.deflate.is_some(),
            ws_context: deflate.receiving,
            ws_deflate_settings: deflate,
            settings,
        }
    }
}

impl Config {
    /// The server's part.
    pub(crate) fn settings(&self) -> Settings {
        let mut settings = self.settings.clone();
        let deflate = self
            .ws_deflate_settings
            .with_sending(self.ws_context)
            .with_receiving(self.ws_context);
        settings.websocket.deflate = self.ws_deflate.then_some(deflate);
        settings
    }
}

/// The server that serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum ServerChoice {
    #[default]
    Raw,
    Hyper,
}

impl Named for ServerChoice {
    const ALL: &'static [(&'static str, Self)] = &[("raw", Self::Raw), ("hyper", Self::Hyper)];
}

/// What the program was started for.
#[derive(Debug)]
pub(crate) enum Wish {
    /// To serve.
    Serve(Box<Effective>),
    /// To say this, and end.
    Say(String),
}

/// What is in force, and who said so.
#[derive(Debug)]
pub(crate) struct Effective {
    pub(crate) config: Config,
    /// Name, value as the file has it, and origin of each key.
    pub(crate) values: Vec<(&'static str, String, String)>,
}

/// Reads flags (the first argument is the program's name), the environment, and the file that one of them names.
pub(crate) fn read(
    arguments: impl IntoIterator<Item = OsString>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Wish, ConfigError> {
    let keys = keys::all();
    let mut arguments = arguments.into_iter();
    let program = arguments.next().unwrap_or_else(|| "gateway".into());
    let Flags {
        given: flags,
        command,
    } = layer::flags(&keys, arguments)?;
    match command {
        Command::Help => return Ok(Wish::Say(help::text(&program))),
        Command::Version => return Ok(Wish::Say(help::version(&program))),
        Command::Serve | Command::Check => {}
    }
    let variables = layer::environment(&keys, environment)?;
    let named = flags
        .iter()
        .chain(&variables)
        .find(|given| given.key.name == keys::FILE);
    let file = match named {
        Some(given) => layer::file(&keys, given)?,
        None => Vec::new(),
    };
    let effective = apply(&keys, [file, variables, flags])?;
    let settings = effective.config.settings();
    settings.check().map_err(|why| ConfigError::of_all(&why))?;
    if command == Command::Check {
        let checked = server_host::check(&settings);
        checked.map_err(|error| ConfigError::of_all(&error.to_string()))?;
    }
    Ok(match command {
        Command::Check => Wish::Say(help::effective(&effective)),
        _ => Wish::Serve(Box::new(effective)),
    })
}

/// Applies layers, each stronger than the one before.
fn apply(keys: &[Key], layers: [Vec<Given<'_>>; 3]) -> Result<Effective, ConfigError> {
    let mut config = Config::default();
    let given: Vec<Given<'_>> = layers.into_iter().flatten().collect();
    for Given { key, place, texts } in &given {
        key.set(&mut config, texts)
            .map_err(|why| ConfigError::new(place, &why))?;
    }
    let values = keys.iter().filter(|key| key.name != keys::FILE).map(|key| {
        let by = given.iter().rev().find(|given| given.key.name == key.name);
        let origin = by.map_or_else(|| String::from("default"), |given| given.place.clone());
        (key.name, key.show(&mut config), origin)
    });
    let values = values.collect();
    Ok(Effective { config, values })
}

#[cfg(test)]
mod tests;
