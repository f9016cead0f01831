//! The market: two people sell and buy, see at once what the other does, and a restart of the server.

use std::fs;

use conformance::{Options, Server, Signal, Subject};
use fantoccini::key::Key;

use crate::window::{Driver, Screen, Window};
use crate::{Files, page, program, screenshots};

fn market(server: &'static str, files: &Files) -> Subject {
    let database = files.path("market.db");
    let arguments = ["--server", server, "--db", &database];
    Subject::new(server, program("market"), &arguments)
}

pub(crate) async fn visit(driver: &Driver, server: &Server, screen: Screen) -> Window {
    let window = driver.open(screen).await;
    window.goto(&page(server)).await;
    is_live(&window).await;
    window
}

async fn is_live(window: &Window) {
    let live = "document.querySelector('#state').dataset.kind === 'live'";
    window.until("the page is live", live).await;
}

pub(crate) async fn sign_up(window: &Window, name: &str) {
    window.click("a[href='/signup']").await;
    window.fill("#name", name).await;
    window.fill("#password", "correct horse").await;
    window.click(".sheet button").await;
    let shown = "document.querySelector('.who')?.textContent === arguments[0]";
    window.until_with("the name is shown", shown, name).await;
}

/// Puts an item up by the form; its page is shown then.
pub(crate) async fn sell(window: &Window, title: &str, price: &str) {
    window.click("a[href='/items/new']").await;
    window.fill("#title", title).await;
    window.fill("#price", price).await;
    window.click(".sheet .chip:nth-of-type(4)").await;
    window.click(".sheet .actions button").await;
    shows(window, "#title", title).await;
}

/// Waits until an element shows this text, exactly: not even a tag of it has become one.
async fn shows(window: &Window, selector: &str, text: &str) {
    let shown = format!(
        "[...document.querySelectorAll({selector:?})].some((one) => one.tagName !== 'INPUT' && one.textContent === arguments[0])"
    );
    let what = format!("{selector} shows {text:?}");
    window.until_with(&what, &shown, text).await;
}

async fn picture(window: &Window, name: &str) {
    window
        .screenshot(&screenshots().join(format!("market-{name}.png")))
        .await;
    let fits = "document.documentElement.scrollWidth <= innerWidth";
    assert!(window.is(fits).await, "{name}: the page is too wide");
}

pub(crate) async fn two_people_trade(name: &'static str) {
    let files = Files::new();
    let server = market(name, &files).start();
    let driver = Driver::start();
    let ada = visit(&driver, &server, Screen::Desktop).await;
    picture(&ada, &format!("{name}-empty")).await;

    // All that is wrong with an account is told beside its fields, and the first one is gone to.
    ada.click("a[href='/signup']").await;
    ada.fill("#name", "A").await;
    ada.fill("#password", "short").await;
    ada.click(".sheet button").await;
    shows(&ada, "#name-problem", "must have at least 2 characters").await;
    shows(
        &ada,
        "#password-problem",
        "must have at least 10 characters",
    )
    .await;
    assert!(
        ada.is("document.activeElement.id === 'name' && document.activeElement.getAttribute('aria-invalid') === 'true'")
            .await
    );
    picture(&ada, &format!("{name}-signup")).await;
    ada.goto(&page(&server)).await;
    sign_up(&ada, "Ada").await;

    let bea = visit(&driver, &server, Screen::PhoneDark).await;
    sign_up(&bea, "Bea").await;
    is_live(&bea).await;
    bea.until("it is marked", "(window.mark = true)").await;

    // The same of an item.
    ada.click("a[href='/items/new']").await;
    ada.fill("#price", "cheap").await;
    for chip in 1..=4 {
        ada.click(&format!(".sheet .chip:nth-of-type({chip})"))
            .await;
    }
    ada.click(".sheet .actions button").await;
    shows(&ada, "#title-problem", "must have at least 1 character").await;
    ada.until(
        "price and tags have theirs",
        "['price', 'tags'].every((name) => document.querySelector(`#${name}-problem`).textContent !== '')",
    )
    .await;
    picture(&ada, &format!("{name}-mistakes")).await;
    let script = "<script>document.title = 'owned'</script><b>lamp</b>";
    ada.fill("#title", script).await;
    ada.fill("#price", "12").await;
    ada.fill("#description", "Red, from the sixties.\nIt works.")
        .await;
    ada.click(".sheet .chip:nth-of-type(1)").await;
    ada.click(".sheet .actions button").await;
    shows(&ada, "h1", script).await;
    shows(&bea, ".card-title", script).await;
    assert!(
        bea.is("!document.title.includes('owned') && !document.querySelector('main b')")
            .await
    );

    // A file that is no picture, and then one that is: what the window itself looks like.
    let (text, photo) = (files.path("notes.png"), files.path("photo.png"));
    fs::write(&text, "no picture").expect("a file can be written");
    ada.screenshot(photo.as_ref()).await;
    ada.choose("#file", &text).await;
    ada.click(".upload button").await;
    shows(
        &ada,
        "#picture-problem",
        "is no picture in PNG, JPEG, GIF or WebP",
    )
    .await;
    ada.choose("#file", &photo).await;
    ada.click(".upload button").await;
    let loaded = "document.querySelector('#picture, .card img')?.naturalWidth > 0";
    ada.until("the picture is shown", loaded).await;
    bea.until("and in the list", loaded).await;
    picture(&ada, &format!("{name}-item")).await;

    // Who looks at it is counted, and sees what is changed.
    bea.click(".card-link").await;
    shows(&ada, "#watchers", "1 other looks at it now").await;
    shows(&bea, "#watchers", "1 other looks at it now").await;
    bea.until("it is marked", "(window.mark = true)").await;
    picture(&bea, &format!("{name}-phone-item")).await;
    ada.click(".actions a").await;
    ada.fill("#title", "Red lamp").await;
    ada.click(".sheet .actions button").await;
    shows(&bea, "h1", "Red lamp").await;
    assert!(bea.is("window.mark").await, "without being loaded again");

    // Both put something up, which comes to the other's list.
    for window in [&ada, &bea] {
        window.click(".home").await;
        is_live(window).await;
    }
    sell(&bea, "Guitar with five strings", "80").await;
    shows(&ada, ".card-title", "Guitar with five strings").await;
    sell(
        &ada,
        "Winter coat, hardly worn, size 40, from my grandmother",
        "0",
    )
    .await;
    ada.click(".home").await;
    is_live(&ada).await;
    picture(&ada, &format!("{name}-list")).await;
    bea.click(".home").await;
    shows(&bea, ".card-title", "Guitar with five strings").await;
    picture(&bea, &format!("{name}-phone-list")).await;

    // What is taken away goes from the list.
    bea.click(".card-link[href='/items/2']").await;
    bea.click(".danger").await;
    bea.accept().await;
    ada.until(
        "it is gone",
        "document.querySelectorAll('.card').length === 2",
    )
    .await;
    shows(&ada, "#total", "2").await;
    for (window, kind) in [(ada, "desktop"), (bea, "phone")] {
        window.goto(&(page(&server) + "nowhere")).await;
        shows(&window, "h1", "Not Found").await;
        picture(&window, &format!("{name}-{kind}-not-found")).await;
        window.close().await;
    }
}

