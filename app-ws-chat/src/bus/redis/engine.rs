//! What a bus stands on: one Redis, or a cluster of several.

use std::time::Duration;

use redis::aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig};
use redis::cluster::{ClusterClient, ClusterConfig};
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{Route, SingleNodeRoutingInfo, SlotAddr};
use redis::io::tcp::TcpSettings;
use redis::io::tcp::socket2::TcpKeepalive;
use redis::{
    Client, Cmd, ErrorKind, FromRedisValue, Pipeline, ProtocolVersion, RedisError, RedisFuture,
    RedisResult, Script, ServerErrorKind, Value,
};

use super::{ANSWER_WITHIN, RETRY};
use crate::store::StoreError;

/// How long a message waits for its replicas: shorter than the answer, so that nobody is left without one.
const COPIED_WITHIN: Duration = Duration::from_secs(1);

/// The waits between two attempts at a node of a cluster, in milliseconds.
const SHORTEST_WAIT: u64 = 50;
const LONGEST_WAIT: u64 = 500;

/// How long a cluster's connection may have nothing to say before the other end is asked for a sign, how long after that again,
/// and how many may fail to come: after 8 s it is taken for lost, in the kernel, because nothing above asks.
const SILENT_FOR: Duration = Duration::from_secs(5);
const ASKED_EVERY: Duration = Duration::from_secs(1);
const ASKED: u32 = 3;

/// Replicas that have to have a message before it is acknowledged, if the address does not say.
const REPLICAS: usize = 1;

/// What happens in a room.
pub(super) const ROOM: &str = include_str!("room.lua");

/// An address, read.
#[derive(Clone)]
pub(super) enum Address {
    One(Client),
    Cluster(Box<ClusterClient>, usize),
}

/// Why an address is none.
#[derive(Debug)]
pub(super) enum AddressError {
    Redis(RedisError),
    Replicas,
    Nodes,
}

impl std::fmt::Display for AddressError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Redis(error) => error.fmt(f),
            Self::Replicas => f.write_str("behind `?` only replicas=N may stand, N from 0 to 9"),
            Self::Nodes => {
                f.write_str("a cluster needs HOST:PORT of a node, or of several with `,` between")
            }
        }
    }
}

impl std::error::Error for AddressError {}

impl From<RedisError> for AddressError {
    fn from(error: RedisError) -> Self {
        Self::Redis(error)
    }
}

impl Address {
    /// Reads `redis://..`, `unix://..`, or `redis-cluster://[user:password@]host:port[,host:port..][?replicas=N]`.
    pub(super) fn parse(text: &str) -> Result<Self, AddressError> {
        let Some(cluster) = text.strip_prefix("redis-cluster://") else {
            return Ok(Self::One(Client::open(text)?));
        };
        let (nodes, replicas) = match cluster.split_once('?') {
            Some((nodes, query)) => (nodes, replicas(query)?),
            None => (cluster, REPLICAS),
        };
        let (who, nodes) = match nodes.rsplit_once('@') {
            Some((who, nodes)) => (format!("{who}@"), nodes),
            None => (String::new(), nodes),
        };
        if nodes
            .split(',')
            .any(|node| node.is_empty() || node.contains('/'))
        {
            return Err(AddressError::Nodes);
        }
        let nodes = nodes.split(',').map(|node| format!("redis://{who}{node}"));
        let client = ClusterClient::builder(nodes)
            // What a cluster says of its own accord comes by this one alone.
            .use_protocol(ProtocolVersion::RESP3)
            .connection_timeout(ANSWER_WITHIN)
            .response_timeout(ANSWER_WITHIN)
            .overall_response_timeout(Some(ANSWER_WITHIN))
            .min_retry_wait(SHORTEST_WAIT)
            .max_retry_wait(LONGEST_WAIT)
            .tcp_settings(watched())
            .build()?;
        Ok(Self::Cluster(Box::new(client), replicas))
    }

