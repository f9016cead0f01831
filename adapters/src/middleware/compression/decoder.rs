//! The three decoders as one: coded bytes in as they come, plain bytes out, no more at a time than asked for.

use std::io::{self, BufRead, Read};

use brotli::Decompressor;
use bytes::{Buf, Bytes};
use flate2::bufread::MultiGzDecoder;

use crate::ContentCoding;

/// The logarithm of the largest window of zstd: the 8 MiB of RFC 9659, which no client may exceed.
const ZSTD_WINDOW: u32 = 23;

/// How a brotli stream begins whose window is larger than the 16 MiB of RFC 7932, which has no such streams (section 9.1); the decoder
/// would follow them to 1 GiB.
const BROTLI_LARGE_WINDOW: u8 = 0b001_0001;

/// Bytes that brotli takes at a time.
const BROTLI_BUFFER: usize = 4 * 1024;

/// What came and was not decoded. Out of it, the decoder waits.
#[derive(Debug, Default)]
struct Feed {
    bytes: Bytes,
    has_ended: bool,
}

impl BufRead for Feed {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.bytes.is_empty() && !self.has_ended {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(&self.bytes)
    }

    fn consume(&mut self, amount: usize) {
        self.bytes.advance(amount);
    }
}

impl Read for Feed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let ready = self.fill_buf()?;
        let amount = ready.len().min(into.len());
        into[..amount].copy_from_slice(&ready[..amount]);
        self.consume(amount);
        Ok(amount)
    }
}

/// What a decoder comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decoded {
    Bytes(usize),
    /// There is nothing to decode: more must come.
    Starved,
    /// The stream is complete, and nothing is behind it.
    Complete,
    /// It is not what it is said to be, or breaks off.
    Broken,
}

/// A stream that is decoded.
pub(super) struct Decoder {
    kind: Kind,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not a byte came.
    New,
    Begun,
    Complete,
    /// It begins as nothing does that is decoded.
    Refused,
}

enum Kind {
    Brotli(Box<Decompressor<Feed>>),
    Zstd(zstd::Decoder<'static, Feed>),
    Gzip(Box<MultiGzDecoder<Feed>>),
}

impl Decoder {
    pub(super) fn new(coding: ContentCoding) -> io::Result<Self> {
        let feed = Feed::default();
        let kind = match coding {
            ContentCoding::Brotli => Kind::Brotli(Box::new(Decompressor::new(feed, BROTLI_BUFFER))),
            ContentCoding::Zstd => {
                let mut decoder = zstd::Decoder::with_buffer(feed)?;
                decoder.window_log_max(ZSTD_WINDOW)?;
                Kind::Zstd(decoder)
            }
            ContentCoding::Gzip => Kind::Gzip(Box::new(MultiGzDecoder::new(feed))),
        };
        Ok(Self {
            kind,
            state: State::New,
        })
    }

    fn feed_mut(&mut self) -> &mut Feed {
        match &mut self.kind {
            Kind::Brotli(decoder) => decoder.get_mut(),
            Kind::Zstd(decoder) => decoder.get_mut(),
            Kind::Gzip(decoder) => decoder.get_mut(),
        }
    }

    /// Gives it what came, when it is starved.
    pub(super) fn feed(&mut self, bytes: Bytes) {
        if let (State::New, Some(first)) = (self.state, bytes.first()) {
            let is_brotli = matches!(self.kind, Kind::Brotli(_));
            self.state = if is_brotli && first & 0x7f == BROTLI_LARGE_WINDOW {
                State::Refused
            } else {
                State::Begun
            };
        }
        self.feed_mut().bytes = bytes;
    }

    /// Nothing more comes.
    pub(super) fn end(&mut self) {
        self.feed_mut().has_ended = true;
    }

