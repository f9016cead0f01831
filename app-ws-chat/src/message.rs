//! What is said in a room, and where in its order it stands.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::name::{Cid, Nick, UserId};

/// The longest text of a message, in bytes of UTF-8: a screenful; more belongs into a file.
pub const TEXT_BYTES: usize = 4 * 1024;

/// A message that a room has accepted. Never changes, so that all who hold it share it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Message {
    /// Its place in the room.
    #[serde(rename = "o")]
    pub offset: Offset,
    /// Who said it, under the nickname of that moment.
    pub from: Person,
    /// When the room accepted it.
    #[serde(rename = "ts")]
    pub at: Timestamp,
    /// What was said.
    pub text: Text,
    /// The sender's own id of it.
    pub cid: Cid,
}

impl Message {
    /// What it takes in memory, roughly, in bytes: the measure of history's bounds.
    #[must_use]
    pub fn weight(&self) -> usize {
        size_of::<Self>() + self.text.as_str().len()
    }
}

/// Somebody in a room.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Person {
    /// Who it is, whatever the nickname.
    pub user: UserId,
    /// What to call them in this room.
    pub nick: Nick,
}

/// Somebody who is in a room, and what they may do there.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Present {
    /// Who.
    #[serde(flatten)]
    pub person: Person,
    /// What they may do.
    #[serde(
        default,
        rename = "mod",
        skip_serializing_if = "Rank::is_guest",
        with = "rank"
    )]
    pub rank: Rank,
}

/// What somebody may do in a room.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Rank {
    /// Read and say.
    #[default]
    Guest,
    /// Kick, ban, mute and slow down, too.
    Moderator,
}

impl Rank {
    const fn is_guest(&self) -> bool {
        matches!(self, Self::Guest)
    }
}

/// A [`Rank`] as the flag of the protocol.
mod rank {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Rank;

    pub(super) fn serialize<S: Serializer>(rank: &Rank, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bool(*rank == Rank::Moderator)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Rank, D::Error> {
        let moderator = bool::deserialize(from)?;
        Ok(if moderator {
            Rank::Moderator
        } else {
            Rank::Guest
        })
    }
}

/// The place of a message in its room: 1 for the first, one more for each that follows, within
/// one [`Epoch`]. 0 is before the first.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(transparent)]
pub struct Offset(pub u64);

impl Offset {
    /// The place after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The place before this one; 0 has none.
    #[must_use]
    pub const fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

/// One life of a room's history. Offsets of different epochs cannot be compared: who comes back
/// with another epoch has to start afresh.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Epoch(Arc<str>);

impl Epoch {
    /// An epoch that has not been before, made from a random number.
    #[must_use]
    pub fn new(random: u64) -> Self {
        Self(format!("{random:016x}").into())
    }

    /// An epoch as a store has kept it.
    pub(crate) fn stored(text: &str) -> Self {
        Self(text.into())
    }

    /// The epoch as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a client has seen of a room.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct Position {
    /// The epoch it was told on joining.
    #[serde(rename = "e")]
    pub epoch: Epoch,
    /// The last offset it saw.
    #[serde(rename = "o")]
    pub offset: Offset,
}

/// Wall-clock time in milliseconds since 1970, for people to read; nothing is ordered by it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// What the system's clock says.
    #[must_use]
    pub fn now() -> Self {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// The time since `earlier`; none if the clock went backwards.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The moment so many milliseconds later.
    #[must_use]
    pub const fn plus(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

/// The text of a message: 1 to 4,096 bytes, not only white space, no control characters but line
/// feed and tab.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Text(Box<str>);

impl Text {
    /// Checks what a peer sent, and drops white space at its end.
    ///
    /// # Errors
    ///
    /// [`TextError`] says which rule is broken.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        let text = text.trim_end();
        if text.trim_start().is_empty() {
            return Err(TextError::Empty);
        }
        if text.len() > TEXT_BYTES {
            return Err(TextError::TooLong);
        }
        if text
            .chars()
            .any(|c| c.is_control() && c != '\n' && c != '\t')
        {
            return Err(TextError::Control);
        }
        Ok(Self(text.into()))
    }

    /// The text itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

/// Why a text cannot be sent. Exhaustive: a client is told which.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TextError {
    /// Nothing but white space.
    Empty,
    /// More than 4,096 bytes.
    TooLong,
    /// A control character other than line feed and tab.
    Control,
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the message is empty",
            Self::TooLong => "the message is longer than 4096 bytes",
            Self::Control => "the message contains a control character",
        })
    }
}

impl std::error::Error for TextError {}

#[cfg(test)]
mod tests {
    use super::{TEXT_BYTES, Text, TextError};

    #[test]
    fn texts_are_one_byte_to_four_kibibytes_without_control_characters() {
        let check = |text: &str, expected: Result<&str, TextError>| {
            let parsed = Text::parse(text);
            assert_eq!(
                parsed.as_ref().map(Text::as_str),
                expected.as_ref().copied()
            );
        };
        check("hello", Ok("hello"));
        check("  fn main() {\n\t}\n\n", Ok("  fn main() {\n\t}"));
        check(" \n ", Err(TextError::Empty));
        check("a\u{7}", Err(TextError::Control));
        check("a\r\nb", Err(TextError::Control));
        let longest = "x".repeat(TEXT_BYTES);
        check(&longest, Ok(&longest));
        check(&"x".repeat(TEXT_BYTES + 1), Err(TextError::TooLong));
    }
}
