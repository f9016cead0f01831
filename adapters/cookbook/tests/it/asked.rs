//! What a handler sees of its request.

use axum::body::Body;
use axum::http::{HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

use crate::client::{Client, Wire};
use crate::host::Kind;
use crate::site::{Site, on_every_host};

on_every_host!(over both:
    the_target_stays_as_it_was_sent,
    every_method_arrives,
    fields_keep_their_bytes_and_their_order,
    the_client_is_named,
    the_length_of_the_body_is_known,
    what_layers_insert_is_there,
);

async fn asked(client: &mut Client, method: &str, target: &str) -> Value {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let request = client.request(method, target).body(Body::empty());
    client.ask(request.unwrap()).await.json()
}

async fn the_target_stays_as_it_was_sent(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    let mut client = site.connect().await;
    let target = "/asked/a%2Fb/./c//d;e=%e4?f=%20&g=+&h";
    let seen = asked(&mut client, "GET", target).await;
    assert_eq!(seen["matched_path"], "/asked/{*rest}");
    let (uri, version) = match wire {
        Wire::Http1 => (target.to_owned(), "HTTP/1.1"),
        Wire::Http2 => (format!("http://{}{target}", site.host.address), "HTTP/2.0"),
    };
    assert_eq!(seen["uri"], uri);
    assert_eq!(seen["original_uri"], uri);
    assert_eq!(seen["version"], version);
}

async fn every_method_arrives(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    let mut client = site.connect().await;
    for method in [
        "GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "QUERY", "brew",
    ] {
        let seen = asked(&mut client, method, "/asked").await;
        assert_eq!(seen["method"], method);
        assert_eq!(seen["matched_path"], "/asked");
    }
}

async fn fields_keep_their_bytes_and_their_order(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    let mut client = site.connect().await;
    let request = client
        .request(Method::GET, "/asked")
        .header("accept", "text/html")
        .header("x-a", "1")
        .header("accept", "*/*;q=0.1")
        .header("x-empty", "")
        .header(
            "x-name",
            HeaderValue::from_bytes("Zoë\tB".as_bytes()).unwrap(),
        )
        .header("cookie", "a=1")
        .header("cookie", "b=2");
    let seen = client
        .ask(request.body(Body::empty()).unwrap())
        .await
        .json();
    let values = |name: &str| -> Vec<Value> {
        let fields = seen["fields"].as_array().unwrap().iter();
        let of_name = fields.filter(|field| field[0] == name);
        of_name.map(|field| field[1].clone()).collect()
    };
    assert_eq!(values("accept"), ["text/html", "*/*;q=0.1"]);
    assert_eq!(values("x-a"), ["1"]);
    assert_eq!(values("x-empty"), [""]);
    assert_eq!(values("x-name"), ["Zoë\tB"]);
    assert_eq!(values("cookie"), ["a=1", "b=2"]);
}

async fn the_client_is_named(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    let (mut one, mut other) = (site.connect().await, site.connect().await);
    for client in [&mut one, &mut other] {
        let seen = asked(client, "GET", "/asked").await;
        assert_eq!(seen["client"], client.address.to_string());
    }
}

async fn the_length_of_the_body_is_known(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    let mut client = site.connect().await;
    let seen = asked(&mut client, "GET", "/asked").await;
    assert_eq!(seen["body_bytes"], 0);
    let seen = client.post("/asked", "text/plain", "seven b").await.json();
    assert_eq!(seen["body_bytes"], 7);
    let parts = futures_util::stream::iter([Ok::<_, std::convert::Infallible>("a")]);
    let seen = client.post("/asked", "text/plain", Body::from_stream(parts));
    assert_eq!(seen.await.json()["body_bytes"], json!(null));
}

async fn what_layers_insert_is_there(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    let mut client = site.connect().await;
    let release = client.get("/release").await;
    assert_eq!(release.status, StatusCode::OK);
    assert_eq!(release.text(), env!("CARGO_PKG_VERSION"));
}
