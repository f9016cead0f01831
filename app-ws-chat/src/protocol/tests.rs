//! The frames of PROTOCOL.md, in its order.

use std::sync::Arc;
use std::time::Duration;

use super::{
    BadFrame, Bye, ClientFrame, Command, Draft, Join, Out, RequestId, ServerFrame, Token,
    parse_order,
};
use crate::message::{
    Epoch, Message, Offset, Person, Position, Present, Rank, TEXT_BYTES, Text, TextError, Timestamp,
};
use crate::moderation::{Act, Bar, Order, Rules, Ruling};
use crate::name::{Cid, NameError, Nick, RoomName, UserId, UserKey};
use crate::presence::{Change, Presence};
use crate::refusal::Refusal;
use crate::room::{Notice, Page, Receipt, Welcome};

#[track_caller]
fn check(text: &str, expected: Result<ClientFrame, BadFrame>) {
    assert_eq!(ClientFrame::parse(text), expected, "{text}");
}

fn refused(id: Option<u64>, refusal: Refusal) -> Result<ClientFrame, BadFrame> {
    Err(BadFrame::Refused(id.map(RequestId), refusal))
}

fn request(id: u64, command: Command) -> Result<ClientFrame, BadFrame> {
    Ok(ClientFrame::Request(RequestId(id), command))
}

fn room() -> RoomName {
    RoomName::parse("lobby").unwrap()
}

fn ada() -> Person {
    Person {
        user: UserId::passing(0xada),
        nick: Nick::parse("Ada").unwrap(),
    }
}

fn here(rank: Rank) -> Present {
    Present {
        person: ada(),
        rank,
    }
}

fn message() -> Arc<Message> {
    Arc::new(Message {
        offset: Offset(42),
        from: ada(),
        at: Timestamp(1_700_000_000_000),
        text: Text::parse("<b>\"hi\"</b>\n").unwrap(),
        cid: Cid::parse("c1").unwrap(),
    })
}

