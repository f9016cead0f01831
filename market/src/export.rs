//! All items as JSON Lines: as many as there are, some at a time.

use app_router::{FromState, JsonLines};

use crate::Database;
use crate::item::{self, Item};

/// How many are read at once, and so held in memory.
const AT_ONCE: u32 = 100;

/// Streams all items in the order of their numbers. Between two pieces no connection is held, so that a slow client keeps
/// nobody waiting; what is changed meanwhile is seen as it is when its turn comes.
pub(crate) async fn export(FromState(database): FromState<Database>) -> JsonLines<Item> {
    JsonLines::produce(async move |lines| {
        let mut last = 0;
        loop {
            let piece = move |connection: &_| item::after(connection, last, AT_ONCE);
            let items = database.read_beside(piece).await?;
            let Some(newest) = items.last() else {
                return Ok(());
            };
            last = newest.id;
            for item in items {
                lines.send(item).await?;
            }
        }
    })
}
