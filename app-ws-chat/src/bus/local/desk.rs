//! Where one room's drafts wait to be written down, pure: what is kept next, what was kept, who hears of it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::bus::{Event, Listener, Opened};
use crate::message::{Epoch, Message, Offset, Person, Present, Rank, Timestamp};
use crate::moderation::{Rules, Ruling};
use crate::name::{Cid, Nick, UserId};
use crate::presence::People;
use crate::protocol::Draft;
use crate::recent::Recent;
use crate::refusal::Refusal;
use crate::ring::Ring;
use crate::room::Receipt;
use crate::store::Past;

/// Messages that one call of the store keeps.
const BATCH: usize = 128;

/// Users whose last message is remembered for the slow mode before those whose time is over are forgotten.
const PACED: usize = 1_000;

/// A room of a node that is alone.
#[derive(Debug)]
pub(super) struct Desk {
    epoch: Epoch,
    ring: Ring,
    recent: Recent,
    rules: Rules,
    people: People,
    listener: Option<Arc<dyn Listener>>,
    waiting: VecDeque<Waiting>,
    /// How many of `waiting` the store has before it.
    under_way: usize,
    pen: Pen,
    said: HashMap<UserId, Timestamp>,
}

/// Whether somebody writes down what waits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Pen {
    Free,
    Taken,
}

#[derive(Debug)]
struct Waiting {
    from: Person,
    draft: Draft,
    /// As what it was last given to the store.
    message: Option<Arc<Message>>,
    answers: Vec<Reply>,
}

type Reply = oneshot::Sender<Result<Receipt, Refusal>>;

/// What becomes of a draft.
#[derive(Debug)]
pub(super) enum Asked {
    /// It was said before.
    Already(Receipt),
    Refused(Refusal),
    /// It is answered when it is kept.
    Waits,
    /// The same, and the caller has to write down what waits.
    TakeThePen,
}

/// An answer, given outside of locks.
#[derive(Debug)]
pub(super) struct Answer {
    to: Vec<Reply>,
    with: Result<Receipt, Refusal>,
}

impl Answer {
    pub(super) fn give(self) {
        for reply in self.to {
            // Who asked may be gone.
            let _ = reply.send(self.with);
        }
    }
}

impl Desk {
    pub(super) fn new(past: Past, now: Timestamp) -> Self {
        let mut recent = Recent::default();
        for (user, cid, receipt) in past.receipts {
            recent.note(user, cid, receipt, now);
        }
        Self {
            epoch: past.epoch,
            ring: past.ring,
            recent,
            rules: past.rules,
            people: People::default(),
            listener: None,
            waiting: VecDeque::new(),
            under_way: 0,
            pen: Pen::Free,
            said: HashMap::new(),
        }
    }

    pub(super) fn open(&mut self, listener: &Arc<dyn Listener>) -> Opened {
        self.listener = Some(Arc::clone(listener));
        self.people = People::default();
        Opened {
            epoch: self.epoch.clone(),
            ring: self.ring.clone(),
            here: Vec::new(),
            rules: self.rules.clone(),
        }
    }

    /// Opens a desk that still writes, whose past the store does not know yet. One that does not is better made anew.
    pub(super) fn reopen(&mut self, listener: &Arc<dyn Listener>) -> Option<Opened> {
        (!self.is_idle()).then(|| self.open(listener))
    }

    pub(super) fn close(&mut self) {
        self.listener = None;
        self.people = People::default();
    }

    /// Whether nobody listens and nothing waits.
    pub(super) fn is_idle(&self) -> bool {
        self.listener.is_none() && self.waiting.is_empty() && self.pen == Pen::Free
    }

    pub(super) fn tell(&self, event: Event) {
        if let Some(listener) = &self.listener {
            listener.hear(event);
        }
    }

    pub(super) fn rule(&mut self, ruling: &Ruling) {
        self.rules.apply(ruling.change());
    }

    pub(super) fn enter(&mut self, user: UserId, wish: &Nick, rank: Rank) -> Present {
        let present = match self.people.find(user) {
            Some(present) if present.rank == rank || rank == Rank::Guest => return present,
            Some(Present { person, .. }) => Present { person, rank },
            None => Present {
                person: Person {
                    user,
                    nick: self.people.free(wish),
                },
                rank,
            },
        };
        self.people.arrive(&present);
        self.tell(Event::Came(present.clone()));
        present
    }

    /// A user has left, unless they have come again meanwhile.
    pub(super) fn exit(&mut self, user: UserId) {
        let listener = self.listener.as_ref();
        if listener.and_then(|one| one.stay(user)).is_none() {
            self.expel(user);
        }
    }

    pub(super) fn expel(&mut self, user: UserId) {
        if self.people.find(user).is_some() {
            self.people.depart(user);
            self.tell(Event::Left(user));
        }
    }

