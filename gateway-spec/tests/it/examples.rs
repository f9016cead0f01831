//! Every public item shows how it is used.

use std::path::Path;

use crate::clauses::files_below;

#[test]
fn every_public_item_has_an_example() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut without = Vec::new();
    for (file, text) in files_below(&source) {
        let mut documentation = String::new();
        for line in text.lines() {
            match line.strip_prefix("///") {
                Some(text) => documentation += text,
                None if is_item(line) => {
                    if !documentation.contains("```") {
                        without.push(format!("{}: {line}", file.display()));
                    }
                    documentation.clear();
                }
                // Attributes stand between an item and its documentation.
                None if line.starts_with([' ', '#', ')']) => {}
                None => documentation.clear(),
            }
        }
    }
    assert!(without.is_empty(), "{without:#?}");
}

fn is_item(line: &str) -> bool {
    ["struct", "enum", "trait", "fn", "type", "const fn"]
        .iter()
        .any(|kind| line.starts_with(&format!("pub {kind} ")))
}
