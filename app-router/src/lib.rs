//! A router for gateway applications: typed functions, on any server.
//!
//! ```
//! use app_router::{Json, Path, Query, Router, RouterError, Routes};
//!
//! #[derive(serde::Deserialize, schemars::JsonSchema)]
//! struct Manner {
//!     #[serde(default)]
//!     loud: bool,
//! }
//!
//! async fn greet(Path(name): Path<String>, Query(manner): Query<Manner>) -> Json<String> {
//!     Json(format!("Hello, {name}{}", if manner.loud { "!" } else { "." }))
//! }
//!
//! fn app() -> Result<Routes, RouterError> {
//!     Router::new()
//!         .get("/", async || "Hello, world!")
//!         .get("/hello/{name}", greet)
//!         .build()
//! }
//! # let _ = app().unwrap();
//! ```
//!
//! # Where to read
//!
//! - [`Router`] collects routes and refuses those that conflict; [`Routes`] is the application it builds.
//! - [`Handler`] says which functions can serve a route, [`Extract`] what they may take, [`IntoReply`] what they may
//!   return; [`Rejection`] is what a client is told that asked for what it cannot have.
//! - [`Depends`]: values that providers make for a request, and [`Teardown`]; [`Background`]: work after the answer.
//! - [`OpenApi`]: the document of the routes, and a page to try them; [`route()`]: what is said of one.
//! - [`security`]: who asks, by tokens, passwords and keys.
//! - [`Sse`] streams events, [`JsonLines`] values; [`Reply::stream`] any other body.
//! - [`middleware`]: sessions, and protection from other sites and from too many requests.
//! - `examples/demo.rs`: one route for each thing that a server and a router have to do. The package `market` is a whole service.
//!
//! The README says how it is made, and what each thing of FastAPI is here.
#![forbid(unsafe_code)]

mod after;
mod blocking;
mod call;
mod depends;
mod error;
mod extract;
mod file;
mod handler;
mod issue;
mod json_lines;
mod lifespan;
pub mod middleware;
mod openapi;
mod operation;
mod params;
mod pattern;
mod problem;
mod reply;
mod request;
mod route;
mod router;
mod routes;
mod schema;
pub mod security;
mod sse;
mod stream;
#[cfg(feature = "templates")]
mod template;
mod tree;
mod urls;

pub use after::{Background, Ending, Teardown};
pub use depends::{Depends, Made, Provider, ProviderEndpoint};
pub use error::{RouterError, RouterErrorKind};
pub use extract::{
    Body, Client, Cookies, Entered, Extract, Form, FromState, HeaderFields, LastEventId, Multipart,
    Path, Query, Upload,
};
pub use file::FileReply;
pub use handler::{Checked, Endpoint, Handler, SocketEndpoint, SocketHandler, check, shape};
pub use issue::{Issue, Part, Step};
pub use json_lines::{JsonLines, LineSender};
pub use openapi::OpenApi;
pub use operation::Operation;
pub use params::{ParamIter, Params};
pub use problem::Rejection;
pub use reply::{Html, IntoReply, Json, Redirect, Reply, SameSite, SetCookie, Status};
pub use request::{Request, RequestParts};
pub use route::{Route, route};
pub use router::{Router, Slashes};
pub use routes::Routes;
pub use sse::{Event, EventSender, Sse};
#[cfg(feature = "templates")]
pub use template::{TemplateError, Templates};
pub use urls::{UrlError, Urls};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
