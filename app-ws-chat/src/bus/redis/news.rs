//! The channels that this node listens to, on one connection after another.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use futures_util::StreamExt;
use redis::aio::{PubSubSink, PubSubStream};
use redis::cluster::ClusterConfig;
use redis::cluster_async::ClusterConnection;
use redis::{Client, FromRedisValue, PushInfo, PushKind, RedisError};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

use super::engine::Address;
use super::{ANSWER_WITHIN, RETRY};
use crate::store::StoreError;

/// News of a cluster that wait to be heard: seconds of a busy node. With more, all is read anew.
const WAITING: usize = 65_536;

/// What is listened to, and who waits for that.
pub(super) type Channels = HashMap<String, Option<oneshot::Sender<()>>>;

/// What comes.
pub(super) enum Item {
    /// Something was published.
    Told { channel: String, event: Vec<u8> },
    /// From now on the channel is heard. What was published before may have been missed.
    Heard(String),
    /// The connection does not serve any more.
    Ended(StoreError),
}

/// A connection for the news.
pub(super) enum News {
    One {
        sink: PubSubSink,
        stream: PubSubStream,
        /// Channels that are heard since a moment ago.
        heard: VecDeque<String>,
    },
    Cluster(Shards),
}

impl News {
    /// Connects, and asks for these channels. `deaf` is notified when something was missed.
    pub(super) async fn begin(
        address: &Address,
        channels: &Channels,
        deaf: &Arc<Notify>,
    ) -> Result<Self, StoreError> {
        let connecting = async {
            match address {
                Address::One(client) => one(client, channels).await,
                Address::Cluster(client, _) => {
                    let (push, pushes) = mpsc::channel(WAITING);
                    let deaf = Arc::clone(deaf);
                    let config = ClusterConfig::new().set_push_sender(move |info| {
                        push.try_send(info).inspect_err(|_| deaf.notify_one())
                    });
                    let connection = client.get_async_connection_with_config(config).await?;
                    Ok(Self::Cluster(Shards::new(connection, pushes, channels)))
                }
            }
        };
        match timeout(ANSWER_WITHIN, connecting).await {
            Ok(connected) => connected.map_err(StoreError::new),
            Err(late) => Err(StoreError::new(late)),
        }
    }

    /// The next thing that comes.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub(super) async fn next(&mut self) -> Item {
        let ended = || Item::Ended(StoreError::new("the connection for the news is closed"));
        match self {
            Self::One { stream, heard, .. } => match heard.pop_front() {
                Some(channel) => Item::Heard(channel),
                None => stream.next().await.map_or_else(ended, |news| Item::Told {
                    channel: news.get_channel_name().to_owned(),
                    event: news.get_payload_bytes().to_owned(),
                }),
            },
            Self::Cluster(shards) => shards.next().await.unwrap_or_else(ended),
        }
    }

    /// Asks for a channel.
    pub(super) async fn listen(&mut self, channel: &str) -> Result<(), StoreError> {
        match self {
            Self::One { sink, heard, .. } => {
                within(sink.subscribe(channel)).await?;
                heard.push_back(channel.to_owned());
            }
            Self::Cluster(shards) => shards.listen(channel),
        }
        Ok(())
    }

    /// Asks whether the connection lives, which has nothing to say while nobody speaks. A cluster's are watched by
    /// themselves.
    pub(super) async fn ping(&mut self) -> Result<(), StoreError> {
        match self {
            Self::One { sink, .. } => {
                within(async { sink.ping::<redis::Value>().await.map(drop) }).await
            }
            Self::Cluster(_) => Ok(()),
        }
    }

    /// Wants a channel no longer.
    pub(super) async fn ignore(&mut self, channel: &str) -> Result<(), StoreError> {
        match self {
            Self::One { sink, .. } => within(sink.unsubscribe(channel)).await,
            Self::Cluster(shards) => {
                shards.ignore(channel);
                Ok(())
            }
        }
    }
}

