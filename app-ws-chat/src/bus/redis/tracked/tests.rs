//! What is heard, read and asked for, in every order that there may be.

use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::time::Instant;

use super::{AtTheDoor, LATE_AFTER, MEANWHILE, Missed, Sitting, Tracked};
use crate::bus::redis::steps::State;
use crate::bus::redis::wire::Heard;
use crate::bus::{Event, Listener, Opened, Stay};
use crate::message::{Epoch, Message, Offset, Person, Present, Rank, Text, Timestamp};
use crate::moderation::{Act, Rules, Ruling};
use crate::name::{Cid, Nick, UserId};
use crate::ring::Ring;

/// Who is here by its account, and who of this node is in.
#[derive(Debug, Default)]
struct Ear {
    here: Mutex<Vec<u64>>,
    said: Mutex<Vec<u64>>,
    late: Mutex<Vec<bool>>,
    stays: Mutex<Vec<(UserId, Stay)>>,
}

impl Listener for Ear {
    fn hear(&self, event: Event) {
        let mut here = self.here.lock().unwrap();
        let bits = |user: UserId| user.to_bits();
        match event {
            Event::Came(who) => here.push(bits(who.person.user)),
            Event::Left(user) => here.retain(|one| *one != bits(user)),
            Event::Here(all) => *here = all.iter().map(|one| bits(one.person.user)).collect(),
            Event::Late(late) => self.late.lock().unwrap().push(late),
            Event::Said(message) => self.said.lock().unwrap().push(message.offset.0),
            _ => {}
        }
        here.sort_unstable();
        here.dedup();
    }

    fn stay(&self, user: UserId) -> Option<Stay> {
        let stays = self.stays.lock().unwrap();
        stays
            .iter()
            .find(|(one, _)| *one == user)
            .map(|(_, stay)| *stay)
    }
}

impl Ear {
    fn here(&self) -> Vec<u64> {
        self.here.lock().unwrap().clone()
    }

    fn comes(&self, user: u64, stay: u64) {
        self.goes(user);
        let mut stays = self.stays.lock().unwrap();
        stays.push((UserId::passing(user), Stay(stay)));
    }

    fn goes(&self, user: u64) {
        let mut stays = self.stays.lock().unwrap();
        stays.retain(|(one, _)| *one != UserId::passing(user));
    }
}

fn person(user: u64) -> Person {
    Person {
        user: UserId::passing(user),
        nick: Nick::parse(&format!("n{user}")).unwrap(),
    }
}

fn present(user: u64) -> Present {
    Present {
        person: person(user),
        rank: Rank::Guest,
    }
}

fn came(at: u64, user: u64) -> Heard {
    Heard::Changed(at, Event::Came(present(user)))
}

fn left(at: u64, user: u64) -> Heard {
    Heard::Changed(at, Event::Left(UserId::passing(user)))
}

fn banned(at: u64, user: u64) -> Heard {
    Heard::Changed(at, Event::Ruled(Arc::new(ban(user))))
}

fn ban(user: u64) -> Ruling {
    Ruling {
        ts: Timestamp(0),
        room: None,
        act: Act::Ban,
        user: Some(UserId::passing(user)),
        nick: None,
        ms: None,
        by: "Bea".into(),
        by_user: None,
        reason: "".into(),
    }
}

fn message(offset: u64) -> Arc<Message> {
    Arc::new(Message {
        offset: Offset(offset),
        from: person(1),
        at: Timestamp(0),
        text: Text::parse("hi").unwrap(),
        cid: Cid::parse(&format!("c{offset}")).unwrap(),
    })
}

fn said(offset: u64) -> Heard {
    Heard::Said(Epoch::new(1), message(offset))
}

/// A room as it is read.
fn state(top: u64, changes: u64, here: &[u64]) -> State {
    let mut ring = Ring::default();
    (1..=top).for_each(|offset| ring.insert(message(offset)));
    State {
        opened: Opened {
            epoch: Epoch::new(1),
            ring,
            here: here.iter().map(|user| present(*user)).collect(),
            rules: Rules::default(),
        },
        top: Offset(top),
        changes,
    }
}

