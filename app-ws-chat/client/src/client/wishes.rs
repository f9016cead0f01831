//! What a client's user wants of rooms.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Asked, Client, PAGE, Watch};
use crate::frame::Position;
use crate::log::Past;
use crate::request::{Act, ClientFrame};
use crate::room::{Draft, Progress, Room, Standing};
use crate::text::{TextError, tidy};

/// Whoever is writing says so again after this time.
const TYPING_EVERY: Duration = Duration::from_secs(3);

impl Client {
    /// Wants to be in a room, as a moderator if there is a token, from now on and on every link. Who is in already, or is
    /// kept out, tries again.
    pub fn enter(&mut self, name: &str, token: Option<&str>, now: Instant) {
        let room = self.rooms.entry(name.into());
        let room = room.or_insert_with_key(|name| Room::new(Arc::clone(name)));
        let promoted = token.is_some() && room.token.as_deref() != token;
        if promoted {
            room.token = token.map(Into::into);
        }
        match room.standing {
            Standing::Later(_) | Standing::Out(_) => room.standing = Standing::Away,
            Standing::Here if promoted => self.reenter(&Arc::from(name)),
            Standing::Here | Standing::Away | Standing::Entering => {}
        }
        self.advance(now);
    }

    /// What was read of a room when it was left, by an earlier client of the same user: what came later is unread.
    pub fn remember(&mut self, name: &str, mark: Position) {
        if let Some(room) = self.rooms.get_mut(name) {
            room.mark.get_or_insert(mark);
        }
    }

    /// Wants to be in a room no longer. Drafts are dropped.
    pub fn leave(&mut self, name: &str) {
        let Some(room) = self.rooms.remove(name) else {
            return;
        };
        if matches!(room.standing, Standing::Here | Standing::Entering) {
            self.ask(Asked::Leave(room.name));
        }
    }

    /// Is called otherwise from now on. Rooms are left and entered again, since the protocol has no other way.
    pub fn rename(&mut self, nick: &str, now: Instant) {
        self.settings.nick = nick.into();
        let here = |room: &&Room| room.standing == Standing::Here;
        let rooms = self
            .rooms
            .values()
            .filter(here)
            .map(|r| Arc::clone(&r.name));
        for name in rooms.collect::<Vec<_>>() {
            self.reenter(&name);
        }
        self.advance(now);
    }

    fn reenter(&mut self, name: &Arc<str>) {
        if let Some(room) = self.rooms.get_mut(name) {
            room.standing = Standing::Away;
            self.ask(Asked::Leave(Arc::clone(name)));
        }
    }

    /// Says something in a room that was entered, now or as soon as that is possible. Gives its id; nothing if the
    /// room was not entered.
    ///
    /// # Errors
    ///
    /// [`TextError`], if the text is blank or too long.
    pub fn say(
        &mut self,
        name: &str,
        text: &str,
        now: Instant,
    ) -> Result<Option<Box<str>>, TextError> {
        let text = tidy(text)?;
        let cid = format!("{:016x}-{}", self.settings.seed, self.drafts).into_boxed_str();
        let Some(room) = self.rooms.get_mut(name) else {
            return Ok(None);
        };
        self.drafts += 1;
        room.typed = None;
        room.drafts.push_back(Draft {
            cid: cid.clone(),
            text,
            progress: Progress::Waiting,
        });
        self.advance(now);
        Ok(Some(cid))
    }

    /// Says something that an earlier client of the same user has not got rid of, under the id that it had.
    pub fn say_again(&mut self, name: &str, cid: &str, text: &str) {
        if let Some(room) = self.rooms.get_mut(name) {
            room.drafts.push_back(Draft {
                cid: cid.into(),
                text: text.into(),
                progress: Progress::InDoubt,
            });
        }
    }

    /// Takes back what has not been sent yet. Gives its text.
    pub fn take_back(&mut self, name: &str, cid: &str) -> Option<Box<str>> {
        let room = self.rooms.get_mut(name)?;
        let unsent = |d: &Draft| &*d.cid == cid && d.progress == Progress::Waiting;
        room.drafts
            .iter()
            .any(unsent)
            .then(|| room.settle(cid))?
            .map(|draft| draft.text)
    }

    /// The user is writing. Call it at each key: it is told as often as the protocol wants.
    pub fn typing(&mut self, name: &str, now: Instant) {
        let Some(room) = self.rooms.get_mut(name) else {
            return;
        };
        let told = room.typed.is_some_and(|at| now < at + TYPING_EVERY);
        if room.standing == Standing::Here && !told {
            room.typed = Some(now);
            self.frames
                .push_back(ClientFrame::Typing { room: name }.encode());
        }
    }

    /// All that has been said so far has been read.
    pub fn read(&mut self, name: &str) {
        if let Some(room) = self.rooms.get_mut(name) {
            room.mark = room.position();
        }
    }

    /// Asks for messages older than those in the log. Does nothing if there are none, the log is full, or it was asked
    /// already; [`Event::History`](crate::Event::History) says when they are there.
    pub fn older(&mut self, name: &str, now: Instant) {
        let Some(room) = self.rooms.get_mut(name) else {
            return;
        };
        let Watch::Everything { keep } = self.settings.watch else {
            return;
        };
        let full = room.log.len() + PAGE as usize > keep;
        let held = room.history_hold.is_some_and(|until| now < until);
        let busy = room.standing != Standing::Here || room.asking.is_some() || held;
        if busy || full || room.log.past() == Past::Start {
            return;
        }
        let before = room.log.first().unwrap_or(room.last + 1);
        self.ask_for_history(&Arc::from(name), before);
    }

    /// Asks for an act of a moderator, if there is a link.
    pub fn moderate(&mut self, name: &str, act: &Act) {
        if let Some(room) = self.rooms.get(name) {
            let room = Arc::clone(&room.name);
            self.request(Asked::Moderation(Arc::clone(&room)), |id| {
                let room = &room;
                ClientFrame::Mod { id, room, act }.encode()
            });
        }
    }
}
