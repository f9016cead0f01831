//! One client: enters its room, speaks in its turn, is cut off by storms, and checks what it is told.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use chat_client::{
    Arrival, Backoff, Client, Close, Event, Message, Recovery, Settings, Standing, Watch,
};
use chat_link::Link;
use tokio::select;
use tokio::sync::watch;
use tokio::time::sleep_until;

use crate::ledger::{Agreement, Ledger};
use crate::plan::Load;
use crate::tally::{Tally, count, record};

/// What all clients do at a time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Phase {
    /// Come, and stay.
    Gather,
    /// Speak, since this moment.
    Speak(Instant),
    /// Say no more; hear whether what was said is kept.
    Answer,
    /// Hear what is still on its way.
    Settle,
    /// Leave.
    End,
}

/// What all clients share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) load: Load,
    pub(crate) ledgers: Vec<Ledger>,
    pub(crate) tally: Tally,
    /// Clients that have heard everything.
    pub(crate) settled: AtomicU32,
    pub(crate) start: Instant,
}

/// A client at its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) room: u32,
    /// The last offset that it was told.
    pub(crate) last: u64,
    /// What it has said without an answer.
    pub(crate) unanswered: u64,
}

pub(crate) async fn live(number: u32, shared: Arc<Shared>, phase: watch::Receiver<Phase>) -> Place {
    let begins = shared.start + shared.load.connects_after(number);
    sleep_until(begins.into()).await;
    Member::new(number, shared).run(phase).await
}

struct Member {
    number: u32,
    room: u32,
    name: String,
    client: Client,
    link: Link,
    shared: Arc<Shared>,
    /// The next offset that it is to be told; nothing before the first time in.
    next: Option<u64>,
    /// When it was last in its room no more; the first time, when it began.
    away_since: Option<Instant>,
    /// What it waits to hear of: when that was to be said.
    said: HashMap<Box<str>, Instant>,
    sayings: u32,
    storms: u32,
    random: fastrand::Rng,
}

impl Member {
    fn new(number: u32, shared: Arc<Shared>) -> Self {
        let now = Instant::now();
        let plan = &shared.load.plan;
        let room = shared.load.room_of(number);
        let name = shared.load.room_name(room);
        let mut settings = Settings::new(&format!("c{number}"));
        settings.key = Some(format!("{:032x}", fastrand::u128(..)).into());
        settings.watch = Watch::Positions;
        settings.backoff = Backoff {
            first: Duration::from_secs_f64(plan.back_off),
            ..Backoff::default()
        };
        let mut client = Client::new(settings, now);
        client.enter(&name, None, now);
        Self {
            number,
            room,
            name,
            client,
            link: Link::new(shared.load.target_of(number)),
            shared,
            next: None,
            away_since: Some(now),
            said: HashMap::new(),
            sayings: 0,
            storms: 0,
            random: fastrand::Rng::new(),
        }
    }

