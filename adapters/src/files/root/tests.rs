//! What is found below a directory, in both ways and by each policy of links.

use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::{process, thread};

use rustix::fs::CWD;

use super::*;

/// A directory of a test, with a secret beside what is served.
struct Tree(PathBuf);

impl Tree {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("gateway-root-{}-{number}", process::id()));
        let tree = Self(path);
        fs::create_dir_all(tree.0.join("served/a/b")).unwrap();
        fs::write(tree.0.join("secret"), "secret").unwrap();
        fs::write(tree.0.join("served/file"), "file").unwrap();
        fs::write(tree.0.join("served/a/b/deep"), "deep").unwrap();
        tree
    }

    fn served(&self, name: &str) -> PathBuf {
        self.0.join("served").join(name)
    }

    /// Its root, in each way that there is here.
    fn roots(&self, symlinks: Symlinks) -> Vec<Root> {
        let root = Root::open(&self.0.join("served"))
            .unwrap()
            .with_symlinks(symlinks);
        let walking = Root {
            way: Way::Walk,
            ..root.clone()
        };
        vec![root, walking]
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn see(root: &Root, path: &str) -> String {
    match root.find(Path::new(path), Lookup::Whole) {
        Ok(Entry::File(mut file)) => {
            let mut text = String::new();
            file.read_to_string(&mut text).unwrap();
            text
        }
        Ok(Entry::Directory) => String::from("/"),
        Ok(Entry::Missing) => String::from("-"),
        Err(error) => error.to_string(),
    }
}

#[track_caller]
fn check(tree: &Tree, symlinks: Symlinks, path: &str, expected: &str) {
    for root in tree.roots(symlinks) {
        assert_eq!(
            see(&root, path),
            expected,
            "{path} by {:?}, {symlinks:?}",
            root.way
        );
    }
}

const POLICIES: [Symlinks; 3] = [Symlinks::Within, Symlinks::Refused, Symlinks::Anywhere];

#[test]
fn plain_files_and_directories_are_found() {
    let tree = Tree::new();
    let long = "x".repeat(300);
    for symlinks in POLICIES {
        for (path, expected) in [
            ("", "/"),
            ("file", "file"),
            ("a", "/"),
            ("a/b/deep", "deep"),
            ("a/b/none", "-"),
            ("none", "-"),
            ("file/below", "-"),
            (&*long, "-"),
        ] {
            check(&tree, symlinks, path, expected);
        }
    }
}

#[test]
fn links_are_followed_as_far_as_they_may_be() {
    let tree = Tree::new();
    let absolute = tree.served("file");
    for (name, to) in [
        ("beside", "file"),
        ("down", "a/b/deep"),
        ("a/b/up", "../../file"),
        ("dir", "a"),
        ("a/self", "."),
        ("chain", "beside"),
        ("crooked", "./a//b/../b/./deep"),
        ("out", "../secret"),
        ("a/b/out", "../../../secret"),
        ("out-and-in", "../served/file"),
        ("up-dir", ".."),
        ("etc", "/etc/passwd"),
        ("absolute", absolute.to_str().unwrap()),
        ("loop", "loop"),
        ("ping", "pong"),
        ("pong", "ping"),
        ("dangling", "none"),
        ("to-root", "a/.."),
    ] {
        symlink(to, tree.served(name)).unwrap();
    }
    for (path, within, anywhere) in [
        ("beside", "file", "file"),
        ("down", "deep", "deep"),
        ("a/b/up", "file", "file"),
        ("dir", "/", "/"),
        ("dir/b/deep", "deep", "deep"),
        ("dir/self/self/b/up", "file", "file"),
        ("chain", "file", "file"),
        ("crooked", "deep", "deep"),
        ("out", "-", "secret"),
        ("a/b/out", "-", "secret"),
        ("out-and-in", "-", "file"),
        ("up-dir", "-", "/"),
        ("up-dir/secret", "-", "secret"),
        ("up-dir/served/file", "-", "file"),
        ("absolute", "-", "file"),
        ("loop", "-", "-"),
        ("ping", "-", "-"),
        ("dangling", "-", "-"),
        ("to-root", "/", "/"),
        ("to-root/file", "file", "file"),
    ] {
        check(&tree, Symlinks::Within, path, within);
        check(&tree, Symlinks::Refused, path, "-");
        check(&tree, Symlinks::Anywhere, path, anywhere);
    }
    for root in tree.roots(Symlinks::Within) {
        assert_eq!(see(&root, "etc"), "-");
    }
}

/// The kernel gives up on a link that goes up whenever anything is renamed meanwhile.
#[test]
fn what_is_renamed_elsewhere_hides_nothing() {
    let tree = Tree::new();
    symlink("../../file", tree.served("a/b/up")).unwrap();
    let root = Root::open(&tree.0.join("served")).unwrap();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let (one, other) = (tree.0.join("secret"), tree.0.join("moved"));
            while !is_over.load(Ordering::Relaxed) {
                fs::rename(&one, &other).unwrap();
                fs::rename(&other, &one).unwrap();
            }
        });
        let found = (0..20_000).find(|_| see(&root, "a/b/up") != "file");
        is_over.store(true, Ordering::Relaxed);
        assert_eq!(found, None);
    });
}

