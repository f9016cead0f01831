//! The application: a route for each thing that the framework does for one.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use adapters::files::Files;
use app_router::middleware::{
    Rate, Session, SessionKey, SessionTooLarge, csrf, rate_limit, sessions,
};
use app_router::{
    Background, Depends, Ending, Event, FileReply, HeaderFields, Json, JsonLines, LastEventId,
    Multipart, Path, Query, Rejection, Reply, Router, Slashes, Sse, Teardown,
};
use bytes::Bytes;
use gateway_spec::{
    Accept, AppError, Application, CloseCode, Connection, Done, Scope, State, WebSocket,
    application_fn,
};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::notes::Notes;

/// What is served as files.
pub(crate) const FILE: &str = "0123456789";

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// All of it, in the order that the middleware's page recommends.
pub(crate) fn app() -> Result<impl Application, Failed> {
    let notes = Notes::new();
    let key = SessionKey::from_secret(&[7; 32])?;
    let site = Router::new()
        .get("/visits", visits)
        .post("/transfer", async || "done")
        .build()?;
    let site = csrf(sessions(site, key));
    let slow = Router::new().get("/", async || "in time").build()?;
    let router = routes(notes)
        .mount("/site", site)
        // So slow that no machine is, and no test meets the next one.
        .mount("/rate", rate_limit(slow, Rate::per_minute(1).burst(2)))
        .mount("/files", Files::new(directory()?)?)
        .mount("/mounted", application_fn(mounted));
    Ok(router.build()?)
}

fn routes(notes: Notes) -> Router {
    let provided = move || {
        let notes = notes.clone();
        async move { Depends::new(notes) }
    };
    Router::new()
        .slashes(Slashes::Redirect)
        .provide(provided)
        .provide(transaction)
        .provide(member)
        .get("/hello", async || "hello")
        .post("/hello", async || "posted")
        .get("/folder/", async || "in the folder")
        .get("/item/{id}", item)
        .post("/item/{id}", change_item)
        .post("/shape", async |_: Json<Shape>| "a shape")
        .get(
            "/pages",
            async |HeaderFields(paged): HeaderFields<Paged>| paged.x_page.to_string(),
        )
        .post("/upload", upload)
        .get("/events", events)
        .get("/quiet", quiet)
        .get("/lines", lines)
        .post("/background", background)
        .post("/at-the-end", at_the_end)
        .post("/order", order)
        .get("/report", report)
        .websocket("/room/{room}", room)
        .get("/blocking", blocking)
        .get("/file", file)
        .get(
            "/notes/{count}",
            async |Path(count): Path<usize>, notes: Depends<Notes>| notes.first(count).await,
        )
        .get(
            "/open/{gate}",
            async |Path(gate): Path<String>, notes: Depends<Notes>| {
                notes.open(gate);
                "open"
            },
        )
}

#[derive(Deserialize, JsonSchema)]
struct Page {
    page: u32,
    #[serde(default)]
    tag: Vec<String>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Item {
    name: String,
    #[schemars(range(min = 1))]
    price: u32,
}

/// Several forms of it hold the same again.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Shape {
    Dot {
        #[schemars(range(min = 1))]
        size: u8,
    },
    Group {
        of: Vec<Self>,
    },
    Clip {
        of: Vec<Self>,
    },
    Mask {
        of: Vec<Self>,
    },
}

#[derive(Deserialize, JsonSchema)]
struct Paged {
    x_page: u32,
}

#[derive(Serialize, JsonSchema)]
struct Shown {
    id: u64,
    page: u32,
    tag: Vec<String>,
}

async fn item(Path(id): Path<u64>, Query(Page { page, tag }): Query<Page>) -> Json<Shown> {
    Json(Shown { id, page, tag })
}

async fn change_item(
    Path(id): Path<u64>,
    Query(page): Query<Page>,
    Json(item): Json<Item>,
) -> String {
    format!("{id}: {} for {} on {}", item.name, item.price, page.page)
}

/// Notes each part as it begins, so that one sees that it is not waited for the whole.
async fn upload(notes: Depends<Notes>, mut form: Multipart) -> Result<String, AppError> {
    let mut sizes = Vec::new();
    while let Some(mut part) = form.next().await? {
        notes.add(format!("begun: {}", part.name()));
        let mut size = 0;
        while let Some(chunk) = part.chunk().await? {
            size += chunk.len();
        }
        sizes.push(format!("{} {}", part.name(), size));
    }
    Ok(sizes.join(", "))
}

/// Two events at once, and each other when its gate opens.
async fn events(LastEventId(last): LastEventId, notes: Depends<Notes>) -> Sse {
    let first = last.and_then(|id| id.parse::<u32>().ok()).unwrap_or(0) + 1;
    Sse::produce(async move |events| {
        for n in first.. {
            if n > first + 1 {
                notes.wait_at(&format!("event-{n}")).await;
            }
            events
                .send(Event::data(format!("event {n}")).with_id(n))
                .await?;
        }
        Ok(())
    })
}

