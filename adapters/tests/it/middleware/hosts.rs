//! Hosts.

use adapters::middleware::{ByHost, Hosts};
use gateway_spec::{Connection, State, application_fn};
use http::header::HOST;
use http::{HeaderValue, Version};
use test_client::TestClient;

use super::support::named;

fn sites() -> Hosts {
    Hosts::new()
        .host("*.example.org", named("below"))
        .host("Example.org", named("exact"))
        .host("example.org:8443", named("port"))
        .host("*.deep.example.org.", named("deeper"))
        .host("www.deep.example.org", named("deepest"))
        .host("127.0.0.1", named("v4"))
        .host("[::1]", named("v6"))
        .host("[::1]:9000", named("v6 port"))
}

/// What serves a request, and a socket, to this host.
async fn served(app: ByHost, host: &str) -> String {
    let client = TestClient::new(app);
    let to = |request: test_client::Request| request.without_header("host").header("host", host);
    let reply = to(client.get("/")).send().await.unwrap();
    let by = match reply.status.as_u16() {
        200 => reply.text().to_owned(),
        status => status.to_string(),
    };
    let of_socket = match client.websocket("/").request(to).connect().await {
        Ok(mut socket) => socket.text().await.unwrap().to_string(),
        Err(denied) => denied.reply().unwrap().status.as_u16().to_string(),
    };
    assert_eq!(of_socket, by, "a socket to {host}");
    by
}

#[tokio::test]
async fn the_most_particular_name_wins() {
    for (host, expected) in [
        ("example.org", "exact"),
        ("EXAMPLE.ORG", "exact"),
        ("example.org.", "exact"),
        ("example.org:80", "exact"),
        ("example.org:", "exact"),
        ("example.org:8443", "port"),
        ("example.org.:8443", "port"),
        ("www.example.org", "below"),
        ("WWW.Example.ORG.:8443", "below"),
        ("a.b.example.org", "below"),
        ("deep.example.org", "below"),
        ("x.deep.example.org", "deeper"),
        ("x.y.deep.example.org", "deeper"),
        ("www.deep.example.org", "deepest"),
        ("127.0.0.1:8000", "v4"),
        ("[::1]", "v6"),
        ("[::1]:8000", "v6"),
        ("[0:0:0:0:0:0:0:1]", "v6"),
        ("[::1]:9000", "v6 port"),
        // Not served here.
        ("example.com", "421"),
        ("evil-example.org", "421"),
        ("evilexample.org", "421"),
        ("example.org.evil.example", "421"),
        (".example.org", "421"),
        ("exampleXorg", "421"),
        ("[::2]", "421"),
        ("xn--bcher-kva.example", "421"),
        ("ex%61mple.org", "421"),
    ] {
        assert_eq!(
            served(sites().build().unwrap(), host).await,
            expected,
            "{host}"
        );
    }
}

#[tokio::test]
async fn what_is_no_host_is_a_bad_request_whoever_else_would_serve_it() {
    for host in [
        "",
        ".",
        ":80",
        "a b",
        "user@example.org",
        "example.org:http",
        "example.org:65536",
        "example.org:+80",
        "example.org:80:80",
        "http://example.org",
        "example.org/path",
        "[::1",
        "::1",
        "[::1]x",
        "[fe80::1%25eth0]",
        "[v1.x]",
        "example.org%",
        "example.org%4",
        "ex\"ample.org",
    ] {
        let app = sites().otherwise(named("otherwise")).build().unwrap();
        assert_eq!(served(app, host).await, "400", "{host}");
    }
    let client = TestClient::new(sites().otherwise(named("otherwise")).build().unwrap());
    let no_text = client.get("/").without_header("host").scope(|scope| {
        scope
            .headers
            .append(HOST, HeaderValue::from_bytes(b"\xff").unwrap())
    });
    assert_eq!(no_text.send().await.unwrap().status, 400);
}

