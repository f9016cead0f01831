//! A line of the access log as one JSON object.

use std::fmt::Write as _;

use super::field::Entry;
use crate::observe::Outcome;

/// Appends the object: times in RFC 3339, `null` for what there is none of.
pub(super) fn write(entry: &Entry<'_>, line: &mut String) {
    let _ = write!(line, "{{\"time\":\"{}\"", entry.time());
    let client = entry.client.map(ToString::to_string);
    let method = entry.scope.map(|scope| scope.method.as_str());
    let field = |name: &str| entry.scope.and_then(|scope| scope.headers.get(name));
    text(line, "client", client.as_deref().map(str::as_bytes));
    text(line, "method", method.map(str::as_bytes));
    text(line, "target", entry.target().as_deref().map(str::as_bytes));
    text(line, "version", entry.version().map(str::as_bytes));
    number(line, "status", entry.status);
    number(line, "sent", Some(entry.sent));
    number(line, "received", Some(entry.received));
    let took = entry.took.map(|took| took.as_secs_f64() * 1000.0);
    let took = took.map(|milliseconds| format!("{milliseconds:.3}"));
    number(line, "ms", took);
    text(line, "outcome", Some(entry.outcome.kind().as_bytes()));
    let gone = match entry.outcome {
        Outcome::Gone(why) => Some(why.name()),
        _ => None,
    };
    text(line, "gone", gone.map(str::as_bytes));
    let label = entry.scope.and_then(|scope| scope.label.get());
    text(line, "label", label.map(str::as_bytes));
    text(line, "why", entry.why.as_deref().map(str::as_bytes));
    let id = entry.id.map(|id| id.to_string());
    text(line, "id", id.as_deref().map(str::as_bytes));
    text(line, "host", field("host"));
    text(line, "user_agent", field("user-agent"));
    line.push('}');
}

fn number(line: &mut String, name: &str, value: Option<impl std::fmt::Display>) {
    let _ = match value {
        Some(value) => write!(line, ",\"{name}\":{value}"),
        None => write!(line, ",\"{name}\":null"),
    };
}

fn text(line: &mut String, name: &str, value: Option<&[u8]>) {
    let _ = write!(line, ",\"{name}\":");
    match value {
        Some(value) => string(line, &String::from_utf8_lossy(value)),
        None => line.push_str("null"),
    }
}

/// Appends a string of JSON (RFC 8259 section 7), of ASCII alone: a terminal obeys some of what is beyond.
pub(crate) fn string(line: &mut String, text: &str) {
    line.push('"');
    for c in text.chars() {
        match c {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            ' '..='~' => line.push(c),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(line, "\\u{unit:04x}");
                }
            }
        }
    }
    line.push('"');
}

#[cfg(test)]
mod tests {
    use super::super::field::tests::refused;
    use super::*;

    #[test]
    fn a_refused_request_is_an_object_with_little_in_it() {
        let mut line = String::new();
        write(&refused("a \"b\"\n\u{1f600}"), &mut line);
        assert_eq!(
            line,
            "{\"time\":\"2026-11-30T09:37:03Z\",\"client\":null,\"method\":null,\"target\":null,\"version\":null,\
             \"status\":400,\"sent\":0,\"received\":0,\"ms\":null,\"outcome\":\"refused\",\"gone\":null,\"label\":null,\
             \"why\":\"a \\\"b\\\"\\u000a\\ud83d\\ude00\",\"id\":null,\"host\":null,\"user_agent\":null}"
        );
    }
}
