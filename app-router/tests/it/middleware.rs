//! Sessions, requests of other sites, and requests that are too many.

use std::net::SocketAddr;
use std::time::Duration;

use app_router::middleware::{
    BadKey, Rate, Session, SessionKey, SessionTooLarge, csrf, rate_limit, sessions,
};
use app_router::{Router, Routes};
use gateway_spec::{Accept, AppError, CloseCode, Done, WebSocket};
use http::StatusCode;
use test_client::{Reply, TestClient};
use tokio::time::advance;

use crate::support::Check;

fn key(byte: u8) -> SessionKey {
    SessionKey::from_secret(&[byte; 32]).unwrap()
}

fn visits() -> Routes {
    async fn count(session: Session) -> Result<String, SessionTooLarge> {
        let visits = session.get::<u64>("visits").unwrap_or(0) + 1;
        session.set("visits", visits)?;
        Ok(format!("{visits}"))
    }
    async fn logout(session: Session) -> &'static str {
        session.clear();
        "bye"
    }
    async fn show(session: Session) -> String {
        format!(
            "{:?} {:?}",
            session.get::<u64>("visits"),
            session.get::<String>("visits")
        )
    }
    async fn large(session: Session) -> String {
        session.set("kept", 1).unwrap();
        let refused = session.set("kept", "x".repeat(3000));
        format!("{refused:?} {:?}", session.get::<u8>("kept"))
    }
    async fn socket(socket: WebSocket, session: Session) -> Result<Done, AppError> {
        let mut socket = socket.handshake.accept(Accept::new()).await?;
        socket
            .send(format!("{:?}", session.get::<u64>("visits")))
            .await?;
        socket.close(CloseCode::NORMAL, "").await
    }
    Router::new()
        .get("/", count)
        .get("/logout", logout)
        .get("/show", show)
        .get("/large", large)
        .websocket("/ws", socket)
        .build()
        .unwrap()
}

/// The cookie that an answer sets, as a browser sends it back.
fn cookie(reply: &Reply) -> Option<String> {
    let field = reply.header("set-cookie")?;
    field.split(';').next().map(str::to_owned)
}

#[tokio::test]
async fn a_browser_is_remembered_by_a_signed_cookie() {
    let app = TestClient::new(sessions(visits(), key(1)));
    let first = app.get("/").send().await.unwrap();
    first.check(200, "1");
    let field = first.header("set-cookie").unwrap();
    assert!(
        field.ends_with("; HttpOnly; SameSite=Lax; Path=/; Max-Age=1209600"),
        "{field}"
    );
    let kept = cookie(&first).unwrap();
    let second = app
        .get("/")
        .header("cookie", format!("other=1; {kept}"))
        .send()
        .await
        .unwrap();
    second.check(200, "2");
    // What is only read is not set again.
    let show = app
        .get("/show")
        .header("cookie", &kept)
        .send()
        .await
        .unwrap();
    show.check(200, "Some(1) None");
    assert_eq!(cookie(&show), None);
    let mut socket = app
        .websocket("/ws")
        .header("cookie", &kept)
        .connect()
        .await
        .unwrap();
    assert_eq!(socket.text().await.unwrap(), "Some(1)");
    let bye = app
        .get("/logout")
        .header("cookie", &kept)
        .send()
        .await
        .unwrap();
    assert_eq!(
        bye.header("set-cookie"),
        Some("session=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0")
    );
    // Nobody is logged out who was not in.
    assert_eq!(cookie(&app.get("/logout").send().await.unwrap()), None);
    app.get("/large")
        .send()
        .await
        .unwrap()
        .check(200, "Err(SessionTooLarge) Some(1)");
    let tls = TestClient::new(sessions(visits(), key(1))).with_https();
    let field = tls.get("/").send().await.unwrap();
    assert!(field.header("set-cookie").unwrap().contains("; Secure"));
}

