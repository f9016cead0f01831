//! The rooms that this node listens to: how far each was heard, who of this node is there, and what is done when
//! something was missed.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout};

use super::engine::Address;
use super::keys::{HOUSE, Keys};
use super::news::{Channels, Item, News};
use super::steps::{LAST_LEASE, LEASE, State, Steps, Touched};
use super::wire::{self, Heard};
use super::{ANSWER_WITHIN, COMINGS, RETRY, lock};
use crate::bus::{Event, Listener, Opened};
use crate::message::{Epoch, Message, Offset, Present, Rank};
use crate::moderation::Rules;
use crate::name::{Nick, RoomName, UserId};
use crate::refusal::Refusal;
use crate::store::StoreError;

/// So often a node says that it lives, a little sooner or later each time; it then also hears how far a room has counted.
const SIGN_OF_LIFE: Duration = Duration::from_secs(20);
const JITTER: Duration = Duration::from_secs(5);

/// So often the connection for the news is asked whether it lives, since it has nothing to say while nobody speaks.
const PING_EVERY: Duration = Duration::from_secs(5);

/// How long those in a room may believe that they hear everything while nothing can be heard: longer than a Redis needs
/// to start again. Then they are sent away, to come back to a node that hears.
const DEAF_FOR: Duration = Duration::from_secs(10);

/// How long the news of a room may be away before those who are there are told that what is said comes late.
const LATE_AFTER: Duration = Duration::from_secs(2);

/// Events that are kept while a room is read anew: seconds of a busy room. With more it is lost.
const MEANWHILE: usize = 4_096;

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

/// A room that this node listens to.
struct Tracked {
    listener: Arc<dyn Listener>,
    /// What was read, and heard since. `None` while the room is read for the first time.
    known: Option<Known>,
    /// The last offset that was heard before that.
    early: Offset,
    seats: HashMap<UserId, (Nick, Rank)>,
    /// Since when it cannot be followed.
    behind: Option<Instant>,
    /// Counts the readings, of which the last one counts, and what was heard of comings and goings since it began: what was
    /// read may be older.
    reading: u64,
    meanwhile: Vec<Event>,
}

struct Known {
    epoch: Epoch,
    end: Offset,
    rules: Rules,
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
        done: Option<oneshot::Sender<Result<Present, Refusal>>>,
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

    /// Listens first and reads then, so that nothing falls between; what comes twice is known by its offset.
    pub(super) async fn open(
        &self,
        room: RoomName,
        listener: Arc<dyn Listener>,
    ) -> Result<Opened, StoreError> {
        let tracked = Arc::new(Mutex::new(Tracked {
            listener,
            known: None,
            early: Offset(0),
            seats: HashMap::new(),
            behind: None,
            reading: 0,
            meanwhile: Vec::new(),
        }));
        lock(&self.rooms).insert(room.clone(), Arc::clone(&tracked));
        let opened = async {
            self.subscribe(Keys::of(&room).channel()).await?;
            self.read(&room).await
        };
        match opened.await {
            Ok(State { opened, .. }) => {
                let mut tracked = lock(&tracked);
                tracked.known = Some(Known {
                    epoch: opened.epoch.clone(),
                    end: opened.ring.end().max(tracked.early),
                    rules: opened.rules.clone(),
                });
                Ok(opened)
            }
            Err(error) => {
                self.forget(&room, &tracked);
                Err(error)
            }
        }
    }

