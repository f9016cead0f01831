//! The chat, the market, the page of a server's operator, that of an OpenAPI document, and the lecture's experiment in a real browser,
//! on both servers: Chromium, driven through its WebDriver.
//!
//! Each person of the chat is a browser with a profile of its own, since a profile is a user to the chat. What is waited for is a
//! condition of the page, asked for until it holds or time is up.
#![forbid(unsafe_code)]

#[path = "browser/axe.rs"]
mod axe;
#[path = "browser/chat.rs"]
mod chat;
#[path = "browser/docs.rs"]
mod docs;
#[path = "../../app-ws-chat/tests/redis/engine.rs"]
#[expect(
    clippy::unwrap_used,
    dead_code,
    reason = "it is of the tests of the chat's own, and does more there"
)]
mod engine;
#[path = "browser/keyboard.rs"]
mod keyboard;
#[path = "browser/lecture.rs"]
mod lecture;
#[path = "browser/market.rs"]
mod market;
#[path = "browser/nodes.rs"]
mod nodes;
#[path = "browser/operator.rs"]
mod operator;
#[path = "browser/relay.rs"]
mod relay;
#[path = "browser/window.rs"]
mod window;

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use conformance::{Options, Server, Signal, Subject};

use window::{Driver, Screen, Window};

macro_rules! on_both {
    ($($test:path => $name:ident;)*) => {
        mod raw {
            $(#[tokio::test]
            #[ignore = "needs chromium and chromedriver: run ./test"]
            async fn $name() {
                $test("raw").await;
            })*
        }

        mod hyper {
            $(#[tokio::test]
            #[ignore = "needs chromium and chromedriver: run ./test"]
            async fn $name() {
                $test("hyper").await;
            })*
        }
    };
}

on_both! {
    crate::two_people_talk => two_people_talk;
    crate::a_restart_is_survived => a_restart_is_survived;
    crate::tabs_are_one_person => tabs_are_one_person;
    crate::what_was_said_before_comes_by_scrolling => what_was_said_before_comes_by_scrolling;
    crate::a_moderator_moderates => a_moderator_moderates;
    crate::chat::a_pace_of_the_hosts_choice_is_kept => a_pace_of_the_hosts_choice_is_kept;
    crate::chat::who_is_sent_out_finds_what_was_not_sent => who_is_sent_out_finds_what_was_not_sent;
    crate::chat::strange_letters_are_letters => strange_letters_are_letters;
    crate::chat::who_asks_twice_is_in => who_asks_twice_is_in;
    crate::chat::a_welcome_says_that_the_room_is_late => a_welcome_says_that_the_room_is_late;
    crate::keyboard::the_keyboard_is_enough => the_keyboard_is_enough_for_the_chat;
    crate::nodes::a_node_dies => a_node_dies;
    crate::nodes::redis_dies => redis_dies;
    crate::nodes::the_network_is_cut => the_network_is_cut;
    crate::lecture::an_experiment_is_seen => an_experiment_is_seen;
    crate::lecture::the_keyboard_is_enough => the_keyboard_is_enough;
    crate::docs::its_page_sends_requests_for_who_asks => its_page_sends_requests_for_who_asks;
    crate::market::two_people_trade => two_people_trade;
    crate::market::a_restart_is_lived_through => a_restart_is_lived_through;
    crate::market::many_tabs_are_live => many_tabs_are_live;
    crate::market::a_sale_by_keyboard => a_sale_by_keyboard;
    crate::operator::an_operator_sees_the_server => an_operator_sees_the_server;
}

const TOKEN: &str = "moderators-of-the-house";
const HOST: &str = "the-host-of-the-house";

/// A chat's history and its moderators' token, which go with the test.
struct Files(PathBuf);

