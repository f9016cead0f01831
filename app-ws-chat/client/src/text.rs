//! What may be said, before the server is asked.

use std::fmt;

/// The longest text of a message, in bytes of UTF-8.
pub const TEXT_BYTES: usize = 4096;

/// Why a text is not sent. Exhaustive: there are no other reasons.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TextError {
    /// Nothing but blanks.
    Blank,
    /// More than [`TEXT_BYTES`].
    TooLong {
        /// So many bytes.
        bytes: usize,
    },
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blank => f.write_str("there is nothing to send"),
            Self::TooLong { bytes } => {
                write!(f, "too long: {bytes} of {TEXT_BYTES} bytes")
            }
        }
    }
}

impl std::error::Error for TextError {}

/// A text as it may be sent: line feeds alone end lines, no control characters but those and tabs, no blanks at the end.
///
/// # Errors
///
/// [`TextError`] if nothing is left, or too much.
///
/// # Examples
///
/// ```
/// use chat_client::{TextError, tidy};
///
/// assert_eq!(tidy("a\r\nb\u{7} \n"), Ok("a\nb".into()));
/// assert_eq!(tidy(" \n"), Err(TextError::Blank));
/// ```
pub fn tidy(text: &str) -> Result<Box<str>, TextError> {
    let lines = text.replace("\r\n", "\n").replace('\r', "\n");
    let kept = lines.replace(|c: char| c.is_control() && c != '\n' && c != '\t', "");
    match kept.trim_end() {
        "" => Err(TextError::Blank),
        text if text.len() > TEXT_BYTES => Err(TextError::TooLong { bytes: text.len() }),
        text => Ok(text.into()),
    }
}
