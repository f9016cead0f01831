//! The log of a room as rows of the screen: messages, what was noted beside them, and where something is missing.

use std::sync::Arc;

use chat_client::{Draft, HoleState, Message, Past, Progress, Room};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use crate::app::{App, Colours};
use crate::view::{Note, NoteText, Place, Spot, View};
use crate::words;
use crate::wrap::{columns, wrap};

/// The width of `12:34 `, to which texts are indented.
const INDENT: usize = 6;

/// The width of the longest command and a gap: what it does begins there.
const MEANINGS: usize = 27;

/// In fewer columns no meaning is read with ease.
const LEAST_MEANING: usize = 20;

/// Behind all messages.
const TAIL: u64 = u64::MAX;

/// A row of the screen, and which.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) spot: Spot,
    pub(crate) line: Line<'static>,
}

/// The rows of the room that is shown. Only those that are asked for are made.
pub(crate) struct Rows<'a> {
    app: &'a App,
    view: Option<&'a View>,
    room: Option<&'a Room>,
    messages: Vec<&'a Arc<Message>>,
    width: usize,
}

impl<'a> Rows<'a> {
    pub(crate) fn of(app: &'a App) -> Self {
        let room = app.room();
        let log = room.map(Room::log).into_iter();
        Self {
            app,
            view: app.view(),
            room,
            messages: log.flat_map(|log| log.since(0)).collect(),
            width: usize::from(app.page.0).max(1),
        }
    }

    /// At most `count` rows, of which the last is at `place`.
    pub(crate) fn ending_at(&self, place: Place, count: usize) -> Vec<Row> {
        let (last, row) = match place {
            Place::Bottom => (self.blocks() - 1, usize::MAX),
            Place::At(spot) => (self.block_of(spot.offset), spot.row),
        };
        let mut rows = Vec::new();
        for at in (0..=last).rev() {
            let mut block = self.block(at);
            if at == last {
                block.truncate(row.saturating_add(1));
            }
            rows.extend(block.into_iter().rev());
            if rows.len() >= count {
                break;
            }
        }
        rows.truncate(count);
        rows.reverse();
        rows
    }

    /// At most `count` rows behind this one.
    pub(crate) fn after(&self, spot: Spot, count: usize) -> Vec<Row> {
        let first = self.block_of(spot.offset);
        let rows = (first..self.blocks()).flat_map(|at| self.block(at));
        rows.skip_while(|row| row.spot <= spot)
            .take(count)
            .collect()
    }

    /// What is before all messages, each message, and what is behind.
    fn blocks(&self) -> usize {
        self.messages.len() + 2
    }

    fn block_of(&self, offset: u64) -> usize {
        match offset {
            0 => 0,
            _ => {
                self.messages
                    .partition_point(|message| message.offset < offset)
                    + 1
            }
        }
    }

    fn block(&self, at: usize) -> Vec<Row> {
        let message = at.checked_sub(1).and_then(|at| self.messages.get(at));
        let (offset, lines) = match message {
            Some(message) => (message.offset, self.message_block(at - 1, message)),
            None if at == 0 => (0, self.head()),
            None => (TAIL, self.tail()),
        };
        let next = self.messages.get(at).map_or(TAIL, |message| message.offset);
        let notes = if offset == TAIL {
            Vec::new()
        } else {
            self.notes(offset, next)
        };
        let numbered = lines.into_iter().chain(notes).enumerate();
        numbered
            .map(|(row, line)| Row {
                spot: Spot { offset, row },
                line,
            })
            .collect()
    }

