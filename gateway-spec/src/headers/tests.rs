//! One table, three forms: every question must have the same answer in each of them.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::{BadBlock, Field, Headers};

type Fields<'a> = &'a [(&'a str, &'a [u8])];

/// Names are spelt as on the wire; fields of one name stand together, since a map cannot hold them otherwise.
const TABLE: &[Fields<'static>] = &[
    &[],
    &[("Host", b"a.example")],
    &[("accept", b"")],
    &[("X-Latin", b"caf\xe9"), ("X-Tab", b"a\tb")],
    &[
        ("Content-Type", b"text/plain"),
        ("Vary", b"accept"),
        ("vary", b"origin"),
        ("VARY", b"cookie"),
    ],
    &[
        ("a", b"1"),
        ("b", b"2"),
        ("ab", b"3"),
        ("ba", b"4"),
        ("A-B", b"5"),
    ],
    &[
        ("Set-Cookie", b"id=1"),
        ("Set-Cookie", b"id=1"),
        ("Authorization", b"Basic eA=="),
        ("x", b"y"),
    ],
];

/// The same fields as a block, a map and a list.
fn forms(fields: Fields<'_>) -> [(&'static str, Headers); 3] {
    [
        ("block", block(fields)),
        ("map", owned(fields).collect::<HeaderMap>().into()),
        ("list", owned(fields).collect()),
    ]
}

fn block(fields: Fields<'_>) -> Headers {
    let (bytes, index) = wire(fields);
    Headers::from_block(bytes, index).unwrap()
}

fn wire(fields: Fields<'_>) -> (Vec<u8>, Vec<Field>) {
    let mut bytes = b"GET / HTTP/1.1\r\n".to_vec();
    let mut index = Vec::new();
    for (name, value) in fields {
        let start = bytes.len();
        bytes.extend_from_slice(name.as_bytes());
        let end = bytes.len();
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value);
        index.push(Field::new(start..end, end + 2..bytes.len()).unwrap());
        bytes.extend_from_slice(b"\r\n");
    }
    (bytes, index)
}

fn owned<'a>(fields: Fields<'a>) -> impl Iterator<Item = (HeaderName, HeaderValue)> + 'a {
    fields.iter().map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        (name, HeaderValue::from_bytes(value).unwrap())
    })
}

/// Runs `test` on each form of each row.
#[track_caller]
fn check(test: impl Fn(Fields<'_>, Headers)) {
    for fields in TABLE {
        for (form, headers) in forms(fields) {
            println!("{form} of {fields:?}");
            test(fields, headers);
        }
    }
}

/// The fields with names in lower case, which is all that every form can keep of them.
fn plain(headers: &Headers) -> Vec<(String, Vec<u8>)> {
    headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_vec()))
        .collect()
}

fn lower(fields: Fields<'_>) -> Vec<(String, Vec<u8>)> {
    fields
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_vec()))
        .collect()
}

#[test]
fn iterating_gives_every_field_in_order() {
    check(|fields, headers| {
        assert_eq!(plain(&headers), lower(fields));
        assert_eq!(headers.len(), fields.len());
        assert_eq!(headers.is_empty(), fields.is_empty());
        assert_eq!((&headers).into_iter().count(), fields.len());
        assert!(headers.iter().size_hint().0 <= fields.len());
    });
}

#[test]
fn a_block_keeps_names_as_they_were_spelt() {
    for fields in TABLE {
        assert_eq!(&block(fields).iter().collect::<Vec<_>>(), fields);
    }
}

#[test]
fn a_name_finds_its_values_in_any_case_and_as_any_key() {
    check(|fields, headers| {
        for (name, _) in fields {
            let expected: Vec<&[u8]> = fields
                .iter()
                .filter(|(other, _)| other.eq_ignore_ascii_case(name))
                .map(|(_, value)| *value)
                .collect();
            let typed = HeaderName::from_bytes(name.as_bytes()).unwrap();
            for spelling in [
                name.to_string(),
                name.to_ascii_lowercase(),
                name.to_ascii_uppercase(),
            ] {
                assert_eq!(headers.get(&*spelling), Some(expected[0]));
                assert_eq!(headers.get_all(&*spelling).collect::<Vec<_>>(), expected);
                assert!(headers.contains(&*spelling));
            }
            assert_eq!(headers.get(&typed), Some(expected[0]));
            assert_eq!(headers.get_all(&typed).collect::<Vec<_>>(), expected);
            assert_eq!(headers.get_str(&typed), str::from_utf8(expected[0]).ok());
            assert!(headers.contains(typed));
        }
    });
}

