//! The frames of PROTOCOL.md, in its order.

use std::sync::Arc;
use std::time::Duration;

use super::{BadFrame, Bye, ClientFrame, Command, Draft, Join, RequestId, ServerFrame};
use crate::message::{
    Epoch, Message, Offset, Person, Position, TEXT_BYTES, Text, TextError, Timestamp,
};
use crate::name::{Cid, NameError, Nick, RoomName, UserId, UserKey};
use crate::presence::{Change, Presence};
use crate::refusal::Refusal;
use crate::room::{Notice, Receipt, Welcome};

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
    check(
        r#"{"t":"typing","room":"lobby"}"#,
        Ok(ClientFrame::Typing(room())),
    );
    check(r#"{"t":"pong"}"#, Ok(ClientFrame::Pong));
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

#[test]
fn replies_carry_the_number_of_their_request() {
    let welcome = Welcome {
        room: room(),
        me: ada(),
        epoch: Epoch::new(0xe),
        offset: Offset(42),
        recovered: true,
        messages: vec![message()],
        presence: Presence {
            count: 1,
            change: Some(Change::Full(vec![ada()])),
        },
    };
    let expected = format!(
        r#"{{"t":"ok","id":1,"room":"lobby","me":{ADA},"epoch":"000000000000000e","offset":42,"#
    ) + &format!(
        r#""recovered":true,"messages":[{{"o":42,"from":{ADA},"ts":1700000000000,"#
    ) + &format!(
        r#""text":"<b>\"hi\"</b>","cid":"c1"}}],"presence":{{"count":1,"full":[{ADA}]}}}}"#
    );
    written(&ServerFrame::Joined(RequestId(1), &welcome), &expected);

    let receipt = Receipt {
        offset: Offset(42),
        at: Timestamp(7),
    };
    written(
        &ServerFrame::Sent(RequestId(2), receipt),
        r#"{"t":"ok","id":2,"o":42,"ts":7}"#,
    );
    written(&ServerFrame::Left(RequestId(3)), r#"{"t":"ok","id":3}"#);
    written(
        &ServerFrame::Refused(Some(RequestId(4)), Refusal::NotHere),
        r#"{"t":"err","id":4,"code":404,"retry":false,"msg":"you are not in this room"}"#,
    );
    let retry_after = Duration::from_micros(150_001);
    written(
        &ServerFrame::Refused(None, Refusal::TooFast { retry_after }),
        r#"{"t":"err","code":429,"retry":true,"after_ms":151,"msg":"too fast"}"#,
    );
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
        (Change::Full(vec![ada()]), format!(r#","full":[{ADA}]"#)),
        (Change::Join(ada()), format!(r#","join":{ADA}"#)),
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
