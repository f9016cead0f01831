//! What can be written to, whatever the trait is called by which it is written to.

use std::io;
use std::task::{Context, Poll};

pub(crate) trait Target {
    /// Takes as many of these bytes as there is credit for: at least one, if there is one.
    fn poll_take(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>;

    /// Waits until the kernel has all that was taken.
    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// The same, and closes the direction if that can be done without giving the handle up.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}