#[test]
fn what_is_no_file_is_not_opened() {
    let tree = Tree::new();
    let mode = Mode::from_raw_mode(0o644);
    let fifo = tree.served("fifo");
    rustix::fs::mknodat(CWD, &fifo, FileType::Fifo, mode, 0).unwrap();
    let _listener = UnixListener::bind(tree.served("socket")).unwrap();
    symlink("/dev/zero", tree.served("zero")).unwrap();
    symlink("fifo", tree.served("to-fifo")).unwrap();
    for symlinks in POLICIES {
        for path in ["fifo", "socket", "zero", "to-fifo"] {
            check(&tree, symlinks, path, "-");
        }
    }
}

#[test]
fn a_directory_that_was_exchanged_is_still_the_one_that_was_opened() {
    let tree = Tree::new();
    let roots = tree.roots(Symlinks::Within);
    fs::rename(tree.0.join("served"), tree.0.join("before")).unwrap();
    fs::create_dir(tree.0.join("served")).unwrap();
    fs::write(tree.served("file"), "another").unwrap();
    for root in roots {
        assert_eq!(see(&root, "file"), "file");
    }
}

#[test]
fn a_link_that_is_exchanged_all_the_time_never_leads_out() {
    let tree = Tree::new();
    fs::create_dir(tree.0.join("outside")).unwrap();
    fs::write(tree.0.join("outside/deep"), "secret").unwrap();
    symlink("../../outside", tree.served("evil")).unwrap();
    fs::write(tree.served("evil-file"), "x").unwrap();
    let (a, b) = (tree.served("a/b"), tree.served("a/link"));
    symlink("../../outside", &b).unwrap();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let exchange = rustix::fs::RenameFlags::EXCHANGE;
            while !stop.load(Ordering::Relaxed) {
                // The directory and the link that leads out have each other's names.
                let _ = rustix::fs::renameat_with(CWD, &a, CWD, &b, exchange);
            }
        });
        for root in tree.roots(Symlinks::Within) {
            for _ in 0..2000 {
                // A walk that is disturbed may be asked again.
                if let Ok(Entry::File(mut file)) = root.find(Path::new("a/b/deep"), Lookup::Whole) {
                    let mut text = String::new();
                    file.read_to_string(&mut text).unwrap();
                    assert_eq!(text, "deep");
                }
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn what_is_in_memory_is_found_without_waiting() {
    let tree = Tree::new();
    let root = &tree.roots(Symlinks::Within)[0];
    if !root.is_quick() {
        return;
    }
    // It was written a moment ago, so its name is known.
    assert_eq!(see(root, "file"), "file");
    // Not each time: what others rename at this moment is not looked at.
    let is_found = |_| {
        matches!(
            root.find(Path::new("file"), Lookup::Cached),
            Ok(Entry::File(_))
        )
    };
    assert!((0..1000).any(is_found));
    let walking = &tree.roots(Symlinks::Within)[1];
    let error = walking.find(Path::new("file"), Lookup::Cached).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
}
