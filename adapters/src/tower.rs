//! tower services as applications, and applications as tower services.

mod from_service;
mod into_service;
mod locked;

pub use from_service::{FromService, from_service};
pub use locked::Locked;
