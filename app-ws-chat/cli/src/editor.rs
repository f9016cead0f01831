//! The line that is being written: a text and a cursor, which never stands within a character.

use std::collections::VecDeque;

use unicode_segmentation::UnicodeSegmentation;

/// Lines that can be fetched back.
const HISTORY: usize = 100;

/// More than can be sent, so that a long paste can be shortened; and a bound.
const BYTES: usize = 16 * 1024;

/// A text being written.
#[derive(Debug, Default)]
pub(crate) struct Editor {
    text: String,
    /// In bytes.
    cursor: usize,
    history: VecDeque<String>,
    /// Which of the history is shown, counted from the newest; and the text that it hides.
    shown: Option<(usize, String)>,
}

/// Where to move the cursor, or what to remove.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Motion {
    /// One character back.
    Left,
    /// One character on.
    Right,
    /// To the start of this word, or of the one before.
    WordLeft,
    /// To the end of this word, or of the next.
    WordRight,
    /// To the start of the line.
    Start,
    /// To the end of the line.
    End,
}

impl Editor {
    /// The text.
    #[must_use]
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// What is before the cursor.
    #[must_use]
    pub(crate) fn before_cursor(&self) -> &str {
        &self.text[..self.cursor]
    }

    /// Writes at the cursor. What would make the text too long is dropped, and so are control characters but line feeds
    /// and tabs.
    pub(crate) fn insert(&mut self, text: &str) {
        let lines = text.replace("\r\n", "\n").replace('\r', "\n");
        let written = lines
            .chars()
            .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'));
        for character in written {
            if self.text.len() + character.len_utf8() > BYTES {
                return;
            }
            self.text.insert(self.cursor, character);
            self.cursor += character.len_utf8();
        }
    }

    /// Moves the cursor.
    pub(crate) fn go(&mut self, motion: Motion) {
        self.cursor = self.target(motion);
    }

    /// Removes what is between the cursor and where it would move.
    pub(crate) fn remove(&mut self, motion: Motion) {
        let target = self.target(motion);
        let (from, to) = (self.cursor.min(target), self.cursor.max(target));
        self.text.replace_range(from..to, "");
        self.cursor = from;
    }

    /// Puts another text in place of what is between `from` and the cursor.
    pub(crate) fn replace_from(&mut self, from: usize, text: &str) {
        self.text.replace_range(from..self.cursor, text);
        self.cursor = from + text.len();
    }

    /// Begins anew with this text.
    pub(crate) fn set(&mut self, text: &str) {
        self.text.clear();
        self.cursor = 0;
        self.shown = None;
        self.insert(text);
    }

    /// Takes the text, and remembers it.
    pub(crate) fn take(&mut self) -> String {
        let text = std::mem::take(&mut self.text);
        self.cursor = 0;
        self.shown = None;
        if !text.trim().is_empty() && self.history.front() != Some(&text) {
            self.history.push_front(text.clone());
            self.history.truncate(HISTORY);
        }
        text
    }

    /// Shows the line before this one.
    pub(crate) fn older(&mut self) {
        let next = self.shown.as_ref().map_or(0, |(at, _)| at + 1);
        let Some(line) = self.history.get(next).cloned() else {
            return;
        };
        let hidden = match self.shown.take() {
            Some((_, hidden)) => hidden,
            None => self.text.clone(),
        };
        self.set(&line);
        self.shown = Some((next, hidden));
    }

    /// Shows the line after this one, at last what was being written.
    pub(crate) fn newer(&mut self) {
        match self.shown.take() {
            Some((0, hidden)) => self.set(&hidden),
            Some((at, hidden)) => {
                let line = self.history[at - 1].clone();
                self.set(&line);
                self.shown = Some((at - 1, hidden));
            }
            None => {}
        }
    }

    fn target(&self, motion: Motion) -> usize {
        let (before, after) = self.text.split_at(self.cursor);
        match motion {
            Motion::Left => self.cursor - before.graphemes(true).next_back().map_or(0, str::len),
            Motion::Right => self.cursor + after.graphemes(true).next().map_or(0, str::len),
            Motion::WordLeft => {
                let words = before.split_word_bound_indices().rev();
                let mut words = words.skip_while(|(_, word)| word.trim().is_empty());
                words.next().map_or(0, |(at, _)| at)
            }
            Motion::WordRight => {
                let words = after.split_word_bound_indices();
                let mut words = words.skip_while(|(_, word)| word.trim().is_empty());
                words
                    .next()
                    .map_or(self.text.len(), |(at, word)| self.cursor + at + word.len())
            }
            Motion::Start => before.rfind('\n').map_or(0, |at| at + 1),
            Motion::End => after
                .find('\n')
                .map_or(self.text.len(), |at| self.cursor + at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Editor, Motion};

    fn written(text: &str) -> Editor {
        let mut editor = Editor::default();
        editor.insert(text);
        editor
    }

    #[test]
    fn a_character_is_what_a_reader_takes_for_one() {
        let mut editor = written("a👩‍👩‍👧e\u{301}");
        editor.remove(Motion::Left);
        assert_eq!(editor.text(), "a👩‍👩‍👧");
        editor.remove(Motion::Left);
        assert_eq!(editor.text(), "a");
        editor.remove(Motion::Left);
        editor.remove(Motion::Left);
        assert_eq!(editor.text(), "");
    }

    #[test]
    fn motions_go_by_words_and_lines() {
        let rows = [
            (Motion::Left, "one two\nthree fou"),
            (Motion::WordLeft, "one two\nthree "),
            (Motion::Start, "one two\n"),
            (Motion::End, "one two\nthree four"),
        ];
        for (motion, before) in rows {
            let mut editor = written("one two\nthree four");
            editor.go(motion);
            assert_eq!(editor.before_cursor(), before, "{motion:?}");
        }
        let mut editor = written("one two");
        editor.go(Motion::Start);
        editor.go(Motion::WordRight);
        assert_eq!(editor.before_cursor(), "one");
        editor.remove(Motion::End);
        assert_eq!(editor.text(), "one");
    }

    #[test]
    fn control_characters_and_more_than_fits_are_not_written() {
        assert_eq!(written("a\u{1b}[31m\r\nb\u{7}").text(), "a[31m\nb");
        assert_eq!(written(&"x".repeat(20_000)).text().len(), 16 * 1024);
    }

    #[test]
    fn earlier_lines_come_back_and_the_unfinished_one_too() {
        let mut editor = Editor::default();
        for line in ["one", "two", "two", " "] {
            editor.insert(line);
            editor.take();
        }
        editor.insert("unfinished");
        let mut shown = Vec::new();
        for _ in 0..3 {
            editor.older();
            shown.push(editor.text().to_owned());
        }
        for _ in 0..3 {
            editor.newer();
            shown.push(editor.text().to_owned());
        }
        assert_eq!(
            shown,
            ["two", "one", "one", "two", "unfinished", "unfinished"]
        );
    }
}
