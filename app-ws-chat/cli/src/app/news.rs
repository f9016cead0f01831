//! What the chat tells, as notes beside the log.

use std::sync::Arc;

use chat_client::{Event, Recovery, Wanted};

use super::App;
use crate::view::Place;
use crate::words;

impl App {
    /// Takes what happened. Gives whether something did.
    pub fn hear(&mut self) -> bool {
        let mut any = false;
        while let Some(event) = self.client.next_event() {
            any = true;
            self.take(event);
        }
        self.read();
        any
    }

    fn take(&mut self, event: Event) {
        match event {
            // The status line says so.
            Event::Opened => self.flash = None,
            Event::Over(_) | Event::Kept { .. } | Event::History { .. } | Event::Late { .. } => {}
            Event::Lost { msg, .. } => {
                self.flash = (!msg.is_empty()).then(|| words::harmless(&msg));
            }
            Event::Joined { room, past } => self.joined(&room, past),
            Event::Message { room, message, .. } => self.said(&room, message.offset),
            Event::Refused {
                room,
                text,
                refusal,
            } => {
                self.note_in(
                    &room,
                    format!("Not sent: {}.", words::harmless(&refusal.to_string())),
                );
                self.give_back(&room, &text);
            }
            Event::Denied {
                room,
                what,
                refusal,
            } => {
                let wanted = match what {
                    Wanted::Join => "You cannot enter",
                    Wanted::History => "Older messages are not to be had",
                    Wanted::Message | Wanted::Moderation => "Not done",
                };
                self.note_in(
                    &room,
                    format!("{wanted}: {}.", words::harmless(&refusal.to_string())),
                );
            }
            Event::Came { room, person } => {
                self.in_view(&room, |view, known| view.came(known, person))
            }
            Event::Went { room, person } => {
                self.in_view(&room, |view, known| view.went(known, person))
            }
            Event::Moderated { room, what } => self.note_in(&room, words::moderated(&what)),
            Event::Penalties { room, bans, mutes } => {
                let lines = words::penalties(&bans, &mutes, &self.zone);
                self.note_in(&room, lines);
            }
            Event::Out { room, refusal } => {
                let why = words::harmless(&refusal.to_string());
                self.note_in(
                    &room,
                    format!("You are no longer here: {why}. /again tries to come back."),
                );
            }
            Event::Fault(fault) => {
                let text = words::harmless(&fault.to_string());
                self.note(format!("The server broke a rule of the protocol: {text}."));
            }
        }
    }

    fn joined(&mut self, room: &Arc<str>, past: Recovery) {
        let me = self.client.room(room).and_then(|room| room.me());
        let called = me.map(|me| words::harmless(&me.nick)).unwrap_or_default();
        let wish = words::harmless(self.client.nick());
        match past {
            Recovery::First if called != wish => {
                let numbered = called.ends_with(')') && called.contains(" (");
                self.note_in(
                    room,
                    if numbered {
                        format!("The name {wish} is taken here, so you are {called}.")
                    } else {
                        format!(
                            "You are here already as {called}, so you are called that here, too."
                        )
                    },
                );
            }
            Recovery::Afresh => {
                self.in_view(room, |view, _| view.forget());
                self.note_in(
                    room,
                    "The room has begun afresh: what was said before is gone.",
                );
            }
            Recovery::First | Recovery::Complete | Recovery::Partial => {}
        }
        if self.view().is_some_and(|view| view.room == *room) {
            self.mark_fresh();
        }
    }

    /// What comes while nobody looks is marked as new.
    fn said(&mut self, room: &Arc<str>, offset: u64) {
        let looked_at = self.looked_at;
        let shown = self.view().is_some_and(|view| view.room == *room);
        let mine = self.client.room(room).is_some_and(|known| {
            let said = known.log().since(offset).next();
            said.is_some_and(|message| known.is_mine(message))
        });
        self.in_view(room, |view, _| {
            let seen = shown && looked_at && view.place == Place::Bottom;
            if shown && !seen && !mine {
                view.fresh_after.get_or_insert(offset - 1);
            }
        });
    }

    /// A text that was not sent comes back to where it was written, if nothing else is there.
    fn give_back(&mut self, room: &Arc<str>, text: &str) {
        let shown = self.view().is_some_and(|view| view.room == *room);
        if shown {
            if self.editor.text().is_empty() {
                self.editor.set(text);
            }
            return;
        }
        self.in_view(room, |view, _| {
            if view.line.is_empty() {
                view.line = text.to_owned();
            }
        });
    }

    fn note_in(&mut self, room: &Arc<str>, text: impl Into<String>) {
        self.in_view(room, |view, known| view.note(known, text));
    }

    fn in_view(
        &mut self,
        room: &Arc<str>,
        change: impl FnOnce(&mut crate::view::View, Option<&chat_client::Room>),
    ) {
        if let Some(view) = self.views.iter_mut().find(|view| view.room == *room) {
            change(view, self.client.room(room));
        }
    }
}
