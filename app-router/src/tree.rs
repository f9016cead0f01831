//! Finds routes by their paths: a tree of segments, in which each of them is found by its hash, so that a path costs the same among ten
//! routes and among ten thousand.
//!
//! What it holds was accepted before: patterns that could stand for the same path are refused when they are added.

use crate::params::{Span, Spans};
use crate::pattern::Piece;

/// Patterns, and the route of each.
#[derive(Debug)]
pub(crate) struct Tree {
    /// The first is the root: before the path's first segment.
    nodes: Vec<Node>,
}

/// What can follow after some segments.
#[derive(Debug, Default)]
struct Node {
    /// The route of a path that ends here.
    route: Option<usize>,
    texts: Texts,
    /// Those that say more first.
    wild: Vec<Wild>,
}

/// A segment with a parameter: all of it, or what is between two texts.
#[derive(Debug)]
struct Wild {
    before: Box<[u8]>,
    after: Box<[u8]>,
    to: To,
}

impl Wild {
    /// Where the value is in a text, which is never empty.
    #[inline]
    fn value(&self, text: &[u8]) -> Option<(usize, usize)> {
        let (before, after) = (self.before.len(), self.after.len());
        if text.len() <= before + after {
            return None;
        }
        // Nearly all parameters are whole segments.
        let is_one =
            before + after == 0 || (text.starts_with(&self.before) && text.ends_with(&self.after));
        is_one.then(|| (before, text.len() - after))
    }
}

#[derive(Debug, Clone, Copy)]
enum To {
    Node(usize),
    /// A catch-all: the rest of the path is its value.
    Route(usize),
}

impl Tree {
    pub(crate) fn new() -> Self {
        Self {
            nodes: vec![Node::default()],
        }
    }

    /// Adds the parts of a pattern, as [`pieces`](crate::pattern::pieces) gives them.
    pub(crate) fn add(&mut self, pieces: &[Piece], route: usize) {
        let mut segment = Segment::default();
        let mut at = 0;
        for (n, piece) in pieces.iter().enumerate() {
            let text = match piece {
                Piece::Text(text) => text,
                Piece::Param(_) => {
                    segment.has_param = true;
                    continue;
                }
                Piece::CatchAll(_) => {
                    self.wild(at, segment.before.as_bytes(), &[], Some(route));
                    return;
                }
            };
            let mut parts = text.split('/');
            if n == 0 {
                // Before the first slash is nothing.
                parts.next();
            }
            segment.push(parts.next().unwrap_or_default());
            for part in parts {
                at = self.below(at, &std::mem::take(&mut segment));
                segment.push(part);
            }
        }
        let last = self.below(at, &segment);
        self.nodes[last].route = Some(route);
    }

    /// The node below another, made if it is not there.
    fn below(&mut self, at: usize, segment: &Segment) -> usize {
        let (before, after) = (segment.before.as_bytes(), segment.after.as_bytes());
        if segment.has_param {
            return self.wild(at, before, after, None);
        }
        if let Some(known) = self.nodes[at].texts.get(before, measured(before)) {
            return known;
        }
        let made = self.node();
        self.nodes[at].texts.add(before, made);
        made
    }

    /// The node behind a parameter, made if it is not there; or `at`, if the parameter is a catch-all of this route.
    fn wild(&mut self, at: usize, before: &[u8], after: &[u8], rest_of: Option<usize>) -> usize {
        let known = |wild: &&Wild| *wild.before == *before && *wild.after == *after;
        let node = match (rest_of, self.nodes[at].wild.iter().find(known)) {
            (
                None,
                Some(Wild {
                    to: To::Node(node), ..
                }),
            ) => return *node,
            (None, _) => self.node(),
            (Some(_), _) => at,
        };
        let wilds = &mut self.nodes[at].wild;
        wilds.push(Wild {
            before: before.into(),
            after: after.into(),
            to: rest_of.map_or(To::Node(node), To::Route),
        });
        wilds.sort_by_key(|wild| std::cmp::Reverse((wild.before.len(), wild.after.len())));
        node
    }

    fn node(&mut self) -> usize {
        self.nodes.push(Node::default());
        self.nodes.len() - 1
    }

    /// The route of a path, and where the values of its parameters are.
    pub(crate) fn find(&self, path: &str, spans: &mut Spans) -> Option<usize> {
        let path = path.as_bytes();
        // An `http::Uri` is shorter.
        if path.len() > usize::from(u16::MAX) || path.first() != Some(&b'/') {
            return None;
        }
        let mut search = Search {
            nodes: &self.nodes,
            path,
            spans,
        };
        search.walk(&self.nodes[0], 1, 0)
    }
}

/// A segment of a pattern while it is read.
#[derive(Default)]
struct Segment {
    before: String,
    has_param: bool,
    after: String,
}

impl Segment {
    fn push(&mut self, text: &str) {
        match self.has_param {
            false => self.before.push_str(text),
            true => self.after.push_str(text),
        }
    }
}

struct Search<'a> {
    nodes: &'a [Node],
    path: &'a [u8],
    spans: &'a mut Spans,
}

impl<'a> Search<'a> {
    /// Goes on from a node, at a byte of the path, with so many values found. Text is tried first, then what says more of a
    /// segment: a node is at one place in the path, so none is entered twice.
    fn walk(&mut self, mut node: &'a Node, mut at: usize, mut count: usize) -> Option<usize> {
        loop {
            let measured = measured(&self.path[at..]);
            let end = at + measured.length;
            let text = node.texts.get(&self.path[at..end], measured);
            let below = match (text, &node.wild[..]) {
                (Some(below), []) => below,
                (None, []) => return None,
                (None, [wild]) => {
                    self.take(wild, at, end, count)?;
                    count += 1;
                    match wild.to {
                        To::Node(below) => below,
                        To::Route(route) => return Some(route),
                    }
                }
                (text, wild) => return self.first_of(text, wild, at, end, count),
            };
            node = &self.nodes[below];
            if end == self.path.len() {
                return node.route;
            }
            at = end + 1;
        }
    }

