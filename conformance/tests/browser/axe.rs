//! axe-core in the pages, in each of their states: what it finds is a violation of a rule of accessibility.
//!
//! On one server: what is looked at is the same on both.

use conformance::{Options, Server, Signal, Subject};
use fantoccini::key::Key;
use serde_json::Value;

use super::window::{Driver, Screen, Window};
use super::{Files, TOKEN, chat, come_in, enter, market, page, program, say, screenshots, sees};

/// Looks when nothing moves any more but what always does: colours on their way are nobody's.
const LOOK: &str = "\
    const moving = document.getAnimations().filter((one) => one.effect.getTiming().iterations !== Infinity);
    return Promise.allSettled(moving.map((one) => one.finished))
      .then(() => axe.run())
      .then(({ violations, passes }) => ({
        rules: passes.length,
        found: violations.map(({ id, help, nodes }) =>
          ({ id, help, nodes: nodes.map(({ html, failureSummary }) => `${html}: ${failureSummary}`) })),
      }));";

/// Ends the test if axe finds something, and pictures what it has looked at.
async fn accessible(window: &Window, state: &str) {
    if !window.is("window.axe").await {
        window.run(&source(), "").await;
    }
    let seen = window.run(LOOK, "").await;
    let picture = format!("axe-{}.png", state.replace(' ', "-"));
    window.screenshot(&screenshots().join(picture)).await;
    assert!(
        seen["rules"].as_u64() > Some(5),
        "axe has looked at {state}"
    );
    assert_eq!(seen["found"], Value::Array(Vec::new()), "{state}: {seen:#}");
}

fn source() -> String {
    let file = std::env::var("CONFORMANCE_AXE");
    let file = file.expect("CONFORMANCE_AXE names axe.min.js: run ./test, which gets it");
    let source = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
    // A script of the driver is a function's body, and what it declares is gone with the function.
    format!("{source}; window.axe = axe;")
}

#[tokio::test]
#[ignore = "needs chromium, chromedriver and axe-core: run ./test"]
async fn the_chat_by_day() {
    the_chat("day", Screen::Desktop, Screen::Phone).await;
}

#[tokio::test]
#[ignore = "needs chromium, chromedriver and axe-core: run ./test"]
async fn the_chat_by_night() {
    the_chat("night", Screen::Dark, Screen::PhoneDark).await;
}

/// All that the chat shows, on a large screen and on a small one.
async fn the_chat(time: &str, large: Screen, small: Screen) {
    let files = Files::new();
    let server = chat("raw", &files).start();
    let driver = Driver::start();
    let names = (
        &*format!("chat {time} large"),
        &*format!("chat {time} small"),
    );
    let ada = driver.open(large).await;
    the_door(&ada, &server, names.0).await;
    let bea = enter(&driver, &server, "Bea", small).await;
    say(&ada, "Hello, and welcome").await;
    say(&ada, "a second line").await;
    sees(&bea, "a second line").await;
    let long = "A long text of many words. ".repeat(30);
    say(&bea, long.trim_end()).await;
    say(&bea, "short").await;
    sees(&ada, "short").await;
    accessible(&ada, &format!("{} room", names.0)).await;
    accessible(&bea, &format!("{} room", names.1)).await;
    bea.click("#menu").await;
    accessible(&bea, &format!("{} menu", names.1)).await;
    bea.press(&Key::Escape.to_string()).await;

    moderation(&ada, &bea, names).await;
    notices(&ada, &bea, server, names).await;
    ada.close().await;
    bea.close().await;
}

async fn the_door(ada: &Window, server: &Server, large: &str) {
    ada.goto(&page(server)).await;
    let open = "!document.querySelector('#door').hidden";
    ada.until("the door is open", open).await;
    accessible(ada, &format!("{large} door")).await;
    ada.click("#door-form button[type=submit]").await;
    let told = "document.querySelector('#door-problem').textContent === 'Please pick a nickname.'";
    ada.until("a name is asked for", told).await;
    accessible(ada, &format!("{large} nameless")).await;
    come_in(ada, "Ada").await;
    let empty = "document.querySelector('#log .empty')";
    ada.until("the room is empty", empty).await;
    accessible(ada, &format!("{large} empty room")).await;
}

async fn moderation(ada: &Window, bea: &Window, (large, small): (&str, &str)) {
    ada.click("#moderate").await;
    accessible(ada, &format!("{large} token")).await;
    ada.fill("#token", TOKEN).await;
    ada.click("#token-dialog [type=submit]").await;
    let moderates = "document.querySelector('.person-act')";
    ada.until("Ada is a moderator", moderates).await;
    accessible(ada, &format!("{large} moderator")).await;
    ada.click(".person-act").await;
    accessible(ada, &format!("{large} act")).await;
    ada.fill("#act-reason", "too loud").await;
    ada.click("#act-dialog [type=submit]").await;
    let told = "document.querySelector('#log').textContent.includes('muted')";
    bea.until("all are told", told).await;
    say(bea, "but").await;
    let waits = "document.querySelector('.draft-mark')?.textContent.includes('muted')";
    bea.until("Bea is told", waits).await;
    accessible(bea, &format!("{small} muted")).await;
    ada.click("#rules").await;
    let listed = "document.querySelector('.sanction')";
    ada.until("the mute is listed", listed).await;
    accessible(ada, &format!("{large} rules")).await;
    ada.click("#rules-dialog .cancel").await;
}

