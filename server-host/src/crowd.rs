//! Connections of which the oldest is given up when there are too many.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::clock::Alarm;

/// Those that are there, the oldest first: at a handshake, or at the metrics bind.
///
/// A peer that says nothing costs a place and nothing else. Were new ones refused, or not accepted, when all places are taken,
/// such peers would keep everybody out; so the oldest is given up instead: to harm anybody they have to take all places
/// within the time that an honest peer takes.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    alarms: Mutex<VecDeque<Weak<Alarm>>>,
}

impl Crowd {
    /// Notes one more, which lives as long as somebody but the clock has its alarm; if they are more than `limit`, the oldest is
    /// given up: its alarm rings.
    pub(crate) fn note(&self, alarm: &Arc<Alarm>, limit: usize) {
        let mut alarms = self.alarms.lock().unwrap_or_else(PoisonError::into_inner);
        alarms.push_back(Arc::downgrade(alarm));
        if alarms.len() > limit {
            alarms.retain(|alarm| alarm.strong_count() > 1);
        }
        let oldest = if alarms.len() > limit {
            alarms.pop_front()
        } else {
            None
        };
        drop(alarms);
        if let Some(oldest) = oldest.and_then(|oldest| oldest.upgrade()) {
            oldest.ring();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn the_oldest_of_too_many_is_given_up() {
        let (clock, crowd) = (Clock::new(), Crowd::default());
        let mut all: Vec<Arc<Alarm>> = (0..3).map(|_| clock.alarm()).collect();
        all.iter().for_each(|alarm| crowd.note(alarm, 3));
        let rings = |alarm: &Arc<Alarm>| alarm.is_due(clock.now());
        assert!(!all.iter().any(rings));
        // One that has ended makes room.
        drop(all.remove(1));
        all.push(clock.alarm());
        crowd.note(&all[2], 3);
        assert!(!all.iter().any(rings));
        let last = clock.alarm();
        crowd.note(&last, 3);
        assert_eq!(
            all.iter().map(rings).collect::<Vec<_>>(),
            [true, false, false]
        );
        assert!(!rings(&last));
    }
}
