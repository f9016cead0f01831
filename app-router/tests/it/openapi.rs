//! The document that a router makes of itself, and the page that shows it.

use app_router::{
    Cookies, Depends, Form, HeaderFields, Html, Json, Multipart, OpenApi, Operation, Params, Path,
    Query, Redirect, Router, RouterErrorKind, Routes, Status, route,
};
use gateway_spec::{AppError, Done, WebSocket};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use test_client::TestClient;

use crate::support::Check;

/// Something for sale.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Item {
    /// What it is called.
    #[schemars(length(min = 1))]
    name: String,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Tag {
    text: String,
    parent: Option<Box<Self>>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Page {
    /// From one on.
    page: Option<u32>,
    tag: Vec<String>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Key {
    x_key: String,
    authorization: Option<String>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Session {
    sid: String,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Place {
    b: u8,
    a: String,
}

struct User;

async fn user(_: HeaderFields<Key>) -> Depends<User> {
    Depends::new(User)
}

fn router() -> Router {
    async fn list(_: Query<Page>) -> Json<Vec<Item>> {
        Json(Vec::new())
    }
    async fn create(_: Depends<User>, Json(item): Json<Item>) -> Status<201, Json<Item>> {
        Status(Json(item))
    }
    async fn delete(_: Path<u64>, _: Cookies<Session>) -> StatusCode {
        StatusCode::NO_CONTENT
    }
    async fn socket(socket: WebSocket, _: Params) -> Result<Done, AppError> {
        socket.handshake.deny(StatusCode::GONE).await
    }
    let gone = |operation: &mut Operation| {
        operation.response(StatusCode::NO_CONTENT, "it is no more");
        operation.rejects(StatusCode::NOT_FOUND, "there was none");
    };
    Router::new()
        .openapi(OpenApi::new("Shop", "1.2").description("Buy things."))
        .provide(user)
        .get("/items", route(list).summary("All items").tag("items"))
        .post(
            "/items",
            route(create).name("create_item").description("Adds *one*."),
        )
        .delete("/items/{id}", route(delete).deprecated().describe(gone))
        .get("/at/{a}/{b}", async |_: Path<Place>| "at")
        .get("/files/{*rest}", async || Html(""))
        .post("/form", async |_: Form<Tag>| "")
        .post("/upload", async |_: Multipart| "")
        .websocket("/ws/{room}", socket)
        .get("/secret", route(async || "").hidden())
        .route("REPORT".parse().unwrap(), "/items", async || "")
}

fn routes() -> Routes {
    router().build().unwrap()
}

async fn document() -> Value {
    let app = TestClient::new(routes());
    let reply = app.get("/openapi.json").send().await.unwrap();
    assert_eq!(reply.header("content-type"), Some("application/json"));
    reply.json()
}

#[tokio::test]
async fn paths_methods_and_what_is_said_of_them_are_in_the_document() {
    let document = document().await;
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(
        document["info"],
        json!({"title": "Shop", "version": "1.2", "description": "Buy things."})
    );
    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    assert_eq!(
        paths,
        [
            "/at/{a}/{b}",
            "/files/{rest}",
            "/form",
            "/items",
            "/items/{id}",
            "/upload",
            "/ws/{room}"
        ]
    );
    let items = document["paths"]["/items"].as_object().unwrap();
    assert_eq!(items.keys().collect::<Vec<_>>(), ["get", "post"]);
    assert_eq!(items["get"]["summary"], "All items");
    // Without one, the name of the function says what it does.
    assert_eq!(items["post"]["summary"], "Create");
    let closure = &document["paths"]["/form"]["post"];
    assert_eq!(closure.get("summary"), None);
    assert_eq!(items["get"]["tags"], json!(["items"]));
    assert_eq!(items["get"]["operationId"], "get_items");
    assert_eq!(items["post"]["operationId"], "create_item");
    assert_eq!(items["post"]["description"], "Adds *one*.");
    let delete = &document["paths"]["/items/{id}"]["delete"];
    assert_eq!(delete["deprecated"], true);
    assert_eq!(
        delete["responses"]["204"],
        json!({"description": "it is no more"})
    );
    assert_eq!(delete["responses"]["404"]["description"], "there was none");
    let socket = &document["paths"]["/ws/{room}"]["get"];
    assert_eq!(socket["x-websocket"], true);
    assert_eq!(
        socket["responses"]["101"]["description"],
        "a WebSocket is open"
    );
}

#[tokio::test]
async fn parameters_come_from_the_types_of_handlers_and_providers() {
    let document = document().await;
    let parameters = |path: &str, method: &str| -> Vec<String> {
        let list = document["paths"][path][method]["parameters"]
            .as_array()
            .unwrap();
        let text = |parameter: &Value| {
            let kind = parameter["schema"]["type"].to_string();
            format!(
                "{} {} {} {kind}",
                parameter["in"].as_str().unwrap(),
                parameter["name"].as_str().unwrap(),
                parameter.get("required").is_some()
            )
        };
        list.iter().map(text).collect()
    };
    assert_eq!(
        parameters("/items", "get"),
        [
            "query page false [\"integer\",\"null\"]",
            "query tag true \"array\""
        ]
    );
    let page = &document["paths"]["/items"]["get"]["parameters"][0];
    assert_eq!(page["description"], "From one on.");
    // Authorization is described otherwise.
    assert_eq!(
        parameters("/items", "post"),
        ["header x-key true \"string\""]
    );
    assert_eq!(
        parameters("/items/{id}", "delete"),
        ["path id true \"integer\"", "cookie sid true \"string\""]
    );
    assert_eq!(
        parameters("/at/{a}/{b}", "get"),
        ["path a true \"string\"", "path b true \"integer\""]
    );
    assert_eq!(
        parameters("/files/{rest}", "get"),
        ["path rest true \"string\""]
    );
}

#[tokio::test]
async fn bodies_refer_to_their_schemas_and_only_what_is_used_is_defined() {
    let document = document().await;
    let create = &document["paths"]["/items"]["post"];
    assert_eq!(
        create["requestBody"],
        json!({"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Item"}}}})
    );
    // What is written always has the list, which may be left out of what is read.
    assert_eq!(
        create["responses"]["201"]["content"]["application/json"]["schema"]["$ref"],
        "#/components/schemas/ItemWritten"
    );
    assert_eq!(
        create["responses"]["422"]["content"]["application/problem+json"]["schema"]["$ref"],
        "#/components/schemas/Problem"
    );
    let schemas = document["components"]["schemas"].as_object().unwrap();
    assert_eq!(
        schemas.keys().collect::<Vec<_>>(),
        [
            "Item",
            "ItemWritten",
            "Problem",
            "Step",
            "Tag",
            "TagWritten"
        ]
    );
    assert_eq!(schemas["Item"]["description"], "Something for sale.");
    assert_eq!(schemas["Item"]["required"], json!(["name"]));
    assert_eq!(schemas["ItemWritten"]["required"], json!(["name", "tags"]));
    let page = &document["paths"]["/files/{rest}"]["get"]["responses"]["200"];
    assert_eq!(page["content"], json!({"text/html": {"schema": {}}}));
    let upload = &document["paths"]["/upload"]["post"]["requestBody"]["content"];
    assert!(upload.get("multipart/form-data").is_some());
}

#[tokio::test]
async fn every_reference_has_its_target() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let document = document().await;
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 5);
    for reference in found {
        assert!(document.pointer(&reference[1..]).is_some(), "{reference}");
    }
}

