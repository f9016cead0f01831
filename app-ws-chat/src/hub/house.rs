//! What is in force in all rooms.

use std::sync::{Mutex, MutexGuard, PoisonError, Weak};

use super::Hub;
use crate::bus::{Event, Listener, Stay};
use crate::message::Timestamp;
use crate::moderation::{Act, Rules};
use crate::name::UserId;
use crate::protocol::Bye;
use crate::refusal::Refusal;

/// What is in force in all rooms.
#[derive(Debug)]
pub(super) struct House {
    hub: Weak<Hub>,
    rules: Mutex<Rules>,
}

impl House {
    pub(super) fn new(hub: Weak<Hub>) -> Self {
        Self {
            hub,
            rules: Mutex::default(),
        }
    }

    /// Takes the rules as they were read, and over them what was heard meanwhile.
    pub(super) fn begin(&self, rules: Rules) {
        let mut mine = self.lock();
        let heard = std::mem::replace(&mut *mine, rules);
        mine.absorb(heard);
    }

    pub(super) fn admits(&self, user: UserId) -> Result<(), Refusal> {
        self.lock().admits(user, Timestamp::now())
    }

    pub(super) fn hears(&self, user: UserId) -> Result<(), Refusal> {
        self.lock().hears(user, Timestamp::now())
    }

    pub(super) fn has_room(&self, now: Timestamp) -> Result<(), Refusal> {
        self.lock().has_room(now)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Rules> {
        // Nothing under this lock can panic half-way.
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener for House {
    fn hear(&self, event: Event) {
        let ruling = match event {
            Event::Ruled(ruling) => ruling,
            Event::Rules(rules) => {
                *self.lock() = *rules;
                return;
            }
            _ => return,
        };
        self.lock().apply(ruling.change());
        if let (Act::Kick | Act::Ban, Some(user), Some(hub)) =
            (ruling.act, ruling.user, self.hub.upgrade())
        {
            hub.live()
                .iter()
                .for_each(|room| room.end(user, Bye::Banned));
        }
    }

    fn stay(&self, _: UserId) -> Option<Stay> {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Weak};

    use super::House;
    use crate::bus::{Event, Listener};
    use crate::message::Timestamp;
    use crate::moderation::{Act, Rules, Ruling};
    use crate::name::UserId;

    #[test]
    fn what_is_ruled_while_the_rules_are_read_is_in_force() {
        let house = House::new(Weak::new());
        let user = UserId::passing(1);
        house.hear(Event::Ruled(Arc::new(Ruling {
            ts: Timestamp::now(),
            room: None,
            act: Act::Ban,
            user: Some(user),
            nick: None,
            ms: None,
            by: "host".into(),
            by_user: None,
            reason: "".into(),
        })));
        house.begin(Rules::default());
        assert!(house.admits(user).is_err());
    }
}
