//! Content codings, and which of them a client takes (RFC 9110 sections 8.4.1 and 12.5.3).

use std::fmt;

use gateway_spec::Headers;
use http::HeaderValue;
use http::header::ACCEPT_ENCODING;

/// A coding of content: `files` finds variants in it, `compress` makes them.
///
/// # Examples
///
/// ```
/// use adapters::ContentCoding;
///
/// assert_eq!(ContentCoding::Brotli.token(), "br");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContentCoding {
    /// `br` (RFC 7932).
    Brotli,
    /// `zstd` (RFC 8878, with the window of RFC 9659).
    Zstd,
    /// `gzip` (RFC 1952).
    Gzip,
}

impl ContentCoding {
    /// All of them, the one first that makes text smallest when it has all the time it wants.
    pub const ALL: [Self; 3] = [Self::Brotli, Self::Zstd, Self::Gzip];

    /// Its name in `Accept-Encoding` and `Content-Encoding`.
    #[must_use]
    pub const fn token(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }

    pub(crate) const fn value(self) -> HeaderValue {
        HeaderValue::from_static(self.token())
    }

    /// The coding of a name, in any case; `x-gzip` is gzip (RFC 9110 section 8.4.1.3).
    pub(crate) fn of_token(token: &[u8]) -> Option<Self> {
        if token.eq_ignore_ascii_case(b"x-gzip") {
            return Some(Self::Gzip);
        }
        let is_named = |coding: &Self| token.eq_ignore_ascii_case(coding.token().as_bytes());
        Self::ALL.into_iter().find(is_named)
    }

    const fn index(self) -> usize {
        match self {
            Self::Brotli => 0,
            Self::Zstd => 1,
            Self::Gzip => 2,
        }
    }
}

impl fmt::Display for ContentCoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.token())
    }
}

/// What a client's `Accept-Encoding` says: weights in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Acceptable {
    codings: [Option<u16>; ContentCoding::ALL.len()],
    identity: Option<u16>,
    /// Of what is not named.
    rest: Option<u16>,
}

/// What a representation is to be sent as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    Coded(ContentCoding),
    Identity,
    /// Nothing that there is is acceptable.
    Nothing,
}

/// What identity weighs where nothing is said of it: it is acceptable, and anything that was asked for is better.
const LEAST: u16 = 1;

impl Acceptable {
    /// Without the field a client has said nothing, and gets what everybody understands.
    pub(crate) fn of(headers: &Headers) -> Self {
        let mut acceptable = Self::default();
        let values = headers.get_all(ACCEPT_ENCODING);
        for member in values.flat_map(|value| value.split(|&byte| byte == b',')) {
            if let Some((name, weight)) = weighted(member) {
                acceptable.note(name, weight);
            }
        }
        acceptable
    }

    fn note(&mut self, name: &[u8], weight: u16) {
        let slot = if name == b"*" {
            &mut self.rest
        } else if name.eq_ignore_ascii_case(b"identity") {
            &mut self.identity
        } else {
            match ContentCoding::of_token(name) {
                Some(coding) => &mut self.codings[coding.index()],
                None => return,
            }
        };
        // Of one that is named twice, the first counts.
        slot.get_or_insert(weight);
    }

    pub(crate) fn weight(&self, coding: ContentCoding) -> u16 {
        self.codings[coding.index()].or(self.rest).unwrap_or(0)
    }

    fn identity(&self) -> u16 {
        self.identity.or(self.rest).unwrap_or(LEAST)
    }

    /// Whether the content as it is is acceptable.
    #[cfg(feature = "compression")]
    pub(crate) fn takes_identity(&self) -> bool {
        self.identity() > 0
    }

    /// The heaviest of these; among equals the first, and identity last.
    pub(crate) fn choose(&self, offered: impl IntoIterator<Item = ContentCoding>) -> Choice {
        let mut best = (0, Choice::Nothing);
        for coding in offered {
            let weight = self.weight(coding);
            if weight > best.0 {
                best = (weight, Choice::Coded(coding));
            }
        }
        if self.identity() > best.0 {
            return Choice::Identity;
        }
        best.1
    }
}

