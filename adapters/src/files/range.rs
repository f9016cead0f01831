//! Which bytes of a representation a client asks for (RFC 9110 section 14). Pure.

/// Ranges that one request may name; one with more is answered whole. A PDF reader asks for some ten at a time.
const RANGES: usize = 32;

/// Bytes between two ranges up to which they are sent as one: what a part's own head costs (RFC 9110 section 15.3.7.2).
const GAP: u64 = 80;

/// A part of a representation, not empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ByteRange {
    pub(super) first: u64,
    /// Inclusive, as on the wire.
    pub(super) last: u64,
}

impl ByteRange {
    /// All of so many bytes, if there is any.
    pub(super) fn all(length: u64) -> Option<Self> {
        let last = length.checked_sub(1)?;
        Some(Self { first: 0, last })
    }

    pub(super) const fn length(self) -> u64 {
        self.last - self.first + 1
    }
}

/// What is to be sent of a representation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    One(ByteRange),
    /// At least two, in the order in which they were asked for; they do not overlap.
    Several(Vec<ByteRange>),
    Unsatisfiable,
}

/// Decides what a `Range` asks for of so many bytes. What is no range of bytes, or malformed, is as if it were not there, as section
/// 14.2 allows; so is what costs more than the whole.
pub(super) fn part(range: &[u8], length: u64) -> Part {
    let Some(asked) = parse(range) else {
        return Part::Whole;
    };
    // `Content-Range` cannot say that a part is empty, and clients ask for `bytes=0-` of whatever there is.
    if length == 0 {
        return Part::Whole;
    }
    let wanted = asked.into_iter().filter_map(|asked| asked.within(length));
    let ranges = coalesce(wanted);
    let sum: u64 = ranges.iter().map(|range| range.length()).sum();
    match *ranges {
        [] => Part::Unsatisfiable,
        [range] => Part::One(range),
        _ if sum >= length => Part::Whole,
        _ => Part::Several(ranges),
    }
}

/// A range as it was asked for. Numbers too large for a `u64` are the largest one: no representation reaches it.
#[derive(Debug, Clone, Copy)]
enum Asked {
    Between { first: u64, last: u64 },
    Suffix(u64),
}

impl Asked {
    fn within(self, length: u64) -> Option<ByteRange> {
        let end = length - 1;
        match self {
            Self::Between { first, last } => (first <= end).then(|| ByteRange {
                first,
                last: last.min(end),
            }),
            Self::Suffix(0) => None,
            Self::Suffix(suffix) => Some(ByteRange {
                first: length.saturating_sub(suffix),
                last: end,
            }),
        }
    }
}

/// The ranges of a `Range: bytes=…`; `None` if it is anything else.
fn parse(value: &[u8]) -> Option<Vec<Asked>> {
    let text = str::from_utf8(value).ok()?;
    let (unit, set) = text.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let mut ranges = Vec::new();
    for member in set.split(',') {
        let member = member.trim_matches([' ', '\t']);
        // Empty members are legal in lists (section 5.6.1.2), and count for the bound all the same.
        if ranges.len() == RANGES {
            return None;
        }
        if !member.is_empty() {
            ranges.push(parse_one(member)?);
        }
    }
    (!ranges.is_empty()).then_some(ranges)
}

fn parse_one(member: &str) -> Option<Asked> {
    let (first, last) = member.split_once('-')?;
    match (first, last) {
        ("", suffix) => Some(Asked::Suffix(number(suffix)?)),
        (first, "") => Some(Asked::Between {
            first: number(first)?,
            last: u64::MAX,
        }),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Asked::Between { first, last })
        }
    }
}

fn number(digits: &str) -> Option<u64> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // All digits, so nothing but its size can be wrong with it.
    Some(digits.parse().unwrap_or(u64::MAX))
}

/// Joins what overlaps or nearly touches; each is sent in the place of the first of its parts.
fn coalesce(ranges: impl Iterator<Item = ByteRange>) -> Vec<ByteRange> {
    let mut joined = Vec::<ByteRange>::new();
    for mut range in ranges {
        let mut place = joined.len();
        // What it touches may touch others by it.
        while let Some(index) = joined.iter().position(|other| touch(*other, range)) {
            let other = joined.remove(index);
            place = place.min(index);
            range.first = range.first.min(other.first);
            range.last = range.last.max(other.last);
        }
        joined.insert(place.min(joined.len()), range);
    }
    joined
}

