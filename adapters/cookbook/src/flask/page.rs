//! The page: Flask's `render_template`.

use std::fmt::{self, Write};

use super::entry::Entry;

/// The page for a visitor, who is known if a session is.
pub(super) fn index(visitor: Option<&str>, entries: &[Entry]) -> String {
    let mut page = String::new();
    write(&mut page, visitor, entries).expect("writing to memory cannot fail");
    page
}

fn write(page: &mut String, visitor: Option<&str>, entries: &[Entry]) -> fmt::Result {
    page.write_str("<!doctype html>\n<meta charset=\"utf-8\">\n<title>Guest book</title>\n")?;
    match visitor {
        Some(name) => writeln!(page, "<p>Good to see you again, {}.", Escaped(name))?,
        None => writeln!(page, "<p>Please sign.")?,
    }
    let name = Escaped(visitor.unwrap_or_default());
    writeln!(
        page,
        "<form method=\"post\" action=\"/sign\">\n\
         <input name=\"name\" value=\"{name}\" required>\n\
         <textarea name=\"text\" required></textarea>\n\
         <button>Sign</button>\n\
         </form>\n\
         <ul>"
    )?;
    for entry in entries {
        writeln!(
            page,
            "<li><b>{}</b> {}",
            Escaped(&entry.name),
            Escaped(&entry.text)
        )?;
    }
    page.write_str("</ul>\n")
}

/// Text as it is written into HTML, in elements and in quoted attributes: what a template does by itself.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_guest_writes_is_html() {
        let entry = Entry {
            number: 1,
            name: "<script>".into(),
            text: "\"'&".into(),
        };
        let page = index(Some("\"><script>"), &[entry]);
        assert!(!page.contains("<script>"), "{page}");
        assert!(
            page.contains("<li><b>&lt;script&gt;</b> &quot;&#39;&amp;\n"),
            "{page}"
        );
        assert!(
            page.contains("value=\"&quot;&gt;&lt;script&gt;\""),
            "{page}"
        );
    }
}
