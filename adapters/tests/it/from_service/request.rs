//! What the service is given.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use gateway_spec::{Address, BodyError, RequestBody, Scope, State};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, Version, header};
use http_body_util::BodyExt as _;
use test_client::TestClient;

use super::support::{client, fields, service};

/// The head that a service sees, of a request and an application that are made so.
async fn seen(
    make: impl FnOnce(&TestClient) -> test_client::Request,
    change: impl FnOnce(TestClient) -> TestClient,
) -> Parts {
    let (seen, see) = kept();
    let client = change(client(move |request: Request<RequestBody>| {
        see(request.into_parts().0);
        async { Ok::<_, Infallible>(Response::new(String::new())) }
    }));
    let reply = make(&client).send().await.unwrap();
    assert!(reply.outcome().await.is_done());
    let parts = seen.lock().unwrap().take();
    parts.expect("it was called")
}

/// A place, and a way to fill it.
fn kept<T: Send + 'static>() -> (Arc<Mutex<Option<T>>>, impl Fn(T) + Clone + Send + Sync) {
    let place = Arc::new(Mutex::new(None));
    let fill = Arc::clone(&place);
    (place, move |value| *fill.lock().unwrap() = Some(value))
}

#[tokio::test]
async fn the_head_is_the_scopes() {
    let parts = seen(
        |client| {
            client
                .request(Method::from_bytes(b"BREW").unwrap(), "/a%2Fb/?c=d&e")
                .version(Version::HTTP_2)
                .header("x-twice", "1")
                .header("accept", "*/*")
                .header("x-twice", "2")
                .header("x-latin", b"caf\xe9")
        },
        |client| client,
    )
    .await;
    assert_eq!(parts.method, "BREW");
    assert_eq!(parts.uri, "/a%2Fb/?c=d&e");
    assert_eq!(parts.version, Version::HTTP_2);
    let twice: Vec<_> = parts.headers.get_all("x-twice").iter().collect();
    assert_eq!(twice, ["1", "2"]);
    assert_eq!(
        parts.headers["x-latin"],
        HeaderValue::from_bytes(b"caf\xe9").unwrap()
    );
    assert_eq!(parts.headers[header::HOST], "testserver");
    assert_eq!(parts.headers.len(), 5);
}

#[tokio::test]
async fn the_extensions_are_the_scopes_and_the_scope() {
    let address = Address::Tcp(([192, 0, 2, 1], 80).into());
    let parts = seen(
        |client| {
            client
                .get("/")
                .state(State::new().with(7_u8))
                .scope(|scope| {
                    scope.extensions.insert("from middleware");
                })
        },
        |client| client.with_https().with_address(address.clone()),
    )
    .await;
    assert_eq!(parts.extensions.get(), Some(&"from middleware"));
    let scope: &Scope = parts.extensions.get().unwrap();
    assert_eq!(scope.state.get::<u8>(), Some(&7));
    assert_eq!(scope.connection.scheme.as_str(), "https");
    assert_eq!(scope.connection.client, Some(address));
    assert!(scope.draining().is_none());
}

#[tokio::test]
async fn a_hook_has_the_last_word_on_the_head() {
    let (place, see) = kept();
    let app = service(move |request: Request<RequestBody>| {
        see(request.into_parts().0);
        async { Ok::<_, Infallible>(Response::new(String::new())) }
    });
    let app = app.with_request(|_, _| panic!("it was replaced"));
    let app = app.with_request(|scope, parts| {
        assert!(
            parts.extensions.get::<Scope>().is_some(),
            "all else is there"
        );
        parts.extensions.insert(scope.path().len());
        parts.method = Method::PUT;
    });
    TestClient::new(app).get("/four").send().await.unwrap();
    let parts = place.lock().unwrap().take().unwrap();
    assert_eq!(parts.extensions.get(), Some(&5_usize));
    assert_eq!(parts.method, Method::PUT);
}

