//! Where the access log goes.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where the access log goes.
///
/// # Examples
///
/// ```
/// use server_host::LogTarget;
///
/// assert_eq!("on".parse(), Ok(LogTarget::Stderr));
/// assert_eq!("./access.log".parse(), Ok(LogTarget::File("./access.log".into())));
/// assert!("acess".parse::<LogTarget>().is_err(), "a path has a slash");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum LogTarget {
    /// Nowhere: there is none.
    Off,
    /// To standard error.
    #[default]
    Stderr,
    /// To standard output.
    Stdout,
    /// To the end of this file, which is opened anew at SIGHUP and SIGUSR1: so it can be moved away and replaced.
    File(PathBuf),
}

impl FromStr for LogTarget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" | "false" => Ok(Self::Off),
            "on" | "true" | "stderr" => Ok(Self::Stderr),
            "stdout" => Ok(Self::Stdout),
            path if path.contains('/') => Ok(Self::File(path.into())),
            other => Err(format!(
                "{other:?} is none of on, off, stderr, stdout; and no path of a file, which has a slash"
            )),
        }
    }
}

impl fmt::Display for LogTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Stderr => f.write_str("stderr"),
            Self::Stdout => f.write_str("stdout"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}
