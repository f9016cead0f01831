//! What the server answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::news::kept_out;
use super::{Asked, Client, Watch};
use crate::event::{Arrival, Event, Fault, Recovery, Wanted};
use crate::frame::{Message, Person, Position, Presence, Refusal, Reply};
use crate::room::{Progress, Standing};

/// What has to wait longer than this is given back to its author, who may want to say something else by then.
const PATIENCE: Duration = Duration::from_secs(60);

/// The shortest wait before a request is tried again, whatever the server says: it counts refusals.
const SHORTEST_WAIT: Duration = Duration::from_millis(100);

/// How long a room is left alone that does not know us, or that we do not understand.
const LOST_ROOM: Duration = Duration::from_secs(1);

/// A join's reply, with all that it must have.
struct Welcome {
    me: Person,
    epoch: Arc<str>,
    offset: u64,
    recovered: bool,
    messages: Vec<Message>,
    presence: Presence,
    slow: Duration,
    late: bool,
}

impl Welcome {
    fn of(reply: Reply) -> Result<Self, &'static str> {
        Ok(Self {
            me: reply.me.ok_or("me")?,
            epoch: reply.epoch.ok_or("epoch")?,
            offset: reply.offset.ok_or("offset")?,
            recovered: reply.recovered.ok_or("recovered")?,
            messages: reply.messages.ok_or("messages")?,
            presence: reply.presence.ok_or("presence")?,
            slow: Duration::from_millis(reply.slow_ms.unwrap_or_default()),
            late: reply.late.unwrap_or_default(),
        })
    }
}

impl Client {
    pub(super) fn answered(&mut self, id: u64, reply: Reply, now: Instant) {
        let Some(asked) = self.next_asked(id) else {
            return;
        };
        match asked {
            Asked::Join(room) => match Welcome::of(reply) {
                Ok(welcome) => self.welcomed(room, welcome, now),
                Err(field) => {
                    if let Some(room) = self.rooms.get_mut(&room) {
                        room.standing = Standing::Later(now + LOST_ROOM);
                    }
                    self.fault(Fault::Reply(Wanted::Join, field));
                }
            },
            Asked::Send(room, cid) => match reply.said_at {
                Some(offset) => self.kept(room, &cid, offset, now),
                None => self.fault(Fault::Reply(Wanted::Message, "o")),
            },
            Asked::History(room, before) => self.remembered(room, before, reply, now),
            Asked::Moderation(room) => {
                if reply.bans.is_some() || reply.mutes.is_some() {
                    self.events.push_back(Event::Penalties {
                        room,
                        bans: reply.bans.unwrap_or_default(),
                        mutes: reply.mutes.unwrap_or_default(),
                    });
                }
            }
            Asked::Leave(_) | Asked::Ping => {}
        }
    }

    pub(super) fn refused(&mut self, id: Option<u64>, refusal: Refusal, now: Instant) {
        let Some(id) = id else {
            return self.fault(Fault::Complaint(refusal));
        };
        let Some(asked) = self.next_asked(id) else {
            return;
        };
        match asked {
            Asked::Join(room) => self.not_welcomed(room, refusal, now),
            Asked::Send(room, cid) => self.not_kept(room, &cid, refusal, now),
            Asked::History(room, _) => self.not_remembered(room, refusal, now),
            // We are not there, which is what we wanted.
            Asked::Leave(_) | Asked::Ping => {}
            Asked::Moderation(room) => self.denied(room, Wanted::Moderation, refusal),
        }
    }

    /// The request that a reply belongs to: the server answers in order.
    fn next_asked(&mut self, got: u64) -> Option<Asked> {
        let expected = self.asked.front().map(|(id, _)| *id);
        if expected == Some(got) {
            return self.asked.pop_front().map(|(_, asked)| asked);
        }
        self.fault(Fault::OutOfTurn { got, expected });
        let at = self.asked.iter().position(|(id, _)| *id == got)?;
        self.asked.remove(at).map(|(_, asked)| asked)
    }

    fn denied(&mut self, room: Arc<str>, what: Wanted, refusal: Refusal) {
        self.events.push_back(Event::Denied {
            room,
            what,
            refusal,
        });
    }

