//! From the path of a request to the path of a file. Pure: no file system is asked.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use percent_encoding::percent_decode_str;

/// What a request's path names, below a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// Names joined by single slashes, none of them empty, `.` or `..`; empty for the directory itself.
    relative: OsString,
    /// Whether the path ends with a slash, and so names a directory.
    pub(super) ends_with_slash: bool,
}

/// Names that begin with a dot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hidden {
    /// Are nothing that a client sees, but for `.well-known` (RFC 8615).
    Missing,
    Served,
}

impl Target {
    /// The target of a path that is percent-encoded as it was sent; `None` if no file can have it.
    ///
    /// Nothing is put right: clients take `.` and `..` out of a path and no link of ours has an empty name, so a path that has
    /// them wants something else. A slash that is encoded separates nothing (RFC 3986 section 2.2), and is in no file's name. A
    /// backslash could be, and is refused for the sake of whatever else looks at these paths.
    pub(super) fn of(path: &str, hidden: Hidden) -> Option<Self> {
        let inner = path.strip_prefix('/')?;
        let mut relative = Vec::with_capacity(inner.len());
        let (names, ends_with_slash) = match inner.strip_suffix('/') {
            Some(names) => (names, true),
            None => (inner, inner.is_empty()),
        };
        if names.is_empty() {
            // `/`; of `//` one slash is left over.
            return inner.is_empty().then_some(Self {
                relative: OsString::new(),
                ends_with_slash,
            });
        }
        for name in names.split('/') {
            if !relative.is_empty() {
                relative.push(b'/');
            }
            let begin = relative.len();
            if !is_well_encoded(name) {
                return None;
            }
            relative.extend(percent_decode_str(name));
            if !is_name(&relative[begin..], hidden) {
                return None;
            }
        }
        Some(Self {
            relative: OsString::from_vec(relative),
            ends_with_slash,
        })
    }

    pub(super) fn path(&self) -> &Path {
        Path::new(&self.relative)
    }

    /// A file in the directory that this is.
    pub(super) fn join(&self, name: &OsStr) -> Self {
        let mut relative = self.relative.clone();
        if !relative.is_empty() {
            relative.push("/");
        }
        relative.push(name);
        Self {
            relative,
            ends_with_slash: false,
        }
    }

    /// The file beside this one whose name goes on with this.
    pub(super) fn with_suffix(&self, suffix: &str) -> Self {
        let mut relative = self.relative.clone();
        relative.push(suffix);
        Self {
            relative,
            ends_with_slash: false,
        }
    }

    /// The name's last extension; of `.profile` and `Makefile` there is none.
    pub(super) fn extension(&self) -> Option<&str> {
        self.path().extension()?.to_str()
    }
}

/// Whether each `%` begins an encoded byte.
fn is_well_encoded(name: &str) -> bool {
    let mut pieces = name.split('%');
    pieces.next();
    pieces.all(|piece| {
        let digits = piece.as_bytes();
        digits.len() >= 2 && digits[..2].iter().all(u8::is_ascii_hexdigit)
    })
}

fn is_name(name: &[u8], hidden: Hidden) -> bool {
    let is_hidden = name.starts_with(b".") && name != b".well-known";
    !matches!(name, b"" | b"." | b"..")
        && !name.iter().any(|byte| matches!(byte, 0 | b'/' | b'\\'))
        && (hidden == Hidden::Served || !is_hidden)
}

/// A redirect to the same path with a slash behind it, relative to that path: whatever a proxy took away from it, and whatever names
/// a client sent, it leads to no other host.
pub(super) fn with_slash(path: &str, query: Option<&str>) -> String {
    let name = path.rsplit('/').next().unwrap_or_default();
    match query {
        Some(query) => format!("./{name}/?{query}"),
        None => format!("./{name}/"),
    }
}

/// Whether bytes are a name that a file in a directory can have.
pub(super) fn is_file_name(name: &OsStr) -> bool {
    is_name(name.as_bytes(), Hidden::Served)
}

#[cfg(test)]
mod tests {
    use std::path::Component;

    use proptest::prelude::*;

    use super::*;

    fn target(path: &str) -> Option<(String, bool)> {
        let target = Target::of(path, Hidden::Missing)?;
        let text = target
            .relative
            .into_string()
            .unwrap_or_else(|name| format!("{name:?}"));
        Some((text, target.ends_with_slash))
    }

