//! The steps of the script and the few plain commands beside it, as Rust has them.

use std::sync::Arc;
use std::time::Duration;

use redis::{FromRedisValue, Script};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::engine::{Lasting, ROOM, Step};
use super::keys::{AUDIT, HOUSE, HOUSE_RULES, Keys};
use super::line::Line;
use crate::bus::Opened;
use crate::message::{Epoch, Message, Offset, Person, Present, Rank, Timestamp};
use crate::moderation::{Act, Change, Kind, Rules, Ruling};
use crate::name::{Nick, RoomName, UserId};
use crate::protocol::Draft;
use crate::refusal::Refusal;
use crate::ring::{RING_MESSAGES, Ring};
use crate::room::Receipt;
use crate::store::{RULINGS, StoreError};

/// How long a seat is kept for a node that says nothing: longer than two of its signs of life.
pub(super) const LEASE: Duration = Duration::from_secs(60);

/// How long it is kept for a node that has said goodbye: its users are elsewhere by then.
pub(super) const LAST_LEASE: Duration = Duration::from_secs(10);

/// Nicknames offered in one step: the wish, and numbers behind it.
const WISHES: usize = 32;

/// Redis as this node speaks to it.
#[derive(Clone)]
pub(super) struct Steps {
    line: Line,
    script: Arc<Script>,
    node: Arc<str>,
}

/// A room as Redis knows it, and how far it has counted.
pub(super) struct State {
    pub(super) opened: Opened,
    pub(super) top: Offset,
    /// The last change of who is here and what is ruled.
    pub(super) changes: u64,
}

/// What a sign of life is answered.
pub(super) struct Touched {
    pub(super) epoch: String,
    pub(super) top: Offset,
    pub(super) changes: u64,
    pub(super) lost: Vec<UserId>,
}

impl Steps {
    pub(super) fn new(line: Line, node: Arc<str>) -> Self {
        Self {
            line,
            script: Arc::new(Script::new(ROOM)),
            node,
        }
    }

    pub(super) async fn open(&self, room: &RoomName) -> Result<State, StoreError> {
        type Rules = Vec<(String, String)>;
        type Reply = (String, u64, Vec<String>, Vec<String>, Rules, u64);
        let mut step = self.step("open", room);
        step.arg(fresh().as_str()).arg(RING_MESSAGES);
        let (epoch, top, messages, here, rules, changes): Reply = self.run(&step).await?;
        let mut ring = Ring::default();
        for message in messages.iter().rev() {
            ring.insert(Arc::new(read::<Message>(message)?));
        }
        let here: Result<Vec<Present>, _> = here.iter().map(|text| read(text)).collect();
        Ok(State {
            opened: Opened {
                epoch: Epoch::stored(&epoch),
                ring,
                here: here?,
                rules: read_rules(&rules)?,
            },
            top: Offset(top),
            changes,
        })
    }

    pub(super) async fn publish(
        &self,
        room: &RoomName,
        from: &Person,
        draft: &Draft,
        pace: Duration,
    ) -> Result<Result<Receipt, Refusal>, StoreError> {
        let keys = Keys::of(room);
        let own = [keys.receipt(from.user, &draft.cid), keys.pace(from.user)];
        let mut step = self.step_on(&keys, "publish", own);
        step.arg(fresh().as_str());
        step.arg(write(from)?)
            .arg(write(&draft.text)?)
            .arg(write(&draft.cid)?);
        step.arg(u64::try_from(pace.as_millis()).unwrap_or(0));
        let (outcome, value): (String, String) = self.keep(&step).await?;
        if outcome == "slow" {
            let retry_after = Duration::from_millis(value.parse().map_err(StoreError::new)?);
            return Ok(Err(Refusal::SlowMode { retry_after }));
        }
        let (offset, at) = value
            .split_once(' ')
            .ok_or_else(|| StoreError::new("no receipt"))?;
        Ok(Ok(Receipt {
            offset: Offset(offset.parse().map_err(StoreError::new)?),
            at: Timestamp(at.parse().map_err(StoreError::new)?),
        }))
    }

