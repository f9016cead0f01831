//! Somebody with a client that follows the protocol's page, and a connection.

use std::collections::BTreeMap;
use std::time::Instant;

use chat_client::{Backoff, Client, Close, Event, Link, Past, Settings, Standing, Watch};
use serde_json::Value;

use crate::model::ledger::{Ledger, Seen};
use crate::model::record::Record;

pub(crate) const ROOM: &str = "lobby";

/// The moderators' token.
pub(crate) const TOKEN: &str = "moderators-of-the-house";

const NICKS: [&str; 3] = ["Ada", "ada", "Bea"];

/// A connection that is never waited for.
pub(crate) trait Wire {
    fn send(&mut self, frame: String);
    fn take(&mut self) -> Taken;
}

/// What a connection has.
pub(crate) enum Taken {
    Frame(String),
    Nothing,
    Closed(Close),
}

pub(crate) struct Person<W> {
    pub(crate) key: String,
    pub(crate) client: Client,
    pub(crate) wire: Option<W>,
    pub(crate) node: usize,
    pub(crate) asleep: bool,
    pub(crate) moderates: bool,
    /// Requests without an answer; of an order, itself.
    asked: BTreeMap<u64, Value>,
    /// The last place on the screen, and its epoch.
    shown: Option<(String, u64)>,
    /// The texts of what is not kept yet.
    texts: BTreeMap<String, String>,
    words: usize,
    number: usize,
    record: Record,
    /// What was refused last.
    pub(crate) trouble: Option<String>,
    /// How often a node has sent them away because it could not follow the room.
    pub(crate) displaced: usize,
}

impl<W: Wire> Person<W> {
    pub(crate) fn new(number: usize, user: usize, now: Instant, record: Record) -> Self {
        let key = format!("the-key-of-user-{user}");
        let mut settings = Settings::new(NICKS[number % NICKS.len()]);
        settings.key = Some(key.as_str().into());
        settings.watch = Watch::Everything { keep: 1_000_000 };
        settings.seed = number as u64;
        settings.backoff = Backoff {
            first: std::time::Duration::from_millis(50),
            longest: std::time::Duration::from_millis(400),
        };
        let moderates = number == 0;
        let mut client = Client::new(settings, now);
        client.enter(ROOM, moderates.then_some(TOKEN), now);
        Self {
            key,
            client,
            wire: None,
            node: number,
            asleep: false,
            moderates,
            asked: BTreeMap::new(),
            shown: None,
            texts: BTreeMap::new(),
            words: 0,
            number,
            record,
            trouble: None,
            displaced: 0,
        }
    }

    pub(crate) fn say(&mut self, ledger: &mut Ledger, now: Instant) {
        self.words += 1;
        let text = format!("{} of {}", self.words, self.number);
        let said = self.client.say(ROOM, &text, now).expect("a text");
        if let Some(cid) = said {
            ledger.said.insert(text.clone());
            self.texts.insert(cid.into(), text);
        }
    }

    pub(crate) fn say_again(&mut self, cid: &str, text: &str) {
        self.client.say_again(ROOM, cid, text);
        self.texts.insert(cid.into(), text.into());
    }

    pub(crate) fn enter(&mut self, now: Instant) {
        self.client
            .enter(ROOM, self.moderates.then_some(TOKEN), now);
    }

    pub(crate) fn leave(&mut self) {
        self.client.leave(ROOM);
        self.shown = None;
    }

    pub(crate) fn rename(&mut self, nick: usize, now: Instant) {
        self.client.rename(NICKS[nick], now);
    }

    /// The connection is gone, and nobody has said so.
    pub(crate) fn lose(&mut self, ledger: &mut Ledger, now: Instant) {
        if self.wire.take().is_some() {
            self.client.closed(Close::Lost, now);
        }
        self.forget_asked(ledger);
    }

    fn forget_asked(&mut self, ledger: &mut Ledger) {
        for order in std::mem::take(&mut self.asked).into_values() {
            ledger.ruled(&order, None);
        }
    }

    /// Sends and takes all there is. Whether there was something.
    pub(crate) fn turn(&mut self, ledger: &mut Ledger, now: Instant) -> Result<bool, String> {
        if self.asleep {
            return Ok(false);
        }
        self.client.expire(now);
        let mut busy = false;
        loop {
            busy |= self.speak();
            let Some(wire) = &mut self.wire else { break };
            match wire.take() {
                Taken::Frame(frame) => {
                    let got: Value = serde_json::from_str(&frame).expect("it is JSON");
                    self.record
                        .note(format_args!("{} hears {frame}", self.number));
                    let asked = got["id"].as_u64().and_then(|id| self.asked.remove(&id));
                    if let Some(asked) = asked {
                        ledger.ruled(&asked, Some(&got));
                    }
                    self.client.received(&frame, now);
                    busy = true;
                }
                Taken::Nothing => break,
                Taken::Closed(close) => {
                    self.record
                        .note(format_args!("{} is cut off: {close:?}", self.number));
                    self.wire = None;
                    self.displaced += usize::from(close == Close::Code(4009));
                    self.client.closed(close, now);
                    busy = true;
                }
            }
            self.look(ledger)?;
        }
        if self.wire.is_some() && !matches!(self.client.link(), Link::Open { .. }) {
            self.wire = None;
        }
        if self.wire.is_none() {
            self.forget_asked(ledger);
        }
        self.look(ledger)?;
        Ok(busy)
    }

