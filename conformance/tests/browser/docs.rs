//! The page that app-router makes of an OpenAPI document: what it shows, and the requests that it sends for who asks.

use conformance::{Options, Subject};

use super::window::{Driver, Screen, Window};
use super::{program, screenshots};

/// Opens an operation and sends its request.
async fn send(window: &Window, id: &str) {
    window.click(&format!("#{id} > summary")).await;
    // It is filled when it is opened.
    let button = format!("#{id} form button");
    let has_button = "document.querySelector(arguments[0]) !== null";
    window.until_with(&button, has_button, &button).await;
    window.click(&button).await;
}

/// Waits until an operation shows this text.
async fn shows(window: &Window, id: &str, text: &str) {
    let shown = format!("document.getElementById('{id}').textContent.includes(arguments[0])");
    let what = format!("#{id} shows {text:?}");
    window.until_with(&what, &shown, text).await;
}

pub(crate) async fn its_page_sends_requests_for_who_asks(name: &'static str) {
    let market = Subject::new(name, program("examples/market"), &["--server", name]);
    let server = market.start_with(Options::new());
    let driver = Driver::start();
    let window = driver.open(Screen::Desktop).await;
    window
        .goto(&format!("http://{}/docs", server.address()))
        .await;
    let has_operations = "document.getElementById('get_people_me') !== null";
    window.until("the operations", has_operations).await;

    send(&window, "get_people_me").await;
    shows(&window, "get_people_me", "For login.").await;
    shows(&window, "get_people_me", "401 ").await;

    window.click("#authorize > summary").await;
    let flow = "fieldset[name=login] form[name=password]";
    for field in ["username", "password"] {
        window.fill(&format!("{flow} [name={field}]"), "ada").await;
    }
    window.click(&format!("{flow} [value='orders:read']")).await;
    window.click(&format!("{flow} button")).await;
    let has_token =
        "document.querySelector('fieldset[name=login] [name=Token]').value === arguments[0]";
    window
        .until_with("a token", has_token, "ada.orders_read")
        .await;
    let file = format!("docs-{name}.png");
    window.screenshot(&screenshots().join(file)).await;
    window.click("#get_people_me form button").await;
    shows(&window, "get_people_me", "200 ").await;
    shows(&window, "get_people_me", "\"ada\"").await;

    // A key of another scheme, for an operation that takes it.
    window.fill("fieldset[name=machine] input", "k-1").await;
    send(&window, "get_people_office").await;
    shows(&window, "get_people_office", "For machine, or basic.").await;
    shows(&window, "get_people_office", "the safe is open").await;
    window.close().await;
}