#[tokio::test]
async fn a_port_that_clients_leave_out_is_that_of_their_scheme() {
    let app = || {
        Hosts::new()
            .host("example.org:80", named("plain"))
            .host("example.org:443", named("secure"))
            .build()
            .unwrap()
    };
    for (scheme, host, expected) in [
        ("http", "example.org", "plain"),
        ("http", "example.org:80", "plain"),
        ("http", "example.org:443", "secure"),
        ("https", "example.org", "secure"),
        ("https", "example.org:443", "secure"),
        ("https", "example.org:80", "plain"),
    ] {
        let client = TestClient::new(app());
        let client = match scheme {
            "https" => client.with_https(),
            _ => client,
        };
        let request = client.get("/").without_header("host").header("host", host);
        assert_eq!(
            request.send().await.unwrap().text(),
            expected,
            "{scheme} {host}"
        );
    }
}

#[tokio::test]
async fn all_others_are_for_otherwise() {
    let app = || {
        sites()
            .otherwise(named("never"))
            .otherwise(named("otherwise"))
            .build()
            .unwrap()
    };
    for host in ["example.com", "evil-example.org", "[::2]", "10.0.0.1:80"] {
        assert_eq!(served(app(), host).await, "otherwise", "{host}");
    }
    let nameless = |client: TestClient| {
        let request = client.get("/").version(Version::HTTP_10);
        request.without_header("host").send()
    };
    let reply = nameless(TestClient::new(app())).await.unwrap();
    assert_eq!(reply.text(), "otherwise");
    let reply = nameless(TestClient::new(sites().build().unwrap())).await;
    assert_eq!(reply.unwrap().status, 421);
}

#[tokio::test]
async fn the_target_s_host_counts_before_the_field_s() {
    let client = TestClient::new(sites().build().unwrap());
    let request = client.get("http://example.org/path");
    assert_eq!(request.send().await.unwrap().text(), "exact");
}

#[tokio::test]
async fn the_lifespans_of_all_run_and_each_sees_its_own_state() {
    fn stateful(name: &'static str) -> impl gateway_spec::Application {
        application_fn(move |connection: Connection| async move {
            match connection {
                Connection::Http(http) => {
                    let state = http.scope.state.get::<&str>().copied();
                    http.responder.respond(state.unwrap_or("-")).await
                }
                Connection::Lifespan(lifespan) => {
                    let running = lifespan.started(State::new().with(name));
                    running.shutdown_requested().await;
                    Ok(running.stopped())
                }
                other => other.refuse().await,
            }
        })
    }
    let app = Hosts::new()
        .host("a.example", stateful("a"))
        .host("b.example", named("refuses"))
        .otherwise(stateful("rest"))
        .build()
        .unwrap();
    let client = TestClient::start(app).await.unwrap();
    for (host, expected) in [
        ("a.example", "a"),
        ("b.example", "refuses"),
        ("c.example", "rest"),
    ] {
        let request = client.get("/").without_header("host").header("host", host);
        assert_eq!(request.send().await.unwrap().text(), expected);
    }
    client.shutdown().await.unwrap();
}

#[test]
fn names_that_cannot_be_are_refused_with_what_to_write() {
    for (name, why) in [
        ("*", "there is `otherwise`"),
        ("", "write `name`"),
        ("https://example.org", "without a scheme or a path"),
        ("example.org/path", "there is `Mount`"),
        ("münchen.example", "`xn--…`"),
        ("www.*.example.org", "before the first dot"),
        ("*example.org", "before the first dot"),
        ("*.", "write `name`"),
        ("*.[::1]", "nothing is below an address"),
        ("::1", "in brackets"),
        ("user@example.org", "write `name`"),
        ("example.org:http", "write `name`"),
        ("caf%C3%A9.example", "name it in ASCII"),
    ] {
        let error = Hosts::new().host(name, named("x")).build().unwrap_err();
        let error = error.to_string();
        assert!(error.contains(why) && error.contains(name), "{error}");
    }
    for (one, other) in [
        ("example.org", "EXAMPLE.org."),
        ("*.example.org", "*.Example.org"),
        ("[::1]", "[0::1]"),
        ("example.org:80", "example.org:80"),
    ] {
        let twice = Hosts::new().host(one, named("a")).host(other, named("b"));
        let error = twice.build().unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("`{other}` is there twice")),
            "{error}"
        );
    }
    let several = Hosts::new()
        .host("example.org", named("a"))
        .host("example.org:80", named("b"))
        .host("*.example.org", named("c"));
    assert!(several.build().is_ok());
}