/// Nothing at all until its gate opens.
async fn quiet(notes: Depends<Notes>) -> Sse {
    Sse::produce(async move |events| {
        notes.wait_at("quiet").await;
        events.send(Event::data("a word")).await?;
        Ok(())
    })
}

async fn lines(notes: Depends<Notes>) -> JsonLines<Item> {
    JsonLines::produce(async move |lines| {
        for price in 1..=2 {
            let name = String::from("tea");
            lines.send(Item { name, price }).await?;
            notes.wait_at("lines").await;
        }
        Ok(())
    })
}

async fn background(background: Background, notes: Depends<Notes>) -> StatusCode {
    background.add(async move {
        notes.add("begun after the answer");
        notes.wait_at("background").await;
        notes.add("done after the answer");
        Ok(())
    });
    StatusCode::ACCEPTED
}

/// Work that begins when the server stops, and takes some time then.
async fn at_the_end(background: Background, scope: Scope) -> StatusCode {
    background.add(async move {
        scope.drain().await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        eprintln!("the work after the answer is done");
        Ok(())
    });
    StatusCode::ACCEPTED
}

struct Transaction;

/// Notes how both scopes end.
async fn transaction(teardown: Teardown, notes: Depends<Notes>) -> Depends<Transaction> {
    notes.add("begun");
    let of_response = notes.clone();
    let ended = |ending| match ending {
        Ending::Returned => "returned",
        Ending::Failed => "failed",
        Ending::Panicked => "panicked",
    };
    teardown.after_handler(async move |ending| {
        notes.add(format!("handler {}", ended(ending)));
        Ok(())
    });
    teardown.after_response(async move |ending| {
        of_response.add(format!("response {}", ended(ending)));
        Ok(())
    });
    Depends::new(Transaction)
}

async fn order(_transaction: Depends<Transaction>, body: Bytes) -> String {
    format!("{} bytes", body.len())
}

/// A stream without an end of its own.
async fn report(_transaction: Depends<Transaction>) -> Reply {
    Reply::stream(StatusCode::OK, async |mut writer, _drain| {
        loop {
            writer.write("a line of the report\n").await?;
        }
    })
}

#[derive(Deserialize, JsonSchema)]
struct Sent {
    x_member: Option<String>,
}

struct Member(String);

async fn member(HeaderFields(sent): HeaderFields<Sent>) -> Result<Depends<Member>, Rejection> {
    match sent.x_member {
        Some(name) => Ok(Depends::new(Member(name))),
        None => Err(Rejection::of(StatusCode::UNAUTHORIZED)),
    }
}

async fn room(
    socket: WebSocket,
    Path(room): Path<u8>,
    member: Depends<Member>,
    _transaction: Depends<Transaction>,
) -> Result<Done, AppError> {
    let mut socket = socket.handshake.accept(Accept::new()).await?;
    while let Some(message) = socket.message().await {
        let text = message.as_text().unwrap_or_default();
        socket
            .send(format!("{} in {room}: {text}", member.0))
            .await?;
    }
    socket.close(CloseCode::NORMAL, "").await
}

/// Holds its thread.
fn blocking(notes: Depends<Notes>) -> String {
    notes.add("blocked");
    notes.block();
    let thread = std::thread::current();
    thread.name().unwrap_or_default().to_owned()
}

fn file() -> io::Result<FileReply> {
    let file = File::open(directory()?.join("digits.txt"))?;
    Ok(FileReply::new(file, "text/plain")?.as_attachment("Digits »\r\n0-9.txt"))
}

/// A folder with one file, for as long as the machine keeps it: each server writes the same.
fn directory() -> io::Result<PathBuf> {
    let directory = PathBuf::from(concat!(env!("CARGO_TARGET_TMPDIR"), "/framework"));
    std::fs::create_dir_all(&directory)?;
    let path = directory.join("digits.txt");
    if !path.exists() {
        // Another server may read it meanwhile: it is there whole, or not at all.
        let draft = directory.join(format!(".{}", std::process::id()));
        File::create(&draft)?.write_all(FILE.as_bytes())?;
        std::fs::rename(draft, path)?;
    }
    Ok(directory)
}

async fn visits(session: Session) -> Result<String, SessionTooLarge> {
    let visits = session.get::<u64>("visits").unwrap_or(0) + 1;
    session.set("visits", visits)?;
    Ok(visits.to_string())
}

/// An application that is none of the framework's.
async fn mounted(connection: Connection) -> Result<Done, AppError> {
    match connection {
        Connection::Lifespan(lifespan) => {
            let running = lifespan.started(State::new().with("made at startup"));
            running.shutdown_requested().await;
            eprintln!("the mounted application stopped in order");
            Ok(running.stopped())
        }
        Connection::Http(http) => {
            let made = http.scope.state.get::<&str>().copied().unwrap_or_default();
            let seen = format!(
                "{} below {}: {made}",
                http.scope.path(),
                http.scope.root_path()
            );
            http.responder.respond(seen).await
        }
        other => other.refuse().await,
    }
}
