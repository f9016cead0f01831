//! What the program is told: where its history is, whom it is joined with, who may moderate.
//!
//! These flags stand beside the launcher's; what is none of ours is left for it.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::bus::{RedisBus, RedisBusError};
use crate::chat::Chat;
use crate::key::Keys;
use crate::store::{SqliteStore, StoreError};

/// Our part of `--help`.
pub const HELP: &str = "\
The chat:
  --db FILE
      Keep the history in this file, made if there is none; `memory` keeps it as long as
      the process lives [default: chat.db in $STATE_DIRECTORY, or in gateway-chat below
      $XDG_DATA_HOME or ~/.local/share]
  --bus ADDRESS
      Share the rooms with all nodes that name the same Redis: redis://HOST:PORT or
      unix:///PATH; or a cluster, redis-cluster://HOST:PORT,HOST:PORT?replicas=N, whose
      primaries need N replicas each to acknowledge a message [default: 1]. The history is
      there then, and not in a file. Redis has to keep what it has:
      redis-server --appendonly yes --appendfsync always
  --moderator-token FILE
      Who joins with the token in this file may kick, ban, mute and slow down; it is the
      file's text without white space around it, 16 bytes at least
  --host-token FILE
      Who asks /admin/ with this bearer token is answered
Each can also be given by the environment: CHAT_DB, CHAT_BUS, CHAT_MODERATOR_TOKEN,
CHAT_HOST_TOKEN. A flag is stronger.

";

/// The flags, each with its variable.
const FLAGS: [(&str, &str); 4] = [
    ("--db", "CHAT_DB"),
    ("--bus", "CHAT_BUS"),
    ("--moderator-token", "CHAT_MODERATOR_TOKEN"),
    ("--host-token", "CHAT_HOST_TOKEN"),
];

/// What is asked for when nothing is to be served.
const ASIDE: [&str; 5] = ["--help", "-h", "--version", "-V", "--check"];

/// Where the history is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Place {
    /// In the process.
    Memory,
    /// In a file.
    File(PathBuf),
    /// In a Redis that other nodes use, too: its address.
    Bus(Box<str>),
}

/// What the program is told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Options {
    /// Where the history is.
    pub place: Place,
    /// The file of the moderators' token.
    pub moderators: Option<PathBuf>,
    /// The file of the host's token.
    pub host: Option<PathBuf>,
    /// Whether the program is only to say something, and to serve nobody.
    pub aside: bool,
}

/// Why there is no chat. Each says what to do.
#[derive(Debug)]
pub enum OptionsError {
    /// A flag without its value.
    NoValue(&'static str),
    /// A flag given twice.
    Twice(&'static str),
    /// No directory for the history is known.
    NoPlace,
    /// A file or a directory that cannot be read, made or used.
    File {
        /// Which flag it belongs to.
        flag: &'static str,
        /// The file.
        file: PathBuf,
        /// What is wrong.
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The history is to be in a file and in Redis.
    TwoPlaces,
    /// The history cannot be opened.
    Store(StoreError),
    /// The bus cannot be used.
    Bus(RedisBusError),
}

impl fmt::Display for OptionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoValue(flag) => write!(f, "{flag} needs a value"),
            Self::Twice(flag) => write!(f, "{flag} is given twice"),
            Self::NoPlace => f.write_str(
                "no place for the history is known, because neither STATE_DIRECTORY, XDG_DATA_HOME nor HOME is set; \
                 give --db FILE, or --db memory",
            ),
            Self::File { flag, file, cause } => write!(f, "{flag}: {}: {cause}", file.display()),
            Self::TwoPlaces => f.write_str("with --bus the history is in Redis: --db has no place beside it"),
            Self::Bus(error) => write!(f, "--bus: {error}; an address is redis://HOST:PORT, unix:///PATH or redis-cluster://HOST:PORT"),
            Self::Store(error) => {
                f.write_str("--db: ")?;
                match std::error::Error::source(error) {
                    Some(cause) => write!(f, "{cause}"),
                    None => write!(f, "{error}"),
                }
            }
        }
    }
}

impl std::error::Error for OptionsError {}

