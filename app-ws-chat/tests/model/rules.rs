//! What moderators have decided, asked at each node, and undone.

use std::time::{Duration, Instant};

use chat_client::{Act, Close};
use serde_json::{Value, json};

use crate::model::ledger::Known;
use crate::model::ops::USERS;
use crate::model::person::{Person, ROOM, Taken, Wire};
use crate::model::world::{Ground, PATIENCE, World};

impl<G: Ground> World<G> {
    /// What is ruled holds at each node, once it has heard of it.
    pub(super) async fn probe_rules(&mut self) -> Result<(), String> {
        for user in 1..USERS {
            let end = format!("-{user}");
            let theirs = self.people.iter().filter(|one| one.key.ends_with(&end));
            let known = theirs.filter_map(|one| Some((one.key.clone(), one.user()?)));
            let Some((key, name)) = known.into_iter().next() else {
                continue;
            };
            for node in 0..self.ground.nodes() {
                let begun = Instant::now();
                for attempt in 0.. {
                    let text = format!("probe-{user}-{node}-{attempt}");
                    let Some(wrong) = self.probe(node, &key, &name, text).await? else {
                        break;
                    };
                    if begun.elapsed() > PATIENCE {
                        return Err(format!("at node {node}, of {name}: {wrong}"));
                    }
                    std::thread::sleep(Duration::from_millis(20));
                    self.ground.pass(Duration::from_millis(20)).await;
                }
            }
        }
        Ok(())
    }

    /// What a node does to a user otherwise than it is ruled.
    async fn probe(
        &mut self,
        node: usize,
        key: &str,
        name: &str,
        text: String,
    ) -> Result<Option<String>, String> {
        let ban = self.ledger.bans.get(name).copied().unwrap_or_default();
        let mute = self.ledger.mutes.get(name).copied().unwrap_or_default();
        let wire = self.ground.connect(node).await;
        let mut wire = wire.map_err(|close| format!("{close:?}"))?;
        let join = json!({ "t": "join", "id": 1, "room": ROOM, "nick": "probe", "key": key });
        let Some(joined) = self.answer(&mut wire, &join).await? else {
            return Ok(Some("no answer to a join".into()));
        };
        let barred = matches!(joined["why"].as_str(), Some("banned" | "kicked"));
        if ban != Known::Doubt && barred != (ban == Known::Yes) {
            return Ok(Some(format!("a ban is {ban:?}: {joined}")));
        }
        if barred {
            return Ok(None);
        }
        let send = json!({ "t": "send", "id": 2, "room": ROOM, "cid": text, "text": text });
        self.ledger.said.insert(text.clone());
        let mut sent = self.answer(&mut wire, &send).await?;
        for _ in 0..100 {
            if sent.as_ref().is_none_or(|sent| sent["why"] != "slow-mode") {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
            sent = self.answer(&mut wire, &send).await?;
        }
        let Some(sent) = sent else {
            return Ok(Some("no answer to a message".into()));
        };
        match sent["o"].as_u64() {
            Some(offset) => self.ledger.keep(name, &text, offset, &text)?,
            // It may be kept all the same.
            None if sent["code"] == 503 => {}
            None => drop(self.ledger.refused.insert(text)),
        }
        let muted = sent["why"] == "muted";
        let right = mute == Known::Doubt || muted == (mute == Known::Yes);
        Ok((!right).then(|| format!("a mute is {mute:?}: {sent}")))
    }

    /// The answer to a request, without the client; none, if the node hangs up because it has lost its place.
    async fn answer(
        &mut self,
        wire: &mut G::Wire,
        request: &Value,
    ) -> Result<Option<Value>, String> {
        wire.send(request.to_string());
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            match wire.take() {
                Taken::Frame(frame) => {
                    let frame: Value = serde_json::from_str(&frame).expect("it is JSON");
                    if frame["id"] == request["id"] {
                        return Ok(Some(frame));
                    }
                }
                Taken::Nothing => {
                    self.turn().await?;
                }
                Taken::Closed(Close::Code(4009)) => return Ok(None),
                Taken::Closed(close) => return Err(format!("{request}: {close:?}")),
            }
        }
        Err(format!("{request}: no answer"))
    }

    /// The moderator lifts everything, and all come in.
    pub(super) async fn pardon_all(&mut self) -> Result<(), String> {
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
            let now = world.ground.now();
            // A node may hear of the pardon later than others.
            for person in world.people.iter_mut().filter(|one| one.is_out()) {
                person.enter(now);
            }
            world.people.iter().all(|one| one.is_here() && one.rests())
        })
        .await
    }

    /// The moderator asks until it is done.
    async fn order(&mut self, act: &Act) -> Result<(), String> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
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
}
