//! A tower service as an application.
