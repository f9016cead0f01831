//! A Redis cluster of the test's own: three primaries on free ports, each with a replica if the test wants one.

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis::{Connection, FromRedisValue, RedisResult};

/// What has to happen does so within this time.
const PATIENCE: Duration = Duration::from_secs(30);

const PRIMARIES: u32 = 3;
const SLOTS: u32 = 16_384;

/// Whether each primary has a replica.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Replicas {
    None,
    Each,
}

/// A running cluster. Dropped, it is killed and its files go.
pub(crate) struct Cluster {
    directory: PathBuf,
    /// The primaries, and then their replicas in the same order.
    members: Vec<Member>,
}

struct Member {
    port: u16,
    /// For the members among each other.
    inner: u16,
    id: String,
    process: Option<Child>,
}

impl Cluster {
    pub(crate) fn start(replicas: Replicas) -> Self {
        let name = format!(
            "chat-cluster-{}-{:x}",
            std::process::id(),
            fastrand::u32(..)
        );
        let directory = std::env::temp_dir().join(name);
        let count = match replicas {
            Replicas::None => PRIMARIES,
            Replicas::Each => 2 * PRIMARIES,
        };
        let mut cluster = Self {
            directory,
            members: Vec::new(),
        };
        for _ in 0..count {
            let member = cluster.start_member();
            cluster.members.push(member);
        }
        for at in 0..cluster.members.len() {
            cluster.members[at].id = cluster.ask(at, &["CLUSTER", "MYID"]);
        }
        cluster.join();
        if replicas == Replicas::Each {
            cluster.replicate();
        }
        for at in 0..cluster.members.len() {
            cluster.wait(at, &["CLUSTER", "INFO"], "cluster_state:ok");
        }
        cluster
    }

    /// Starts a member on ports that nobody has. Whoever takes one of them a moment sooner has it, and others are tried.
    fn start_member(&self) -> Member {
        loop {
            let (port, inner) = (free_port(), free_port());
            let mut process = self.spawn(port, inner);
            if is_up(&mut process, port) {
                return Member {
                    port,
                    inner,
                    id: String::new(),
                    process: Some(process),
                };
            }
        }
    }