/// A member's name and weight; one that is malformed counts as not there.
fn weighted(member: &[u8]) -> Option<(&[u8], u16)> {
    let mut parts = member.split(|&byte| byte == b';');
    let name = parts.next()?.trim_ascii();
    if name.is_empty() {
        return None;
    }
    let Some(parameter) = parts.next() else {
        return Some((name, 1000));
    };
    if parts.next().is_some() {
        return None;
    }
    let (b"q" | b"Q", value) = split_once(parameter.trim_ascii(), b'=')? else {
        return None;
    };
    Some((name, qvalue(value)?))
}

fn split_once(bytes: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let position = bytes.iter().position(|&byte| byte == at)?;
    Some((&bytes[..position], &bytes[position + 1..]))
}

/// RFC 9110 section 12.4.2, in thousandths.
fn qvalue(value: &[u8]) -> Option<u16> {
    let (&first, rest) = value.split_first()?;
    let digits = match rest.split_first() {
        None => rest,
        Some((b'.', digits)) if digits.len() <= 3 => digits,
        Some(_) => return None,
    };
    let mut thousandths = match first {
        b'0' => 0,
        b'1' => 1000,
        _ => return None,
    };
    for (digit, scale) in digits.iter().zip([100, 10, 1]) {
        let digit = digit.is_ascii_digit().then(|| u16::from(digit - b'0'))?;
        thousandths += digit * scale;
    }
    (thousandths <= 1000).then_some(thousandths)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acceptable(values: &[&'static str]) -> Acceptable {
        let fields = values
            .iter()
            .map(|value| (ACCEPT_ENCODING, HeaderValue::from_static(value)));
        Acceptable::of(&fields.collect())
    }

    #[test]
    fn the_heaviest_is_chosen_and_the_first_among_equals() {
        use Choice::{Coded, Identity, Nothing};
        use ContentCoding::{Brotli, Gzip, Zstd};
        for (values, expected) in [
            (&[][..], Identity),
            (&[""], Identity),
            (&["gzip"], Coded(Gzip)),
            (&["GZIP"], Coded(Gzip)),
            (&["x-gzip"], Coded(Gzip)),
            (&["gzip, deflate, br, zstd"], Coded(Brotli)),
            (&["gzip, zstd"], Coded(Zstd)),
            (&["gzip", "zstd;q=0.9"], Coded(Gzip)),
            (&["gzip;q=0.5, br;q=0.4"], Coded(Gzip)),
            (&["gzip ; q=0.5,br ;q=0.501"], Coded(Brotli)),
            (&["gzip;Q=0.5"], Coded(Gzip)),
            (&["gzip;q=0"], Identity),
            (&["gzip;q=0.000, identity"], Identity),
            (&["gzip;q=0.5, identity"], Identity),
            (&["gzip, identity"], Coded(Gzip)),
            (&["gzip;q=0.001"], Coded(Gzip)),
            (&["identity;q=0"], Nothing),
            (&["identity;q=0, gzip"], Coded(Gzip)),
            (&["*"], Coded(Brotli)),
            (&["*;q=0"], Nothing),
            (&["*;q=0, gzip"], Coded(Gzip)),
            (&["*;q=0, identity"], Identity),
            (&["*;q=0.5, gzip;q=0.2, br;q=0"], Coded(Zstd)),
            (&["br;q=0, *;q=0.1, gzip"], Coded(Gzip)),
            (&["deflate, compress"], Identity),
            (&["gzip;q=2"], Identity),
            (&["gzip;q=0.1234"], Identity),
            (&["gzip;q=1.001"], Identity),
            (&["gzip;q=.5"], Identity),
            (&["gzip;q="], Identity),
            (&["gzip;q"], Identity),
            (&["gzip;level=1"], Identity),
            (&["gzip;q=1;q=1"], Identity),
            (&["gzip;q=-1"], Identity),
            (&[",, gzip ,"], Coded(Gzip)),
            (&["gzip;q=1."], Coded(Gzip)),
            (&["gzip;q=0, gzip"], Identity),
        ] {
            let chosen = acceptable(values).choose(ContentCoding::ALL);
            assert_eq!(chosen, expected, "{values:?}");
        }
    }

    #[test]
    fn only_what_is_offered_is_chosen() {
        let all = acceptable(&["br, zstd, gzip;q=0.1, identity;q=0"]);
        let gzip = Choice::Coded(ContentCoding::Gzip);
        assert_eq!(all.choose([ContentCoding::Gzip]), gzip);
        assert_eq!(all.choose([]), Choice::Nothing);
    }
}
