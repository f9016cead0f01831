//! How the screen looks, and what keys do to it, with a chat that is this test.

use std::time::{Duration, Instant};

use chat_cli::{App, Flow, Memory};
use chat_client::Close;
use jiff::tz::TimeZone;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde_json::{Value, json};

/// A terminal and its chat.
struct Scene {
    app: App,
    now: Instant,
    size: (u16, u16),
    requests: u64,
}

impl Scene {
    fn new(width: u16, height: u16) -> Self {
        let now = Instant::now();
        let mut app = App::new(Memory::new().unwrap(), "Ada", TimeZone::UTC, now);
        app.enter("lobby", None, now);
        let mut scene = Self {
            app,
            now,
            size: (width, height),
            requests: 0,
        };
        scene.draw();
        scene
    }

    /// In the lobby with Bea, where these messages were said.
    fn in_lobby(width: u16, height: u16, said: &[(u64, &str)]) -> Self {
        let mut scene = Self::new(width, height);
        scene.open();
        scene.welcome("lobby", said);
        scene
    }

    fn open(&mut self) {
        self.app.client.connecting();
        self.app.client.opened(self.now);
        self.app.hear();
    }

    /// What was asked for since the last look; that somebody is writing is no request.
    fn frames(&mut self) -> Vec<Value> {
        let frames = std::iter::from_fn(|| self.app.client.next_frame());
        let frames: Vec<Value> = frames
            .map(|text| serde_json::from_str(&text).unwrap())
            .filter(|frame: &Value| frame["t"] != "typing")
            .collect();
        let last = frames.iter().filter_map(|frame| frame["id"].as_u64()).max();
        self.requests = last.unwrap_or(self.requests);
        frames
    }

    fn tell(&mut self, frame: Value) {
        self.app.client.received(&frame.to_string(), self.now);
        self.app.hear();
    }

    fn welcome(&mut self, room: &str, said: &[(u64, &str)]) {
        self.frames();
        let messages: Vec<_> = said
            .iter()
            .map(|(offset, text)| message(*offset, text))
            .collect();
        let me = json!({ "user": "ada", "nick": "Ada", "mod": true });
        let bea = json!({ "user": "bea", "nick": "Bea" });
        let offset = said.last().map_or(0, |(offset, _)| *offset);
        self.tell(json!({
            "t": "ok", "id": self.requests, "room": room, "me": me, "epoch": "e", "offset": offset, "recovered": false,
            "messages": messages, "presence": { "count": 2, "full": [me, bea] }, "slow_ms": 0,
        }));
    }

    fn say(&mut self, room: &str, offset: u64, text: &str) {
        let mut frame = message(offset, text);
        frame["t"] = "msg".into();
        frame["room"] = room.into();
        self.tell(frame);
    }

    fn press(&mut self, code: KeyCode, modifiers: KeyModifiers) -> Flow {
        let flow = self.app.key(KeyEvent::new(code, modifiers), self.now);
        self.app.hear();
        flow
    }

    fn write(&mut self, text: &str) {
        for letter in text.chars() {
            self.press(KeyCode::Char(letter), KeyModifiers::NONE);
        }
    }

    fn enter(&mut self, line: &str) -> Flow {
        self.write(line);
        self.press(KeyCode::Enter, KeyModifiers::NONE)
    }

    /// The screen, as its rows without blanks at their ends.
    fn draw(&mut self) -> Vec<String> {
        let backend = TestBackend::new(self.size.0, self.size.1);
        let mut terminal = Terminal::new(backend).unwrap();
        terminal
            .draw(|frame| self.app.draw(frame, self.now))
            .unwrap();
        let buffer = terminal.backend().buffer();
        let width = usize::from(self.size.0);
        let rows = buffer.content().chunks(width);
        rows.map(|row| {
            row.iter()
                .map(|cell| cell.symbol())
                .collect::<String>()
                .trim_end()
                .to_owned()
        })
        .collect()
    }

    #[track_caller]
    fn shows(&mut self, text: &str) {
        let screen = self.draw();
        assert!(
            screen.iter().any(|row| row.contains(text)),
            "no `{text}` in:\n{}",
            screen.join("\n")
        );
    }

    #[track_caller]
    fn hides(&mut self, text: &str) {
        let screen = self.draw();
        assert!(
            !screen.iter().any(|row| row.contains(text)),
            "`{text}` in:\n{}",
            screen.join("\n")
        );
    }
}