async fn one(client: &Client, channels: &Channels) -> Result<News, RedisError> {
    let (mut sink, stream) = client.get_async_pubsub().await?.split();
    let heard: VecDeque<String> = channels.keys().cloned().collect();
    if !heard.is_empty() {
        sink.subscribe(heard.iter().collect::<Vec<_>>()).await?;
    }
    Ok(News::One {
        sink,
        stream,
        heard,
    })
}

async fn within(asking: impl Future<Output = Result<(), RedisError>>) -> Result<(), StoreError> {
    match timeout(ANSWER_WITHIN, asking).await {
        Ok(answer) => answer.map_err(StoreError::new),
        Err(late) => Err(StoreError::new(late)),
    }
}

/// The channels of a cluster, each at the node that has its slot, wherever that goes.
///
/// Redis says when it stops to tell: it ends the subscription of a slot that has moved, and the connection with its
/// life. Then the channel is asked for again, until it is heard.
pub(super) struct Shards {
    connection: ClusterConnection,
    pushes: mpsc::Receiver<PushInfo>,
    wanted: HashSet<String>,
    /// Those of them that are not heard for certain.
    away: HashSet<String>,
    again: Interval,
    /// Requests under way, which end with this.
    asking: JoinSet<()>,
}

impl Shards {
    fn new(
        connection: ClusterConnection,
        pushes: mpsc::Receiver<PushInfo>,
        channels: &Channels,
    ) -> Self {
        let mut again = interval(RETRY);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let wanted: HashSet<String> = channels.keys().cloned().collect();
        Self {
            connection,
            pushes,
            // Asked for at the interval's first tick, which is now.
            away: wanted.clone(),
            wanted,
            again,
            asking: JoinSet::new(),
        }
    }

    async fn next(&mut self) -> Option<Item> {
        loop {
            tokio::select! {
                push = self.pushes.recv() => {
                    if let Some(item) = self.take(push?) {
                        return Some(item);
                    }
                }
                _ = self.again.tick(), if !self.away.is_empty() => {
                    while self.asking.try_join_next().is_some() {}
                    // Requests have their own time; those of before are not overtaken.
                    if self.asking.is_empty() {
                        self.away.clone().into_iter().for_each(|channel| self.ask(channel));
                    }
                }
            }
        }
    }

    fn take(&mut self, push: PushInfo) -> Option<Item> {
        match push.kind {
            PushKind::SMessage => {
                let mut data = push.data.into_iter();
                let channel = String::from_redis_value(data.next()?).ok()?;
                let event = Vec::from_redis_value(data.next()?).ok()?;
                return Some(Item::Told { channel, event });
            }
            PushKind::SSubscribe => {
                let channel = channel_of(push)?;
                self.away.remove(&channel);
                return self
                    .wanted
                    .contains(&channel)
                    .then_some(Item::Heard(channel));
            }
            PushKind::SUnsubscribe => {
                let channel = channel_of(push)?;
                if self.wanted.contains(&channel) {
                    self.away.insert(channel);
                }
            }
            // It does not say of which node.
            PushKind::Disconnection => self.away.clone_from(&self.wanted),
            _ => {}
        }
        None
    }

    fn listen(&mut self, channel: &str) {
        self.wanted.insert(channel.to_owned());
        self.away.insert(channel.to_owned());
        self.ask(channel.to_owned());
    }

    fn ignore(&mut self, channel: &str) {
        self.wanted.remove(channel);
        self.away.remove(channel);
        let (mut connection, channel) = (self.connection.clone(), channel.to_owned());
        self.asking.spawn(async move {
            // Of what nobody wants nobody hears.
            let _ = connection.sunsubscribe(channel).await;
        });
    }

    fn ask(&mut self, channel: String) {
        let mut connection = self.connection.clone();
        self.asking.spawn(async move {
            // The confirmation comes with the news; without one, it is asked again.
            let _ = connection.ssubscribe(channel).await;
        });
    }
}

fn channel_of(push: PushInfo) -> Option<String> {
    String::from_redis_value(push.data.into_iter().next()?).ok()
}
