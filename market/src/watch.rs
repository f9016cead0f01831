//! How many people look at an item right now: a WebSocket beside the other routes, with the same dependencies.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use app_router::{Depends, FromState};
use gateway_spec::{Accept, AppError, CloseCode, Done, WebSocket};
use tokio::sync::watch;

use crate::Item;

/// Who looks at what. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watchers {
    looked_at: Arc<Mutex<HashMap<u32, Arc<Crowd>>>>,
}

/// Those who look at one item.
#[derive(Debug, Default)]
struct Crowd {
    count: AtomicUsize,
    changed: watch::Sender<()>,
}

/// Somebody who looks, as long as this lives.
struct Seat {
    watchers: Watchers,
    item: u32,
    crowd: Arc<Crowd>,
}

impl Watchers {
    fn sit(&self, item: u32) -> Seat {
        let crowd = {
            let mut looked_at = self.lock();
            let crowd = looked_at.entry(item).or_default();
            crowd.count.fetch_add(1, Ordering::Relaxed);
            Arc::clone(crowd)
        };
        // Nobody is woken while the lock is held.
        crowd.changed.send_replace(());
        let watchers = self.clone();
        Seat {
            watchers,
            item,
            crowd,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u32, Arc<Crowd>>> {
        self.looked_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    fn count(&self) -> usize {
        self.crowd.count.load(Ordering::Relaxed)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        {
            let mut looked_at = self.watchers.lock();
            if self.crowd.count.fetch_sub(1, Ordering::Relaxed) == 1 {
                looked_at.remove(&self.item);
            }
        }
        self.crowd.changed.send_replace(());
    }
}

/// Sends the count whenever it changes. An item that there is not denies the handshake, as it would a request: the
/// provider is the same.
pub(crate) async fn watch(
    socket: WebSocket,
    item: Depends<Item>,
    FromState(watchers): FromState<Watchers>,
) -> Result<Done, AppError> {
    let mut drain = socket.scope.drain();
    let mut socket = socket.handshake.accept(Accept::new()).await?;
    let seat = watchers.sit(item.id);
    let mut changed = seat.crowd.changed.subscribe();
    loop {
        socket.send(seat.count().to_string()).await?;
        tokio::select! {
            // The seat keeps the sender alive.
            _ = changed.changed() => {}
            message = socket.message() => return match message {
                None => socket.close(CloseCode::NORMAL, "").await,
                Some(_) => socket.close(CloseCode::POLICY, "nothing is read here").await,
            },
            _ = &mut drain => return socket.close(CloseCode::GOING_AWAY, "the server stops").await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_leave_are_not_counted_and_leave_nothing_behind() {
        let watchers = Watchers::default();
        let (first, second) = (watchers.sit(7), watchers.sit(7));
        let other = watchers.sit(8);
        assert_eq!((first.count(), other.count()), (2, 1));
        let mut changed = first.crowd.changed.subscribe();
        drop(second);
        assert!(changed.has_changed().unwrap());
        assert_eq!(first.count(), 1);
        changed.mark_unchanged();
        drop((first, other));
        assert!(watchers.lock().is_empty());
    }
}