#[tokio::test]
async fn the_page_and_its_files_are_served_with_a_policy_wherever_it_is_mounted() {
    let app = TestClient::new(Router::new().mount("/v1", routes()).build().unwrap());
    let page = app.get("/v1/docs").send().await.unwrap();
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert!(
        page.header("content-security-policy")
            .unwrap()
            .starts_with("default-src 'none'")
    );
    assert!(page.text().contains("data-document=\"openapi.json\""));
    assert!(!page.text().contains("http:") && !page.text().contains("https:"));
    for (file, kind) in [
        ("page.js", "text/javascript; charset=utf-8"),
        ("authorize.js", "text/javascript; charset=utf-8"),
        ("page.css", "text/css; charset=utf-8"),
    ] {
        assert!(page.text().contains(&format!("\"docs/{file}\"")));
        let file = app.get(&format!("/v1/docs/{file}")).send().await.unwrap();
        assert_eq!(file.header("content-type"), Some(kind));
        assert!(!file.text().is_empty());
    }
    let elsewhere = Router::new()
        .openapi(
            OpenApi::new("Shop", "1")
                .document_at("/api/spec.json")
                .page_at("/help/api"),
        )
        .build()
        .unwrap();
    let elsewhere = TestClient::new(elsewhere);
    let page = elsewhere.get("/help/api").send().await.unwrap();
    assert!(page.text().contains("data-document=\"../api/spec.json\""));
    // Requests go to the application's own root, wherever the document lies.
    assert!(page.text().contains("data-root=\"./../\""));
    assert!(page.text().contains("\"api/page.js\""));
    assert_eq!(
        elsewhere.get("/api/spec.json").send().await.unwrap().status,
        StatusCode::OK
    );
    let bare = Router::new()
        .openapi(OpenApi::new("Shop", "1").without_page())
        .build()
        .unwrap();
    let bare = TestClient::new(bare);
    bare.get("/docs")
        .send()
        .await
        .unwrap()
        .check(404, "Not Found");
    let document: Value = bare.get("/openapi.json").send().await.unwrap().json();
    assert_eq!(
        document,
        json!({"openapi": "3.1.0", "info": {"title": "Shop", "version": "1"}, "paths": {}})
    );
    // A route of the application's own is not hidden by the page.
    let twice = router().get("/docs", async || "").build().unwrap_err();
    assert!(twice.to_string().contains("`GET /docs`"), "{twice}");
}

