//! The client: rooms that outlive links, requests in their order, and one place that says what to do next.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::backoff::Backoff;
use crate::ending::{Close, Reason, Verdict, verdict};
use crate::event::Event;
use crate::frame::Bye;
use crate::request::ClientFrame;
use crate::room::{Progress, Room, Standing};

mod news;
mod replies;
mod wishes;

/// The server pings every 20 to 30 s; with its 10 s for the answer, longer silence is a dead link.
const SILENCE: Duration = Duration::from_secs(40);

/// How long the answer to our own ping may take.
const PROBE: Duration = Duration::from_secs(5);

/// A link that held this long was a good one: the next attempt waits the shortest time again.
const GOOD_AFTER: Duration = Duration::from_secs(10);

/// How many messages a page of history has.
const PAGE: u64 = 50;

/// A client's choices.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The nickname wished for.
    pub nick: Box<str>,
    /// The secret that makes us the same user again, 16 to 64 letters, digits, `-` or `_`; without it, each connection
    /// is somebody new.
    pub key: Option<Box<str>>,
    /// What is remembered.
    pub watch: Watch,
    /// The waits between attempts.
    pub backoff: Backoff,
    /// Makes jitter and message ids; two clients of one user need different ones.
    pub seed: u64,
}

impl Settings {
    /// A client of this nickname, with random ids and no key.
    #[must_use]
    pub fn new(nick: &str) -> Self {
        Self {
            nick: nick.into(),
            key: None,
            watch: Watch::Everything { keep: 5_000 },
            backoff: Backoff::default(),
            seed: fastrand::u64(..),
        }
    }
}

/// What a client remembers of its rooms.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Watch {
    /// Everything, with so many messages of each room: what a screen needs.
    Everything {
        /// 5,000 messages of the longest text are 20 MiB.
        keep: usize,
    },
    /// Positions alone: messages are told once, and presence and typing not at all. What a crowd of clients needs.
    Positions,
}

/// The state of the link.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Link {
    /// Connect at this time.
    Waiting {
        /// Then.
        until: Instant,
        /// What the server asked for: nobody may hurry before.
        not_before: Instant,
    },
    /// Being made.
    Connecting,
    /// Up.
    Open {
        /// Since when.
        since: Instant,
        /// When the server was last heard.
        heard: Instant,
        /// When we asked whether it is still there.
        probed: Option<Instant>,
    },
    /// Down for good.
    Over(Reason),
}

/// A request that was sent, for its reply.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Asked {
    Join(Arc<str>),
    Send(Arc<str>, Box<str>),
    History(Arc<str>, u64),
    Leave(Arc<str>),
    Moderation(Arc<str>),
    Ping,
}

/// A client of the chat. See the [crate's page](crate) for the order of calls.
#[derive(Debug)]
pub struct Client {
    settings: Settings,
    random: fastrand::Rng,
    link: Link,
    /// Attempts since the last good link.
    attempts: u32,
    bye: Option<Bye>,
    rooms: BTreeMap<Arc<str>, Room>,
    /// Answered in this order.
    asked: VecDeque<(u64, Asked)>,
    requests: u64,
    drafts: u64,
    frames: VecDeque<String>,
    events: VecDeque<Event>,
}