    /// Gives the user as they are here, and as of which change.
    pub(super) async fn enter(
        &self,
        room: &RoomName,
        user: UserId,
        wish: &Nick,
        rank: Rank,
    ) -> Result<(Present, u64), StoreError> {
        let numbered = (2..).map(|number| wish.numbered(number));
        let mut wishes = std::iter::once(wish.clone()).chain(numbered);
        loop {
            let mut step = self.step("enter", room);
            step.arg(user).arg(&self.node).arg(milliseconds(LEASE));
            step.arg(if rank == Rank::Moderator { "mod" } else { "" });
            for nick in wishes.by_ref().take(WISHES) {
                step.arg(nick.as_str()).arg(nick.folded());
            }
            let entered: Option<(String, u64)> = self.run(&step).await?;
            if let Some((entered, at)) = entered {
                return Ok((read(&entered)?, at));
            }
        }
    }

    pub(super) async fn exit(&self, room: &RoomName, user: UserId) -> Result<(), StoreError> {
        let mut step = self.step("exit", room);
        step.arg(user).arg(&self.node);
        self.run(&step).await
    }

    pub(super) async fn touch(
        &self,
        room: &RoomName,
        users: &[UserId],
        lease: Duration,
    ) -> Result<Touched, StoreError> {
        let mut step = self.step("touch", room);
        step.arg(&self.node).arg(milliseconds(lease));
        for user in users {
            step.arg(user);
        }
        let (epoch, top, changes, lost): (String, u64, u64, Vec<String>) = self.run(&step).await?;
        let lost: Result<_, _> = lost.iter().map(|user| UserId::parse(user)).collect();
        Ok(Touched {
            epoch,
            top: Offset(top),
            changes,
            lost: lost.map_err(StoreError::new)?,
        })
    }

    /// An epoch whose messages are lost is over.
    pub(super) async fn renew(&self, room: &RoomName, over: &Epoch) -> Result<(), StoreError> {
        let mut step = self.step("renew", room);
        step.arg(over.as_str()).arg(fresh().as_str());
        self.run(&step).await
    }

    pub(super) async fn history(
        &self,
        room: &RoomName,
        before: Offset,
        limit: usize,
    ) -> Result<Vec<Arc<Message>>, StoreError> {
        type Entry = (String, Vec<(String, String)>);
        let newest = match before {
            Offset(0 | 1) => return Ok(Vec::new()),
            Offset(u64::MAX) => "+".to_owned(),
            before => format!("{}-0", before.before().0),
        };
        let mut command = redis::cmd("XREVRANGE");
        command.arg(Keys::of(room).log()).arg(newest).arg("-");
        command.arg("COUNT").arg(limit);
        let entries: Vec<Entry> = self.line.ask(&command).await?;
        let messages: Result<Vec<_>, StoreError> = entries
            .iter()
            .flat_map(|(_, fields)| fields)
            .map(|(_, message)| read(message).map(Arc::new))
            .collect();
        Ok(crate::store::page(messages?.into_iter(), limit))
    }

    pub(super) async fn typing(&self, room: &RoomName, from: &Person) -> Result<(), StoreError> {
        let event = format!("{{\"typing\":{}}}", write(from)?);
        let mut command = redis::cmd(self.line.publish());
        command.arg(Keys::of(room).channel()).arg(event);
        self.line.ask(&command).await
    }

