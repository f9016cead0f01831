//! Asynchronous applications from code that blocks: a [`Caller`] for tests and scripts, [`into_sync()`] for synchronous
//! frameworks.
//!
//! Both run the application on a thread of their own with a current-thread tokio runtime, as servers promise it (SRV-11),
//! and run its lifespan there. Starlette's `TestClient` and `asgiref`'s `AsyncToSync` are their counterparts.
//!
//! ```
//! use std::io::Read;
//! use adapters::blocking::{CallError, Caller};
//! use gateway_spec::{AppError, Connection, Done, application_fn};
//!
//! async fn shout(connection: Connection) -> Result<Done, AppError> {
//!     let Connection::Http(mut http) = connection else {
//!         return connection.refuse().await;
//!     };
//!     let mut writer = http.responder.start(http::StatusCode::OK).await?;
//!     while let Some(part) = http.body.chunk().await? {
//!         writer.write(part.to_ascii_uppercase()).await?;
//!     }
//!     writer.finish().await
//! }
//!
//! let caller = Caller::new(application_fn(shout))?;
//! let mut response = caller.request(http::Request::post("/").body("hello")?)?;
//! assert_eq!(response.status(), 200);
//! let mut text = String::new();
//! response.body_mut().read_to_string(&mut text)?;
//! assert_eq!(text, "HELLO");
//! caller.shutdown(std::time::Duration::from_secs(5))
//! # .map_err(Box::<dyn std::error::Error + Send + Sync>::from)?;
//! # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
//! ```
//!
//! # Where it may be called
//!
//! On any thread that may block, `spawn_blocking`'s included. On one that drives a runtime it panics instead of
//! deadlocking: on a server's worker (SYNC-1), and within `block_on` or a task of tokio. To call an application from
//! asynchronous code, poll its `call`; to test one there, use `gateway-test-client`.

mod background;
mod caller;
mod error;
mod into_sync;
mod response;
mod scope;
mod upload;
mod wait;

pub use caller::{Caller, CallerSettings};
pub use error::{CallError, CallErrorKind};
pub use into_sync::{IntoSync, into_sync};
pub use response::ResponseBody;
pub use upload::Upload;
