//! The clauses of SPEC.md, read from its text.

use std::sync::LazyLock;

const SPEC: &str = include_str!("../../gateway-spec/SPEC.md");

/// A clause of SPEC.md.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Clause {
    /// Its number, such as `HTTP-24`.
    pub id: String,
    /// What it says, in one line.
    pub text: String,
    /// Whether it binds somebody by MUST or MUST NOT.
    pub must: bool,
}

/// All clauses, in their order.
#[must_use]
pub fn clauses() -> &'static [Clause] {
    static CLAUSES: LazyLock<Vec<Clause>> = LazyLock::new(|| parse(SPEC));
    &CLAUSES
}

/// A clause is a list item that begins with its number in bold; it goes on in indented lines.
fn parse(spec: &str) -> Vec<Clause> {
    let mut clauses: Vec<Clause> = Vec::new();
    let mut inside = false;
    for line in spec.lines() {
        if let Some((id, text)) = line
            .strip_prefix("- **")
            .and_then(|line| line.split_once("** "))
            .filter(|(id, _)| is_id(id))
        {
            inside = true;
            clauses.push(Clause {
                id: id.to_owned(),
                text: text.to_owned(),
                must: false,
            });
        } else if let (true, Some(more), Some(last)) =
            (inside, line.strip_prefix("  "), clauses.last_mut())
        {
            last.text.push(' ');
            last.text.push_str(more);
        } else {
            inside = false;
        }
    }
    for clause in &mut clauses {
        clause.must = clause
            .text
            .split("*(")
            .filter_map(|part| part.split_once(")*"))
            .any(|(binds, _)| binds.contains("MUST"));
    }
    clauses
}

fn is_id(word: &str) -> bool {
    word.split_once('-').is_some_and(|(chapter, number)| {
        chapter.bytes().all(|byte| byte.is_ascii_uppercase())
            && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clause_is_read_to_its_end() {
        let text = "- **HTTP-1** *(server MUST)* One\n  line more.\n- **HTTP-2** *(application MAY)* Two.\n\n  else\n";
        let clauses = parse(text);
        assert_eq!(clauses[0].text, "*(server MUST)* One line more.");
        assert_eq!(clauses[1].text, "*(application MAY)* Two.");
        assert_eq!([true, false], [clauses[0].must, clauses[1].must]);
        assert_eq!(clauses.len(), 2);
    }

    #[test]
    fn the_spec_has_clauses_of_all_chapters() {
        for chapter in ["APP", "SCOPE", "HTTP", "WS", "LIFE", "SYNC", "SRV", "MW"] {
            let id = format!("{chapter}-1");
            assert!(clauses().iter().any(|clause| clause.id == id), "{id}");
        }
    }
}
