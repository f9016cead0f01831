//! Names and identities: what a room, a nickname, a user and a message may be called.
//!
//! Text of a peer in, a checked value out; nobody downstream checks again. Which name is taken is
//! the affair of [`presence`](crate::presence).

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The longest room name or nickname, in characters: fits a phone's header in one line.
pub const NAME_CHARS: usize = 32;

/// The longest [`Cid`] or [`UserKey`], in bytes: room for a UUID with a prefix.
const ID_BYTES: usize = 64;

/// Marks on one character of a name: the scripts that stack them need no more, and more run over what is above and below.
const MARKS: usize = 4;

/// The shortest [`UserKey`], in bytes: 16 characters of base64 are 96 bits, too many to guess.
const KEY_BYTES_MIN: usize = 16;

/// The name of a room: 1 to 32 characters, as in [`Nick`]. Case matters.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct RoomName(Arc<str>);

impl RoomName {
    /// Checks and tidies what a peer sent, see [`Nick::parse`].
    ///
    /// # Errors
    ///
    /// [`NameError`] says which rule is broken.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        tidy(text).map(|name| Self(name.into()))
    }

    /// A name as a store has kept it, see [`Nick::stored`].
    pub(crate) fn stored(text: &str) -> Self {
        Self(text.into())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A nickname: 1 to 32 characters, none of which is a control character, reverses the direction
/// of the text around it, or takes no room (they would let two names look alike). Each word begins with something that
/// is seen, and no character has more than four marks on it.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize)]
pub struct Nick(Arc<str>);

impl Nick {
    /// Checks and tidies what a peer sent: white space at the ends is dropped, inner runs of it
    /// become one space.
    ///
    /// # Errors
    ///
    /// [`NameError`] says which rule is broken.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        tidy(text).map(|name| Self(name.into()))
    }

    /// A nickname as a store has kept it, perhaps under other rules: a stricter one must not make a room's history unreadable.
    pub(crate) fn stored(text: &str) -> Self {
        Self(text.into())
    }

    /// The nickname as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form in which two nicknames are compared: without case, without joiners, and without the ways in which the same
    /// character can be written (NFKD). Letters of other scripts that look alike stay different.
    #[must_use]
    pub(crate) fn folded(&self) -> Box<str> {
        let plain = self.0.nfkd().filter(|&c| !is_joiner(c));
        plain.flat_map(char::to_lowercase).collect()
    }

    /// `Ada` as `Ada (2)`; the base is cut so that the result is no longer than a name may be.
    #[must_use]
    pub(crate) fn numbered(&self, number: usize) -> Self {
        let suffix = format!(" ({number})");
        let room = NAME_CHARS.saturating_sub(suffix.len());
        let base: String = self.0.chars().take(room).collect();
        Self(format!("{}{suffix}", base.trim_end()).into())
    }
}

/// The secret that a client keeps to be the same user in every tab and after a reconnect: 16 to 64
/// letters, digits, `-` or `_`. Nobody but its owner ever sees it; others see the [`UserId`].
#[derive(Clone, Eq, PartialEq)]
pub struct UserKey(Box<str>);

impl UserKey {
    /// Checks what a peer sent.
    ///
    /// # Errors
    ///
    /// [`NameError`] says which rule is broken.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        match text.len() {
            0..KEY_BYTES_MIN => Err(NameError::TooShort),
            KEY_BYTES_MIN..=ID_BYTES if text.bytes().all(plain) => Ok(Self(text.into())),
            KEY_BYTES_MIN..=ID_BYTES => Err(NameError::Unprintable),
            _ => Err(NameError::TooLong),
        }
    }
}

impl fmt::Debug for UserKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserKey(..)")
    }
}

/// Who somebody is, for everybody to see: the first 64 bits of the SHA-256 of the [`UserKey`], so
/// that it survives reconnects and restarts and gives no key away. Written as 16 hex digits.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct UserId(u64);

impl UserId {
    /// The user that holds `key`.
    #[must_use]
    pub fn of(key: &UserKey) -> Self {
        let digest = Sha256::digest(key.0.as_bytes());
        Self(
            digest
                .iter()
                .take(8)
                .fold(0, |id, &byte| id << 8 | u64::from(byte)),
        )
    }

