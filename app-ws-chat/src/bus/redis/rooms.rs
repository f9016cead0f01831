//! The rooms that this node listens to, each from its opening to its end.

mod comings;
mod hearing;
mod leases;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::timeout;

use super::keys::{HOUSE, Keys};
use super::steps::{State, Steps};
use super::tracked::{AtTheDoor, Missed, Tracked};
use super::{ANSWER_WITHIN, lock};
use crate::bus::{Event, Listener, Opened};
use crate::moderation::Rules;
use crate::name::RoomName;
use crate::store::StoreError;

pub(super) use comings::Coming;
pub(super) use hearing::Subscription;

/// This node among the others.
pub(super) struct Node {
    steps: Steps,
    rooms: Mutex<HashMap<RoomName, Arc<Mutex<Tracked>>>>,
    house: Mutex<Option<House>>,
    subscriptions: mpsc::UnboundedSender<Subscription>,
    comings: mpsc::Sender<Coming>,
    /// The news have stopped to come although there are some.
    deaf: Arc<Notify>,
}

/// What is in force in all rooms.
struct House {
    listener: Arc<dyn Listener>,
    rules: Rules,
    /// Counts the rulings that were heard: rules that were read while one came may be older than it.
    heard: u64,
}

/// A room that is being opened.
pub(super) struct Opening {
    tracked: Arc<Mutex<Tracked>>,
    subscribed: oneshot::Receiver<()>,
}

impl Node {
    pub(super) fn new(
        steps: Steps,
        subscriptions: mpsc::UnboundedSender<Subscription>,
        comings: mpsc::Sender<Coming>,
    ) -> Self {
        Self {
            steps,
            rooms: Mutex::default(),
            house: Mutex::default(),
            subscriptions,
            comings,
            deaf: Arc::default(),
        }
    }

    /// Begins to open a room. Here and now, so that a [`close`](Self::close) that comes later closes this.
    pub(super) fn begin_to_open(&self, room: &RoomName, listener: Arc<dyn Listener>) -> Opening {
        let tracked = Arc::new(Mutex::new(Tracked::new(listener)));
        let (before, subscribed) = {
            let mut rooms = lock(&self.rooms);
            let before = rooms.insert(room.clone(), Arc::clone(&tracked));
            (before, self.subscribe(Keys::of(room).channel()))
        };
        if let Some(before) = before {
            lock(&before).give_way();
        }
        Opening {
            tracked,
            subscribed,
        }
    }

    /// Listens first and reads then, so that nothing falls between; what comes twice is known by its number.
    pub(super) async fn open(
        &self,
        room: RoomName,
        opening: Opening,
    ) -> Result<Opened, StoreError> {
        let Opening {
            tracked,
            subscribed,
        } = opening;
        let opened = async {
            heard(subscribed).await?;
            let state = self.read(&room).await?;
            let begun = self.with(&room, &tracked, |tracked| tracked.begin(&state));
            let missed = begun.ok_or_else(|| {
                StoreError::new("the connection for the news was another one meanwhile, or the room was opened anew")
            })?;
            self.make_good(&room, &tracked, missed);
            Ok(state.opened)
        };
        opened
            .await
            .inspect_err(|_: &StoreError| self.forget(&room, &tracked))
    }

    pub(super) fn close(&self, room: &RoomName) {
        let mut rooms = lock(&self.rooms);
        if rooms.remove(room).is_some() {
            self.unsubscribe(room);
        }
    }

    pub(super) async fn open_house(
        &self,
        listener: Arc<dyn Listener>,
    ) -> Result<Rules, StoreError> {
        *lock(&self.house) = Some(House {
            listener,
            rules: Rules::default(),
            heard: 0,
        });
        heard(self.subscribe(HOUSE)).await?;
        let rules = self.steps.house().await?;
        if let Some(house) = &mut *lock(&self.house) {
            let heard = std::mem::replace(&mut house.rules, rules.clone());
            house.rules.absorb(heard);
        }
        Ok(rules)
    }

    fn subscribe(&self, channel: &str) -> oneshot::Receiver<()> {
        let (done, subscribed) = oneshot::channel();
        // If nobody listens any more, nobody says that it is heard.
        let _ = self
            .subscriptions
            .send(Subscription::Begin(channel.to_owned(), done));
        subscribed
    }

    fn unsubscribe(&self, room: &RoomName) {
        let channel = Keys::of(room).channel().to_owned();
        // If nobody listens any more there is nothing to end.
        let _ = self.subscriptions.send(Subscription::End(channel));
    }

    /// Reads a room whole. One whose messages are lost gets another epoch: its offsets must not be used again.
    async fn read(&self, room: &RoomName) -> Result<State, StoreError> {
        let state = self.steps.open(room).await?;
        if state.opened.ring.end() == state.top {
            return Ok(state);
        }
        self.steps.renew(room, &state.opened.epoch).await?;
        self.steps.open(room).await
    }

    /// Takes a room away that cannot be followed any more, if it is still this one.
    fn forget(&self, room: &RoomName, tracked: &Arc<Mutex<Tracked>>) {
        let mut rooms = lock(&self.rooms);
        if rooms.get(room).is_some_and(|now| Arc::ptr_eq(now, tracked)) {
            rooms.remove(room);
            self.unsubscribe(room);
        }
    }

    /// Works with a room, and does then what that has brought about.
    fn with<T>(
        &self,
        name: &RoomName,
        room: &Mutex<Tracked>,
        work: impl FnOnce(&mut Tracked) -> T,
    ) -> T {
        let (done, due) = {
            let mut room = lock(room);
            (work(&mut room), room.due())
        };
        for AtTheDoor { who, asked, .. } in due.let_in {
            // Who asked may be gone; then they leave again.
            let _ = asked.send(who);
        }
        self.sit_down_again(name, room, &due.unseated);
        done
    }

    fn make_good(&self, name: &RoomName, room: &Arc<Mutex<Tracked>>, missed: Missed) {
        match missed {
            Missed::Nothing => {}
            Missed::Something => self.deaf.notify_one(),
            Missed::Everything => self.lose(name, room),
        }
    }

    fn tracked(&self, room: &RoomName) -> Option<Arc<Mutex<Tracked>>> {
        lock(&self.rooms).get(room).cloned()
    }

    fn all(&self) -> Vec<(RoomName, Arc<Mutex<Tracked>>)> {
        let rooms = lock(&self.rooms);
        let all = rooms.iter();
        all.map(|(name, room)| (name.clone(), Arc::clone(room)))
            .collect()
    }

    /// Nobody knows what has happened in a room: those who are there come again.
    fn lose(&self, name: &RoomName, room: &Arc<Mutex<Tracked>>) {
        self.forget(name, room);
        let listener = Arc::clone(&lock(room).listener);
        listener.hear(Event::Lost);
    }
}

/// Waits until a channel is heard.
async fn heard(subscribed: oneshot::Receiver<()>) -> Result<(), StoreError> {
    match timeout(ANSWER_WITHIN, subscribed).await {
        Ok(Ok(())) => Ok(()),
        _ => Err(StoreError::new("there is no connection for the news")),
    }
}
