//! Who asks: credentials as handlers and providers read them, scopes, and what the document says of both.

use app_router::security::{
    ApiKey, Basic, Bearer, Either, NeededScopes, OAuthFlow, PasswordForm, Security, SecurityScheme,
};
use app_router::{
    Depends, Form, Json, OpenApi, Part, Rejection, Router, RouterErrorKind, Status, route,
};
use gateway_spec::{AppError, Done, WebSocket};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use test_client::{Reply, TestClient};

use crate::support::{Check, client, issues};

struct Login;

impl Security for Login {
    const NAME: &'static str = "login";
    const SCHEME: SecurityScheme = SecurityScheme::OAuth2(&[
        OAuthFlow::password("/token").scopes(&[("read", "See."), ("write", "Change.")]),
        OAuthFlow::authorization_code("https://a.example/in", "https://a.example/token")
            .refresh("https://a.example/refresh"),
    ]);
    const DESCRIPTION: &'static str = "Ask for it.";
}

macro_rules! keys {
    ($($name:ident $wire:literal $part:ident $field:literal;)*) => {$(
        struct $name;

        impl Security for $name {
            const NAME: &'static str = $wire;
            const SCHEME: SecurityScheme = SecurityScheme::ApiKey { part: Part::$part, name: $field };
        }
    )*};
}
keys! {
    InHeader "machine" Header "x-key";
    InQuery "link" Query "key";
    InCookie "ticket" Cookie "ticket";
}

struct Elsewhere;

impl Security for Elsewhere {
    const NAME: &'static str = "elsewhere";
    const SCHEME: SecurityScheme = SecurityScheme::OpenIdConnect("https://id.example/found");
}

struct User {
    name: String,
}

/// The token is the name, and what it may do.
async fn user(token: Bearer<Login>, needed: NeededScopes) -> Result<Depends<User>, Rejection> {
    let mut parts = token.as_str().split('.');
    let name = parts.next().unwrap().to_owned();
    if name == "mallory" {
        return Err(token.refuse("the token was taken back"));
    }
    needed.check(&parts.collect::<Vec<_>>())?;
    Ok(Depends::new(User { name }))
}

/// Status, challenges and detail of a refusal.
fn refusal(reply: &Reply) -> (u16, Vec<String>, String) {
    let challenges = reply.headers.get_all("www-authenticate");
    let challenges = challenges.map(|value| String::from_utf8(value.to_vec()).unwrap());
    let problem: Value = reply.json();
    let detail = problem["detail"].as_str().unwrap().to_owned();
    (reply.status.as_u16(), challenges.collect(), detail)
}

#[tokio::test]
async fn tokens_passwords_and_keys_are_read_where_they_are() {
    let app = client(
        Router::new()
            .get("/bearer", async |token: Bearer| token.as_str().to_owned())
            .get("/basic", async |login: Basic| {
                format!("{} {}", login.user(), login.password())
            })
            .get("/header", async |key: ApiKey<InHeader>| {
                key.as_str().to_owned()
            })
            .get("/query", async |key: ApiKey<InQuery>| {
                key.as_str().to_owned()
            })
            .get("/cookie", async |key: ApiKey<InCookie>| {
                key.as_str().to_owned()
            }),
    );
    for (path, field, value, expected) in [
        (
            "/bearer",
            "authorization",
            "Bearer a.b-_~+/==",
            "a.b-_~+/==",
        ),
        ("/bearer", "authorization", "bEARER  x", "x"),
        ("/basic", "authorization", "Basic SsO2cmc6YTpi", "Jörg a:b"),
        ("/basic", "authorization", "basic Og==", " "),
        ("/header", "X-Key", "k 1", "k 1"),
        ("/query?a=1&key=k%201", "x", "", "k 1"),
        ("/cookie", "cookie", "a=b; ticket=t%201", "t 1"),
    ] {
        let reply = app.get(path).header(field, value).send().await.unwrap();
        reply.check(200, expected);
    }
    let none = "the request does not say who sends it";
    let in_token = "the token has characters that none has";
    let in_basic = "the credential is no name and password, joined by `:` and in Base64";
    let bearer = "Bearer realm=\"bearer\"";
    let basic = "Basic realm=\"basic\", charset=\"UTF-8\"";
    for (path, field, value, challenge, detail) in [
        ("/bearer", "x", "", bearer, none),
        ("/bearer", "authorization", "Basic Og==", bearer, none),
        ("/bearer", "authorization", "Bearer", bearer, none),
        ("/bearer", "authorization", "Bearer ", bearer, in_token),
        ("/bearer", "authorization", "Bearer a b", bearer, in_token),
        ("/bearer", "authorization", "Bearer ==", bearer, in_token),
        ("/basic", "authorization", "Bearer x", basic, none),
        ("/basic", "authorization", "Basic !", basic, in_basic),
        ("/basic", "authorization", "Basic /w==", basic, in_basic),
        ("/basic", "authorization", "Basic YQ==", basic, in_basic),
        (
            "/header",
            "x-key",
            "",
            "ApiKey realm=\"machine\", in=\"header\", name=\"x-key\"",
            none,
        ),
        (
            "/query?key=",
            "x",
            "",
            "ApiKey realm=\"link\", in=\"query\", name=\"key\"",
            none,
        ),
        (
            "/cookie",
            "cookie",
            "a=b",
            "ApiKey realm=\"ticket\", in=\"cookie\", name=\"ticket\"",
            none,
        ),
    ] {
        let reply = app.get(path).header(field, value).send().await.unwrap();
        let expected = (401, vec![challenge.to_owned()], detail.to_owned());
        assert_eq!(refusal(&reply), expected, "{path} {field}: {value}");
    }
}