    /// A user for as long as one connection lasts, made from a random number: the client that
    /// keeps no key.
    #[must_use]
    pub const fn passing(random: u64) -> Self {
        Self(random)
    }
}

impl UserId {
    /// None comes before it.
    pub(crate) const LEAST: Self = Self(0);

    /// The number, for stores.
    pub(crate) const fn to_bits(self) -> u64 {
        self.0
    }

    /// Reads what [`Display`](fmt::Display) writes: 16 hex digits.
    ///
    /// # Errors
    ///
    /// [`NameError`] says which rule is broken.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let digits = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        match text.len() {
            0 => Err(NameError::Empty),
            1..16 => Err(NameError::TooShort),
            16 if digits => u64::from_str_radix(text, 16)
                .map(Self)
                .map_err(|_| NameError::Unprintable),
            16 => Err(NameError::Unprintable),
            _ => Err(NameError::TooLong),
        }
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Serialize for UserId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The client's own id of a message: 1 to 64 printable ASCII characters. Sent again, it names the
/// same message.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize)]
pub struct Cid(Arc<str>);

impl Cid {
    /// Checks what a peer sent.
    ///
    /// # Errors
    ///
    /// [`NameError`] says which rule is broken.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        match text.len() {
            0 => Err(NameError::Empty),
            1..=ID_BYTES if text.bytes().all(|b| b.is_ascii_graphic()) => Ok(Self(text.into())),
            1..=ID_BYTES => Err(NameError::Unprintable),
            _ => Err(NameError::TooLong),
        }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text cannot be a name. Exhaustive: a client is told which.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NameError {
    /// Nothing is left after trimming.
    Empty,
    /// A key with fewer than 16 characters, which could be guessed.
    TooShort,
    /// More than 32 characters in a name, more than 64 in an id.
    TooLong,
    /// A control character, one that reverses text, one that cannot be seen.
    Unprintable,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "is empty",
            Self::TooShort => "is too short",
            Self::TooLong => "is too long",
            Self::Unprintable => "contains a character that is not allowed",
        })
    }
}

impl std::error::Error for NameError {}

/// How each comes back from a store, or from another node.
macro_rules! read {
    ($($name:ident: $read:expr;)*) => {
        $(impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
                let read: Result<Self, NameError> = $read(&text);
                read.map_err(de::Error::custom)
            }
        })*
    };
}

read! {
    RoomName: |text| Ok(RoomName::stored(text));
    Nick: |text| Ok(Nick::stored(text));
    UserId: UserId::parse;
    Cid: Cid::parse;
}

fn tidy(text: &str) -> Result<String, NameError> {
    let name = text
        .split_whitespace()
        .fold(String::new(), |mut name, word| {
            if !name.is_empty() {
                name.push(' ');
            }
            name.push_str(word);
            name
        });
    if name.chars().any(is_hidden) || !name.split(' ').all(is_seen) {
        return Err(NameError::Unprintable);
    }
    match name.chars().count() {
        0 => Err(NameError::Empty),
        1..=NAME_CHARS => Ok(name),
        _ => Err(NameError::TooLong),
    }
}

/// Control characters, text direction marks and blanks without width. The joiners are none of these: Persian and emoji need
/// them.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// What joins or varies the character before it.
const fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}')
}

/// Whether a word begins with something that is seen by itself, and no character of it is buried under marks.
fn is_seen(word: &str) -> bool {
    let mut marks = None;
    word.chars().all(|c| {
        let on_another = is_combining_mark(c) || is_joiner(c);
        marks = match marks {
            None if on_another => return false,
            Some(marks) if on_another => Some(marks + 1),
            _ => Some(0),
        };
        marks <= Some(MARKS)
    })
}

#[cfg(test)]
mod tests {
    use super::{Cid, NameError, Nick, UserId, UserKey};

    #[track_caller]
    fn check(text: &str, expected: Result<&str, NameError>) {
        let nick = Nick::parse(text);
        assert_eq!(nick.as_ref().map(Nick::as_str), expected.as_ref().copied());
    }

