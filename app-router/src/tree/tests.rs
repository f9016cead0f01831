//! The tree finds what the tree finds that decides which patterns conflict.

use super::*;
use crate::pattern::pieces;

/// What both find: the route, and the values of its parameters.
type Found<'a> = Option<(usize, Vec<&'a str>)>;

fn by_tree<'a>(tree: &Tree, path: &'a str, patterns: &[&'static str]) -> Found<'a> {
    let mut spans = Spans::default();
    let route = tree.find(path, &mut spans)?;
    let count = crate::pattern::names(patterns[route]).count();
    let values = spans[..count].iter().map(|span| span.of(path).unwrap());
    Some((route, values.collect()))
}

fn by_matchit<'a>(tree: &matchit::Router<usize>, path: &'a str) -> Found<'a> {
    let found = tree.at(path).ok()?;
    let values = found.params.iter().map(|(_, value)| value).collect();
    Some((*found.value, values))
}

/// Those of the patterns that do not conflict, in both.
fn both(patterns: &[&'static str]) -> (Tree, matchit::Router<usize>, Vec<&'static str>) {
    let (mut tree, mut matchit, mut taken) = (Tree::new(), matchit::Router::new(), Vec::new());
    for pattern in patterns {
        if matchit.insert(*pattern, taken.len()).is_ok() {
            tree.add(&pieces(pattern), taken.len());
            taken.push(*pattern);
        }
    }
    (tree, matchit, taken)
}

const PATTERNS: &[&str] = &[
    "/",
    "/a",
    "/a/",
    "/a/b",
    "/a/{x}",
    "/a/{x}/",
    "/a/{x}/b",
    "/a/b/c/d",
    "/a/{x}/{y}/d",
    "/a/b{x}",
    "/a/bb{x}c",
    "/{x}.png",
    "/b/{x}.a",
    "/b/{x}.a.a",
    "/b/{x}/c",
    "/b/a/{*x}",
    "/c/{*x}",
    "/c/a",
    "/c/a/{y}/b",
    "/{{a}}/{b}",
    "/{x}/c",
    "/{*x}",
];

/// Every path of up to four segments of these.
const SEGMENTS: &[&str] = &[
    "", "a", "b", "c", "d", "bb", "bbac", "b.a", "b.a.a", ".a", "{a}", "x.png",
];

fn paths() -> Vec<String> {
    let mut paths = vec![String::new()];
    let mut last = paths.clone();
    for _ in 0..4 {
        last = last
            .iter()
            .flat_map(|path| {
                SEGMENTS
                    .iter()
                    .map(move |segment| format!("{path}/{segment}"))
            })
            .collect();
        paths.extend(last.iter().cloned());
    }
    paths
}

#[test]
fn it_finds_what_the_other_finds_in_any_of_the_patterns() {
    let paths = paths();
    for turn in 0..PATTERNS.len() {
        // Others come first, and so others are refused.
        let mut patterns = PATTERNS.to_vec();
        patterns.rotate_left(turn);
        patterns.truncate(PATTERNS.len() - turn / 2);
        let (tree, matchit, taken) = both(&patterns);
        for path in &paths {
            let expected = by_matchit(&matchit, path);
            assert_eq!(
                by_tree(&tree, path, &taken),
                expected,
                "{path} in {taken:?}"
            );
        }
    }
}

#[test]
fn among_ten_thousand_texts_each_is_found() {
    let mut texts = Texts::default();
    let names: Vec<String> = (0..10_000).map(|n| format!("r{n:05}")).collect();
    for (n, name) in names.iter().enumerate() {
        assert_eq!(texts.get(name.as_bytes(), measured(name.as_bytes())), None);
        texts.add(name.as_bytes(), n);
    }
    for (n, name) in names.iter().enumerate() {
        let found = texts.get(name.as_bytes(), measured(name.as_bytes()));
        assert_eq!(found, Some(n), "{name}");
    }
}

#[test]
fn a_segment_is_measured_the_same_alone_and_in_a_path() {
    // Beside the slash, below and above it, and what differs from it in the highest bit.
    let bytes = [b'a', b'.', b'0', 0xaf, 0xff, 0x80, 0x01, 0x00, b'o'];
    for length in 0..25 {
        let segment: Vec<u8> = bytes
            .iter()
            .copied()
            .cycle()
            .skip(length)
            .take(length)
            .collect();
        let alone = measured(&segment);
        assert_eq!(alone.length, length);
        for rest in ["/", "/b", "//", "/a//b/c", "/0123456789/0123456789"] {
            let path = [&segment, rest.as_bytes()].concat();
            assert_eq!(measured(&path), alone, "{segment:?} before {rest}");
        }
    }
    assert_ne!(measured(b"abcdefgh").hash, measured(b"abcdefg").hash);
    assert_ne!(measured(b"abcdefgh").hash, measured(b"abcdefgi").hash);
}

#[test]
fn texts_that_differ_in_one_byte_have_places_of_their_own() {
    for length in 1..20 {
        for place in 0..length {
            let slots: std::collections::HashSet<_> = (b'a'..=b'p')
                .map(|byte| {
                    let mut text = vec![b'0'; length];
                    text[place] = byte;
                    measured(&text).hash % 64
                })
                .collect();
            // At random it would be 14.
            let count = slots.len();
            assert!(
                count >= 10,
                "{count} places for 16 texts, byte {place} of {length}"
            );
        }
    }
}
