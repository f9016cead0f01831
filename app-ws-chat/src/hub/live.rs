//! A room that somebody of this node is in: the pure room, and the outboxes of its members.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gateway_spec::Text;
use tokio::sync::OnceCell;

use crate::bus::{Bus, Event, Listener, Opened, Stay};
use crate::message::Timestamp;
use crate::metrics::Metrics;
use crate::moderation::{Act, Bar, Ruling};
use crate::name::{RoomName, UserId};
use crate::outbox::{Lane, Outbox};
use crate::protocol::{Bye, Out, ServerFrame};
use crate::refusal::Refusal;
use crate::room::{Audience, ConnectionId, Delivery, Notice, Reaction, Room};
use crate::store::StoreError;

/// Events that a room may hear while it opens: seconds of a busy room. With more it is lost, and opened again.
const EARLY: usize = 4_096;

/// A room and its members, from the first visitor to the last.
#[derive(Debug)]
pub(super) struct LiveRoom {
    pub(super) name: RoomName,
    // The first visitor opens it; the others wait, so that nobody sees a past that is already moving on.
    opened: OnceCell<()>,
    stage: Mutex<Stage>,
    metrics: Arc<Metrics>,
}

#[derive(Debug)]
enum Stage {
    /// What was heard before the past was there.
    Opening(Vec<Event>),
    Open(Box<Members>),
    /// The bus cannot say what has happened.
    Lost,
}

/// Who of this node is in a room.
#[derive(Debug)]
pub(super) struct Members {
    pub(super) room: Room,
    pub(super) outboxes: HashMap<ConnectionId, (UserId, Arc<Outbox>)>,
    metrics: Arc<Metrics>,
}

impl LiveRoom {
    pub(super) fn new(name: RoomName, metrics: Arc<Metrics>) -> Self {
        Self {
            name,
            opened: OnceCell::new(),
            stage: Mutex::new(Stage::Opening(Vec::new())),
            metrics,
        }
    }

    pub(super) async fn open(self: &Arc<Self>, bus: &dyn Bus) -> Result<(), StoreError> {
        let opening = self.opened.get_or_try_init(|| async {
            let listener = Arc::clone(self) as Arc<dyn Listener>;
            self.forget_early();
            let opened = bus.open(&self.name, listener).await?;
            self.begin(opened);
            Ok(())
        });
        opening.await.copied()
    }

    /// What was heard before an opening that failed does not go with the past that the next one gets.
    fn forget_early(&self) {
        if let Stage::Opening(early) = &mut *self.lock() {
            early.clear();
        }
    }

    fn begin(&self, opened: Opened) {
        let mut stage = self.lock();
        let Stage::Opening(early) = &mut *stage else {
            return;
        };
        let early = std::mem::take(early);
        *stage = Stage::Open(Box::new(Members {
            room: Room::new(self.name.clone(), opened),
            outboxes: HashMap::new(),
            metrics: Arc::clone(&self.metrics),
        }));
        early.into_iter().for_each(|event| stage.hear(event));
    }

    /// Works with the members.
    ///
    /// # Errors
    ///
    /// [`Refusal::Store`], if the room is not open or lost.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Members) -> T) -> Result<T, Refusal> {
        match &mut *self.lock() {
            Stage::Open(members) => Ok(work(members)),
            Stage::Opening(_) | Stage::Lost => Err(Refusal::Store),
        }
    }

    pub(super) fn is_lost(&self) -> bool {
        matches!(&*self.lock(), Stage::Lost)
    }

    /// Ends all connections of a user.
    pub(super) fn end(&self, user: UserId, bye: Bye) {
        let _ = self.with(|members| {
            let theirs = members.outboxes.values().filter(|(who, _)| *who == user);
            theirs.for_each(|(_, outbox)| outbox.end(bye));
        });
    }

    fn lock(&self) -> MutexGuard<'_, Stage> {
        // Nothing under this lock can panic half-way.
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener for LiveRoom {
    fn hear(&self, event: Event) {
        self.lock().hear(event);
    }

    fn stay(&self, user: UserId) -> Option<Stay> {
        let stay = self.with(|members| members.room.stay(user));
        stay.ok().flatten()
    }
}

impl Stage {
    fn hear(&mut self, event: Event) {
        match self {
            Self::Opening(early) if early.len() < EARLY => early.push(event),
            Self::Opening(_) => *self = Self::Lost,
            Self::Open(members) => {
                if members.hear(event) == Still::Lost {
                    *self = Self::Lost;
                }
            }
            Self::Lost => {}
        }
    }
}

/// Whether a room still knows what has happened in it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Still {
    Open,
    Lost,
}

impl Members {
    fn hear(&mut self, event: Event) -> Still {
        match self.room.hear(event) {
            Reaction::None => {}
            Reaction::Tell(delivery) => self.deliver(Some(&delivery)),
            Reaction::TellAndExpel(delivery, who) => {
                self.deliver(Some(&delivery));
                if let Notice::Ruled(ruling) = &delivery.notice {
                    self.expel(ruling, &who);
                }
            }
            Reaction::Resume => {
                for (_, outbox) in self.outboxes.values() {
                    outbox.end(Bye::lost());
                }
                return Still::Lost;
            }
        }
        Still::Open
    }

    /// Hands a notice out: one text, shared by all who get it.
    pub(super) fn deliver(&self, delivery: Option<&Delivery>) {
        let Some(Delivery { to, notice }) = delivery else {
            return;
        };
        let lane = match notice {
            Notice::Said(_) | Notice::Presence(_) | Notice::Ruled(_) | Notice::Late(_) => {
                Lane::Reliable
            }
            Notice::Typing(_) => Lane::Volatile,
        };
        let frame: Text = ServerFrame::Notice(self.room.name(), notice)
            .encode()
            .into();
        let mut delivered = 0;
        for (user, outbox) in self.outboxes.values() {
            match to {
                Audience::Others(but) if but == user => {}
                Audience::Everyone | Audience::Others(_) => {
                    outbox.push(lane, frame.clone());
                    delivered += 1;
                }
            }
        }
        self.metrics.deliveries.add(delivered);
    }

    /// Tells members that they are none any more.
    fn expel(&mut self, ruling: &Ruling, who: &[ConnectionId]) {
        let frame = ServerFrame::Out(Out {
            room: self.room.name(),
            why: match ruling.act {
                Act::Kick => Bar::Kicked,
                _ => Bar::Banned,
            },
            after: ruling.until().map(|until| until.since(Timestamp::now())),
            reason: &ruling.reason,
        });
        let frame: Text = frame.encode().into();
        for connection in who {
            if let Some((_, outbox)) = self.outboxes.remove(connection) {
                outbox.push(Lane::Reliable, frame.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{EARLY, LiveRoom};
    use crate::bus::{Event, Listener, Opened};
    use crate::message::Epoch;
    use crate::moderation::Rules;
    use crate::name::RoomName;
    use crate::ring::Ring;

    #[test]
    fn a_room_that_hears_too_much_while_it_opens_is_lost() {
        for (heard, lost) in [(EARLY, false), (EARLY + 1, true)] {
            let room = LiveRoom::new(RoomName::parse("lobby").unwrap(), Arc::default());
            for _ in 0..heard {
                room.hear(Event::Late(true));
            }
            room.begin(Opened {
                epoch: Epoch::new(1),
                ring: Ring::default(),
                here: Vec::new(),
                rules: Rules::default(),
            });
            assert_eq!(room.is_lost(), lost, "{heard}");
            assert_eq!(room.with(|_| ()).is_err(), lost);
        }
    }
}
