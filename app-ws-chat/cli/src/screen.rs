//! The screen: rooms, log, people, and the line that is being written.

use std::time::Instant;

use chat_client::{Link, Room, Standing};
use ratatui::Frame;
use ratatui::buffer::{Buffer, Cell, CellDiffOption};
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Block, Borders, Paragraph};

use crate::app::App;
use crate::rows::Rows;
use crate::view::Place;
use crate::words;
use crate::wrap::{columns, cut, fold, wrap};

/// With fewer columns than this, what is beside the log leaves too little of it.
const WIDE_FOR_ROOMS: u16 = 64;

/// The same with people on the other side.
const WIDE_FOR_PEOPLE: u16 = 90;

/// The columns of what is beside the log.
const SIDE: u16 = 20;

/// The most rows that the line being written takes.
const INPUT_ROWS: usize = 5;

/// The most rows of what is said about the link, such as why there is none.
const STATUS_ROWS: usize = 4;

const PROMPT: &str = "> ";

impl App {
    /// Draws everything.
    pub fn draw(&mut self, frame: &mut Frame<'_>, now: Instant) {
        let area = frame.area();
        let width = usize::from(area.width.saturating_sub(2)).max(1);
        let cursor = self.editor.before_cursor().len();
        let (input, (row, column)) = fold(self.editor.text(), cursor, width);
        let first = (row + 1).saturating_sub(INPUT_ROWS);
        let shown = (input.len() - first).min(INPUT_ROWS);
        let height = u16::try_from(shown).unwrap_or(1);
        let told = usize::from(area.width).saturating_sub(1).max(1);
        let mut told = wrap(&self.status(now), told, told);
        told.truncate(STATUS_ROWS);
        let told_height = u16::try_from(told.len()).unwrap_or(1);
        let [title, body, writers, line, status] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Min(1),
            Constraint::Length(1),
            Constraint::Length(height),
            Constraint::Length(told_height),
        ])
        .areas(area);

        frame.render_widget(Line::styled(self.title(), reversed()), title);
        self.draw_body(frame, body);
        frame.render_widget(Line::styled(self.writers(), dim()), writers);
        let rows = input.into_iter().enumerate().skip(first).take(shown);
        let rows = rows.map(|(at, text)| {
            Line::from(vec![
                Span::raw(if at == 0 { PROMPT } else { "  " }),
                Span::raw(text),
            ])
        });
        frame.render_widget(Paragraph::new(Text::from_iter(rows)), line);
        let told = told.into_iter().map(|row| Line::raw(format!(" {row}")));
        frame.render_widget(
            Paragraph::new(Text::from_iter(told)).style(reversed()),
            status,
        );

        let x = line.x + 2 + u16::try_from(column).unwrap_or_default();
        let y = line.y + u16::try_from(row - first).unwrap_or_default();
        frame.set_cursor_position(Position::new(x.min(area.right().saturating_sub(1)), y));
        self.draw_doubtful_rows(frame.buffer_mut());
    }

    /// Has the rows drawn whole that have characters of several code points, such as flags, or had them: a terminal may
    /// take these for several characters, of which something would stay where nothing is to be.
    fn draw_doubtful_rows(&mut self, buffer: &mut Buffer) {
        let width = usize::from(buffer.area.width).max(1);
        let doubtful = |cell: &Cell| cell.symbol().chars().nth(1).is_some();
        let rows = buffer.content().chunks(width);
        let now: Vec<bool> = rows.map(|row| row.iter().any(doubtful)).collect();
        let before = std::mem::replace(&mut self.doubtful, now.clone());
        let before = before.into_iter().chain(std::iter::repeat(false));
        let rows = buffer.content.chunks_mut(width).zip(now).zip(before);
        for ((row, now), before) in rows {
            if now || before {
                for cell in row {
                    cell.diff_option = CellDiffOption::AlwaysUpdate;
                }
            }
        }
    }

    fn draw_body(&mut self, frame: &mut Frame<'_>, area: Rect) {
        let rooms = if area.width >= WIDE_FOR_ROOMS {
            SIDE
        } else {
            0
        };
        let people = if area.width >= WIDE_FOR_PEOPLE {
            SIDE
        } else {
            0
        };
        let [left, middle, right] = Layout::horizontal([
            Constraint::Length(rooms),
            Constraint::Min(1),
            Constraint::Length(people),
        ])
        .areas(area);
        if rooms > 0 {
            let block = Block::new().borders(Borders::RIGHT).border_style(dim());
            frame.render_widget(Paragraph::new(self.room_list()).block(block), left);
        }
        if people > 0 {
            let block = Block::new().borders(Borders::LEFT).border_style(dim());
            frame.render_widget(
                Paragraph::new(self.people_list(right.height)).block(block),
                right,
            );
        }
        self.page = (middle.width, middle.height);
        let height = usize::from(middle.height);
        let place = self.view().map(|view| view.place).unwrap_or_default();
        let rows = Rows::of(self).ending_at(place, height);
        // A short log stands at the bottom, where the next message will be.
        let blank = height - rows.len().min(height);
        let lines =
            std::iter::repeat_n(Line::default(), blank).chain(rows.into_iter().map(|row| row.line));
        frame.render_widget(Paragraph::new(Text::from_iter(lines)), middle);
    }

    fn title(&self) -> String {
        let Some(room) = self.room() else {
            return " no room".to_owned();
        };
        let mut title = format!(" {}", words::harmless(room.name()));
        if *room.standing() == Standing::Here {
            title += &format!(" · {} here", room.count());
        }
        if room.me().is_some_and(|me| me.moderator) {
            title += " · you moderate";
        }
        if !room.slow().is_zero() {
            title += &format!(" · slow mode: once in {}", words::span(room.slow()));
        }
        let elsewhere = self
            .client
            .rooms()
            .filter(|other| other.name() != room.name());
        let news = elsewhere.filter(|other| other.unread() > 0).count();
        match news {
            0 => title,
            1 => title + " · news in another room (Ctrl-G)",
            _ => title + &format!(" · news in {news} other rooms (Ctrl-G)"),
        }
    }

    fn room_list(&self) -> Text<'static> {
        let line = |(at, view): (usize, &crate::view::View)| {
            let room = self.client.room(&view.room);
            let unread = room.map_or(0, Room::unread);
            let mark = match room.map(Room::standing) {
                Some(Standing::Here) => "",
                Some(Standing::Out(_)) => "✗ ",
                Some(Standing::Away | Standing::Entering | Standing::Later(_)) | None => "… ",
            };
            let style = match (at == self.current, unread) {
                (true, _) => reversed(),
                (false, 1..) => Style::new().add_modifier(Modifier::BOLD),
                (false, 0) => Style::new(),
            };
            let number = if unread > 0 {
                format!(" ({unread})")
            } else {
                String::new()
            };
            // The number is seen even if the name is long.
            let room = usize::from(SIDE).saturating_sub(2 + columns(mark) + number.len());
            let name = cut(&words::harmless(&view.room), room);
            Line::styled(format!("{mark}{name}{number}"), style)
        };
        self.views.iter().enumerate().map(line).collect()
    }

    fn people_list(&self, height: u16) -> Text<'static> {
        let Some(room) = self.room() else {
            return Text::default();
        };
        let Some(people) = room.people() else {
            return Text::styled(format!("{} people", room.count()), dim());
        };
        let mut people: Vec<_> = people.collect();
        people.sort_by_key(|person| (!person.moderator, person.nick.to_lowercase()));
        let mark = |moderator| if moderator { "@" } else { "" };
        let lines = people.iter().map(|person| {
            format!(
                "{}{}",
                mark(person.moderator),
                words::harmless(&person.nick)
            )
        });
        let mut lines: Vec<_> = lines.collect();
        let fit = usize::from(height).max(1);
        if lines.len() > fit {
            let more = lines.len() - (fit - 1);
            lines.truncate(fit - 1);
            lines.push(format!("and {more} more: /who"));
        }
        lines.into_iter().map(Line::raw).collect()
    }

    fn writers(&self) -> String {
        let Some(room) = self.room() else {
            return String::new();
        };
        let below = match self.view().map(|view| view.place) {
            Some(Place::At(_)) => "  ▼ PageDown for newer, Ctrl-End for the newest",
            Some(Place::Bottom) | None => "",
        };
        let writers: Vec<_> = room.writers().map(|nick| &**nick).collect();
        let verb = if writers.len() == 1 { "is" } else { "are" };
        match writers.is_empty() {
            true => below.trim_start().to_owned(),
            false => format!(
                "{} {verb} writing{below}",
                words::names(writers.into_iter())
            ),
        }
    }

    fn status(&self, now: Instant) -> String {
        let link = match self.client.link() {
            Link::Open { .. } => self.standing(now),
            Link::Connecting => "connecting".to_owned(),
            Link::Waiting { until, .. } => {
                let wait = words::span(until.saturating_duration_since(now));
                let why = self
                    .trouble
                    .as_ref()
                    .map_or(String::new(), |why| format!(" ({why})"));
                format!(
                    "no connection{why}: next try in {wait}, /again for now; what you write is kept"
                )
            }
            Link::Over(reason) => {
                let told = reason.to_string();
                let why = self
                    .trouble
                    .clone()
                    .unwrap_or_else(|| words::harmless(&told));
                format!("the chat is over for us: {why}. /quit leaves")
            }
        };
        let nick = self
            .room()
            .and_then(Room::me)
            .map_or_else(|| self.client.nick(), |me| &me.nick);
        let nick = words::harmless(nick);
        match &self.flash {
            Some(flash) => format!("{nick} · {flash}"),
            None => format!("{nick} · {link}"),
        }
    }

    fn standing(&self, now: Instant) -> String {
        let room = self.room();
        match room.map(Room::standing) {
            Some(Standing::Here) if room.is_some_and(Room::is_late) => {
                "the server is cut off from this room: what is said comes late".to_owned()
            }
            None | Some(Standing::Here) => "connected".to_owned(),
            Some(Standing::Away | Standing::Entering) => "entering".to_owned(),
            Some(Standing::Later(until)) => {
                let wait = words::span(until.saturating_duration_since(now));
                format!("not in this room yet: next try in {wait}")
            }
            Some(Standing::Out(refusal)) => {
                let told = words::harmless(&refusal.to_string());
                format!("not in this room: {told}. /again tries once more")
            }
        }
    }
}

const fn reversed() -> Style {
    Style::new().add_modifier(Modifier::REVERSED)
}

const fn dim() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}
