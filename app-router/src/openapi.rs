//! The router's description of itself: OpenAPI 3.1, and a page to try it.

mod definitions;
mod document;

use std::fmt;
use std::panic::Location;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use gateway_spec::{Response, Scope};
use http::HeaderValue;
use http::header::{CONTENT_SECURITY_POLICY, X_CONTENT_TYPE_OPTIONS};
use serde_json::{Value, json};

use crate::error::Name;
use crate::handler::Endpoint;
use crate::route::Docs;
use crate::{Handler, Operation, RouterError, Routes, route};

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
///
/// Below a mount, the document names the path of the mount as its server, unless it names [servers](Self::server) of its
/// own. Versions of an interface side by side are routers with a document each, mounted at `/v1` and `/v2`.
pub struct OpenApi {
    info: Value,
    servers: Vec<Value>,
    tags: Vec<Value>,
    external_docs: Option<Value>,
    webhooks: Vec<(&'static str, Docs)>,
    document: &'static str,
    page: Option<&'static str>,
}

/// The finished document; empty only while the router is built.
pub(crate) type Cell = Arc<OnceLock<Bytes>>;

/// Paths of a document and its page, and what serves them.
type Entries = Vec<(&'static str, Endpoint)>;

const PAGE: &str = include_str!("openapi/page.html");
const STYLE: &str = include_str!("openapi/page.css");
const SCRIPT: &str = include_str!("openapi/page.js");
const AUTHORIZE: &str = include_str!("openapi/authorize.js");

/// The page's own files, requests to the same host, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

impl OpenApi {
    /// A description with this title and this version of the application's interface.
    #[must_use]
    pub fn new(title: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            info: json!({"title": title.into(), "version": version.into()}),
            servers: Vec::new(),
            tags: Vec::new(),
            external_docs: None,
            webhooks: Vec::new(),
            document: "/openapi.json",
            page: Some("/docs"),
        }
    }

    /// Says what the application is for, in Markdown.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.info["description"] = description.into().into();
        self
    }

    /// Says in a line what the application is.
    #[must_use]
    pub fn summary(mut self, summary: impl Into<String>) -> Self {
        self.info["summary"] = summary.into().into();
        self
    }

    /// Says where the terms of its use are.
    #[must_use]
    pub fn terms_of_service(mut self, url: impl Into<String>) -> Self {
        self.info["termsOfService"] = url.into().into();
        self
    }

    /// Says whom to ask.
    #[must_use]
    pub fn contact(mut self, name: impl Into<String>, email: impl Into<String>) -> Self {
        self.info["contact"] = json!({"name": name.into(), "email": email.into()});
        self
    }

    /// Says under which license it may be used, by a name of the SPDX list, such as `MIT`.
    #[must_use]
    pub fn license(mut self, identifier: impl Into<String>) -> Self {
        let identifier = identifier.into();
        self.info["license"] = json!({"name": identifier, "identifier": identifier});
        self
    }

    /// Says where more is written.
    #[must_use]
    pub fn external_docs(mut self, url: impl Into<String>, description: impl Into<String>) -> Self {
        self.external_docs = Some(json!({"url": url.into(), "description": description.into()}));
        self
    }

    /// Adds a place where the application is served, with what it is for.
    #[must_use]
    pub fn server(mut self, url: impl Into<String>, description: impl Into<String>) -> Self {
        let server = json!({"url": url.into(), "description": description.into()});
        self.servers.push(server);
        self
    }

    /// Says what a [tag](crate::Route::tag) is, and where it stands among them. FastAPI: `openapi_tags`.
    #[must_use]
    pub fn tag(mut self, name: impl Into<String>, description: impl Into<String>) -> Self {
        let tag = json!({"name": name.into(), "description": description.into()});
        self.tags.push(tag);
        self
    }