    async fn run(mut self, mut phase: watch::Receiver<Phase>) -> Place {
        let mut now_on = *phase.borrow_and_update();
        let timer = sleep_until(Instant::now().into());
        tokio::pin!(timer);
        let mut settled = false;
        while now_on != Phase::End {
            let due = self.due(now_on);
            if let Some(at) = due
                && timer.deadline() != at.into()
            {
                timer.as_mut().reset(at.into());
            }
            select! {
                () = self.link.turn(&mut self.client) => {}
                () = &mut timer, if due.is_some() => self.act(now_on),
                changed = phase.changed() => match changed {
                    Ok(()) => now_on = *phase.borrow_and_update(),
                    Err(_) => break,
                },
            }
            self.hear();
            if now_on == Phase::Settle && !settled && self.is_settled() {
                settled = true;
                self.shared.settled.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.leave().await
    }

    /// When it has to do something of its own accord.
    fn due(&self, phase: Phase) -> Option<Instant> {
        let Phase::Speak(since) = phase else {
            return None;
        };
        let speaks = self.speaks(since);
        let storm = self.shared.load.storm(self.storms).map(|at| since + at);
        speaks.into_iter().chain(storm).min()
    }

    fn speaks(&self, since: Instant) -> Option<Instant> {
        let turn = self.shared.load.turn(self.number, self.sayings)?;
        Some(since + turn)
    }

    fn act(&mut self, phase: Phase) {
        let (Phase::Speak(since), now) = (phase, Instant::now()) else {
            return;
        };
        if self.speaks(since).is_some_and(|at| at <= now) {
            self.speak(since, now);
        }
        if self
            .shared
            .load
            .storm(self.storms)
            .is_some_and(|at| since + at <= now)
        {
            self.storms += 1;
            let hit = self.random.u32(0..100) < self.shared.load.plan.storm_share;
            if hit && matches!(self.client.link(), chat_client::Link::Open { .. }) {
                self.link.cut(&mut self.client);
            }
        }
    }

    /// Says its next message. The time in it is that of its turn, so that a late client is not a fast one.
    fn speak(&mut self, since: Instant, now: Instant) {
        let Some(turn) = self.speaks(since) else {
            return;
        };
        self.sayings += 1;
        let time = turn.duration_since(self.shared.start).as_micros();
        let width = self.shared.load.plan.bytes - 21;
        let text = format!("{time:020} {:x<width$}", "");
        if let Ok(Some(cid)) = self.client.say(&self.name, &text, now) {
            self.said.insert(cid, turn);
            self.shared.tally.counts().said += 1;
        }
    }

    /// Takes what happened.
    fn hear(&mut self) {
        let now = Instant::now();
        while let Some(event) = self.client.next_event() {
            match event {
                Event::Message {
                    message, arrival, ..
                } => self.told(&message, arrival, now),
                Event::Kept { cid, offset, .. } => {
                    self.shared.ledgers[self.room as usize].kept(offset);
                    let turn = self.said.remove(&cid);
                    let mut counts = self.shared.tally.counts();
                    counts.kept += 1;
                    if let Some(turn) = turn {
                        record(&mut counts.answer, now.saturating_duration_since(turn));
                    }
                }
                Event::Refused { refusal, .. } => {
                    let mut counts = self.shared.tally.counts();
                    counts.refused += 1;
                    count(&mut counts.faults, &format!("refused: {}", refusal.why));
                }
                Event::Joined { past, .. } => self.joined(past, now),
                Event::Lost { close, .. } => {
                    self.gone(now);
                    count(&mut self.shared.tally.counts().broken, how(close));
                }
                Event::Over(reason) => {
                    self.gone(now);
                    count(&mut self.shared.tally.counts().ended, &reason.to_string());
                }
                Event::Out { refusal, .. } => {
                    self.gone(now);
                    count(
                        &mut self.shared.tally.counts().faults,
                        &format!("out: {}", refusal.why),
                    );
                }
                Event::Fault(fault) => count(&mut self.shared.tally.counts().faults, fault.name()),
                _ => {}
            }
        }
    }

    fn told(&mut self, message: &Message, arrival: Arrival, now: Instant) {
        let agreement = self.shared.ledgers[self.room as usize].told(message);
        let missing = self
            .next
            .map_or(0, |next| message.offset.saturating_sub(next));
        self.next = Some(message.offset + 1);
        let mut counts = self.shared.tally.counts();
        counts.missing += missing;
        counts.different += u64::from(agreement == Agreement::Different);
        match arrival {
            Arrival::Live => {
                counts.live += 1;
                if let Some(turn) = turn_in(&message.text) {
                    let took = (now - self.shared.start).saturating_sub(turn);
                    record(&mut counts.delivery, took);
                }
            }
            Arrival::Replayed => counts.replayed += 1,
        }
    }

    fn joined(&mut self, past: Recovery, now: Instant) {
        let last = self
            .client
            .room(&self.name)
            .and_then(chat_client::Room::position);
        let last = last.map_or(0, |position| position.offset);
        let passed = match past {
            // All of its room is new to it.
            Recovery::First | Recovery::Afresh => 0,
            Recovery::Complete | Recovery::Partial => {
                self.next.map_or(0, |next| (last + 1).saturating_sub(next))
            }
        };
        self.next = Some(last + 1);
        let mut counts = self.shared.tally.counts();
        counts.missing += passed;
        let Some(since) = self.away_since.take() else {
            return;
        };
        counts.here += 1;
        let took = now.saturating_duration_since(since);
        match past {
            Recovery::First => record(&mut counts.entering, took),
            Recovery::Complete | Recovery::Partial | Recovery::Afresh => {
                record(&mut counts.resuming, took);
                count(&mut counts.recovered, &format!("{past:?}").to_lowercase());
            }
        }
    }

    fn gone(&mut self, now: Instant) {
        if self.away_since.is_none() {
            self.away_since = Some(now);
            self.shared.tally.counts().here -= 1;
        }
    }

    async fn leave(self) -> Place {
        let room = self.client.room(&self.name);
        let place = Place {
            room: self.room,
            last: self.next.map_or(0, |next| next - 1),
            unanswered: room.map_or(0, |room| room.drafts().len() as u64),
        };
        self.link.close().await;
        place
    }

    /// Whether it has heard all that anybody was told, and all that it said was answered.
    fn is_settled(&self) -> bool {
        let room = self.client.room(&self.name);
        let here =
            room.is_some_and(|room| *room.standing() == Standing::Here && room.drafts().len() == 0);
        let newest = self.shared.ledgers[self.room as usize].newest();
        here && self.next.is_some_and(|next| next > newest)
    }
}

/// The turn that a message's text names.
fn turn_in(text: &str) -> Option<Duration> {
    let (time, _) = text.split_once(' ')?;
    time.parse().ok().map(Duration::from_micros)
}

fn how(close: Close) -> &'static str {
    match close {
        Close::Lost => "lost",
        Close::Status(_) => "handshake",
        Close::Code(4001) => "4001",
        Close::Code(4008) => "4008 slow",
        Close::Code(4009) => "4009 position",
        Close::Code(4010) => "4010 silent",
        Close::Code(4029) => "4029 flood",
        Close::Code(_) => "other code",
    }
}