impl Client {
    /// A client without a link, which wants one now.
    #[must_use]
    pub fn new(settings: Settings, now: Instant) -> Self {
        Self {
            random: fastrand::Rng::with_seed(settings.seed),
            settings,
            link: Link::Waiting {
                until: now,
                not_before: now,
            },
            attempts: 0,
            bye: None,
            rooms: BTreeMap::new(),
            asked: VecDeque::new(),
            requests: 0,
            drafts: 0,
            frames: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// Asks whether the link is alive, and takes it for dead if there is no answer within 5 s: for a machine that has
    /// just woken up.
    pub fn probe(&mut self, now: Instant) {
        if let Link::Open { probed, .. } = &mut self.link
            && probed.is_none()
        {
            *probed = Some(now);
            self.ask(Asked::Ping);
        }
    }

    /// Does not wait longer before the next attempt than the server asked for.
    pub fn hurry(&mut self, now: Instant) {
        if let Link::Waiting { until, not_before } = &mut self.link {
            *until = (*not_before).max(now);
        }
    }

    /// Wants no link any more.
    pub fn quit(&mut self) {
        self.end(Reason {
            close: Close::Code(1000),
            msg: "".into(),
        });
    }

    /// The link is being made.
    pub fn connecting(&mut self) {
        self.link = Link::Connecting;
    }

    /// The link is up.
    pub fn opened(&mut self, now: Instant) {
        self.link = Link::Open {
            since: now,
            heard: now,
            probed: None,
        };
        self.events.push_back(Event::Opened);
        self.advance(now);
    }

    /// The link is down, or could not be made.
    pub fn closed(&mut self, close: Close, now: Instant) {
        if matches!(self.link, Link::Over(_)) {
            return;
        }
        if matches!(self.link, Link::Open { since, .. } if now >= since + GOOD_AFTER) {
            self.attempts = 0;
        }
        let bye = self.bye.take();
        let msg = bye.as_ref().map(|bye| bye.msg.clone()).unwrap_or_default();
        match verdict(bye, close) {
            Verdict::StayAway(reason) => self.end(reason),
            Verdict::ComeBack(after) => {
                let random = self.random.f64();
                let wait = self.settings.backoff.wait(self.attempts, random);
                self.attempts = self.attempts.saturating_add(1);
                let not_before = now + after;
                let until = not_before.max(now + wait);
                self.link = Link::Waiting { until, not_before };
                self.forget_link();
                let back = until;
                self.events.push_back(Event::Lost { close, msg, back });
            }
        }
    }

    /// Does what is due. Call it at the [deadline](Self::deadline); at any other time it does no harm.
    pub fn expire(&mut self, now: Instant) {
        if self.link_deadline().is_some_and(|at| at <= now) && self.is_open() {
            self.closed(Close::Lost, now);
        }
        for room in self.rooms.values_mut() {
            room.expire(now);
        }
        self.advance(now);
    }

    /// When [`expire`](Self::expire) is to be called; never, if nothing is awaited.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let rooms = self.rooms.values().filter_map(Room::deadline);
        rooms.chain(self.link_deadline()).min()
    }

    /// The next frame to send.
    pub fn next_frame(&mut self) -> Option<String> {
        self.frames.pop_front()
    }

    /// The next thing that happened.
    pub fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The state of the link.
    #[must_use]
    pub const fn link(&self) -> &Link {
        &self.link
    }

    /// Whether a link is to be made now.
    #[must_use]
    pub fn wants_link(&self, now: Instant) -> bool {
        matches!(self.link, Link::Waiting { until, .. } if until <= now)
    }

    /// The nickname wished for.
    #[must_use]
    pub fn nick(&self) -> &str {
        &self.settings.nick
    }

    /// A room that was entered.
    #[must_use]
    pub fn room(&self, name: &str) -> Option<&Room> {
        self.rooms.get(name)
    }

    /// The rooms that were entered, by name.
    pub fn rooms(&self) -> impl ExactSizeIterator<Item = &Room> {
        self.rooms.values()
    }

    const fn is_open(&self) -> bool {
        matches!(self.link, Link::Open { .. })
    }

    fn link_deadline(&self) -> Option<Instant> {
        match self.link {
            Link::Waiting { until, .. } => Some(until),
            Link::Open { heard, probed, .. } => {
                let silence = heard + SILENCE;
                Some(probed.map_or(silence, |at| silence.min(at + PROBE)))
            }
            Link::Connecting | Link::Over(_) => None,
        }
    }

    fn end(&mut self, reason: Reason) {
        self.link = Link::Over(reason.clone());
        self.forget_link();
        self.events.push_back(Event::Over(reason));
    }

    /// What was under way on a link is so no more.
    fn forget_link(&mut self) {
        self.bye = None;
        self.asked.clear();
        self.frames.clear();
        for room in self.rooms.values_mut() {
            room.disconnect();
        }
    }

    /// Sends what can be sent now: joins, drafts, and questions for what is missing.
    fn advance(&mut self, now: Instant) {
        if !self.is_open() {
            return;
        }
        let names: Vec<_> = self.rooms.keys().cloned().collect();
        for name in names {
            self.advance_room(&name, now);
        }
    }

    fn advance_room(&mut self, name: &Arc<str>, now: Instant) {
        let Some(room) = self
            .rooms
            .get_mut(name)
            .filter(|_| matches!(self.link, Link::Open { .. }))
        else {
            return;
        };
        if room.standing == Standing::Away {
            room.standing = Standing::Entering;
            self.ask(Asked::Join(Arc::clone(name)));
        } else if let Some(draft) = room.sendable(now) {
            let again = draft.progress == Progress::InDoubt;
            draft.progress = Progress::Sent { again };
            let cid = draft.cid.clone();
            self.ask(Asked::Send(Arc::clone(name), cid));
        } else if let Some(before) = room.hole_to_ask_for(now) {
            self.ask_for_history(name, before);
        }
    }

    fn ask_for_history(&mut self, name: &Arc<str>, before: u64) {
        if let Some(room) = self.rooms.get_mut(name) {
            room.asking = Some(before);
            self.ask(Asked::History(Arc::clone(name), before));
        }
    }

    fn request(&mut self, asked: Asked, frame: impl FnOnce(u64) -> String) {
        if self.is_open() {
            self.requests += 1;
            self.frames.push_back(frame(self.requests));
            self.asked.push_back((self.requests, asked));
        }
    }

    /// Sends a request that is made of what is known.
    fn ask(&mut self, asked: Asked) {
        let Some(frame) = self.frame_of(&asked, self.requests + 1) else {
            return;
        };
        self.request(asked, |_| frame);
    }

    fn frame_of(&self, asked: &Asked, id: u64) -> Option<String> {
        let frame = match asked {
            Asked::Join(name) => {
                let room = self.rooms.get(name)?;
                ClientFrame::Join {
                    id,
                    room: name,
                    nick: &self.settings.nick,
                    key: self.settings.key.as_deref(),
                    since: room.position(),
                    token: room.token.as_deref(),
                }
            }
            Asked::Send(name, cid) => {
                let draft = self.rooms.get(name)?.drafts().find(|d| d.cid == *cid)?;
                ClientFrame::Send {
                    id,
                    room: name,
                    cid,
                    text: &draft.text,
                }
            }
            Asked::History(room, before) => ClientFrame::History {
                id,
                room,
                before: Some(*before),
                limit: PAGE,
            },
            Asked::Leave(room) => ClientFrame::Leave { id, room },
            Asked::Ping => ClientFrame::Ping { id },
            // Its frame says what is to be done, which nobody keeps.
            Asked::Moderation(_) => return None,
        };
        Some(frame.encode())
    }
}
