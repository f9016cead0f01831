//! The notice board as a gRPC service, as tonic's users write it: nothing in here knows that there is a gateway.
//!
//! It shows the board of [`axum`](mod@crate::axum), so that both can be served side by side: [`routes`] are tonic's, and
//! [`mixed`] has an axum application beside them.

use std::pin::Pin;

use axum::Router;
use futures_util::{Stream, StreamExt, stream};
use tokio_stream::wrappers::BroadcastStream;
use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataMap;
use tonic::service::Routes;
use tonic::{Request, Response, Status, Streaming};

use crate::axum::{Board, Settings, app};

use self::board_server::BoardServer;

#[allow(
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::wildcard_imports,
    missing_docs,
    unnameable_types,
    unused_qualifications,
    reason = "generated"
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/board.rs"));
}

pub use generated::*;

/// `proto/board.proto`, compiled: what reflection tells of it.
const DESCRIPTION: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/board.bin"));

/// The largest message that is taken, in bytes.
pub const MESSAGE_BYTES: usize = 16 * 1024 * 1024;

/// The board's methods, compressed for clients that want it, and beside them those of gRPC's health checks and of
/// reflection.
pub fn routes(board: Board) -> Routes {
    let board = BoardServer::new(Service { board })
        .max_decoding_message_size(MESSAGE_BYTES)
        .accept_compressed(CompressionEncoding::Gzip)
        .send_compressed(CompressionEncoding::Gzip);
    let (_, health) = tonic_health::server::health_reporter();
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTION)
        .build_v1()
        .expect("the compiler made the description");
    Routes::new(board)
        .add_service(health)
        .add_service(reflection)
}

/// The methods, and the pages of the same board.
pub fn mixed(board: Board, settings: &Settings) -> Router {
    let pages = app(board.clone(), settings);
    // tonic falls back to an answer of its own, and so do the pages: theirs is for all.
    routes(board)
        .into_axum_router()
        .reset_fallback()
        .merge(pages)
}

struct Service {
    board: Board,
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl board_server::Board for Service {
    async fn post(&self, request: Request<NewNote>) -> Result<Response<Note>, Status> {
        let address = request.remote_addr();
        let metadata = request.metadata().clone();
        let text = request.into_inner().text;
        if text.is_empty() {
            return Err(Status::invalid_argument("a note has a text"));
        }
        let mut response = Response::new(Note::from(self.board.post(text)));
        let back = response.metadata_mut();
        echo_metadata(&metadata, back);
        if let Some(address) = address.and_then(|address| address.to_string().parse().ok()) {
            back.insert("x-address", address);
        }
        Ok(response)
    }

    async fn get(&self, request: Request<NoteId>) -> Result<Response<Note>, Status> {
        let id = request.get_ref().id;
        match self.board.note(id) {
            Some(note) => Ok(Response::new(note.into())),
            None => Err(Status::not_found(format!("there is no note {id}"))),
        }
    }

    type WatchStream = Answers<Note>;

    async fn watch(
        &self,
        _request: Request<WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let posted = BroadcastStream::new(self.board.posted());
        let (watching, board) = (self.board.watch(), self.board.clone());
        let notes = posted
            .map(move |note| {
                // The stream owns it, so that it ends with the stream.
                let _watching = &watching;
                note.map(Note::from)
                    .map_err(|lagged| Status::data_loss(lagged.to_string()))
            })
            .take_until(async move { board.closing().await })
            .chain(stream::once(async {
                Err(Status::unavailable("the service closes"))
            }));
        Ok(Response::new(Box::pin(notes)))
    }

    async fn import(
        &self,
        request: Request<Streaming<NewNote>>,
    ) -> Result<Response<Imported>, Status> {
        let _watching = self.board.watch();
        let (mut notes, mut count) = (request.into_inner(), 0);
        while let Some(note) = notes.message().await? {
            self.board.post(note.text);
            count += 1;
        }
        Ok(Response::new(Imported { count }))
    }

    type ShoutStream = Answers<Line>;

    async fn shout(
        &self,
        request: Request<Streaming<Line>>,
    ) -> Result<Response<Self::ShoutStream>, Status> {
        let watching = self.board.watch();
        let lines = request.into_inner().map(move |line| {
            let _watching = &watching;
            let text = line?.text.to_uppercase();
            Ok(Line { text })
        });
        Ok(Response::new(Box::pin(lines)))
    }
}

/// Gives back what the client said of itself.
fn echo_metadata(said: &MetadataMap, back: &mut MetadataMap) {
    if let Some(name) = said.get("x-client") {
        back.insert("x-client", name.clone());
    }
    if let Some(token) = said.get_bin("x-token-bin") {
        back.insert_bin("x-token-bin", token.clone());
    }
}

impl From<crate::axum::Note> for Note {
    fn from(note: crate::axum::Note) -> Self {
        let crate::axum::Note { id, text } = note;
        Self { id, text }
    }
}
