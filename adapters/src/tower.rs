//! tower services as applications, and applications as tower services.

mod from_service;
mod into_service;
mod locked;

pub use from_service::{FromService, from_service};
pub use into_service::{CutOff, IntoService, Responding, ResponseBody, Running, into_service};
pub use locked::Locked;

/// What the errors of services and of bodies turn into.
type BoxError = Box<dyn std::error::Error + Send + Sync>;
