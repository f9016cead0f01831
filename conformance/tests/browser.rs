//! The chat, the page of a server's operator, and the lecture's experiment in a real browser, on both servers: Chromium, driven through
//! its WebDriver.
//!
//! Each person of the chat is a browser with a profile of its own, since a profile is a user to the chat. What is waited for is a
//! condition of the page, asked for until it holds or time is up.
#![forbid(unsafe_code)]

#[path = "browser/lecture.rs"]
mod lecture;
#[path = "browser/operator.rs"]
mod operator;
#[path = "browser/window.rs"]
mod window;

use std::path::PathBuf;

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
    crate::lecture::an_experiment_is_seen => an_experiment_is_seen;
    crate::lecture::the_keyboard_is_enough => the_keyboard_is_enough;
    crate::operator::an_operator_sees_the_server => an_operator_sees_the_server;
}

fn chat(server: &'static str) -> Subject {
    Subject::new(server, program("app-ws-chat"), &["--server", server])
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
    let window = driver.open(screen).await;
    window.goto(&page(server)).await;
    window
        .until(
            "the door is open",
            "!document.querySelector('#door').hidden",
        )
        .await;
    window.fill("#door-nick", nick).await;
    window.fill("#door-room", "lobby").await;
    window.click("#door-form button[type=submit]").await;
    window.until("the room is joined", "document.querySelector('#self-nick').textContent !== '' && document.querySelector('#people .person')").await;
    window
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

async fn two_people_talk(server: &'static str) {
    let subject = chat(server);
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

async fn a_restart_is_survived(server: &'static str) {
    let subject = chat(server);
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
    ada.until(
        "nothing waits any more",
        "document.querySelectorAll('#pending .draft').length === 0",
    )
    .await;
    drop(server);
    ada.close().await;
}
