//! What the market is told before it starts: where its things are, and what signs its cookies.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use app_router::middleware::{Rate, SessionKey};

/// Bytes of a key: as long as the hash that signs is.
const KEY_BYTES: usize = 32;

/// Where the market's things are, what signs its cookies, and how often a password may be tried.
///
/// # Examples
///
/// ```
/// use app_router::middleware::{Rate, SessionKey};
/// use market::Settings;
///
/// let key = SessionKey::from_secret(&[7; 32])?;
/// let settings = Settings::new("/tmp/market.db", key).with_attempts(Rate::per_minute(5));
/// let app = market::market(settings);
/// # let _ = app;
/// # Ok::<(), app_router::middleware::BadKey>(())
/// ```
#[derive(Debug, Clone)]
pub struct Settings {
    database: PathBuf,
    pub(crate) key: SessionKey,
    pub(crate) attempts: Rate,
}

impl Settings {
    /// A market whose things are in this file, which is made when it starts.
    #[must_use]
    pub fn new(database: impl Into<PathBuf>, key: SessionKey) -> Self {
        Self {
            database: database.into(),
            key,
            // Enough for somebody who has forgotten which one it was, too few for a list of common passwords.
            attempts: Rate::per_minute(10),
        }
    }

    /// As [`new`](Self::new), with a key of its own in a file beside the database (`.key` behind its name), so that
    /// people stay logged in when the program starts again. It is made if there is none, for its owner's eyes alone; who
    /// removes it logs everybody out.
    ///
    /// # Errors
    ///
    /// If the file cannot be made or read, or holds no key.
    ///
    /// # Examples
    ///
    /// ```
    /// let directory = std::env::temp_dir().join(format!("market-example-{}", std::process::id()));
    /// let settings = market::Settings::open(directory.join("market.db"))?;
    /// assert!(directory.join("market.db.key").is_file());
    /// # let _ = settings;
    /// # std::fs::remove_dir_all(&directory).unwrap();
    /// # Ok::<(), market::KeyError>(())
    /// ```
    pub fn open(database: impl Into<PathBuf>) -> Result<Self, KeyError> {
        let database = database.into();
        let mut name = database.clone().into_os_string();
        name.push(".key");
        let file = PathBuf::from(name);
        let key = key_in(&file).map_err(|cause| KeyError { file, cause })?;
        Ok(Self::new(database, key))
    }

    /// Sets how often one address may sign up or log in.
    #[must_use]
    pub const fn with_attempts(mut self, attempts: Rate) -> Self {
        self.attempts = attempts;
        self
    }

    /// The file of the database.
    #[must_use]
    pub fn database(&self) -> &Path {
        &self.database
    }
}

fn key_in(file: &Path) -> io::Result<SessionKey> {
    let secret = match fs::read(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => make_secret(file)?,
        read => read?,
    };
    let wrong = |_| {
        let why = format!("it holds no key of {KEY_BYTES} bytes: remove it, and a new one is made");
        io::Error::new(io::ErrorKind::InvalidData, why)
    };
    SessionKey::from_secret(&secret).map_err(wrong)
}

/// Makes the file, whole or not at all; gives what is in it, which may be another process's that was faster.
fn make_secret(file: &Path) -> io::Result<Vec<u8>> {
    if let Some(directory) = file.parent() {
        fs::create_dir_all(directory)?;
    }
    let mut secret = [0; KEY_BYTES];
    getrandom::fill(&mut secret).map_err(io::Error::other)?;
    let mut begun = file.to_owned().into_os_string();
    begun.push(format!(".{}", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut writing = options.open(&begun)?;
    writing.write_all(&secret)?;
    writing.sync_all()?;
    let linked = fs::hard_link(&begun, file);
    fs::remove_file(&begun)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => fs::read(file),
    }
}

/// The file of the key cannot be used.
#[derive(Debug)]
pub struct KeyError {
    file: PathBuf,
    cause: io::Error,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file.display(), self.cause)
    }
}

impl std::error::Error for KeyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_key_stays_and_one_that_is_none_is_told() {
        let directory = std::env::temp_dir().join(format!("market-key-{}", std::process::id()));
        let database = directory.join("market.db");
        Settings::open(&database).unwrap();
        let file = directory.join("market.db.key");
        let first = fs::read(&file).unwrap();
        assert_eq!(first.len(), KEY_BYTES);
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        Settings::open(&database).unwrap();
        assert_eq!(fs::read(&file).unwrap(), first);
        fs::write(&file, "short").unwrap();
        let error = Settings::open(&database).unwrap_err().to_string();
        fs::remove_dir_all(&directory).unwrap();
        assert!(error.contains("market.db.key: it holds no key"), "{error}");
    }
}