#[tokio::test]
async fn of_two_credentials_of_one_kind_none_counts() {
    let app = client(
        Router::new()
            .get("/token", async |token: Bearer| token.as_str().to_owned())
            .get("/key", async |key: ApiKey<InHeader>| {
                key.as_str().to_owned()
            }),
    );
    for (path, field, values) in [
        ("/token", "authorization", ["Bearer a", "Bearer b"]),
        ("/key", "x-key", ["a", "b"]),
    ] {
        let one = app.get(path).header(field, values[0]).send().await.unwrap();
        assert_eq!((one.status.as_u16(), one.text()), (200, "a"), "{path}");
        let two = values
            .into_iter()
            .fold(app.get(path), |request, value| request.header(field, value));
        assert_eq!(two.send().await.unwrap().status, 401, "{path}");
    }
}

#[tokio::test]
async fn a_credential_may_be_optional_or_one_of_two() {
    async fn maybe(token: Option<Bearer>) -> String {
        token.map_or_else(String::new, |token| token.as_str().to_owned())
    }
    async fn either(sent: Either<ApiKey<InHeader>, Basic>) -> Result<&'static str, Rejection> {
        match &sent {
            Either::First(key) if key.is("k") => Ok("key"),
            Either::Second(login) if login.has_password("p") => Ok("password"),
            _ => Err(sent.refuse("wrong")),
        }
    }
    let app = client(Router::new().get("/maybe", maybe).get("/either", either));
    let get = |path, field, value| app.get(path).header(field, value).send();
    get("/maybe", "x", "").await.unwrap().check(200, "");
    get("/maybe", "authorization", "Bearer a")
        .await
        .unwrap()
        .check(200, "a");
    let broken = get("/maybe", "authorization", "Bearer a b").await.unwrap();
    assert_eq!(broken.status, StatusCode::UNAUTHORIZED);
    get("/either", "x-key", "k")
        .await
        .unwrap()
        .check(200, "key");
    get("/either", "authorization", "Basic OnA=")
        .await
        .unwrap()
        .check(200, "password");
    let both = [
        "ApiKey realm=\"machine\", in=\"header\", name=\"x-key\"",
        "Basic realm=\"basic\", charset=\"UTF-8\"",
    ];
    for (field, value, detail) in [
        ("x", "", "the request does not say who sends it"),
        ("x-key", "z", "wrong"),
    ] {
        let (status, challenges, said) = refusal(&get("/either", field, value).await.unwrap());
        assert_eq!((status, &*said), (401, detail));
        assert_eq!(challenges, both);
    }
}

#[derive(Deserialize, Serialize, JsonSchema)]
struct Order {
    count: u8,
}

fn shop() -> Router {
    async fn order(user: Depends<User>, Json(order): Json<Order>) -> Status<201, String> {
        Status(format!("{} {}", user.name, order.count))
    }
    async fn live(socket: WebSocket, _: Depends<User>) -> Result<Done, AppError> {
        socket.handshake.deny(StatusCode::GONE).await
    }
    let office = Router::new()
        .requires::<User>()
        .tag("office")
        .get("/", route(async || "in").tag("inner"))
        .get("/safe", route(async || "open").scope("read").scope("write"));
    Router::new()
        .provide(user)
        .post("/orders", route(order).scope("write"))
        .get("/me", async |user: Depends<User>| user.name.clone())
        .get("/checked", route(async || "checked").requires::<User>())
        .nest("/office", office)
        .websocket("/live", live)
        .get("/open", async || "open")
}

