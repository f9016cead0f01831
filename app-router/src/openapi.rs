//! The router's description of itself: OpenAPI 3.1, and a page to try it.

mod document;

use std::panic::Location;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use gateway_spec::Response;
use http::HeaderValue;
use http::header::{CONTENT_SECURITY_POLICY, X_CONTENT_TYPE_OPTIONS};
use serde_json::Value;

use crate::handler::Endpoint;
use crate::{Handler, Routes, route};

/// A description of the router's routes in OpenAPI 3.1, made when the router is built, from the route table and the types
/// of handlers. FastAPI: `FastAPI(title=.., version=..)`.
///
/// It is served at `/openapi.json`, and at `/docs` there is a page that shows it and sends requests. The page and all that
/// it needs are part of the program: no other host is asked, and its content security policy allows none.
///
/// What a document can say beyond what the types say: [`route`](crate::route()), doc comments of types (their
/// descriptions), `#[schemars(..)]` attributes (examples, and bounds, which are also checked).
///
/// # Examples
///
/// ```
/// use app_router::{Json, OpenApi, Path, Router};
///
/// /// Something for sale.
/// #[derive(serde::Serialize, schemars::JsonSchema)]
/// struct Item {
///     id: u64,
/// }
///
/// let app = Router::new()
///     .openapi(OpenApi::new("Shop", "1.2").description("Buy things."))
///     .get("/items/{id}", async |Path(id): Path<u64>| Json(Item { id }))
///     .build();
/// # app.unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct OpenApi {
    title: String,
    version: String,
    description: Option<String>,
    document: &'static str,
    page: Option<&'static str>,
}

/// The finished document; empty only while the router is built.
pub(crate) type Cell = Arc<OnceLock<Bytes>>;

const PAGE: &str = include_str!("openapi/page.html");
const STYLE: &str = include_str!("openapi/page.css");
const SCRIPT: &str = include_str!("openapi/page.js");

/// The page's own files, requests to the same host, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

impl OpenApi {
    /// A description with this title and this version of the application's interface.
    #[must_use]
    pub fn new(title: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            version: version.into(),
            description: None,
            document: "/openapi.json",
            page: Some("/docs"),
        }
    }

    /// Says what the application is for, in Markdown.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Serves the document at another path.
    #[must_use]
    pub const fn document_at(mut self, path: &'static str) -> Self {
        self.document = path;
        self
    }

    /// Serves the page at another path, which does not end with a slash.
    #[must_use]
    pub const fn page_at(mut self, path: &'static str) -> Self {
        self.page = Some(path);
        self
    }

    /// Serves no page.
    #[must_use]
    pub const fn without_page(mut self) -> Self {
        self.page = None;
        self
    }

    /// The routes that serve it, and where they look for the document.
    pub(crate) fn entries(
        &self,
        _added: &'static Location<'static>,
    ) -> (Vec<(&'static str, Endpoint)>, Cell) {
        let cell = Cell::default();
        let document = Arc::clone(&cell);
        let mut entries = vec![(
            self.document,
            hidden(move || {
                let document = document.get().cloned().unwrap_or_default();
                async move { Response::typed("application/json", document) }
            }),
        )];
        if let Some(page) = self.page {
            // The browser's path to the document need not be ours: the router may be mounted.
            let depth = page.matches('/').count() - 1;
            let document = format!("{}{}", "../".repeat(depth), &self.document[1..]);
            let folder = page.rsplit('/').next().unwrap_or_default();
            let html = PAGE
                .replace("{document}", &document)
                .replace("{folder}", folder);
            let below = |name: &str| -> &'static str { format!("{page}/{name}").leak() };
            let html = Bytes::from(html);
            entries.push((
                page,
                hidden(move || page_of("text/html; charset=utf-8", html.clone())),
            ));
            for (name, media_type, text) in [
                ("page.css", "text/css; charset=utf-8", STYLE),
                ("page.js", "text/javascript; charset=utf-8", SCRIPT),
            ] {
                entries.push((
                    below(name),
                    hidden(move || page_of(media_type, text.into())),
                ));
            }
        }
        (entries, cell)
    }

    /// Makes the document of a router that is built.
    pub(crate) fn fill(&self, routes: &Routes, cell: &Cell) {
        let document = document::make(self, routes);
        let text =
            serde_json::to_vec(&document).expect("values are valid JSON, and memory takes them");
        // Nobody else fills it.
        let _ = cell.set(text.into());
    }

    pub(super) fn info(&self) -> Value {
        let mut info = serde_json::json!({"title": self.title, "version": self.version});
        if let Some(description) = &self.description {
            info["description"] = description.as_str().into();
        }
        info
    }
}

async fn page_of(media_type: &'static str, body: Bytes) -> Response {
    Response::typed(media_type, body)
        .with_header(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY))
        .with_header(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"))
}

fn hidden<S>(handler: impl Handler<S>) -> Endpoint {
    route(handler).hidden().into_endpoint()
}
