//! Events and commands in, deliveries out: a room as tables.

use std::sync::Arc;

use super::{Audience, ConnectionId, Delivery, LAST_MESSAGES, MISSED_MESSAGES, Notice};
use super::{Reaction, Room, Step, Welcome};
use crate::bus::{Event, Opened};
use crate::message::{Epoch, Message, Offset, Person, Position, Present, Rank, Text, Timestamp};
use crate::moderation::{Act, Bar, Order, Rules};
use crate::name::{Cid, Nick, RoomName, UserId};
use crate::presence::Change;
use crate::refusal::Refusal;
use crate::ring::Ring;

const EPOCH: u64 = 0xe;
const NOW: Timestamp = Timestamp(0);

fn room() -> Room {
    let opened = Opened {
        epoch: Epoch::new(EPOCH),
        ring: Ring::default(),
        here: Vec::new(),
        rules: Rules::default(),
    };
    Room::new(RoomName::parse("lobby").unwrap(), opened)
}

fn person(user: u64) -> Person {
    Person {
        user: UserId::passing(user),
        nick: Nick::parse(&format!("n{user}")).unwrap(),
    }
}

fn present(user: u64, rank: Rank) -> Present {
    let person = person(user);
    Present { person, rank }
}

fn said(offset: u64) -> Event {
    Event::Said(Arc::new(Message {
        offset: Offset(offset),
        from: person(1),
        at: NOW,
        text: Text::parse("hi").unwrap(),
        cid: Cid::parse(&format!("c{offset}")).unwrap(),
    }))
}

/// As the hub does it: the bus has told everybody before it answers.
fn join(room: &mut Room, connection: u64, user: u64, rank: Rank) -> Result<Welcome, Refusal> {
    join_since(room, connection, user, rank, None)
}

fn join_since(
    room: &mut Room,
    connection: u64,
    user: u64,
    rank: Rank,
    since: Option<&Position>,
) -> Result<Welcome, Refusal> {
    let who = UserId::passing(user);
    room.expect(who, NOW)?;
    if !room
        .people()
        .iter()
        .any(|one| one.person.user == who && one.rank == rank)
    {
        room.hear(Event::Came(present(user, rank)));
    }
    let joined = room.join(ConnectionId(connection), who, rank, since, NOW);
    joined.inspect_err(|_| {
        room.call_off(who);
    })
}

/// What a table row says of a reaction.
fn told(reaction: &Reaction) -> String {
    match reaction {
        Reaction::None => "nothing".to_owned(),
        Reaction::Resume => "resume".to_owned(),
        Reaction::Tell(delivery) => heard(delivery),
        Reaction::TellAndExpel(delivery, who) => {
            let mut who: Vec<_> = who.iter().map(|connection| connection.0).collect();
            who.sort_unstable();
            format!("{}, without {who:?}", heard(delivery))
        }
    }
}

fn heard(Delivery { to, notice }: &Delivery) -> String {
    let to = match to {
        Audience::Everyone => "everyone".to_owned(),
        Audience::Others(but) => format!("all but {:x}", but.to_bits()),
    };
    let what = match notice {
        Notice::Late(late) => format!("late: {late}"),
        Notice::Said(message) => {
            format!("{} says {}", message.from.nick.as_str(), message.offset.0)
        }
        Notice::Typing(from) => format!("{} types", from.nick.as_str()),
        Notice::Ruled(ruling) => format!("{:?}", ruling.act),
        Notice::Presence(presence) => match &presence.change {
            Some(Change::Join(who)) => {
                format!("{} came, {}", who.person.nick.as_str(), presence.count)
            }
            Some(Change::Leave(who)) => format!("{} left, {}", who.nick.as_str(), presence.count),
            Some(Change::Full(list)) => format!("list of {}", list.len()),
            None => format!("{} are here", presence.count),
        },
    };
    format!("{to}: {what}")
}

#[test]
fn what_the_bus_says_is_told_once_and_in_order() {
    let rows = [
        (Event::Came(present(1, Rank::Guest)), "everyone: n1 came, 1"),
        (Event::Came(present(1, Rank::Guest)), "nothing"),
        (Event::Came(present(2, Rank::Guest)), "everyone: n2 came, 2"),
        (said(1), "everyone: n1 says 1"),
        (said(1), "nothing"),
        (said(2), "everyone: n1 says 2"),
        (Event::Typing(person(2)), "all but 2: n2 types"),
        (Event::Left(UserId::passing(2)), "everyone: n2 left, 1"),
        (Event::Left(UserId::passing(2)), "nothing"),
        (Event::Here(vec![present(1, Rank::Guest)]), "nothing"),
        (
            Event::Here(vec![present(3, Rank::Guest)]),
            "everyone: list of 1",
        ),
        (said(4), "resume"),
        (Event::Lost, "resume"),
    ];
    let mut room = room();
    for (row, (event, expected)) in rows.into_iter().enumerate() {
        assert_eq!(told(&room.hear(event)), expected, "row {row}");
    }
}