#[test]
fn every_kind_of_client_frame_is_read() {
    let nick = || Nick::parse("Ada").unwrap();
    let join = |key, since| {
        Command::Join(Join {
            room: room(),
            nick: nick(),
            key,
            since,
            token: None,
        })
    };
    let key = UserKey::parse("0123456789abcdef").unwrap();
    let since = Position {
        epoch: Epoch::new(0xe),
        offset: Offset(41),
    };
    let draft = Draft {
        cid: Cid::parse("c1").unwrap(),
        text: Text::parse("hi").unwrap(),
    };

    check(
        r#"{"id":1,"t":"join","room":"lobby","nick":" Ada "}"#,
        request(1, join(None, None)),
    );
    check(
        r#"{"id":2,"t":"join","room":"lobby","nick":"Ada","key":"0123456789abcdef",
            "since":{"e":"000000000000000e","o":41}}"#,
        request(2, join(Some(key), Some(since))),
    );
    check(
        r#"{"id":3,"t":"join","room":"lobby","nick":"Ada","key":null,"since":null,"later":[{}]}"#,
        request(3, join(None, None)),
    );
    check(
        r#"{"id":4,"t":"send","room":"lobby","cid":"c1","text":"hi\n"}"#,
        request(4, Command::Send(room(), draft)),
    );
    check(
        r#"{"id":5,"t":"leave","room":"lobby"}"#,
        request(5, Command::Leave(room())),
    );
    check(r#"{"id":6,"t":"ping"}"#, request(6, Command::Ping));
    for (fields, before, limit) in [
        ("", None, 50),
        (r#","before":41,"limit":100"#, Some(Offset(41)), 100),
    ] {
        check(
            &format!(r#"{{"id":7,"t":"history","room":"lobby"{fields}}}"#),
            request(7, Command::History(room(), before, limit)),
        );
    }
    check(
        r#"{"t":"typing","room":"lobby"}"#,
        Ok(ClientFrame::Typing(room())),
    );
    check(r#"{"t":"pong"}"#, Ok(ClientFrame::Pong));
}

#[test]
fn a_moderator_shows_a_token_and_orders() {
    let text = r#"{"id":1,"t":"join","room":"lobby","nick":"Ada","token":"t"}"#;
    let Ok(ClientFrame::Request(_, Command::Join(join))) = ClientFrame::parse(text) else {
        panic!("no join: {text}")
    };
    assert_eq!(join.token, Some(Token("t".into())));
    assert!(!format!("{join:?}").contains("\"t\""), "it is in no log");

    let user = ada().user;
    let order = |act, user, time, reason: &str| {
        let reason = reason.into();
        let order = Order {
            act,
            user,
            time,
            reason,
        };
        request(2, Command::Moderate(room(), order))
    };
    let ada = r#""user":"0000000000000ada""#;
    for (fields, expected) in [
        (
            format!(r#""kick",{ada}"#),
            order(Act::Kick, Some(user), None, ""),
        ),
        (
            format!(r#""ban",{ada},"for_ms":1000,"reason":" spam ""#),
            order(Act::Ban, Some(user), Some(1_000), "spam"),
        ),
        (
            format!(r#""unban",{ada}"#),
            order(Act::Unban, Some(user), None, ""),
        ),
        (
            format!(r#""mute",{ada},"for_ms":31536000000"#),
            order(Act::Mute, Some(user), Some(31_536_000_000), ""),
        ),
        (
            format!(r#""unmute",{ada}"#),
            order(Act::Unmute, Some(user), None, ""),
        ),
        (
            r#""slow","every_ms":0"#.to_owned(),
            order(Act::Slow, None, Some(0), ""),
        ),
        (r#""list""#.to_owned(), request(2, Command::Listing(room()))),
        (
            r#""dance""#.to_owned(),
            refused(Some(2), Refusal::Field("act")),
        ),
        (
            r#""ban""#.to_owned(),
            refused(Some(2), Refusal::Field("user")),
        ),
        (
            format!(r#""ban",{ada},"for_ms":999"#),
            refused(Some(2), Refusal::Field("for_ms")),
        ),
        (
            format!(r#""ban",{ada},"reason":"{}""#, "x".repeat(201)),
            refused(Some(2), Refusal::Field("reason")),
        ),
        (
            r#""slow","every_ms":3600001"#.to_owned(),
            refused(Some(2), Refusal::Field("every_ms")),
        ),
    ] {
        check(
            &format!(r#"{{"id":2,"t":"mod","room":"lobby","act":{fields}}}"#),
            expected,
        );
    }
    // The host's orders are the same, and may leave the room out.
    let everywhere = parse_order(&format!(r#"{{"act":"kick",{ada}}}"#));
    assert_eq!(
        everywhere.map(|(room, order)| (room, order.act)),
        Ok((None, Act::Kick))
    );
    let slow = parse_order(r#"{"act":"slow","every_ms":1000}"#);
    assert_eq!(slow, Err(Refusal::Field("room")));
}

#[test]
fn what_is_no_json_object_is_no_frame() {
    let deep = "[".repeat(10_000);
    for text in [
        "",
        "hello",
        "[]",
        "1",
        "null",
        r#"{"t":"pong""#,
        r#"{"t":"pong"}{}"#,
        &deep,
    ] {
        check(text, Err(BadFrame::NotAnObject));
    }
    let nested = |levels: usize| {
        let (open, close) = ("[".repeat(levels - 1), "]".repeat(levels - 1));
        format!(r#"{{"t":"pong","later":{open}{close}}}"#)
    };
    check(&nested(127), Ok(ClientFrame::Pong));
    check(&nested(128), Err(BadFrame::NotAnObject));
}

#[test]
fn a_frame_that_asks_for_something_impossible_is_told_what_is_wrong() {
    let field = Refusal::Field;
    check("{}", refused(None, field("t")));
    check(r#"{"id":7,"t":1}"#, refused(Some(7), field("t")));
    check(
        r#"{"id":7,"t":"dance"}"#,
        refused(Some(7), Refusal::UnknownKind),
    );
    check(
        r#"{"t":"leave","room":"lobby"}"#,
        refused(None, field("id")),
    );
    check(
        r#"{"id":-1,"t":"leave","room":"lobby"}"#,
        refused(None, field("id")),
    );
    check(
        r#"{"id":1.5,"t":"leave","room":"lobby"}"#,
        refused(None, field("id")),
    );
    check(
        r#"{"id":9007199254740992,"t":"leave","room":"lobby"}"#,
        refused(None, field("id")),
    );
    check(r#"{"id":7,"t":"leave"}"#, refused(Some(7), field("room")));
    check(
        r#"{"id":7,"t":"leave","room":" "}"#,
        refused(Some(7), Refusal::Name("room", NameError::Empty)),
    );
    check(
        r#"{"id":7,"t":"join","room":"lobby"}"#,
        refused(Some(7), field("nick")),
    );
    check(
        r#"{"id":7,"t":"join","room":"lobby","nick":"Ada","key":"short"}"#,
        refused(Some(7), Refusal::Name("key", NameError::TooShort)),
    );
    for since in [r#"{"e":"x"}"#, r#"{"e":"x","o":-1}"#, "41"] {
        let text = format!(r#"{{"id":7,"t":"join","room":"r","nick":"A","since":{since}}}"#);
        check(&text, refused(Some(7), field("since")));
    }
    for (field, values) in [
        ("limit", ["0", "101", "\"5\""]),
        ("before", ["-1", "1.5", "[]"]),
    ] {
        for value in values {
            check(
                &format!(r#"{{"id":7,"t":"history","room":"r","{field}":{value}}}"#),
                refused(Some(7), Refusal::Field(field)),
            );
        }
    }
    check(
        r#"{"id":7,"t":"send","room":"lobby","cid":"c 1","text":"hi"}"#,
        refused(Some(7), Refusal::Name("cid", NameError::Unprintable)),
    );
    let long = "x".repeat(TEXT_BYTES + 1);
    check(
        &format!(r#"{{"id":7,"t":"send","room":"lobby","cid":"c1","text":"{long}"}}"#),
        refused(Some(7), Refusal::Text(TextError::TooLong)),
    );
}

#[track_caller]
fn written(frame: &ServerFrame<'_>, expected: &str) {
    assert_eq!(frame.encode(), expected);
}

const ADA: &str = r#"{"user":"0000000000000ada","nick":"Ada"}"#;
const MODERATOR: &str = r#"{"user":"0000000000000ada","nick":"Ada","mod":true}"#;

#[test]
fn replies_carry_the_number_of_their_request() {
    let welcome = Welcome {
        room: room(),
        me: here(Rank::Moderator),
        epoch: Epoch::new(0xe),
        offset: Offset(42),
        recovered: true,
        messages: vec![message()],
        presence: Presence {
            count: 1,
            change: Some(Change::Full(vec![here(Rank::Guest)])),
        },
        slow_ms: 5_000,
        late: false,
    };
    let expected = format!(
        r#"{{"t":"ok","id":1,"room":"lobby","me":{MODERATOR},"epoch":"000000000000000e","offset":42,"#
    ) + &format!(
        r#""recovered":true,"messages":[{{"o":42,"from":{ADA},"ts":1700000000000,"#
    ) + &format!(
        r#""text":"<b>\"hi\"</b>","cid":"c1"}}],"presence":{{"count":1,"full":[{ADA}]}},"slow_ms":5000}}"#
    );
    written(&ServerFrame::Joined(RequestId(1), &welcome), &expected);
    let late = Welcome {
        late: true,
        ..welcome
    };
    let expected = expected.replace("5000}", r#"5000,"late":true}"#);
    written(&ServerFrame::Joined(RequestId(1), &late), &expected);

    let receipt = Receipt {
        offset: Offset(42),
        at: Timestamp(7),
    };
    written(
        &ServerFrame::Sent(RequestId(2), receipt),
        r#"{"t":"ok","id":2,"o":42,"ts":7}"#,
    );
    written(&ServerFrame::Done(RequestId(3)), r#"{"t":"ok","id":3}"#);
    let page = Page {
        epoch: Epoch::new(0xe),
        messages: Vec::new(),
        more: false,
    };
    written(
        &ServerFrame::Paged(RequestId(5), &page),
        r#"{"t":"ok","id":5,"epoch":"000000000000000e","messages":[],"more":false}"#,
    );
    let mut rules = Rules::default();
    for (act, ms) in [(Act::Ban, Some(5)), (Act::Mute, None)] {
        rules.apply(ruling(act, ms).change());
    }
    written(
        &ServerFrame::Listed(RequestId(6), &rules.list(Timestamp(0))),
        &(r#"{"t":"ok","id":6,"bans":[{"user":"0000000000000ada","nick":"Ada","until":6,"by":"Bea","reason":"spam","why":"banned"}],"#.to_owned()
            + r#""mutes":[{"user":"0000000000000ada","nick":"Ada","by":"Bea","reason":"spam"}],"slow_ms":0}"#),
    );
    written(
        &ServerFrame::Refused(Some(RequestId(4)), Refusal::NotHere),
        r#"{"t":"err","id":4,"code":404,"why":"not-here","retry":false,"msg":"you are not in this room"}"#,
    );
    let retry_after = Duration::from_micros(150_001);
    written(
        &ServerFrame::Refused(None, Refusal::TooFast { retry_after }),
        r#"{"t":"err","code":429,"why":"rate","retry":true,"after_ms":151,"msg":"too fast"}"#,
    );
}

fn ruling(act: Act, ms: Option<u64>) -> Ruling {
    Ruling {
        ts: Timestamp(1),
        room: Some(room()),
        act,
        user: (act != Act::Slow).then(|| ada().user),
        nick: (act != Act::Slow).then(|| ada().nick),
        ms,
        by: "Bea".into(),
        by_user: None,
        reason: "spam".into(),
    }
}

#[test]
fn rulings_are_told_to_all_and_to_those_who_are_out() {
    let room = room();
    for (ruling, expected) in [
        (
            ruling(Act::Mute, Some(60_000)),
            format!(r#""act":"mute","user":{ADA},"for_ms":60000"#),
        ),
        (
            ruling(Act::Ban, None),
            format!(r#""act":"ban","user":{ADA}"#),
        ),
        (
            ruling(Act::Slow, Some(5_000)),
            r#""act":"slow","every_ms":5000"#.to_owned(),
        ),
    ] {
        let notice = Notice::Ruled(Arc::new(ruling));
        let expected =
            format!(r#"{{"t":"mod","room":"lobby",{expected},"by":"Bea","reason":"spam"}}"#);
        written(&ServerFrame::Notice(&room, &notice), &expected);
    }
    for (why, after, expected) in [
        (
            Bar::Kicked,
            Some(60),
            r#""why":"kicked","retry":true,"after_ms":60000"#,
        ),
        (Bar::Banned, None, r#""why":"banned","retry":false"#),
    ] {
        let out = Out {
            room: &room,
            why,
            after: after.map(Duration::from_secs),
            reason: "spam",
        };
        let expected = format!(r#"{{"t":"out","room":"lobby",{expected},"msg":"spam"}}"#);
        written(&ServerFrame::Out(out), &expected);
    }
}

#[test]
fn a_wait_is_rounded_up_so_that_nobody_is_early() {
    let retry_after = Duration::from_micros(1_500);
    let frame = ServerFrame::Refused(None, Refusal::TooFast { retry_after });
    assert!(
        frame.encode().contains(r#""after_ms":2"#),
        "{}",
        frame.encode()
    );
}

#[test]
fn that_a_room_is_late_is_told_and_so_is_the_end_of_it() {
    for late in [true, false] {
        let expected = format!(r#"{{"t":"late","room":"lobby","late":{late}}}"#);
        written(
            &ServerFrame::Notice(&room(), &Notice::Late(late)),
            &expected,
        );
    }
}

#[test]
fn notices_name_their_room() {
    let room = room();
    let notice = |notice: Notice, expected: &str| {
        written(&ServerFrame::Notice(&room, &notice), expected);
    };
    notice(
        Notice::Said(message()),
        &(format!(r#"{{"t":"msg","room":"lobby","o":42,"from":{ADA},"ts":1700000000000,"#)
            + r#""text":"<b>\"hi\"</b>","cid":"c1"}"#),
    );
    for (change, field) in [
        (
            Change::Full(vec![here(Rank::Guest)]),
            format!(r#","full":[{ADA}]"#),
        ),
        (
            Change::Join(here(Rank::Moderator)),
            format!(r#","join":{MODERATOR}"#),
        ),
        (Change::Leave(ada()), format!(r#","leave":{ADA}"#)),
    ] {
        notice(
            Notice::Presence(Presence {
                count: 3,
                change: Some(change),
            }),
            &format!(r#"{{"t":"presence","room":"lobby","count":3{field}}}"#),
        );
    }
    notice(
        Notice::Presence(Presence {
            count: 812,
            change: None,
        }),
        r#"{"t":"presence","room":"lobby","count":812}"#,
    );
    notice(
        Notice::Typing(ada()),
        &format!(r#"{{"t":"typing","room":"lobby","from":{ADA}}}"#),
    );
}

#[test]
fn a_bye_says_whether_and_when_to_come_back() {
    written(&ServerFrame::Ping, r#"{"t":"ping"}"#);
    let after = Duration::from_millis(1234);
    for (bye, expected) in [
        (
            Bye::Drain { after },
            r#"4001,"reconnect":true,"after_ms":1234,"msg":"the server restarts""#,
        ),
        (
            Bye::Slow,
            r#"4008,"reconnect":true,"after_ms":0,"msg":"too slow to keep up""#,
        ),
        (
            Bye::Silent,
            r#"4010,"reconnect":true,"after_ms":0,"msg":"no answer to a ping""#,
        ),
        (
            Bye::Flooding { after },
            r#"4029,"reconnect":true,"after_ms":1234,"msg":"too many messages""#,
        ),
        (
            Bye::Lost { after },
            r#"4009,"reconnect":true,"after_ms":1234,"msg":"the server has lost its place in a room""#,
        ),
        (
            Bye::Banned,
            r#"4501,"reconnect":false,"msg":"you have been banned""#,
        ),
        (
            Bye::Protocol,
            r#"4502,"reconnect":false,"msg":"not a chat.v1 frame""#,
        ),
        (
            Bye::TooBig,
            r#"1009,"reconnect":false,"msg":"a frame of more than 64 KiB""#,
        ),
    ] {
        written(
            &ServerFrame::Bye(bye),
            &format!(r#"{{"t":"bye","code":{expected}}}"#),
        );
        assert_eq!(
            bye.reconnect_after().is_some(),
            (4000..4500).contains(&bye.code()),
            "the ranges of the codes"
        );
        // RFC 6455 §5.5: a close frame has 125 bytes, of which the code takes two.
        assert!(bye.reason().len() <= 123);
    }
}