#[tokio::test]
async fn below_a_mount_the_service_sees_the_rest_of_the_path() {
    for (target, below) in [
        ("/api/users?id=7", "/users?id=7"),
        ("/api", "/"),
        ("/api?x", "/?x"),
        ("/api/", "/"),
        ("/api//", "//"),
        ("http://a.example:80/api/%20?%", "http://a.example:80/%20?%"),
    ] {
        let request = |client: &TestClient| client.get(target).scope(|scope| scope.mount(4));
        let parts = seen(request, |client| client).await;
        assert_eq!(parts.uri, below, "{target}");
        let scope: &Scope = parts.extensions.get().unwrap();
        assert_eq!(scope.uri, target);
        #[cfg(feature = "axum")]
        assert_eq!(
            parts
                .extensions
                .get::<axum::extract::OriginalUri>()
                .unwrap()
                .0,
            target
        );
    }
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn at_the_root_nothing_is_said_of_an_original_target() {
    let parts = seen(|client| client.get("/"), |client| client).await;
    let original = parts.extensions.get::<axum::extract::OriginalUri>();
    assert!(original.is_none(), "axum adds it by itself");
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn a_router_below_a_mount_nests_as_in_a_router() {
    use axum::extract::{NestedPath, OriginalUri, Path};
    use axum::{Router, routing::get};

    let user = async |Path(id): Path<u32>, OriginalUri(uri): OriginalUri, nested: NestedPath| {
        format!("{id} of {uri} in {}", nested.as_str())
    };
    let router = Router::new().nest("/users", Router::new().route("/{id}", get(user)));
    let client = TestClient::new(adapters::tower::from_service(router));
    let request = client.get("/api/users/7?x").scope(|scope| scope.mount(4));
    assert_eq!(
        request.send().await.unwrap().text(),
        "7 of /api/users/7?x in /users"
    );
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn clients_of_tcp_are_named_to_axum_and_others_are_not() {
    use axum::extract::ConnectInfo;
    use std::net::SocketAddr;

    let address: SocketAddr = ([192, 0, 2, 1], 5000).into();
    for (client, expected) in [
        (Address::Tcp(address), Some(address)),
        (Address::Unix(None), None),
    ] {
        let parts = seen(|client| client.get("/"), |it| it.with_address(client)).await;
        let info = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        assert_eq!(info.map(|info| info.0), expected);
    }
}

#[tokio::test]
async fn the_body_comes_part_by_part_and_with_its_trailers() {
    let client = client(async |request: Request<RequestBody>| {
        let mut body = request.into_body();
        let mut seen = String::new();
        while let Some(frame) = body.frame().await {
            match frame.unwrap().into_data() {
                Ok(bytes) => seen += &format!("{};", bytes.escape_ascii()),
                Err(frame) => seen += &format!("{:?}", frame.into_trailers().unwrap()),
            }
        }
        Ok::<_, Infallible>(Response::new(seen))
    });
    let request = client.post("/").body_chunks(["one", "two"]);
    let reply = request
        .trailers(fields([("x-sum", "6")]))
        .send()
        .await
        .unwrap();
    assert_eq!(reply.text(), r#"one;two;{"x-sum": "6"}"#);
}

#[tokio::test]
async fn a_body_that_cannot_be_read_says_why() {
    let client = client(async |request: Request<RequestBody>| {
        let error = request.into_body().collect().await.unwrap_err();
        Ok::<_, Infallible>(Response::new(error.to_string()))
    });
    let mut exchange = client.post("/").body_to_come().open();
    exchange.send("some").await.unwrap();
    exchange.fail(BodyError::TooLarge { limit: 4 });
    let reply = exchange.reply().await.unwrap();
    assert_eq!(reply.text(), "the request body is larger than 4 bytes");
}

#[tokio::test]
async fn a_body_that_is_not_read_is_not_taken_from_the_client() {
    let client = client(async |request: Request<RequestBody>| {
        let _kept = request;
        std::future::pending::<Result<Response<String>, Infallible>>().await
    });
    let mut exchange = client.post("/").body_to_come().open();
    exchange.send(vec![0; 64 * 1024]).await.unwrap();
    let more = tokio::time::timeout(std::time::Duration::from_millis(10), exchange.send("more"));
    assert!(more.await.is_err(), "it waits for the service");
    assert_eq!(exchange.unreceived(), 64 * 1024);
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn axum_answers_413_for_a_body_over_a_limit() {
    use adapters::middleware::limit_body;
    use axum::Router;
    use axum::body::Bytes;
    use axum::routing::post;

    let router = Router::new().route("/", post(async |body: Bytes| body.len().to_string()));
    let client = TestClient::new(limit_body(adapters::tower::from_service(router), 4));
    for (parts, status) in [(["ab", "cd"], 200), (["ab", "cde"], 413)] {
        let reply = client.post("/").body_chunks(parts).send().await.unwrap();
        assert_eq!(reply.status, status);
    }
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn axum_is_told_of_every_other_error_as_it_is() {
    use axum::Router;
    use axum::body::Body;
    use axum::routing::post;

    let router = Router::new().route(
        "/",
        post(async |body: Body| match body.collect().await {
            Ok(_) => String::from("it was whole"),
            Err(error) => error.to_string(),
        }),
    );
    let client = TestClient::new(adapters::tower::from_service(router));
    let mut exchange = client.post("/").body_to_come().open();
    exchange.send("some").await.unwrap();
    exchange.fail(BodyError::Malformed);
    let reply = exchange.reply().await.unwrap();
    assert_eq!(reply.text(), BodyError::Malformed.to_string());
}