impl Options {
    /// Takes our flags out of the arguments (the first is the program's name) and reads our variables; gives what is left.
    ///
    /// # Errors
    ///
    /// [`OptionsError`] says which flag is wrong, and how.
    ///
    /// # Examples
    ///
    /// ```
    /// use app_ws_chat::options::{Options, Place};
    ///
    /// let arguments = ["chat", "--server", "hyper", "--db", "memory"].map(Into::into);
    /// let (options, rest) = Options::take(arguments, |_| None)?;
    /// assert_eq!(options.place, Place::Memory);
    /// assert_eq!(rest, ["chat", "--server", "hyper"]);
    /// # Ok::<(), app_ws_chat::options::OptionsError>(())
    /// ```
    pub fn take(
        arguments: impl IntoIterator<Item = OsString>,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<(Self, Vec<OsString>), OptionsError> {
        let mut given: [Option<OsString>; FLAGS.len()] = Default::default();
        let mut rest = Vec::new();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let Some((at, value)) = ours(&argument) else {
                rest.push(argument);
                continue;
            };
            let flag = FLAGS[at].0;
            let value = value.or_else(|| arguments.next());
            let value = value.ok_or(OptionsError::NoValue(flag))?;
            if given[at].replace(value).is_some() {
                return Err(OptionsError::Twice(flag));
            }
        }
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        for (value, (_, name)) in given.iter_mut().zip(FLAGS) {
            *value = value.take().or_else(|| set(name));
        }
        let [db, bus, moderators, host] = given;
        let aside = rest
            .iter()
            .any(|one| ASIDE.iter().any(|aside| one == aside));
        let place = match db {
            _ if aside => Place::Memory,
            Some(_) if bus.is_some() => return Err(OptionsError::TwoPlaces),
            None if let Some(bus) = bus => Place::Bus(bus.to_string_lossy().into()),
            Some(db) if db == "memory" => Place::Memory,
            Some(db) => Place::File(db.into()),
            None => Place::File(usual_place(set).ok_or(OptionsError::NoPlace)?),
        };
        let options = Self {
            place,
            moderators: moderators.map(Into::into),
            host: host.map(Into::into),
            aside,
        };
        Ok((options, rest))
    }

    /// The chat that is asked for.
    ///
    /// # Errors
    ///
    /// A file that cannot be used.
    pub fn chat(&self) -> Result<Chat, OptionsError> {
        if self.aside {
            return Ok(Chat::new());
        }
        let mut keys = Keys::default();
        if let Some(file) = &self.moderators {
            keys = lock(FLAGS[2].0, file, |token| keys.with_moderators(token))?;
        }
        if let Some(file) = &self.host {
            keys = lock(FLAGS[3].0, file, |token| keys.with_host(token))?;
        }
        let chat = match &self.place {
            Place::Memory => Chat::new(),
            Place::Bus(address) => {
                let bus = RedisBus::new(address).map_err(OptionsError::Bus)?;
                Chat::with_bus(Arc::new(bus))
            }
            Place::File(file) => {
                if let Some(directory) = file.parent().filter(|path| !path.as_os_str().is_empty()) {
                    std::fs::create_dir_all(directory)
                        .map_err(|cause| wrong(FLAGS[0].0, directory, cause))?;
                }
                Chat::with_store(SqliteStore::open(file).map_err(OptionsError::Store)?)
            }
        };
        Ok(chat.with_keys(keys))
    }
}

/// Whether an argument is one of our flags, and its value if it is in the same one.
fn ours(argument: &OsStr) -> Option<(usize, Option<OsString>)> {
    let text = argument.as_encoded_bytes();
    FLAGS.iter().enumerate().find_map(|(at, (flag, _))| {
        if argument == *flag {
            return Some((at, None));
        }
        let value = text.strip_prefix(flag.as_bytes())?.strip_prefix(b"=")?;
        // A value of ours is a path or an address: what is no UTF-8 can be given in an argument of its own.
        let value = str::from_utf8(value).ok()?;
        Some((at, Some(value.into())))
    })
}

fn usual_place(set: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    if let Some(state) = set("STATE_DIRECTORY") {
        // Of several the first: systemd separates them by colons.
        let state = state.to_string_lossy().split(':').next()?.to_owned();
        return Some(Path::new(&state).join("chat.db"));
    }
    let data = set("XDG_DATA_HOME").map(PathBuf::from);
    let data = data.or_else(|| set("HOME").map(|home| Path::new(&home).join(".local/share")))?;
    Some(data.join("gateway-chat").join("chat.db"))
}

