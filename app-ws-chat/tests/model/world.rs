//! The people, the ground they stand on, and what must be true when everything has come to rest.

use std::time::{Duration, Instant};

use chat_client::{Act, Close};

use crate::model::echo::{Echo, Said};
use crate::model::ledger::{Ledger, Seen};
use crate::model::ops::{Fault, Op, PEOPLE, USERS, Verb};
use crate::model::person::{Person, ROOM, Wire};
use crate::model::record::Record;

/// What must happen does so within this time of the machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// The nodes, and what is between them and the people.
pub(crate) trait Ground {
    type Wire: Wire;

    /// A case begins, and keeps a record.
    fn begin(&mut self, _: &Record) {}
    fn nodes(&self) -> usize;
    async fn connect(&mut self, node: usize) -> Result<Self::Wire, Close>;
    async fn fault(&mut self, fault: Fault) -> After;
    /// Puts everything in order.
    async fn heal(&mut self);
    /// What time it is for the people.
    fn now(&self) -> Instant;
    /// Lets the others work.
    async fn rest(&self);
    async fn pass(&self, time: Duration);
}

/// What a fault has done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum After {
    /// Nothing that is seen.
    Nothing,
    /// Who was on a node may be shown as present for a while.
    Ghosts,
    /// What was said is lost, with its epoch, and what is ruled.
    Oblivion,
}

pub(crate) struct World<G: Ground> {
    pub(super) ground: G,
    pub(super) people: Vec<Person<G::Wire>>,
    echoes: Vec<Echo<G::Wire>>,
    pub(super) ledger: Ledger,
    ghosts: bool,
    record: Record,
}

impl<G: Ground> World<G> {
    pub(crate) fn new(mut ground: G) -> Self {
        let now = ground.now();
        let record = Record::begin();
        ground.begin(&record);
        let people =
            (0..PEOPLE).map(|number| Person::new(number, number % USERS, now, record.clone()));
        Self {
            people: people.collect(),
            ground,
            echoes: Vec::new(),
            ledger: Ledger::default(),
            ghosts: false,
            record,
        }
    }

    /// A whole case, in which nodes miss news for moments only: they read what they have missed, and nobody has to come again.
    pub(crate) async fn run_in_place(self, ops: Vec<Op>) -> Result<(), String> {
        let people = self.run_on(ops).await?;
        let moved: Vec<_> = people.iter().filter(|one| one.displaced > 0).collect();
        if moved.is_empty() {
            return Ok(());
        }
        let moved: Vec<_> = moved.iter().map(|one| one.describe()).collect();
        Err(format!(
            "sent away from a room that was not lost: {moved:#?}"
        ))
    }

    /// A whole case.
    pub(crate) async fn run(self, ops: Vec<Op>) -> Result<(), String> {
        self.run_on(ops).await.map(drop)
    }

    async fn run_on(mut self, ops: Vec<Op>) -> Result<Vec<Person<G::Wire>>, String> {
        match self.go_through(ops).await {
            Ok(()) => Ok(self.people),
            Err(error) => Err(format!("{error}\n{}", self.record)),
        }
    }

    async fn go_through(&mut self, ops: Vec<Op>) -> Result<(), String> {
        self.settle().await?;
        for op in ops {
            self.record.note(format_args!("--- {op:?}"));
            self.take(op).await;
            self.turn().await?;
        }
        self.record.note("--- all is put in order");
        self.ground.heal().await;
        let now = self.ground.now();
        for person in &mut self.people {
            if std::mem::take(&mut person.asleep) {
                person.lose(&mut self.ledger, now);
            }
        }
        self.settle().await?;
        self.probe_rules().await?;
        self.pardon_all().await?;
        self.compare().await
    }

    async fn take(&mut self, op: Op) {
        let now = self.ground.now();
        match op {
            Op::Say(one) => self.people[one].say(&mut self.ledger, now),
            Op::Again(one, which) => self.say_again(one, which),
            Op::Echo(one, which) => self.echo(one, which).await,
            Op::SayAndBreak(one) => self.say_and_break(one).await,
            Op::Type(one) => self.people[one].client.typing(ROOM, now),
            Op::Leave(one) => self.people[one].leave(),
            Op::Enter(one) => self.people[one].enter(now),
            Op::Rename(one, nick) => self.people[one].rename(nick, now),
            Op::Break(one) => self.people[one].lose(&mut self.ledger, now),
            Op::Hurry(one) => self.people[one].client.hurry(now),
            Op::Sleep(one) => self.people[one].asleep = true,
            Op::Wake(one) => {
                let one = &mut self.people[one];
                if std::mem::take(&mut one.asleep) {
                    one.lose(&mut self.ledger, now);
                }
            }
            Op::Moderate(verb, user) => self.moderate(verb, user),
            Op::Slow(every_ms) => self.people[0]
                .client
                .moderate(ROOM, &Act::Slow { every_ms }),
            Op::Pass(time) => self.ground.pass(Duration::from_millis(time)).await,
            Op::Fault(fault) => match self.ground.fault(fault).await {
                After::Nothing => {}
                After::Ghosts => self.ghosts = true,
                After::Oblivion => {
                    let now = self.ground.now();
                    for person in &mut self.people {
                        // Its answers are those of the other story.
                        person.lose(&mut self.ledger, now);
                    }
                    self.echoes.clear();
                    self.ledger.forget();
                }
            },
        }
    }

    fn say_again(&mut self, one: usize, which: usize) {
        let person = &mut self.people[one];
        let Some(user) = person.user().filter(|_| person.is_here()) else {
            return;
        };
        let theirs: Vec<_> = self
            .ledger
            .kept
            .iter()
            .filter(|((who, _), _)| *who == user)
            .collect();
        if theirs.is_empty() {
            return;
        }
        let ((_, cid), (_, text)) = theirs[which % theirs.len()];
        person.say_again(cid, text);
    }