/// What is said of a text that is too long, and of a connection that is lost.
async fn notices(ada: &Window, bea: &Window, mut server: Server, (large, small): (&str, &str)) {
    let type_much = "const text = document.querySelector('#text'); text.value = 'x'.repeat(4_100); \
        text.dispatchEvent(new Event('input', { bubbles: true }));";
    ada.run(type_much, "").await;
    let long = "document.querySelector('#text-room').textContent.includes('too long')";
    ada.until("it is too long", long).await;
    accessible(ada, &format!("{large} too long")).await;
    ada.fill("#text", "").await;
    server.signal(Signal::KILL);
    server.wait();
    for (window, state) in [(ada, large), (bea, small)] {
        window
            .until(
                "the loss is told of",
                "!document.querySelector('#banner').hidden && document.querySelector('#state').dataset.kind === 'waiting'",
            )
            .await;
        say(window, "for later").await;
        accessible(window, &format!("{state} lost")).await;
    }
}

#[tokio::test]
#[ignore = "needs chromium, chromedriver and axe-core: run ./test"]
async fn the_operators_page() {
    let peer = env!("CARGO_BIN_EXE_conformance");
    let subject = Subject::new("raw", peer, &["peer", "--server", "raw"]);
    let options = Options::new().arguments(&["--metrics-bind", "127.0.0.1:0", "--workers", "2"]);
    let server = subject.start_with(options);
    let mut client = server.connect();
    assert_eq!(client.get("/conformance/hello").status, 200);
    assert_eq!(client.get("/conformance/block/400/the-route").status, 200);
    let stalled = "document.querySelector('#stalls tbody tr')";
    each_screen("operator", &super::operator::page(&server), stalled, "true").await;
}

#[tokio::test]
#[ignore = "needs chromium, chromedriver and axe-core: run ./test"]
async fn the_lectures_page() {
    let server = Subject::new("raw", program("lecture"), &["--server", "raw"]).start();
    let there = "document.querySelectorAll('[data-experiment]').length === 5";
    let run = "(document.querySelector('.run') || document.querySelector('[data-experiment]').click(), \
        document.querySelector('.run') && !document.querySelector('.run .summary:empty') && \
        document.querySelector('#own button').getAttribute('aria-disabled') === 'false')";
    each_screen("lecture", &page(&server), there, run).await;
}

#[tokio::test]
#[ignore = "needs chromium, chromedriver and axe-core: run ./test"]
async fn the_routers_docs() {
    let demo = program("examples/demo");
    let server = Subject::new("raw", demo, &["--server", "raw"]).start();
    let docs = format!("{}docs", page(&server));
    let there = "document.querySelector('details')";
    let open =
        "(document.querySelectorAll('details').forEach((one) => { one.open = true; }), true)";
    each_screen("docs", &docs, there, open).await;
}

#[tokio::test]
#[ignore = "needs chromium, chromedriver and axe-core: run ./test"]
async fn the_markets_pages() {
    let files = Files::new();
    let database = files.path("market.db");
    let arguments = ["--server", "raw", "--db", &database];
    let server = Subject::new("raw", program("market"), &arguments).start();
    let driver = Driver::start();
    for screen in SCREENS {
        let name = format!("{screen:?}");
        let window = market::visit(&driver, &server, screen).await;
        for form in ["login", "signup"] {
            window.goto(&format!("{}{form}", page(&server))).await;
            accessible(&window, &format!("market {name} {form}")).await;
        }
        window.goto(&page(&server)).await;
        market::sign_up(&window, &name).await;
        window.click("a[href='/items/new']").await;
        accessible(&window, &format!("market {name} new item")).await;
        window.goto(&page(&server)).await;
        market::sell(&window, &format!("A lamp of {name}"), "12").await;
        accessible(&window, &format!("market {name} item")).await;
        window.goto(&page(&server)).await;
        accessible(&window, &format!("market {name} items")).await;
        window.close().await;
    }
}

const SCREENS: [Screen; 4] = [
    Screen::Desktop,
    Screen::Dark,
    Screen::Phone,
    Screen::PhoneDark,
];

/// A page as it comes, and after something was done with it, on each kind of screen.
async fn each_screen(name: &str, page: &str, there: &str, done: &str) {
    let driver = Driver::start();
    for screen in SCREENS {
        let window = driver.open(screen).await;
        window.goto(page).await;
        window.until("the page is there", there).await;
        accessible(&window, &format!("{name} {screen:?}")).await;
        window.until("it is used", done).await;
        accessible(&window, &format!("{name} {screen:?} used")).await;
        window.close().await;
    }
}
