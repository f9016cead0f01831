//! Two nodes on one Redis, each behind a relay of its own, and everything that can break between them: for the model.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use app_ws_chat::Chat;
use app_ws_chat::bus::RedisBus;
use chat_client::Close;
use test_client::TestClient;
use tungstenite::client::IntoClientRequest;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Error, Message, WebSocket};

use crate::engine::Engine;
use crate::model::inside::{self, Inside};
use crate::model::ops::Fault;
use crate::model::person::{TOKEN, Taken, Wire};
use crate::model::record::Record;
use crate::model::world::{After, Ground};
use crate::program::{Program, Scratch};
use crate::relay::{Relay, Target, Way, Weather};
use crate::tap::Tap;

const FAIR: Weather = Weather::Fair(Duration::ZERO);
const NODES: usize = 2;

/// Redis, and the relays before it.
struct Base {
    engine: Engine,
    relays: Vec<Relay>,
    tap: Option<Tap>,
}

impl Base {
    fn start() -> Self {
        let engine = Engine::start();
        let relays = (0..NODES).map(|_| Relay::start(Target::Unix(engine.socket())));
        Self {
            relays: relays.collect(),
            engine,
            tap: None,
        }
    }

    fn begin(&mut self, record: &Record) {
        self.tap = Some(Tap::begin(self.engine.socket(), record.clone()));
    }

    fn bus(&self, node: usize) -> String {
        format!("redis://{}", self.relays[node].address)
    }

    /// Whether it was one of these.
    fn fault(&mut self, fault: Fault) -> bool {
        match fault {
            Fault::Engine => {
                self.engine.kill();
                self.engine.restart();
            }
            Fault::Silent(node, way) => self.relays[node].weather(Weather::Silent(way_of(way))),
            Fault::Late(node, late) => {
                let late = Duration::from_millis(late);
                self.relays[node].weather(Weather::Fair(late));
            }
            Fault::Cut(node) => self.relays[node].cut(),
            Fault::Node(_) | Fault::ClientsSilent(..) | Fault::ClientsFair(_) => return false,
        }
        true
    }

    fn heal(&self) {
        self.relays.iter().for_each(|relay| relay.weather(FAIR));
    }
}

fn way_of(number: usize) -> Way {
    [Way::There, Way::Back, Way::Both][number % 3]
}

/// Nodes in this process: their clients have no sockets and the test's own clock, their Redis is a real one.
pub(crate) struct Within {
    base: Base,
    nodes: Vec<TestClient>,
}

impl Within {
    pub(crate) fn start() -> Self {
        let base = Base::start();
        let nodes = (0..NODES).map(|node| Self::node(&base, node)).collect();
        Self { base, nodes }
    }

    fn node(base: &Base, node: usize) -> TestClient {
        let bus = RedisBus::new(&base.bus(node)).expect("an address");
        inside::node(Chat::with_bus(Arc::new(bus)))
    }
}

impl Ground for Within {
    type Wire = Inside;

    fn begin(&mut self, record: &Record) {
        self.base.begin(record);
    }

    fn nodes(&self) -> usize {
        NODES
    }

    async fn connect(&mut self, node: usize) -> Result<Inside, Close> {
        inside::connect(&self.nodes[node]).await
    }

    async fn fault(&mut self, fault: Fault) -> After {
        if self.base.fault(fault) {
            return After::Ghosts;
        }
        if let Fault::Node(node) = fault {
            // Those who are on it are sent away, and it says nothing to Redis.
            self.nodes[node].drain(Duration::ZERO);
            inside::rest().await;
            self.nodes[node] = Self::node(&self.base, node);
        }
        After::Ghosts
    }

    async fn heal(&mut self) {
        self.base.heal();
    }

    fn now(&self) -> Instant {
        inside::now()
    }

    /// Redis is asked in the time of the machine.
    async fn rest(&self) {
        inside::rest().await;
        std::thread::sleep(Duration::from_micros(200));
        inside::rest().await;
    }

