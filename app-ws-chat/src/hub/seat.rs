//! A connection's place in a room, from the visit to the leaving.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::live::{LiveRoom, Members};
use super::{Hub, Newcomer};
use crate::message::{Offset, Person, Position, Timestamp};
use crate::moderation::{Listing, Order};
use crate::name::{Cid, RoomName, UserId};
use crate::outbox::{Lane, Outbox};
use crate::protocol::{Draft, RequestId, ServerFrame};
use crate::refusal::Refusal;
use crate::room::{ConnectionId, Page, Receipt, Step};

/// A connection's place in a room. Dropped, on whatever path, it leaves the room.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(super) hub: Arc<Hub>,
    pub(super) room: Arc<LiveRoom>,
    pub(super) connection: ConnectionId,
}

impl Seat {
    /// Becomes a member: the welcome goes to `outbox` before anything else of the room does.
    pub(crate) async fn join(
        &self,
        id: RequestId,
        newcomer: Newcomer,
        since: Option<&Position>,
        outbox: &Arc<Outbox>,
    ) -> Result<(), Refusal> {
        let Newcomer { user, wish, rank } = newcomer;
        if let Some(seen) = since {
            self.reach(seen).await?;
        }
        let now = Timestamp::now();
        self.room.with(|members| members.room.expect(user, now))??;
        let expected = Expected { seat: self, user };
        // Also for another connection of somebody who is here: the first one may be refused still.
        self.hub
            .bus
            .enter(&self.room.name, user, &wish, rank)
            .await?;
        let recovered = self.room.with(|members| {
            let joined = members.room.join(self.connection, user, rank, since, now);
            let welcome = joined?;
            outbox.push(
                Lane::Reliable,
                ServerFrame::Joined(id, &welcome).encode().into(),
            );
            members
                .outboxes
                .insert(self.connection, (user, Arc::clone(outbox)));
            Ok::<_, Refusal>(welcome.recovered)
        })??;
        expected.came();
        self.hub.metrics.joins.add(1);
        self.hub.metrics.recovered.add(recovered.into());
        Ok(())
    }

    /// Who comes from a node that hears better, and has seen more than this one, is let in when it has caught up: else they
    /// would be told of an end of the room before its messages that they have.
    async fn reach(&self, seen: &Position) -> Result<(), Refusal> {
        let is_behind = || self.room.with(|members| members.room.is_behind(seen));
        if !is_behind()? {
            return Ok(());
        }
        let newest = self.hub.bus.history(&self.room.name, Offset(u64::MAX), 1);
        let newest = newest.await.map_err(|error| {
            error.report(&self.room.name, "its end cannot be read");
            Refusal::Store
        })?;
        // A position that the room never had, or has lost, is not waited for.
        let exists = newest.last().is_some_and(|last| last.offset >= seen.offset);
        if exists && is_behind()? {
            return Err(Refusal::Store);
        }
        Ok(())
    }

    /// The room that it is in.
    pub(crate) fn name(&self) -> &RoomName {
        &self.room.name
    }

    /// Whether the connection is a member still; a moderator may have expelled it.
    pub(crate) fn is_taken(&self) -> bool {
        let has = self.room.with(|members| members.room.has(self.connection));
        has.unwrap_or(false)
    }

    /// Says something. When this returns it is kept; everybody hears of it at the same time.
    pub(crate) async fn send(&self, draft: Draft) -> Result<Receipt, Refusal> {
        let begun = Instant::now();
        let (from, pace) = match self.speaker() {
            Ok(speaker) => speaker,
            // Who was muted after it was said, and has missed the answer, is told the truth.
            Err(refusal) => return self.said(&draft.cid).ok_or(refusal),
        };
        let receipt = self
            .hub
            .bus
            .publish(&self.room.name, from, draft, pace)
            .await?;
        self.hub.metrics.messages.add(1);
        self.hub.metrics.acknowledged(begun.elapsed());
        Ok(receipt)
    }

    fn speaker(&self) -> Result<(Person, Duration), Refusal> {
        let (from, pace) = self
            .room
            .with(|members| members.room.speaker(self.connection, Timestamp::now()))??;
        if let Some(house) = self.hub.house.get() {
            house.hears(from.user)?;
        }
        Ok((from, pace))
    }

    fn said(&self, cid: &Cid) -> Option<Receipt> {
        let said = |members: &mut Members| members.room.said(self.connection, cid);
        self.room.with(said).ok().flatten()
    }

    /// Older messages, the oldest first.
    pub(crate) async fn history(
        &self,
        before: Option<Offset>,
        limit: usize,
    ) -> Result<Page, Refusal> {
        let epoch = self.room.with(|members| members.room.epoch().clone())?;
        let before = before.unwrap_or(Offset(u64::MAX));
        let messages = self.hub.bus.history(&self.room.name, before, limit).await;
        match messages {
            Ok(messages) => Ok(Page {
                more: messages
                    .first()
                    .is_some_and(|first| first.offset > Offset(1)),
                epoch,
                messages,
            }),
            Err(error) => {
                error.report(&self.room.name, "history cannot be read");
                Err(Refusal::Store)
            }
        }
    }

    /// Carries out what this member orders, if they may.
    pub(crate) async fn order(&self, order: Order) -> Result<(), Refusal> {
        let ruling = self.room.with(|members| {
            let by = members.room.moderator(self.connection)?;
            let (nick, user) = (by.nick.as_str().into(), Some(by.user));
            members.room.decide(order, nick, user, Timestamp::now())
        })??;
        self.hub.rule(ruling).await
    }

    /// What is in force here, for a moderator.
    pub(crate) fn listing(&self) -> Result<Listing, Refusal> {
        self.room.with(|members| {
            members.room.moderator(self.connection)?;
            Ok(members.room.rules().list(Timestamp::now()))
        })?
    }

    /// Tells the others that this member is writing.
    pub(crate) fn typing(&self) {
        // Who may not say anything is not seen to write it either.
        if let Ok((writer, _)) = self.speaker() {
            self.hub.bus.typing(&self.room.name, &writer);
        }
    }

    /// Leaves the room without a word.
    pub(crate) fn vanish(&self) {
        let _ = self.room.with(|members| {
            members.outboxes.remove(&self.connection);
            members.room.leave(self.connection)
        });
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let left = self.room.with(|members| {
            members.outboxes.remove(&self.connection);
            members.room.leave(self.connection)
        });
        if let Ok(Some((user, Step::Over))) = left {
            self.hub.bus.exit(&self.room.name, user);
        }
        let mut rooms = self.hub.lock();
        let Some(place) = rooms.get_mut(&self.room.name) else {
            return;
        };
        // A lost room's place may be another one's by now.
        if Arc::ptr_eq(&place.room, &self.room) {
            place.seats -= 1;
            if place.seats == 0 {
                rooms.remove(&self.room.name);
                // Under the lock, so that who opens it anew comes after this.
                self.hub.bus.close(&self.room.name);
            }
        }
    }
}

/// That a room expects a connection. Dropped before it came, it is called off.
struct Expected<'a> {
    seat: &'a Seat,
    user: UserId,
}

impl Expected<'_> {
    fn came(self) {
        std::mem::forget(self);
    }
}

impl Drop for Expected<'_> {
    fn drop(&mut self) {
        let step = self
            .seat
            .room
            .with(|members| members.room.call_off(self.user));
        if let Ok(Step::Over) = step {
            self.seat.hub.bus.exit(&self.seat.room.name, self.user);
        }
    }
}
