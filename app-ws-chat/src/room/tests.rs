//! Commands in, deliveries out: a room as tables.

use std::sync::Arc;

use super::{Audience, ConnectionId, Delivery, Notice, Past, Receipt, Room, Sent, Welcome};
use super::{LAST_MESSAGES, MISSED_MESSAGES};
use crate::message::{Epoch, Message, Offset, Position, Text, Timestamp};
use crate::name::{Cid, Nick, RoomName, UserId};
use crate::presence::Change;
use crate::protocol::Draft;
use crate::refusal::Refusal;
use crate::ring::Ring;

const EPOCH: u64 = 0xe;

fn room() -> Room {
    let past = Past {
        epoch: Epoch::new(EPOCH),
        ring: Ring::default(),
    };
    Room::new(RoomName::parse("lobby").unwrap(), past)
}

fn draft(cid: &str, text: &str) -> Draft {
    Draft {
        cid: Cid::parse(cid).unwrap(),
        text: Text::parse(text).unwrap(),
    }
}

/// Connection and user have the same number unless a test is about tabs.
fn join(room: &mut Room, connection: u64, user: u64) -> Result<Welcome, Refusal> {
    let nick = Nick::parse(&format!("n{user}")).unwrap();
    room.join(ConnectionId(connection), UserId::passing(user), &nick, None)
        .map(|(w, _)| w)
}

fn send(room: &mut Room, from: u64, cid: &str, at: u64) -> Result<Sent, Refusal> {
    room.send(ConnectionId(from), draft(cid, "hi"), Timestamp(at))
}

/// What a table row says of a delivery.
fn told(delivery: Option<&Delivery>) -> String {
    let Some(Delivery { to, notice }) = delivery else {
        return "nothing".to_owned();
    };
    let to = match to {
        Audience::Everyone => "everyone".to_owned(),
        Audience::Others(ConnectionId(but)) => format!("all but {but}"),
    };
    let what = match notice {
        Notice::Said(message) => format!(
            "{} says {}",
            message.from.nick.as_str(),
            message.text.as_str()
        ),
        Notice::Typing(from) => format!("{} types", from.nick.as_str()),
        Notice::Presence(presence) => match &presence.change {
            Some(Change::Join(who)) => format!("{} came, {}", who.nick.as_str(), presence.count),
            Some(Change::Leave(who)) => format!("{} left, {}", who.nick.as_str(), presence.count),
            Some(Change::Full(list)) => format!("list of {}", list.len()),
            None => format!("{} are here", presence.count),
        },
    };
    format!("{to}: {what}")
}

#[test]
fn coming_and_going_is_told_to_the_others_once_per_user() {
    enum Do {
        Join(u64, u64),
        Leave(u64),
        Type(u64),
    }
    let rows = [
        (Do::Join(1, 1), "all but 1: n1 came, 1"),
        (Do::Join(2, 2), "all but 2: n2 came, 2"),
        (Do::Join(3, 2), "nothing"),
        (
            Do::Join(3, 2),
            "refused: this connection is already in this room",
        ),
        (Do::Type(3), "all but 3: n2 types"),
        (Do::Leave(2), "nothing"),
        (Do::Leave(2), "nothing"),
        (Do::Type(2), "refused: you are not in this room"),
        (Do::Leave(3), "everyone: n2 left, 1"),
        (Do::Leave(1), "everyone: n1 left, 0"),
    ];
    let mut room = room();
    for (row, (command, expected)) in rows.into_iter().enumerate() {
        let delivery = match command {
            Do::Join(connection, user) => {
                let nick = Nick::parse(&format!("n{user}")).unwrap();
                let joined =
                    room.join(ConnectionId(connection), UserId::passing(user), &nick, None);
                joined.map(|(_, delivery)| delivery)
            }
            Do::Leave(connection) => Ok(room.leave(ConnectionId(connection))),
            Do::Type(connection) => room.typing(ConnectionId(connection)).map(Some),
        };
        let got = delivery.map_or_else(|no| format!("refused: {no}"), |d| told(d.as_ref()));
        assert_eq!(got, expected, "row {row}");
    }
}

