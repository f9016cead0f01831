//! The terminal with the chat itself, over a real connection.

use std::time::{Duration, Instant};

use chat_cli::{App, Memory};
use chat_client::Standing;
use chat_link::{Link, Target};
use jiff::tz::TimeZone;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::served::{Served, TOKEN};

struct Person {
    app: App,
    link: Link,
}

impl Person {
    fn new(nick: &str, served: &Served) -> Self {
        let now = Instant::now();
        let mut app = App::new(Memory::new().unwrap(), nick, TimeZone::UTC, now);
        app.enter("lobby", None, now);
        let link = Link::new(Target::parse(&served.address).unwrap());
        Self { app, link }
    }

    fn say(&mut self, line: &str) {
        let now = Instant::now();
        // What was given back is still there.
        self.app.key(
            KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL),
            now,
        );
        self.app.paste(line, now);
        self.app
            .key(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE), now);
    }

    fn screen(&mut self) -> String {
        let mut terminal = Terminal::new(TestBackend::new(100, 30)).unwrap();
        terminal
            .draw(|frame| self.app.draw(frame, Instant::now()))
            .unwrap();
        terminal.backend().to_string()
    }

    fn is_here(&self) -> bool {
        let room = self.app.client.room("lobby");
        room.is_some_and(|room| *room.standing() == Standing::Here)
    }

    fn texts(&self) -> Vec<String> {
        let log = self.app.client.room("lobby").unwrap().log();
        log.since(0)
            .map(|message| message.text.to_string())
            .collect()
    }
}

/// Lets both go on until something is so.
async fn until(people: &mut [Person; 2], what: &str, is_so: impl Fn(&mut [Person; 2]) -> bool) {
    let waited = async {
        while !is_so(people) {
            let [one, two] = people;
            tokio::select! {
                () = one.link.turn(&mut one.app.client) => {}
                () = two.link.turn(&mut two.app.client) => {}
            }
            one.app.hear();
            two.app.hear();
        }
    };
    let within = tokio::time::timeout(Duration::from_secs(30), waited).await;
    assert!(
        within.is_ok(),
        "{what}:\n{}\n{}",
        people[0].screen(),
        people[1].screen()
    );
}

async fn conversation(server: &str) {
    let served = Served::on(server);
    let mut people = [Person::new("Ada", &served), Person::new("Bea", &served)];
    until(&mut people, "both are in", |people| {
        people.iter().all(Person::is_here)
    })
    .await;
    people[1].say("/nick Ada");
    until(&mut people, "they know of each other", |people| {
        let list = |person: &mut Person| person.screen().contains("│Ada (2)");
        people.iter_mut().all(list)
    })
    .await;

    people[0].say("Hello");
    until(&mut people, "it is on both screens", |people| {
        people
            .iter_mut()
            .all(|person| person.screen().contains("Ada: Hello"))
    })
    .await;
    people[1].app.paste("I am wri", Instant::now());
    until(&mut people, "writing is seen", |people| {
        people[0].screen().contains("Ada (2) is writing")
    })
    .await;
    people[1].app.key(
        KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL),
        Instant::now(),
    );

    // One is cut off, both go on, and the one comes back.
    let [one, two] = &mut people;
    one.link.cut(&mut one.app.client);
    one.say("from me");
    two.say("from you");
    until(&mut people, "nothing is lost", |people| {
        let mut texts = people.each_ref().map(Person::texts);
        let same = texts[0] == texts[1];
        texts[0].sort();
        same && texts[0] == ["Hello", "from me", "from you"]
    })
    .await;
    let screen = people[0].screen();
    assert!(!screen.contains("broke a rule"), "{screen}");

    people[1].say("/nick Bea");
    until(&mut people, "the new name is seen", |people| {
        people[0].screen().contains("│Bea")
    })
    .await;
    people[1].say("/leave");
    until(&mut people, "only one is left", |people| {
        people[0].screen().contains("lobby · 1 here")
    })
    .await;
}

#[tokio::test]
async fn two_terminals_on_raw() {
    conversation("raw").await;
}

#[tokio::test]
async fn two_terminals_on_hyper() {
    conversation("hyper").await;
}