    /// A connection, which need not be there yet. Within a runtime.
    pub(super) fn connect(&self) -> RedisResult<Engine> {
        match self {
            Self::One(client) => {
                let config = ConnectionManagerConfig::new()
                    // The line has a bound for both, and takes another connection then.
                    .set_response_timeout(None)
                    .set_connection_timeout(Some(ANSWER_WITHIN))
                    .set_max_delay(RETRY);
                let connection = ConnectionManager::new_lazy_with_config(client.clone(), config)?;
                Ok(Engine::One(connection))
            }
            Self::Cluster(client, replicas) => {
                let connect =
                    || client.get_pending_async_connection_with_config(ClusterConfig::default());
                Ok(Engine::Cluster {
                    connection: connect(),
                    // Who waits for replicas holds up what comes behind on the same connection.
                    copied: connect(),
                    replicas: *replicas,
                })
            }
        }
    }
}

/// A connection that the network has forgotten breaks, whether nothing was said on it or what was said is not confirmed.
fn watched() -> TcpSettings {
    let asking = TcpKeepalive::new()
        .with_time(SILENT_FOR)
        .with_interval(ASKED_EVERY)
        .with_retries(ASKED);
    let settings = TcpSettings::default().set_keepalive(asking);
    #[cfg(target_os = "linux")]
    let settings = settings.set_user_timeout(SILENT_FOR + ASKED_EVERY * ASKED);
    settings
}

fn replicas(query: &str) -> Result<usize, AddressError> {
    let number = query.strip_prefix("replicas=");
    let number = number.and_then(|number| number.parse().ok());
    number
        .filter(|number| *number <= 9)
        .ok_or(AddressError::Replicas)
}

/// What a step of the script has to outlive before it is answered for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Lasting {
    /// Nothing: it is said again, or runs out.
    Nothing,
    /// The node of a cluster that has carried it out. One Redis keeps what it has.
    Failover,
}

/// A call of the script.
pub(super) struct Step {
    keys: Vec<String>,
    arguments: Vec<String>,
}

impl Step {
    pub(super) fn new(keys: impl IntoIterator<Item = String>) -> Self {
        Self {
            keys: keys.into_iter().collect(),
            arguments: Vec::new(),
        }
    }

    pub(super) fn arg(&mut self, argument: impl ToString) -> &mut Self {
        self.arguments.push(argument.to_string());
        self
    }

    /// A key of the slot that all its keys are in.
    fn slot_key(&self) -> &str {
        self.keys.first().map_or("", String::as_str)
    }

    fn command(&self, how: &str, script: &str) -> Cmd {
        let mut command = redis::cmd(how);
        command.arg(script).arg(self.keys.len());
        command.arg(&self.keys).arg(&self.arguments);
        command
    }
}

/// Redis, to be asked.
#[derive(Clone)]
pub(super) enum Engine {
    One(ConnectionManager),
    Cluster {
        connection: ClusterConnection,
        copied: ClusterConnection,
        replicas: usize,
    },
}

impl Engine {
    /// The command that tells the nodes of the chat something: in a cluster only the nodes of Redis that have the room
    /// hear of it.
    pub(super) const fn publish(&self) -> &'static str {
        match self {
            Self::One(_) => "PUBLISH",
            Self::Cluster { .. } => "SPUBLISH",
        }
    }

    /// Asks, and reads the answer.
    pub(super) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        let mut engine = self.clone();
        command.query_async(&mut engine).await.map_err(failed)
    }

    /// Carries several commands on keys of one slot out together.
    pub(super) async fn exec(&self, commands: &Pipeline) -> Result<(), StoreError> {
        let mut engine = self.clone();
        commands.exec_async(&mut engine).await.map_err(failed)
    }

    /// Carries a step of a script out, which a node that has just become the one does not know yet.
    pub(super) async fn invoke<T: FromRedisValue>(
        &self,
        script: &Script,
        step: &Step,
        lasting: Lasting,
    ) -> Result<T, StoreError> {
        let known = step.command("EVALSHA", script.get_hash());
        let answer = match self.carry_out(step, known, lasting).await? {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                let whole = step.command("EVAL", ROOM);
                self.carry_out(step, whole, lasting).await?
            }
            answer => answer,
        };
        redis::from_redis_value(answer.map_err(failed)?).map_err(StoreError::new)
    }

    /// The answer of Redis; an error, if it does not last as it has to.
    async fn carry_out(
        &self,
        step: &Step,
        command: Cmd,
        lasting: Lasting,
    ) -> Result<RedisResult<Value>, StoreError> {
        match (self.clone(), lasting) {
            (
                Self::Cluster {
                    copied, replicas, ..
                },
                Lasting::Failover,
            ) if replicas > 0 => copy(copied, replicas, step.slot_key(), command).await,
            (mut engine, _) => {
                let answer = engine.req_packed_command(&command).await;
                Ok(answer.and_then(Value::extract_error))
            }
        }
    }
}

