//! What the program is told: where its things are. All other flags are the launcher's.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

use crate::{KeyError, Settings};

/// Our part of `--help`.
pub const HELP: &str = "\
The market:
  --db FILE
      Keep accounts, items and pictures in this file, made if there is none, and the key
      of the sessions beside it [default: market.db in $STATE_DIRECTORY, or in
      gateway-market below $XDG_DATA_HOME or ~/.local/share]
It can also be given by the environment: MARKET_DB. The flag is stronger.

";

const FLAG: &str = "--db";
const VARIABLE: &str = "MARKET_DB";

/// What asks for help, and what else is asked for when nothing is to be served.
const HELPS: [&str; 2] = ["--help", "-h"];
const ASIDE: [&str; 3] = ["--version", "-V", "--check"];

/// What the program is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The file of the database.
    pub database: PathBuf,
    /// Whether it is only to say something, and to serve nobody.
    pub aside: bool,
    /// Whether that is the help.
    pub asks_for_help: bool,
}

/// Why there is no market. Each says what to do.
#[derive(Debug)]
pub enum OptionsError {
    /// `--db` without a file.
    NoValue,
    /// `--db` twice.
    Twice,
    /// No directory is known.
    NoPlace,
    /// The file of the key cannot be used.
    Key(KeyError),
}

impl Options {
    /// Takes our flag out of the arguments (the first is the program's name) and reads our variable; gives what is left.
    ///
    /// # Errors
    ///
    /// [`OptionsError`] says what is wrong.
    ///
    /// # Examples
    ///
    /// ```
    /// use market::options::Options;
    ///
    /// let arguments = ["market", "--server", "hyper", "--db", "a.db"].map(Into::into);
    /// let (options, rest) = Options::take(arguments, |_| None)?;
    /// assert_eq!(options.database.to_str(), Some("a.db"));
    /// assert_eq!(rest, ["market", "--server", "hyper"]);
    /// # Ok::<(), market::options::OptionsError>(())
    /// ```
    pub fn take(
        arguments: impl IntoIterator<Item = OsString>,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<(Self, Vec<OsString>), OptionsError> {
        let (mut given, mut rest) = (None, Vec::new());
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let file = match argument.to_str().and_then(|text| text.strip_prefix(FLAG)) {
                Some("") => arguments.next().ok_or(OptionsError::NoValue)?,
                Some(file) if file.starts_with('=') => file[1..].into(),
                _ => {
                    rest.push(argument);
                    continue;
                }
            };
            if given.replace(file).is_some() {
                return Err(OptionsError::Twice);
            }
        }
        let asks = |words: &[&str]| rest.iter().any(|one| words.iter().any(|word| one == word));
        let asks_for_help = asks(&HELPS);
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let database = given.or_else(|| set(VARIABLE)).map(PathBuf::from);
        let options = Self {
            aside: asks_for_help || asks(&ASIDE),
            asks_for_help,
            database: match database.or_else(|| usual_place(set)) {
                Some(database) if database != Path::new("") => database,
                _ => return Err(OptionsError::NoPlace),
            },
        };
        Ok((options, rest))
    }

    /// The settings that are asked for; the key is made if there is none.
    ///
    /// # Errors
    ///
    /// If the file of the key cannot be used.
    pub fn settings(&self) -> Result<Settings, OptionsError> {
        if self.aside {
            // Nobody is served by it.
            let nobodys = app_router::middleware::SessionKey::from_secret(&[0; 32]);
            return nobodys
                .map(|key| Settings::new(&self.database, key))
                .map_err(|_| OptionsError::NoPlace);
        }
        Settings::open(&self.database).map_err(OptionsError::Key)
    }
}

fn usual_place(set: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    const NAME: &str = "market.db";
    if let Some(state) = set("STATE_DIRECTORY") {
        // Of several the first: systemd separates them by colons.
        let state = state.to_string_lossy().split(':').next()?.to_owned();
        return Some(Path::new(&state).join(NAME));
    }
    let below_home = |home: &OsStr| Path::new(home).join(".local/share");
    let data = set("XDG_DATA_HOME").map(PathBuf::from);
    let data = data.or_else(|| set("HOME").map(|home| below_home(&home)))?;
    Some(data.join("gateway-market").join(NAME))
}

impl fmt::Display for OptionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoValue => f.write_str("--db needs a file"),
            Self::Twice => f.write_str("--db is given twice"),
            Self::NoPlace => f.write_str(
                "no place for the items is known, because neither STATE_DIRECTORY, XDG_DATA_HOME nor HOME is set; \
                 give --db FILE",
            ),
            Self::Key(error) => write!(f, "--db: {error}"),
        }
    }
}

impl std::error::Error for OptionsError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(arguments: &[&str], set: &[(&str, &str)]) -> Result<(Options, Vec<OsString>), String> {
        let arguments = ["market"].iter().chain(arguments).map(OsString::from);
        let variable = |name: &str| {
            let found = set.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.into())
        };
        Options::take(arguments, variable).map_err(|error| error.to_string())
    }

    #[test]
    fn the_file_has_a_usual_place_and_can_have_another() {
        let home = ("HOME", "/home/ada");
        type Row<'a> = (
            &'a [&'a str],
            &'a [(&'a str, &'a str)],
            Result<&'a str, &'a str>,
        );
        let rows: [Row<'_>; 8] = [
            (
                &[],
                &[home],
                Ok("/home/ada/.local/share/gateway-market/market.db"),
            ),
            (
                &[],
                &[home, ("XDG_DATA_HOME", "/data")],
                Ok("/data/gateway-market/market.db"),
            ),
            (
                &[],
                &[home, ("STATE_DIRECTORY", "/var/lib/m:/x")],
                Ok("/var/lib/m/market.db"),
            ),
            (
                &["--db", "a.db"],
                &[home, ("MARKET_DB", "b.db")],
                Ok("a.db"),
            ),
            (&["--db=a.db"], &[], Ok("a.db")),
            (&[], &[("MARKET_DB", "b.db")], Ok("b.db")),
            (&["--db"], &[], Err("--db needs a file")),
            (&["--db", "a", "--db=b"], &[], Err("--db is given twice")),
        ];
        for (arguments, set, expected) in rows {
            let database = take(arguments, set).map(|(options, _)| options.database);
            let expected = expected.map(PathBuf::from).map_err(str::to_owned);
            assert_eq!(database, expected, "{arguments:?} {set:?}");
        }
        let nowhere = take(&[], &[("HOME", "")]).unwrap_err();
        assert!(nowhere.contains("--db FILE"), "{nowhere}");
    }

    #[test]
    fn what_is_not_ours_is_left_and_help_makes_no_key() {
        let given = ["--server", "raw", "--dbx", "--db=/nowhere/at/all", "--help"];
        let (options, rest) = take(&given, &[]).unwrap();
        assert_eq!(rest, ["market", "--server", "raw", "--dbx", "--help"]);
        assert!(options.aside && options.asks_for_help);
        assert!(options.settings().is_ok());
    }
}
