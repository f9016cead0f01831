//! How much of each thing a peer may send.

/// The bounds of what is kept for a peer, and of what it may make us look at. All are in force however the bytes arrive.
///
/// Bodies pass through, and nothing of them is kept; how long one may be is for the caller to say.
///
/// # Examples
///
/// ```
/// use http1::Limits;
///
/// let limits = Limits::default().with_head_bytes(8 * 1024).with_fields(64);
/// assert_eq!(limits.target_bytes, 8 * 1024);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes in a request head, its last line end included. 16 KiB: room for large cookies, little for an attacker.
    pub head_bytes: usize,
    /// Bytes in a request target. 8 KiB: RFC 9112 section 3 asks for 8,000 bytes of request line at the least.
    pub target_bytes: usize,
    /// Fields in a request head. 100: browsers send some 15, and proxies add a few.
    pub fields: usize,
    /// Bytes in the trailers of a request, their last line end included. 4 KiB: checksums and signatures are short.
    pub trailer_bytes: usize,
    /// Fields in the trailers of a request. 32, for the same reason.
    pub trailer_fields: usize,
    /// Bytes in all chunk extensions of a body together. 16 KiB: nothing reads them, but some clients sign each chunk.
    pub chunk_extension_bytes: usize,
    /// Bytes in a body that comes in chunks: a chunk that goes beyond is refused where its size stands. The length of any
    /// other body is in the head, and for the caller to judge. No bound but that of the number: it is the caller's to set.
    pub chunked_body_bytes: u64,
}

impl Limits {
    /// Sets [`head_bytes`](Self::head_bytes).
    #[must_use]
    pub const fn with_head_bytes(mut self, bytes: usize) -> Self {
        self.head_bytes = bytes;
        self
    }

    /// Sets [`target_bytes`](Self::target_bytes).
    #[must_use]
    pub const fn with_target_bytes(mut self, bytes: usize) -> Self {
        self.target_bytes = bytes;
        self
    }

    /// Sets [`fields`](Self::fields).
    #[must_use]
    pub const fn with_fields(mut self, fields: usize) -> Self {
        self.fields = fields;
        self
    }

    /// Sets [`trailer_bytes`](Self::trailer_bytes).
    #[must_use]
    pub const fn with_trailer_bytes(mut self, bytes: usize) -> Self {
        self.trailer_bytes = bytes;
        self
    }

    /// Sets [`trailer_fields`](Self::trailer_fields).
    #[must_use]
    pub const fn with_trailer_fields(mut self, fields: usize) -> Self {
        self.trailer_fields = fields;
        self
    }

    /// Sets [`chunk_extension_bytes`](Self::chunk_extension_bytes).
    #[must_use]
    pub const fn with_chunk_extension_bytes(mut self, bytes: usize) -> Self {
        self.chunk_extension_bytes = bytes;
        self
    }

    /// Sets [`chunked_body_bytes`](Self::chunked_body_bytes).
    #[must_use]
    pub const fn with_chunked_body_bytes(mut self, bytes: u64) -> Self {
        self.chunked_body_bytes = bytes;
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes: 16 * 1024,
            target_bytes: 8 * 1024,
            fields: 100,
            trailer_bytes: 4 * 1024,
            trailer_fields: 32,
            chunk_extension_bytes: 16 * 1024,
            chunked_body_bytes: u64::MAX,
        }
    }
}
