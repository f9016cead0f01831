//! What the keys do.

use std::sync::Arc;
use std::time::Instant;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::{App, Flow};
use crate::complete::Completion;
use crate::editor::Motion;
use crate::rows::Rows;
use crate::view::Place;

/// The keys, for people.
pub(super) const HELP: &str = "\
Enter\tsay it, or do it
Alt-Enter, Ctrl-J\ta new line
Tab\tcomplete a name or a command
Up, Down\twhat you wrote before
PageUp, PageDown\tscroll; Ctrl-End to the newest
Ctrl-N, Ctrl-P\tthe next room, the one before
Alt-1 ... Alt-9\tthe first room ... the ninth
Ctrl-G\tthe next room with news
Ctrl-A, Ctrl-E\tstart and end of the line
Ctrl-W, Ctrl-U\tremove a word, the line
Ctrl-L\tdraw the screen anew
Ctrl-C, Ctrl-Q\tleave the chat";

impl App {
    /// A key was pressed.
    pub fn key(&mut self, key: KeyEvent, now: Instant) -> Flow {
        if key.kind == KeyEventKind::Release {
            return Flow::Stay;
        }
        if key.code != KeyCode::Tab {
            self.completion = None;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        match key.code {
            KeyCode::Char('c' | 'q') if control => return Flow::Quit,
            KeyCode::Enter if !alt => return self.submit(now),
            KeyCode::Char(letter) if control => self.control(letter),
            KeyCode::Char(digit @ '1'..='9') if alt => self.show(digit as usize - '1' as usize),
            KeyCode::Char('b') if alt => self.editor.go(Motion::WordLeft),
            KeyCode::Char('f') if alt => self.editor.go(Motion::WordRight),
            KeyCode::Char(letter) if !alt => self.write(letter.encode_utf8(&mut [0; 4]), now),
            KeyCode::Enter => self.editor.insert("\n"),
            KeyCode::Tab => self.complete(),
            KeyCode::Backspace if control || alt => self.editor.remove(Motion::WordLeft),
            KeyCode::Backspace => self.editor.remove(Motion::Left),
            KeyCode::Delete => self.editor.remove(Motion::Right),
            KeyCode::Left if control || alt => self.editor.go(Motion::WordLeft),
            KeyCode::Left => self.editor.go(Motion::Left),
            KeyCode::Right if control || alt => self.editor.go(Motion::WordRight),
            KeyCode::Right => self.editor.go(Motion::Right),
            KeyCode::Home => self.editor.go(Motion::Start),
            KeyCode::End if control => self.show_newest(),
            KeyCode::End => self.editor.go(Motion::End),
            KeyCode::Up if alt => self.step(Step::Before),
            KeyCode::Down if alt => self.step(Step::Next),
            KeyCode::Up => self.editor.older(),
            KeyCode::Down => self.editor.newer(),
            KeyCode::PageUp => self.page_up(now),
            KeyCode::PageDown => self.page_down(),
            _ => {}
        }
        Flow::Stay
    }

    /// A text was pasted.
    pub fn paste(&mut self, text: &str, now: Instant) {
        self.write(text, now);
    }

    fn control(&mut self, letter: char) {
        match letter {
            'a' => self.editor.go(Motion::Start),
            'e' => self.editor.go(Motion::End),
            'w' => self.editor.remove(Motion::WordLeft),
            'u' => self.editor.remove(Motion::Start),
            'k' => self.editor.remove(Motion::End),
            'd' => self.editor.remove(Motion::Right),
            // Terminals send Ctrl-H for Backspace with Ctrl, or for Backspace itself.
            'h' => self.editor.remove(Motion::Left),
            'j' => self.editor.insert("\n"),
            'n' => self.step(Step::Next),
            'p' => self.step(Step::Before),
            'g' => self.step(Step::News),
            _ => {}
        }
    }

    fn write(&mut self, text: &str, now: Instant) {
        self.editor.insert(text);
        let command = self.editor.text().starts_with('/');
        if let Some(view) = self.view()
            && !command
        {
            let room = Arc::clone(&view.room);
            self.client.typing(&room, now);
        }
    }

    fn complete(&mut self) {
        let begun = self.completion.take();
        let completion =
            begun.or_else(|| Completion::begin(self.editor.before_cursor(), self.room()));
        if let Some(mut completion) = completion {
            completion.next(&mut self.editor);
            self.completion = Some(completion);
        }
    }

    fn step(&mut self, step: Step) {
        let rooms = self.views.len();
        if rooms == 0 {
            return;
        }
        let next = (self.current + 1) % rooms;
        let at = match step {
            Step::Next => next,
            Step::Before => (self.current + rooms - 1) % rooms,
            Step::News => {
                let news = |at: &usize| {
                    let room = self.client.room(&self.views[*at].room);
                    room.is_some_and(|room| room.unread() > 0)
                };
                let others = (0..rooms).map(|offset| (next + offset) % rooms);
                others.into_iter().find(news).unwrap_or(self.current)
            }
        };
        self.show(at);
    }

    fn show_newest(&mut self) {
        if let Some(view) = self.views.get_mut(self.current) {
            view.place = Place::Bottom;
        }
        self.read();
    }

    /// A page less two rows is moved, so that the eye finds its place.
    fn stride(&self) -> usize {
        usize::from(self.page.1).saturating_sub(2).max(1)
    }

    fn page_up(&mut self, now: Instant) {
        let Some(view) = self.views.get(self.current) else {
            return;
        };
        let height = usize::from(self.page.1).max(1);
        let wanted = height + self.stride();
        let rows = Rows::of(self).ending_at(view.place, wanted);
        // The first row comes to the top at most.
        let last = rows.len().saturating_sub(self.stride()).max(height);
        let place = match rows.get(last - 1) {
            Some(row) if last < rows.len() => Place::At(row.spot),
            _ => view.place,
        };
        let (at_top, room) = (rows.len() < wanted, Arc::clone(&view.room));
        self.views[self.current].place = place;
        if at_top {
            self.client.older(&room, now);
        }
    }

    fn page_down(&mut self) {
        let Some(view) = self.views.get(self.current) else {
            return;
        };
        let Place::At(spot) = view.place else {
            return;
        };
        let rows = Rows::of(self).after(spot, self.stride());
        let place = match rows.last() {
            Some(row) if rows.len() >= self.stride() => Place::At(row.spot),
            _ => Place::Bottom,
        };
        self.views[self.current].place = place;
        self.read();
    }
}

/// From room to room.
#[derive(Clone, Copy)]
enum Step {
    Next,
    Before,
    News,
}