#[test]
fn who_has_seen_more_than_a_room_knows_finds_it_behind() {
    let mut room = room();
    room.hear(said(1));
    for (epoch, offset, behind) in [
        (EPOCH, 0, false),
        (EPOCH, 1, false),
        (EPOCH, 2, true),
        (EPOCH + 1, 2, false),
    ] {
        let seen = Position {
            epoch: Epoch::new(epoch),
            offset: Offset(offset),
        };
        assert_eq!(room.is_behind(&seen), behind, "{epoch:x} {offset}");
    }
}

#[test]
fn a_stay_is_from_the_first_connection_of_a_user_to_the_end_of_the_last() {
    let mut room = room();
    let ada = UserId::passing(1);
    assert_eq!(room.stay(ada), None);
    room.expect(ada, NOW).unwrap();
    room.expect(ada, NOW).unwrap();
    let first = room.stay(ada);
    room.hear(Event::Came(present(1, Rank::Guest)));
    let join = |room: &mut Room| room.join(ConnectionId(1), ada, Rank::Guest, None, NOW);
    assert!(join(&mut room).is_ok());
    assert_eq!(join(&mut room).unwrap_err(), Refusal::AlreadyHere);
    assert_eq!(room.call_off(ada), Step::Within);
    assert!(first.is_some() && room.stay(ada) == first);
    assert_eq!(room.leave(ConnectionId(1)), Some((ada, Step::Over)));
    assert_eq!(room.leave(ConnectionId(1)), None);
    assert_eq!(room.stay(ada), None);
    assert_eq!(room.call_off(ada), Step::Within);
    room.expect(ada, NOW).unwrap();
    assert_ne!(room.stay(ada), first, "who comes again stays anew");
}

#[test]
fn who_has_lost_their_place_on_the_way_in_asks_again() {
    let mut room = room();
    let ada = UserId::passing(1);
    room.expect(ada, NOW).unwrap();
    room.hear(Event::Came(present(1, Rank::Guest)));
    room.hear(Event::Left(ada));
    let joined = room.join(ConnectionId(1), ada, Rank::Guest, None, NOW);
    assert_eq!(joined.unwrap_err(), Refusal::Store);
    assert!(!room.has(ConnectionId(1)));
}

#[test]
fn a_newcomer_sees_who_is_here_and_the_last_messages() {
    let mut room = room();
    let empty = join(&mut room, 1, 1, Rank::Guest).unwrap();
    assert_eq!((empty.offset, empty.messages.len()), (Offset(0), 0));
    for offset in 1..=LAST_MESSAGES as u64 + 3 {
        room.hear(said(offset));
    }
    let welcome = join(&mut room, 2, 2, Rank::Guest).unwrap();
    assert_eq!(welcome.me.person.nick.as_str(), "n2");
    assert_eq!(welcome.epoch, Epoch::new(EPOCH));
    assert_eq!(welcome.offset, Offset(LAST_MESSAGES as u64 + 3));
    assert!(!welcome.recovered);
    assert_eq!(welcome.messages.len(), LAST_MESSAGES);
    assert_eq!(welcome.messages[0].offset, Offset(4));
    let Some(Change::Full(list)) = welcome.presence.change else {
        panic!("no list")
    };
    assert_eq!(list.len(), 2);
}

#[test]
fn who_comes_back_gets_exactly_what_they_missed_or_is_told_that_it_is_not_so() {
    let mut room = room();
    let end = MISSED_MESSAGES as u64 + 100;
    for offset in 1..=end {
        room.hear(said(offset));
    }
    let last = (false, end - LAST_MESSAGES as u64 + 1, LAST_MESSAGES);
    // Epoch and offset that were seen; recovered, first offset and number of messages.
    let rows = [
        (EPOCH, end, (true, 0, 0)),
        (EPOCH, end - 1, (true, end, 1)),
        (EPOCH, 100, (true, 101, MISSED_MESSAGES)),
        (EPOCH, 99, last),
        (EPOCH, end + 1, last),
        (EPOCH + 1, end, last),
    ];
    for (connection, (epoch, offset, expected)) in (10..).zip(rows) {
        let since = Position {
            epoch: Epoch::new(epoch),
            offset: Offset(offset),
        };
        let rank = Rank::Guest;
        let welcome = join_since(&mut room, connection, connection, rank, Some(&since)).unwrap();
        let first = welcome.messages.first();
        let first = first.map_or(0, |message| message.offset.0);
        assert_eq!(
            (welcome.recovered, first, welcome.messages.len()),
            expected,
            "since {offset}"
        );
    }
}

fn order(act: Act, user: u64, time: Option<u64>) -> Order {
    Order {
        act,
        user: (act != Act::Slow).then(|| UserId::passing(user)),
        time,
        reason: "".into(),
    }
}

/// A ruling that comes into force at once.
fn rule(room: &mut Room, act: Act, user: u64, time: Option<u64>) -> Result<String, Refusal> {
    let ruling = room.decide(order(act, user, time), "host".into(), None, NOW)?;
    Ok(told(&room.hear(Event::Ruled(Arc::new(ruling)))))
}

