//! Finds the first byte of a kind, sixteen at a time.
//!
//! What a byte that was found means is for the caller to say. The functions that give a position alone look to the last byte; those that
//! give one or nothing look at whole lanes only, which is all that there is to do where more bytes follow.

use std::num::NonZeroU16;

use wide::{i8x16, u8x16};

/// How many letters and hyphens `bytes` begin with, and what is behind them; if there are fewer than two lanes of them and the lanes are
/// whole.
#[inline(always)]
pub(crate) fn plain_name(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (lane, behind) = bytes.split_first_chunk()?;
    if let Some(stop) = first(marks(lane, is_no_plain_name)) {
        return Some((stop, &bytes[stop..]));
    }
    let stop = first(marks(behind.first_chunk()?, is_no_plain_name))?;
    Some((LANES + stop, &behind[stop..]))
}

/// What is behind the spaces and visible bytes of ASCII that `bytes` begin with, if the first other one lies in a whole lane.
#[inline(always)]
pub(crate) fn behind_plain_value(bytes: &[u8]) -> Option<&[u8]> {
    behind_lanes(bytes, |lane| {
        // DEL and what is beyond it, and round to the last of the control bytes.
        marks(lane, |lane| is_at_most(lane - splat(0x7f), 0x80 + b' '))
    })
}

/// What is behind the bytes that `plain_target_end` passes over, if the first other one lies in a whole lane.
#[inline(always)]
pub(crate) fn behind_plain_target(bytes: &[u8]) -> Option<&[u8]> {
    behind_lanes(bytes, |lane| marks(lane, is_no_plain_target))
}

/// What is behind the bytes that `plain_host_end` passes over, if the first other one lies in a whole lane.
#[inline(always)]
pub(crate) fn behind_plain_host(bytes: &[u8]) -> Option<&[u8]> {
    behind_lanes(bytes, |lane| marks(lane, is_no_plain_host))
}

/// The position of the first byte at `at` or later that no token has (RFC 9110 section 5.6.2), or the end: in `Ok` if it is a
/// colon, in `Err` if not.
#[inline(always)]
pub(crate) fn name_end(bytes: &[u8], at: usize) -> Result<usize, usize> {
    // Letters and hyphens are all that most names have, and cheap to tell.
    let end = find(bytes, at, is_no_plain_name);
    if bytes.get(end) == Some(&b':') {
        return Ok(end);
    }
    let end = token_end(bytes, end);
    if bytes.get(end) == Some(&b':') {
        Ok(end)
    } else {
        Err(end)
    }
}

/// As `name_end`, for any token.
#[cold]
pub(crate) fn token_end(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|&&byte| is_token(byte)).count()
}

/// The position of the first byte at `at` or later that no field value has (RFC 9110 section 5.5): a control byte other than
/// a tab. Or the end. In `Ok` if a line end stands there, in `Err` if not.
#[inline(always)]
pub(crate) fn line_end(bytes: &[u8], mut at: usize) -> Result<usize, usize> {
    loop {
        at = find(bytes, at, is_control);
        if bytes
            .get(at..)
            .is_some_and(|behind| behind.starts_with(b"\r\n"))
        {
            return Ok(at);
        }
        if bytes.get(at) != Some(&b'\t') {
            return Err(at);
        }
        at += 1;
    }
}

/// The position of the first byte at `at` or later which is not of a registered name's plain ones: letters, digits, dots and
/// hyphens. Or the end.
#[inline(always)]
pub(crate) fn plain_host_end(bytes: &[u8], at: usize) -> usize {
    find(bytes, at, is_no_plain_host)
}

/// The position of the first byte at `at` or later that does not belong to those which paths and queries may have wherever they
/// stand; there are a few more. Or the end.
#[inline(always)]
pub(crate) fn plain_target_end(bytes: &[u8], at: usize) -> usize {
    find(bytes, at, is_no_plain_target)
}

/// RFC 9110 section 5.6.2: `tchar`.
pub(crate) const fn is_token(byte: u8) -> bool {
    matches!(
        byte,
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.'
            | b'^' | b'_' | b'`' | b'|' | b'~'
    )
}

/// Whether bytes without control bytes are `lower`, in any case; `lower` must be of small letters, digits and hyphens.
///
/// Those have the bit set that tells small letters from large ones, and but for letters only control bytes turn into one of
/// them when it is set.
#[inline(always)]
pub(crate) fn is<const N: usize>(bytes: &[u8], lower: &[u8; N]) -> bool {
    let Ok(bytes) = <&[u8; N]>::try_from(bytes) else {
        return false;
    };
    bytes
        .iter()
        .zip(lower)
        .fold(0, |difference, (a, b)| difference | ((a | 0x20) ^ b))
        == 0
}

