//! The rooms that this node listens to: who of it comes and goes, and what is done when something was missed.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout};

use super::engine::Address;
use super::keys::{HOUSE, Keys};
use super::news::{Channels, Item, News};
use super::steps::{LAST_LEASE, LEASE, State, Steps};
use super::tracked::{AtTheDoor, Missed, Sitting, Tracked};
use super::wire::{self, Heard};
use super::{ANSWER_WITHIN, COMINGS, RETRY, lock};
use crate::bus::{Event, Listener, Opened};
use crate::message::{Present, Rank};
use crate::moderation::Rules;
use crate::name::{Nick, RoomName, UserId};
use crate::store::StoreError;

/// So often a node says that it lives, a little sooner or later each time; it then also hears how far a room has counted.
const SIGN_OF_LIFE: Duration = Duration::from_secs(20);
const JITTER: Duration = Duration::from_secs(5);

/// So often the connection for the news is asked whether it lives, since it has nothing to say while nobody speaks.
const PING_EVERY: Duration = Duration::from_secs(5);

/// How long those in a room may believe that they hear everything while nothing can be heard: longer than a Redis needs
/// to start again. Then they are sent away, to come back to a node that hears.
const DEAF_FOR: Duration = Duration::from_secs(10);

/// Users in one sign of life, and signs of life at a time.
const TOUCHED: usize = 500;
const TOUCHING: usize = 64;

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

/// A change of what is listened to, in the order of the asking.
pub(super) enum Subscription {
    Begin(String, oneshot::Sender<()>),
    End(String),
}

/// Somebody of this node comes to a room or leaves it, in the order of the asking.
pub(super) enum Coming {
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
        let mut rooms = lock(&self.rooms);
        rooms.insert(room.clone(), Arc::clone(&tracked));
        let subscribed = self.subscribe(Keys::of(room).channel());
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
                StoreError::new("the connection for the news was another one meanwhile")
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

    /// Hears the news, on one connection after another.
    pub(super) async fn listen(
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

    /// Nobody knows what has happened in a room: those who are there come again.
    fn lose(&self, name: &RoomName, room: &Arc<Mutex<Tracked>>) {
        self.forget(name, room);
        let listener = Arc::clone(&lock(room).listener);
        listener.hear(Event::Lost);
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

    /// Those of this node whose seats were taken away by mistake: it had said nothing for too long, or a going was carried out late.
    fn sit_down_again(&self, name: &RoomName, room: &Mutex<Tracked>, unseated: &[UserId]) {
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
    pub(super) async fn come_and_go(self: Arc<Self>, mut comings: mpsc::Receiver<Coming>) {
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

    /// Says again and again that this node lives, and hears how far the rooms have counted.
    pub(super) async fn keep_alive(self: Arc<Self>) {
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
    pub(super) async fn shorten_leases(&self) {
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

/// Waits until a channel is heard.
async fn heard(subscribed: oneshot::Receiver<()>) -> Result<(), StoreError> {
    match timeout(ANSWER_WITHIN, subscribed).await {
        Ok(Ok(())) => Ok(()),
        _ => Err(StoreError::new("there is no connection for the news")),
    }
}

fn say_that_it_is_away(error: &StoreError) {
    let error: &dyn std::error::Error = error;
    tracing::warn!(error, "the news from Redis stop for a moment");
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