    fn welcomed(&mut self, name: Arc<str>, welcome: Welcome, now: Instant) {
        let Some(room) = self.rooms.get_mut(&name) else {
            return;
        };
        let (ours, newest) = (room.last, welcome.offset);
        let again = room.epoch.as_ref() == Some(&welcome.epoch);
        let first = room.epoch.is_none();
        room.standing = Standing::Here;
        room.me = Some(welcome.me);
        room.slow = welcome.slow;
        room.late = welcome.late;
        let resumes = again && ours <= newest;
        if !resumes {
            room.log.clear();
            room.epoch = Some(welcome.epoch);
            // So that the first of the messages follows it, whichever it is.
            room.last = welcome
                .messages
                .first()
                .map_or(newest, |m| m.offset.saturating_sub(1));
        }
        if again && !resumes {
            let (room, theirs) = (Arc::clone(&name), newest);
            self.fault(Fault::Backwards { room, ours, theirs });
        }
        let whole = welcome.recovered || !resumes;
        let joined = self.replay(&name, welcome.messages, whole);
        let reached = self.reach(&name, newest, whole);
        let past = match (first, resumes) {
            (true, _) => Recovery::First,
            (_, false) => Recovery::Afresh,
            (_, true) if joined && reached => Recovery::Complete,
            (_, true) => Recovery::Partial,
        };
        self.set_mark(&name, first, resumes);
        self.meet(&name, &welcome.presence);
        let room = Arc::clone(&name);
        self.events.push_back(Event::Joined { room, past });
        self.advance_room(&name, now);
    }

    /// Takes the messages of a join's reply. `whole`: there must be none missing between what we have and them. Gives
    /// whether none is.
    fn replay(&mut self, name: &Arc<str>, messages: Vec<Message>, whole: bool) -> bool {
        let mut joined = true;
        for (place, message) in messages.into_iter().enumerate() {
            let Some(room) = self.rooms.get(name) else {
                return false;
            };
            let (expected, got) = (room.last + 1, message.offset);
            if got < expected {
                continue;
            }
            self.tell(name, message, Arrival::Replayed);
            joined &= got == expected;
            if got > expected && (whole || place > 0) {
                let room = Arc::clone(name);
                self.fault(Fault::Gap {
                    room,
                    expected,
                    got,
                });
            }
        }
        joined
    }

    /// Goes to the position that the reply names. Gives whether the messages went so far.
    fn reach(&mut self, name: &Arc<str>, newest: u64, whole: bool) -> bool {
        let Some(room) = self.rooms.get_mut(name) else {
            return false;
        };
        let reached = room.last;
        room.last = reached.max(newest);
        if whole && reached != newest {
            let (room, expected, got) = (Arc::clone(name), reached + 1, newest + 1);
            self.fault(Fault::Gap {
                room,
                expected,
                got,
            });
        }
        reached == newest
    }

    /// Decides what is unread: nothing the first time, all of it if the story is another one.
    fn set_mark(&mut self, name: &str, first: bool, resumes: bool) {
        let Some(room) = self.rooms.get_mut(name) else {
            return;
        };
        let known = |mark: &Position| Some(&mark.epoch) == room.epoch.as_ref();
        let all_read = first && room.mark.is_none();
        if all_read {
            room.mark = room.position();
        } else if !resumes && !room.mark.as_ref().is_some_and(known) {
            room.mark = room.position().map(|mut at| {
                at.offset = 0;
                at
            });
        }
    }

    fn meet(&mut self, name: &Arc<str>, presence: &Presence) {
        if self.settings.watch == Watch::Positions {
            return;
        }
        let named = self
            .rooms
            .get_mut(name)
            .and_then(|room| room.presence(presence));
        if let Some(named) = named {
            let (room, told) = (Arc::clone(name), presence.count);
            self.fault(Fault::Count { room, told, named });
        }
    }