    #[test]
    fn names_are_trimmed_and_their_blanks_made_one() {
        check("Ada", Ok("Ada"));
        check("  Ada \t Lovelace ", Ok("Ada Lovelace"));
        check("Zoë 👩\u{200d}💻", Ok("Zoë 👩\u{200d}💻"));
    }

    #[test]
    fn names_have_one_to_thirty_two_visible_characters() {
        check("", Err(NameError::Empty));
        check(" \n ", Err(NameError::Empty));
        check(&"é".repeat(32), Ok(&"é".repeat(32)));
        check(&"é".repeat(33), Err(NameError::TooLong));
        check("A\u{0}da", Err(NameError::Unprintable));
        check("A\u{202e}da", Err(NameError::Unprintable));
        check("A\u{200b}da", Err(NameError::Unprintable));
    }

    #[test]
    fn nothing_in_a_name_is_unseen_or_buried() {
        for unseen in [
            "\u{200d}",
            "\u{fe0f}",
            "\u{301}",
            "\u{2800}",
            "\u{17b4}",
            "\u{180b}",
            "\u{1d173}",
            "Ada \u{200d}",
            "Ada \u{301}",
        ] {
            check(unseen, Err(NameError::Unprintable));
        }
        let marked = |marks| format!("a{}b", "\u{301}".repeat(marks));
        check(&marked(4), Ok(&marked(4)));
        check(&marked(5), Err(NameError::Unprintable));
        check("1\u{fe0f}\u{20e3}", Ok("1\u{fe0f}\u{20e3}"));
        check("\u{939}\u{93f}\u{928}\u{94d}\u{926}\u{940}", Ok("हिन्दी"));
    }

    #[test]
    fn nicknames_that_look_alike_fold_to_the_same() {
        let folded = |text| Nick::parse(text).unwrap().folded();
        assert_eq!(folded("ADA"), folded("ada"));
        assert_eq!(folded("A\u{200d}da"), folded("Ada"));
        assert_eq!(folded("Zoe\u{308}"), folded("Zo\u{eb}"));
        assert_eq!(folded("\u{ff21}\u{1d41d}a"), folded("ada"));
        assert_ne!(folded("Zoe"), folded("Zo\u{eb}"));
        assert_ne!(folded("Ada"), folded("Ida"));
    }

    #[test]
    fn a_numbered_nickname_is_still_a_nickname() {
        let long = Nick::parse(&"x".repeat(32)).unwrap();
        let numbered = long.numbered(10);
        assert_eq!(numbered.as_str(), format!("{} (10)", "x".repeat(27)));
        assert_eq!(Nick::parse(numbered.as_str()), Ok(numbered));
        let parted = Nick::parse(&format!("{} yyyy", "x".repeat(27))).unwrap();
        let numbered = parted.numbered(2);
        assert_eq!(numbered.as_str(), format!("{} (2)", "x".repeat(27)));
    }

    #[test]
    fn keys_are_long_enough_and_stay_secret() {
        assert_eq!(UserKey::parse("short"), Err(NameError::TooShort));
        assert_eq!(UserKey::parse(&"k".repeat(65)), Err(NameError::TooLong));
        assert_eq!(
            UserKey::parse("0123456789abcde "),
            Err(NameError::Unprintable)
        );
        let key = UserKey::parse("0123456789abcdef").unwrap();
        assert_eq!(format!("{key:?}"), "UserKey(..)");
        // echo -n 0123456789abcdef | sha256sum
        let user = UserId::of(&key);
        assert_eq!(user.to_string(), "9f9f5111f7b27a78");
        assert_eq!(UserId::parse("9f9f5111f7b27a78"), Ok(user));
        assert_eq!(
            UserId::parse("9F9F5111F7B27A78"),
            Err(NameError::Unprintable)
        );
        assert_eq!(UserId::parse("9f9f5111f7b27a7"), Err(NameError::TooShort));
    }

    #[test]
    fn message_ids_are_printable_ascii() {
        assert!(Cid::parse("4f1c-9").is_ok());
        assert_eq!(Cid::parse(""), Err(NameError::Empty));
        assert_eq!(Cid::parse("a b"), Err(NameError::Unprintable));
        assert_eq!(Cid::parse(&"c".repeat(65)), Err(NameError::TooLong));
    }
}