impl Files {
    fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("chat-browser-{}-{number}", std::process::id());
        let files = Self(std::env::temp_dir().join(name));
        fs::create_dir_all(&files.0).expect("a directory can be made");
        fs::write(files.path("token"), TOKEN).expect("a file can be written");
        fs::write(files.path("host"), HOST).expect("a file can be written");
        files
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn chat(server: &'static str, files: &Files) -> Subject {
    let (history, token) = (files.path("chat.db"), files.path("token"));
    let host = files.path("host");
    let arguments = [
        "--server",
        server,
        "--db",
        &history,
        "--moderator-token",
        &token,
        "--host-token",
        &host,
    ];
    Subject::new(server, program("app-ws-chat"), &arguments)
}

/// A program of this workspace, beside this test's.
fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a file");
    let program = test
        .ancestors()
        .nth(2)
        .expect("it lies in target/debug/deps")
        .join(name);
    assert!(
        program.is_file(),
        "{} is not built: run ./test",
        program.display()
    );
    program
}

fn screenshots() -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a file");
    test.ancestors()
        .nth(3)
        .expect("it lies in target/debug/deps")
        .join("screenshots")
}

fn page(server: &Server) -> String {
    format!("http://{}/", server.address())
}

/// A person who has come in.
async fn enter(driver: &Driver, server: &Server, nick: &str, screen: Screen) -> Window {
    enter_at(driver, &page(server), nick, screen).await
}

async fn enter_at(driver: &Driver, page: &str, nick: &str, screen: Screen) -> Window {
    let window = driver.open(screen).await;
    window.goto(page).await;
    come_in(&window, nick).await;
    window.until("the room is joined", "document.querySelector('#self-nick').textContent !== '' && document.querySelector('#people .person')").await;
    window
}

/// Goes through the door.
async fn come_in(window: &Window, nick: &str) {
    window
        .until(
            "the door is open",
            "!document.querySelector('#door').hidden",
        )
        .await;
    window.fill("#door-nick", nick).await;
    window.fill("#door-room", "lobby").await;
    window.click("#door-form button[type=submit]").await;
}

async fn say(window: &Window, text: &str) {
    window.fill("#text", text).await;
    window.click("#compose button[type=submit]").await;
}

/// Waits until the log shows this text as a message, exactly.
async fn sees(window: &Window, text: &str) {
    let texts = "[...document.querySelectorAll('#log .text')].some((line) => [...line.childNodes].filter((n) => n.nodeType === 3).map((n) => n.data).join('') === arguments[0])";
    window
        .until_with(&format!("the message {text:?} is shown"), texts, text)
        .await;
}

async fn sees_people(window: &Window, names: &[&str]) {
    let shown = "JSON.stringify([...document.querySelectorAll('#people .person-nick')].map((nick) => nick.textContent)) === arguments[0]";
    let names = serde_json::to_string(names).expect("names are text");
    window
        .until_with(&format!("the people are {names}"), shown, &names)
        .await;
}

async fn two_people_talk(name: &'static str) {
    let files = Files::new();
    let subject = &chat(name, &files);
    let server = subject.start();
    let driver = Driver::start();
    let ada = enter(&driver, &server, "Ada", Screen::Desktop).await;
    let bea = enter(&driver, &server, "Bea", Screen::Phone).await;
    for window in [&ada, &bea] {
        sees_people(window, &["Ada", "Bea"]).await;
    }

    // Both at once: neither waits for the other's to arrive.
    tokio::join!(
        async {
            for n in 0..5 {
                say(&ada, &format!("Ada says {n}")).await
            }
        },
        async {
            for n in 0..5 {
                say(&bea, &format!("Bea says {n}")).await
            }
        },
    );
    for n in 0..5 {
        for window in [&ada, &bea] {
            sees(window, &format!("Ada says {n}")).await;
            sees(window, &format!("Bea says {n}")).await;
        }
    }

    let script =
        "<script>document.title = 'owned'</script><img src=x onerror=\"document.title='owned'\">";
    say(&ada, script).await;
    for window in [&ada, &bea] {
        sees(window, script).await;
        assert!(
            window
                .is("document.querySelectorAll('#log script, #log img').length === 0")
                .await,
            "text became elements"
        );
        assert!(
            window.is("!document.title.includes('owned')").await,
            "text was run"
        );
    }

    ada.screenshot(&screenshots().join(format!("{}-desktop.png", subject.name())))
        .await;
    bea.screenshot(&screenshots().join(format!("{}-phone.png", subject.name())))
        .await;
    assert!(
        bea.is("document.documentElement.scrollWidth <= innerWidth")
            .await,
        "the phone's page is too wide"
    );

    bea.reload().await;
    sees(&bea, "Ada says 0").await;
    sees(&bea, script).await;
    sees_people(&bea, &["Ada", "Bea"]).await;
    ada.close().await;
    sees_people(&bea, &["Bea"]).await;
    bea.close().await;
}

