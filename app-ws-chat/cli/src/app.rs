//! The terminal's state: keys and news in, a screen and wishes to the chat out. No terminal and no socket.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chat_client::{Act, Client, Room, Settings, Standing};
use jiff::tz::TimeZone;

use crate::command::{COMMANDS, Line, Penalty};
use crate::complete::Completion;
use crate::editor::Editor;
use crate::memory::{DraftMemory, Memory, RoomMemory};
use crate::view::{Place, View};
use crate::words;

mod keys;
mod news;

/// Whether to go on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Flow {
    /// Go on.
    Stay,
    /// The user wants to leave.
    Quit,
}

/// What the screen is drawn with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Colours {
    /// The terminal's own sixteen, which are readable on its ground.
    Many,
    /// None: weight alone.
    None,
}

/// The chat in a terminal.
#[derive(Debug)]
pub struct App {
    /// The chat itself.
    pub client: Client,
    pub(crate) views: Vec<View>,
    pub(crate) current: usize,
    pub(crate) editor: Editor,
    pub(crate) zone: TimeZone,
    /// Whether the user looks at it, as far as the terminal says.
    pub(crate) looked_at: bool,
    /// The last thing that was not about a room.
    pub(crate) flash: Option<String>,
    /// Why there is no link, by the network's account.
    pub(crate) trouble: Option<String>,
    pub(crate) colours: Colours,
    /// The rows of the screen with characters of which terminals think differently.
    pub(crate) doubtful: Vec<bool>,
    /// The size of the log on the screen, in columns and rows.
    pub(crate) page: (u16, u16),
    completion: Option<Completion>,
    key: Box<str>,
}

impl App {
    /// The chat as an earlier run has left it, which is in its rooms as soon as there is a link.
    #[must_use]
    pub fn new(memory: Memory, nick: &str, zone: TimeZone, now: Instant) -> Self {
        let mut settings = Settings::new(nick);
        settings.key = Some(memory.key.clone());
        let mut app = Self {
            client: Client::new(settings, now),
            views: Vec::new(),
            current: 0,
            editor: Editor::default(),
            zone,
            looked_at: true,
            flash: None,
            trouble: None,
            colours: Colours::Many,
            doubtful: Vec::new(),
            page: (80, 20),
            completion: None,
            key: memory.key,
        };
        for room in memory.rooms {
            app.enter(&room.name, None, now);
            if let Some(mark) = room.mark {
                app.client.remember(&room.name, mark);
            }
            for draft in room.drafts {
                app.client.say_again(&room.name, &draft.cid, &draft.text);
            }
        }
        app
    }

    /// Draws with these colours.
    #[must_use]
    pub const fn with_colours(mut self, colours: Colours) -> Self {
        self.colours = colours;
        self
    }

    /// Enters a room and shows it.
    pub fn enter(&mut self, name: &str, token: Option<&str>, now: Instant) {
        let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
        self.client.enter(&name, token, now);
        let known = self.views.iter().position(|view| *view.room == *name);
        let at = known.unwrap_or_else(|| {
            self.views.push(View::new(name.as_str().into()));
            self.views.len() - 1
        });
        self.show(at);
    }

    /// Shows the room at this place of the list.
    pub(crate) fn show(&mut self, at: usize) {
        if at >= self.views.len() {
            return;
        }
        if at != self.current {
            let line = self.editor.text().to_owned();
            if let Some(view) = self.views.get_mut(self.current) {
                view.line = line;
                view.fresh_after = None;
            }
            self.current = at;
            let line = std::mem::take(&mut self.views[at].line);
            self.editor.set(&line);
        }
        self.mark_fresh();
        self.read();
    }

    /// What an earlier look has not seen begins here.
    fn mark_fresh(&mut self) {
        let Some(view) = self.views.get_mut(self.current) else {
            return;
        };
        let room = self.client.room(&view.room);
        let unread = room.filter(|room| room.unread() > 0);
        if let Some(mark) = unread.and_then(Room::mark) {
            view.fresh_after.get_or_insert(mark.offset);
        }
    }

