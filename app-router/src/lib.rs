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

mod blocking;
pub mod demo;
mod error;
mod handler;
mod lifespan;
mod params;
mod pattern;
mod reply;
mod router;
mod routes;
mod sse;

pub use error::{Rejection, RouterError, RouterErrorKind};
pub use handler::{Endpoint, Handler, Request, SocketEndpoint, SocketHandler, shape};
pub use params::{ParamIter, Params};
pub use reply::{Html, IntoReply, Json, Redirect, Reply};
pub use router::Router;
pub use routes::Routes;
pub use sse::{Event, EventSender, Sse};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