#[test]
fn a_name_that_is_not_there_finds_nothing() {
    check(|_, headers| {
        for name in ["", "absent", "Hos", "Hostt", "host ", "no token\r\n", "ä"] {
            assert_eq!(headers.get(name), None);
            assert_eq!(headers.get_str(name), None);
            assert_eq!(headers.get_all(name).next(), None);
            assert!(!headers.contains(name));
            assert_eq!(headers.clone().remove(name), 0);
        }
    });
}

#[test]
fn a_value_that_is_no_text_is_still_bytes() {
    for (_, headers) in forms(&[("x", b"caf\xe9"), ("y", "caf\u{e9}".as_bytes())]) {
        assert_eq!(headers.get("x"), Some(&b"caf\xe9"[..]));
        assert_eq!(headers.get_str("x"), None);
        assert_eq!(headers.get_str("y"), Some("caf\u{e9}"));
    }
}

#[test]
fn appending_adds_behind_all_others() {
    check(|fields, mut headers| {
        headers.as_map();
        headers.append(header::SERVER, HeaderValue::from_static("s"));
        headers.extend([(header::SERVER, HeaderValue::from_static("t"))]);
        let mut expected = lower(fields);
        expected.extend(lower(&[("server", b"s"), ("server", b"t")]));
        assert_eq!(plain(&headers), expected);
        assert_eq!(headers.as_map().get_all("server").iter().count(), 2);
    });
}

#[test]
fn inserting_replaces_all_of_the_name_where_the_first_was() {
    check(|fields, headers| {
        for (name, _) in fields {
            let mut headers = headers.clone();
            headers.insert(name.parse().unwrap(), HeaderValue::from_static("new"));
            let mut expected = lower(fields);
            let name = name.to_ascii_lowercase();
            let first = expected
                .iter()
                .position(|(other, _)| *other == name)
                .unwrap();
            expected[first].1 = b"new".to_vec();
            let mut position = 0;
            expected.retain(|(other, _)| {
                position += 1;
                position - 1 == first || *other != name
            });
            // A map of several names may move others when it closes a gap.
            expected.sort();
            let mut found = plain(&headers);
            found.sort();
            assert_eq!(found, expected);
        }
        let mut headers = headers;
        headers.insert(header::SERVER, HeaderValue::from_static("s"));
        assert_eq!(headers.len(), fields.len() + 1);
        assert_eq!(headers.get("server"), Some(&b"s"[..]));
    });
}

#[test]
fn a_list_and_a_block_keep_their_order_when_fields_are_replaced_or_removed() {
    let fields: Fields<'_> = &[
        ("a", b"1"),
        ("b", b"2"),
        ("A", b"3"),
        ("c", b"4"),
        ("b", b"5"),
        ("d", b"6"),
    ];
    for mut headers in [block(fields), owned(fields).collect()] {
        headers.insert("b".parse().unwrap(), HeaderValue::from_static("x"));
        assert_eq!(
            plain(&headers),
            lower(&[
                ("a", b"1"),
                ("b", b"x"),
                ("a", b"3"),
                ("c", b"4"),
                ("d", b"6")
            ])
        );
        assert_eq!(headers.remove("A"), 2);
        assert_eq!(
            plain(&headers),
            lower(&[("b", b"x"), ("c", b"4"), ("d", b"6")])
        );
        headers.append("e".parse().unwrap(), HeaderValue::from_static("7"));
        assert_eq!(
            plain(&headers),
            lower(&[("b", b"x"), ("c", b"4"), ("d", b"6"), ("e", b"7")])
        );
    }
}

