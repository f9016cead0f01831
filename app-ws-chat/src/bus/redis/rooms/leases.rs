//! The signs of life of this node, by which its users keep their seats.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::sleep;

use super::{Coming, Node, Tracked};
use crate::bus::redis::steps::{LAST_LEASE, LEASE};
use crate::bus::redis::{RETRY, lock};
use crate::name::RoomName;

/// So often a node says that it lives, a little sooner or later each time; it then also hears how far a room has counted.
const SIGN_OF_LIFE: Duration = Duration::from_secs(20);
const JITTER: Duration = Duration::from_secs(5);

/// Users in one sign of life, and signs of life at a time.
const TOUCHED: usize = 500;
const TOUCHING: usize = 64;

impl Node {
    /// Says again and again that this node lives, and hears how far the rooms have counted.
    pub(in crate::bus::redis) async fn keep_alive(self: Arc<Self>) {
        loop {
            sleep(SIGN_OF_LIFE + JITTER.mul_f64(fastrand::f64())).await;
            self.show_out();
            self.touch_all(LEASE).await;
        }
    }

    /// Those who have a seat still, because their going found no place.
    fn show_out(&self) {
        for (room, tracked) in self.all() {
            let (_, gone) = lock(&tracked).seated();
            for user in gone {
                let room = room.clone();
                let _ = self.comings.try_send(Coming::Out { room, user });
            }
        }
    }

    /// The last sign of life: who does not come to another node soon has left.
    pub(in crate::bus::redis) async fn shorten_leases(&self) {
        self.touch_all(LAST_LEASE).await;
    }

    /// Some side by side, so that a node of Redis that does not answer holds up its own rooms alone.
    async fn touch_all(&self, lease: Duration) {
        let rooms = futures_util::stream::iter(self.all());
        let touching = rooms.for_each_concurrent(TOUCHING, async |(name, room)| {
            self.touch(&name, &room, lease).await;
        });
        touching.await;
    }

    async fn touch(&self, name: &RoomName, room: &Mutex<Tracked>, lease: Duration) {
        let (here, gone) = lock(room).seated();
        let users = if lease == LAST_LEASE {
            // All have gone, and nobody has been told.
            [here, gone].concat()
        } else {
            here
        };
        for users in users.chunks(TOUCHED) {
            let Ok(touched) = self.steps.touch(name, users, lease).await else {
                return;
            };
            let behind = || lock(room).is_behind(&touched);
            if behind() {
                // The news may be under way. If they are not, the connection is dead and does not say so.
                sleep(RETRY).await;
                if behind() {
                    self.deaf.notify_one();
                }
            }
            self.sit_down_again(name, room, &touched.lost);
        }
    }
}
