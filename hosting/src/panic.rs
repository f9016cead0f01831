//! What a panicking application said.

use std::any::Any;

/// What a panic said, from its payload.
///
/// # Examples
///
/// ```
/// let payload = std::panic::catch_unwind(|| panic!("the {} is full", "disk")).unwrap_err();
/// assert_eq!(hosting::panic_text(&*payload), "the disk is full");
/// ```
#[must_use]
pub fn panic_text(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        String::from("a panic without a text")
    }
}
