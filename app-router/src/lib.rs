//! A router for gateway applications: paths and methods to plain functions, on any server.
//!
//! ```
//! use app_router::{Json, Request, Router, RouterError, Routes};
//! use gateway_spec::AppError;
//!
//! async fn greet(request: Request) -> Result<Json<String>, AppError> {
//!     let name: String = request.params.get("name")?;
//!     Ok(Json(format!("Hello, {name}!")))
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
//! - [`Handler`] says which functions can serve a route, [`IntoReply`] what they may return.
//! - [`Sse`] streams events; [`Reply::stream`] any other body.
//! - [`demo`] is the sample application.
#![forbid(unsafe_code)]

mod after;
mod blocking;
mod call;
pub mod demo;
mod depends;
mod error;
mod extract;
mod file;
mod handler;
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
mod sse;
mod stream;
#[cfg(feature = "templates")]
mod template;
mod urls;

pub use after::{Background, Ending, Teardown};
pub use depends::{Depends, Made, Provider, ProviderEndpoint};
pub use error::{RouterError, RouterErrorKind};
pub use extract::{
    Body, Client, Cookies, Extract, Form, FromState, HeaderFields, LastEventId, Multipart, Path,
    Query, Upload,
};
pub use file::FileReply;
pub use handler::{Checked, Endpoint, Handler, SocketEndpoint, SocketHandler, check, shape};
pub use json_lines::{JsonLines, LineSender};
pub use openapi::OpenApi;
pub use operation::Operation;
pub use params::{ParamIter, Params};
pub use problem::{Issue, Part, Rejection, Step};
pub use reply::{Html, IntoReply, Json, Redirect, Reply, Status};
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
