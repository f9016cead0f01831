//! Text of others as a line of a log may show it.

use std::fmt::{self, Write as _};

/// Shows text of an application or a peer so that it stays within its line: what ends a line, or what a terminal would obey, is
/// written as Rust writes it in a string (`\n`, `\u{1b}`).
///
/// So no text forges a line of the log (CWE-117). Those are the control characters, the separators of lines and paragraphs, and
/// the marks that turn the direction of what follows (CVE-2021-42574). All else is kept, whatever its language.
///
/// # Examples
///
/// ```
/// let error = "no such user\n2026-11-30T12:00:00Z ERROR forged\u{1b}[2K";
/// assert_eq!(
///     hosting::printable(error).to_string(),
///     r"no such user\n2026-11-30T12:00:00Z ERROR forged\u{1b}[2K",
/// );
/// ```
#[must_use]
pub const fn printable<T: fmt::Display>(text: T) -> Printable<T> {
    Printable(text)
}

/// See [`printable`].
#[derive(Debug, Clone, Copy)]
pub struct Printable<T>(T);

impl<T: fmt::Display> fmt::Display for Printable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

/// Escapes what is written through it.
struct Escaping<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl fmt::Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(is_obeyed) {
            let (plain, after) = rest.split_at(at);
            self.0.write_str(plain)?;
            let mut chars = after.chars();
            if let Some(obeyed) = chars.next() {
                // Of a mark that turns the direction the debug form is the mark itself.
                match obeyed.is_control() {
                    true => write!(self.0, "{}", obeyed.escape_debug())?,
                    false => write!(self.0, "{}", obeyed.escape_unicode())?,
                }
            }
            rest = chars.as_str();
        }
        self.0.write_str(rest)
    }
}

/// Whether somebody who shows the line does something at it, instead of showing it.
fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // Separators of lines and paragraphs.
            '\u{2028}' | '\u{2029}'
            // Marks of direction: alone, embeddings and overrides, isolates.
            | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_obeyed_is_escaped_and_all_else_is_kept() {
        for (text, shown) in [
            ("", ""),
            ("Grüße, 世界 \"so\" \\n", "Grüße, 世界 \"so\" \\n"),
            ("a\r\n\tb\0", r"a\r\n\tb\0"),
            ("\x1b[31m\x07\x7f", r"\u{1b}[31m\u{7}\u{7f}"),
            ("\u{9b}31m\u{85}", r"\u{9b}31m\u{85}"),
            (
                "\u{2028}\u{202e}\u{2066}\u{200f}",
                r"\u{2028}\u{202e}\u{2066}\u{200f}",
            ),
        ] {
            assert_eq!(printable(text).to_string(), shown);
        }
    }
}