#[test]
fn a_newcomer_sees_who_is_here_and_the_last_messages() {
    let mut room = room();
    join(&mut room, 1, 1).unwrap();
    for number in 1..=LAST_MESSAGES + 3 {
        send(&mut room, 1, &format!("c{number}"), 0).unwrap();
    }
    let welcome = join(&mut room, 2, 2).unwrap();
    assert_eq!(welcome.me.nick.as_str(), "n2");
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
fn an_empty_room_tells_its_position_too() {
    let welcome = join(&mut room(), 1, 1).unwrap();
    assert_eq!((welcome.offset, welcome.messages.len()), (Offset(0), 0));
}

#[test]
fn who_comes_back_gets_exactly_what_they_missed_or_is_told_that_it_is_not_so() {
    let mut room = room();
    join(&mut room, 1, 1).unwrap();
    let end = MISSED_MESSAGES as u64 + 100;
    for number in 1..=end {
        send(&mut room, 1, &format!("c{number}"), 0).unwrap();
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
        let nick = Nick::parse("Ada").unwrap();
        let user = UserId::passing(connection);
        let (welcome, _) = room
            .join(ConnectionId(connection), user, &nick, Some(&since))
            .unwrap();
        let first = welcome
            .messages
            .first()
            .map_or(0, |message| message.offset.0);
        assert_eq!(
            (welcome.recovered, first, welcome.messages.len()),
            expected,
            "since {offset}"
        );
    }
}

#[test]
fn messages_are_numbered_in_the_order_of_their_acceptance() {
    let mut room = room();
    join(&mut room, 1, 1).unwrap();
    join(&mut room, 2, 2).unwrap();
    for (offset, from) in [(1, 1), (2, 2), (3, 1)] {
        let sent = send(&mut room, from, &format!("c{offset}"), 7).unwrap();
        let Sent::New(message) = &sent else {
            panic!("{sent:?}")
        };
        assert_eq!(message.from.user, UserId::passing(from));
        assert_eq!(
            sent.receipt(),
            Receipt {
                offset: Offset(offset),
                at: Timestamp(7)
            }
        );
    }
    assert_eq!(send(&mut room, 3, "c", 7), Err(Refusal::NotHere));
}

#[test]
fn a_message_sent_again_is_not_said_again() {
    const MINUTE: u64 = 60_000;
    let mut room = room();
    join(&mut room, 1, 1).unwrap();
    join(&mut room, 2, 1).unwrap();
    join(&mut room, 3, 3).unwrap();
    // Connection, id, time; whether it is new, and its place.
    let rows = [
        (1, "c1", 0, (true, 1)),
        (1, "c1", 1, (false, 1)),
        (2, "c1", 2, (false, 1)),
        (3, "c1", 3, (true, 2)),
        (1, "c2", 5 * MINUTE, (true, 3)),
        (1, "c1", 5 * MINUTE, (false, 1)),
        (1, "c3", 5 * MINUTE + 1, (true, 4)),
        (1, "c1", 5 * MINUTE + 1, (true, 5)),
        (1, "c2", 6 * MINUTE, (false, 3)),
    ];
    for (row, (from, cid, at, expected)) in rows.into_iter().enumerate() {
        let sent = send(&mut room, from, cid, at).unwrap();
        let got = (matches!(sent, Sent::New(_)), sent.receipt().offset.0);
        assert_eq!(got, expected, "row {row}");
    }
}

#[test]
fn a_room_that_comes_back_to_life_goes_on_where_it_was() {
    let mut before = room();
    join(&mut before, 1, 1).unwrap();
    let said: Vec<Arc<Message>> = ["c1", "c2"]
        .into_iter()
        .map(|cid| match send(&mut before, 1, cid, 0) {
            Ok(Sent::New(message)) => message,
            other => panic!("{other:?}"),
        })
        .collect();
    let mut ring = Ring::default();
    said.into_iter().for_each(|message| ring.insert(message));

    let past = Past {
        epoch: Epoch::new(EPOCH),
        ring,
    };
    let mut room = Room::new(RoomName::parse("lobby").unwrap(), past);
    assert_eq!(join(&mut room, 2, 1).unwrap().offset, Offset(2));
    assert_eq!(
        send(&mut room, 2, "c2", 1).unwrap().receipt().offset,
        Offset(2),
        "sent again"
    );
    assert_eq!(
        send(&mut room, 2, "c3", 1).unwrap().receipt().offset,
        Offset(3)
    );
}
