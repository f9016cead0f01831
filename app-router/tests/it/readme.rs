//! The README's claims name the tests that show them: each has to exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Whether it is how a test is named here, and no function or type: a sentence.
fn is_sentence(name: &str) -> bool {
    let is_word = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
    name.bytes().all(is_word) && name.matches('_').count() > 2
}

#[test]
fn every_test_that_the_readme_names_exists() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(package.join("README.md")).unwrap();
    let quoted = readme.split('`').filter_map(|text| text.rsplit_once("::"));
    let named: BTreeSet<(&str, &str)> = quoted.filter(|(_, test)| is_sentence(test)).collect();
    assert!(named.len() > 30, "{named:?}");
    for (module, test) in named {
        let module = module.replace("::", "/");
        let source = fs::read_to_string(package.join(format!("tests/it/{module}.rs")));
        let has = source.is_ok_and(|source| source.contains(&format!("fn {test}()")));
        assert!(has, "tests/it/{module}.rs has no test `{test}`");
    }
}