pub(crate) async fn a_restart_is_lived_through(name: &'static str) {
    let files = Files::new();
    let subject = &market(name, &files);
    let mut server = subject.start();
    let driver = Driver::start();
    let ada = visit(&driver, &server, Screen::Desktop).await;
    sign_up(&ada, "Ada").await;
    is_live(&ada).await;
    ada.until("it is marked", "(window.mark = true)").await;
    let address = server.address().to_string();
    server.signal(Signal::TERM);
    assert_eq!(
        server.wait().code(),
        Some(0),
        "an open stream must not spoil the exit"
    );
    ada.until(
        "it is seen",
        "document.querySelector('#state').dataset.kind === 'lost'",
    )
    .await;

    // Meanwhile another server has the market, elsewhere: what Bea does there, Ada has missed.
    let elsewhere = subject.start();
    let bea = visit(&driver, &elsewhere, Screen::Phone).await;
    sign_up(&bea, "Bea").await;
    sell(&bea, "Bicycle", "95").await;
    drop(elsewhere);

    let server = subject.start_with(Options::new().arguments(&["--bind", &address]));
    is_live(&ada).await;
    shows(&ada, ".card-title", "Bicycle").await;
    assert!(ada.is("window.mark").await, "without being loaded again");
    ada.reload().await;
    shows(&ada, ".who", "Ada").await;
    drop(server);
    for window in [ada, bea] {
        window.close().await;
    }
}

/// A browser has six connections for a host, and each tab has news to wait for.
pub(crate) async fn many_tabs_are_live(name: &'static str) {
    let files = Files::new();
    let server = market(name, &files).start();
    let driver = Driver::start();
    let ada = visit(&driver, &server, Screen::Desktop).await;
    sign_up(&ada, "Ada").await;
    is_live(&ada).await;
    for _ in 0..7 {
        ada.open_tab().await;
        ada.goto(&page(&server)).await;
        is_live(&ada).await;
    }
    // The first one is told what happened behind its back.
    sell(&ada, "Lamp", "12").await;
    ada.close_tab().await;
    shows(&ada, ".card-title", "Lamp").await;
    ada.close().await;
}

pub(crate) async fn a_sale_by_keyboard(name: &'static str) {
    let files = Files::new();
    let server = market(name, &files).start();
    let driver = Driver::start();
    let window = driver.open(Screen::Dark).await;
    let [tab, enter, space] = [Key::Tab, Key::Enter, Key::Space].map(|key| key.to_string());
    window.goto(&(page(&server) + "items/new")).await;
    let at = async |selector: &str| {
        let focused = "document.activeElement.matches(arguments[0])";
        window
            .until_with("the focus is there", focused, selector)
            .await;
    };
    // Nobody is logged in, and who has no account makes one on the way.
    shows(&window, "h1", "Log in").await;
    for selector in [".skip", ".home", "nav .link", "nav .button"] {
        window.press(&tab).await;
        at(selector).await;
    }
    for selector in ["#name", "#password", ".sheet button", ".sheet p a"] {
        window.press(&tab).await;
        at(selector).await;
    }
    window.press(&enter).await;
    shows(&window, "h1", "Sign up").await;
    window.click("#name").await;
    window.press(&format!("Ada{tab}")).await;
    at("#password").await;
    window.press(&format!("correct horse{enter}")).await;
    shows(&window, "h1", "Sell something").await;
    window.click("#title").await;
    window.press("Lamp").await;
    for (selector, keys) in [
        ("#description", "Red"),
        ("#price", "12"),
        ("[value=books]", &space),
    ] {
        window.press(&tab).await;
        at(selector).await;
        window.press(keys).await;
    }
    picture(&window, &format!("{name}-dark-form")).await;
    window.press(&enter).await;
    shows(&window, "h1", "Lamp").await;
    shows(&window, "#tags li", "books").await;
    picture(&window, &format!("{name}-dark-item")).await;

    // The page for programs runs under a policy of its own.
    window.click(".foot a[href='/docs']").await;
    window
        .until(
            "the routes are shown",
            "document.body.textContent.includes('/api/items/{id}/picture')",
        )
        .await;
    window.close().await;
}