#[tokio::test]
async fn cookies_that_were_changed_are_none() {
    let app = TestClient::new(sessions(visits(), key(1)));
    let kept = cookie(&app.get("/").send().await.unwrap()).unwrap();
    let (payload, signature) = kept.rsplit_once('.').unwrap();
    let other_name = kept.replace("session=", "admin=");
    for (changed, expected) in [
        (kept.clone(), "2"),
        (format!("{payload}x.{signature}"), "1"),
        (format!("{payload}.{signature}A"), "1"),
        (format!("{payload}."), "1"),
        (payload.to_owned(), "1"),
        (String::from("session=é.%%."), "1"),
        (other_name.clone(), "1"),
    ] {
        app.get("/")
            .header("cookie", &changed)
            .send()
            .await
            .unwrap()
            .check(200, expected);
    }
    let admin = TestClient::new(sessions(visits(), key(1)).named("admin"));
    admin
        .get("/")
        .header("cookie", other_name)
        .send()
        .await
        .unwrap()
        .check(200, "1");
    let stranger = TestClient::new(sessions(visits(), key(2)));
    stranger
        .get("/")
        .header("cookie", &kept)
        .send()
        .await
        .unwrap()
        .check(200, "1");
    let rotated = TestClient::new(sessions(visits(), key(2)).or_signed_by(key(1)));
    let answer = rotated
        .get("/")
        .header("cookie", &kept)
        .send()
        .await
        .unwrap();
    answer.check(200, "2");
    let renewed = cookie(&answer).unwrap();
    stranger
        .get("/")
        .header("cookie", renewed)
        .send()
        .await
        .unwrap()
        .check(200, "3");
    let short = TestClient::new(sessions(visits(), key(1)).lasting(Duration::ZERO));
    let over = cookie(&short.get("/").send().await.unwrap()).unwrap();
    app.get("/")
        .header("cookie", over)
        .send()
        .await
        .unwrap()
        .check(200, "1");
    assert_eq!(SessionKey::from_secret(&[1; 31]).unwrap_err(), BadKey);
}

#[tokio::test]
async fn a_session_without_its_middleware_is_the_applications_mistake() {
    let answer = TestClient::new(visits()).get("/").send().await.unwrap();
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(
        answer
            .outcome()
            .await
            .to_string()
            .contains("wrap the application in `sessions`")
    );
}

#[tokio::test]
async fn requests_of_other_sites_are_refused_unless_they_only_read() {
    async fn socket(socket: WebSocket) -> Result<Done, AppError> {
        socket.handshake.deny(StatusCode::IM_A_TEAPOT).await
    }
    let app = Router::new()
        .get("/", async || "read")
        .post("/", async || "changed")
        .websocket("/ws", socket)
        .build()
        .unwrap();
    let app = TestClient::new(csrf(app).trusting("https://Partner.example"));
    for (fields, lets_in) in [
        (&[][..], true),
        (&[("sec-fetch-site", "same-origin")], true),
        (&[("sec-fetch-site", "none")], true),
        (&[("sec-fetch-site", "same-site")], false),
        (&[("sec-fetch-site", "cross-site")], false),
        (
            &[
                ("sec-fetch-site", "cross-site"),
                ("origin", "https://partner.example"),
            ],
            true,
        ),
        (
            &[
                ("sec-fetch-site", "same-origin"),
                ("origin", "https://evil.example"),
            ],
            true,
        ),
        (&[("origin", "https://shop.example")], true),
        (&[("origin", "https://shop.example:8443")], false),
        (&[("origin", "https://evil.example")], false),
        (&[("origin", "null")], false),
        (&[("origin", "é")], false),
    ] {
        let (mut post, mut get) = (app.post("/"), app.get("/"));
        let mut socket = app.websocket("/ws").header("host", "shop.example");
        for (name, value) in fields {
            post = post.header(name, value);
            get = get.header(name, value);
            socket = socket.header(name, value);
        }
        let answer = post
            .without_header("host")
            .header("host", "shop.example")
            .send()
            .await
            .unwrap();
        assert_eq!(
            answer.status == 200,
            lets_in,
            "{fields:?} {}",
            answer.status
        );
        if !lets_in {
            answer.check(403, "the request comes from another site");
        }
        get.send().await.unwrap().check(200, "read");
        let denied = socket.request(|request| {
            request
                .without_header("host")
                .header("host", "shop.example")
        });
        let denied = denied.connect().await.unwrap_err();
        let expected = if lets_in { 418 } else { 403 };
        assert_eq!(
            denied.reply().unwrap().status.as_u16(),
            expected,
            "{fields:?}"
        );
    }
}

#[tokio::test]
async fn an_origin_that_no_browser_sends_is_another_site() {
    let app = Router::new().post("/", async || "changed").build().unwrap();
    let app = TestClient::new(csrf(app));
    let unreadable = app.post("/").header("origin", b"\xff").send();
    assert_eq!(unreadable.await.unwrap().status, StatusCode::FORBIDDEN);
    let twice = app
        .post("/")
        .without_header("host")
        .header("host", "shop.example")
        .header("origin", "https://shop.example")
        .header("origin", "https://evil.example")
        .send();
    assert_eq!(twice.await.unwrap().status, StatusCode::FORBIDDEN);
    let sites = app
        .post("/")
        .header("sec-fetch-site", "same-origin")
        .header("sec-fetch-site", "cross-site")
        .send();
    assert_eq!(sites.await.unwrap().status, StatusCode::FORBIDDEN);
}

