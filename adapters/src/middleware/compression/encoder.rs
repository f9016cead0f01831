//! The three encoders as one: bytes in, coded bytes out, as many as there are so far.

use std::io::{self, Write};

use brotli::CompressorWriter;
use brotli::enc::BrotliEncoderParams;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::ContentCoding;

/// The logarithm of the window in which brotli and zstd look for repetitions: 128 KiB. It bounds what a stream holds, here and in
/// every client; most answers are smaller.
const WINDOW: u32 = 17;

/// Bytes that brotli gives at a time.
const BROTLI_BUFFER: usize = 4 * 1024;

/// How much work is spent on each coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Levels {
    pub(super) brotli: u8,
    pub(super) zstd: u8,
    pub(super) gzip: u8,
}

impl Default for Levels {
    /// The highest that still work through what they are given bit by bit: above it brotli gathers blocks, and does in milliseconds
    /// what one turn of a thread has no room for.
    fn default() -> Self {
        Self {
            brotli: 3,
            zstd: 3,
            gzip: 5,
        }
    }
}

/// Where a coding's work is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// On the worker's thread, a slice at a time.
    Here,
    /// On a thread of its own.
    Thread,
}

impl Levels {
    /// Where the work is done: what takes more than some 200 µs for 8 KiB is not a worker's (APP-7).
    pub(super) const fn place(self, coding: ContentCoding) -> Place {
        let is_quick = match coding {
            ContentCoding::Brotli => self.brotli <= 3,
            ContentCoding::Zstd => self.zstd <= 5,
            ContentCoding::Gzip => self.gzip <= 6,
        };
        if is_quick { Place::Here } else { Place::Thread }
    }
}

/// A stream in the making.
pub(super) enum Encoder {
    Brotli(Box<CompressorWriter<Vec<u8>>>),
    Zstd(zstd::Encoder<'static, Vec<u8>>),
    Gzip(GzEncoder<Vec<u8>>),
}

impl Encoder {
    pub(super) fn new(coding: ContentCoding, levels: Levels) -> io::Result<Self> {
        let out = Vec::new();
        Ok(match coding {
            ContentCoding::Brotli => {
                let params = BrotliEncoderParams {
                    quality: levels.brotli.into(),
                    lgwin: WINDOW.cast_signed(),
                    ..BrotliEncoderParams::default()
                };
                let writer = CompressorWriter::with_params(out, BROTLI_BUFFER, &params);
                Self::Brotli(Box::new(writer))
            }
            ContentCoding::Zstd => {
                let mut encoder = zstd::Encoder::new(out, levels.zstd.into())?;
                encoder.window_log(WINDOW)?;
                Self::Zstd(encoder)
            }
            ContentCoding::Gzip => {
                Self::Gzip(GzEncoder::new(out, Compression::new(levels.gzip.into())))
            }
        })
    }

    /// All of it at once, for little.
    pub(super) fn whole(coding: ContentCoding, levels: Levels, bytes: &[u8]) -> io::Result<Bytes> {
        let mut encoder = Self::new(coding, levels)?;
        encoder.write(bytes)?;
        encoder.finish()
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Brotli(encoder) => encoder.write_all(bytes),
            Self::Zstd(encoder) => encoder.write_all(bytes),
            Self::Gzip(encoder) => encoder.write_all(bytes),
        }
    }

    /// Brings out all that was written: a client can decode it without what follows.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Brotli(encoder) => encoder.flush(),
            Self::Zstd(encoder) => encoder.flush(),
            Self::Gzip(encoder) => encoder.flush(),
        }
    }

    /// Ends the stream, and gives what was not taken.
    pub(super) fn finish(self) -> io::Result<Bytes> {
        Ok(match self {
            Self::Brotli(encoder) => encoder.into_inner(),
            Self::Zstd(encoder) => encoder.finish()?,
            Self::Gzip(encoder) => encoder.finish()?,
        }
        .into())
    }

    /// How much came out and was not taken.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Brotli(encoder) => encoder.get_ref().len(),
            Self::Zstd(encoder) => encoder.get_ref().len(),
            Self::Gzip(encoder) => encoder.get_ref().len(),
        }
    }

    /// Takes it.
    pub(super) fn take(&mut self) -> Bytes {
        std::mem::take(match self {
            Self::Brotli(encoder) => encoder.get_mut(),
            Self::Zstd(encoder) => encoder.get_mut(),
            Self::Gzip(encoder) => encoder.get_mut(),
        })
        .into()
    }
}

#[cfg(test)]
pub(super) fn decode(coding: ContentCoding, bytes: &[u8]) -> io::Result<Vec<u8>> {
    use std::io::Read;

    let mut plain = Vec::new();
    match coding {
        ContentCoding::Brotli => brotli::Decompressor::new(bytes, 4096).read_to_end(&mut plain)?,
        ContentCoding::Zstd => zstd::Decoder::new(bytes)?.read_to_end(&mut plain)?,
        ContentCoding::Gzip => flate2::read::GzDecoder::new(bytes).read_to_end(&mut plain)?,
    };
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn what_comes_out_is_what_went_in_however_it_is_cut(
            parts in proptest::collection::vec((proptest::collection::vec(0_u8..20, 0..3000), any::<bool>(), any::<bool>()), 0..12),
        ) {
            for coding in ContentCoding::ALL {
                let mut encoder = Encoder::new(coding, Levels::default()).unwrap();
                let (mut coded, mut plain) = (Vec::new(), Vec::new());
                for (part, flush, take) in &parts {
                    encoder.write(part).unwrap();
                    plain.extend_from_slice(part);
                    if *flush {
                        encoder.flush().unwrap();
                    }
                    if *take {
                        let ready = encoder.len();
                        let taken = encoder.take();
                        prop_assert_eq!((ready, encoder.len()), (taken.len(), 0));
                        coded.extend_from_slice(&taken);
                    }
                }
                coded.extend_from_slice(&encoder.finish().unwrap());
                prop_assert_eq!(decode(coding, &coded).unwrap(), plain);
            }
        }
    }

    #[test]
    fn what_is_flushed_can_be_read_without_what_follows() {
        for coding in ContentCoding::ALL {
            let mut encoder = Encoder::new(coding, Levels::default()).unwrap();
            encoder.write(b"data: one\n\n").unwrap();
            encoder.flush().unwrap();
            let first = encoder.take();
            let mut seen = [0; 11];
            match coding {
                ContentCoding::Brotli => {
                    brotli::Decompressor::new(&first[..], 64).read_exact(&mut seen)
                }
                ContentCoding::Zstd => zstd::Decoder::new(&first[..])
                    .unwrap()
                    .read_exact(&mut seen),
                ContentCoding::Gzip => {
                    flate2::read::GzDecoder::new(&first[..]).read_exact(&mut seen)
                }
            }
            .unwrap();
            assert_eq!(&seen, b"data: one\n\n", "{coding}");
        }
    }
}