/// A room that was opened, with those whom the opener finds there.
fn opened(state: &State) -> (Tracked, Arc<Ear>) {
    let (mut room, ear) = opening();
    assert_eq!(room.begin(state), Some(Missed::Nothing));
    ear.hear(Event::Here(state.opened.here.clone()));
    (room, ear)
}

fn opening() -> (Tracked, Arc<Ear>) {
    let ear = Arc::new(Ear::default());
    let listener = Arc::clone(&ear) as Arc<dyn Listener>;
    (Tracked::new(listener), ear)
}

fn door(at: u64, user: u64) -> (AtTheDoor, oneshot::Receiver<Present>) {
    let (asked, answer) = oneshot::channel();
    let who = present(user);
    (AtTheDoor { at, who, asked }, answer)
}

fn sitting(user: u64, stay: u64, at: u64) -> Sitting {
    Sitting {
        nick: person(user).nick,
        rank: Rank::Guest,
        stay: Some(Stay(stay)),
        at,
    }
}

fn let_in(room: &mut Tracked) {
    for AtTheDoor { who, asked, .. } in room.due().let_in {
        asked.send(who).unwrap();
    }
}

#[test]
fn what_is_heard_is_known_already_or_the_next_or_a_hole() {
    let rows = [
        (left(4, 1), Missed::Nothing, vec![1, 2]),
        (came(5, 3), Missed::Nothing, vec![1, 2]),
        (left(6, 1), Missed::Nothing, vec![2]),
        (left(6, 2), Missed::Nothing, vec![2]),
        (came(8, 1), Missed::Something, vec![2]),
        (came(7, 1), Missed::Nothing, vec![1, 2]),
        (said(2), Missed::Nothing, vec![1, 2]),
        (said(4), Missed::Something, vec![1, 2]),
        (
            Heard::Said(Epoch::new(2), message(3)),
            Missed::Everything,
            vec![1, 2],
        ),
    ];
    let (mut room, ear) = opened(&state(1, 5, &[1, 2]));
    for (row, (heard, missed, here)) in rows.into_iter().enumerate() {
        assert_eq!((room.hear(heard), ear.here()), (missed, here), "row {row}");
    }
    assert_eq!(*ear.said.lock().unwrap(), [2]);
}

#[test]
fn what_is_heard_before_a_room_is_read_is_older_or_newer_than_what_is_read() {
    let (mut room, ear) = opening();
    // The first ones were told to whoever listened before, and come late.
    for heard in [left(3, 1), said(1), left(7, 2), said(2)] {
        assert_eq!(room.hear(heard), Missed::Nothing);
    }
    assert!(ear.said.lock().unwrap().is_empty(), "nothing is told yet");
    ear.hear(Event::Here(vec![present(1), present(2)]));
    assert_eq!(room.begin(&state(1, 6, &[1, 2])), Some(Missed::Nothing));
    assert_eq!(ear.here(), [1]);
    assert_eq!(*ear.said.lock().unwrap(), [2]);
}

#[test]
fn a_room_is_not_opened_over_a_hole_in_the_news() {
    let (mut room, _) = opening();
    assert_eq!(room.begin_to_follow(Instant::now()), None);
    assert_eq!(room.begin(&state(0, 1, &[])), None);
}

#[test]
fn a_room_that_is_opened_anew_tells_nothing_any_more() {
    // Its first visitor has gone before it was read, and another one waits: for the same room.
    let (mut room, ear) = opening();
    assert_eq!(room.hear(came(6, 1)), Missed::Nothing);
    room.give_way();
    assert_eq!(room.begin(&state(1, 5, &[])), None);
    assert!(ear.here().is_empty(), "a ghost");
    // Or has gone since.
    let (mut room, ear) = opened(&state(1, 5, &[]));
    room.begin_to_follow(Instant::now()).unwrap();
    room.give_way();
    assert_eq!(room.follow(&state(2, 6, &[1])), Missed::Nothing);
    assert!(ear.here().is_empty() && ear.said.lock().unwrap().is_empty());
}

