//! Names of accounts: what others know somebody by, so that two that look alike must be one.

use app_router::{Issue, Part, Rejection};
use unicode_normalization::UnicodeNormalization;

/// A name in the one way of writing it: wide and joined letters are plain ones, and there are single spaces between words.
/// Signs, letters that show nothing, and letters of two alphabets that share shapes would let one pass for another: they are
/// refused. (A whole name of another alphabet can still look like one of this one. It takes the tables of UTS 39 to see that.)
pub(super) fn plain(name: &str) -> Result<String, Rejection> {
    let name: String = name.nfkc().collect();
    let words: Vec<&str> = name.split_whitespace().collect();
    let name = words.join(" ");
    let refused = |detail| {
        let issue = Issue::new(Part::Body, "name", detail).with_kind("name");
        Err(Rejection::invalid(issue))
    };
    let letters = || name.chars().filter(|&letter| letter != ' ');
    if name.chars().nth(1).is_none() || !letters().all(is_seen) {
        return refused("has letters, digits and spaces, two at least");
    }
    let mut alphabets = letters().filter_map(alphabet);
    let first = alphabets.next();
    if alphabets.any(|other| Some(other) != first) {
        return refused("has letters of one alphabet");
    }
    Ok(name)
}

/// A letter or a digit, and not one of those that fill the place of a letter of Hangul.
fn is_seen(letter: char) -> bool {
    letter.is_alphanumeric() && !matches!(letter, '\u{115f}' | '\u{1160}')
}

/// The alphabets that have letters of the same shape.
#[derive(PartialEq)]
enum Alphabet {
    Latin,
    Greek,
    Cyrillic,
}

fn alphabet(letter: char) -> Option<Alphabet> {
    match letter {
        'A'..='Z' | 'a'..='z' | '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}' => {
            Some(Alphabet::Latin)
        }
        '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}' => Some(Alphabet::Greek),
        '\u{400}'..='\u{52f}' => Some(Alphabet::Cyrillic),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_alike_are_one_or_none() {
        for (name, expected) in [
            ("Ada", Some("Ada")),
            (" Ada\u{a0} \tLovelace ", Some("Ada Lovelace")),
            ("Ａｄａ", Some("Ada")),
            ("E\u{301}mile", Some("Émile")),
            // As a file of a Mac has it, and as a keyboard.
            ("\u{1112}\u{1161}\u{11ab}글", Some("한글")),
            ("한글 7", Some("한글 7")),
            ("Ольга", Some("Ольга")),
            ("Αθηνά", Some("Αθηνά")),
            ("A", None),
            ("", None),
            ("  ", None),
            ("A.", None),
            ("Ada\u{202e}", None),
            ("Ada\u{200b}", None),
            ("\u{3164}\u{3164}", None),
            ("Ada\u{115f}", None),
            // Of Cyrillic, and of Greek.
            ("\u{410}da", None),
            ("\u{391}da", None),
            ("\u{391}\u{434}\u{430}", None),
        ] {
            let written = plain(name).ok();
            assert_eq!(written.as_deref(), expected, "{name:?}");
        }
    }
}