#[test]
fn removing_takes_all_of_the_name_and_counts_them() {
    check(|fields, headers| {
        for (name, _) in fields {
            let mut headers = headers.clone();
            let there = fields
                .iter()
                .filter(|(other, _)| other.eq_ignore_ascii_case(name))
                .count();
            assert_eq!(headers.remove(*name), there);
            assert_eq!(headers.get(*name), None);
            assert_eq!(headers.len(), fields.len() - there);
            assert_eq!(headers.remove(*name), 0);
        }
    });
}

#[test]
fn the_map_has_the_same_fields() {
    check(|fields, headers| {
        let expected: HeaderMap = owned(fields).collect();
        assert_eq!(headers.as_map(), &expected);
        assert!(
            std::ptr::eq(headers.as_map(), headers.as_map()),
            "made once"
        );
        assert_eq!(
            headers.clone().into_map(),
            expected,
            "without the map made before"
        );
        assert_eq!(HeaderMap::from(headers), expected, "with it");
    });
}

#[test]
fn the_map_of_a_block_shares_one_buffer() {
    let fields: Fields<'_> = &[("a", b"1"), ("b", b"2")];
    let gap = |map: &HeaderMap| {
        map["b"].as_bytes().as_ptr() as usize - map["a"].as_bytes().as_ptr() as usize
    };
    // From one value to the next: itself, the line's end, the name and what stands between.
    assert_eq!(gap(block(fields).as_map()), 6);
    assert_eq!(gap(&block(fields).into_map()), 6);
}

#[test]
fn tokens_are_found_in_lists_of_one_or_more_lines() {
    let fields: Fields<'_> = &[
        ("connection", b"keep-alive , Upgrade"),
        ("Connection", b",x"),
        ("y", b"closed"),
    ];
    for (_, headers) in forms(fields) {
        for token in ["keep-alive", "upgrade", "X"] {
            assert!(headers.contains_token("connection", token), "{token}");
        }
        for token in ["keep", "upgrade x", "close"] {
            assert!(!headers.contains_token("connection", token), "{token}");
        }
        assert!(!headers.contains_token("y", "close"));
        assert!(!headers.contains_token("z", "close"));
    }
}

#[test]
fn debug_output_hides_secrets() {
    let fields: Fields<'_> = &[
        ("host", b"a\xe9"),
        ("cookie", b"secret"),
        ("set-cookie", b"secret"),
        ("authorization", b"secret"),
        ("proxy-authorization", b"secret"),
    ];
    for (_, headers) in forms(fields) {
        let text = format!(
            "{headers:?} {:?} {:?}",
            headers.iter(),
            headers.get_all("cookie")
        );
        assert!(text.contains(r"host: a\xe9"), "{text}");
        assert!(text.contains("cookie: …"), "{text}");
        assert!(!text.contains("secret"), "{text}");
    }
    let mut value = HeaderValue::from_static("secret");
    value.set_sensitive(true);
    let list: Headers = [(header::ETAG, value)].into_iter().collect();
    assert_eq!(
        format!("{list:?} {:?}", Headers::from(list.as_map().clone())),
        "{etag: …} {etag: …}"
    );
}

#[test]
fn a_block_is_refused_when_it_breaks_the_grammar() {
    let check = |bytes: &[u8], name, value, expected| {
        let field = Field::new(name, value).unwrap();
        let result = Headers::from_block(bytes.to_vec(), vec![field]);
        assert_eq!(
            result.map(|headers| headers.len()),
            expected,
            "{}",
            bytes.escape_ascii()
        );
    };
    check(b"a: b", 0..1, 3..4, Ok(1));
    check(b"a: b", 0..1, 4..4, Ok(1));
    check(b"a: b", 0..1, 3..5, Err(BadBlock::OutOfRange));
    check(b"a: b", 4..5, 0..1, Err(BadBlock::OutOfRange));
    check(b"a: b", 0..0, 3..4, Err(BadBlock::Name));
    for byte in 0..=u8::MAX {
        let token = HeaderName::from_bytes(&[byte]).is_ok();
        check(
            &[byte, b':', b'v'],
            0..1,
            2..3,
            if token { Ok(1) } else { Err(BadBlock::Name) },
        );
        let value = HeaderValue::from_bytes(&[byte]).is_ok();
        check(
            &[b'n', b':', byte],
            0..1,
            2..3,
            if value { Ok(1) } else { Err(BadBlock::Value) },
        );
    }
}