    #[test]
    fn a_path_names_what_its_segments_say() {
        for (path, relative, ends_with_slash) in [
            ("/", "", true),
            ("/a", "a", false),
            ("/a/", "a", true),
            ("/a/b.txt", "a/b.txt", false),
            ("/a%20b", "a b", false),
            ("/%61", "a", false),
            ("/%C3%A4", "ä", false),
            ("/%c3%a4/", "ä", true),
            ("/a%25b", "a%b", false),
            ("/a%252e", "a%2e", false),
            ("/a;b=1,c", "a;b=1,c", false),
            ("/a..b", "a..b", false),
            ("/a.", "a.", false),
            ("/a+b", "a+b", false),
            ("/c:/d", "c:/d", false),
            ("/.well-known/acme", ".well-known/acme", false),
        ] {
            let expected = Some((relative.to_owned(), ends_with_slash));
            assert_eq!(target(path), expected, "{path}");
        }
    }

    #[test]
    fn what_no_file_can_be_called_is_nothing() {
        for path in [
            "",
            "*",
            "a",
            "//",
            "//a",
            "/a//b",
            "/a//",
            "///",
            "/.",
            "/..",
            "/./",
            "/../",
            "/../a",
            "/a/..",
            "/a/../b",
            "/a/./b",
            "/%2e",
            "/%2e%2e",
            "/%2E%2e/a",
            "/.%2e/a",
            "/a/%2e%2e/b",
            "/..%2f",
            "/..%2fetc/passwd",
            "/a%2fb",
            "/%2f",
            "/%2Fetc/passwd",
            "/a%2F..%2Fb",
            "/%00",
            "/a%00b",
            "/a.txt%00.png",
            "/a\\b",
            "/..\\a",
            "/%5c",
            "/..%5c..%5ca",
            "/%",
            "/%2",
            "/%zz",
            "/a%",
            "/a%g0",
            "/%%32e",
            "/.git/config",
            "/.env",
            "/a/.hidden",
            "/%2egit/config",
            "/...",
            "/..data/a",
            "/.well-knowns",
            "/a/.well-known/.x",
        ] {
            assert_eq!(target(path), None, "{path}");
        }
    }

    #[test]
    fn names_that_begin_with_a_dot_can_be_served() {
        for path in ["/.env", "/a/.b/c", "/..."] {
            assert!(Target::of(path, Hidden::Served).is_some(), "{path}");
        }
        for path in ["/.", "/..", "/a/%2e%2e"] {
            assert_eq!(Target::of(path, Hidden::Served), None, "{path}");
        }
    }

    #[test]
    fn a_redirect_stays_beside_what_was_asked() {
        assert_eq!(with_slash("/a/b", None), "./b/");
        assert_eq!(with_slash("/a/b", Some("c=/d")), "./b/?c=/d");
        assert_eq!(with_slash("//evil.example", None), "./evil.example/");
        assert_eq!(
            with_slash("/https:evil.example", None),
            "./https:evil.example/"
        );
    }

    /// Pieces of which attacks are made.
    fn hostile() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("/"),
            Just(".."),
            Just("."),
            Just("%2e"),
            Just("%2E"),
            Just("%2f"),
            Just("%5c"),
            Just("\\"),
            Just("%00"),
            Just("%"),
            Just("a"),
            Just("%c0%af"),
            Just("%252e"),
            Just("etc"),
            Just(" "),
            Just("ä"),
        ];
        proptest::collection::vec(piece, 0..12).prop_map(|pieces| format!("/{}", pieces.concat()))
    }

    proptest! {
        #[test]
        fn a_target_is_plain_names_whatever_is_asked(path in prop_oneof![hostile(), "/\\PC{0,40}", "\\PC{0,20}"]) {
            for hidden in [Hidden::Missing, Hidden::Served] {
                if let Some(target) = Target::of(&path, hidden) {
                    let components = target.path().components();
                    prop_assert!(components.clone().all(|part| matches!(part, Component::Normal(_))));
                    // No name was put right: joined, they are the path again.
                    let again: Vec<_> = components.map(|part| part.as_os_str()).collect();
                    prop_assert_eq!(again.join(OsStr::new("/")), target.relative.clone());
                    prop_assert!(!target.relative.as_bytes().contains(&0));
                    prop_assert!(!target.relative.as_bytes().contains(&b'\\'));
                }
            }
        }

        #[test]
        fn a_redirect_is_below_the_directory_of_what_was_asked(path in hostile()) {
            let location = with_slash(&path, None);
            prop_assert!(location.starts_with("./"));
            prop_assert!(location.ends_with('/'));
            prop_assert_eq!(location.matches('/').count(), 2);
        }
    }
}