    async fn pass(&self, time: Duration) {
        inside::pass(time).await;
    }
}

/// Nodes that are programs of their own, on different servers, behind relays for their clients.
pub(crate) struct Apart {
    base: Base,
    token: Scratch,
    nodes: Vec<Option<Program>>,
    doors: Vec<Relay>,
}

const SERVERS: [&str; NODES] = ["raw", "hyper"];

impl Apart {
    pub(crate) fn start() -> Self {
        let base = Base::start();
        let token = Scratch::new();
        std::fs::write(token.path(), TOKEN).expect("a file");
        let nodes = (0..NODES).map(|node| Self::node(&base, &token, node));
        let nodes: Vec<_> = nodes.collect();
        let doors = nodes
            .iter()
            .map(|node| Relay::start(Target::Tcp(node.address)));
        Self {
            doors: doors.collect(),
            base,
            token,
            nodes: nodes.into_iter().map(Some).collect(),
        }
    }

    fn node(base: &Base, token: &Scratch, node: usize) -> Program {
        let (server, bus) = (SERVERS[node], base.bus(node));
        let token = ["--moderator-token", token.path()];
        Program::start(&["--server", server, "--bus", &bus, token[0], token[1]])
    }
}

impl Ground for Apart {
    type Wire = Outside;

    fn begin(&mut self, record: &Record) {
        self.base.begin(record);
    }

    fn nodes(&self) -> usize {
        NODES
    }

    async fn connect(&mut self, node: usize) -> Result<Outside, Close> {
        Outside::connect(self.doors[node].address).map_err(|_| Close::Lost)
    }

    async fn fault(&mut self, fault: Fault) -> After {
        if self.base.fault(fault) {
            return After::Ghosts;
        }
        match fault {
            Fault::Node(node) => {
                if let Some(program) = self.nodes[node].take() {
                    program.kill();
                }
                let program = Self::node(&self.base, &self.token, node);
                self.doors[node].lead_to(Target::Tcp(program.address));
                self.nodes[node] = Some(program);
            }
            Fault::ClientsSilent(node, way) => {
                self.doors[node].weather(Weather::Silent(way_of(way)));
            }
            Fault::ClientsFair(node) => self.doors[node].weather(FAIR),
            _ => {}
        }
        After::Ghosts
    }

    /// Who is on a connection that has lost something would find out in 40 s.
    async fn heal(&mut self) {
        self.base.heal();
        for door in &self.doors {
            door.weather(FAIR);
            door.cut();
        }
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    async fn rest(&self) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

/// A socket that is never waited for.
pub(crate) struct Outside(WebSocket<TcpStream>);

impl Outside {
    fn connect(address: SocketAddr) -> Result<Self, Error> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        // A door that swallows everything is tried again.
        stream.set_read_timeout(Some(Duration::from_millis(500)))?;
        let mut request = format!("ws://{address}/ws").into_client_request()?;
        let fields = request.headers_mut();
        fields.insert(
            "sec-websocket-protocol",
            "chat.v1".parse().expect("a value"),
        );
        let (socket, _) =
            tungstenite::client(request, stream).map_err(|_| Error::ConnectionClosed)?;
        socket.get_ref().set_nonblocking(true)?;
        Ok(Self(socket))
    }
}

impl Wire for Outside {
    fn send(&mut self, frame: String) {
        // What is closed says so when it is asked for more, and the rest goes out then, too.
        let _ = self.0.send(Message::text(frame));
    }

    fn take(&mut self) -> Taken {
        loop {
            return match self.0.read() {
                Ok(Message::Text(text)) => Taken::Frame(text.to_string()),
                Ok(Message::Close(frame)) => {
                    // The answer to it.
                    let _ = self.0.flush();
                    let code = frame.map_or(CloseCode::Status, |frame| frame.code);
                    Taken::Closed(Close::Code(code.into()))
                }
                Ok(_) => continue,
                Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    Taken::Nothing
                }
                Err(_) => Taken::Closed(Close::Lost),
            };
        }
    }
}
