//! HTTP/1.1 load without parsing: after one exchange that was read, answers are counted by their length.

use std::io;

use crate::Load;
use crate::load::{self, Replies};
use crate::target::{Target, exchange};

struct Equal {
    length: usize,
    left: usize,
}

impl Replies for Equal {
    fn feed(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(beyond) = bytes.len().checked_sub(self.left) else {
            self.left -= bytes.len();
            return Ok(0);
        };
        self.left = self.length - beyond % self.length;
        Ok(1 + beyond / self.length)
    }
}

pub(crate) fn load(target: Target, load: &Load, request: &[u8]) -> io::Result<String> {
    let open = |_| {
        let mut stream = target.connect()?;
        let length = exchange(&mut stream, request)?.ok()?.len();
        let left = length;
        Ok((stream, Equal { length, left }))
    };
    let connections = (0..load.connections).map(open).collect::<io::Result<_>>()?;
    load::run(connections, request, load)
}
