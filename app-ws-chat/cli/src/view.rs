//! One room on the screen: what is noted beside its log, and which part of it is shown.

use std::collections::VecDeque;
use std::sync::Arc;

use chat_client::{Person, Room};

/// Notes that a room keeps.
const NOTES: usize = 200;

/// A room as its reader sees it.
#[derive(Debug)]
pub(crate) struct View {
    /// Which room.
    pub(crate) room: Arc<str>,
    /// What happened beside what was said, in the order of the log.
    pub(crate) notes: VecDeque<Note>,
    /// What is shown.
    pub(crate) place: Place,
    /// What is behind this offset came while nobody looked.
    pub(crate) fresh_after: Option<u64>,
    /// What is being written here while another room is shown.
    pub(crate) line: String,
}

/// Which part of a log is shown.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Place {
    /// The newest.
    #[default]
    Bottom,
    /// What ends with this row.
    At(Spot),
}

/// A row of a log: of the message with this offset, or of what is noted behind it, counted from 0.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Spot {
    /// The message.
    pub(crate) offset: u64,
    /// The row.
    pub(crate) row: usize,
}

/// Something that happened beside what was said.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Note {
    /// Behind the message with this offset.
    pub(crate) after: u64,
    /// What.
    pub(crate) what: NoteText,
}

/// What a note says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum NoteText {
    /// Who came and went between two messages.
    Presence {
        /// Who came.
        came: Vec<Person>,
        /// Who went.
        went: Vec<Person>,
    },
    /// A notice, in lines. A tab divides a line into something and what it means.
    Plain(String),
}

impl View {
    pub(crate) fn new(room: Arc<str>) -> Self {
        Self {
            room,
            notes: VecDeque::new(),
            place: Place::Bottom,
            fresh_after: None,
            line: String::new(),
        }
    }

    /// Notes something at the end of the log.
    pub(crate) fn note(&mut self, room: Option<&Room>, text: impl Into<String>) {
        let after = newest(room);
        let what = NoteText::Plain(text.into());
        self.push(Note { after, what });
    }

    /// Notes that somebody came. Who left since the last message has not been away.
    pub(crate) fn came(&mut self, room: Option<&Room>, person: Person) {
        let (came, went) = self.presence(newest(room));
        match went.iter().position(|known| known.user == person.user) {
            Some(at) => drop(went.remove(at)),
            None => came.push(person),
        }
        self.tidy();
    }

    /// Notes that somebody left. Who came since the last message was hardly here.
    pub(crate) fn went(&mut self, room: Option<&Room>, person: Person) {
        let (came, went) = self.presence(newest(room));
        match came.iter().position(|known| known.user == person.user) {
            Some(at) => drop(came.remove(at)),
            None => went.push(person),
        }
        self.tidy();
    }

    /// The log has begun afresh, so nothing stands behind what was noted.
    pub(crate) fn forget(&mut self) {
        self.notes.clear();
        self.place = Place::Bottom;
        self.fresh_after = None;
    }

    fn presence(&mut self, after: u64) -> (&mut Vec<Person>, &mut Vec<Person>) {
        let last = self.notes.back();
        let open = last.is_some_and(|note| {
            note.after == after && matches!(note.what, NoteText::Presence { .. })
        });
        if !open {
            let (came, went) = (Vec::new(), Vec::new());
            let what = NoteText::Presence { came, went };
            self.push(Note { after, what });
        }
        match self.notes.back_mut().map(|note| &mut note.what) {
            Some(NoteText::Presence { came, went }) => (came, went),
            Some(NoteText::Plain(_)) | None => unreachable!("it was pushed just now"),
        }
    }

    /// Drops a last note that says nothing any more.
    fn tidy(&mut self) {
        let empty = |note: &Note| matches!(&note.what, NoteText::Presence { came, went } if came.is_empty() && went.is_empty());
        if self.notes.back().is_some_and(empty) {
            self.notes.pop_back();
        }
    }

    fn push(&mut self, note: Note) {
        self.notes.push_back(note);
        if self.notes.len() > NOTES {
            self.notes.pop_front();
        }
    }
}

fn newest(room: Option<&Room>) -> u64 {
    room.and_then(Room::position).map_or(0, |at| at.offset)
}