#[tokio::test]
async fn a_server_that_dies_and_comes_back_is_found_again_with_what_was_said_meanwhile() {
    let mut served = Served::on("raw");
    let mut people = [Person::new("Ada", &served), Person::new("Bea", &served)];
    until(&mut people, "both are in", |people| {
        people.iter().all(Person::is_here)
    })
    .await;
    people[0].say("before");
    until(&mut people, "it is heard", |people| {
        people[1].texts() == ["before"]
    })
    .await;
    served.replace("raw");
    people[0].say("meanwhile");
    until(&mut people, "it is heard by both", |people| {
        people.iter().all(|person| {
            person
                .texts()
                .last()
                .is_some_and(|text| text == "meanwhile")
        })
    })
    .await;
    let screen = people[1].screen();
    assert!(!screen.contains("broke a rule"), "{screen}");
}

#[tokio::test]
async fn a_moderator_is_obeyed_and_everybody_is_told() {
    let served = Served::on("raw");
    let mut people = [Person::new("Ada", &served), Person::new("Bea", &served)];
    until(&mut people, "both are in", |people| {
        people.iter().all(Person::is_here)
    })
    .await;
    people[1].say("/kick Ada");
    until(&mut people, "only moderators may", |people| {
        people[1].screen().contains("* Not done: ")
    })
    .await;
    people[0].say(&format!("/join lobby {TOKEN}"));
    until(&mut people, "one is a moderator", |people| {
        people[0].screen().contains("you moderate")
    })
    .await;

    people[0].say("/slow 30s");
    until(&mut people, "both know", |people| {
        people
            .iter_mut()
            .all(|one| one.screen().contains("slow mode: once in 30 s"))
    })
    .await;
    people[0].say("/slow off");
    people[0].say("/mute Bea 5m too loud");
    until(&mut people, "both know that too", |people| {
        people
            .iter_mut()
            .all(|one| one.screen().contains("* Ada muted Bea for 5 min: too loud"))
    })
    .await;
    people[1].say("but");
    until(&mut people, "it is refused and given back", |people| {
        let screen = people[1].screen();
        screen.contains("* Not sent: ") && screen.contains("> but")
    })
    .await;
    people[0].say("/bans");
    until(&mut people, "there is a list", |people| {
        people[0].screen().contains(") is muted until ")
    })
    .await;
    people[0].say("/kick Bea 1h enough");
    until(&mut people, "one is out", |people| {
        people[1].screen().contains("You are no longer here")
            && people[0].screen().contains("lobby · 1 here")
    })
    .await;
    let id = match people[1]
        .app
        .client
        .room("lobby")
        .and_then(|room| room.me())
    {
        Some(me) => me.user.to_string(),
        None => panic!("{}", people[1].screen()),
    };
    people[1].say("/again");
    until(&mut people, "and stays out", |people| {
        people[1].screen().contains("You cannot enter: ")
    })
    .await;
    people[0].say(&format!("/unban {id}"));
    until(&mut people, "all know", |people| {
        people[0].screen().contains("* Ada lets Bea in again.")
    })
    .await;
    people[1].say("/again");
    until(&mut people, "and may come back", |people| {
        people[1].is_here()
    })
    .await;
    for person in &mut people {
        let screen = person.screen();
        assert!(!screen.contains("broke a rule"), "{screen}");
    }
}

#[tokio::test]
async fn who_says_much_at_once_waits_as_told_and_who_comes_late_scrolls_back() {
    let served = Served::on("raw");
    let mut people = [Person::new("Ada", &served), Person::new("Bea", &served)];
    until(&mut people, "both are in", |people| {
        people.iter().all(Person::is_here)
    })
    .await;
    // Beyond the chat's limits, so that it refuses what the client then says again, in order.
    let said: Vec<_> = (1..=60).map(|number| format!("number {number}")).collect();
    for text in &said {
        people[0].say(text);
    }
    until(&mut people, "all is heard", |people| {
        people[1].texts().len() == 60
    })
    .await;
    assert_eq!(people[1].texts(), said);

    people[1] = Person::new("Cyd", &served);
    until(&mut people, "a third is in", |people| people[1].is_here()).await;
    assert_eq!(people[1].texts(), said[10..]);
    until(&mut people, "what is older is fetched", |people| {
        let key = KeyEvent::new(KeyCode::PageUp, KeyModifiers::NONE);
        people[1].screen();
        people[1].app.key(key, Instant::now());
        people[1].texts() == said
    })
    .await;
    let screen = people[1].screen();
    assert!(!screen.contains("broke a rule"), "{screen}");
}