    /// Where more than one can follow: the first that leads to a route.
    fn first_of(
        &mut self,
        text: Option<usize>,
        wild: &'a [Wild],
        at: usize,
        end: usize,
        count: usize,
    ) -> Option<usize> {
        let found = text.and_then(|below| self.enter(below, end, count));
        if found.is_some() {
            return found;
        }
        wild.iter().find_map(|wild| {
            self.take(wild, at, end, count)?;
            match wild.to {
                To::Node(below) => self.enter(below, end, count + 1),
                To::Route(route) => Some(route),
            }
        })
    }

    fn enter(&mut self, node: usize, end: usize, count: usize) -> Option<usize> {
        let node = &self.nodes[node];
        if end == self.path.len() {
            return node.route;
        }
        self.walk(node, end + 1, count)
    }

    /// Takes the value of a parameter.
    #[inline]
    fn take(&mut self, wild: &Wild, at: usize, end: usize, count: usize) -> Option<()> {
        let end = match wild.to {
            To::Node(_) => end,
            To::Route(_) => self.path.len(),
        };
        let (start, stop) = wild.value(&self.path[at..end])?;
        *self.spans.get_mut(count)? = Span::new(at + start, at + stop);
        Some(())
    }
}

/// What is known of a path's next segment when its end is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Measured {
    length: usize,
    hash: u64,
    /// What is behind its whole words: all of it, if it is shorter than one.
    last: u64,
}

/// Eight bytes at a time are looked at for the slash and mixed in, as long as the
/// path has as many; the rest one by one. The texts that are hashed are the application's own, so that nobody can choose them
/// to collide.
#[inline]
fn measured(path: &[u8]) -> Measured {
    let (mut length, mut hash) = (0, BASIS);
    while let Some((word, _)) = path[length..].split_first_chunk() {
        let word = u64::from_le_bytes(*word);
        let bits = slashes(word).trailing_zeros();
        if bits < u64::BITS {
            // Those in front of the slash: its own bit is the highest of its byte.
            let bits = bits - 7;
            let last = word & !(u64::MAX << bits);
            return Measured {
                length: length + bits as usize / 8,
                hash: mixed(hash, last),
                last,
            };
        }
        hash = mixed(hash, word);
        length += 8;
    }
    let mut last = 0;
    let rest = path[length..].iter().take_while(|&&byte| byte != b'/');
    for (place, &byte) in rest.enumerate() {
        last |= u64::from(byte) << (8 * place);
        length += 1;
    }
    Measured {
        length,
        hash: mixed(hash, last),
        last,
    }
}

/// The highest bit of the first byte that is a slash, and of none before it.
#[inline]
const fn slashes(word: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    // Zero where a slash is; the borrow of a byte that is zero reaches only those behind it.
    let word = word ^ u64::from_le_bytes([b'/'; 8]);
    word.wrapping_sub(ONES) & !word & (ONES << 7)
}

/// A word more in a hash. The high half of a product has to do with the high bits of the word, the low half with the low ones:
/// together all of them choose the place.
#[inline]
const fn mixed(hash: u64, word: u64) -> u64 {
    let product = (hash ^ word) as u128 * PRIME as u128;
    product as u64 ^ (product >> 64) as u64
}

const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
/// An odd number whose bits are anyhow: the golden ratio's.
const PRIME: u64 = 0x9e37_79b9_7f4a_7c15;

/// Texts of one place, each with its node: a table with open addressing, half of it empty.
#[derive(Debug, Default)]
struct Texts {
    count: usize,
    /// A power of two of them, or none.
    slots: Vec<Option<Text>>,
}

#[derive(Debug)]
struct Text {
    measured: Measured,
    text: Box<[u8]>,
    node: usize,
}

impl Text {
    #[inline]
    fn is(&self, text: &[u8], measured: Measured) -> bool {
        let known = self.measured;
        if known.length != measured.length || known.last != measured.last {
            return false;
        }
        // A short one was compared just now.
        known.length < 8 || (known.hash == measured.hash && *self.text == *text)
    }
}

impl Texts {
    #[inline]
    fn get(&self, text: &[u8], measured: Measured) -> Option<usize> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut slot = measured.hash as usize & mask;
        loop {
            let known = self.slots[slot].as_ref()?;
            if known.is(text, measured) {
                return Some(known.node);
            }
            slot = (slot + 1) & mask;
        }
    }

    /// Adds a text that is not there.
    fn add(&mut self, text: &[u8], node: usize) {
        self.count += 1;
        let added = Text {
            measured: measured(text),
            text: text.into(),
            node,
        };
        if self.slots.len() >= 2 * self.count {
            return self.put(added);
        }
        let slots = (4 * self.count).next_power_of_two();
        let known = std::mem::take(&mut self.slots);
        self.slots.resize_with(slots, || None);
        for known in known.into_iter().flatten() {
            self.put(known);
        }
        self.put(added);
    }

    fn put(&mut self, text: Text) {
        let mask = self.slots.len() - 1;
        let mut slot = text.measured.hash as usize & mask;
        while self.slots[slot].is_some() {
            slot = (slot + 1) & mask;
        }
        self.slots[slot] = Some(text);
    }
}

#[cfg(test)]
mod tests;
