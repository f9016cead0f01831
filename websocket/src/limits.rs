//! How much a peer may make us hold, each default with its reason.

/// Bounds on what a [`Session`](crate::Session) takes from its peer.
///
/// A peer that passes one is closed with 1009. No bound is reserved ahead: memory grows with the bytes that came.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Payload bytes in one frame, as on the wire. 16 MiB, as `message_bytes`: a message in one frame is the rule.
    ///
    /// A frame that is a whole, uncompressed message stays in the caller's input buffer until it is complete, so this is
    /// also what that buffer may have to hold (and 14 bytes of header).
    pub frame_bytes: usize,
    /// Payload bytes in all frames of one message, as on the wire. 16 MiB, as `message_bytes`.
    pub wire_bytes: usize,
    /// Bytes in one message as the application sees it: after inflation. 16 MiB, as uvicorn and hypercorn. Checked while
    /// inflating, so a bomb costs no more than this.
    pub message_bytes: usize,
    /// Frames in one message. 131,072: 4 MiB in pieces of 64 bytes and an empty last one, as Autobahn's test suite sends them, and as
    /// much again; endless empty fragments are not fine.
    pub fragments: u32,
}

impl Limits {
    /// Sets [`frame_bytes`](Self::frame_bytes).
    #[must_use]
    pub const fn with_frame_bytes(mut self, bytes: usize) -> Self {
        self.frame_bytes = bytes;
        self
    }

    /// Sets [`wire_bytes`](Self::wire_bytes).
    #[must_use]
    pub const fn with_wire_bytes(mut self, bytes: usize) -> Self {
        self.wire_bytes = bytes;
        self
    }

    /// Sets [`message_bytes`](Self::message_bytes).
    #[must_use]
    pub const fn with_message_bytes(mut self, bytes: usize) -> Self {
        self.message_bytes = bytes;
        self
    }

    /// Sets [`fragments`](Self::fragments).
    #[must_use]
    pub const fn with_fragments(mut self, frames: u32) -> Self {
        self.fragments = frames;
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame_bytes: 16 << 20,
            wire_bytes: 16 << 20,
            message_bytes: 16 << 20,
            fragments: 131_072,
        }
    }
}