async fn a_restart_is_survived(name: &'static str) {
    let files = Files::new();
    let subject = &chat(name, &files);
    let mut server = subject.start();
    let driver = Driver::start();
    let ada = enter(&driver, &server, "Ada", Screen::Desktop).await;
    let state = |kind: &str| format!("document.querySelector('#state').dataset.kind === '{kind}'");
    ada.until("the page is connected", &state("open")).await;
    say(&ada, "before the restart").await;
    sees(&ada, "before the restart").await;

    let address = server.address().to_string();
    server.signal(Signal::TERM);
    assert_eq!(
        server.wait().code(),
        Some(0),
        "an open socket must not spoil the exit"
    );
    ada.until("the notice is shown", "document.querySelector('#state').textContent !== 'Connected' && document.querySelector('#state').textContent !== ''").await;
    say(&ada, "while nobody listened").await;
    ada.until(
        "the message waits",
        "document.querySelectorAll('#pending .draft').length === 1",
    )
    .await;
    ada.screenshot(&screenshots().join(format!("{}-lost.png", subject.name())))
        .await;

    let server = subject.start_with(Options::new().arguments(&["--bind", &address]));
    ada.until("the page is connected again", &state("open"))
        .await;
    sees(&ada, "while nobody listened").await;
    sees(&ada, "before the restart").await;
    ada.until(
        "nothing waits any more",
        "document.querySelectorAll('#pending .draft').length === 0",
    )
    .await;
    drop(server);
    ada.close().await;
}

async fn tabs_are_one_person(name: &'static str) {
    let files = Files::new();
    let subject = &chat(name, &files);
    let server = subject.start();
    let driver = Driver::start();
    let ada = enter(&driver, &server, "Ada", Screen::Desktop).await;
    let bea = enter(&driver, &server, "Bea", Screen::Desktop).await;
    sees_people(&bea, &["Ada", "Bea"]).await;
    ada.open_tab().await;
    ada.goto(&page(&server)).await;
    come_in(&ada, "Ada").await;
    for window in [&ada, &bea] {
        sees_people(window, &["Ada", "Bea"]).await;
    }
    say(&ada, "from the second tab").await;
    sees(&bea, "from the second tab").await;
    ada.close_tab().await;
    sees(&ada, "from the second tab").await;
    say(&bea, "are you still there?").await;
    sees(&ada, "are you still there?").await;
    sees_people(&bea, &["Ada", "Bea"]).await;
    ada.close().await;
    sees_people(&bea, &["Bea"]).await;
    bea.close().await;
}

