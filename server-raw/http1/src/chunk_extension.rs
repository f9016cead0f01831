//! The grammar of chunk extensions (RFC 9112 section 7.1.1), a byte at a time.
//!
//! What they say is read by nobody. But whoever takes a line that is none may end it elsewhere than the proxy before it, so
//! what is not of the grammar is refused.

use crate::error::PeerError;
use crate::scan;

/// Between which bytes of a size line's extensions the reading stands; the first semicolon was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extension {
    /// Behind a semicolon.
    BeforeName,
    Name,
    /// In white space behind a name, which only a semicolon or an equals sign makes right.
    BehindName,
    /// Behind an equals sign.
    BeforeValue,
    Token,
    Quoted,
    /// Behind a backslash within quotes.
    Escaped,
    /// Behind the second quote.
    QuoteEnd,
    /// In white space behind a value, which only a semicolon makes right.
    BehindValue,
}

impl Extension {
    pub(crate) fn on(self, byte: u8) -> Result<Self, PeerError> {
        match (self, byte) {
            (Self::BeforeName, b' ' | b'\t') => Ok(Self::BeforeName),
            (Self::BeforeName | Self::Name, _) if scan::is_token(byte) => Ok(Self::Name),
            (Self::Name | Self::BehindName, b' ' | b'\t') => Ok(Self::BehindName),
            (Self::Name | Self::BehindName, b'=') => Ok(Self::BeforeValue),
            (Self::BeforeValue, b' ' | b'\t') => Ok(Self::BeforeValue),
            (Self::BeforeValue, b'"') => Ok(Self::Quoted),
            (Self::BeforeValue | Self::Token, _) if scan::is_token(byte) => Ok(Self::Token),
            (Self::Quoted, b'"') => Ok(Self::QuoteEnd),
            (Self::Quoted, b'\\') => Ok(Self::Escaped),
            (Self::Quoted | Self::Escaped, b'\t' | b' '..=b'~' | 0x80..) => Ok(Self::Quoted),
            (Self::Token | Self::QuoteEnd | Self::BehindValue, b' ' | b'\t') => {
                Ok(Self::BehindValue)
            }
            (
                Self::Name | Self::BehindName | Self::Token | Self::QuoteEnd | Self::BehindValue,
                b';',
            ) => Ok(Self::BeforeName),
            _ => Err(PeerError::ChunkExtension),
        }
    }

    /// Whether the line may end here: not in white space, which the grammar has only before something.
    pub(crate) const fn may_end(self) -> bool {
        matches!(self, Self::Name | Self::Token | Self::QuoteEnd)
    }
}
