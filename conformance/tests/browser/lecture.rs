//! The lecture's experiment: what is chosen on the page is made, and drawn as the server told it.

use conformance::{Server, Subject};
use fantoccini::key::Key;

use crate::window::{Driver, Screen, Window};
use crate::{page, program, screenshots};

fn start(server: &str) -> Server {
    Subject::new(server, program("lecture"), &["--server", server]).start()
}

async fn visit(driver: &Driver, server: &Server, screen: Screen) -> Window {
    let window = driver.open(screen).await;
    window.goto(&page(server)).await;
    window
        .until(
            "the experiments are there",
            "document.querySelectorAll('[data-experiment]').length === 5",
        )
        .await;
    window
}

/// From where to where a row of a run is drawn in a state: `[[left, right]]` in pixels, nothing if that cannot be seen.
/// (A server may look at a call that waits now and then, so there may be several bars.)
fn drawn(run: usize, row: usize, state: &str) -> String {
    format!(
        "(() => {{ \
           const track = document.querySelectorAll('.run')[{run}]?.querySelectorAll('.track')[{row}]; \
           const bars = [...(track?.querySelectorAll('.span.{state}') ?? [])].map((bar) => bar.getBoundingClientRect()); \
           const left = Math.min(...bars.map((bar) => bar.left)), right = Math.max(...bars.map((bar) => bar.right)); \
           return right - left > 20 ? [[left, right]] : []; \
         }})()"
    )
}

async fn until_over(window: &Window, runs: usize) {
    let over = format!(
        "document.querySelectorAll('.run .summary:not(:empty)').length === {runs} && \
         document.querySelector('#own button').getAttribute('aria-disabled') === 'false'"
    );
    window.until("all runs are over", &over).await;
}

pub(crate) async fn an_experiment_is_seen(name: &'static str) {
    let server = start(name);
    let driver = Driver::start();
    let window = visit(&driver, &server, Screen::Desktop).await;
    let checked = format!("document.querySelector('input[value={name}]').checked");
    assert!(window.is(&checked).await, "the server that it runs on");
    window.click("[data-experiment=waiting]").await;
    window
        .until(
            "bars are drawn while the server is held",
            &format!(
                "{}.length && !document.querySelector('.run .summary').textContent",
                drawn(0, 0, "running")
            ),
        )
        .await;

    // Whoever comes now sees what has been, and all that comes.
    let other = visit(&driver, &server, Screen::Dark).await;
    let phone = visit(&driver, &server, Screen::Phone).await;
    for (seen, picture) in [(&window, "desktop"), (&other, "dark"), (&phone, "phone")] {
        until_over(seen, 2).await;
        let (one, two) = (drawn(0, 0, "running"), drawn(0, 1, "running"));
        let after = format!("(([one], [two]) => one && two && two[0] >= one[1] - 1)({one}, {two})");
        seen.until("the two that block do not overlap", &after)
            .await;
        let (one, two) = (drawn(1, 0, "waiting"), drawn(1, 1, "waiting"));
        let overlap = format!(
            "(([one], [two]) => one && two && Math.min(one[1], two[1]) - Math.max(one[0], two[0]) > 20)({one}, {two})"
        );
        seen.until("the two that await do", &overlap).await;
        assert!(
            seen.is(
                "/held by \\/blocking/.test(document.querySelector('.run .stalls').textContent)"
            )
            .await,
            "the stall detector is heard"
        );
        assert!(
            seen.is("document.querySelector('#status').textContent.startsWith('Run 2 of 2 is over. Together')").await,
            "those who do not see it are told"
        );
        assert!(
            seen.is("[...document.querySelectorAll('.run table')].every((table) => table.rows.length === 4)").await,
            "the table says the same"
        );
        assert!(
            seen.is("document.documentElement.scrollWidth <= innerWidth")
                .await,
            "the page is too wide on {picture}"
        );
        seen.screenshot(&screenshots().join(format!("lecture-{name}-{picture}.png")))
            .await;
    }

    // Who has seen enough stops it, for all.
    window.click("[data-experiment=workers]").await;
    window
        .until(
            "it is under way",
            &format!("{}.length", drawn(0, 0, "running")),
        )
        .await;
    window.click("#stop").await;
    for seen in [&window, &other] {
        seen.until(
            "it is stopped",
            "document.querySelector('#status').textContent === 'Run 1 came to no end: it was stopped' && document.querySelector('#stop').hidden",
        )
        .await;
    }
    assert!(
        window
            .is("document.activeElement.id === 'seen' && document.querySelectorAll('.run')[1].textContent.includes('not made')")
            .await,
        "the focus is not lost with the button"
    );

    window.fill("#own-requests", "99").await;
    window.click("#own button").await;
    window
        .until(
            "it says what it takes",
            "document.querySelector('#own-problem').textContent === 'requests: a number from 1 to 16'",
        )
        .await;
    for window in [window, other, phone] {
        window.close().await;
    }
}

pub(crate) async fn the_keyboard_is_enough(name: &'static str) {
    let server = start(name);
    let driver = Driver::start();
    let window = visit(&driver, &server, Screen::Desktop).await;
    // The link that leads past all, the server, the five experiments, the fields, the button.
    let tab = Key::Tab.to_string();
    window.press(&tab).await;
    assert!(
        window
            .is("document.activeElement.className === 'skip'")
            .await
    );
    for _ in 0..7 {
        window.press(&tab).await;
    }
    assert!(window.is("document.activeElement.id === 'own-work'").await);
    window.press("aw").await;
    assert!(
        window
            .is("document.querySelector('#own-work').value === 'awaiting'")
            .await
    );
    let end = Key::End.to_string() + &Key::Backspace.to_string().repeat(4);
    for (field, number) in [("requests", "3"), ("milliseconds", "200"), ("workers", "2")] {
        window.press(&tab).await;
        assert!(
            window
                .is(&format!("document.activeElement.id === 'own-{field}'"))
                .await
        );
        window.press(&(end.clone() + number)).await;
    }
    let enter = Key::Enter.to_string();
    window.press(&enter).await;
    until_over(&window, 1).await;
    let title =
        format!("3 requests that await a timer for 0.2 s each, on server-{name} with 2 workers");
    window
        .until_with(
            "it is what was asked for",
            "document.querySelector('.run h3').textContent === arguments[0]",
            &title,
        )
        .await;
    window.close().await;
}
