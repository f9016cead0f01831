//! New notes as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::{Stream, StreamExt, future, stream};
use tokio_stream::wrappers::BroadcastStream;

use super::{Board, Note};

/// How often a silent stream says that it lives.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heartbeat(pub(super) Duration);

/// All notes after the one that the client saw last, then each new one, and a farewell when the service closes.
pub(super) async fn stream(
    State(board): State<Board>,
    Extension(Heartbeat(interval)): Extension<Heartbeat>,
    headers: HeaderMap,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let seen = headers.get("last-event-id");
    let seen = seen.and_then(|id| id.to_str().ok()?.parse().ok());
    // Subscribed before the old ones are read: a note that is posted between is seen twice at worst, and then passed over.
    let new = BroadcastStream::new(board.posted());
    let old = seen.map_or_else(Vec::new, |id| board.after(id, usize::MAX));
    let last = old.last().map_or(0, |note| note.id);
    let new = new.filter_map(move |note| future::ready(note.ok().filter(|note| note.id > last)));
    let watching = board.watch();
    let notes = stream::iter(old)
        .chain(new)
        .map(note_event)
        .take_until(async move { board.closing().await })
        .chain(stream::once(future::ready(
            Event::default().event("closing").data("come back later"),
        )))
        .map(move |event| {
            // The stream owns it, so that it ends with the stream.
            let _watching = &watching;
            Ok(event)
        });
    Sse::new(notes).keep_alive(KeepAlive::new().interval(interval).text("still here"))
}

fn note_event(note: Note) -> Event {
    let event = Event::default().event("note").id(note.id.to_string());
    event.data(note.text)
}