/// A field value without the spaces and tabs around it.
pub(crate) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// What begins with the first byte that `stops` marks, if that lies in a whole lane.
#[inline(always)]
fn behind_lanes(mut bytes: &[u8], stops: impl Fn(&[u8; LANES]) -> u32) -> Option<&[u8]> {
    loop {
        let (lane, behind) = bytes.split_first_chunk()?;
        if let Some(stop) = first(stops(lane)) {
            return Some(&bytes[stop..]);
        }
        bytes = behind;
    }
}

/// The place of the lowest bit.
#[inline(always)]
fn first(bits: u32) -> Option<usize> {
    // Of a lane's width, so that no place is beyond the lane.
    let bits = NonZeroU16::new(bits as u16)?;
    Some(bits.trailing_zeros() as usize)
}

/// The position of the first byte at `at` or later that `stops` marks, or the end.
#[inline(always)]
fn find(bytes: &[u8], mut at: usize, stops: impl Fn(u8x16) -> u8x16) -> usize {
    let Some(last) = bytes.last_chunk() else {
        return find_in_few(bytes, at, stops);
    };
    while let Some(lane) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let stops = marks(lane, &stops);
        if stops != 0 {
            return at + stops.trailing_zeros() as usize;
        }
        at += LANES;
    }
    // The last lane again, without what was passed of it.
    let passed = at + LANES - bytes.len();
    let stops = marks(last, &stops).unbounded_shr(passed as u32);
    if stops == 0 {
        bytes.len()
    } else {
        at + stops.trailing_zeros() as usize
    }
}

/// As `find`, where not even one lane is filled.
#[cold]
fn find_in_few(bytes: &[u8], at: usize, stops: impl Fn(u8x16) -> u8x16) -> usize {
    let mut lane = [0; LANES];
    lane[..bytes.len()].copy_from_slice(bytes);
    // What fills up the lane is no part of the bytes, whether it stops or not.
    let stops = (marks(&lane, stops) | 1 << bytes.len()).unbounded_shr(at as u32);
    at.max(bytes.len())
        .min(at + stops.trailing_zeros() as usize)
}

/// A bit for each byte that is marked, the lowest for the first.
#[inline(always)]
fn marks(lane: &[u8; LANES], marks: impl Fn(u8x16) -> u8x16) -> u32 {
    marks(u8x16::new(*lane)).to_bitmask()
}

/// Bytes in a vector register of every machine.
const LANES: usize = 16;

#[inline(always)]
fn splat(byte: u8) -> u8x16 {
    u8x16::splat(byte)
}

#[inline(always)]
fn is_at_most(lane: u8x16, byte: u8) -> u8x16 {
    // Machines compare signed bytes at less cost.
    let signed = (lane ^ splat(0x80)).to_array().map(u8::cast_signed);
    let beyond = i8x16::splat(((byte + 1) ^ 0x80).cast_signed());
    let marks = i8x16::new(signed).simd_lt(beyond);
    u8x16::new(marks.to_array().map(i8::cast_unsigned))
}

#[inline(always)]
fn is_no_plain_name(lane: u8x16) -> u8x16 {
    !(is_letter(lane) | lane.simd_eq(splat(b'-')))
}

#[inline(always)]
fn is_control(lane: u8x16) -> u8x16 {
    is_at_most(lane, b' ' - 1) | lane.simd_eq(splat(0x7f))
}

#[inline(always)]
fn is_no_plain_host(lane: u8x16) -> u8x16 {
    let digit = is_at_most(lane - splat(b'0'), 9);
    !(is_letter(lane) | digit | lane.simd_eq(splat(b'.')) | lane.simd_eq(splat(b'-')))
}

#[inline(always)]
fn is_no_plain_target(lane: u8x16) -> u8x16 {
    // From the ampersand to the semicolon: digits, and all of the marks that are common.
    let marks = is_at_most(lane - splat(b'&'), b';' - b'&');
    let few = lane.simd_eq(splat(b'=')) | lane.simd_eq(splat(b'?')) | lane.simd_eq(splat(b'_'));
    !(is_letter(lane) | marks | few)
}

#[inline(always)]
fn is_letter(lane: u8x16) -> u8x16 {
    is_at_most((lane | splat(0x20)) - splat(b'a'), 25)
}

#[cfg(test)]
mod tests {
    use super::{
        behind_plain_host, behind_plain_target, behind_plain_value, is, is_token, line_end,
        name_end, plain_host_end, plain_name, plain_target_end, trim,
    };