#[test]
fn a_room_that_is_not_read_in_time_is_lost() {
    let (mut room, _) = opening();
    for at in 0..MEANWHILE as u64 {
        assert_eq!(room.hear(came(at, 1)), Missed::Nothing);
    }
    assert_eq!(room.hear(came(9_999, 1)), Missed::Everything);
}

#[test]
fn what_was_missed_is_read_and_what_came_meanwhile_follows_it() {
    let (mut room, ear) = opened(&state(1, 5, &[1, 2]));
    let first = room.begin_to_follow(Instant::now()).unwrap();
    assert_eq!(room.hear(left(9, 2)), Missed::Nothing);
    let second = room.begin_to_follow(Instant::now()).unwrap();
    assert!(!room.is_reading(first) && room.is_reading(second));
    // Before what is read, and after it.
    for heard in [left(11, 3), said(3), came(12, 4), said(4)] {
        assert_eq!(room.hear(heard), Missed::Nothing);
    }
    assert_eq!(ear.here(), [1, 2], "no half of a story");
    assert_eq!(room.follow(&state(3, 11, &[1])), Missed::Nothing);
    assert_eq!(ear.here(), [1, 4]);
    assert_eq!(*ear.said.lock().unwrap(), [2, 3, 4]);
    assert_eq!(room.hear(left(13, 1)), Missed::Nothing);
    assert_eq!(ear.here(), [4]);
}

#[test]
fn other_rules_or_another_epoch_cannot_be_made_good() {
    let other = |change: fn(&mut State)| {
        let (mut room, _) = opened(&state(1, 5, &[1]));
        room.begin_to_follow(Instant::now()).unwrap();
        let mut state = state(1, 9, &[1]);
        change(&mut state);
        room.follow(&state)
    };
    assert_eq!(other(|_| {}), Missed::Nothing);
    assert_eq!(
        other(|state| state.opened.epoch = Epoch::new(2)),
        Missed::Everything
    );
    assert_eq!(
        other(|state| state.opened.rules.apply(ban(1).change())),
        Missed::Everything
    );
    assert_eq!(
        other(|earlier| *earlier = state(0, 9, &[1])),
        Missed::Everything,
        "a message that was heard is lost"
    );
    // The ruling itself was heard, and is known to be in what is read afterwards.
    let (mut room, _) = opened(&state(1, 5, &[1]));
    assert_eq!(room.hear(banned(6, 1)), Missed::Nothing);
    room.begin_to_follow(Instant::now()).unwrap();
    let mut after = state(1, 6, &[1]);
    after.opened.rules.apply(ban(1).change());
    assert_eq!(room.follow(&after), Missed::Nothing);
}

#[test]
fn who_comes_is_let_in_when_everybody_knows() {
    let (mut room, ear) = opened(&state(0, 5, &[]));
    ear.comes(1, 1);
    let (door_of_one, mut answer) = door(7, 1);
    // Redis has answered before it tells; the leaving before it was another node's.
    room.seat(UserId::passing(1), sitting(1, 1, 7), Some(door_of_one));
    room.hear(left(6, 1));
    let_in(&mut room);
    assert_eq!(answer.try_recv().unwrap_err(), TryRecvError::Empty);
    room.hear(came(7, 1));
    let_in(&mut room);
    assert_eq!(answer.try_recv().unwrap(), present(1));
    assert_eq!(ear.here(), [1]);

    let (door_of_two, mut answer) = door(7, 2);
    room.seat(UserId::passing(2), sitting(2, 1, 7), Some(door_of_two));
    let_in(&mut room);
    assert!(answer.try_recv().is_ok(), "it is told already");

    let (door_of_nobody, _) = door(u64::MAX, 4);
    room.seat(UserId::passing(4), sitting(4, 1, 7), Some(door_of_nobody));
    room.due();
    room.begin_to_follow(Instant::now()).unwrap();
    let (door_of_three, mut answer) = door(8, 3);
    room.seat(UserId::passing(3), sitting(3, 1, 8), Some(door_of_three));
    room.hear(came(8, 3));
    let_in(&mut room);
    assert_eq!(answer.try_recv().unwrap_err(), TryRecvError::Empty);
    room.follow(&state(0, 8, &[1, 3]));
    let_in(&mut room);
    assert!(answer.try_recv().is_ok());
}

