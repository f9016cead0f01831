//! A guest book as one writes it in Flask: functions that block, an object that holds what they share, routes, and an answer to
//! each error. `flask.md` tells it beside the Python.
//!
//! It has a form and a session, JSON in and out, an answer that is generated while it is sent, one that is a file, an upload
//! that is read line by line, and a file that is opened at startup and closed at shutdown.

mod entry;
mod failure;
mod form;
mod page;
mod sessions;
mod store;

use std::fs::File;
use std::io::{self, BufRead, Read};
use std::path::PathBuf;
use std::sync::OnceLock;

use gateway::bytes::Bytes;
use gateway::types::{HeaderValue, Method, StatusCode, header};
use gateway::{
    AppError, Done, HttpScope, Response, ResponseHead, State, SyncApplication, SyncBody, SyncHttp,
    SyncResponder,
};

use entry::Draft;
use failure::Failure;
use form::Form;
use sessions::Sessions;
use store::Store;

/// Bytes of a form or a JSON document: the longest name and text fit in, percent-encoded.
const DOCUMENT_BYTES: usize = 32 * 1024;

/// Bytes of a line of an import: the longest name and text fit in.
const LINE_BYTES: u64 = 16 * 1024;

/// Entries on the page; the others are in the JSON.
const SHOWN: usize = 50;

/// The guest book: Flask's `app`, and what its requests share.
///
/// | request | answer |
/// |---|---|
/// | `GET /` | the page, which greets those who have signed |
/// | `POST /sign` | takes the page's form, and leads back to it |
/// | `GET /entries`, `?name=` | all entries, or those of a name, as JSON |
/// | `POST /entries` | takes one as JSON |
/// | `GET /entries/7` | the seventh |
/// | `GET /export.csv` | all of them, generated while they are sent |
/// | `GET /backup` | the file that they are in |
/// | `POST /import` | takes lines of `name: text`, while they come |
///
/// # Examples
///
/// ```no_run
/// use cookbook::flask::GuestBook;
///
/// fn main() -> std::process::ExitCode {
///     gateway::run(adapters::sync(GuestBook::at("guests.jsonl")))
/// }
/// ```
#[derive(Debug)]
pub struct GuestBook {
    path: PathBuf,
    store: OnceLock<Store>,
    sessions: Sessions,
}

impl GuestBook {
    /// A guest book whose entries are in this file. The startup makes it, if it is not there.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            store: OnceLock::new(),
            sessions: Sessions::default(),
        }
    }
}

/// What the server calls: WSGI's callable, and before and after it what Flask leaves to others.
impl SyncApplication for GuestBook {
    fn call(&self, http: SyncHttp) -> Result<Done, AppError> {
        let SyncHttp {
            scope,
            mut body,
            responder,
        } = http;
        match self.route(&scope, &mut body) {
            Ok(answer) => answer.send(responder),
            Err(failure) => responder.respond(failure.into_response()?),
        }
    }

    fn startup(&self) -> Result<State, AppError> {
        let store = Store::open(&self.path)?;
        // A second startup would be another process's.
        self.store.get_or_init(|| store);
        Ok(State::new())
    }

    fn shutdown(&self) -> Result<(), AppError> {
        self.store.get().map_or(Ok(()), Store::close)?;
        Ok(())
    }
}

