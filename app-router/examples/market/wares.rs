//! Wares: queries, paths, bodies, files, streams.

use std::fs::File;
use std::io;

use app_router::{
    Cookies, Event, FileReply, Form, HeaderFields, Html, Json, JsonLines, Multipart, Path, Query,
    Redirect, Rejection, Router, Sse, Status, Upload, route,
};
use bytes::Bytes;
use gateway_spec::{Accept, AppError, CloseCode, Done, WebSocket};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something for sale.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct Ware {
    /// What it is called.
    #[schemars(length(min = 1, max = 40), regex(pattern = r"^\S"))]
    name: String,
    /// In cents.
    #[schemars(range(min = 1))]
    price: u32,
    #[serde(default)]
    #[schemars(extend("uniqueItems" = true))]
    tags: Vec<String>,
    note: Option<String>,
    #[serde(default)]
    kind: Kind,
    size: Option<Size>,
    /// What it is made of.
    #[serde(default)]
    parts: Vec<Self>,
}

/// Whether somebody had it before.
#[derive(Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Kind {
    #[default]
    New,
    Used,
}

/// How large it is.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(tag = "is", rename_all = "lowercase")]
enum Size {
    Bottle { liters: f64 },
    Box { sides: (u16, u16, u16) },
}

#[derive(Deserialize, JsonSchema)]
struct Search {
    /// Only those with all of these.
    #[serde(default)]
    tag: Vec<String>,
    #[serde(default)]
    kind: Kind,
    #[schemars(range(min = 1, max = 100))]
    limit: Option<u8>,
}

#[derive(Deserialize, JsonSchema)]
struct Caller {
    /// The language that names are wanted in.
    x_language: Option<String>,
    x_request_number: u32,
}

#[derive(Deserialize, JsonSchema)]
struct Visit {
    basket: String,
}

/// A page of wares.
#[derive(Serialize, JsonSchema)]
struct Found {
    wares: Vec<Ware>,
    /// What was asked for, as it was understood.
    asked: String,
}

#[derive(Serialize, JsonSchema)]
struct Seen {
    language: Option<String>,
    number: u32,
    basket: String,
}

#[derive(Deserialize, JsonSchema)]
struct Question {
    text: String,
    #[serde(default)]
    stars: Vec<u8>,
}

/// A picture of a ware.
#[derive(JsonSchema)]
#[expect(
    dead_code,
    reason = "for the document alone: the parts are read one by one"
)]
struct Picture {
    title: String,
    #[schemars(with = "Upload")]
    file: (),
}

#[derive(Serialize, JsonSchema)]
struct Taken {
    title: String,
    name: Option<String>,
    bytes: usize,
}

pub(crate) fn routes() -> Router {
    let get = route(get).name("ware").describe(|operation| {
        operation.rejects(StatusCode::NOT_FOUND, "there is no such ware");
        operation.response_header::<u32>(StatusCode::OK, "x-left", "how many are left");
        operation.response_example(StatusCode::OK, "tea", tea(7));
    });
    let create = route(create)
        .body_limit(4096)
        .describe(|operation| operation.body_example("tea", tea(1)));
    let upload =
        route(upload).describe(|operation| operation.body_of::<Picture>("multipart/form-data"));
    Router::new()
        .tag("wares")
        .get(
            "/",
            route(find).description("Finds *wares*, the newest first."),
        )
        .post("/", create)
        .get("/{id}", get)
        .put("/{id}/name", rename)
        .delete("/{id}", route(remove).deprecated())
        .get("/seen", seen)
        .post("/question", ask)
        .post("/{id}/picture", upload)
        .put("/{id}/raw", async |body: Bytes| {
            format!("{} bytes", body.len())
        })
        .get("/{id}/page", async |Path(id): Path<u32>| {
            Html(format!("<h1>{id}</h1>"))
        })
        .get("/first", async || Redirect::temporary("/wares/1"))
        .get("/manual", manual)
        .get("/prices", prices)
        .get("/lines", lines)
        .get("/secret", route(async || "").hidden())
        .websocket("/live/{room}", live)
}

fn tea(price: u32) -> Ware {
    Ware {
        name: String::from("tea"),
        price,
        tags: vec![String::from("hot")],
        note: None,
        kind: Kind::New,
        size: Some(Size::Bottle { liters: 0.5 }),
        parts: Vec::new(),
    }
}

async fn find(Query(search): Query<Search>) -> Json<Found> {
    let Search { tag, kind, limit } = search;
    let used = matches!(kind, Kind::Used);
    Json(Found {
        wares: vec![tea(3)],
        asked: format!(
            "{} used={used} limit={}",
            tag.join("+"),
            limit.unwrap_or(10)
        ),
    })
}

async fn create(Json(ware): Json<Ware>) -> Status<201, Json<Ware>> {
    Status(Json(ware))
}

async fn get(Path(id): Path<u32>) -> Result<Json<Ware>, Rejection> {
    match id {
        0 => Err(Rejection::new(StatusCode::NOT_FOUND, "there is no ware 0")),
        price => Ok(Json(tea(price))),
    }
}

async fn rename(Path(id): Path<u32>, name: String) -> String {
    format!("{id} is {name}")
}

async fn remove(_: Path<u32>) -> Status<204, StatusCode> {
    Status(StatusCode::NO_CONTENT)
}

async fn seen(
    HeaderFields(caller): HeaderFields<Caller>,
    Cookies(visit): Cookies<Visit>,
) -> Json<Seen> {
    Json(Seen {
        language: caller.x_language,
        number: caller.x_request_number,
        basket: visit.basket,
    })
}

async fn ask(Form(question): Form<Question>) -> Json<String> {
    let stars: u32 = question.stars.iter().copied().map(u32::from).sum();
    Json(format!("{} ({stars})", question.text))
}

/// The most that a title and a picture may have.
const TITLE: usize = 200;
const FILE: usize = 1024 * 1024;

async fn upload(_: Path<u32>, mut form: Multipart) -> Result<Json<Taken>, AppError> {
    let mut taken = Taken {
        title: String::new(),
        name: None,
        bytes: 0,
    };
    while let Some(part) = form.next().await? {
        match part.name() {
            "title" => taken.title = part.text(TITLE).await?,
            "file" => {
                taken.name = part.file_name().map(str::to_owned);
                taken.bytes = part.collect(FILE).await?.len();
            }
            _ => {}
        }
    }
    Ok(Json(taken))
}

/// It blocks, and so it is no `async fn`.
fn manual() -> io::Result<FileReply> {
    FileReply::new(File::open("manual.txt")?, "text/plain; charset=utf-8")
}

async fn prices() -> Sse {
    Sse::produce(async |events| {
        for price in 1..=3 {
            events.send(Event::data(price).with_id(price)).await?;
        }
        Ok(())
    })
}

async fn lines() -> JsonLines<Ware> {
    JsonLines::produce(async |lines| {
        for price in 1..=3 {
            lines.send(tea(price)).await?;
        }
        Ok(())
    })
}

async fn live(socket: WebSocket, _: Path<String>) -> Result<Done, AppError> {
    let mut socket = socket.handshake.accept(Accept::new()).await?;
    while let Some(message) = socket.message().await {
        socket.send(message).await?;
    }
    socket.close(CloseCode::NORMAL, "").await
}
