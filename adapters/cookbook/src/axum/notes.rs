//! The notes as resources.

use axum::Json;
use axum::extract::multipart::MultipartError;
use axum::extract::{Form, Multipart, Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::{Deserialize, Serialize};

use super::{Board, Note};

/// What a note is made of.
#[derive(Debug, Deserialize)]
pub(super) struct NewNote {
    text: String,
}

/// Which notes to list.
#[derive(Debug, Deserialize)]
pub(super) struct Page {
    #[serde(default)]
    after: u64,
    #[serde(default = "page_length")]
    limit: usize,
}

const fn page_length() -> usize {
    100
}

pub(super) async fn list(State(board): State<Board>, Query(page): Query<Page>) -> Json<Vec<Note>> {
    Json(board.after(page.after, page.limit))
}

pub(super) async fn create(State(board): State<Board>, Json(new): Json<NewNote>) -> Response {
    created(board.post(new.text))
}

pub(super) async fn create_from_form(
    State(board): State<Board>,
    Form(new): Form<NewNote>,
) -> Redirect {
    Redirect::to(&location(&board.post(new.text)))
}

pub(super) async fn show(
    State(board): State<Board>,
    Path(id): Path<u64>,
) -> Result<Json<Note>, StatusCode> {
    board.note(id).map(Json).ok_or(StatusCode::NOT_FOUND)
}

pub(super) async fn replace(
    State(board): State<Board>,
    Path(id): Path<u64>,
    Json(new): Json<NewNote>,
) -> Result<Json<Note>, StatusCode> {
    let replaced = board.replace(id, new.text);
    replaced.map(Json).ok_or(StatusCode::NOT_FOUND)
}

pub(super) async fn remove(State(board): State<Board>, Path(id): Path<u64>) -> StatusCode {
    match board.remove(id) {
        Some(_) => StatusCode::NO_CONTENT,
        None => StatusCode::NOT_FOUND,
    }
}

/// Waits for the next note. A client that leaves ends the wait: axum drops this future.
pub(super) async fn next(State(board): State<Board>) -> Result<Json<Note>, StatusCode> {
    let mut posted = board.posted();
    let _watching = board.watch();
    let next = posted.recv().await;
    next.map(Json).map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
}

/// What came in one field of a multipart form.
#[derive(Debug, Serialize)]
pub(super) struct Uploaded {
    field: String,
    file: Option<String>,
    kind: Option<String>,
    bytes: usize,
}

pub(super) async fn upload(mut form: Multipart) -> Result<Json<Vec<Uploaded>>, MultipartError> {
    let mut uploaded = Vec::new();
    while let Some(mut field) = form.next_field().await? {
        let mut bytes = 0;
        while let Some(chunk) = field.chunk().await? {
            bytes += chunk.len();
        }
        uploaded.push(Uploaded {
            field: field.name().unwrap_or_default().to_owned(),
            file: field.file_name().map(str::to_owned),
            kind: field.content_type().map(str::to_owned),
            bytes,
        });
    }
    Ok(Json(uploaded))
}

fn created(note: Note) -> Response {
    let location = [(header::LOCATION, location(&note))];
    (StatusCode::CREATED, location, Json(note)).into_response()
}

fn location(note: &Note) -> String {
    format!("/api/notes/{}", note.id)
}