    /// Starts a member, or starts one that was killed again: with what it has kept, and in the place that the others
    /// give it.
    fn spawn(&self, port: u16, inner: u16) -> Child {
        let directory = self.directory.join(port.to_string());
        std::fs::create_dir_all(&directory).unwrap();
        Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
            .args([
                "--cluster-enabled",
                "yes",
                "--cluster-port",
                &inner.to_string(),
            ])
            // A dead primary is found dead after this, and its replica takes over however old its news are.
            .args(["--cluster-node-timeout", "1000"])
            .args(["--cluster-replica-validity-factor", "0"])
            .args(["--repl-diskless-sync-delay", "0"])
            .args([
                "--appendonly",
                "yes",
                "--appendfsync",
                "always",
                "--save",
                "",
            ])
            .arg("--dir")
            .arg(&directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed: run ./test")
    }

    pub(crate) fn restart(&mut self, member: usize) {
        let Member { port, inner, .. } = self.members[member];
        self.members[member].process = Some(self.spawn(port, inner));
    }

    /// Gives each primary a third of the slots, and makes the members known to each other.
    fn join(&self) {
        for primary in 0..PRIMARIES {
            let first = SLOTS * primary / PRIMARIES;
            let last = SLOTS * (primary + 1) / PRIMARIES - 1;
            let range = [first.to_string(), last.to_string()];
            let command = ["CLUSTER", "ADDSLOTSRANGE", &range[0], &range[1]];
            self.ask::<()>(primary as usize, &command);
        }
        for member in &self.members[1..] {
            let place = [member.port.to_string(), member.inner.to_string()];
            let command = ["CLUSTER", "MEET", "127.0.0.1", &place[0], &place[1]];
            self.ask::<()>(0, &command);
        }
        let all = format!("cluster_known_nodes:{}\r", self.members.len());
        for at in 0..self.members.len() {
            self.wait(at, &["CLUSTER", "INFO"], &all);
        }
    }

    fn replicate(&self) {
        let primaries = PRIMARIES as usize;
        for at in 0..primaries {
            let id = self.members[at].id.as_str();
            // Whom a member has just met it may not know for a primary yet.
            self.wait(primaries + at, &["CLUSTER", "NODES"], &format!("{id} "));
            self.ask::<()>(primaries + at, &["CLUSTER", "REPLICATE", id]);
        }
        for at in 0..primaries {
            self.wait(at, &["INFO", "replication"], "state=online");
        }
    }

    /// What `--bus` takes: any of the members names the others.
    pub(crate) fn address(&self) -> String {
        let nodes = self.members.iter().take(PRIMARIES as usize);
        let nodes: Vec<_> = nodes.map(|one| format!("127.0.0.1:{}", one.port)).collect();
        format!("redis-cluster://{}", nodes.join(","))
    }

    fn slot(&self, room: &str) -> u32 {
        self.ask(0, &["CLUSTER", "KEYSLOT", &format!("chat:{{{room}}}")])
    }

    /// The primary that a room was with at the start.
    pub(crate) fn primary_of(&self, room: &str) -> usize {
        let slot = self.slot(room);
        let ends = (1..=PRIMARIES).take_while(|end| SLOTS * end / PRIMARIES <= slot);
        ends.count()
    }

    /// Its replica.
    pub(crate) const fn replica_of(primary: usize) -> usize {
        primary + PRIMARIES as usize
    }

    /// SIGKILL: it can put nothing in order.
    pub(crate) fn kill(&mut self, member: usize) {
        if let Some(mut process) = self.members[member].process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Cuts a primary's replica off, which then knows nothing of what is written. They still vote.
    pub(crate) fn cut_off_the_replica_of(&self, primary: usize) {
        self.ask::<()>(primary, &["ACL", "SETUSER", "default", "-psync", "-sync"]);
        self.ask::<u32>(primary, &["CLIENT", "KILL", "TYPE", "replica"]);
        self.wait(primary, &["INFO", "replication"], "connected_slaves:0");
    }

    /// Waits until a member is a primary.
    pub(crate) fn wait_for_primary(&self, member: usize) {
        self.wait(member, &["INFO", "replication"], "role:master");
    }

    /// Moves a room's slot to another primary, key by key, as an operator does.
    pub(crate) fn move_slot_of(&self, room: &str) {
        let (from, slot) = (self.primary_of(room), self.slot(room).to_string());
        let to = (from + 1) % PRIMARIES as usize;
        let (from_id, to_id) = (self.members[from].id.as_str(), self.members[to].id.as_str());
        self.ask::<()>(to, &["CLUSTER", "SETSLOT", &slot, "IMPORTING", from_id]);
        self.ask::<()>(from, &["CLUSTER", "SETSLOT", &slot, "MIGRATING", to_id]);
        let port = self.members[to].port.to_string();
        loop {
            let keys: Vec<String> = self.ask(from, &["CLUSTER", "GETKEYSINSLOT", &slot, "5"]);
            if keys.is_empty() {
                break;
            }
            let mut command = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
            command.extend(keys.iter().map(String::as_str));
            // A key may have run out meanwhile.
            self.ask::<String>(from, &command);
        }
        for member in [to, from] {
            self.ask::<()>(member, &["CLUSTER", "SETSLOT", &slot, "NODE", to_id]);
        }
    }

    fn ask<T: FromRedisValue>(&self, member: usize, command: &[&str]) -> T {
        let mut connection = self.connect(member);
        let mut asked = redis::cmd(command[0]);
        asked.arg(&command[1..]);
        let answer = asked.query(&mut connection);
        answer.unwrap_or_else(|error| panic!("{command:?}: {error}"))
    }

    /// Waits until an answer has this text in it.
    fn wait(&self, member: usize, command: &[&str], text: &str) {
        let start = Instant::now();
        loop {
            let answer: String = self.ask(member, command);
            if answer.contains(text) {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "no {text} in {answer}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn connect(&self, member: usize) -> Connection {
        let start = Instant::now();
        loop {
            match connect(self.members[member].port) {
                Ok(connection) => return connection,
                Err(error) => assert!(start.elapsed() < PATIENCE, "{error}"),
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for member in 0..self.members.len() {
            self.kill(member);
        }
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn connect(port: u16) -> RedisResult<Connection> {
    redis::Client::open(format!("redis://127.0.0.1:{port}"))?.get_connection()
}

/// Whether this process comes up there; not, if it ends because a port is taken.
fn is_up(process: &mut Child, port: u16) -> bool {
    let own = format!("process_id:{}\r", process.id());
    let start = Instant::now();
    while process.try_wait().unwrap().is_none() {
        let info = connect(port)
            .and_then(|mut there| redis::cmd("INFO").arg("server").query::<String>(&mut there));
        if info.is_ok_and(|info| info.contains(&own)) {
            return true;
        }
        assert!(start.elapsed() < PATIENCE, "Redis does not come up");
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

/// A port that nobody has, and that the system gives to no outgoing connection: a member that is killed wants it again.
fn free_port() -> u16 {
    loop {
        let port = fastrand::u16(10_000..32_000);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
