//! Finds the first byte of a kind, sixteen at a time.
//!
//! The loops are written so that the compiler turns them into vector instructions without unsafe code. What a byte that was
//! found means is for the caller to say.

/// The position of the first byte at `at` or later that no token has (RFC 9110 section 5.6.2), or the end.
#[inline(always)]
pub(crate) fn token_end(bytes: &[u8], mut at: usize) -> usize {
    loop {
        // Letters and hyphens are all that most names have, and cheap to tell.
        at = find(bytes, at, |byte| {
            (byte | 0x20).wrapping_sub(b'a') >= 26 && byte != b'-'
        });
        match bytes.get(at) {
            Some(&byte) if is_token(byte) => at += 1,
            Some(_) | None => return at,
        }
    }
}

/// The position of the first byte at `at` or later that no field value has (RFC 9110 section 5.5): a control byte other than
/// a tab. Or the end.
#[inline(always)]
pub(crate) fn value_end(bytes: &[u8], mut at: usize) -> usize {
    loop {
        at = find(bytes, at, |byte| byte < b' ' || byte == 0x7f);
        match bytes.get(at) {
            Some(b'\t') => at += 1,
            Some(_) | None => return at,
        }
    }
}

/// The position of the first byte at `at` or later which is not of a registered name's plain ones: letters, digits, dots and
/// hyphens. Or the end.
#[inline(always)]
pub(crate) fn plain_host_end(bytes: &[u8], at: usize) -> usize {
    find(bytes, at, |byte| {
        (byte | 0x20).wrapping_sub(b'a') >= 26
            && byte.wrapping_sub(b'0') >= 10
            && byte != b'.'
            && byte != b'-'
    })
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

#[inline(always)]
fn find(bytes: &[u8], mut at: usize, stops: impl Fn(u8) -> bool) -> usize {
    while let Some(lanes) = bytes.get(at..).and_then(<[u8]>::first_chunk::<16>) {
        let mut hits = [0; 16];
        for (hit, &byte) in hits.iter_mut().zip(lanes) {
            *hit = if stops(byte) { 0xff } else { 0 };
        }
        let hits = u128::from_le_bytes(hits);
        if hits != 0 {
            return at + hits.trailing_zeros() as usize / 8;
        }
        at += 16;
    }
    while bytes.get(at).is_some_and(|&byte| !stops(byte)) {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::{is, is_token, plain_host_end, token_end, trim, value_end};

    /// Puts each byte at each place of a line of `filler`, and compares with a walk over single bytes.
    #[track_caller]
    fn check(filler: u8, find: fn(&[u8], usize) -> usize, goes_on: fn(u8) -> bool) {
        for byte in 0..=u8::MAX {
            for place in 0..40 {
                let mut line = [filler; 40];
                line[place] = byte;
                for start in [0, 1, 7, place, 39, 40] {
                    let expected = (start..40).find(|&at| !goes_on(line[at])).unwrap_or(40);
                    assert_eq!(
                        find(&line, start),
                        expected,
                        "byte {byte:#x} at {place}, from {start}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_token_ends_at_the_first_byte_that_is_no_token() {
        check(b'a', token_end, is_token);
        check(b'_', token_end, is_token);
    }

    #[test]
    fn a_value_ends_at_the_first_control_byte() {
        let goes_on = |byte: u8| byte == b'\t' || (byte >= b' ' && byte != 0x7f);
        check(b' ', value_end, goes_on);
        check(b'\t', value_end, goes_on);
    }

    #[test]
    fn a_plain_host_ends_at_the_first_byte_that_is_not_plain() {
        check(b'7', plain_host_end, |byte| {
            byte.is_ascii_alphanumeric() || b".-".contains(&byte)
        });
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
