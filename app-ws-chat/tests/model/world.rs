//! The people, the ground they stand on, and what must be true when everything has come to rest.

use std::time::{Duration, Instant};

use chat_client::{Act, Close};
use serde_json::{Value, json};

use crate::model::ledger::{Known, Ledger, Seen};
use crate::model::ops::{Fault, Op, PEOPLE, USERS, Verb};
use crate::model::person::{Person, ROOM, Taken, Wire};

/// What must happen does so within this time of the machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The nodes, and what is between them and the people.
pub(crate) trait Ground {
    type Wire: Wire;

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
    ground: G,
    people: Vec<Person<G::Wire>>,
    ledger: Ledger,
    ghosts: bool,
}

impl<G: Ground> World<G> {
    pub(crate) fn new(ground: G) -> Self {
        let now = ground.now();
        let people = (0..PEOPLE).map(|number| Person::new(number, number % USERS, now));
        Self {
            people: people.collect(),
            ground,
            ledger: Ledger::default(),
            ghosts: false,
        }
    }

    /// A whole case.
    pub(crate) async fn run(mut self, ops: Vec<Op>) -> Result<(), String> {
        self.settle().await?;
        for op in ops {
            self.take(op).await;
            self.turn().await?;
        }
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
    async fn turn(&mut self) -> Result<bool, String> {
        let mut busy = false;
        for person in &mut self.people {
            let now = self.ground.now();
            if !person.asleep && person.wire.is_none() && person.client.wants_link(now) {
                person.client.connecting();
                // Wherever the proxy leads them.
                person.node = (person.node + 1) % self.ground.nodes();
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
        self.ground.rest().await;
        Ok(busy)
    }

    /// Goes on until `done`.
    async fn until(
        &mut self,
        what: &str,
        mut done: impl FnMut(&mut Self) -> bool,
    ) -> Result<(), String> {
        let begun = Instant::now();
        let mut quiet = 0;
        while quiet < 3 {
            let busy = self.turn().await?;
            quiet = if !busy && done(self) { quiet + 1 } else { 0 };
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

    async fn settle(&mut self) -> Result<(), String> {
        self.until("to settle", |world| world.people.iter().all(Person::rests))
            .await
    }

    /// What is ruled holds at each node.
    async fn probe_rules(&mut self) -> Result<(), String> {
        for user in 1..USERS {
            let people = &self.people;
            let Some(person) = people
                .iter()
                .position(|one| one.key.ends_with(&format!("-{user}")))
            else {
                continue;
            };
            let key = self.people[person].key.clone();
            let same = self.people.iter().filter(|one| one.key == key);
            let Some(name) = same.filter_map(Person::user).next() else {
                continue;
            };
            let ban = self.ledger.bans.get(&name).copied().unwrap_or_default();
            let mute = self.ledger.mutes.get(&name).copied().unwrap_or_default();
            for node in 0..self.ground.nodes() {
                let mut wire = self
                    .ground
                    .connect(node)
                    .await
                    .map_err(|close| format!("{close:?}"))?;
                let join =
                    json!({ "t": "join", "id": 1, "room": ROOM, "nick": "probe", "key": key });
                let joined = self.answer(&mut wire, &join).await?;
                let barred = matches!(joined["why"].as_str(), Some("banned" | "kicked"));
                if ban != Known::Doubt && barred != (ban == Known::Yes) {
                    return Err(format!(
                        "at node {node} a ban of {name} is {ban:?}: {joined}"
                    ));
                }
                if barred {
                    continue;
                }
                let text = format!("probe-{user}-{node}");
                let send = json!({ "t": "send", "id": 2, "room": ROOM, "cid": text, "text": text });
                self.ledger.said.insert(text.clone());
                let mut sent = self.answer(&mut wire, &send).await?;
                for _ in 0..100 {
                    if sent["why"] != "slow-mode" {
                        break;
                    }
                    std::thread::sleep(Duration::from_millis(5));
                    sent = self.answer(&mut wire, &send).await?;
                }
                match sent["o"].as_u64() {
                    Some(offset) => self.ledger.keep(&name, &text, offset, &text)?,
                    None => drop(self.ledger.refused.insert(text)),
                }
                if mute != Known::Doubt && (sent["why"] == "muted") != (mute == Known::Yes) {
                    return Err(format!(
                        "at node {node} a mute of {name} is {mute:?}: {sent}"
                    ));
                }
            }
        }
        Ok(())
    }

    /// The answer to a request, without the client.
    async fn answer(&mut self, wire: &mut G::Wire, request: &Value) -> Result<Value, String> {
        wire.send(request.to_string());
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            match wire.take() {
                Taken::Frame(frame) => {
                    let frame: Value = serde_json::from_str(&frame).expect("it is JSON");
                    if frame["id"] == request["id"] {
                        return Ok(frame);
                    }
                }
                Taken::Nothing => {
                    self.turn().await?;
                }
                Taken::Closed(close) => return Err(format!("{request}: {close:?}")),
            }
        }
        Err(format!("{request}: no answer"))
    }

    /// The moderator lifts everything, and all come in.
    async fn pardon_all(&mut self) -> Result<(), String> {
        let now = self.ground.now();
        self.people[0].enter(now);
        self.settle().await?;
        let mut users: Vec<_> = self
            .people
            .iter()
            .skip(1)
            .filter_map(Person::user)
            .collect();
        users.extend(self.ledger.bans.keys().cloned());
        users.sort_unstable();
        users.dedup();
        for user in users {
            for act in [
                Act::Unban {
                    user: user.as_str().into(),
                },
                Act::Unmute {
                    user: user.as_str().into(),
                },
            ] {
                self.order(&act).await?;
            }
        }
        self.order(&Act::Slow { every_ms: 0 }).await?;
        for person in &mut self.people {
            person.enter(now);
        }
        self.until("all to be in", |world| {
            world.people.iter().all(|one| one.is_here() && one.rests())
        })
        .await
    }

    /// The moderator asks until it is done.
    async fn order(&mut self, act: &Act) -> Result<(), String> {
        for _ in 0..20 {
            self.people[0].trouble = None;
            self.people[0].client.moderate(ROOM, act);
            // As fast as a moderator may.
            self.ground.pass(Duration::from_millis(1_000)).await;
            self.settle().await?;
            if self.people[0].trouble.is_none() {
                return Ok(());
            }
        }
        Err(format!("{act:?}: {:?}", self.people[0].trouble))
    }

    /// Everybody has the same, and it is what was answered.
    async fn compare(&mut self) -> Result<(), String> {
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
