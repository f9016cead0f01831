//! Why a configuration is none: one line, with the place and the mend.

use std::error::Error;
use std::fmt;

/// Why a configuration is none.
#[derive(Debug)]
pub(crate) struct ConfigError {
    text: String,
}

impl ConfigError {
    /// `place` is where it stands: `--workers`, `GATEWAY_WORKERS` or `gateway.toml:3: workers`.
    pub(crate) fn new(place: &str, why: &str) -> Self {
        Self {
            text: format!("{place}: {why}"),
        }
    }

    /// The values are right each, but not together.
    pub(crate) fn of_all(why: &str) -> Self {
        Self {
            text: why.to_owned(),
        }
    }

    /// A name that no key has. `names` are the valid ones, in the form that they have at this place.
    pub(crate) fn unknown<'a>(
        place: &str,
        name: &str,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let near = names
            .into_iter()
            .map(|valid| (strsim::jaro_winkler(name, valid), valid))
            .filter(|(likeness, _)| *likeness > LIKE)
            .max_by(|a, b| a.0.total_cmp(&b.0));
        match near {
            Some((_, near)) => Self::new(place, &format!("unknown; did you mean {near}?")),
            None => Self::new(place, "unknown; --help lists all that there is"),
        }
    }
}

/// Likeness, of 1, from which a name may have been meant.
const LIKE: f64 = 0.75;

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // One line, whatever was given.
        self.text.chars().try_for_each(|c| match c {
            c if c.is_control() => write!(f, "{}", c.escape_default()),
            c => write!(f, "{c}"),
        })
    }
}

impl Error for ConfigError {}
