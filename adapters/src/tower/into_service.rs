//! An application as a tower service.
