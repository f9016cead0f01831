//! request_line
