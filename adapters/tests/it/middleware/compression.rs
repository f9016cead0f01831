//! Bodies that are coded, both ways.

mod answers;
mod heads;
mod requests;
mod streams;

use std::io::Read;

use bytes::Bytes;
use test_client::Reply;

/// What the coding says of a body.
pub(crate) fn decode(coding: Option<&str>, body: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    match coding {
        Some("br") => brotli::Decompressor::new(body, 4096).read_to_end(&mut plain),
        Some("zstd") => zstd::Decoder::new(body).unwrap().read_to_end(&mut plain),
        Some("gzip") => flate2::read::GzDecoder::new(body).read_to_end(&mut plain),
        None => return body.to_vec(),
        other => panic!("{other:?} is no coding"),
    }
    .unwrap();
    plain
}

pub(crate) fn decoded(reply: &Reply) -> Vec<u8> {
    decode(reply.header("content-encoding"), &reply.body)
}

/// Text that gets smaller, though not by much.
pub(crate) fn text(length: usize) -> Bytes {
    let mut state = 1_u32;
    let mut text = Vec::with_capacity(length);
    while text.len() < length {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text.extend_from_slice((state >> 8).to_string().as_bytes());
        text.push(b' ');
    }
    text.truncate(length);
    text.into()
}
