//! No bytes make a connection panic, and however a byte string is cut, it yields the same events or the same error.

use http1::{Connection, Limits, RequestHead};
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, Strategy, any, prop_assert_eq, prop_oneof, proptest};
use proptest::sample::{Index, select};

use crate::support::{Then, seen};

/// What requests are made of, right and wrong, so that random strings of them get past the first byte.
const PIECES: &[&str] = &[
    "GET / HTTP/1.1\r\n",
    "POST /a?b HTTP/1.1\r\n",
    "POST http://a/ HTTP/1.0\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n",
    "Host: a\r\n",
    "Content-Length: 5\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Connection: close\r\n",
    "Expect: 100-continue\r\n",
    "x-a-name-that-is-rather-long: and a value that is longer than a lane or two\r\n",
    "x:\ty \t\r\n",
    "\r\n",
    "\r",
    "\n",
    " ",
    "\t",
    ":",
    "x",
    "0",
    "5\r\nhello\r\n",
    "1;ext=\"y\"\r\nx\r\n",
    "0\r\n\r\n",
    "0\r\nx: y\r\n\r\n",
    "hello",
];

fn wire() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => select(PIECES).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 1..8),
    ];
    vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// Small ones, so that they are met.
fn limits() -> impl Strategy<Value = Limits> {
    let small = Limits::default()
        .with_head_bytes(100)
        .with_target_bytes(8)
        .with_fields(3)
        .with_trailer_bytes(8)
        .with_trailer_fields(1)
        .with_chunk_extension_bytes(4);
    select(vec![Limits::default(), small])
}

fn cut<'a>(wire: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(wire.len() + 1)).collect();
    places.extend([0, wire.len()]);
    places.sort_unstable();
    places
        .windows(2)
        .map(|pair| &wire[pair[0]..pair[1]])
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cuts_change_nothing(wire in wire(), cuts in vec(any::<Index>(), 0..6), limits in limits()) {
        for then in [Then::Wait, Then::Leave] {
            let whole = seen([&wire[..]], limits, then);
            prop_assert_eq!(seen(cut(&wire, &cuts), limits, then), &whole[..]);
            prop_assert_eq!(seen(wire.chunks(1), limits, then), whole);
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(wire in vec(any::<u8>(), 0..300)) {
        let whole = seen([&wire[..]], Limits::default(), Then::Leave);
        prop_assert_eq!(seen(wire.chunks(1), Limits::default(), Then::Leave), whole);
    }

    /// What is left in the input while more is asked for is bounded, whoever sends it.
    #[test]
    fn what_waits_in_the_input_is_bounded(wire in wire(), again in 1_usize..40) {
        let mut connection = Connection::new(Limits::default());
        let mut head = RequestHead::default();
        let mut input = bytes::BytesMut::new();
        for piece in wire.repeat(again).chunks(97) {
            input.extend_from_slice(piece);
            while let Ok(http1::Step::Event(_)) = connection.next_event(&mut input, &mut head) {}
            if !matches!(connection.next_event(&mut input, &mut head), Ok(http1::Step::NeedBytes)) {
                break;
            }
            assert!(input.len() < Limits::default().head_bytes);
        }
    }
}