    pub(super) async fn rule(&self, ruling: &Ruling) -> Result<(), StoreError> {
        let (field, value) = field(ruling)?;
        let text = write(ruling)?;
        let out = match (ruling.act, ruling.user) {
            (Act::Kick | Act::Ban, Some(user)) => user.to_string(),
            _ => String::new(),
        };
        match &ruling.room {
            Some(room) => {
                let mut step = self.step("rule", room);
                step.arg(field).arg(value).arg(out).arg(&text);
                self.keep::<()>(&step).await?;
            }
            None => {
                let mut all = redis::pipe();
                all.atomic();
                match &*value {
                    "" => all.hdel(HOUSE_RULES, field),
                    value => all.hset(HOUSE_RULES, field, value),
                };
                all.cmd(self.line.publish()).arg(HOUSE);
                all.arg(format!("{{\"ruled\":{text}}}"));
                self.line.exec(&all).await?;
            }
        }
        let mut log = redis::pipe();
        let last = isize::try_from(RULINGS).unwrap_or(isize::MAX) - 1;
        log.atomic().lpush(AUDIT, text).ltrim(AUDIT, 0, last);
        self.line.exec(&log).await
    }

    pub(super) async fn house(&self) -> Result<Rules, StoreError> {
        let command = redis::Cmd::hgetall(HOUSE_RULES);
        let rules: Vec<(String, String)> = self.line.ask(&command).await?;
        read_rules(&rules)
    }

    pub(super) async fn audit(&self, limit: usize) -> Result<Vec<Arc<Ruling>>, StoreError> {
        let last = isize::try_from(limit).unwrap_or(isize::MAX) - 1;
        if last < 0 {
            return Ok(Vec::new());
        }
        let command = redis::Cmd::lrange(AUDIT, 0, last);
        let rulings: Vec<String> = self.line.ask(&command).await?;
        rulings
            .iter()
            .map(|text| read(text).map(Arc::new))
            .collect()
    }

    fn step(&self, name: &str, room: &RoomName) -> Step {
        self.step_on(&Keys::of(room), name, [])
    }

    fn step_on<const N: usize>(&self, keys: &Keys, name: &str, more: [String; N]) -> Step {
        let mut step = Step::new(keys.script().into_iter().chain(more));
        step.arg(name).arg(keys.channel()).arg(self.line.publish());
        step
    }

    async fn run<T: FromRedisValue>(&self, step: &Step) -> Result<T, StoreError> {
        let invoking = self.line.invoke(&self.script, step, Lasting::Nothing);
        invoking.await
    }

    /// Returns when what was done outlives the node that has done it.
    async fn keep<T: FromRedisValue>(&self, step: &Step) -> Result<T, StoreError> {
        let invoking = self.line.invoke(&self.script, step, Lasting::Failover);
        invoking.await
    }
}

/// Where a ruling stands in the rules, and what; nothing: no longer.
fn field(ruling: &Ruling) -> Result<(String, String), StoreError> {
    Ok(match ruling.change() {
        Change::Set(kind, user, sanction) => (name(kind, user), write(&sanction)?),
        Change::Lift(kind, user) => (name(kind, user), String::new()),
        Change::Pace(ms) => (PACE.to_owned(), ms.to_string()),
        Change::Nothing => (PACE.to_owned(), "0".to_owned()),
    })
}

const PACE: &str = "slow";

fn name(kind: Kind, user: UserId) -> String {
    match kind {
        Kind::Ban => format!("ban {user}"),
        Kind::Mute => format!("mute {user}"),
    }
}

fn read_rules(fields: &[(String, String)]) -> Result<Rules, StoreError> {
    let mut rules = Rules::default();
    for (field, value) in fields {
        let change = match field.split_once(' ') {
            Some(("mute", user)) => Change::Set(Kind::Mute, parse(user)?, read(value)?),
            Some((_, user)) => Change::Set(Kind::Ban, parse(user)?, read(value)?),
            None => Change::Pace(read(value)?),
        };
        rules.apply(change);
    }
    Ok(rules)
}

fn parse(user: &str) -> Result<UserId, StoreError> {
    UserId::parse(user).map_err(StoreError::new)
}

fn fresh() -> Epoch {
    Epoch::new(fastrand::u64(..))
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(StoreError::new)
}

fn write(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(StoreError::new)
}
