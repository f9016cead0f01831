//! The notice board as an application of the contract, which knows neither a server nor a framework.
//!
//! | path | shows |
//! |---|---|
//! | `/` | where it is mounted, and what its lifespan made |
//! | `POST /shout` | a body that goes back in upper case while it comes |
//! | `/notes` | each new note, until the client leaves or the server stops |
//! | `/socket` | the same by a WebSocket, which posts too |

use gateway::types::{Method, StatusCode};
use gateway::{
    Accept, AppError, Application, CloseCode, Connection, Done, Http, Lifespan, Responder,
    ResponseHead, Scope, State, WebSocket,
};

use crate::axum::{Board, Note};

/// The board, as an application.
#[derive(Debug, Clone)]
pub struct Native {
    board: Board,
}

/// What the lifespan makes: found in the state of every scope.
#[derive(Debug)]
struct Greeting(String);

impl Native {
    /// An application that shows this board.
    #[must_use]
    pub const fn new(board: Board) -> Self {
        Self { board }
    }
}

impl Application for Native {
    async fn call(&self, connection: Connection) -> Result<Done, AppError> {
        match connection {
            Connection::Http(http) => self.answer(http).await,
            Connection::WebSocket(socket) if socket.scope.path() == "/socket" => {
                self.talk(socket).await
            }
            Connection::Lifespan(lifespan) => Ok(live(lifespan).await),
            other => other.refuse().await,
        }
    }
}

impl Native {
    async fn answer(&self, http: Http) -> Result<Done, AppError> {
        match http.scope.path() {
            "/" => http.responder.respond(describe(&http.scope)).await,
            "/shout" if http.scope.method == Method::POST => shout(http).await,
            "/notes" => self.notes(&http.scope, http.responder).await,
            _ => Connection::Http(http).refuse().await,
        }
    }

    /// A line for each new note.
    async fn notes(&self, scope: &Scope, responder: Responder) -> Result<Done, AppError> {
        let mut posted = self.board.posted();
        let _watching = self.board.watch();
        let mut writer = responder.start(ResponseHead::new(StatusCode::OK)).await?;
        loop {
            let line = tokio::select! {
                Ok(note) = posted.recv() => line(&note),
                _deadline = scope.drain() => break,
                // A client that merely stopped sending may still read.
                gone = writer.gone() => match gone.is_final() {
                    true => return Err(gone.into()),
                    false => continue,
                },
            };
            writer.write(line).await?;
        }
        writer.write("the server stops\n").await?;
        writer.finish().await
    }

    async fn talk(&self, socket: WebSocket) -> Result<Done, AppError> {
        let mut posted = self.board.posted();
        let _watching = self.board.watch();
        let WebSocket {
            scope, handshake, ..
        } = socket;
        let mut socket = handshake.accept(Accept::new()).await?;
        loop {
            tokio::select! {
                message = socket.message() => match message {
                    Some(message) => drop(self.board.post(message.as_text().unwrap_or("bytes"))),
                    None => return socket.close(CloseCode::NORMAL, "").await,
                },
                Ok(note) = posted.recv() => socket.send(line(&note)).await?,
                _deadline = scope.drain() => {
                    return socket.close(CloseCode::GOING_AWAY, "the server stops").await;
                }
            }
        }
    }
}

/// Where the application is, and what its lifespan made.
fn describe(scope: &Scope) -> String {
    let greeting = scope.state.get::<Greeting>();
    let greeting = greeting.map_or("no lifespan", |greeting| &greeting.0);
    let client = scope
        .connection
        .client
        .as_ref()
        .and_then(|client| client.tcp());
    let client = client.map_or_else(|| "nobody".to_owned(), |client| client.to_string());
    let (root, path) = (scope.root_path(), scope.path());
    format!("{greeting}, {client}: {path} below {root:?}")
}

/// The body in upper case, while it comes.
async fn shout(http: Http) -> Result<Done, AppError> {
    let Http {
        mut body,
        responder,
        ..
    } = http;
    let mut writer = responder.start(ResponseHead::new(StatusCode::OK)).await?;
    while let Some(part) = body.chunk().await? {
        writer.write(part.to_ascii_uppercase()).await?;
    }
    writer.finish().await
}

async fn live(lifespan: Lifespan) -> Done {
    let greeting = Greeting("good day".to_owned());
    let running = lifespan.started(State::new().with(greeting));
    running.shutdown_requested().await;
    running.stopped()
}

fn line(note: &Note) -> String {
    format!("{}: {}\n", note.id, note.text)
}
