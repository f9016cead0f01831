//! Masking (RFC 6455 §5.3), the same both ways, in place.

/// A masking key.
pub type Key = [u8; 4];

/// Bytes that one turn of the main loop covers: some vector registers, so that the turn itself costs little beside them.
const LANE: usize = 128;

/// Masks or unmasks `bytes`, which begin at byte `at` of their frame's payload.
///
/// ```
/// // RFC 6455 §5.7: "Hello" in a masked text frame.
/// let mut payload = [0x7f, 0x9f, 0x4d, 0x51, 0x58];
/// websocket::mask::apply([0x37, 0xfa, 0x21, 0x3d], 0, &mut payload);
/// assert_eq!(&payload, b"Hello");
/// ```
pub fn apply(mut key: Key, at: usize, bytes: &mut [u8]) {
    key.rotate_left(at % 4);
    let mut lane = [0; LANE];
    lane.as_chunks_mut().0.fill(key);

    let (lanes, rest) = bytes.as_chunks_mut::<LANE>();
    for bytes in lanes {
        xor(bytes, &lane);
    }
    // LANE is a multiple of four, so the key stands at its first byte here.
    xor(rest, &lane);
}

/// As [`apply`], from the first byte on, for few bytes.
#[inline]
pub(crate) fn apply_short(key: Key, bytes: &mut [u8]) {
    let word = u32::from_ne_bytes(key);
    let long = u64::from(word) << 32 | u64::from(word);
    let (longs, rest) = bytes.as_chunks_mut::<8>();
    for bytes in longs {
        *bytes = (u64::from_ne_bytes(*bytes) ^ long).to_ne_bytes();
    }
    let (words, rest) = rest.as_chunks_mut::<4>();
    for bytes in words {
        *bytes = (u32::from_ne_bytes(*bytes) ^ word).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key) {
        *byte ^= key;
    }
}

// A plain loop over arrays of one known length: the compiler makes it one vector operation.
#[inline(always)]
fn xor(bytes: &mut [u8], lane: &[u8; LANE]) {
    for (byte, key) in bytes.iter_mut().zip(lane) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_text_of_the_rfc_at_all_offsets_and_lengths() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        let plain: Vec<u8> = (0..400_u16).map(|n| n.wrapping_mul(37) as u8).collect();
        for start in 0..8 {
            for at in 0..8 {
                for length in (0..=130).chain(250..=300) {
                    let mut bytes = plain.clone();
                    apply(key, at, &mut bytes[start..start + length]);
                    let mut naive = plain.clone();
                    for i in 0..length {
                        naive[start + i] ^= key[(at + i) % 4];
                    }
                    assert_eq!(bytes, naive, "{length} bytes at {at}, from {start}");
                }
            }
        }
    }
}