#[test]
fn who_is_here_and_has_lost_the_seat_sits_down_again() {
    let unseated = |room: &mut Tracked| -> Vec<u64> {
        let due = room.due();
        due.unseated.iter().map(|user| user.to_bits()).collect()
    };
    let (mut room, ear) = opened(&state(0, 5, &[1, 2, 3]));
    for user in 1..=3 {
        ear.comes(user, 1);
        room.seat(UserId::passing(user), sitting(user, 1, 5), None);
    }
    // A going that Redis has carried out late.
    room.hear(left(6, 1));
    assert_eq!(unseated(&mut room), [1]);
    // Somebody who has gone, expelled.
    ear.goes(2);
    room.hear(left(7, 2));
    assert!(unseated(&mut room).is_empty() && room.sitting(UserId::passing(2)).is_none());
    // Somebody who sits there again by the time that this is heard.
    room.seat(UserId::passing(3), sitting(3, 1, 9), None);
    room.hear(left(8, 3));
    room.hear(came(9, 3));
    assert!(unseated(&mut room).is_empty());
    // Leases that have run out while nothing was heard.
    room.begin_to_follow(Instant::now()).unwrap();
    room.follow(&state(0, 12, &[3]));
    assert_eq!(unseated(&mut room), [1]);
}

#[test]
fn a_seat_is_given_up_unless_it_was_taken_for_the_present_stay() {
    let (mut room, ear) = opened(&state(0, 5, &[]));
    let ada = UserId::passing(1);
    ear.comes(1, 1);
    room.seat(ada, sitting(1, 1, 5), None);
    // Another connection of theirs came before the one that asked for this had gone.
    assert!(!room.give_up_seat(ada));
    // They have left and are on the way in again, perhaps under another name: that comes after this.
    ear.comes(1, 2);
    assert!(room.give_up_seat(ada));
    assert!(
        room.give_up_seat(ada),
        "it may be there without our knowing"
    );
    room.seat(ada, sitting(1, 2, 5), None);
    ear.goes(1);
    assert_eq!(room.seated(), (vec![], vec![ada]), "nobody sits there");
    assert!(room.give_up_seat(ada));
    assert_eq!(room.seated(), (vec![], vec![]));
}

#[test]
fn a_moderator_with_another_connection_that_is_none_is_one_still() {
    let (mut room, _) = opened(&state(0, 5, &[]));
    let ada = UserId::passing(1);
    let rank = |room: &Tracked| room.sitting(ada).map(|sitting| sitting.rank);
    let moderator = Sitting {
        rank: Rank::Moderator,
        ..sitting(1, 1, 5)
    };
    room.seat(ada, moderator, None);
    room.seat(ada, sitting(1, 1, 5), None);
    assert_eq!(rank(&room), Some(Rank::Moderator));
    room.seat(ada, sitting(1, 2, 5), None);
    assert_eq!(rank(&room), Some(Rank::Guest));
}

#[test]
fn that_the_news_are_away_is_told_after_a_while_and_taken_back_when_they_were_read() {
    let read = state(1, 1, &[1]);
    let (mut room, ear) = opened(&read);
    let late = || std::mem::take(&mut *ear.late.lock().unwrap());
    let start = Instant::now();
    let almost = start + LATE_AFTER - std::time::Duration::from_millis(1);
    for now in [start, almost] {
        assert_eq!(room.fall_behind(now), Some(start));
    }
    room.begin_to_follow(almost);
    room.follow(&read);
    assert_eq!(late(), [false; 0], "a moment is not worth a word");
    let start = almost;
    for now in [start, start + LATE_AFTER, start + 2 * LATE_AFTER] {
        assert_eq!(room.fall_behind(now), Some(start));
    }
    assert_eq!(late(), [true]);
    room.begin_to_follow(start + 2 * LATE_AFTER);
    assert_eq!(late(), [false; 0], "it is read, and not yet known");
    room.follow(&read);
    room.follow(&read);
    assert_eq!(late(), [false]);
}
