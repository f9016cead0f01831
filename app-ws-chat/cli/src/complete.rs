//! What Tab completes: commands at the start of a line, names of people everywhere.

use chat_client::Room;

use crate::command::COMMANDS;
use crate::editor::Editor;

/// A word that is being completed: each further Tab shows the next candidate.
#[derive(Debug)]
pub(crate) struct Completion {
    /// Where the word begins, in bytes of the line.
    from: usize,
    candidates: Vec<String>,
    next: usize,
}

impl Completion {
    /// Finds what the word before the cursor may become; nothing if there is nothing.
    pub(crate) fn begin(before: &str, room: Option<&Room>) -> Option<Self> {
        let from = before.rfind(char::is_whitespace).map_or(0, |at| {
            at + before[at..].chars().next().map_or(1, char::len_utf8)
        });
        let word = &before[from..];
        let candidates = match word.starts_with('/') && from == 0 {
            true => commands(word),
            false => people(word, before, room?),
        };
        (!candidates.is_empty()).then_some(Self {
            from,
            candidates,
            next: 0,
        })
    }

    /// Shows the next candidate.
    pub(crate) fn next(&mut self, editor: &mut Editor) {
        let candidate = &self.candidates[self.next];
        editor.replace_from(self.from, candidate);
        self.next = (self.next + 1) % self.candidates.len();
    }
}

fn commands(word: &str) -> Vec<String> {
    let names = COMMANDS.iter().map(|(name, ..)| name);
    names
        .filter(|name| name.starts_with(word))
        .map(|name| format!("{name} "))
        .collect()
}

/// Who is here, or has said something lately, in the order of the alphabet.
fn people(word: &str, before: &str, room: &Room) -> Vec<String> {
    let stem = word.trim_start_matches(['"', '@']).to_lowercase();
    if word.is_empty() {
        return Vec::new();
    }
    let here = room
        .people()
        .into_iter()
        .flatten()
        .map(|person| &person.nick);
    let spoke = room
        .log()
        .since(0)
        .rev()
        .take(200)
        .map(|message| &message.from.nick);
    let fits = |nick: &&std::sync::Arc<str>| nick.to_lowercase().starts_with(&stem);
    let mut nicks: Vec<_> = here
        .chain(spoke)
        .filter(fits)
        .map(ToString::to_string)
        .collect();
    nicks.sort_by_key(|nick| nick.to_lowercase());
    nicks.dedup();
    let command = before.starts_with('/') && !before.starts_with("//");
    let first = word.len() == before.len();
    let written = |nick: String| match (command, first) {
        (true, _) if nick.contains(char::is_whitespace) => format!("\"{nick}\" "),
        (false, true) => format!("{nick}: "),
        (true | false, _) => format!("{nick} "),
    };
    nicks.into_iter().map(written).collect()
}