    /// Puts each byte at each place of lines of `filler`, and compares with a walk over single bytes.
    #[track_caller]
    fn check(filler: u8, find: fn(&[u8], usize) -> usize, goes_on: fn(u8) -> bool) {
        for byte in 0..=u8::MAX {
            for place in 0..40 {
                let mut line = [filler; 40];
                line[place] = byte;
                for (start, length) in [
                    (0, 0),
                    (0, 1),
                    (0, 15),
                    (7, 15),
                    (15, 15),
                    (0, 16),
                    (9, 20),
                    (20, 20),
                    (1, 33),
                    (place, 40),
                ] {
                    let expected = (start..length)
                        .find(|&at| !goes_on(line[at]))
                        .unwrap_or(length);
                    let found = find(&line[..length], start);
                    assert_eq!(
                        found, expected,
                        "byte {byte:#x} at {place}, from {start} to {length}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_name_ends_at_the_first_byte_that_is_no_token() {
        let end = |bytes: &[u8], at| match name_end(bytes, at) {
            Ok(end) => {
                assert_eq!(bytes[end], b':');
                end
            }
            Err(end) => {
                assert_ne!(bytes.get(end), Some(&b':'));
                end
            }
        };
        check(b'a', end, is_token);
        check(b'_', end, is_token);
    }

    #[test]
    fn a_line_ends_at_the_first_control_byte() {
        let end = |bytes: &[u8], at| line_end(bytes, at).unwrap_or_else(|end| end);
        let goes_on = |byte: u8| byte == b'\t' || (byte >= b' ' && byte != 0x7f);
        check(b' ', end, goes_on);
        check(b'\t', end, goes_on);
        assert_eq!(line_end(b"a\tb\r\n", 0), Ok(3));
        assert_eq!(line_end(b"a\tb\r", 0), Err(3));
        assert_eq!(line_end(b"a\tb\n\r", 0), Err(3));
    }

    #[test]
    fn a_plain_host_ends_at_the_first_byte_that_is_not_plain() {
        check(b'7', plain_host_end, |byte| {
            byte.is_ascii_alphanumeric() || b".-".contains(&byte)
        });
    }

    #[test]
    fn a_plain_target_ends_at_the_first_byte_that_is_not_plain() {
        check(b'7', plain_target_end, |byte| {
            byte.is_ascii_alphanumeric() || b"&'()*+,-./:;=?_".contains(&byte)
        });
    }

    /// Puts each byte at each place of bytes of `filler`, and compares with a walk over single bytes: where the first that does not go on
    /// lies in a whole lane among the first `lanes`, what begins with it is found.
    #[track_caller]
    fn check_lanes(
        lanes: usize,
        filler: u8,
        find: fn(&[u8]) -> Option<&[u8]>,
        goes_on: fn(u8) -> bool,
    ) {
        for byte in 0..=u8::MAX {
            for place in 0..50 {
                let mut bytes = [filler; 50];
                bytes[place] = byte;
                for length in [0, 15, 16, 17, 31, 32, 33, 47, 48, 50] {
                    let bytes = &bytes[..length];
                    let whole = (length / 16).min(lanes) * 16;
                    let stop = (0..whole).find(|&at| !goes_on(bytes[at]));
                    assert_eq!(
                        find(bytes),
                        stop.map(|stop| &bytes[stop..]),
                        "byte {byte:#x} at {place} of {length}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_is_plain_is_found_in_whole_lanes() {
        let name = |byte: u8| byte.is_ascii_alphabetic() || byte == b'-';
        fn find_name(bytes: &[u8]) -> Option<&[u8]> {
            Some(plain_name(bytes)?.1)
        }
        check_lanes(2, b'a', find_name, name);
        check_lanes(2, b'-', find_name, name);
        let value = |byte: u8| (b' '..=b'~').contains(&byte);
        check_lanes(usize::MAX, b'~', behind_plain_value, value);
        check_lanes(usize::MAX, b' ', behind_plain_value, value);
        check_lanes(usize::MAX, b'7', behind_plain_host, |byte| {
            byte.is_ascii_alphanumeric() || b".-".contains(&byte)
        });
        check_lanes(usize::MAX, b'/', behind_plain_target, |byte| {
            byte.is_ascii_alphanumeric() || b"&'()*+,-./:;=?_".contains(&byte)
        });
        let name = b"Content-Length-Of-It: 1 and room for a lane";
        assert_eq!(plain_name(name).map(|(length, _)| length), Some(20));
    }

    #[test]
    fn names_compare_in_any_case() {
        for byte in (0..=u8::MAX).filter(|&byte| byte >= b' ') {
            let name = [b'x', byte];
            for &lower in b"abcdefghijklmnopqrstuvwxyz0123456789-" {
                let lower = [b'x', lower];
                assert_eq!(
                    is(&name, &lower),
                    name.eq_ignore_ascii_case(&lower),
                    "{name:?} {lower:?}"
                );
            }
        }
        assert!(!is(b"hos", b"host") && !is(b"hosts", b"host"));
    }

    #[test]
    fn spaces_and_tabs_are_trimmed_and_nothing_else() {
        assert_eq!(trim(b" \ta b\x0b\t "), b"a b\x0b");
        assert_eq!(trim(b" "), b"");
    }
}
