//! UTF-8 that arrives in pieces: refused at the first byte that cannot be (RFC 6455 §8.1).

use simdutf8::compat;

/// The bytes so far cannot be the start of a UTF-8 text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotUtf8;

/// What was checked so far: whole characters, and the start of one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Utf8 {
    unfinished: [u8; 3],
    length: u8,
}

impl Utf8 {
    /// Nothing yet.
    pub(crate) const EMPTY: Self = Self {
        unfinished: [0; 3],
        length: 0,
    };

    /// Checks the next bytes of the text.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), NotUtf8> {
        let rest = self.complete(bytes)?;
        let Err(error) = compat::from_utf8(rest) else {
            return Ok(());
        };
        // A length means that no byte could mend it; without one the text stops inside a character.
        if error.error_len().is_some() {
            return Err(NotUtf8);
        }
        let tail = &rest[error.valid_up_to()..];
        self.unfinished[..tail.len()].copy_from_slice(tail);
        self.length = tail.len() as u8;
        Ok(())
    }

    /// Finishes the unfinished character with the first of `bytes`, and returns the others.
    fn complete<'a>(&mut self, mut bytes: &'a [u8]) -> Result<&'a [u8], NotUtf8> {
        while self.length > 0 {
            let Some((&next, rest)) = bytes.split_first() else {
                break;
            };
            bytes = rest;
            let known = usize::from(self.length);
            let mut character = [0; 4];
            character[..known].copy_from_slice(&self.unfinished[..known]);
            character[known] = next;
            match std::str::from_utf8(&character[..=known]) {
                Ok(_) => self.length = 0,
                Err(error) if error.error_len().is_some() => return Err(NotUtf8),
                Err(_) => {
                    self.unfinished.copy_from_slice(&character[..3]);
                    self.length += 1;
                }
            }
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where a checker that is fed byte by byte first refuses.
    fn refused_at(bytes: &[u8]) -> Option<usize> {
        let mut utf8 = Utf8::EMPTY;
        bytes.iter().position(|&byte| utf8.push(&[byte]).is_err())
    }

    /// The same, by the standard library on every prefix.
    fn impossible_at(bytes: &[u8]) -> Option<usize> {
        (0..bytes.len()).find(|&end| {
            std::str::from_utf8(&bytes[..=end]).is_err_and(|error| error.error_len().is_some())
        })
    }

    #[test]
    fn refuses_at_the_first_byte_that_cannot_be() {
        const EDGES: [u8; 18] = [
            0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc1, 0xc2, 0xdf, 0xe0, 0xed, 0xef,
            0xf0, 0xf4, 0xf5, 0xff,
        ];
        for a in 0..=255 {
            for b in EDGES {
                for c in EDGES {
                    for d in EDGES {
                        let bytes = [a, b, c, d, b'x'];
                        assert_eq!(refused_at(&bytes), impossible_at(&bytes), "{bytes:02x?}");
                    }
                }
            }
        }
    }

    #[test]
    fn every_cut_gives_the_same_answer() {
        let long = "κόσμε, 🦀 and a line that is longer than one vector of sixty-four bytes: ß";
        let mut broken = long.as_bytes().to_vec();
        broken[9] = 0xff;
        for text in [long.as_bytes(), &long.as_bytes()[..long.len() - 1], &broken] {
            let whole = check([text]);
            for at in 0..=text.len() {
                let (head, tail) = text.split_at(at);
                assert_eq!(check([head, tail]), whole, "cut at {at}");
            }
            assert_eq!(whole.is_ok(), std::str::from_utf8(text).is_ok());
        }
    }

    fn check<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<(), NotUtf8> {
        let mut utf8 = Utf8::EMPTY;
        for piece in pieces {
            utf8.push(piece)?;
        }
        if utf8.length == 0 {
            Ok(())
        } else {
            Err(NotUtf8)
        }
    }
}
