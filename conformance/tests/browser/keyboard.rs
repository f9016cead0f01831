//! The chat without a mouse.

use fantoccini::key::Key;

use super::window::{Driver, Screen, Window};
use super::{Files, TOKEN, chat, page, sees};

/// More than the page has places for the focus.
const PLACES: usize = 30;

pub(crate) async fn the_keyboard_is_enough(server: &'static str) {
    let files = Files::new();
    let server = chat(server, &files).start();
    let driver = Driver::start();
    let ada = driver.open(Screen::Desktop).await;
    let (tab, enter) = (Key::Tab.to_string(), Key::Enter.to_string());
    let back = Key::Shift.to_string() + &tab;
    ada.goto(&page(&server)).await;
    focuses(&ada, "#door-nick").await;
    ada.press(&format!("Ada{tab}lobby{enter}")).await;
    focuses(&ada, "#text").await;
    is_in(&ada, "#lobby").await;
    ada.press(&format!("by keys alone{enter}")).await;
    sees(&ada, "by keys alone").await;

    go(&ada, &back, "#enter-room").await;
    ada.press(&format!("rust{enter}")).await;
    is_in(&ada, "#rust").await;
    focuses(&ada, "#text").await;
    go(&ada, &back, ".room:not([aria-current])").await;
    ada.press(&enter).await;
    is_in(&ada, "#lobby").await;

    go(&ada, &back, "#moderate").await;
    ada.press(&enter).await;
    focuses(&ada, "#token").await;
    ada.press(&format!("{TOKEN}{enter}")).await;
    let rules = "!document.querySelector('#rules').hidden";
    ada.until("Ada is a moderator", rules).await;
    focuses(&ada, "#moderate").await;
    go(&ada, &tab, "#rules").await;
    ada.press(&enter).await;
    focuses(&ada, "#rules-slow").await;
    ada.press(&Key::Escape.to_string()).await;
    focuses(&ada, "#rules").await;

    go(&ada, &tab, "#leave").await;
    ada.press(&enter).await;
    is_in(&ada, "#rust").await;
    focuses(&ada, "#text").await;
    // From the page's beginning there is a short way to what most have come for.
    go(&ada, &back, "#skip").await;
    ada.press(&enter).await;
    focuses(&ada, "#text").await;
    ada.close().await;
}

async fn is_in(window: &Window, room: &str) {
    let shown = "document.querySelector('#title').textContent === arguments[0]";
    window
        .until_with(&format!("{room} is shown"), shown, room)
        .await;
}

async fn focuses(window: &Window, selector: &str) {
    window
        .until_with(&format!("{selector} has the focus"), FOCUSED, selector)
        .await;
}

/// Presses a key until something has the focus.
async fn go(window: &Window, key: &str, selector: &str) {
    for _ in 0..PLACES {
        window.press(key).await;
        if window.value(FOCUSED, selector).await == true {
            return;
        }
    }
    panic!("{selector} cannot be reached");
}

const FOCUSED: &str = "document.activeElement.matches(arguments[0])";