fn message(offset: u64, text: &str) -> Value {
    let from = json!({ "user": "bea", "nick": "Bea" });
    json!({ "o": offset, "from": from, "ts": 1_700_000_000_000_u64, "text": text, "cid": format!("b{offset}") })
}

#[test]
fn a_room_and_who_is_in_it() {
    let mut scene = Scene::in_lobby(96, 8, &[(1, "Hello, everybody"), (2, "two\nlines")]);
    scene.tell(json!({ "t": "typing", "room": "lobby", "from": { "user": "bea", "nick": "Bea" } }));
    scene.write("Hi");
    let expected = [
        "lobby·2here·youmoderate",
        "lobby││@Ada",
        "││Bea",
        "│thebeginningoflobby│",
        "│2023-11-14│",
        "│22:13Bea:Hello,everybody│",
        "│22:13Bea:two│",
        "│lines│",
        "Beaiswriting",
        ">Hi",
        "Ada·connected",
    ];
    scene.size.1 = 11;
    let screen = scene.draw();
    let squeezed = |row: &String| row.replace([' ', '─'], "");
    assert_eq!(
        screen.iter().map(squeezed).collect::<Vec<_>>(),
        expected,
        "in:\n{}",
        screen.join("\n")
    );
    scene.size = (40, 9);
    scene.hides("│");
    scene.shows("22:13 Bea: Hello, everybody");
}

#[test]
fn without_a_link_what_is_written_is_kept_and_shown_as_such() {
    let mut scene = Scene::in_lobby(80, 10, &[]);
    scene.app.client.closed(Close::Lost, scene.now);
    scene.app.set_trouble(Some("connection refused"));
    scene.enter("are you there?");
    scene.shows("no connection (connection refused): next try in 1 s");
    scene.shows("(to be sent) are you there?");
    let memory = scene.app.memory();
    assert_eq!(&*memory.rooms[0].drafts[0].text, "are you there?");
    scene.open();
    scene.welcome("lobby", &[]);
    let sent = scene.frames();
    assert_eq!(sent[0]["text"], "are you there?");
    scene.shows("(on its way) are you there?");
    scene.tell(json!({ "t": "ok", "id": sent[0]["id"], "o": 1, "ts": 1 }));
    scene.hides("are you there?");
}

#[test]
fn the_next_run_begins_where_this_one_ended() {
    let mut scene = Scene::in_lobby(80, 10, &[(1, "one")]);
    scene.enter("unsent");
    let memory = scene.app.memory();
    assert_eq!(
        memory.rooms[0].mark.as_ref().map(|mark| mark.offset),
        Some(1)
    );
    let mut next = Scene::new(80, 10);
    next.app = App::new(memory, "Ada", TimeZone::UTC, next.now);
    next.open();
    next.welcome("lobby", &[(1, "one"), (2, "two")]);
    next.shows("two");
    let frames = next.frames();
    assert_eq!(
        (&frames[0]["t"], &frames[0]["text"]),
        (&json!("send"), &json!("unsent"))
    );
    let cid = scene.frames()[0]["cid"].clone();
    assert_eq!(frames[0]["cid"], cid, "under the same id");
}

#[test]
fn what_others_say_cannot_harm_the_terminal() {
    let mut scene = Scene::in_lobby(80, 10, &[(1, "\u{1b}[2Jred\u{202e}der")]);
    scene.shows("Bea: \u{fffd}[2Jred\u{fffd}der");
    scene.tell(json!({
        "t": "presence", "room": "lobby", "count": 3, "join": { "user": "x", "nick": "\u{1b}]0;x\u{7}" }
    }));
    scene.shows("* \u{fffd}]0;x\u{fffd} came");
}

#[test]
fn rooms_are_switched_and_news_is_counted() {
    let mut scene = Scene::in_lobby(80, 12, &[]);
    scene.write("half a line");
    scene.press(KeyCode::Char('u'), KeyModifiers::CONTROL);
    scene.enter("/join garden");
    scene.welcome("garden", &[(1, "green")]);
    scene.write("unfinished");
    scene.say("lobby", 1, "over here");
    scene.shows("lobby (1)");
    scene.shows("news in another room");
    scene.hides("over here");
    scene.press(KeyCode::Char('g'), KeyModifiers::CONTROL);
    scene.shows(" new ");
    scene.shows("over here");
    scene.hides("lobby (1)");
    scene.hides("unfinished");
    scene.press(KeyCode::Char('2'), KeyModifiers::ALT);
    scene.shows("> unfinished");
}