    fn head(&self) -> Vec<Line<'static>> {
        let Some(room) = self.room else {
            return vec![self.dim("Enter a room: /join lobby. /help lists the commands.")];
        };
        match (room.log().past(), room.me()) {
            (_, None) => Vec::new(),
            (Past::Start, _) => vec![self.rule(&format!(
                "the beginning of {}",
                words::harmless(room.name())
            ))],
            (Past::Unknown | Past::More, _) if room.position().is_none_or(|at| at.offset == 0) => {
                vec![self.rule(&format!(
                    "the beginning of {}",
                    words::harmless(room.name())
                ))]
            }
            (Past::Unknown | Past::More, _) => vec![self.rule("PageUp fetches older messages")],
        }
    }

    fn tail(&self) -> Vec<Line<'static>> {
        let drafts = self.room.into_iter().flat_map(Room::drafts);
        drafts.flat_map(|draft| self.draft(draft)).collect()
    }

    fn draft(&self, draft: &Draft) -> Vec<Line<'static>> {
        let state = match draft.progress {
            Progress::Waiting => "(to be sent) ",
            Progress::Sent { .. } => "(on its way) ",
            Progress::InDoubt => "(to be sent again) ",
        };
        self.text(" ...  ", state, Style::new(), &draft.text, Modifier::DIM)
    }

    fn message_block(&self, at: usize, message: &Message) -> Vec<Line<'static>> {
        let before = at.checked_sub(1).map(|before| self.messages[before]);
        let mut lines = Vec::new();
        if let Some(hole) = self
            .room
            .and_then(|room| room.log().hole_before(message.offset))
        {
            let number = hole.messages();
            lines.push(self.rule(&match hole.state {
                HoleState::Open => format!("{number} messages are missing here, and being fetched"),
                HoleState::Gone => format!("{number} messages are no longer kept"),
            }));
        }
        let day = words::day(message.ts, &self.app.zone);
        if before.is_none_or(|before| words::day(before.ts, &self.app.zone) != day) {
            lines.extend(day.map(|day| self.rule(&day)));
        }
        let seen = before.map_or(0, |before| before.offset);
        let fresh = self.view.and_then(|view| view.fresh_after);
        if fresh.is_some_and(|after| (seen..message.offset).contains(&after)) {
            lines.push(self.rule("new"));
        }
        let time = words::time_of_day(message.ts, &self.app.zone) + " ";
        let nick = words::harmless(&message.from.nick) + ": ";
        lines.extend(self.text(
            &time,
            &nick,
            self.person(&message.from.user),
            &message.text,
            Modifier::empty(),
        ));
        lines
    }

    fn text(
        &self,
        time: &str,
        nick: &str,
        style: Style,
        text: &str,
        weight: Modifier,
    ) -> Vec<Line<'static>> {
        let head = INDENT + columns(nick);
        let harmless: Vec<_> = text.split('\n').map(words::harmless).collect();
        let rest = self.width.saturating_sub(INDENT).max(1);
        // A text does not squeeze into the few columns that a long name leaves.
        let beside = self.width.saturating_sub(head);
        let first = if beside >= rest / 3 { beside } else { 0 };
        let mut text = harmless.join("\n");
        if first == 0 {
            text.insert(0, '\n');
        }
        let lines = wrap(&text, first.max(1), rest).into_iter().enumerate();
        let body = Style::new().add_modifier(weight);
        lines
            .map(|(row, line)| match row {
                0 => Line::from(vec![
                    Span::styled(time.to_owned(), Style::new().add_modifier(Modifier::DIM)),
                    Span::styled(nick.to_owned(), style),
                    Span::styled(line, body),
                ]),
                _ => Line::from(vec![
                    Span::raw(" ".repeat(INDENT)),
                    Span::styled(line, body),
                ]),
            })
            .collect()
    }

    fn notes(&self, from: u64, to: u64) -> Vec<Line<'static>> {
        let notes = self.view.into_iter().flat_map(|view| &view.notes);
        let here = notes.filter(|note| (from..to).contains(&note.after));
        here.flat_map(|note| self.note(note)).collect()
    }

    fn note(&self, note: &Note) -> Vec<Line<'static>> {
        let text = match &note.what {
            NoteText::Presence { came, went } => words::presence(came, went),
            NoteText::Plain(text) => text.clone(),
        };
        let width = self.width.saturating_sub(2);
        let lines = text.split('\n').flat_map(|line| {
            let rows = match line.split_once('\t') {
                Some((term, meaning)) => entry(term, meaning, width),
                None => wrap(line, width, width),
            };
            let rows = rows.into_iter().enumerate();
            rows.map(|(row, text)| format!("{}{text}", if row == 0 { "* " } else { "  " }))
        });
        lines.map(|line| self.dim(&line)).collect()
    }

    fn person(&self, user: &str) -> Style {
        const HUES: [Color; 5] = [
            Color::Cyan,
            Color::Green,
            Color::Magenta,
            Color::Blue,
            Color::Yellow,
        ];
        let bold = Style::new().add_modifier(Modifier::BOLD);
        match self.app.colours {
            Colours::None => bold,
            Colours::Many => {
                let sum: usize = user.bytes().map(usize::from).sum();
                bold.fg(HUES[sum % HUES.len()])
            }
        }
    }

    fn dim(&self, text: &str) -> Line<'static> {
        Line::styled(text.to_owned(), Style::new().add_modifier(Modifier::DIM))
    }

    fn rule(&self, text: &str) -> Line<'static> {
        let text = format!(" {text} ");
        let dashes = self.width.saturating_sub(columns(&text)) / 2;
        let side = "─".repeat(dashes.min(20));
        self.dim(&format!("{side}{text}{side}"))
    }
}

/// A term and what it means: beside it if there is room, or below.
fn entry(term: &str, meaning: &str, width: usize) -> Vec<String> {
    let beside = width.saturating_sub(MEANINGS);
    if beside < LEAST_MEANING {
        let below = width.saturating_sub(2);
        let rows = wrap(meaning, below, below);
        let rows = rows.into_iter().map(|row| format!("  {row}"));
        return std::iter::once(term.to_owned()).chain(rows).collect();
    }
    let rows = wrap(meaning, beside, beside).into_iter().enumerate();
    rows.map(|(row, text)| format!("{:<MEANINGS$}{text}", if row == 0 { term } else { "" }))
        .collect()
}