fn touch(a: ByteRange, b: ByteRange) -> bool {
    let reach = |range: ByteRange| range.last.saturating_add(GAP);
    a.first <= reach(b) && b.first <= reach(a)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(first: u64, last: u64) -> ByteRange {
        ByteRange { first, last }
    }

    #[test]
    fn one_range_is_one_part() {
        for (asked, first, last) in [
            ("bytes=0-0", 0, 0),
            ("bytes=0-499", 0, 499),
            ("bytes=500-", 500, 999),
            ("bytes=-1", 999, 999),
            ("bytes=-500", 500, 999),
            ("bytes=-5000", 0, 999),
            ("bytes=0-5000", 0, 999),
            ("bytes=999-999", 999, 999),
            ("BYTES=1-2", 1, 2),
            ("bytes= 1-2 ,", 1, 2),
            ("bytes=,,1-2", 1, 2),
            ("bytes=0-18446744073709551616", 0, 999),
            ("bytes=-99999999999999999999999", 0, 999),
            // Of two, one can be satisfied, or both are the same.
            ("bytes=2000-3000,5-6", 5, 6),
            ("bytes=-0,5-6", 5, 6),
            ("bytes=5-6,5-6,6-7", 5, 7),
            ("bytes=0-9,20-29", 0, 29),
        ] {
            let expected = Part::One(range(first, last));
            assert_eq!(part(asked.as_bytes(), 1000), expected, "{asked}");
        }
    }

    #[test]
    fn several_ranges_are_several_parts_in_their_order() {
        for (asked, expected) in [
            ("bytes=0-9,500-509", &[(0, 9), (500, 509)][..]),
            ("bytes=500-509,0-9", &[(500, 509), (0, 9)]),
            ("bytes=-10, 0-9", &[(990, 999), (0, 9)]),
            ("bytes=500-509,0-9,505-520", &[(500, 520), (0, 9)]),
            ("bytes=0-9,500-509,9-600,900-901", &[(0, 600), (900, 901)]),
        ] {
            let ranges = expected.iter().map(|&(first, last)| range(first, last));
            let expected = Part::Several(ranges.collect());
            assert_eq!(part(asked.as_bytes(), 1000), expected, "{asked}");
        }
    }

    #[test]
    fn what_begins_behind_the_end_cannot_be_satisfied() {
        for asked in [
            "bytes=1000-",
            "bytes=1000-1000",
            "bytes=-0",
            "bytes=5000-,-0",
            "bytes=18446744073709551615-",
            "bytes=99999999999999999999999-",
        ] {
            assert_eq!(part(asked.as_bytes(), 1000), Part::Unsatisfiable, "{asked}");
        }
    }

    #[test]
    fn what_is_no_range_of_bytes_is_the_whole() {
        let many = format!("bytes={}", "0-0,".repeat(1300));
        let over = format!("bytes=0-0{}", ",500-501".repeat(RANGES));
        for asked in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes=a-b",
            "bytes=1",
            "bytes=2-1",
            "bytes=1-2-3",
            "bytes=1-2;3-4",
            "bytes=+1-2",
            "bytes=1 -2",
            "bytes=0x1-2",
            "bytes=1.5-2",
            "lines=1-2",
            "bytes 0-1",
            "bytes=0-1,2-1",
            "bytes=0-1,x",
            "bytes=--1",
            "seconds=0-",
            "none",
            // CVE-2011-3192 and CVE-2017-7529.
            "bytes=-17208,-9223372036854758792",
            &many,
            &over,
        ] {
            let seen = part(asked.as_bytes(), 1000);
            let whole = Part::One(range(0, 999));
            assert!(seen == Part::Whole || seen == whole, "{asked}: {seen:?}");
        }
        assert_eq!(part(b"bytes=\xff-1", 1000), Part::Whole);
        assert_eq!(part(b"bytes=0-", 0), Part::Whole);
    }

    #[test]
    fn parts_that_are_more_than_the_whole_are_the_whole() {
        assert_eq!(
            part(b"bytes=0-399,600-999", 1000),
            Part::Several(vec![range(0, 399), range(600, 999)])
        );
        assert_eq!(part(b"bytes=0-499,500-999", 1000), Part::One(range(0, 999)));
    }

    proptest! {
        #[test]
        fn parts_are_within_the_whole_and_apart_and_have_all_that_was_asked(
            asked in proptest::collection::vec((0_u64..2000, 0_u64..2000), 1..RANGES),
            length in 1_u64..1500,
        ) {
            let ordered: Vec<_> = asked.iter().map(|&(a, b)| (a.min(b), a.max(b))).collect();
            let text: Vec<_> = ordered.iter().map(|(a, b)| format!("{a}-{b}")).collect();
            let text = format!("bytes={}", text.join(","));
            let seen = part(text.as_bytes(), length);
            let ranges = match &seen {
                Part::Whole => vec![range(0, length - 1)],
                Part::One(one) => vec![*one],
                Part::Several(several) => several.clone(),
                Part::Unsatisfiable => Vec::new(),
            };
            for one in &ranges {
                prop_assert!(one.first <= one.last && one.last < length);
            }
            for (index, one) in ranges.iter().enumerate() {
                for other in &ranges[index + 1..] {
                    prop_assert!(!touch(*one, *other));
                }
            }
            let has = |at: u64| ranges.iter().any(|one| one.first <= at && at <= one.last);
            for (first, last) in ordered {
                for at in [first, last.min(length - 1)] {
                    prop_assert!(first >= length || has(at), "{} of {}", at, text);
                }
            }
        }

        #[test]
        fn no_value_breaks_it(value in proptest::collection::vec(any::<u8>(), 0..60), length in any::<u64>()) {
            let _ = part(&value, length);
            let mut prefixed = b"bytes=".to_vec();
            prefixed.extend(&value);
            let _ = part(&prefixed, length);
        }
    }
}
