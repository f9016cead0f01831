//! What flags, the environment and the file give, before it is known whether it is right.

use std::ffi::OsString;
use std::fs;

use toml::de::{DeTable, DeValue};

use super::error::ConfigError;
use super::key::{Key, PREFIX, Takes};

/// What one place gives for a key.
#[derive(Debug)]
pub(crate) struct Given<'a> {
    pub(crate) key: &'a Key,
    /// How errors call the place: `--workers`, `GATEWAY_WORKERS` or `gateway.toml:3: workers`.
    pub(crate) place: String,
    pub(crate) texts: Vec<String>,
}

/// What the program is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    Serve,
    Check,
    Help,
    Version,
}

/// What the command line says.
#[derive(Debug)]
pub(crate) struct Flags<'a> {
    pub(crate) given: Vec<Given<'a>>,
    pub(crate) command: Command,
}

/// The flags that are no keys.
const COMMANDS: [(&str, Command); 5] = [
    ("--check", Command::Check),
    ("--help", Command::Help),
    ("-h", Command::Help),
    ("--version", Command::Version),
    ("-V", Command::Version),
];

/// Reads a command line without the program's name: `--name VALUE` or `--name=VALUE`.
pub(crate) fn flags(
    keys: &[Key],
    arguments: impl Iterator<Item = OsString>,
) -> Result<Flags<'_>, ConfigError> {
    let mut flags = Flags {
        given: Vec::new(),
        command: Command::Serve,
    };
    let arguments: Result<Vec<String>, ConfigError> = arguments
        .map(|argument| text(argument, "the command line"))
        .collect();
    let mut arguments = arguments?.into_iter().peekable();
    while let Some(argument) = arguments.next() {
        if let Some((_, command)) = COMMANDS.iter().find(|(name, _)| *name == argument) {
            // Who asks for help gets it, whatever else is there.
            if flags.command != Command::Help {
                flags.command = *command;
            }
            continue;
        }
        let (flag, value) = match argument.split_once('=') {
            Some((flag, value)) => (flag, Some(value.to_owned())),
            None => (&*argument, None),
        };
        let Some(key) = keys.iter().find(|key| key.flag() == flag) else {
            return Err(unknown_flag(keys, flag));
        };
        let next = || arguments.next_if(|next| !next.starts_with("--"));
        let value = match value.or_else(next) {
            Some(value) => value,
            None if key.is_switch() => String::from("on"),
            None => {
                let why = format!("a value is missing: {flag} {}", key.form);
                return Err(ConfigError::new(flag, &why));
            }
        };
        match flags
            .given
            .iter_mut()
            .find(|given| given.key.name == key.name)
        {
            Some(given) => given.texts.push(value),
            None => flags.given.push(Given {
                key,
                place: flag.to_owned(),
                texts: vec![value],
            }),
        }
    }
    Ok(flags)
}

fn unknown_flag(keys: &[Key], flag: &str) -> ConfigError {
    if !flag.starts_with('-') {
        let why = "flags are all that this program takes; --help lists them";
        return ConfigError::new(flag, why);
    }
    let names: Vec<String> = keys.iter().map(Key::flag).collect();
    let names = names.iter().map(String::as_str);
    ConfigError::unknown(flag, flag, names.chain(["--check", "--help", "--version"]))
}

/// Reads the variables of the environment that begin with `GATEWAY_`.
pub(crate) fn environment(
    keys: &[Key],
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Vec<Given<'_>>, ConfigError> {
    let mut given = Vec::new();
    for (name, value) in environment {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else {
            continue;
        };
        if is_of_an_orchestrator(name) {
            continue;
        }
        let Some(key) = keys.iter().find(|key| key.variable() == name) else {
            let names: Vec<String> = keys.iter().map(Key::variable).collect();
            return Err(ConfigError::unknown(
                name,
                name,
                names.iter().map(String::as_str),
            ));
        };
        let value = text(value, name)?;
        let texts = match key.takes {
            Takes::One => vec![value],
            Takes::Many => value
                .split(',')
                .map(|text| text.trim().to_owned())
                .filter(|text| !text.is_empty())
                .collect(),
        };
        given.push(Given {
            key,
            place: name.to_owned(),
            texts,
        });
    }
    // The environment has no order: errors should be the same each time.
    given.sort_by(|a, b| a.place.cmp(&b.place));
    Ok(given)
}

/// Kubernetes and Docker tell a container of a service called "gateway" by variables that are not meant for us.
fn is_of_an_orchestrator(name: &str) -> bool {
    let rest = &name[PREFIX.len()..];
    ["PORT", "SERVICE_HOST", "SERVICE_PORT", "NAME"].contains(&rest)
        || rest.starts_with("PORT_")
        || rest.starts_with("SERVICE_PORT_")
        || rest.starts_with("ENV_")
}

/// Reads the file that was named.
pub(crate) fn file<'a>(keys: &'a [Key], named: &Given<'_>) -> Result<Vec<Given<'a>>, ConfigError> {
    let name = named.texts.last().map_or("", String::as_str);
    let text = fs::read_to_string(name).map_err(|error| {
        ConfigError::new(&named.place, &format!("cannot read {name:?}: {error}"))
    })?;
    parse(keys, name, &text)
}

/// Reads the text of a file: a key a line.
pub(crate) fn parse<'a>(
    keys: &'a [Key],
    name: &str,
    text: &str,
) -> Result<Vec<Given<'a>>, ConfigError> {
    let line = |at: usize| 1 + text[..at].matches('\n').count();
    let table = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line(span.start));
        let why = error
            .message()
            .lines()
            .next()
            .unwrap_or("no TOML")
            .to_owned();
        ConfigError::new(&format!("{name}:{line}"), &why)
    })?;
    let mut given = Vec::new();
    for (found, value) in table.into_inner() {
        let place = format!("{name}:{}: {}", line(found.span().start), found.get_ref());
        if found.get_ref() == super::keys::FILE {
            return Err(ConfigError::new(&place, "a file names no other file"));
        }
        let key = keys.iter().find(|key| key.name == *found.get_ref());
        let Some(key) = key else {
            if matches!(value.get_ref(), DeValue::Table(_)) {
                return Err(ConfigError::new(
                    &place,
                    "there are no tables; write all keys at the top, as name = value",
                ));
            }
            let names = keys.iter().map(|key| key.name);
            return Err(ConfigError::unknown(&place, found.get_ref(), names));
        };
        let texts = match (value.into_inner(), key.takes) {
            (DeValue::Array(all), Takes::Many) => all
                .into_iter()
                .map(|one| plain(&one.into_inner()))
                .collect::<Option<Vec<_>>>(),
            (one, _) => plain(&one).map(|text| vec![text]),
        };
        let texts = texts.ok_or_else(|| {
            let form = match key.takes {
                Takes::One => key.form.to_string(),
                Takes::Many => format!("a list of {}", key.form),
            };
            ConfigError::new(
                &place,
                &format!("this is not the kind of value that it takes, which is {form}"),
            )
        })?;
        given.push(Given { key, place, texts });
    }
    Ok(given)
}

/// A value of the file as a flag would have it.
fn plain(value: &DeValue<'_>) -> Option<String> {
    Some(match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_owned(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(on) => String::from(if *on { "on" } else { "off" }),
        _ => return None,
    })
}

fn text(given: OsString, place: &str) -> Result<String, ConfigError> {
    given.into_string().map_err(|given| {
        let why = format!("{:?} is no UTF-8", given.to_string_lossy());
        ConfigError::new(place, &why)
    })
}
