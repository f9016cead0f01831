//! Types in the document that are written otherwise than they are read, and what a document leaves out.

use app_router::{Json, OpenApi, Router, route};
use gateway_spec::{AppError, Done, WebSocket};
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::support::client;

#[derive(Serialize, Deserialize, JsonSchema)]
struct Outer {
    middle: Middle,
    same: Same,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Middle {
    inner: Vec<Inner>,
}

/// What is written always has the field.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Inner {
    #[serde(default)]
    text: String,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Same {
    text: String,
}

#[tokio::test]
async fn what_holds_a_type_that_has_two_schemas_has_two_itself() {
    let router = Router::new().openapi(OpenApi::new("", ""));
    let app = client(router.post("/", async |outer: Json<Outer>| outer));
    let document: Value = app.get("/openapi.json").send().await.unwrap().json();
    let operation = &document["paths"]["/"]["post"];
    let read = &operation["requestBody"]["content"]["application/json"]["schema"];
    let written = &operation["responses"]["200"]["content"]["application/json"]["schema"];
    for (schema, required) in [(read, None), (written, Some("text"))] {
        let target = |schema: &Value| {
            let reference = schema["$ref"].as_str().unwrap();
            document.pointer(&reference[1..]).unwrap().clone()
        };
        let outer = target(schema);
        assert_eq!(
            outer["properties"]["same"]["$ref"],
            "#/components/schemas/Same"
        );
        let middle = target(&outer["properties"]["middle"]);
        let inner = target(&middle["properties"]["inner"]["items"]);
        assert_eq!(inner["required"][0].as_str(), required);
    }
}

async fn document(router: Router) -> Value {
    let app = client(router.openapi(OpenApi::new("", "")));
    app.get("/openapi.json").send().await.unwrap().json()
}

/// A path has one operation for each method, and a handshake is a `GET`.
#[tokio::test]
async fn a_function_of_get_is_shown_before_a_socket_of_the_same_path() {
    async fn socket(socket: WebSocket) -> Result<Done, AppError> {
        socket.handshake.deny(StatusCode::GONE).await
    }
    let shown = route(async || "").summary("A page");
    let router = Router::new().websocket("/", socket).get("/", shown);
    let both = document(router.websocket("/alone", socket)).await;
    let get = &both["paths"]["/"]["get"];
    assert_eq!(get["summary"], "A page");
    assert_eq!(get.get("x-websocket"), None);
    assert_eq!(both["paths"]["/alone"]["get"]["x-websocket"], true);
}

/// What this application refuses, it says of its own routes, not of those that it calls.
#[tokio::test]
async fn requests_that_the_application_sends_are_not_said_to_be_refused() {
    let order = route(async |_: Json<Same>| "").describe(|operation| {
        operation.callback("paid", "{$request.body#/url}", Method::POST, |paid| {
            paid.body_of::<Same>("application/json");
            paid.response(StatusCode::NO_CONTENT, "it was heard");
        });
    });
    let openapi = OpenApi::new("", "").webhook("sold", "", |operation| {
        operation.body_of::<Same>("application/json");
        operation.response(StatusCode::NO_CONTENT, "it was heard");
    });
    let app = client(Router::new().post("/", order).openapi(openapi));
    let document: Value = app.get("/openapi.json").send().await.unwrap().json();
    let post = &document["paths"]["/"]["post"];
    let callback = &post["callbacks"]["paid"]["{$request.body#/url}"]["post"];
    let webhook = &document["webhooks"]["sold"]["post"];
    assert!(post["responses"].get("422").is_some());
    for sent in [callback, webhook] {
        let responses = sent["responses"].as_object().unwrap();
        assert_eq!(responses.keys().collect::<Vec<_>>(), ["204"]);
    }
}
