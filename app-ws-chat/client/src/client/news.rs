//! What the server says unasked.

use std::sync::Arc;
use std::time::Instant;

use super::{Asked, Client, Link, Watch};
use crate::ending::{Close, Reason};
use crate::event::{Arrival, Event, Fault};
use crate::frame::{Message, Moderated, Person, Presence, Refusal, ServerFrame};
use crate::request::ClientFrame;
use crate::room::{Room, Standing};

impl Client {
    /// A text frame came. A text that is no frame of `chat.v1` ends the link for good if it is not even an object.
    pub fn received(&mut self, text: &str, now: Instant) {
        let Link::Open { heard, probed, .. } = &mut self.link else {
            return;
        };
        (*heard, *probed) = (now, None);
        match ServerFrame::parse(text) {
            Ok(frame) => self.take(frame, now),
            Err(crate::BadFrame::NotAnObject) => self.received_nonsense(),
            Err(bad) => self.fault(Fault::Frame(bad)),
        }
    }

    /// A binary frame came, or something else that no `chat.v1` server sends: the link ends for good.
    pub fn received_nonsense(&mut self) {
        self.fault(Fault::Frame(crate::BadFrame::NotAnObject));
        self.end(Reason {
            close: Close::Code(4502),
            msg: "".into(),
        });
    }

    fn take(&mut self, frame: ServerFrame, now: Instant) {
        match frame {
            ServerFrame::Ok(id, reply) => self.answered(id, *reply, now),
            ServerFrame::Err(id, refusal) => self.refused(id, refusal, now),
            ServerFrame::Msg(room, message) => self.said(&room, message, now),
            ServerFrame::Presence(room, presence) => self.came_or_went(&room, presence),
            ServerFrame::Typing(room, person) => self.writes(&room, person, now),
            ServerFrame::Mod(room, what) => self.moderated(room, what),
            ServerFrame::Late(room, late) => self.fell_behind(room, late),
            ServerFrame::Out(room, refusal) => self.put_out(room, refusal, now),
            ServerFrame::Ping => self.frames.push_back(ClientFrame::Pong {}.encode()),
            ServerFrame::Bye(bye) => self.bye = Some(bye),
            ServerFrame::Unknown => {}
        }
    }

    pub(super) fn fault(&mut self, fault: Fault) {
        self.events.push_back(Event::Fault(fault));
    }

    /// The room that a piece of news is about, if we are in it.
    fn concerned(&mut self, name: &Arc<str>, kind: &'static str) -> Option<&mut Room> {
        // Until a leave is answered, news may come of what we no longer want to hear.
        let leaving = self
            .asked
            .iter()
            .any(|(_, asked)| matches!(asked, Asked::Leave(room) if room == name));
        let here = self
            .rooms
            .get(name)
            .is_some_and(|room| room.standing == Standing::Here);
        if !here && !leaving {
            let room = Arc::clone(name);
            self.fault(Fault::Stray { room, kind });
        }
        let known = |room: &&mut Room| here || room.epoch.is_some();
        self.rooms.get_mut(name).filter(known)
    }

    fn said(&mut self, name: &Arc<str>, message: Message, now: Instant) {
        let Some(room) = self.concerned(name, "msg") else {
            return;
        };
        let (expected, got) = (room.last + 1, message.offset);
        if got < expected {
            let (room, offset) = (Arc::clone(name), got);
            return self.fault(Fault::Again { room, offset });
        }
        self.tell(name, message, Arrival::Live);
        if got > expected {
            let room = Arc::clone(name);
            self.fault(Fault::Gap {
                room,
                expected,
                got,
            });
        }
        self.advance_room(name, now);
    }

    /// Takes a message that is newer than all of its room.
    pub(super) fn tell(&mut self, name: &Arc<str>, message: Message, arrival: Arrival) {
        let Some(room) = self.rooms.get_mut(name) else {
            return;
        };
        let message = Arc::new(message);
        room.last = message.offset;
        room.wrote(&message.from.user);
        if let Watch::Everything { keep } = self.settings.watch {
            room.log.append(Arc::clone(&message), keep);
        }
        let mine = room.is_mine(&message);
        self.events.push_back(Event::Message {
            room: Arc::clone(name),
            message: Arc::clone(&message),
            arrival,
        });
        if mine {
            self.settle(name, &message.cid, message.offset);
        }
    }

    /// Something of ours is kept: its answer says so, or itself in the room. Told once, whichever comes first.
    pub(super) fn settle(&mut self, name: &Arc<str>, cid: &str, offset: u64) {
        let draft = self.rooms.get_mut(name).and_then(|room| room.settle(cid));
        if let Some(draft) = draft {
            let (room, cid) = (Arc::clone(name), draft.cid);
            self.events.push_back(Event::Kept { room, cid, offset });
        }
    }

    fn came_or_went(&mut self, name: &Arc<str>, presence: Presence) {
        let watch = self.settings.watch;
        let Some(room) = self.concerned(name, "presence") else {
            return;
        };
        if watch == Watch::Positions {
            return;
        }
        let room_name = Arc::clone(name);
        if let Some(named) = room.presence(&presence) {
            let told = presence.count;
            self.fault(Fault::Count {
                room: Arc::clone(name),
                told,
                named,
            });
        }
        let event = match presence {
            Presence {
                join: Some(person), ..
            } => Event::Came {
                room: room_name,
                person,
            },
            Presence {
                leave: Some(person),
                ..
            } => Event::Went {
                room: room_name,
                person,
            },
            Presence { .. } => return,
        };
        self.events.push_back(event);
    }

    fn writes(&mut self, name: &Arc<str>, person: Person, now: Instant) {
        let watch = self.settings.watch;
        // It waits apart, so it may come after we have left, or are out.
        if let Some(room) = self.rooms.get_mut(name)
            && room.standing == Standing::Here
            && watch != Watch::Positions
        {
            room.writes(person, now);
        }
    }

    fn moderated(&mut self, name: Arc<str>, what: Moderated) {
        let Some(room) = self.concerned(&name, "mod") else {
            return;
        };
        if let Some(every) = what.every_ms {
            room.slow = std::time::Duration::from_millis(every);
        }
        self.events.push_back(Event::Moderated { room: name, what });
    }

    fn fell_behind(&mut self, name: Arc<str>, late: bool) {
        let Some(room) = self.concerned(&name, "late") else {
            return;
        };
        room.late = late;
        self.events.push_back(Event::Late { room: name, late });
    }

    fn put_out(&mut self, name: Arc<str>, refusal: Refusal, now: Instant) {
        let Some(room) = self.concerned(&name, "out") else {
            return;
        };
        room.disconnect();
        room.standing = kept_out(&refusal, now);
        self.events.push_back(Event::Out {
            room: name,
            refusal,
        });
    }
}

/// Where a client stands that is refused a room. What moderators decided is not tried again behind their back.
pub(super) fn kept_out(refusal: &Refusal, now: Instant) -> Standing {
    match (&*refusal.why, refusal.retry_ms) {
        ("kicked" | "banned", _) | (_, None) => Standing::Out(refusal.clone()),
        (_, Some(after)) => Standing::Later(super::replies::after(now, after)),
    }
}