#[test]
fn a_map_of_the_callers_own_has_the_same_fields_and_leaves_nothing_behind() {
    check(|fields, headers| {
        let expected: HeaderMap = owned(fields).collect();
        assert_eq!(headers.to_map(), expected);
        assert!(headers.map.get().is_none(), "nothing is kept");
        headers.as_map();
        assert_eq!(headers.to_map(), expected);
        assert_eq!(plain(&headers), lower(fields));
    });
}

#[test]
fn a_change_is_in_the_map_of_the_callers_own() {
    check(|_, mut headers| {
        headers.as_map();
        headers.insert(header::ETAG, HeaderValue::from_static("7"));
        assert_eq!(headers.to_map()[header::ETAG], "7");
    });
}

#[test]
fn an_index_entry_has_bounds() {
    assert!(Field::new(0..65_535, 0..0).is_some());
    assert!(Field::new(0..65_536, 0..0).is_none());
    assert!(Field::new(0..1, usize::MAX..usize::MAX).is_none());
    #[expect(clippy::reversed_empty_ranges, reason = "what is refused")]
    let reversed = Field::new(0..1, 3..2);
    assert!(reversed.is_none());
}

#[test]
fn refilling_reuses_both_buffers() {
    let mut headers = Headers::from(HeaderMap::from_iter([(
        header::HOST,
        HeaderValue::from_static("old"),
    )]));
    let mut spare = Vec::new();
    let mut places = Vec::new();
    for fields in [TABLE[5], TABLE[1], TABLE[3], TABLE[4]] {
        let (bytes, mut index) = wire(fields);
        spare.append(&mut index);
        headers.refill_validated(&bytes, &mut spare);
        assert_eq!(&headers.iter().collect::<Vec<_>>(), fields);
        assert_eq!(headers.as_map(), &owned(fields).collect::<HeaderMap>());
        assert!(spare.is_empty());
        places.push(headers.get(fields[0].0).unwrap().as_ptr() as usize);
    }
    assert!(spare.capacity() > 0, "the previous index comes back");
    assert!(places[1].abs_diff(places[2]) < 100, "the same block");
}

