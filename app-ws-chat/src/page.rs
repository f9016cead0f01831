//! The page: files that are part of the program, and the headers that keep them safe.

use bytes::Bytes;
use gateway_spec::{HttpScope, Response};
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETAG, HeaderName, IF_NONE_MATCH,
    REFERRER_POLICY, UPGRADE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Method, StatusCode};
use sha2::{Digest, Sha256};

/// Nothing but what this server sends is loaded, run, connected to or framed; nothing inline is run.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The files, each with its path, content type and content.
const FILES: [(&str, &str, &str); 14] = [
    (
        "/",
        "text/html; charset=utf-8",
        include_str!("../assets/index.html"),
    ),
    (
        "/chat.css",
        "text/css; charset=utf-8",
        include_str!("../assets/chat.css"),
    ),
    ("/address.js", SCRIPT, include_str!("../assets/address.js")),
    ("/chat.js", SCRIPT, include_str!("../assets/chat.js")),
    ("/compose.js", SCRIPT, include_str!("../assets/compose.js")),
    (
        "/conversation.js",
        SCRIPT,
        include_str!("../assets/conversation.js"),
    ),
    ("/link.js", SCRIPT, include_str!("../assets/link.js")),
    ("/memory.js", SCRIPT, include_str!("../assets/memory.js")),
    (
        "/moderation.js",
        SCRIPT,
        include_str!("../assets/moderation.js"),
    ),
    ("/outbox.js", SCRIPT, include_str!("../assets/outbox.js")),
    ("/rooms.js", SCRIPT, include_str!("../assets/rooms.js")),
    ("/side.js", SCRIPT, include_str!("../assets/side.js")),
    ("/state.js", SCRIPT, include_str!("../assets/state.js")),
    (
        "/favicon.svg",
        "image/svg+xml",
        include_str!("../assets/favicon.svg"),
    ),
];

/// The page's files, ready to be sent.
#[derive(Debug)]
pub(crate) struct Page {
    files: Vec<File>,
}

#[derive(Debug)]
struct File {
    path: &'static str,
    content_type: &'static str,
    content: &'static str,
    tag: HeaderValue,
}

impl Page {
    pub(crate) fn new() -> Self {
        let files = FILES.into_iter().map(|(path, content_type, content)| File {
            path,
            content_type,
            content,
            tag: tag(content),
        });
        Self {
            files: files.collect(),
        }
    }

    /// The answer to a request.
    pub(crate) fn answer(&self, scope: &HttpScope) -> Response {
        let path = scope.path();
        let answer: Answer<'_> = match self.files.iter().find(|file| file.path == path) {
            Some(file) => Answer::File(file),
            None if path == "/healthz" => Answer::Health,
            None if path == "/ws" => Answer::Socket,
            None => Answer::NotFound,
        };
        answer.to(scope)
    }
}

/// What is at a path.
enum Answer<'a> {
    File(&'a File),
    Health,
    Socket,
    NotFound,
}

impl Answer<'_> {
    fn to(&self, scope: &HttpScope) -> Response {
        let reads = matches!(scope.method, Method::GET | Method::HEAD);
        match self {
            Self::NotFound => Response::text("not found\n").with_status(StatusCode::NOT_FOUND),
            _ if !reads => with(Response::text("only GET and HEAD\n"), ALLOW, "GET, HEAD")
                .with_status(StatusCode::METHOD_NOT_ALLOWED),
            Self::Socket => with(
                Response::text("a WebSocket is here\n"),
                UPGRADE,
                "websocket",
            )
            .with_status(StatusCode::UPGRADE_REQUIRED),
            Self::Health => with(Response::text("ok\n"), CACHE_CONTROL, "no-store"),
            Self::File(file) if file.is_known(scope) => {
                file.answer(Response::from(StatusCode::NOT_MODIFIED))
            }
            Self::File(file) => {
                let content = Bytes::from_static(file.content.as_bytes());
                file.answer(Response::typed(file.content_type, content))
            }
        }
    }
}

impl File {
    /// Adds what every answer about a file says.
    fn answer(&self, response: Response) -> Response {
        let response = response.with_header(ETAG, self.tag.clone());
        // Always asked for again, and seldom sent again: a new version is there with the next visit.
        let response = with(response, CACHE_CONTROL, "no-cache");
        let response = with(response, CONTENT_SECURITY_POLICY, POLICY);
        let response = with(response, X_CONTENT_TYPE_OPTIONS, "nosniff");
        with(response, REFERRER_POLICY, "no-referrer")
    }

    /// Whether the client has this version (RFC 9110 section 13.1.2, weak comparison).
    fn is_known(&self, scope: &HttpScope) -> bool {
        let fields = scope.headers.get_all(IF_NONE_MATCH);
        let mut tags = fields
            .flat_map(|field| field.split(|&byte| byte == b','))
            .map(<[u8]>::trim_ascii);
        tags.any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == self.tag.as_bytes())
    }
}

fn with(response: Response, name: HeaderName, value: &'static str) -> Response {
    response.with_header(name, HeaderValue::from_static(value))
}

/// A strong entity tag: another content has another one.
fn tag(content: &str) -> HeaderValue {
    let digest = Sha256::digest(content.as_bytes());
    let hex: String = digest
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    HeaderValue::try_from(format!("\"{hex}\""))
        .expect("quotes and hex digits are allowed in a field")
}
