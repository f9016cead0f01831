//! The chat where it is strange: paces that the page does not offer, people who are sent out, letters that are none.

use super::window::{Driver, Screen, Window};
use super::{
    Files, HOST, become_moderator, chat, come_in, enter, page, say, screenshots, sees, sees_people,
};

/// What the host orders, by the routes that only the host has.
async fn host_orders(window: &Window, order: &str) {
    let send = format!(
        "fetch('/admin/mod', {{ method: 'POST', headers: {{ authorization: 'Bearer {HOST}' }}, body: arguments[0] }})
            .then(({{ status }}) => {{ document.body.dataset.status = status; }});"
    );
    window.run(&send, order).await;
    let done = "document.body.dataset.status === '204'";
    window.until("the host is obeyed", done).await;
}

pub(crate) async fn a_pace_of_the_hosts_choice_is_kept(name: &'static str) {
    let files = Files::new();
    let server = chat(name, &files).start();
    let driver = Driver::start();
    let ada = enter(&driver, &server, "Ada", Screen::Desktop).await;
    become_moderator(&ada).await;
    host_orders(&ada, r#"{"room":"lobby","act":"slow","every_ms":7000}"#).await;
    let pace = "Slow mode: one message in 7 seconds.";
    let told = "document.querySelector('#slow').textContent === arguments[0]";
    ada.until_with("the pace is shown", told, pace).await;
    for _ in 0..2 {
        ada.click("#rules").await;
        let chosen = "document.querySelector('#rules-slow').selectedOptions[0]?.textContent === 'One message in 7 seconds'";
        ada.until("it is offered", chosen).await;
        ada.click("#rules-dialog [type=submit]").await;
        ada.until(
            "the dialog is closed",
            "!document.querySelector('#rules-dialog').open",
        )
        .await;
    }
    let orders = "[...document.querySelectorAll('#log .notice')].filter((line) => line.textContent.includes('slow mode')).length === 1";
    assert!(ada.is(orders).await, "saving changed something");
    assert!(ada.is_with(told, pace.into()).await);
    ada.close().await;
}

pub(crate) async fn who_is_sent_out_finds_what_was_not_sent(name: &'static str) {
    let files = Files::new();
    let server = chat(name, &files).start();
    let driver = Driver::start();
    let ada = enter(&driver, &server, "Ada", Screen::Desktop).await;
    let bea = enter(&driver, &server, "Bea", Screen::Phone).await;
    become_moderator(&ada).await;
    sees_people(&ada, &["Ada", "Bea"]).await;
    ada.click(".person-act").await;
    ada.click("#act-dialog [type=submit]").await;
    let muted = "[...document.querySelectorAll('#log .notice')].some((line) => line.textContent.startsWith('Ada muted Bea'))";
    bea.until("Bea is told", muted).await;
    say(&bea, "not sent yet").await;
    bea.until("it waits", "document.querySelector('#pending .draft')")
        .await;
    ada.click(".person-act").await;
    ada.until(
        "what was done last is not offered first",
        "document.querySelector('#act-what').value === 'mute 600000'",
    )
    .await;
    ada.run(
        "document.querySelector('#act-what').value = 'kick 60000';",
        "",
    )
    .await;
    ada.click("#act-dialog [type=submit]").await;
    bea.until("Bea is out", "!document.querySelector('#door').hidden")
        .await;
    ada.click("#rules").await;
    for left in [1, 0] {
        ada.until(
            "somebody is listed",
            "document.querySelector('.sanction .quiet')",
        )
        .await;
        ada.click(".sanction .quiet").await;
        let listed = format!("document.querySelectorAll('.sanction').length === {left}");
        ada.until("it is lifted", &listed).await;
    }
    ada.click("#rules-dialog .cancel").await;
    come_in(&bea, "Bea").await;
    sees(&ada, "not sent yet").await;
    ada.close().await;
    bea.close().await;
}

pub(crate) async fn strange_letters_are_letters(name: &'static str) {
    let files = Files::new();
    let server = chat(name, &files).start();
    let driver = Driver::start();
    let ada = enter(&driver, &server, "Ada", Screen::Desktop).await;
    let bea = enter(
        &driver,
        &server,
        "Bea \u{628}\u{646}\u{62a}",
        Screen::PhoneDark,
    )
    .await;
    // Half of a surrogate pair, as a string of the page may hold it.
    bea.run(
        "const text = document.querySelector('#text'); text.value = 'half \\ud83d'; document.querySelector('#compose').requestSubmit();",
        "",
    )
    .await;
    for window in [&ada, &bea] {
        sees(window, "half \u{fffd}").await;
    }
    let in_order = "(() => { const head = document.querySelector('.group-head'), [nick, time] = ['strong', 'time'].map((tag) => head.querySelector(tag).getBoundingClientRect()); return nick.right <= time.left; })()";
    ada.until("the time is behind the name", in_order).await;
    let buried = format!("z{}", "\u{301}".repeat(60));
    say(&bea, "above").await;
    bea.run("document.querySelector('#text').value = arguments[0]; document.querySelector('#compose').requestSubmit();", &buried).await;
    say(
        &bea,
        "\u{5e9}\u{5dc}\u{5d5}\u{5dd} (1) \u{5e2}\u{5d5}\u{5dc}\u{5dd}",
    )
    .await;
    sees(&ada, &buried).await;
    let clipped = "[...document.querySelectorAll('#log .text')].every((text) => getComputedStyle(text).overflow === 'clip')";
    assert!(ada.is(clipped).await, "marks run over what is above");
    for (window, size) in [(&ada, "desktop"), (&bea, "phone")] {
        window
            .screenshot(&screenshots().join(format!("{name}-strange-{size}.png")))
            .await;
    }
    ada.close().await;
    bea.close().await;
}

/// Answers a page's first request to come in, with `answer`, in the server's stead; `then` has the socket afterwards.
const IN_THE_SERVERS_STEAD: &str = "const { send } = WebSocket.prototype;
    window.joins = 0;
    WebSocket.prototype.send = function (text) {
        const frame = JSON.parse(text);
        if (frame.t !== 'join' || window.joins++) return send.call(this, text);
        setTimeout(() => {
            this.onmessage({ data: JSON.stringify({ id: frame.id, ...answer }) });
            then(this);
        });
    };";

pub(crate) async fn who_asks_twice_is_in(name: &'static str) {
    let files = Files::new();
    let server = chat(name, &files).start();
    let driver = Driver::start();
    let ada = driver.open(Screen::Desktop).await;
    ada.goto(&page(&server)).await;
    // Who is refused asks again after a while; a new connection has let them in by then.
    let script = "const answer = { t: 'err', code: 503, why: 'unavailable', retry: true, after_ms: 2000, msg: 'not now' };
        const then = (socket) => {
            setTimeout(() => { document.body.dataset.asked = 'again'; }, 2500);
            socket.onclose({ code: 4009, reason: '' });
        };";
    ada.run(&format!("{script}{IN_THE_SERVERS_STEAD}"), "")
        .await;
    come_in(&ada, "Ada").await;
    say(&ada, "in the lobby").await;
    sees(&ada, "in the lobby").await;
    let asked = "document.body.dataset.asked === 'again'";
    ada.until("the time to ask again has come", asked).await;
    assert!(ada.is("window.joins === 2").await, "once more than needed");
    // Who goes before they were welcomed, and comes again.
    let there_and_back = "const enter = () => {
            document.querySelector('#enter-room').value = 'den';
            document.querySelector('#enter').requestSubmit();
        };
        enter();
        document.querySelector('#leave').click();
        enter();";
    ada.run(there_and_back, "").await;
    say(&ada, "in the den").await;
    sees(&ada, "in the den").await;
    let title = "document.querySelector('#title').textContent === '#den'";
    assert!(ada.is(title).await);
    ada.close().await;
}

pub(crate) async fn a_welcome_says_that_the_room_is_late(name: &'static str) {
    let files = Files::new();
    let server = chat(name, &files).start();
    let driver = Driver::start();
    let ada = driver.open(Screen::Phone).await;
    ada.goto(&page(&server)).await;
    let script = "const me = { user: '9f9f5111f7b27a78', nick: 'Ada' };
        const answer = { t: 'ok', room: 'lobby', me, epoch: '0', offset: 0, recovered: false, messages: [],
            presence: { count: 1, full: [me] }, slow_ms: 0, late: true };
        const then = (socket) => { window.caughtUp = () => socket.onmessage({ data: '{\"t\":\"late\",\"room\":\"lobby\",\"late\":false}' }); };";
    ada.run(&format!("{script}{IN_THE_SERVERS_STEAD}"), "")
        .await;
    come_in(&ada, "Ada").await;
    let told = "!document.querySelector('#banner').hidden && document.querySelector('#banner-text').textContent.includes('cut off')";
    ada.until("it is told", told).await;
    ada.run("window.caughtUp();", "").await;
    let over = "document.querySelector('#banner').hidden";
    assert!(ada.is(over).await, "what is over is told still");
    ada.close().await;
}
