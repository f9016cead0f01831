//! SCOPE: what is known before the body.

use std::sync::Arc;

use gateway_spec::{Address, BodyLength, Label, Scope};
use http::header::{HOST, HeaderValue};

use crate::support::scope;

fn at(target: &str) -> Scope {
    let mut scope = scope(BodyLength::Empty);
    scope.edit().uri = target.parse().unwrap();
    scope
}

#[test]
fn mounts_move_the_path_and_leave_the_target() {
    let mut scope = at("/api/v%31/users%2F7?x=%20");
    assert_eq!(
        (scope.root_path(), scope.path()),
        ("", "/api/v%31/users%2F7")
    );
    scope.edit().mount("/api".len());
    assert_eq!(
        (scope.root_path(), scope.path()),
        ("/api", "/v%31/users%2F7")
    );
    scope.edit().mount("/v%31".len());
    assert_eq!(
        (scope.root_path(), scope.path()),
        ("/api/v%31", "/users%2F7")
    );
    scope.edit().mount("/users%2F7".len());
    assert_eq!(
        (scope.root_path(), scope.path()),
        ("/api/v%31/users%2F7", "/")
    );
    assert_eq!(scope.uri, "/api/v%31/users%2F7?x=%20");
    assert_eq!(scope.query(), Some("x=%20"));
}

#[test]
fn a_mount_ends_at_a_slash() {
    for bytes in [1, 3, 99] {
        let mounted = std::panic::catch_unwind(|| at("/api/x").edit().mount(bytes));
        assert!(mounted.is_err(), "{bytes}");
    }
}

#[test]
fn targets_without_a_path_have_none_to_mount() {
    assert_eq!(at("*").path(), "*");
    assert_eq!(at("example.org:443").path(), "/");
    assert_eq!(at("http://example.org").path(), "/");
}

#[test]
fn the_authority_is_the_targets_before_the_hosts() {
    let with_host = |target| {
        let mut scope = at(target);
        scope
            .edit()
            .headers
            .append(HOST, HeaderValue::from_static("by.host"));
        scope.authority().map(str::to_owned)
    };
    assert_eq!(with_host("/").as_deref(), Some("by.host"));
    assert_eq!(
        with_host("http://by.target:8/").as_deref(),
        Some("by.target:8")
    );
    assert_eq!(at("/").authority(), None);
}

#[test]
fn an_edit_is_seen_below_and_not_above() {
    let mut below = at("/a/b");
    let above = below.clone();
    below.edit().mount(2);
    below.edit().extensions.insert(7_u8);
    assert_eq!((above.path(), above.extensions.get::<u8>()), ("/a/b", None));
    assert_eq!(
        (below.path(), below.extensions.get::<u8>()),
        ("/b", Some(&7))
    );
}

#[test]
fn a_scope_is_used_again_only_if_nobody_holds_it() {
    let mut scope = at("/a/b");
    let held = scope.clone();
    assert!(scope.reuse().is_none());
    drop(held);
    let again = scope.reuse().unwrap();
    again.mount(2);
    again.protocol = Some("websocket".into());
    again.extensions.insert(7_u8);
    again.label.set("/old");
    again.clear();
    assert_eq!((again.root_path(), again.protocol.is_none()), ("", true));
    assert_eq!((again.extensions.len(), again.label.get()), (0, None));
}

#[test]
fn a_label_is_set_once_for_all_copies() {
    let mut below = at("/");
    let above = below.clone();
    below.edit().mount(0);
    below.label.set("/first");
    above.label.set(String::from("/second"));
    assert_eq!(
        (above.label.get(), below.label.get()),
        (Some("/first"), Some("/first"))
    );
}

#[test]
fn a_label_that_somebody_holds_is_not_cleared_for_him() {
    let mut scope = at("/");
    let held: Label = scope.label.clone();
    held.set("/mine");
    scope.reuse().unwrap().clear();
    assert_eq!((held.get(), scope.label.get()), (Some("/mine"), None));
}

#[test]
fn an_address_is_shown_as_it_is_dialled() {
    let table = [
        (Address::Tcp("[::1]:80".parse().unwrap()), "[::1]:80"),
        (Address::Unix(Some("/run/x".into())), "unix:/run/x"),
        (Address::Unix(None), "unix:"),
    ];
    for (address, shown) in table {
        assert_eq!(address.to_string(), shown);
    }
    assert!(Address::Unix(None).tcp().is_none());
    let shared = Arc::clone(&at("/").connection);
    assert!(shared.client.is_none());
}