    /// Sends all there is. Whether there was something.
    pub(crate) fn speak(&mut self) -> bool {
        let Some(wire) = &mut self.wire else {
            return false;
        };
        let mut busy = false;
        while let Some(frame) = self.client.next_frame() {
            let sent: Value = serde_json::from_str(&frame).expect("it is JSON");
            self.record
                .note(format_args!("{} says {frame}", self.number));
            if let Some(id) = sent["id"].as_u64() {
                self.asked.insert(id, sent);
            }
            wire.send(frame);
            busy = true;
        }
        busy
    }

    /// What was said and not answered yet.
    pub(crate) fn unanswered(&self) -> impl Iterator<Item = (&String, &String)> {
        self.texts.iter()
    }

    /// Looks at what the client tells.
    fn look(&mut self, ledger: &mut Ledger) -> Result<(), String> {
        while let Some(event) = self.client.next_event() {
            match event {
                Event::Message { message, .. } => self.show(message.offset)?,
                Event::Kept { cid, offset, .. } => {
                    let user = self.user().expect("somebody who is in");
                    if let Some(text) = self.texts.remove(&*cid) {
                        ledger.keep(&user, &cid, offset, &text)?;
                    }
                }
                Event::Refused { text, .. } => {
                    self.texts.retain(|_, one| **one != *text);
                    ledger.refused.insert(text.into());
                }
                Event::Fault(fault) => return Err(format!("{}: {fault}", self.number)),
                Event::Over(reason) => return Err(format!("{}: {reason:?}", self.number)),
                Event::Denied { refusal, .. } => self.trouble = Some(refusal.to_string()),
                _ => {}
            }
        }
        Ok(())
    }

    /// A message comes on the screen: after those before, and once.
    fn show(&mut self, offset: u64) -> Result<(), String> {
        let epoch = self.client.room(ROOM).and_then(|room| room.position());
        let epoch = epoch.map(|at| at.epoch.to_string()).unwrap_or_default();
        if let Some((known, last)) = &self.shown
            && *known == epoch
            && offset <= *last
        {
            return Err(format!("{}: {offset} after {last}", self.number));
        }
        self.shown = Some((epoch, offset));
        Ok(())
    }

    pub(crate) const fn number(&self) -> usize {
        self.number
    }

    /// Our name in the protocol, once we were in.
    pub(crate) fn user(&self) -> Option<String> {
        let me = self.client.room(ROOM)?.me()?;
        Some(me.user.to_string())
    }

    pub(crate) fn is_here(&self) -> bool {
        let room = self.client.room(ROOM);
        room.is_some_and(|room| *room.standing() == Standing::Here)
            && matches!(self.client.link(), Link::Open { .. })
    }

    /// Kept out by a moderator.
    pub(crate) fn is_out(&self) -> bool {
        let room = self.client.room(ROOM);
        room.is_some_and(|room| matches!(room.standing(), Standing::Out(_)))
    }

    /// Whether nothing is under way: in, or kept out by a moderator.
    pub(crate) fn rests(&self) -> bool {
        let Some(room) = self.client.room(ROOM) else {
            return self.asked.is_empty();
        };
        self.asked.is_empty() && (self.is_out() || self.is_here() && room.drafts().len() == 0)
    }

    pub(crate) fn has_all(&self) -> bool {
        let room = self.client.room(ROOM);
        room.is_some_and(|room| {
            room.log().past() == Past::Start || room.position().is_some_and(|at| at.offset == 0)
        })
    }

    /// The room as it is on the screen.
    pub(crate) fn log(&self) -> Vec<Seen> {
        let Some(room) = self.client.room(ROOM) else {
            return Vec::new();
        };
        let seen = room.log().since(0).map(|one| Seen {
            offset: one.offset,
            user: one.from.user.to_string(),
            cid: one.cid.to_string(),
            text: one.text.to_string(),
        });
        seen.collect()
    }

    /// Who is there, as it is on the screen.
    pub(crate) fn people(&self) -> BTreeMap<String, String> {
        let room = self.client.room(ROOM);
        let people = room.and_then(|room| room.people());
        let people = people.into_iter().flatten();
        people
            .map(|one| (one.user.to_string(), one.nick.to_string()))
            .collect()
    }

    /// What it is about, for a case that failed.
    pub(crate) fn describe(&self) -> String {
        let room = self.client.room(ROOM);
        format!(
            "{} at node {}: {:?}, {:?}, {} drafts, asked {:?}, {:?}",
            self.number,
            self.node,
            self.client.link(),
            room.map(|room| room.standing()),
            room.map_or(0, |room| room.drafts().len()),
            self.asked,
            self.trouble,
        )
    }
}
