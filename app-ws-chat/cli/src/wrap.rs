//! Texts in lines of a width, in columns of the terminal.

use ratatui::text::Span;
use unicode_segmentation::UnicodeSegmentation;

/// The columns that a text takes.
pub(crate) fn columns(text: &str) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    Span::raw(text).width()
}

/// As much of a text as fits into so many columns.
pub(crate) fn cut(text: &str, limit: usize) -> String {
    let mut used = 0;
    let fits = |character: &&str| {
        used += columns(character);
        used <= limit
    };
    text.graphemes(true).take_while(fits).collect()
}

/// Breaks a text into lines of at most `first` columns, then `rest`, between words if they fit.
pub(crate) fn wrap(text: &str, first: usize, rest: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = Broken::new(first);
    for character in text.graphemes(true) {
        if character == "\n" {
            lines.push(std::mem::replace(&mut line, Broken::new(rest)).text);
            continue;
        }
        if let Some(tail) = line.add(character) {
            lines.push(std::mem::replace(&mut line, Broken::new(rest)).text);
            for moved in tail.graphemes(true) {
                line.add(moved);
            }
        }
    }
    lines.push(line.text);
    lines
}

/// A line that is being filled.
struct Broken {
    text: String,
    width: usize,
    limit: usize,
    /// Behind the last blank, in bytes.
    word: Option<usize>,
}

impl Broken {
    const fn new(limit: usize) -> Self {
        Self {
            text: String::new(),
            width: 0,
            limit,
            word: None,
        }
    }

    /// Adds a character. If it does not fit, the line is full, and what has to go into the next is given back.
    fn add(&mut self, character: &str) -> Option<String> {
        let width = columns(character);
        let blank = character == " ";
        // A blank at the end of a line is not seen, so it needs no place. A line holds one character at least.
        if self.width + width <= self.limit || blank || self.text.is_empty() {
            self.text.push_str(character);
            self.width += width;
            if blank {
                self.word = Some(self.text.len());
            }
            return None;
        }
        let mut tail = self
            .word
            .map_or_else(String::new, |at| self.text.split_off(at));
        self.text.truncate(self.text.trim_end_matches(' ').len());
        tail.push_str(character);
        Some(tail)
    }
}

/// Breaks a text wherever a line is full, so that the cursor's place is a matter of counting; gives the lines, and the row
/// and column of the byte `cursor`.
pub(crate) fn fold(text: &str, cursor: usize, width: usize) -> (Vec<String>, (usize, usize)) {
    let mut lines = vec![String::new()];
    let (mut used, mut place) = (0, (0, 0));
    for (at, character) in text.grapheme_indices(true) {
        let columns = columns(character);
        if used + columns > width && used > 0 {
            lines.push(String::new());
            used = 0;
        }
        if at == cursor {
            place = (lines.len() - 1, used);
        }
        if character == "\n" {
            lines.push(String::new());
            used = 0;
        } else if let Some(line) = lines.last_mut() {
            line.push_str(if character == "\t" { " " } else { character });
            used += columns.max(usize::from(character == "\t"));
        }
    }
    if cursor >= text.len() {
        if used >= width {
            lines.push(String::new());
            used = 0;
        }
        place = (lines.len() - 1, used);
    }
    (lines, place)
}

#[cfg(test)]
mod tests {
    use super::{cut, fold, wrap};

    #[test]
    fn lines_break_between_words_if_they_can() {
        let rows: [(&str, usize, usize, &[&str]); 7] = [
            ("one two three", 7, 5, &["one two", "three"]),
            ("one two three", 4, 9, &["one", "two three"]),
            ("incomprehensible", 6, 6, &["incomp", "rehens", "ible"]),
            ("a\n\nb", 5, 5, &["a", "", "b"]),
            ("日本語です", 4, 4, &["日本", "語で", "す"]),
            ("日", 1, 1, &["日"]),
            ("", 5, 5, &[""]),
        ];
        for (text, first, rest, lines) in rows {
            assert_eq!(wrap(text, first, rest), lines, "{text}");
        }
    }

    #[test]
    fn what_is_cut_has_whole_characters() {
        let rows = [
            ("lobby", 5, "lobby"),
            ("lobby", 3, "lob"),
            ("日本語", 5, "日本"),
            ("Zoe\u{308}x", 3, "Zoe\u{308}"),
            ("日", 1, ""),
        ];
        for (text, limit, expected) in rows {
            assert_eq!(cut(text, limit), expected, "{text} {limit}");
        }
    }

    #[test]
    fn the_cursor_is_where_the_next_character_goes() {
        let rows = [
            ("", 0, (0, 0)),
            ("abc", 1, (0, 1)),
            ("abcd", 4, (1, 0)),
            ("abcde", 4, (1, 0)),
            ("a\nb", 2, (1, 0)),
            ("日本", 3, (0, 2)),
            ("日本", 6, (1, 0)),
            ("x日本", 4, (1, 0)),
        ];
        for (text, cursor, place) in rows {
            assert_eq!(fold(text, cursor, 4).1, place, "{text:?} {cursor}");
        }
    }
}