#[tokio::test]
async fn scopes_are_those_of_the_route_and_403_names_them() {
    let app = client(shop());
    let get = |path: &'static str, token: &'static str| {
        app.get(path).header("authorization", token).send()
    };
    get("/me", "Bearer ada").await.unwrap().check(200, "ada");
    get("/checked", "Bearer ada")
        .await
        .unwrap()
        .check(200, "checked");
    get("/office", "Bearer ada").await.unwrap().check(200, "in");
    get("/office/safe", "Bearer ada.write.read")
        .await
        .unwrap()
        .check(200, "open");
    get("/open", "").await.unwrap().check(200, "open");
    let lacks = get("/office/safe", "Bearer ada.read").await.unwrap();
    let challenge = "Bearer error=\"insufficient_scope\", scope=\"read write\"";
    let detail = "the token does not allow what is needed: read write";
    assert_eq!(
        refusal(&lacks),
        (403, vec![challenge.to_owned()], detail.to_owned())
    );
    for path in ["/me", "/checked", "/office", "/office/safe"] {
        assert_eq!(refusal(&get(path, "").await.unwrap()).0, 401, "{path}");
        let (status, challenges, detail) = refusal(&get(path, "Bearer mallory").await.unwrap());
        assert_eq!(
            (status, &*detail),
            (401, "the token was taken back"),
            "{path}"
        );
        assert_eq!(challenges, ["Bearer realm=\"login\""]);
    }
}

#[tokio::test]
async fn who_is_not_known_is_told_nothing_else_and_no_body_is_read_of_theirs() {
    let app = client(shop());
    // A body that never comes.
    let exchange = app
        .post("/orders")
        .header("content-type", "application/json")
        .body_to_come()
        .open();
    let reply = exchange.reply().await.unwrap();
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
    assert_eq!(issues(&reply), [""; 0]);
    // Nor where the handler itself reads both,
    async fn first(_: Bearer, _: Json<Order>) -> &'static str {
        ""
    }
    let app = client(Router::new().post("/", first));
    let exchange = app
        .post("/")
        .header("content-type", "application/json")
        .body_to_come()
        .open();
    let reply = exchange.reply().await.unwrap();
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
    // whichever comes first.
    async fn both(_: Json<Order>, _: Bearer, _: ApiKey<InHeader>) -> &'static str {
        ""
    }
    let app = client(Router::new().post("/", both));
    let reply = app.post("/").body("{").send().await.unwrap();
    let (status, challenges, _) = refusal(&reply);
    assert_eq!((status, challenges.len()), (401, 2));
    assert_eq!(issues(&reply), [""; 0]);
    let denied = TestClient::new(shop().build().unwrap())
        .websocket("/live")
        .connect()
        .await;
    assert_eq!(
        denied.unwrap_err().reply().unwrap().status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn passwords_come_in_a_form() {
    async fn token(Form(form): Form<PasswordForm>) -> String {
        format!("{form:?} {:?}", form.scopes().collect::<Vec<_>>())
    }
    let app = client(Router::new().post("/token", token));
    let post = |body: &'static str| {
        app.post("/token")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body)
            .send()
    };
    let reply = post("grant_type=password&username=a&password=b&scope=x++y")
        .await
        .unwrap();
    // The password is not shown.
    reply.check(
        200,
        "PasswordForm { username: \"a\", scope: \"x  y\", .. } [\"x\", \"y\"]",
    );
    let wrong = post("grant_type=code&username=a").await.unwrap();
    assert_eq!(
        issues(&wrong),
        [
            "body.password: is missing (missing)",
            "body.grant_type: does not match ^password$ (pattern)"
        ]
    );
}

async fn document(router: Router) -> Value {
    let app = client(router.openapi(OpenApi::new("Shop", "1")));
    app.get("/openapi.json").send().await.unwrap().json()
}