#[tokio::test]
async fn what_is_said_of_the_whole_is_in_the_document() {
    #[derive(Serialize, JsonSchema)]
    struct Sale {
        item: u64,
    }
    let whole = OpenApi::new("Shop", "1.2")
        .summary("A shop.")
        .terms_of_service("https://a.example/terms")
        .contact("Ada", "ada@a.example")
        .license("MIT")
        .external_docs("https://a.example/more", "More")
        .server("https://a.example/v1", "for all")
        .tag("items", "What there is.")
        .webhook("sold", "Something was sold", |operation| {
            operation.body_of::<Sale>("application/json");
            operation.response(StatusCode::NO_CONTENT, "it was heard");
        });
    let inner = Router::new().openapi(whole).build().unwrap();
    let app = TestClient::new(Router::new().mount("/shop", inner).build().unwrap());
    let document: Value = app.get("/shop/openapi.json").send().await.unwrap().json();
    assert_eq!(
        document,
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": "Shop",
                "version": "1.2",
                "summary": "A shop.",
                "termsOfService": "https://a.example/terms",
                "contact": {"name": "Ada", "email": "ada@a.example"},
                "license": {"name": "MIT", "identifier": "MIT"},
            },
            "externalDocs": {"url": "https://a.example/more", "description": "More"},
            // Its own, and not the mount's.
            "servers": [{"url": "https://a.example/v1", "description": "for all"}],
            "tags": [{"name": "items", "description": "What there is."}],
            "paths": {},
            "webhooks": {"sold": {"post": {
                "summary": "Something was sold",
                "requestBody": {
                    "required": true,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Sale"}}},
                },
                "responses": {"204": {"description": "it was heard"}},
            }}},
            "components": {"schemas": {"Sale": document["components"]["schemas"]["Sale"]}},
        })
    );
    assert_eq!(
        document["components"]["schemas"]["Sale"]["required"],
        json!(["item"])
    );
}

#[tokio::test]
async fn versions_beside_each_other_have_a_document_each_that_says_where_it_is() {
    let version = |version: &str| Router::new().openapi(OpenApi::new("Shop", version)).build();
    let app = Router::new()
        .mount("/v1", version("1").unwrap())
        .mount("/v2", version("2").unwrap());
    let app = TestClient::new(app.build().unwrap());
    for (path, number) in [("/v1", "1"), ("/v2", "2")] {
        let reply = app.get(&format!("{path}/openapi.json")).send().await;
        let document: Value = reply.unwrap().json();
        assert_eq!(document["info"]["version"], number);
        assert_eq!(document["servers"], json!([{ "url": path }]));
    }
}

#[tokio::test]
async fn headers_examples_callbacks_and_empty_replies_are_described() {
    async fn create(Json(item): Json<Item>) -> Status<201, Json<Item>> {
        Status(Json(item))
    }
    let create = route(create).describe(|operation| {
        let item = json!({"name": "tea"});
        operation.body_example("tea", &item);
        operation.response_example(StatusCode::CREATED, "tea", &item);
        operation.response_header::<u64>(StatusCode::CREATED, "x-left", "how many are left");
        operation.callback("paid", "{$request.body#/url}", http::Method::POST, |paid| {
            paid.body_of::<Tag>("application/json");
            paid.response(StatusCode::NO_CONTENT, "it was heard");
        });
    });
    let router = Router::new()
        .openapi(OpenApi::new("", ""))
        .post("/", create)
        .get("/gone", async || Status::<204, _>(StatusCode::NO_CONTENT))
        .get("/away", async || Redirect::temporary("/"));
    let app = TestClient::new(router.build().unwrap());
    let document: Value = app.get("/openapi.json").send().await.unwrap().json();
    let create = &document["paths"]["/"]["post"];
    let example = json!({"tea": {"value": {"name": "tea"}}});
    assert_eq!(
        create["requestBody"]["content"]["application/json"]["examples"],
        example
    );
    let created = &create["responses"]["201"];
    assert_eq!(created["content"]["application/json"]["examples"], example);
    let left = &created["headers"]["x-left"];
    assert_eq!(left["description"], "how many are left");
    assert_eq!(left["schema"]["type"], "integer");
    let paid = &create["callbacks"]["paid"]["{$request.body#/url}"]["post"];
    assert_eq!(
        paid["requestBody"]["content"]["application/json"]["schema"],
        json!({"$ref": "#/components/schemas/Tag"})
    );
    let statuses = |path: &str| -> Vec<String> {
        let responses = document["paths"][path]["get"]["responses"].as_object();
        responses.unwrap().keys().cloned().collect()
    };
    assert_eq!(statuses("/gone"), ["204"]);
    assert_eq!(statuses("/away"), ["303", "307", "308"]);
}

#[test]
fn a_page_or_a_document_at_no_path_is_refused_when_the_router_is_built() {
    let about = || OpenApi::new("", "");
    for openapi in [
        about().page_at("docs"),
        about().page_at("/docs/"),
        about().page_at("/"),
        about().page_at(""),
        about().document_at("openapi.json"),
        about().document_at(""),
    ] {
        let error = Router::new().openapi(openapi).build().unwrap_err();
        assert_eq!(error.kind(), RouterErrorKind::Pattern);
        assert!(error.to_string().contains("openapi.rs:"), "{error}");
    }
}