    async fn say_and_break(&mut self, one: usize) {
        let now = self.ground.now();
        let person = &mut self.people[one];
        person.say(&mut self.ledger, now);
        person.speak();
        // So that it is on its way.
        self.ground.rest().await;
        let person = &mut self.people[one];
        person.lose(&mut self.ledger, now);
        person.client.hurry(now);
        self.echo(one, usize::MAX).await;
    }

    async fn echo(&mut self, one: usize, which: usize) {
        let person = &self.people[one];
        let Some(user) = person.user() else { return };
        let kept = self.ledger.kept.iter();
        let kept = kept.filter(|((who, _), _)| *who == user);
        let mut said: Vec<_> = person.unanswered().collect();
        if said.is_empty() {
            said = kept.map(|((_, cid), (_, text))| (cid, text)).collect();
        } else {
            let texts = said.iter().map(|(_, text)| (*text).clone());
            self.ledger.echoed.extend(texts);
        }
        if said.is_empty() {
            return;
        }
        let (cid, text) = said[which % said.len()];
        let said = Said {
            key: person.key.clone(),
            user,
            cid: cid.clone(),
            text: text.clone(),
        };
        let node = (person.node + 1) % self.ground.nodes();
        if let Ok(wire) = self.ground.connect(node).await {
            self.echoes.push(Echo::new(wire, said));
        }
    }

    fn moderate(&mut self, verb: Verb, user: usize) {
        let target = self
            .people
            .iter()
            .skip(1)
            .filter(|one| one.key.ends_with(&format!("-{user}")));
        let Some(user) = target.filter_map(Person::user).next() else {
            return;
        };
        let (user, for_ms, reason) = (user.into(), None, None);
        let act = match verb {
            Verb::Kick => Act::Kick {
                user,
                for_ms: Some(3_600_000),
                reason,
            },
            Verb::Ban => Act::Ban {
                user,
                for_ms,
                reason,
            },
            Verb::Unban => Act::Unban { user },
            Verb::Mute => Act::Mute {
                user,
                for_ms,
                reason,
            },
            Verb::Unmute => Act::Unmute { user },
        };
        self.people[0].client.moderate(ROOM, &act);
    }

    /// Everybody does what they can do now. Whether somebody did something.
    pub(super) async fn turn(&mut self) -> Result<bool, String> {
        let mut busy = false;
        for person in &mut self.people {
            let now = self.ground.now();
            if !person.asleep && person.wire.is_none() && person.client.wants_link(now) {
                person.client.connecting();
                // Wherever the proxy leads them.
                person.node = (person.node + 1) % self.ground.nodes();
                let at = (person.number(), person.node);
                self.record
                    .note(format_args!("{} goes to node {}", at.0, at.1));
                match self.ground.connect(person.node).await {
                    Ok(wire) => {
                        person.wire = Some(wire);
                        person.client.opened(now);
                    }
                    Err(close) => person.client.closed(close, now),
                }
                busy = true;
            }
            busy |= person.turn(&mut self.ledger, now)?;
        }
        let mut going = Vec::new();
        for mut echo in std::mem::take(&mut self.echoes) {
            if !echo.turn(&mut self.ledger)? {
                going.push(echo);
            }
        }
        self.echoes = going;
        self.ground.rest().await;
        Ok(busy)
    }

    /// Goes on until `done`.
    pub(super) async fn until(
        &mut self,
        what: &str,
        mut done: impl FnMut(&mut Self) -> bool,
    ) -> Result<(), String> {
        let begun = Instant::now();
        let mut quiet = 0;
        while quiet < 3 {
            let busy = self.turn().await?;
            quiet = if !busy && self.echoes.is_empty() && done(self) {
                quiet + 1
            } else {
                0
            };
            if !busy {
                self.ground.pass(Duration::from_millis(20)).await;
            }
            if begun.elapsed() > PATIENCE {
                let people: Vec<_> = self.people.iter().map(Person::describe).collect();
                return Err(format!("{what}: {people:#?}"));
            }
        }
        Ok(())
    }

    pub(super) async fn settle(&mut self) -> Result<(), String> {
        self.until("to settle", |world| world.people.iter().all(Person::rests))
            .await
    }

    /// Everybody has the same, and it is what was answered.
    async fn compare(&mut self) -> Result<(), String> {
        let end = self.ledger.end();
        self.until("the past", |world| {
            let now = world.ground.now();
            for person in &mut world.people {
                if !person.has_all() {
                    person.client.older(ROOM, now);
                }
            }
            world.people.iter().all(|one| one.has_all() && one.rests())
                && world
                    .people
                    .iter()
                    .all(|one| one.log().len() == world.people[0].log().len())
                // News of it may be under way to all of them.
                && world.people[0].log().len() >= end
        })
        .await?;
        let room: Vec<Seen> = self.people[0].log();
        for person in &self.people {
            if person.log() != room {
                return Err(format!("two stories: {room:#?} and {:#?}", person.log()));
            }
        }
        self.ledger.check(&room)?;
        let here: Vec<_> = self.people.iter().filter_map(Person::user).collect();
        let ghosts = self.ghosts;
        self.until("who is here", |world| {
            let shown = world.people[0].people();
            world.people.iter().all(|one| one.people() == shown)
                && here.iter().all(|user| shown.contains_key(user))
                && (ghosts || shown.keys().all(|user| here.contains(user)))
        })
        .await
    }
}
