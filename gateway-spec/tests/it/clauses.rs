//! SPEC.md against the code that cites it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const CHAPTERS: [&str; 8] = ["APP", "SCOPE", "HTTP", "WS", "LIFE", "SYNC", "SRV", "MW"];

const SPEC: &str = include_str!("../../SPEC.md");

#[test]
fn clauses_are_numbered_in_order_without_gaps() {
    let mut next: BTreeMap<&str, usize> = BTreeMap::new();
    for (chapter, number) in definitions() {
        let expected = next.entry(chapter).or_insert(1);
        assert_eq!(number, *expected, "{chapter}-{number} is out of order");
        *expected += 1;
    }
    assert_eq!(
        next.into_keys().collect::<BTreeSet<_>>(),
        BTreeSet::from(CHAPTERS)
    );
}

#[test]
fn every_clause_says_whom_it_binds() {
    let binding = ["(server ", "(application ", "(middleware ", "(contract)"];
    for line in SPEC.lines().filter(|line| line.starts_with("- **")) {
        let is_clause = line
            .split("**")
            .nth(1)
            .is_some_and(|id| parse(id).is_some());
        let binds = binding.iter().any(|word| line.contains(word));
        assert!(!is_clause || binds, "{line}");
    }
}

#[test]
fn every_clause_that_is_cited_is_defined() {
    let defined: BTreeSet<_> = definitions().collect();
    let mut missing = Vec::new();
    for (file, text) in sources() {
        for cited in citations(&text) {
            if !defined.contains(&cited) {
                missing.push(format!("{}-{} in {}", cited.0, cited.1, file.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_row_of_the_survey_went_somewhere() {
    let rows = [
        ("C", 18),
        ("H", 35),
        ("W", 14),
        ("L", 12),
        ("E", 9),
        ("X", 9),
        ("G", 39),
    ];
    for (letter, count) in rows {
        for number in 1..=count {
            let row = format!("| {letter}{number} |");
            let lines = SPEC.lines().filter(|line| line.starts_with(&row)).count();
            assert_eq!(lines, 1, "{row}");
        }
    }
}

/// Clauses where they are defined: `- **HTTP-7** …`.
fn definitions() -> impl Iterator<Item = (&'static str, usize)> {
    SPEC.lines()
        .filter_map(|line| line.strip_prefix("- **")?.split_once("**"))
        .filter_map(|(id, _)| parse(id))
}

/// Clauses wherever they are named.
fn citations(text: &str) -> Vec<(&'static str, usize)> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
        .filter_map(parse)
        .collect()
}

fn parse(id: &str) -> Option<(&'static str, usize)> {
    let (chapter, number) = id.split_once('-')?;
    let chapter = CHAPTERS.into_iter().find(|known| *known == chapter)?;
    Some((chapter, number.parse().ok()?))
}

/// SPEC.md and all Rust files of the workspace.
fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut files = files_below(root);
    assert!(files.len() > 10, "the workspace was not found");
    files.push((PathBuf::from("SPEC.md"), SPEC.to_owned()));
    files
}

/// All Rust files of a folder and those below it.
pub(crate) fn files_below(root: &Path) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                files.push((path, text));
            }
        }
    }
    files
}