    /// What is shown while somebody looks has been read.
    pub(crate) fn read(&mut self) {
        if let Some(view) = self.views.get(self.current)
            && self.looked_at
            && view.place == Place::Bottom
        {
            self.client.read(&view.room);
        }
    }

    /// The user looks at the terminal, or no more.
    pub fn look(&mut self, looked_at: bool) {
        if looked_at && !self.looked_at {
            if let Some(view) = self.views.get_mut(self.current) {
                view.fresh_after = None;
            }
            self.mark_fresh();
        }
        self.looked_at = looked_at;
        self.read();
    }

    /// Why the link could not be made; nothing once it is.
    pub fn set_trouble(&mut self, trouble: Option<&str>) {
        self.trouble = trouble.map(words::harmless);
    }

    /// What the next run has to know.
    #[must_use]
    pub fn memory(&self) -> Memory {
        let rooms = self
            .views
            .iter()
            .filter_map(|view| self.client.room(&view.room));
        let draft = |draft: &chat_client::Draft| DraftMemory {
            cid: draft.cid.clone(),
            text: draft.text.clone(),
        };
        let room = |room: &Room| RoomMemory {
            name: (&**room.name()).into(),
            mark: room.mark().cloned(),
            drafts: room.drafts().map(draft).collect(),
        };
        Memory {
            key: self.key.clone(),
            nick: Some(self.client.nick().into()),
            rooms: rooms.map(room).collect(),
        }
    }

    pub(crate) fn view(&self) -> Option<&View> {
        self.views.get(self.current)
    }

    pub(crate) fn room(&self) -> Option<&Room> {
        self.client.room(&self.view()?.room)
    }

    fn room_name(&self) -> Option<Arc<str>> {
        self.view().map(|view| Arc::clone(&view.room))
    }