    pub(super) fn ask(
        &mut self,
        from: Person,
        draft: Draft,
        pace: Duration,
        now: Timestamp,
        answer: Reply,
    ) -> Asked {
        let same = |user: UserId, cid: &Cid| user == from.user && *cid == draft.cid;
        if let Some(receipt) = self.recent.find(from.user, &draft.cid) {
            return Asked::Already(receipt);
        }
        let mut waiting = self.waiting.iter_mut();
        if let Some(waiting) = waiting.find(|one| same(one.from.user, &one.draft.cid)) {
            waiting.answers.push(answer);
            return Asked::Waits;
        }
        if let Err(refusal) = self.keep_pace(from.user, pace, now) {
            return Asked::Refused(refusal);
        }
        self.waiting.push_back(Waiting {
            from,
            draft,
            message: None,
            answers: vec![answer],
        });
        match std::mem::replace(&mut self.pen, Pen::Taken) {
            Pen::Free => Asked::TakeThePen,
            Pen::Taken => Asked::Waits,
        }
    }

    /// What the store is to keep next. `None`: nothing, and the pen is free.
    pub(super) fn next_batch(&mut self, now: Timestamp) -> Option<Vec<Arc<Message>>> {
        if self.waiting.is_empty() {
            self.pen = Pen::Free;
            return None;
        }
        self.under_way = self.waiting.len().min(BATCH);
        Some(self.number(now))
    }

    /// Takes what the store knows and we did not: somebody else has written there. What is under way comes after it.
    pub(super) fn catch_up(&mut self, past: Past, now: Timestamp) -> Vec<Arc<Message>> {
        let missed = past.ring.after(self.ring.end(), usize::MAX);
        match missed.filter(|_| past.epoch == self.epoch) {
            Some(missed) => missed.into_iter().for_each(|message| {
                self.ring.insert(Arc::clone(&message));
                self.tell(Event::Said(message));
            }),
            None => self.tell(Event::Lost),
        }
        self.epoch = past.epoch;
        self.ring = past.ring;
        for (user, cid, receipt) in past.receipts {
            self.recent.note(user, cid, receipt, now);
        }
        self.number(now)
    }

    /// Says what was kept, and answers for everything that was under way.
    pub(super) fn settle(&mut self, kept: bool, now: Timestamp) -> Vec<Answer> {
        let settled: Vec<_> = self
            .waiting
            .drain(..std::mem::take(&mut self.under_way))
            .collect();
        let mut answers = Vec::with_capacity(settled.len());
        for Waiting {
            from,
            draft,
            message,
            answers: to,
        } in settled
        {
            let with = match message {
                Some(message) if kept => {
                    let receipt = Receipt::of(&message);
                    self.recent.note(from.user, draft.cid, receipt, now);
                    self.ring.insert(Arc::clone(&message));
                    self.tell(Event::Said(message));
                    Ok(receipt)
                }
                // Found in what the store knew already.
                None => self
                    .recent
                    .find(from.user, &draft.cid)
                    .ok_or(Refusal::Store),
                Some(_) => Err(Refusal::Store),
            };
            answers.push(Answer { to, with });
        }
        answers
    }

    /// Whoever wrote does not any more. Those who wait are told that it is unknown whether they were heard.
    pub(super) fn put_pen_down(&mut self) {
        self.pen = Pen::Free;
        self.under_way = 0;
        self.waiting.clear();
    }

    /// Gives what is under way the next offsets.
    fn number(&mut self, now: Timestamp) -> Vec<Arc<Message>> {
        let mut offset: Offset = self.ring.end();
        let mut batch = Vec::with_capacity(self.under_way);
        for waiting in self.waiting.iter_mut().take(self.under_way) {
            let known = self.recent.find(waiting.from.user, &waiting.draft.cid);
            waiting.message = known.is_none().then(|| {
                offset = offset.next();
                Arc::new(Message {
                    offset,
                    from: waiting.from.clone(),
                    at: now,
                    text: waiting.draft.text.clone(),
                    cid: waiting.draft.cid.clone(),
                })
            });
            batch.extend(waiting.message.clone());
        }
        batch
    }

    fn keep_pace(&mut self, user: UserId, pace: Duration, now: Timestamp) -> Result<(), Refusal> {
        if pace.is_zero() {
            return Ok(());
        }
        // What was said at a time that is yet to come was said before the clock was set.
        if let Some(last) = self.said.get(&user).filter(|last| **last <= now)
            && let Some(retry_after) = pace.checked_sub(now.since(*last))
            && !retry_after.is_zero()
        {
            return Err(Refusal::SlowMode { retry_after });
        }
        if self.said.len() >= PACED {
            self.said.retain(|_, last| now.since(*last) < pace);
        }
        self.said.insert(user, now);
        Ok(())
    }
}