#[tokio::test(start_paused = true)]
async fn clients_that_ask_too_often_are_told_when_to_come_back() {
    let app = || Router::new().get("/", async || "ok").build().unwrap();
    let limited = TestClient::new(rate_limit(app(), Rate::per_minute(6).burst(2)));
    let status = async |client: &TestClient| client.get("/").send().await.unwrap().status.as_u16();
    assert_eq!([status(&limited).await, status(&limited).await], [200, 200]);
    let refused = limited.get("/").send().await.unwrap();
    refused.check(429, "ask again in 10 seconds");
    assert_eq!(refused.header("retry-after"), Some("10"));
    advance(Duration::from_millis(9_500)).await;
    assert_eq!(
        limited.get("/").send().await.unwrap().header("retry-after"),
        Some("1")
    );
    advance(Duration::from_millis(500)).await;
    assert_eq!([status(&limited).await, status(&limited).await], [200, 429]);
    // To have been idle for long is worth no more than the burst.
    advance(Duration::from_secs(3600)).await;
    assert_eq!(
        [
            status(&limited).await,
            status(&limited).await,
            status(&limited).await
        ],
        [200, 200, 429]
    );
    let denied = limited.websocket("/").connect().await.unwrap_err();
    assert_eq!(
        denied.reply().unwrap().status,
        StatusCode::TOO_MANY_REQUESTS
    );
}

#[tokio::test(start_paused = true)]
async fn each_client_has_its_own_count() {
    use gateway_spec::{Address, Application, Connection, ConnectionInfo};
    use std::sync::Arc;
    let app = Router::new().get("/", async || "ok").build().unwrap();
    let app = Arc::new(rate_limit(app, Rate::per_minute(1)));
    let ask = async |address: &str| {
        let address: SocketAddr = address.parse().unwrap();
        let (mut http, mut events) = crate::support::exchange("/");
        let info = ConnectionInfo::clone(&http.scope.connection).with_client(Address::Tcp(address));
        http.scope.edit().connection = Arc::new(info);
        let call = app.call(Connection::Http(http));
        let (result, sent) = tokio::join!(call, events.sent());
        result.map(drop).unwrap();
        let Some(gateway_spec::HttpSend::Start { head, .. }) = sent else {
            panic!("no answer")
        };
        head.status.as_u16()
    };
    for (address, status) in [
        ("192.0.2.1:1", 200),
        ("192.0.2.1:2", 429),
        ("192.0.2.2:1", 200),
        ("[::ffff:192.0.2.1]:3", 429),
        ("[2001:db8:1:2::1]:1", 200),
        ("[2001:db8:1:2::2]:1", 429),
        ("[2001:db8:1:3::1]:1", 200),
    ] {
        assert_eq!(ask(address).await, status, "{address}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_may_be_told_by_something_else_than_its_address() {
    let app = Router::new().get("/", async || "ok").build().unwrap();
    let by_key =
        |scope: &gateway_spec::HttpScope| scope.headers.get_str("x-key").map(str::to_owned);
    let app = TestClient::new(rate_limit(app, Rate::per_second(1)).by(by_key));
    for (key, status) in [
        (Some("a"), 200),
        (Some("a"), 429),
        (Some("b"), 200),
        (None, 200),
        (None, 200),
    ] {
        let mut request = app.get("/");
        if let Some(key) = key {
            request = request.header("x-key", key);
        }
        assert_eq!(
            request.send().await.unwrap().status.as_u16(),
            status,
            "{key:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn only_the_requests_that_are_worth_it_are_counted() {
    let app = Router::new()
        .get("/", async || "home")
        .post("/login", async || "hello")
        .build()
        .unwrap();
    let app = rate_limit(app, Rate::per_minute(1)).when(|scope| scope.path() == "/login");
    let app = TestClient::new(app);
    app.post("/login").send().await.unwrap().check(200, "hello");
    for _ in 0..3 {
        app.get("/").send().await.unwrap().check(200, "home");
        let refused = app.post("/login").send().await.unwrap();
        refused.check(429, "ask again in 60 seconds");
    }
}