    /// Notes something in the room that is shown.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        match self.views.get_mut(self.current) {
            Some(view) => view.note(self.client.room(&view.room), text),
            None => self.flash = Some(text.into()),
        }
    }

    /// Does what the line says.
    fn submit(&mut self, now: Instant) -> Flow {
        let text = self.editor.take();
        if text.trim().is_empty() {
            return Flow::Stay;
        }
        self.flash = None;
        match Line::parse(&text) {
            Ok(Line::Quit) => return Flow::Quit,
            Ok(line) => self.obey(line, now),
            Err(error) => {
                self.flash = Some(error.to_string());
                self.editor.set(&text);
            }
        }
        Flow::Stay
    }

    fn obey(&mut self, line: Line, now: Instant) {
        match line {
            Line::Say(text) => self.say(&text, now),
            Line::Join(room, token) => self.enter(&room, token.as_deref(), now),
            Line::Leave => self.leave(),
            Line::Nick(nick) => self.client.rename(&nick, now),
            Line::Who => self.tell_who(),
            Line::Again => self.again(now),
            Line::Drop => self.take_back(),
            Line::Kick(penalty) => self.punish(penalty, |user, for_ms, reason| Act::Kick {
                user,
                for_ms,
                reason,
            }),
            Line::Ban(penalty) => self.punish(penalty, |user, for_ms, reason| Act::Ban {
                user,
                for_ms,
                reason,
            }),
            Line::Mute(penalty) => self.punish(penalty, |user, for_ms, reason| Act::Mute {
                user,
                for_ms,
                reason,
            }),
            Line::Unban(who) => self.moderate(&Act::Unban {
                user: self.user(&who),
            }),
            Line::Unmute(who) => self.moderate(&Act::Unmute {
                user: self.user(&who),
            }),
            Line::Slow(every) => self.moderate(&Act::Slow {
                every_ms: milliseconds(every),
            }),
            Line::Bans => self.moderate(&Act::List),
            Line::Keys => self.note(keys::HELP),
            Line::Help => {
                let line = |(name, takes, what): &(&str, &str, &str)| {
                    format!("{}\t{what}", format!("{name} {takes}").trim_end())
                };
                let lines: Vec<_> = COMMANDS.iter().map(line).collect();
                self.note(lines.join("\n"));
            }
            // Answered where the program can end.
            Line::Quit => {}
        }
    }

    fn say(&mut self, text: &str, now: Instant) {
        let Some(room) = self.room_name() else {
            self.flash = Some("enter a room first: /join lobby".into());
            self.editor.set(text);
            return;
        };
        if let Err(error) = self.client.say(&room, text, now) {
            self.flash = Some(error.to_string());
            self.editor.set(text);
            return;
        }
        if let Some(view) = self.views.get_mut(self.current) {
            view.place = Place::Bottom;
            view.fresh_after = None;
        }
        self.read();
    }

    fn leave(&mut self) {
        if self.current < self.views.len() {
            let view = self.views.remove(self.current);
            self.client.leave(&view.room);
            let next = self.current.min(self.views.len().saturating_sub(1));
            self.current = next;
            let line = self
                .views
                .get_mut(next)
                .map(|view| std::mem::take(&mut view.line));
            self.editor.set(&line.unwrap_or_default());
            self.show(next);
        }
    }

    fn tell_who(&mut self) {
        let Some(room) = self.room() else { return };
        let text = match room.people() {
            Some(people) => {
                let mut names: Vec<_> =
                    people.map(|person| words::harmless(&person.nick)).collect();
                names.sort_by_key(|name| name.to_lowercase());
                format!("{} here: {}", room.count(), names.join(", "))
            }
            None => format!("{} are here, too many for names.", room.count()),
        };
        self.note(text);
    }

    fn again(&mut self, now: Instant) {
        self.client.hurry(now);
        if let Some(room) = self.room_name()
            && self.client.room(&room).is_some_and(|room| {
                matches!(room.standing(), Standing::Out(_) | Standing::Later(_))
            })
        {
            self.client.enter(&room, None, now);
        }
    }

    /// Takes back what is not sent yet, the last first, to where it can be mended.
    fn take_back(&mut self) {
        let Some(name) = self.room_name() else { return };
        let drafts = self.client.room(&name).into_iter().flat_map(Room::drafts);
        let cids: Vec<_> = drafts.map(|draft| draft.cid.clone()).collect();
        let taken: Vec<_> = cids
            .iter()
            .rev()
            .filter_map(|cid| self.client.take_back(&name, cid))
            .collect();
        match taken.first() {
            Some(last) if self.editor.text().is_empty() => self.editor.set(last),
            Some(_) => {}
            None => self.flash = Some("there is nothing to take back".into()),
        }
    }

    fn punish(
        &mut self,
        penalty: Penalty,
        act: impl Fn(Box<str>, Option<u64>, Option<Box<str>>) -> Act,
    ) {
        let user = self.user(&penalty.who);
        let act = act(
            user,
            penalty.time.map(milliseconds),
            penalty.reason.map(Into::into),
        );
        self.moderate(&act);
    }

    fn moderate(&mut self, act: &Act) {
        if let Some(room) = self.room_name() {
            self.client.moderate(&room, act);
        }
    }

    /// The user of this nickname; who is not here is named by their id.
    fn user(&self, who: &str) -> Box<str> {
        let people = self.room().and_then(Room::people).into_iter().flatten();
        let same = |nick: &str| nick.to_lowercase() == who.to_lowercase();
        let here = people
            .filter(|person| same(&person.nick))
            .map(|person| Box::from(&*person.user))
            .next();
        let wrote = || {
            let log = self.room()?.log();
            let author = log
                .since(0)
                .rev()
                .find(|message| same(&message.from.nick))?;
            Some(Box::from(&*author.from.user))
        };
        here.or_else(wrote).unwrap_or_else(|| who.into())
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