#[test]
fn who_does_not_look_finds_what_is_new() {
    let mut scene = Scene::in_lobby(80, 12, &[(1, "old")]);
    scene.app.look(false);
    scene.say("lobby", 2, "fresh");
    assert_eq!(scene.app.client.room("lobby").unwrap().unread(), 1);
    scene.app.look(true);
    assert_eq!(scene.app.client.room("lobby").unwrap().unread(), 0);
    let screen = scene.draw();
    let at = |text: &str| screen.iter().position(|row| row.contains(text));
    assert!(
        at("old") < at(" new ") && at(" new ") < at("fresh"),
        "{}",
        screen.join("\n")
    );
}

#[test]
fn scrolling_back_fetches_what_is_older() {
    let texts: Vec<_> = (51..=100)
        .map(|offset| (offset, format!("m{offset}")))
        .collect();
    let said: Vec<_> = texts
        .iter()
        .map(|(offset, text)| (*offset, text.as_str()))
        .collect();
    let mut scene = Scene::in_lobby(80, 24, &said);
    scene.shows("m100");
    for _ in 0..4 {
        scene.press(KeyCode::PageUp, KeyModifiers::NONE);
        scene.draw();
    }
    scene.shows("PageUp fetches older messages");
    scene.hides("m100");
    let asked = scene.frames();
    assert_eq!(
        (&asked[0]["t"], &asked[0]["before"]),
        (&json!("history"), &json!(51))
    );
    let older: Vec<_> = (1..=50)
        .map(|offset| message(offset, &format!("m{offset}")))
        .collect();
    scene.tell(
        json!({ "t": "ok", "id": asked[0]["id"], "epoch": "e", "messages": older, "more": false }),
    );
    scene.press(KeyCode::PageUp, KeyModifiers::NONE);
    scene.shows("m50");
    let log = |scene: &mut Scene| {
        let rows = scene.draw();
        let right = |row: &String| row.split_once('│').map(|(_, log)| log.to_owned());
        rows.iter().filter_map(right).collect::<Vec<_>>()
    };
    let before = log(&mut scene);
    scene.say("lobby", 101, "news");
    assert_eq!(log(&mut scene), before, "what is read stays where it is");
    for _ in 0..9 {
        scene.press(KeyCode::PageDown, KeyModifiers::NONE);
        scene.draw();
    }
    scene.shows("news");
}

#[test]
fn holes_are_shown() {
    let mut scene = Scene::in_lobby(80, 12, &[(1, "one")]);
    scene.app.client.closed(Close::Lost, scene.now);
    scene.open();
    scene.welcome("lobby", &[(5, "five")]);
    scene.shows("3 messages are missing here, and being fetched");
    let asked = scene.frames();
    scene.tell(
        json!({ "t": "ok", "id": asked[0]["id"], "epoch": "e", "messages": [], "more": false }),
    );
    scene.shows("3 messages are no longer kept");
}

#[test]
fn a_moderators_words_are_requests() {
    let mut scene = Scene::in_lobby(100, 12, &[(1, "hi")]);
    let rows = [
        (
            "/kick Bea 5m too loud",
            json!({ "act": "kick", "user": "bea", "for_ms": 300_000, "reason": "too loud" }),
        ),
        ("/ban bea", json!({ "act": "ban", "user": "bea" })),
        (
            "/unban 0123456789abcdef",
            json!({ "act": "unban", "user": "0123456789abcdef" }),
        ),
        (
            "/mute Bea 1h",
            json!({ "act": "mute", "user": "bea", "for_ms": 3_600_000 }),
        ),
        ("/slow 30s", json!({ "act": "slow", "every_ms": 30_000 })),
        ("/bans", json!({ "act": "list" })),
    ];
    for (line, expected) in rows {
        scene.enter(line);
        let mut frame = scene.frames().remove(0);
        assert_eq!(
            (&frame["t"], &frame["room"]),
            (&json!("mod"), &json!("lobby")),
            "{line}"
        );
        let fields = frame.as_object_mut().unwrap();
        fields.retain(|name, _| !["t", "id", "room"].contains(&name.as_str()));
        assert_eq!(frame, expected, "{line}");
    }
    for id in scene.requests - 5..scene.requests {
        scene.tell(json!({ "t": "ok", "id": id }));
    }
    scene.tell(json!({
        "t": "ok", "id": scene.requests, "bans": [{ "user": "b", "nick": "Bea", "by": "Ada", "reason": "loud" }], "mutes": [], "slow_ms": 0
    }));
    scene.shows("* Bea (b) is kept out for ever by Ada: loud");
    scene.tell(json!({ "t": "mod", "room": "lobby", "act": "mute", "user": { "user": "bea", "nick": "Bea" }, "for_ms": 60_000, "by": "Ada" }));
    scene.shows("* Ada muted Bea for 60 s.");
}