fn lock<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
    flag: &'static str,
    file: &Path,
    fit: impl FnOnce(&str) -> Result<Keys, E>,
) -> Result<Keys, OptionsError> {
    let token = std::fs::read_to_string(file).map_err(|cause| wrong(flag, file, cause))?;
    fit(token.trim()).map_err(|cause| wrong(flag, file, cause))
}

fn wrong(
    flag: &'static str,
    file: &Path,
    cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> OptionsError {
    OptionsError::File {
        flag,
        file: file.to_owned(),
        cause: cause.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::path::PathBuf;

    use super::{Options, OptionsError, Place};

    fn take(arguments: &[&str], set: &[(&str, &str)]) -> Result<(Options, Vec<OsString>), String> {
        let arguments = ["chat"].iter().chain(arguments).map(OsString::from);
        let variable = |name: &str| {
            let found = set.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.into())
        };
        Options::take(arguments, variable).map_err(|error| error.to_string())
    }

    #[test]
    fn the_history_has_a_usual_place_and_can_have_another() {
        let file = |path: &str| Ok(Place::File(PathBuf::from(path)));
        let home = ("HOME", "/home/ada");
        type Row<'a> = (
            &'a [&'a str],
            &'a [(&'a str, &'a str)],
            Result<Place, &'a str>,
        );
        let rows: [Row<'_>; 12] = [
            (
                &[],
                &[home],
                file("/home/ada/.local/share/gateway-chat/chat.db"),
            ),
            (
                &[],
                &[home, ("XDG_DATA_HOME", "/data")],
                file("/data/gateway-chat/chat.db"),
            ),
            (
                &[],
                &[home, ("STATE_DIRECTORY", "/var/lib/chat:/x")],
                file("/var/lib/chat/chat.db"),
            ),
            (
                &["--db", "a.db"],
                &[home, ("CHAT_DB", "b.db")],
                file("a.db"),
            ),
            (&["--db=a.db"], &[], file("a.db")),
            (&[], &[("CHAT_DB", "memory")], Ok(Place::Memory)),
            (&["--check"], &[home], Ok(Place::Memory)),
            (
                &["--bus", "redis://a"],
                &[home],
                Ok(Place::Bus("redis://a".into())),
            ),
            (
                &[],
                &[home, ("CHAT_BUS", "redis://a")],
                Ok(Place::Bus("redis://a".into())),
            ),
            (
                &["--bus", "redis://a", "--db", "b"],
                &[],
                Err("with --bus the history is in Redis: --db has no place beside it"),
            ),
            (&["--db"], &[], Err("--db needs a value")),
            (&["--db", "a", "--db=b"], &[], Err("--db is given twice")),
        ];
        for (arguments, set, expected) in rows {
            let place = take(arguments, set).map(|(options, _)| options.place);
            let expected = expected.map_err(str::to_owned);
            assert_eq!(place, expected, "{arguments:?} {set:?}");
        }
        let nowhere = take(&[], &[("HOME", "")]).unwrap_err();
        assert!(nowhere.contains("--db FILE"), "{nowhere}");
    }

    #[test]
    fn what_is_not_ours_is_left() {
        let given = [
            "--server",
            "raw",
            "--db=a",
            "--dbx",
            "--host-token",
            "t",
            "--bind",
            "x",
        ];
        let (options, rest) = take(&given, &[]).unwrap();
        assert_eq!(rest, ["chat", "--server", "raw", "--dbx", "--bind", "x"]);
        assert_eq!(options.host, Some(PathBuf::from("t")));
    }

    #[test]
    fn a_token_that_is_short_or_nowhere_is_an_error_that_names_its_file() {
        let file = std::env::temp_dir().join(format!("chat-token-{}", std::process::id()));
        let name = file.to_str().unwrap();
        let chat = || {
            take(&["--db", "memory", "--host-token", name], &[])
                .unwrap()
                .0
                .chat()
        };
        let error = |chat: Result<_, OptionsError>| chat.map(drop).unwrap_err().to_string();
        assert!(error(chat()).contains(name), "{}", error(chat()));
        std::fs::write(&file, "  short \n").unwrap();
        let short = error(chat());
        std::fs::write(&file, "  long enough to be one \n").unwrap();
        let long = chat().map(drop);
        std::fs::remove_file(&file).unwrap();
        assert_eq!(
            short,
            format!("--host-token: {name}: a token needs at least 16 bytes")
        );
        assert!(long.is_ok());
    }
}