/// One head after the other, in the same value: which of their maps share memory with the one before.
fn maps_of(heads: &[Fields<'_>]) -> Vec<bool> {
    let mut headers = Headers::new();
    let mut before = None;
    heads
        .iter()
        .map(|fields| {
            let (bytes, mut index) = wire(fields);
            headers.refill_validated(&bytes, &mut index);
            let map = headers.to_map();
            assert_eq!(map, owned(fields).collect::<HeaderMap>());
            let first = map.values().next().map(|value| value.as_bytes().as_ptr());
            let shares = before.replace((first, map)).map(|(before, _)| before) == Some(first);
            shares && first.is_some()
        })
        .collect()
}

#[test]
fn the_map_of_a_head_that_is_repeated_is_made_once() {
    let (a, b) = (TABLE[3], TABLE[4]);
    assert_eq!(
        maps_of(&[a, a, a, a, b, a, a, a]),
        [false, false, true, true, false, false, false, true]
    );
    assert_eq!(maps_of(&[TABLE[0]; 4]), [false; 4]);
    let spelt: Fields<'_> = &[("X-LATIN", b"caf\xe9"), ("X-Tab", b"a\tb")];
    assert_eq!(maps_of(&[a, a, spelt]), [false; 3]);
    let more: Fields<'_> = &[("X-Latin", b"caf\xe9"), ("X-Tab", b"a\tb"), ("a", b"b")];
    assert_eq!(maps_of(&[a, a, more, a]), [false; 4]);
}

#[test]
fn a_long_head_is_not_kept() {
    let long = vec![b'x'; 4 * 1024];
    let fields: Fields<'_> = &[("a", &long)];
    assert_eq!(maps_of(&[fields; 4]), [false; 4]);
}

#[test]
fn clones_of_a_block_share_it_until_they_change() {
    let (bytes, mut index) = wire(TABLE[3]);
    let mut headers = Headers::new();
    headers.refill_validated(&bytes, &mut index);
    let mut other = Headers::new();
    other.clone_from(&headers);
    let name = TABLE[3][0].0;
    let place = |headers: &Headers| headers.get(name).map(<[u8]>::as_ptr);
    assert_eq!(place(&other), place(&headers));

    // What was made of it stays while it is the same.
    let map: *const HeaderMap = other.as_map();
    other.clone_from(&headers);
    assert!(std::ptr::eq(map, other.as_map()));

    // A clone keeps its fields when the block is filled anew.
    let (bytes, mut index) = wire(TABLE[4]);
    headers.refill_validated(&bytes, &mut index);
    assert_eq!(headers.iter().collect::<Vec<_>>(), TABLE[4]);
    assert_eq!(other.iter().collect::<Vec<_>>(), TABLE[3]);
    other.clone_from(&headers);
    assert_eq!(other.as_map(), &owned(TABLE[4]).collect::<HeaderMap>());

    other.append(header::VIA, HeaderValue::from_static("1.1 a"));
    assert_eq!(headers.iter().collect::<Vec<_>>(), TABLE[4]);
}

#[test]
fn fields_that_a_server_keeps_are_shared_until_another_head_comes() {
    let mut block = super::FieldBlock::new();
    let mut headers: Headers = owned(TABLE[1]).collect();
    headers.set_block(&block);
    assert!(headers.is_empty());

    let (bytes, mut index) = wire(TABLE[3]);
    block.refill_validated(&bytes, &mut index);
    assert_eq!(block.bytes(), Some(&bytes[..]));
    headers.set_block(&block);
    assert_eq!(headers.iter().collect::<Vec<_>>(), TABLE[3]);

    // What was made of it stays while it is the same.
    let map: *const HeaderMap = headers.as_map();
    let (bytes, mut index) = wire(TABLE[3]);
    block.refill_validated(&bytes, &mut index);
    headers.set_block(&block);
    assert!(std::ptr::eq(map, headers.as_map()));

    let (bytes, mut index) = wire(TABLE[4]);
    block.refill_validated(&bytes, &mut index);
    assert_eq!(headers.iter().collect::<Vec<_>>(), TABLE[3]);
    headers.set_block(&block);
    assert_eq!(headers.iter().collect::<Vec<_>>(), TABLE[4]);
    assert_eq!(headers.as_map(), &owned(TABLE[4]).collect::<HeaderMap>());
    headers.set_block(&super::FieldBlock::new());
    assert!(headers.is_empty());
}

#[test]
fn the_same_bytes_with_other_places_are_other_fields() {
    let mut headers = Headers::new();
    let bytes = b"ab: cd";
    let places = [
        (0..2, 4..6),
        (0..1, 4..6),
        (0..2, 4..6),
        (0..2, 5..6),
        (0..2, 4..6),
    ];
    for (name, value) in places {
        for _ in 0..3 {
            let mut index = vec![Field::new(name.clone(), value.clone()).unwrap()];
            headers.refill_validated(bytes, &mut index);
            let text =
                |range: &std::ops::Range<usize>| str::from_utf8(&bytes[range.clone()]).unwrap();
            assert_eq!(headers.to_map()[text(&name)], text(&value));
        }
    }
}

#[test]
fn wrong_vouchers_make_wrong_fields_and_no_panic() {
    let mut headers = Headers::new();
    let mut index = vec![
        Field::new(0..1, 70..80).unwrap(),
        Field::new(90..91, 0..1).unwrap(),
    ];
    headers.refill_validated(b"\xff\n", &mut index);
    assert_eq!(
        headers.iter().collect::<Vec<_>>(),
        [("", &b""[..]), ("", b"\xff")]
    );
    assert!(headers.as_map().is_empty());
    assert_eq!(headers.get("\u{fffd}"), None);
    headers.append(header::HOST, HeaderValue::from_static("a"));
    assert_eq!(headers.len(), 1);
}

#[test]
fn two_fields_need_no_allocation() {
    let headers: Headers = owned(TABLE[3]).collect();
    let super::Form::List(list) = &headers.form else {
        panic!("what was collected is a list")
    };
    assert_eq!(list.allocated(), 0);
}