/// Carries something out, and waits until so many replicas have it.
async fn copy(
    mut connection: ClusterConnection,
    replicas: usize,
    key: &str,
    command: Cmd,
) -> Result<RedisResult<Value>, StoreError> {
    let route = SingleNodeRoutingInfo::SpecificNode(Route::with_key(key, SlotAddr::Master));
    // In one piece, because WAIT is about what the same connection has written before.
    let mut both = redis::pipe();
    both.add_command(command);
    both.cmd("WAIT").arg(replicas);
    both.arg(u64::try_from(COPIED_WITHIN.as_millis()).unwrap_or(0));
    let mut answers = match connection.route_pipeline(both, 0, 2, route).await {
        Ok(answers) => answers.into_iter(),
        Err(error) => return Ok(Err(error)),
    };
    let answer = answers.next().unwrap_or(Value::Nil).extract_error();
    if answer.is_err() {
        return Ok(answer);
    }
    let have = answers.next().unwrap_or(Value::Nil).extract_error();
    let have: usize = redis::from_redis_value(have.map_err(failed)?).map_err(StoreError::new)?;
    if have < replicas {
        return Err(StoreError::new(format!(
            "{have} of {replicas} replicas have it in time; give each node as many, or say ?replicas= behind the address"
        )));
    }
    Ok(answer)
}

impl ConnectionLike for Engine {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::One(connection) => connection.req_packed_command(cmd),
            Self::Cluster { connection, .. } => connection.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::One(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster { connection, .. } => {
                connection.req_packed_commands(pipeline, offset, count)
            }
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::One(connection) => connection.get_db(),
            Self::Cluster { connection, .. } => connection.get_db(),
        }
    }
}

pub(super) fn failed(error: RedisError) -> StoreError {
    match error.kind() {
        ErrorKind::Server(ServerErrorKind::Moved) => StoreError::new(format!(
            "{error}: this Redis is one of a cluster, and --bus names a cluster as redis-cluster://HOST:PORT"
        )),
        _ => StoreError::new(error),
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn an_address_says_what_it_is() {
        let rows = [
            ("redis://a:1", "one"),
            ("unix:///a", "one"),
            ("redis-cluster://a:1", "1"),
            ("redis-cluster://a:1,b:2?replicas=0", "0"),
            ("redis-cluster://me:secret@a:1,b:2?replicas=2", "2"),
            ("redis-cluster://", "needs HOST:PORT"),
            ("redis-cluster://a:1,,b:2", "needs HOST:PORT"),
            ("redis-cluster://a:1/3", "needs HOST:PORT"),
            ("redis-cluster://a:1?replicas=many", "replicas=N"),
            ("redis-cluster://a:1?wait=1", "replicas=N"),
            ("localhost", "Redis URL"),
        ];
        for (text, expected) in rows {
            let read = match Address::parse(text) {
                Ok(Address::One(_)) => "one".to_owned(),
                Ok(Address::Cluster(_, replicas)) => replicas.to_string(),
                Err(error) => error.to_string(),
            };
            assert!(read.contains(expected), "{text}: {read}");
        }
    }
}
