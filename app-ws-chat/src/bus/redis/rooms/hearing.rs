//! The news, on one connection after another, and what is read when some were missed.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep};

use super::{Node, Tracked};
use crate::bus::Event;
use crate::bus::redis::engine::Address;
use crate::bus::redis::keys::HOUSE;
use crate::bus::redis::news::{Channels, Item, News};
use crate::bus::redis::tracked::Missed;
use crate::bus::redis::wire::{self, Heard};
use crate::bus::redis::{RETRY, lock};
use crate::name::RoomName;
use crate::store::StoreError;

/// So often the connection for the news is asked whether it lives, since it has nothing to say while nobody speaks.
const PING_EVERY: Duration = Duration::from_secs(5);

/// How long those in a room may believe that they hear everything while nothing can be heard: longer than a Redis needs
/// to start again. Then they are sent away, to come back to a node that hears.
const DEAF_FOR: Duration = Duration::from_secs(10);

/// A change of what is listened to, in the order of the asking.
pub(in crate::bus::redis) enum Subscription {
    Begin(String, oneshot::Sender<()>),
    End(String),
}

impl Subscription {
    /// Notes what is to be listened to on the next connection.
    fn note(self, channels: &mut Channels) {
        match self {
            Self::Begin(channel, asked) => drop(channels.insert(channel, Some(asked))),
            Self::End(channel) => drop(channels.remove(&channel)),
        }
    }
}

impl Node {
    /// Hears the news, on one connection after another.
    pub(in crate::bus::redis) async fn listen(
        self: Arc<Self>,
        address: Address,
        mut wishes: mpsc::UnboundedReceiver<Subscription>,
    ) {
        let mut channels = Channels::new();
        loop {
            let error = match News::begin(&address, &channels, &self.deaf).await {
                Ok(news) => self.hear_all(news, &mut channels, &mut wishes).await,
                Err(error) => {
                    // Who wishes for something now may be heard by the next connection, if that comes in time.
                    while let Ok(wish) = wishes.try_recv() {
                        wish.note(&mut channels);
                    }
                    error
                }
            };
            say_that_it_is_away(&error);
            self.lose_those_long_behind();
            sleep(RETRY.mul_f64(fastrand::f64())).await;
        }
    }

    /// Gives up the rooms that could not be followed for too long.
    fn lose_those_long_behind(&self) {
        let now = Instant::now();
        for (name, room) in self.all() {
            let since = lock(&room).fall_behind(now);
            if since.is_some_and(|since| now - since >= DEAF_FOR) {
                self.lose(&name, &room);
            }
        }
    }

    /// Returns when the connection does not serve any more.
    async fn hear_all(
        self: &Arc<Self>,
        mut news: News,
        channels: &mut Channels,
        wishes: &mut mpsc::UnboundedReceiver<Subscription>,
    ) -> StoreError {
        let mut ping_at = Box::pin(sleep(PING_EVERY));
        loop {
            tokio::select! {
                item = news.next() => match item {
                    Item::Told { channel, event } => self.hear(&channel, &event),
                    Item::Heard(channel) => match channels.get_mut(&channel).map(Option::take) {
                        // Who asked may be gone.
                        Some(Some(asked)) => drop(asked.send(())),
                        // What was said meanwhile is read, not heard.
                        Some(None) => self.catch_up_on(&channel),
                        None => {}
                    },
                    Item::Ended(error) => return error,
                },
                () = self.deaf.notified() => return StoreError::new("news were missed"),
                () = &mut ping_at => {
                    if let Err(error) = news.ping().await {
                        return error;
                    }
                    ping_at.as_mut().reset(Instant::now() + PING_EVERY);
                }
                Some(wish) = wishes.recv() => {
                    let changed = match wish {
                        Subscription::Begin(channel, asked) => {
                            channels.insert(channel.clone(), Some(asked));
                            news.listen(&channel).await
                        }
                        Subscription::End(channel) => {
                            channels.remove(&channel);
                            news.ignore(&channel).await
                        }
                    };
                    if let Err(error) = changed {
                        return error;
                    }
                }
            }
        }
    }

    fn hear(&self, channel: &str, payload: &[u8]) {
        let Some(heard) = wire::read(payload) else {
            tracing::warn!(channel, "an event that this version does not know");
            return;
        };
        if channel == HOUSE {
            self.hear_of_the_house(heard);
            return;
        }
        let Some((name, room)) = self.by_channel(channel) else {
            // It was closed a moment ago.
            return;
        };
        let missed = self.with(&name, &room, |room| room.hear(heard));
        self.make_good(&name, &room, missed);
    }

    fn hear_of_the_house(&self, heard: Heard) {
        let Heard::Ruled(ruling) = heard else {
            return;
        };
        let listener = match &mut *lock(&self.house) {
            Some(house) => {
                house.rules.apply(ruling.change());
                house.heard += 1;
                Arc::clone(&house.listener)
            }
            None => return,
        };
        listener.hear(Event::Ruled(ruling));
    }

    fn by_channel(&self, channel: &str) -> Option<(RoomName, Arc<Mutex<Tracked>>)> {
        let name = channel.strip_prefix("chat:{")?.strip_suffix('}')?;
        let name = percent_encoding::percent_decode_str(name)
            .decode_utf8()
            .ok()?;
        let name = RoomName::parse(&name).ok()?;
        let room = self.tracked(&name)?;
        Some((name, room))
    }

    fn catch_up_on(self: &Arc<Self>, channel: &str) {
        let node = Arc::clone(self);
        if channel == HOUSE {
            drop(tokio::spawn(
                async move { node.catch_up_in_the_house().await },
            ));
        } else if let Some((name, room)) = self.by_channel(channel) {
            drop(tokio::spawn(
                async move { node.catch_up(&name, &room).await },
            ));
        }
    }

    /// Reads what was missed in a room.
    async fn catch_up(&self, name: &RoomName, room: &Arc<Mutex<Tracked>>) {
        let Some(reading) = lock(room).begin_to_follow(Instant::now()) else {
            // It is being read, and that is for nothing.
            return;
        };
        let read = self.read(name).await;
        let missed = self.with(name, room, |room| match read {
            // A later one is under way.
            _ if !room.is_reading(reading) => Missed::Nothing,
            Ok(state) => room.follow(&state),
            // The next connection tries again.
            Err(_) => Missed::Something,
        });
        self.make_good(name, room, missed);
    }

    async fn catch_up_in_the_house(&self) {
        let Some(before) = lock(&self.house).as_ref().map(|house| house.heard) else {
            return;
        };
        let Ok(rules) = self.steps.house().await else {
            return self.deaf.notify_one();
        };
        let listener = match &mut *lock(&self.house) {
            // They may be older than what was heard.
            Some(house) if house.heard != before => return self.deaf.notify_one(),
            Some(house) if house.rules != rules => {
                house.rules.clone_from(&rules);
                Arc::clone(&house.listener)
            }
            _ => return,
        };
        // A ban may be among what was missed: who comes again is asked again.
        listener.hear(Event::Rules(Box::new(rules)));
        for (name, room) in self.all() {
            self.lose(&name, &room);
        }
    }
}

fn say_that_it_is_away(error: &StoreError) {
    let error: &dyn std::error::Error = error;
    tracing::warn!(error, "the news from Redis stop for a moment");
}
