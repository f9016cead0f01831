//! Who of this node comes and goes, carried out in the order of the asking.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot};

use super::{Node, Tracked};
use crate::bus::redis::tracked::{AtTheDoor, Sitting};
use crate::bus::redis::{COMINGS, lock};
use crate::message::{Present, Rank};
use crate::name::{Nick, RoomName, UserId};

/// Somebody of this node comes to a room or leaves it, in the order of the asking.
pub(in crate::bus::redis) enum Coming {
    In {
        room: RoomName,
        user: UserId,
        wish: Nick,
        rank: Rank,
        /// Who waits for it. `None`: they are in, and have lost the seat.
        asked: Option<oneshot::Sender<Present>>,
    },
    Out {
        room: RoomName,
        user: UserId,
    },
}

impl Coming {
    const fn room(&self) -> &RoomName {
        match self {
            Self::In { room, .. } | Self::Out { room, .. } => room,
        }
    }
}

impl Node {
    /// Those of this node whose seats were taken away by mistake: it had said nothing for too long, or a going was carried out late.
    pub(super) fn sit_down_again(
        &self,
        name: &RoomName,
        room: &Mutex<Tracked>,
        unseated: &[UserId],
    ) {
        for &user in unseated {
            let Some(Sitting { nick, rank, .. }) = lock(room).sitting(user).cloned() else {
                continue;
            };
            let coming = Coming::In {
                room: name.clone(),
                user,
                wish: nick,
                rank,
                asked: None,
            };
            // If there is no place, the next sign of life tells of it again.
            let _ = self.comings.try_send(coming);
        }
    }

    /// Carries comings and goings out: those of a room one after the other, and none waits for those of other rooms,
    /// which may be on a node of Redis that does not answer.
    pub(in crate::bus::redis) async fn come_and_go(
        self: Arc<Self>,
        mut comings: mpsc::Receiver<Coming>,
    ) {
        let mut lanes: HashMap<RoomName, VecDeque<Coming>> = HashMap::new();
        let mut under_way = FuturesUnordered::new();
        let mut waiting = 0;
        loop {
            tokio::select! {
                coming = comings.recv(), if waiting < COMINGS => {
                    let Some(coming) = coming else { return };
                    match lanes.entry(coming.room().clone()) {
                        Entry::Occupied(mut lane) => {
                            waiting += 1;
                            lane.get_mut().push_back(coming);
                        }
                        Entry::Vacant(lane) => {
                            lane.insert(VecDeque::new());
                            under_way.push(self.carry_out(coming));
                        }
                    }
                }
                Some(room) = under_way.next() => {
                    match lanes.get_mut(&room).and_then(VecDeque::pop_front) {
                        Some(next) => {
                            waiting -= 1;
                            under_way.push(self.carry_out(next));
                        }
                        None => drop(lanes.remove(&room)),
                    }
                }
            }
        }
    }

    /// Carries one out; gives its room.
    async fn carry_out(&self, coming: Coming) -> RoomName {
        match coming {
            Coming::In {
                room,
                user,
                wish,
                rank,
                asked,
            } => {
                if !asked.as_ref().is_some_and(oneshot::Sender::is_closed) {
                    self.enter(&room, user, &wish, rank, asked).await;
                }
                room
            }
            Coming::Out { room, user } => {
                self.exit(&room, user).await;
                room
            }
        }
    }

    async fn enter(
        &self,
        room: &RoomName,
        user: UserId,
        wish: &Nick,
        rank: Rank,
        asked: Option<oneshot::Sender<Present>>,
    ) {
        let Some(tracked) = self.tracked(room) else {
            return;
        };
        let stay = lock(&tracked).listener.stay(user);
        if asked.is_none() && stay.is_none() {
            // Who had lost the seat has left.
            return;
        }
        match self.steps.enter(room, user, wish, rank).await {
            Ok((who, at)) => {
                let nick = who.person.nick.clone();
                let door = asked.map(|asked| AtTheDoor { at, who, asked });
                let sitting = Sitting {
                    nick,
                    rank,
                    stay,
                    at,
                };
                self.with(room, &tracked, |room| room.seat(user, sitting, door));
            }
            Err(error) => error.report(room, "somebody cannot come in"),
        }
    }

    async fn exit(&self, room: &RoomName, user: UserId) {
        if let Some(tracked) = self.tracked(room)
            && !lock(&tracked).give_up_seat(user)
        {
            return;
        }
        // If Redis is not there, the lease runs out.
        let _ = self.steps.exit(room, user).await;
    }
}
