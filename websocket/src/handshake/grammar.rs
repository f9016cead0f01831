//! The lists and quoted strings of handshake headers (RFC 6455 §9.1, RFC 9110 §5.6), in one pass over the bytes.

use std::borrow::Cow;

/// The value does not follow its grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// A parameter of an extension, as `name` or `name=value`.
pub(super) type Parameter<'a> = (&'a str, Option<Cow<'a, str>>);

/// Calls `each` with the tokens of a comma-separated list. Empty elements are skipped (RFC 9110 §5.6.1.2).
pub(super) fn tokens<'a>(value: &'a [u8], mut each: impl FnMut(&'a str)) -> Result<(), Malformed> {
    let mut cursor = Cursor(value);
    while cursor.next_element() {
        each(cursor.token()?);
        cursor.end_element()?;
    }
    Ok(())
}

/// Whether a comma-separated list has this token, in any case.
pub(super) fn has_token(value: &[u8], token: &str) -> bool {
    value
        .split(|&byte| byte == b',')
        .any(|element| element.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

/// Calls `each` with the name and the parameters of every extension in a list of them.
pub(super) fn extensions<'a>(
    value: &'a [u8],
    mut each: impl FnMut(&'a str, &[Parameter<'a>]),
) -> Result<(), Malformed> {
    let mut cursor = Cursor(value);
    let mut parameters = Vec::new();
    while cursor.next_element() {
        let name = cursor.token()?;
        parameters.clear();
        while cursor.skip(b';') {
            parameters.push(cursor.parameter()?);
        }
        each(name, &parameters);
        cursor.end_element()?;
    }
    Ok(())
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    /// Moves to the next element of a list; `false` at its end.
    fn next_element(&mut self) -> bool {
        while self.skip(b',') {}
        !self.0.is_empty()
    }

    /// An element ends with a comma or with the value.
    fn end_element(&mut self) -> Result<(), Malformed> {
        self.skip_space();
        match self.0.first() {
            None | Some(b',') => Ok(()),
            Some(_) => Err(Malformed),
        }
    }

    fn parameter(&mut self) -> Result<Parameter<'a>, Malformed> {
        self.skip_space();
        let name = self.token()?;
        if !self.skip(b'=') {
            return Ok((name, None));
        }
        self.skip_space();
        let value = match self.0.split_first() {
            Some((b'"', rest)) => {
                self.0 = rest;
                self.quoted()?
            }
            _ => Cow::Borrowed(self.token()?),
        };
        Ok((name, Some(value)))
    }

    /// Skips spaces, then this byte if it is there.
    fn skip(&mut self, byte: u8) -> bool {
        self.skip_space();
        match self.0.split_first() {
            Some((&first, rest)) if first == byte => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    fn skip_space(&mut self) {
        while let [b' ' | b'\t', rest @ ..] = self.0 {
            self.0 = rest;
        }
    }

    fn token(&mut self) -> Result<&'a str, Malformed> {
        let end = self
            .0
            .iter()
            .position(|&byte| !is_token_byte(byte))
            .unwrap_or(self.0.len());
        let (token, rest) = self.0.split_at(end);
        self.0 = rest;
        as_token(token)
    }

    /// The rest of a quoted string, whose value must be a token (RFC 6455 §9.1).
    fn quoted(&mut self) -> Result<Cow<'a, str>, Malformed> {
        let end = self
            .0
            .iter()
            .position(|byte| matches!(byte, b'"' | b'\\'))
            .ok_or(Malformed)?;
        let (plain, rest) = self.0.split_at(end);
        if let Some(rest) = rest.strip_prefix(b"\"") {
            self.0 = rest;
            return as_token(plain).map(Cow::Borrowed);
        }
        let mut value = plain.to_vec();
        self.0 = rest;
        loop {
            let (byte, rest) = match self.0 {
                [b'"', rest @ ..] => {
                    self.0 = rest;
                    return as_token(&value).map(|token| Cow::Owned(token.to_owned()));
                }
                [b'\\', byte, rest @ ..] | [byte, rest @ ..] => (*byte, rest),
                [] => return Err(Malformed),
            };
            value.push(byte);
            self.0 = rest;
        }
    }
}

/// A token has at least one character, all of them ASCII.
fn as_token(bytes: &[u8]) -> Result<&str, Malformed> {
    if bytes.is_empty() || !bytes.iter().copied().all(is_token_byte) {
        return Err(Malformed);
    }
    std::str::from_utf8(bytes).map_err(|_| Malformed)
}

/// `tchar` of RFC 9110 §5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