/// The routes, and a function for each: Flask's `@app.route`.
impl GuestBook {
    fn route(&self, scope: &HttpScope, body: &mut SyncBody) -> Result<Answer<'_>, Failure> {
        // The server takes the body off the answer to a HEAD (SRV-6).
        let method = match &scope.method {
            &Method::HEAD => &Method::GET,
            method => method,
        };
        let path: Vec<&str> = scope.path().split('/').skip(1).collect();
        match (method, &path[..]) {
            (&Method::GET, [""]) => self.index(scope),
            (&Method::POST, ["sign"]) => self.sign(scope, body),
            (&Method::GET, ["entries"]) => self.entries(scope),
            (&Method::POST, ["entries"]) => self.create(scope, body),
            (&Method::GET, ["entries", number]) => self.entry(number),
            (&Method::GET, ["export.csv"]) => self.export(),
            (&Method::GET, ["backup"]) => self.backup(),
            (&Method::POST, ["import"]) => self.import(body),
            (_, ["" | "export.csv" | "backup"] | ["entries", _]) => {
                Err(Failure::Method("GET, HEAD"))
            }
            (_, ["entries"]) => Err(Failure::Method("GET, HEAD, POST")),
            (_, ["sign" | "import"]) => Err(Failure::Method("POST")),
            _ => Err(Failure::NotFound),
        }
    }

    fn index(&self, scope: &HttpScope) -> Result<Answer<'_>, Failure> {
        let visitor = self.sessions.find(scope);
        let entries = self.store()?.last(SHOWN);
        let page = page::index(visitor.as_deref(), &entries);
        Ok(Response::html(page).into())
    }

    fn sign(&self, scope: &HttpScope, body: &mut SyncBody) -> Result<Answer<'_>, Failure> {
        let form = Form::parse(&body.collect(DOCUMENT_BYTES)?)?;
        let draft = Draft::new(form.field("name")?, form.field("text")?)?;
        let name = draft.name().to_owned();
        self.store()?.add(draft)?;
        let cookie = self.sessions.begin(scope, name)?;
        // So that a reload shows the page again and does not sign again.
        let answer = Response::from(StatusCode::SEE_OTHER)
            .with_header(header::LOCATION, HeaderValue::from_static("/"))
            .with_header(header::SET_COOKIE, cookie);
        Ok(answer.into())
    }

    fn entries(&self, scope: &HttpScope) -> Result<Answer<'_>, Failure> {
        let query = Form::parse(scope.query().unwrap_or_default().as_bytes())?;
        let mut entries = self.store()?.all();
        if let Ok(name) = query.field("name") {
            entries.retain(|entry| entry.name == name);
        }
        Ok(json(&entries)?.into())
    }

    fn create(&self, scope: &HttpScope, body: &mut SyncBody) -> Result<Answer<'_>, Failure> {
        let kind = scope
            .headers
            .get_str(header::CONTENT_TYPE)
            .unwrap_or_default();
        if kind.split(';').next().map(str::trim) != Some("application/json") {
            return Err(Failure::NotJson);
        }
        let document = body.collect(DOCUMENT_BYTES)?;
        let draft: Draft = serde_json::from_slice(&document).map_err(Failure::BadJson)?;
        let entry = self.store()?.add(draft)?;
        let location = HeaderValue::try_from(format!("/entries/{}", entry.number));
        let answer = json(&entry)?
            .with_status(StatusCode::CREATED)
            .with_header(header::LOCATION, location.expect("digits are plain"));
        Ok(answer.into())
    }

    fn entry(&self, number: &str) -> Result<Answer<'_>, Failure> {
        let number = number.parse().map_err(|_| Failure::NotFound)?;
        let entry = self.store()?.get(number).ok_or(Failure::NotFound)?;
        Ok(json(&entry)?.into())
    }

    /// A generator: the next line is made when the client has room for it.
    fn export(&self) -> Result<Answer<'_>, Failure> {
        let store = self.store()?;
        let lines = (1..).map_while(move |number| store.get(number));
        let lines = lines.map(|entry| Bytes::from(entry.csv()));
        let title = std::iter::once(Bytes::from_static(b"number,name,text\r\n"));
        let head = typed("text/csv; charset=utf-8");
        Ok(Answer::Generated(head, Box::new(title.chain(lines))))
    }

    /// A file: WSGI's `file_wrapper`, Flask's `send_file`.
    fn backup(&self) -> Result<Answer<'_>, Failure> {
        // As long as it is now: what is added meanwhile is behind that.
        let (file, length) = self.store()?.reader()?;
        let head = typed("application/jsonl")
            .with_header(header::CONTENT_LENGTH, HeaderValue::from(length));
        Ok(Answer::File(head, file.take(length)))
    }

    /// Signs with each line as it comes. What came before a line that is wrong stays.
    fn import(&self, body: &mut SyncBody) -> Result<Answer<'_>, Failure> {
        let store = self.store()?;
        let (mut line, mut count) = (String::new(), 0);
        while body.by_ref().take(LINE_BYTES).read_line(&mut line)? > 0 {
            let wrong = || Failure::Line(count + 1);
            if line.len() as u64 == LINE_BYTES {
                return Err(wrong());
            }
            let (name, text) = line.trim_end().split_once(": ").ok_or_else(wrong)?;
            store.add(Draft::new(name, text).map_err(|_| wrong())?)?;
            (count, line) = (count + 1, String::new());
        }
        Ok(Response::text(format!("{count} entries\n")).into())
    }

    fn store(&self) -> Result<&Store, Failure> {
        let never = || AppError::message("a request came before the startup");
        Ok(self.store.get().ok_or_else(never)?)
    }
}

/// What a route answers.
enum Answer<'a> {
    Whole(Response),
    Generated(ResponseHead, Box<dyn Iterator<Item = Bytes> + 'a>),
    File(ResponseHead, io::Take<File>),
}

impl Answer<'_> {
    fn send(self, responder: SyncResponder) -> Result<Done, AppError> {
        match self {
            Self::Whole(response) => responder.respond(response),
            Self::Generated(head, parts) => responder.respond_with(head, parts),
            Self::File(head, mut file) => {
                let mut writer = responder.start(head)?;
                io::copy(&mut file, &mut writer)?;
                writer.finish()
            }
        }
    }
}

impl From<Response> for Answer<'_> {
    fn from(response: Response) -> Self {
        Self::Whole(response)
    }
}

/// Flask's `jsonify`.
fn json(value: &impl serde::Serialize) -> Result<Response, Failure> {
    let document = serde_json::to_vec(value).map_err(AppError::from)?;
    Ok(Response::typed("application/json", document))
}

fn typed(kind: &'static str) -> ResponseHead {
    ResponseHead::new(StatusCode::OK)
        .with_header(header::CONTENT_TYPE, HeaderValue::from_static(kind))
}
