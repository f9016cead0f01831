//! Middleware for browsers' sessions and against misuse. Each is a function that wraps any application, as those of
//! `adapters::middleware` are: CORS, timeouts, limits, compression and request ids are there.
//!
//! The order from the outside in: `request_id`, `cors`, `catch_panic`, [`rate_limit()`], `timeout`, [`csrf()`], [`sessions()`].
//!
//! ```
//! use std::time::Duration;
//! use adapters::middleware::{Cors, cors, timeout};
//! use app_router::middleware::{Rate, SessionKey, csrf, rate_limit, sessions};
//! use app_router::Router;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let key = SessionKey::from_secret(b"32 random bytes from a secret store..")?;
//! let app = Router::new().get("/", async || "home").build()?;
//! let app = sessions(app, key);
//! let app = csrf(app);
//! let app = timeout(app, Duration::from_secs(10));
//! let app = rate_limit(app, Rate::per_minute(600));
//! let app = cors(app, Cors::new().origins(["https://app.example"]))?;
//! # let _ = app; Ok(()) }
//! ```

mod csrf;
mod rate_limit;
mod session;

pub use csrf::{Csrf, csrf};
pub use rate_limit::{Rate, RateLimit, rate_limit};
pub use session::{BadKey, Session, SessionKey, SessionTooLarge, Sessions, sessions};