#[test]
fn who_is_kicked_or_banned_is_out_with_all_connections_and_not_in_again() {
    let mut room = room();
    for (connection, user, rank) in [
        (1, 1, Rank::Guest),
        (2, 1, Rank::Guest),
        (3, 2, Rank::Moderator),
    ] {
        join(&mut room, connection, user, rank).unwrap();
    }
    let kicked = rule(&mut room, Act::Kick, 1, Some(5_000));
    assert_eq!(kicked.as_deref(), Ok("everyone: Kick, without [1, 2]"));
    assert!(!room.has(ConnectionId(1)));
    assert_eq!(room.speaker(ConnectionId(1), NOW), Err(Refusal::NotHere));
    let barred = |why, ms: Option<u64>| {
        let left = ms.map(std::time::Duration::from_millis);
        Err(Refusal::Barred { why, left })
    };
    assert_eq!(
        room.expect(UserId::passing(1), NOW),
        barred(Bar::Kicked, Some(5_000))
    );
    assert_eq!(room.expect(UserId::passing(1), Timestamp(5_000)), Ok(()));
    room.call_off(UserId::passing(1));

    room.hear(Event::Left(UserId::passing(1)));
    assert_eq!(rule(&mut room, Act::Kick, 1, None), Err(Refusal::Nobody));
    assert!(
        rule(&mut room, Act::Ban, 1, None).is_ok(),
        "also in absence"
    );
    assert_eq!(
        join(&mut room, 4, 1, Rank::Guest).map(drop),
        barred(Bar::Banned, None)
    );
    let pardon = room.decide(order(Act::Unban, 1, None), "host".into(), None, NOW);
    assert!(pardon.unwrap().nick.is_some(), "a name is remembered");
    assert!(rule(&mut room, Act::Unban, 1, None).is_ok());
    assert!(join(&mut room, 4, 1, Rank::Guest).is_ok());
    for act in [Act::Kick, Act::Ban, Act::Mute] {
        assert_eq!(rule(&mut room, act, 2, None), Err(Refusal::Moderator));
    }
}

#[test]
fn who_is_missing_in_the_list_for_a_moment_is_here_still() {
    let mut room = room();
    for (connection, user, rank) in [(1, 1, Rank::Guest), (2, 2, Rank::Moderator)] {
        join(&mut room, connection, user, rank).unwrap();
    }
    room.hear(Event::Left(UserId::passing(1)));
    room.hear(Event::Left(UserId::passing(2)));
    assert!(room.has(ConnectionId(1)));
    assert_eq!(room.speaker(ConnectionId(1), NOW), Err(Refusal::Store));
    assert_eq!(room.moderator(ConnectionId(2)), Err(Refusal::Store));
    room.hear(Event::Came(present(1, Rank::Guest)));
    assert!(room.speaker(ConnectionId(1), NOW).is_ok());
}

#[test]
fn a_ban_that_comes_while_somebody_is_on_the_way_in_keeps_them_out() {
    let mut room = room();
    room.expect(UserId::passing(1), NOW).unwrap();
    rule(&mut room, Act::Ban, 1, None).unwrap();
    let ada = UserId::passing(1);
    let joined = room.join(ConnectionId(1), ada, Rank::Guest, None, NOW);
    assert!(matches!(joined, Err(Refusal::Barred { .. })));
}

#[test]
fn the_muted_are_silent_and_slow_mode_is_for_guests() {
    let mut room = room();
    join(&mut room, 1, 1, Rank::Guest).unwrap();
    join(&mut room, 2, 2, Rank::Moderator).unwrap();
    let pace = |room: &Room, connection| {
        let speaker = room.speaker(ConnectionId(connection), Timestamp(1));
        speaker.map(|(_, pace)| pace.as_millis())
    };
    rule(&mut room, Act::Slow, 0, Some(5_000)).unwrap();
    assert_eq!((pace(&room, 1), pace(&room, 2)), (Ok(5_000), Ok(0)));
    assert_eq!(join(&mut room, 3, 3, Rank::Guest).unwrap().slow_ms, 5_000);
    rule(&mut room, Act::Mute, 1, None).unwrap();
    assert_eq!(pace(&room, 1), Err(Refusal::Muted { left: None }));
    rule(&mut room, Act::Unmute, 1, None).unwrap();
    assert_eq!(pace(&room, 1), Ok(5_000));
    assert_eq!(
        room.moderator(ConnectionId(1)),
        Err(Refusal::ModeratorsOnly)
    );
    assert!(room.moderator(ConnectionId(2)).is_ok());
    assert_eq!(room.moderator(ConnectionId(9)), Err(Refusal::NotHere));
}

#[test]
fn that_the_node_is_cut_off_is_told_once_and_to_those_who_come() {
    let mut room = room();
    assert!(!join(&mut room, 1, 1, Rank::Guest).unwrap().late);
    for late in [true, false] {
        let told = Reaction::to_all(Notice::Late(late));
        assert_eq!(room.hear(Event::Late(late)), told);
        assert_eq!(room.hear(Event::Late(late)), Reaction::None);
        let connection = if late { 2 } else { 3 };
        let welcome = join(&mut room, connection, connection, Rank::Guest);
        assert_eq!(welcome.unwrap().late, late);
    }
}