async fn what_was_said_before_comes_by_scrolling(name: &'static str) {
    let files = Files::new();
    let subject = &chat(name, &files);
    const SAID: usize = 70;
    let server = subject.start();
    let driver = Driver::start();
    let ada = enter(&driver, &server, "Ada", Screen::Desktop).await;
    for number in 0..SAID {
        say(&ada, &format!("number {number}")).await;
    }
    sees(&ada, &format!("number {}", SAID - 1)).await;
    let bea = enter(&driver, &server, "Bea", Screen::Phone).await;
    sees(&bea, &format!("number {}", SAID - 1)).await;
    assert!(
        bea.is("document.querySelectorAll('#log .text').length === 50")
            .await,
        "a newcomer is shown the last ones"
    );
    let top = "(document.querySelector('#scroll').scrollTop = 0, document.querySelectorAll('#log .text').length === 70)";
    bea.until("all of them are there", top).await;
    let numbers = "[...document.querySelectorAll('#log .text')].every((line, at) => line.lastChild.data === `number ${at}`)";
    assert!(bea.is(numbers).await, "each once, in order");
    bea.screenshot(&screenshots().join(format!("{}-older.png", subject.name())))
        .await;

    // Who is not at the end is told of what comes there, and finds where reading stopped.
    say(&ada, "something new").await;
    bea.until(
        "the offer is made",
        "document.querySelector('#newest-text').textContent === '1 new message' && document.title.startsWith('(1)')",
    )
    .await;
    bea.click("#newest").await;
    bea.until("it is read", "document.title.startsWith('#lobby')")
        .await;
    bea.goto("about:blank").await;
    say(&ada, "and something newer").await;
    sees(&ada, "and something newer").await;
    bea.goto(&page(&server)).await;
    sees(&bea, "and something newer").await;
    bea.until(
        "the line is above it",
        "document.querySelector('.new-mark')?.nextElementSibling.textContent.includes('and something newer')",
    )
    .await;
    ada.close().await;
    bea.close().await;
}

async fn a_moderator_moderates(name: &'static str) {
    let files = Files::new();
    let subject = &chat(name, &files);
    let server = subject.start();
    let driver = Driver::start();
    let ada = enter(&driver, &server, "Ada", Screen::Desktop).await;
    let bea = enter(&driver, &server, "Bea", Screen::Phone).await;
    sees_people(&ada, &["Ada", "Bea"]).await;
    become_moderator(&ada).await;

    ada.click(".person-act").await;
    ada.fill("#act-reason", "too loud").await;
    ada.click("#act-dialog [type=submit]").await;
    let notice = "[...document.querySelectorAll('#log .notice')].some((line) => line.textContent === arguments[0])";
    let muted = "Ada muted Bea for 10 minutes: too loud";
    bea.until_with("Bea is told", notice, muted).await;
    say(&bea, "can you hear me?").await;
    let mark = "document.querySelector('.draft-mark')?.textContent === arguments[0]";
    bea.until_with("it waits", mark, "Waiting: you have been muted")
        .await;
    bea.screenshot(&screenshots().join(format!("{}-muted.png", subject.name())))
        .await;

    ada.click("#rules").await;
    ada.until(
        "the mute is listed",
        "document.querySelector('.sanction .quiet')",
    )
    .await;
    ada.screenshot(&screenshots().join(format!("{}-rules.png", subject.name())))
        .await;
    ada.click(".sanction .quiet").await;
    ada.until("it is lifted", "!document.querySelector('.sanction')")
        .await;
    ada.click("#rules-dialog .cancel").await;
    sees(&ada, "can you hear me?").await;

    ada.click(".person-act").await;
    ada.until(
        "Ada decides otherwise",
        "(document.querySelector('#act-what').value = 'ban', document.querySelector('#act-dialog').open)",
    )
    .await;
    ada.click("#act-dialog [type=submit]").await;
    let told = "document.querySelector('#door-problem').textContent === arguments[0]";
    bea.until_with("Bea is out", told, "You have been banned.")
        .await;
    sees_people(&ada, &["Ada"]).await;
    come_in(&bea, "Bea").await;
    bea.until_with("and stays out", told, "You have been banned.")
        .await;
    ada.close().await;
    bea.close().await;
}

async fn become_moderator(window: &Window) {
    window.click("#moderate").await;
    window.fill("#token", TOKEN).await;
    window.click("#token-dialog [type=submit]").await;
    window
        .until(
            "it is a moderator",
            "!document.querySelector('#rules').hidden",
        )
        .await;
}