    pub(super) fn close(&self, room: &RoomName) {
        let tracked = lock(&self.rooms).remove(room);
        if tracked.is_some() {
            let channel = Keys::of(room).channel().to_owned();
            // If nobody listens any more there is nothing to end.
            let _ = self.subscriptions.send(Subscription::End(channel));
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
        self.subscribe(HOUSE).await?;
        let rules = self.steps.house().await?;
        if let Some(house) = &mut *lock(&self.house) {
            let heard = std::mem::replace(&mut house.rules, rules.clone());
            house.rules.absorb(heard);
        }
        Ok(rules)
    }

    async fn subscribe(&self, channel: &str) -> Result<(), StoreError> {
        let (done, subscribed) = oneshot::channel();
        let begin = Subscription::Begin(channel.to_owned(), done);
        let gone = || StoreError::new("there is no connection for the news");
        self.subscriptions.send(begin).map_err(|_| gone())?;
        match timeout(ANSWER_WITHIN, subscribed).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(gone()),
        }
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
            let channel = Keys::of(room).channel().to_owned();
            let _ = self.subscriptions.send(Subscription::End(channel));
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
            let since = {
                let mut room = lock(&room);
                // One that is being opened has its own bounds.
                let since = room
                    .known
                    .is_some()
                    .then(|| *room.behind.get_or_insert(now));
                if since.is_some_and(|since| now - since >= LATE_AFTER) {
                    room.listener.hear(Event::Late(true));
                }
                since
            };
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
        let missed = lock(&room).hear(heard);
        if missed == Missed::Something {
            self.deaf.notify_one();
        } else if missed == Missed::Everything {
            self.lose(&name, &room);
        }
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
        let Some(reading) = lock(room).begin_to_follow() else {
            // It is being read anyway.
            return;
        };
        let read = self.read(name).await;
        let followed = {
            let mut room = lock(room);
            match read {
                // A later one is under way.
                _ if room.reading != reading => return,
                Ok(state) => room.follow(&state),
                // The next connection tries again.
                Err(_) => return self.deaf.notify_one(),
            }
        };
        match followed {
            Some(lost) => self.sit_down_again(name, room, &lost).await,
            None => self.lose(name, room),
        }
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

    /// Those of this node whose seats were taken away while it said nothing.
    async fn sit_down_again(&self, name: &RoomName, room: &Arc<Mutex<Tracked>>, lost: &[UserId]) {
        for &user in lost {
            let Some((wish, rank)) = lock(room).seats.get(&user).cloned() else {
                continue;
            };
            let coming = Coming::In {
                room: name.clone(),
                user,
                wish,
                rank,
                done: None,
            };
            // The channel ends with the node.
            let _ = self.comings.send(coming).await;
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
                done,
            } => {
                if done.as_ref().is_some_and(oneshot::Sender::is_closed) {
                    return room;
                }
                let entered = self.enter(&room, user, &wish, rank).await;
                if let Some(done) = done {
                    // Who asked may be gone; then they leave again.
                    let _ = done.send(entered);
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
    ) -> Result<Present, Refusal> {
        let tracked = self.tracked(room).ok_or(Refusal::Store)?;
        match self.steps.enter(room, user, wish, rank).await {
            Ok(present) => {
                let seat = (present.person.nick.clone(), rank);
                lock(&tracked).seats.insert(user, seat);
                Ok(present)
            }
            Err(error) => {
                error.report(room, "somebody cannot come in");
                Err(Refusal::Store)
            }
        }
    }

    async fn exit(&self, room: &RoomName, user: UserId) {
        if let Some(tracked) = self.tracked(room) {
            let mut tracked = lock(&tracked);
            if tracked.listener.has(user) {
                return;
            }
            tracked.seats.remove(&user);
        }
        // If Redis is not there, the lease runs out.
        let _ = self.steps.exit(room, user).await;
    }

    /// Says again and again that this node lives, and hears how far the rooms have counted.
    pub(super) async fn keep_alive(self: Arc<Self>) {
        loop {
            sleep(SIGN_OF_LIFE + JITTER.mul_f64(fastrand::f64())).await;
            self.touch_all(LEASE).await;
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

    async fn touch(&self, name: &RoomName, room: &Arc<Mutex<Tracked>>, lease: Duration) {
        let users: Vec<UserId> = lock(room).seats.keys().copied().collect();
        for users in users.chunks(TOUCHED) {
            let Ok(Touched { epoch, top, lost }) = self.steps.touch(name, users, lease).await
            else {
                return;
            };
            let behind = || {
                let room = lock(room);
                let known = room.known.as_ref();
                known.is_some_and(|known| known.epoch.as_str() != epoch || known.end < top)
            };
            if behind() {
                // The news may be under way. If they are not, the connection is dead and does not say so.
                sleep(RETRY).await;
                if behind() {
                    self.deaf.notify_one();
                }
            }
            self.sit_down_again(name, room, &lost).await;
        }
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

/// What a room has missed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Missed {
    Nothing,
    /// Messages, which can be read.
    Something,
    /// Its history is another one.
    Everything,
}

impl Tracked {
    /// Takes an event of the room's channel.
    fn hear(&mut self, heard: Heard) -> Missed {
        let event = match heard {
            Heard::Said(epoch, message) => return self.hear_message(&epoch, message),
            Heard::Came(who) => return self.hear_of_people(Event::Came(who)),
            Heard::Left(who) => {
                // Expelled, or taken away by mistake: only who is here sits here.
                if !self.listener.has(who) {
                    self.seats.remove(&who);
                }
                return self.hear_of_people(Event::Left(who));
            }
            Heard::Typing(who) => Event::Typing(who),
            Heard::Ruled(ruling) => {
                if let Some(known) = &mut self.known {
                    known.rules.apply(ruling.change());
                }
                Event::Ruled(ruling)
            }
        };
        self.listener.hear(event);
        Missed::Nothing
    }

    fn hear_of_people(&mut self, event: Event) -> Missed {
        if self.behind.is_some() {
            if self.meanwhile.len() >= MEANWHILE {
                return Missed::Everything;
            }
            self.meanwhile.push(event.clone());
        }
        self.listener.hear(event);
        Missed::Nothing
    }

    fn hear_message(&mut self, epoch: &Epoch, message: Arc<Message>) -> Missed {
        match &mut self.known {
            None => self.early = message.offset,
            Some(known) if known.epoch != *epoch => return Missed::Everything,
            // It was read before it was heard.
            Some(known) if message.offset <= known.end => return Missed::Nothing,
            Some(known) if message.offset != known.end.next() => return Missed::Something,
            Some(known) => known.end = message.offset,
        }
        self.listener.hear(Event::Said(message));
        Missed::Nothing
    }

    /// Begins to read what may have been missed; gives the number of the reading. `None`: the room has not been read yet.
    fn begin_to_follow(&mut self) -> Option<u64> {
        self.known.as_ref()?;
        self.behind.get_or_insert_with(Instant::now);
        self.meanwhile.clear();
        self.reading += 1;
        Some(self.reading)
    }

    /// Takes what was read after something may have been missed; gives those who have lost their seats. `None`: what was
    /// missed cannot be made good.
    fn follow(&mut self, state: &State) -> Option<Vec<UserId>> {
        let known = self.known.as_mut()?;
        let opened = &state.opened;
        if known.epoch != opened.epoch || known.rules != opened.rules {
            // Other rules may have put somebody out.
            return None;
        }
        if known.end < state.top {
            for message in opened.ring.after(known.end, usize::MAX)? {
                known.end = message.offset;
                self.listener.hear(Event::Said(message));
            }
        }
        self.behind = None;
        self.listener.hear(Event::Late(false));
        self.listener.hear(Event::Here(opened.here.clone()));
        for event in std::mem::take(&mut self.meanwhile) {
            self.listener.hear(event);
        }
        let here: HashSet<UserId> = opened.here.iter().map(|one| one.person.user).collect();
        let seats = self.seats.keys().copied();
        Some(seats.filter(|user| !here.contains(user)).collect())
    }
}
