//! How sockets listen and who accepts.

use std::fmt;
use std::str::FromStr;

/// Which thread accepts the connections of a TCP address.
///
/// A single worker accepts for itself. Unix sockets and descriptors that were passed to the process have one listener, so with
/// several workers their connections are always handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Accepting {
    /// A thread of its own, which hands each connection to the worker that has the least to do: connections, and those at work
    /// once more. A worker that an application holds gets no more than its share of those that wait; `bench/README.md` has
    /// figures.
    #[default]
    HandOff,
    /// Each worker, by a listener of its own (`SO_REUSEPORT`): the kernel spreads connections by a hash of their addresses,
    /// whatever the workers have to do. For more new connections a second than one thread can accept.
    PerWorker,
}

/// The files of unix sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnixSockets {
    /// The file's mode. 0660: the user and the group of the server may connect, and nobody else. Uvicorn's 0666 lets everyone.
    pub mode: u32,
    /// The file's owner; the process's own if there is none. Only root may give files away.
    pub owner: Option<Owner>,
}

impl Default for UnixSockets {
    fn default() -> Self {
        Self {
            mode: 0o660,
            owner: None,
        }
    }
}

/// A user, a group or both, by name or number: `app`, `app:www-data`, `:33`.
///
/// # Examples
///
/// ```
/// use server_host::Owner;
///
/// let owner: Owner = "app:www-data".parse()?;
/// assert_eq!(owner.group.as_deref(), Some("www-data"));
/// assert_eq!(owner.to_string(), "app:www-data");
/// # Ok::<(), server_host::BadOwner>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Owner {
    /// The user.
    pub user: Option<String>,
    /// The group.
    pub group: Option<String>,
}

/// A text that names neither a user nor a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadOwner;

impl FromStr for Owner {
    type Err = BadOwner;

    fn from_str(text: &str) -> Result<Self, BadOwner> {
        let (user, group) = text.split_once(':').unwrap_or((text, ""));
        let named = |name: &str| (!name.is_empty()).then(|| name.to_owned());
        match (named(user), named(group)) {
            (None, None) => Err(BadOwner),
            (user, group) if !group.iter().any(|group| group.contains(':')) => {
                Ok(Self { user, group })
            }
            _ => Err(BadOwner),
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.user.as_deref().unwrap_or_default())?;
        match &self.group {
            Some(group) => write!(f, ":{group}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for BadOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an owner is USER, USER:GROUP or :GROUP, by name or number")
    }
}

impl std::error::Error for BadOwner {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_a_user_a_group_or_both() {
        for text in ["app", "app:www-data", ":33", "1000:1000"] {
            let owner: Owner = text.parse().expect("an owner");
            assert_eq!(owner.to_string(), text);
        }
        for text in ["", ":", "a:b:c"] {
            assert_eq!(text.parse::<Owner>(), Err(BadOwner), "{text}");
        }
    }
}