    fn not_welcomed(&mut self, name: Arc<str>, refusal: Refusal, now: Instant) {
        let Some(room) = self.rooms.get_mut(&name) else {
            return;
        };
        // Who asks twice is let in once, and the last answer counts.
        let asked_again = |asked: &Asked| matches!(asked, Asked::Join(room) if *room == name);
        let in_already = &*refusal.why == "already-here";
        let here = in_already && room.standing == Standing::Here;
        if here || self.asked.iter().any(|(_, asked)| asked_again(asked)) {
            return;
        }
        if in_already {
            // Without having been welcomed: the way in is by the way out.
            room.standing = Standing::Later(now + LOST_ROOM);
            return self.ask(Asked::Leave(name));
        }
        room.standing = kept_out(&refusal, now);
        self.denied(name, Wanted::Join, refusal);
    }

    fn kept(&mut self, name: Arc<str>, cid: &str, offset: u64, now: Instant) {
        self.settle(&name, cid, offset);
        self.advance_room(&name, now);
    }

    fn not_kept(&mut self, name: Arc<str>, cid: &str, refusal: Refusal, now: Instant) {
        let Some(room) = self.rooms.get_mut(&name) else {
            return;
        };
        let wait = refusal.retry_ms.map(Duration::from_millis);
        let stays = refusal.why.as_ref() == "not-here" || wait.is_some_and(|wait| wait <= PATIENCE);
        if !stays {
            if let Some(draft) = room.settle(cid) {
                self.events.push_back(Event::Refused {
                    room: Arc::clone(&name),
                    text: draft.text,
                    refusal,
                });
            }
            return self.advance_room(&name, now);
        }
        match wait {
            Some(wait) => room.hold = Some(now + wait.max(SHORTEST_WAIT)),
            None if room.standing == Standing::Here => {
                room.standing = Standing::Later(now + LOST_ROOM);
            }
            None => {}
        }
        for draft in room.drafts.iter_mut().filter(|draft| &*draft.cid == cid) {
            draft.progress = match draft.progress {
                Progress::Sent { again: false } => Progress::Waiting,
                Progress::Sent { again: true } | Progress::InDoubt => Progress::InDoubt,
                Progress::Waiting => Progress::Waiting,
            };
        }
    }

    fn remembered(&mut self, name: Arc<str>, before: u64, reply: Reply, now: Instant) {
        let (Some(messages), Some(more)) = (reply.messages, reply.more) else {
            return self.fault(Fault::Reply(Wanted::History, "messages or more"));
        };
        let Some(room) = self.rooms.get_mut(&name) else {
            return;
        };
        room.asking = None;
        // Another epoch: the room has to be entered anew, and will be.
        if reply.epoch.is_some() && reply.epoch != room.epoch {
            return;
        }
        let holes = messages
            .windows(2)
            .find(|two| two[0].offset + 1 != two[1].offset);
        let gap = holes.map(|two| Fault::Gap {
            room: Arc::clone(&name),
            expected: two[0].offset + 1,
            got: two[1].offset,
        });
        let ours = messages.iter().filter(|message| room.is_mine(message));
        let ours: Vec<_> = ours.map(|m| (m.cid.clone(), m.offset)).collect();
        room.log.fill(before, messages, more);
        for (cid, offset) in ours {
            self.settle(&name, &cid, offset);
        }
        if let Some(gap) = gap {
            self.fault(gap);
        }
        self.advance_room(&name, now);
        self.events.push_back(Event::History { room: name });
    }

    fn not_remembered(&mut self, name: Arc<str>, refusal: Refusal, now: Instant) {
        let Some(room) = self.rooms.get_mut(&name) else {
            return;
        };
        let asked = room.asking.take();
        match (refusal.retry_ms, asked) {
            (Some(wait), _) => room.history_hold = Some(after(now, wait)),
            // It would be refused again.
            (None, Some(before)) => room.log.fill(before, Vec::new(), false),
            (None, None) => {}
        }
        self.advance_room(&name, now);
        self.denied(name, Wanted::History, refusal);
    }
}

pub(super) fn after(now: Instant, milliseconds: u64) -> Instant {
    let wait = Duration::from_millis(milliseconds).max(SHORTEST_WAIT);
    // So far away that it is never.
    now.checked_add(wait)
        .unwrap_or(now + Duration::from_secs(86_400 * 365))
}