    pub(super) fn decode(&mut self, into: &mut [u8]) -> Decoded {
        match self.state {
            State::New | State::Begun => {}
            State::Complete => {
                let feed = self.feed_mut();
                return match (feed.bytes.is_empty(), feed.has_ended) {
                    (false, _) => Decoded::Broken,
                    (true, false) => Decoded::Starved,
                    (true, true) => Decoded::Complete,
                };
            }
            State::Refused => return Decoded::Broken,
        }
        match self.read(into) {
            Ok(0) => {
                // Brotli looks at what is behind its end when it is asked again.
                if matches!(self.kind, Kind::Brotli(_)) && !matches!(self.read(into), Ok(0)) {
                    return Decoded::Broken;
                }
                self.state = State::Complete;
                self.decode(into)
            }
            Ok(length) => Decoded::Bytes(length),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Decoded::Starved,
            Err(_) => Decoded::Broken,
        }
    }

    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match &mut self.kind {
            Kind::Brotli(decoder) => decoder.read(into),
            Kind::Zstd(decoder) => decoder.read(into),
            Kind::Gzip(decoder) => decoder.read(into),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::middleware::compression::encoder::{Encoder, Levels};

    /// Decodes pieces as they come; `None` if they are broken.
    fn decode(coding: ContentCoding, coded: &[u8], step: usize) -> Option<Vec<u8>> {
        let mut decoder = Decoder::new(coding).unwrap();
        let (mut plain, mut piece) = (Vec::new(), [0; 100]);
        let mut pieces = coded.chunks(step);
        loop {
            match decoder.decode(&mut piece) {
                Decoded::Bytes(length) => plain.extend_from_slice(&piece[..length]),
                Decoded::Starved => match pieces.next() {
                    Some(next) => decoder.feed(Bytes::copy_from_slice(next)),
                    None => decoder.end(),
                },
                Decoded::Complete => return Some(plain),
                Decoded::Broken => return None,
            }
        }
    }

    fn coded(coding: ContentCoding, plain: &[u8]) -> Vec<u8> {
        Encoder::whole(coding, Levels::default(), plain)
            .unwrap()
            .into()
    }

    #[test]
    fn however_it_is_cut_it_is_the_same() {
        let plain: Vec<u8> = (0..20_000_u32).map(|n| (n * n % 50) as u8).collect();
        for coding in ContentCoding::ALL {
            let coded = coded(coding, &plain);
            for step in [1, 2, 7, 100, 5000, usize::MAX] {
                assert!(
                    decode(coding, &coded, step) == Some(plain.clone()),
                    "{coding} by {step}"
                );
            }
            let empty = self::coded(coding, b"");
            assert_eq!(decode(coding, &empty, 1), Some(Vec::new()), "{coding}");
        }
    }

    #[test]
    fn what_breaks_off_or_goes_on_is_broken() {
        for coding in ContentCoding::ALL {
            let coded = coded(coding, b"some text, and some more of it");
            for end in 1..coded.len() {
                assert_eq!(
                    decode(coding, &coded[..end], 3),
                    None,
                    "{coding}, {end} bytes"
                );
            }
            for step in [1, 3, 1000] {
                let longer = [&coded[..], b"\x01trailing"].concat();
                assert_eq!(decode(coding, &longer, step), None, "{coding} by {step}");
            }
            assert_eq!(decode(coding, b"not coded at all", 4), None, "{coding}");
        }
    }

    #[test]
    fn a_window_beyond_the_rfc_is_broken() {
        let plain = b"some text, and some more of it";
        let mut settings = brotli::enc::BrotliEncoderParams {
            large_window: true,
            lgwin: 26,
            ..Default::default()
        };
        let mut coded = Vec::new();
        brotli::BrotliCompress(&mut &plain[..], &mut coded, &settings).unwrap();
        assert_eq!(decode(ContentCoding::Brotli, &coded, 100), None);
        (settings.large_window, settings.lgwin) = (false, 24);
        coded.clear();
        brotli::BrotliCompress(&mut &plain[..], &mut coded, &settings).unwrap();
        assert_eq!(
            decode(ContentCoding::Brotli, &coded, 100).as_deref(),
            Some(&plain[..])
        );
    }

    #[test]
    fn a_body_may_be_several_members_of_gzip() {
        let two = [
            coded(ContentCoding::Gzip, b"one "),
            coded(ContentCoding::Gzip, b"two"),
        ]
        .concat();
        for step in [1, 10, 1000] {
            assert_eq!(
                decode(ContentCoding::Gzip, &two, step),
                Some(b"one two".to_vec())
            );
        }
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(bytes in proptest::collection::vec(any::<u8>(), 0..300), step in 1_usize..50) {
            for coding in ContentCoding::ALL {
                let _ = decode(coding, &bytes, step);
                let mut spoilt = coded(coding, b"some text, and some more of it");
                for (index, byte) in bytes.iter().enumerate().take(2) {
                    let at = (*byte as usize + index) % spoilt.len();
                    spoilt[at] ^= byte;
                }
                let _ = decode(coding, &spoilt, step);
            }
        }
    }
}