#[test]
fn what_is_refused_is_said_and_given_back() {
    let mut scene = Scene::in_lobby(100, 12, &[]);
    scene.enter("loud");
    let id = scene.frames()[0]["id"].clone();
    scene.tell(json!({ "t": "err", "id": id, "code": 403, "why": "muted", "retry": false, "msg": "you are muted" }));
    scene.shows("* Not sent: you are muted.");
    scene.shows("> loud");
    scene.press(KeyCode::Char('u'), KeyModifiers::CONTROL);
    scene.enter("/dance");
    scene.shows("there is no /dance");
    scene.shows("> /dance");
    scene.tell(json!({ "t": "out", "room": "lobby", "why": "kicked", "retry": true, "after_ms": 1_000, "msg": "calm down" }));
    scene.shows("You are no longer here: calm down.");
}

#[test]
fn an_end_for_good_says_why() {
    let mut scene = Scene::in_lobby(100, 12, &[]);
    scene.tell(
        json!({ "t": "bye", "code": 4501, "reconnect": false, "msg": "banned from all rooms" }),
    );
    scene.app.client.closed(Close::Code(4501), scene.now);
    scene.app.hear();
    scene.shows("the chat is over for us: banned from all rooms. /quit leaves");
    assert_eq!(scene.enter("/quit"), Flow::Quit);
}

#[test]
fn tab_completes_commands_and_names() {
    let mut scene = Scene::in_lobby(100, 12, &[]);
    for (typed, tabs, completed) in [
        ("/jo", 1, "> /join"),
        ("be", 1, "> Bea:"),
        ("hi a", 1, "> hi Ada"),
        ("/k", 2, "> /keys"),
    ] {
        scene.write(typed);
        for _ in 0..tabs {
            scene.press(KeyCode::Tab, KeyModifiers::NONE);
        }
        scene.shows(completed);
        scene.press(KeyCode::Char('u'), KeyModifiers::CONTROL);
    }
}

#[test]
fn comings_and_goings_between_two_messages_are_one_line() {
    let mut scene = Scene::in_lobby(100, 12, &[]);
    let person = |name: &str| json!({ "user": name, "nick": name });
    let presence = |count: u64, change: &str, name: &str| json!({ "t": "presence", "room": "lobby", "count": count, change: person(name) });
    scene.tell(presence(3, "join", "cyd"));
    scene.tell(presence(4, "join", "dot"));
    scene.tell(presence(3, "leave", "bea"));
    scene.shows("* cyd and dot came, bea went");
    scene.tell(presence(2, "leave", "cyd"));
    scene.shows("* dot came, bea went");
}

#[test]
fn any_size_of_a_terminal_will_do() {
    let mut scene = Scene::in_lobby(
        80,
        24,
        &[
            (1, "日本語 and more than fits into a narrow line"),
            (2, "x"),
        ],
    );
    scene.write("something long that is being written, with\na line break");
    scene.now += Duration::from_secs(1);
    for width in 1..40 {
        for height in 1..12 {
            scene.size = (width, height);
            scene.draw();
            scene.press(KeyCode::PageUp, KeyModifiers::NONE);
            scene.draw();
        }
    }
}

#[test]
fn a_server_that_is_cut_off_from_the_room_says_so() {
    let mut scene = Scene::in_lobby(80, 10, &[(1, "hi")]);
    let late = |late: bool| json!({ "t": "late", "room": "lobby", "late": late });
    let told = "the server is cut off from this room: what is said comes late";
    scene.hides(told);
    scene.tell(late(true));
    scene.shows(told);
    scene.tell(late(false));
    scene.hides(told);
    scene.shows("connected");
}

#[test]
fn who_is_called_otherwise_is_told_why() {
    for (nick, why) in [
        ("Ada (2)", "The name Ada is taken here, so you are Ada (2)."),
        (
            "Augusta",
            "You are here already as Augusta, so you are called that here, too.",
        ),
    ] {
        let mut scene = Scene::new(110, 10);
        scene.open();
        scene.frames();
        let me = json!({ "user": "ada", "nick": nick });
        scene.tell(json!({
            "t": "ok", "id": scene.requests, "room": "lobby", "me": me, "epoch": "e", "offset": 0, "recovered": true,
            "messages": [], "presence": { "count": 1, "full": [me] }, "slow_ms": 0,
        }));
        scene.shows(why);
    }
}