    /// Adds a request that the application sends to those who asked for it by some other way. FastAPI: `app.webhooks`.
    ///
    /// # Examples
    ///
    /// ```
    /// use app_router::OpenApi;
    /// use http::StatusCode;
    ///
    /// #[derive(serde::Serialize, schemars::JsonSchema)]
    /// struct Sale {
    ///     item: u64,
    /// }
    ///
    /// let openapi = OpenApi::new("Shop", "1.0").webhook("sold", "Something was sold", |operation| {
    ///     operation.body_of::<Sale>("application/json");
    ///     operation.response(StatusCode::NO_CONTENT, "it was heard");
    /// });
    /// # let _ = openapi;
    /// ```
    #[must_use]
    pub fn webhook(
        mut self,
        name: &'static str,
        summary: impl Into<String>,
        describe: impl Fn(&mut Operation) + Send + Sync + 'static,
    ) -> Self {
        let describe = move |operation: &mut Operation| {
            describe(operation);
            // The application says what it refuses, not what the receiver does.
            operation.responses.remove(&422);
        };
        let docs = Docs {
            summary: Some(summary.into()),
            describe: vec![Box::new(describe)],
            ..Docs::default()
        };
        self.webhooks.push((name, docs));
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
    ///
    /// # Errors
    ///
    /// If the page could not name its own files.
    pub(crate) fn entries(
        &self,
        added: &'static Location<'static>,
    ) -> Result<(Entries, Cell), RouterError> {
        if let Some(pattern) = self.page.filter(|page| page.ends_with('/')) {
            let name = Name {
                what: "GET",
                pattern,
                added,
            };
            return Err(RouterError::pattern(
                name,
                "the page of a document is not at a path that ends with `/`",
            ));
        }
        let cell = Cell::default();
        let document = Arc::clone(&cell);
        let names_servers = !self.servers.is_empty();
        let mut entries = vec![(
            self.document,
            hidden(move |scope: Scope| {
                let document = document.get().cloned().unwrap_or_default();
                let document = match scope.root_path() {
                    "" => document,
                    _ if names_servers => document,
                    root => served_at(root, &document),
                };
                async move { Response::typed("application/json", document) }
            }),
        )];
        if let Some(page) = self.page {
            // The browser's path to the document need not be ours: the router may be mounted.
            let depth = page.matches('/').count().saturating_sub(1);
            let up = "../".repeat(depth);
            let document = self.document.strip_prefix('/').unwrap_or(self.document);
            let document = format!("{up}{document}");
            let folder = page.rsplit('/').next().unwrap_or_default();
            let html = PAGE
                .replace("{document}", &document)
                .replace("{root}", &format!("./{up}"))
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
                ("authorize.js", "text/javascript; charset=utf-8", AUTHORIZE),
            ] {
                entries.push((
                    below(name),
                    hidden(move || page_of(media_type, text.into())),
                ));
            }
        }
        Ok((entries, cell))
    }

    /// Makes the document of a router that is built.
    ///
    /// # Errors
    ///
    /// If what the routes say does not go together.
    pub(crate) fn fill(&self, routes: &Routes, cell: &Cell) -> Result<(), RouterError> {
        let document = document::make(self, routes)?;
        let text =
            serde_json::to_vec(&document).expect("values are valid JSON, and memory takes them");
        // Nobody else fills it.
        let _ = cell.set(text.into());
        Ok(())
    }
}

impl fmt::Debug for OpenApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenApi")
            .field("info", &self.info)
            .field("document", &self.document)
            .field("page", &self.page)
            .finish_non_exhaustive()
    }
}

/// A document that says where it is mounted.
fn served_at(root: &str, document: &[u8]) -> Bytes {
    let servers = json!([{ "url": root }]);
    let rest = document.strip_prefix(b"{").unwrap_or_default();
    let mut whole = format!("{{\"servers\":{servers},").into_bytes();
    whole.extend_from_slice(rest);
    whole.into()
}

async fn page_of(media_type: &'static str, body: Bytes) -> Response {
    Response::typed(media_type, body)
        .with_header(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY))
        .with_header(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"))
}

fn hidden<S>(handler: impl Handler<S>) -> Endpoint {
    route(handler).hidden().into_endpoint()
}