#[tokio::test]
async fn the_document_names_the_schemes_and_who_needs_which_through_all_providers() {
    let router = shop()
        .get("/maybe", async |_: Option<Bearer>| "")
        .get("/either", async |_: Either<ApiKey<InHeader>, Basic>| "")
        .get("/both", async |_: ApiKey<InQuery>, _: ApiKey<InCookie>| "")
        .get(
            "/elsewhere",
            async |_: Bearer<Elsewhere>, _: Option<Bearer>| "",
        );
    let document = document(router).await;
    assert_eq!(
        document["components"]["securitySchemes"],
        json!({
            "basic": {"type": "http", "scheme": "basic"},
            "bearer": {"type": "http", "scheme": "bearer"},
            "elsewhere": {"type": "openIdConnect", "openIdConnectUrl": "https://id.example/found"},
            "link": {"type": "apiKey", "in": "query", "name": "key"},
            "login": {
                "type": "oauth2",
                "description": "Ask for it.",
                "flows": {
                    "password": {"tokenUrl": "/token", "scopes": {"read": "See.", "write": "Change."}},
                    "authorizationCode": {
                        "authorizationUrl": "https://a.example/in",
                        "tokenUrl": "https://a.example/token",
                        "refreshUrl": "https://a.example/refresh",
                        "scopes": {},
                    },
                },
            },
            "machine": {"type": "apiKey", "in": "header", "name": "x-key"},
            "ticket": {"type": "apiKey", "in": "cookie", "name": "ticket"},
        })
    );
    for (path, method, expected) in [
        ("/me", "get", json!([{"login": []}])),
        ("/checked", "get", json!([{"login": []}])),
        ("/office", "get", json!([{"login": []}])),
        ("/office/safe", "get", json!([{"login": ["read", "write"]}])),
        ("/orders", "post", json!([{"login": ["write"]}])),
        ("/live", "get", json!([{"login": []}])),
        ("/open", "get", Value::Null),
        ("/maybe", "get", json!([{}, {"bearer": []}])),
        ("/either", "get", json!([{"machine": []}, {"basic": []}])),
        ("/both", "get", json!([{"link": [], "ticket": []}])),
        (
            "/elsewhere",
            "get",
            json!([{"elsewhere": []}, {"bearer": [], "elsewhere": []}]),
        ),
    ] {
        let operation = &document["paths"][path][method];
        assert_eq!(operation["security"], expected, "{path}");
        let has = |status: &str| operation["responses"].get(status).is_some();
        assert_eq!(has("401"), !expected.is_null(), "{path}");
        assert_eq!(
            has("403"),
            path == "/orders" || path == "/office/safe",
            "{path}"
        );
    }
    assert_eq!(
        document["paths"]["/office"]["get"]["tags"],
        json!(["office", "inner"])
    );
}

#[test]
fn scopes_that_nobody_checks_and_names_of_two_schemes_are_refused() {
    struct Other;
    impl Security for Other {
        const NAME: &'static str = "login";
        const SCHEME: SecurityScheme = SecurityScheme::Basic;
    }
    for (router, expected) in [
        (
            Router::new().get("/", route(async |_: Bearer| "").scope("read")),
            "asks for scopes, and neither its arguments nor its providers read `NeededScopes`",
        ),
        (
            shop().get("/x", route(async |_: Depends<User>| "").scope("raed")),
            "asks for the scope `raed`, which none of its schemes has",
        ),
        (
            shop()
                .get("/x", async |_: Basic<Other>| "")
                .openapi(OpenApi::new("", "")),
            "the security scheme `login` is two that are not the same",
        ),
        (
            Router::new().get("/x", route(async || "").requires::<User>()),
            "and nothing provides it",
        ),
    ] {
        let error = router.build().unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        let is_need = expected.starts_with("and nothing");
        assert_eq!(error.kind() == RouterErrorKind::Security, !is_need);
    }
    // Who else gives tokens out may know scopes of its own.
    let open = Router::new().get(
        "/",
        route(async |_: Bearer<Elsewhere>, _: NeededScopes| "").scope("any"),
    );
    assert!(open.build().is_ok());
}

#[test]
fn secrets_are_compared_and_not_shown() {
    let app = client(
        Router::new().get("/", async |token: Bearer, key: ApiKey<InQuery>| {
            format!("{token:?} {key:?} {} {}", token.is("abc"), token.is("abd"))
        }),
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let reply = runtime.block_on(
        app.get("/?key=secret")
            .header("authorization", "Bearer abc")
            .send(),
    );
    reply
        .unwrap()
        .check(200, "Bearer(bearer ..) ApiKey(link ..) true false");
}
