//! What an operator sees at the metrics bind while a server works, fails, stalls, drains and ends.

use conformance::{Client, Method, Options, Server, Signal, Subject};

use super::screenshots;
use super::window::{Driver, Screen, Window};

/// A page of the application of the cases, whose failures are known.
fn peer(server: &'static str) -> Subject {
    let program = env!("CARGO_BIN_EXE_conformance");
    Subject::new(server, program, &["peer", "--server", server])
}

/// Where the page is, as the log says it.
pub(crate) fn page(server: &Server) -> String {
    let line = server.wait_for_log("metrics, health, readiness and the page");
    let (_, address) = line.split_once("address=").expect("it is a field");
    format!("http://{}/", address.trim())
}

/// Waits until an element shows this text.
async fn shows(window: &Window, id: &str, text: &str) {
    let shown = format!("document.getElementById('{id}').textContent === arguments[0]");
    window
        .until_with(&format!("#{id} shows {text:?}"), &shown, text)
        .await;
}

/// Waits until a table has a row that begins with these cells.
async fn has_row(window: &Window, id: &str, cells: &[&str]) {
    let rows = format!("[...document.querySelectorAll('#{id} tbody tr')]");
    let begins = format!(
        "JSON.stringify([...row.cells].slice(0, {}).map((cell) => cell.textContent)) === arguments[0]",
        cells.len()
    );
    let has = format!("{rows}.some((row) => {begins})");
    let cells = serde_json::to_string(cells).expect("they are text");
    window
        .until_with(&format!("#{id} has {cells}"), &has, &cells)
        .await;
}

pub(crate) async fn an_operator_sees_the_server(name: &'static str) {
    let options = Options::new().arguments(&[
        "--metrics-bind",
        "127.0.0.1:0",
        "--workers",
        "2",
        "--access-log",
        "off",
        "--grace",
        "60s",
        // A body stays begun while browsers are looked at, which takes its time on a busy machine.
        "--body-timeout",
        "120s",
    ]);
    let mut server = peer(name).start_with(options);
    let driver = Driver::start();
    let window = driver.open(Screen::Desktop).await;
    window.goto(&page(&server)).await;
    shows(&window, "phase", "ready").await;
    shows(&window, "server", &format!("server-{name}")).await;
    // A look before there is anything to see, so that all is within the time that it is a share of.
    window
        .until(
            "a second look",
            "document.querySelectorAll('#rate-chart path').length > 0",
        )
        .await;
    shows(&window, "failures", "0 %").await;

    // A tenth of the answers: one that panicked before its head, which is answered by a 500 too.
    let mut client = server.connect();
    for _ in 0..18 {
        assert_eq!(client.get("/conformance/hello").status, 200);
    }
    assert_eq!(client.get("/conformance/panic/at-once").status, 500);
    let mut cut = server.connect();
    cut.send("GET /conformance/panic/started HTTP/1.1\r\nhost: a\r\n\r\n");
    let _ = cut.try_read_response(Method::Other);
    shows(&window, "failures", "10.0 %").await;
    shows(&window, "failures-more", "1 by 5xx · 2 panics · 0 by 4xx").await;
    shows(&window, "rate-more", "20 in all").await;

    let mut labelled = server.connect();
    assert_eq!(labelled.get("/conformance/block/400/the-route").status, 200);
    has_row(&window, "routes", &["the-route"]).await;
    has_row(&window, "stalls", &["the-route", "1"]).await;
    let mut slow = server.connect();
    slow.send("POST /conformance/echo HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nsl");
    shows(&window, "connections", "3").await;
    shows(&window, "connections-more", "1 at work · 0 WebSockets").await;
    take_pictures(&window, &driver, &server, name).await;

    server.signal(Signal::TERM);
    shows(&window, "phase", "draining").await;
    window
        .until(
            "the drain is told of",
            "document.getElementById('notice').textContent.startsWith('Draining: ')",
        )
        .await;
    end(slow, &mut server);
    shows(&window, "phase", "no answer").await;
    window.screenshot(&picture(name, "ended")).await;
    window.close().await;
}

/// Lets the last request go, and the server.
fn end(mut slow: Client, server: &mut Server) {
    slow.send("ow");
    assert_eq!(slow.read_response().text(), "slow");
    assert_eq!(server.wait().code(), Some(0));
}

fn picture(name: &str, what: &str) -> std::path::PathBuf {
    screenshots().join(format!("{name}-operator-{what}.png"))
}

async fn take_pictures(window: &Window, driver: &Driver, server: &Server, name: &str) {
    window.screenshot(&picture(name, "desktop")).await;
    let phone = driver.open(Screen::Phone).await;
    phone.goto(&page(server)).await;
    shows(&phone, "phase", "ready").await;
    has_row(&phone, "stalls", &["the-route", "1"]).await;
    assert!(
        phone
            .is("document.documentElement.scrollWidth <= screen.width")
            .await,
        "the phone's page is too wide"
    );
    phone.screenshot(&picture(name, "phone")).await;
    phone.close().await;
}
