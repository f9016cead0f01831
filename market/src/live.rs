//! What changes, as server-sent events: told at once to all who look, and to those who come back what they missed.

use std::time::Duration;

use app_router::{Event, FromState, LastEventId, Query, Sse};
use gateway_spec::AppError;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::Database;
use crate::change::{self, Change, Since};

/// How long a browser waits before it comes back: a server that is replaced is away for less.
const RETRY: Duration = Duration::from_secs(1);

/// Where to begin.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct From {
    /// The number of the last change that is known, as a list tells it. A `Last-Event-ID` is stronger.
    after: Option<u64>,
}

/// Streams changes. Each event has the number of its change as its id:
///
/// - `saved`: an item as it is now, new or changed;
/// - `deleted`: `{"id": ..}`;
/// - `reset`: what happened in between is not known any more; the list has to be loaded again.
pub(crate) async fn events(
    FromState(database): FromState<Database>,
    LastEventId(last): LastEventId,
    Query(from): Query<From>,
) -> Sse {
    let mut news = database.changes();
    let newest = *news.borrow_and_update();
    // What is no number of ours is known of nobody: all is told anew.
    let last = last.map(|id| id.parse().unwrap_or(u64::MAX));
    let mut seen = last.or(from.after).unwrap_or(newest);
    Sse::produce(async move |events| {
        loop {
            let after = seen;
            let since = database.read_beside(move |connection| change::since(connection, after));
            let changes = match since.await? {
                Since::Changes(changes) => changes,
                Since::Forgotten(newest) => {
                    let reset = Event::data("{}").with_name("reset").with_id(newest);
                    events.send(reset.with_retry(RETRY)).await?;
                    seen = newest;
                    continue;
                }
            };
            let nothing = changes.is_empty();
            for (number, change) in changes {
                events.send(event(number, &change)?).await?;
                seen = number;
            }
            if nothing && news.changed().await.is_err() {
                return Ok(());
            }
        }
    })
}

fn event(number: u64, change: &Change) -> Result<Event, AppError> {
    let name = match change {
        Change::Saved(_) => "saved",
        Change::Deleted { .. } => "deleted",
    };
    let event = Event::json(change)?.with_name(name).with_id(number);
    Ok(event.with_retry(RETRY))
}
