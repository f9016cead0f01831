//! How a line of the access log is written: a text with names of fields in braces, or JSON.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use gateway_spec::Address;
use http::HeaderName;

use super::field::{Entry, escape};
use super::json;

/// How a line of the access log is written.
///
/// It is `plain`, `common`, `combined`, `json`, or a text with the names of fields in braces, where `{{` and `}}` stand
/// for braces. A dash stands for what there is none of. The fields:
///
/// | field | what |
/// |---|---|
/// | `{client}`, `{ip}` | the client's address, with and without its port |
/// | `{method}`, `{target}`, `{version}` | the request, its target as it was sent |
/// | `{status}` | of the response |
/// | `{sent}`, `{received}` | bytes of the response's and the request's body, or of a tunnel |
/// | `{ms}` | milliseconds from the head's end to the answer's |
/// | `{outcome}` | `finished`, `aborted` (`aborted:request` by what the client sent, or did not), `panicked`, `refused` (before the application saw it; `refused:body-bytes` and `refused:exchanges` by a limit), or `gone:` and why: `peer-reset`, `stream-reset`, `write-timeout`, `shutdown` |
/// | `{label}` | what the application calls it, such as its route; or why it was refused |
/// | `{id}` | of the exchange, as in its `tracing` span |
/// | `{time}`, `{common-time}` | of its end, as in RFC 3339 and as in the common log format |
/// | `{field:NAME}` | a field of the request, such as `{field:user-agent}` |
///
/// Whatever comes from a client is escaped: no control byte gets into the log.
///
/// # Examples
///
/// ```
/// use server_host::LogFormat;
///
/// let format: LogFormat = "{client} {status} {field:host}".parse()?;
/// assert_eq!(format.to_string(), "{client} {status} {field:host}");
/// let error = "{status} {lable}".parse::<LogFormat>().unwrap_err();
/// assert!(error.starts_with("{lable} is no field"), "{error}");
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFormat {
    /// As it was given.
    text: String,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Json,
    Pieces(Vec<Piece>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Field(Field),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Field {
    Client,
    Ip,
    Method,
    Target,
    Version,
    Status,
    Sent,
    Received,
    Milliseconds,
    Outcome,
    Label,
    Id,
    Time,
    CommonTime,
    OfRequest(HeaderName),
}

const FIELDS: [(&str, Field); 14] = [
    ("client", Field::Client),
    ("ip", Field::Ip),
    ("method", Field::Method),
    ("target", Field::Target),
    ("version", Field::Version),
    ("status", Field::Status),
    ("sent", Field::Sent),
    ("received", Field::Received),
    ("ms", Field::Milliseconds),
    ("outcome", Field::Outcome),
    ("label", Field::Label),
    ("id", Field::Id),
    ("time", Field::Time),
    ("common-time", Field::CommonTime),
];

/// The formats that have a name.
const NAMED: [(&str, &str); 3] = [
    (
        "plain",
        "{client} \"{method} {target} {version}\" {status} {sent} {ms}ms {received} {outcome} {id} {label}",
    ),
    (
        "common",
        "{ip} - - [{common-time}] \"{method} {target} {version}\" {status} {sent}",
    ),
    (
        "combined",
        "{ip} - - [{common-time}] \"{method} {target} {version}\" {status} {sent} \"{field:referer}\" \"{field:user-agent}\"",
    ),
];

impl Default for LogFormat {
    fn default() -> Self {
        "plain".parse().expect("a named format is right")
    }
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let kind = match text {
            "json" => Kind::Json,
            text => {
                let named = NAMED.iter().find(|(name, _)| *name == text);
                let pieces = named.map_or(text, |(_, pieces)| pieces);
                if !pieces.contains('{') {
                    return Err(format!(
                        "{text:?} is none of plain, common, combined, json, and has no field, such as {{status}}"
                    ));
                }
                Kind::Pieces(pieces_of(pieces)?)
            }
        };
        Ok(Self {
            text: text.to_owned(),
            kind,
        })
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn pieces_of(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let doubled = rest.starts_with("{{") || rest.starts_with("}}");
        match c {
            '{' if !doubled => {
                let end = rest
                    .find('}')
                    .ok_or_else(|| format!("{rest:?} has no end; a brace is written {{{{"))?;
                if !plain.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut plain)));
                }
                pieces.push(Piece::Field(field(&rest[1..end])?));
                rest = &rest[end + 1..];
                continue;
            }
            '}' if !doubled => {
                return Err(String::from("a } without its {; a brace is written }}"));
            }
            c if c.is_control() => {
                return Err(String::from("a control character; a line is one line"));
            }
            c => plain.push(c),
        }
        rest = &rest[c.len_utf8() + usize::from(doubled)..];
    }
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    Ok(pieces)
}

fn field(name: &str) -> Result<Field, String> {
    if let Some(of_request) = name.strip_prefix("field:") {
        let parsed = HeaderName::try_from(of_request);
        return parsed
            .map(Field::OfRequest)
            .map_err(|_| format!("{{{name}}}: {of_request:?} is no name of a field"));
    }
    let found = FIELDS.iter().find(|(known, _)| *known == name);
    found.map(|(_, field)| field.clone()).ok_or_else(|| {
        let names: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
        format!(
            "{{{name}}} is no field; those are {}, field:NAME",
            names.join(", ")
        )
    })
}

impl LogFormat {
    /// Whether it shows fields of the request.
    pub(crate) fn shows_fields(&self) -> bool {
        match &self.kind {
            Kind::Json => true,
            Kind::Pieces(pieces) => pieces
                .iter()
                .any(|piece| matches!(piece, Piece::Field(Field::OfRequest(_)))),
        }
    }

    /// Appends the line of an entry, without its end.
    pub(super) fn write(&self, entry: &Entry<'_>, line: &mut String) {
        match &self.kind {
            Kind::Json => json::write(entry, line),
            Kind::Pieces(pieces) => {
                for piece in pieces {
                    match piece {
                        Piece::Text(text) => line.push_str(text),
                        Piece::Field(field) => field.write(entry, line),
                    }
                }
            }
        }
    }
}

impl Field {
    fn write(&self, entry: &Entry<'_>, line: &mut String) {
        let before = line.len();
        self.write_if_any(entry, line);
        if line.len() == before {
            line.push('-');
        }
    }

    fn write_if_any(&self, entry: &Entry<'_>, line: &mut String) {
        // Writing to memory cannot fail.
        let _ = match self {
            Self::Client => client(line, entry.client),
            Self::Ip => match entry.client {
                Some(Address::Tcp(client)) => write!(line, "{}", client.ip()),
                other => client(line, other),
            },
            Self::Method => entry
                .scope
                .map_or(Ok(()), |scope| write!(line, "{}", scope.method)),
            Self::Target => {
                escape(line, entry.target().unwrap_or_default().as_bytes());
                Ok(())
            }
            Self::Version => line.write_str(entry.version().unwrap_or_default()),
            Self::Status => entry
                .status
                .map_or(Ok(()), |status| write!(line, "{status}")),
            Self::Sent => write!(line, "{}", entry.sent),
            Self::Received => write!(line, "{}", entry.received),
            Self::Milliseconds => match entry.took {
                Some(took) => write!(line, "{:.3}", took.as_secs_f64() * 1000.0),
                None => Ok(()),
            },
            Self::Outcome => write!(line, "{}", entry.outcome),
            Self::Label => {
                escape(line, entry.label().unwrap_or_default().as_bytes());
                Ok(())
            }
            Self::Id => entry.id.map_or(Ok(()), |id| write!(line, "{id}")),
            Self::Time => line.write_str(&entry.time()),
            Self::CommonTime => line.write_str(&entry.common_time()),
            Self::OfRequest(name) => {
                let value = entry.scope.and_then(|scope| scope.headers.get(name));
                escape(line, value.unwrap_or_default());
                Ok(())
            }
        };
    }
}

fn client(line: &mut String, client: Option<&Address>) -> fmt::Result {
    match client {
        // The path is what a proxy's header or a client says.
        Some(unix @ Address::Unix(_)) => escape(line, unix.to_string().as_bytes()),
        Some(tcp) => write!(line, "{tcp}")?,
        None => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::field::tests::refused;
    use super::*;

    #[track_caller]
    fn line(format: &str) -> String {
        let format: LogFormat = format.parse().expect("it is right");
        let mut line = String::new();
        format.write(&refused("no \"request\"\n"), &mut line);
        line
    }

    #[test]
    fn a_dash_stands_for_what_there_is_none_of() {
        assert_eq!(
            line("plain"),
            "- \"- - -\" 400 0 -ms 0 refused - no %22request%22%0A"
        );
        assert_eq!(
            line("common"),
            "- - - [30/Nov/2026:09:37:03 +0000] \"- - -\" 400 0"
        );
        assert_eq!(line("{{{status}}} {field:X-A}"), "{400} -");
    }

    #[test]
    fn a_wrong_format_is_told_and_how_to_mend_it() {
        for (text, part) in [
            ("", "none of plain"),
            ("jsno", "none of plain"),
            ("{status", "has no end"),
            ("{status}}", "without its {"),
            ("{state}", "{state} is no field; those are client, ip"),
            ("{field:a b}", "no name of a field"),
            ("{status}\n", "control character"),
        ] {
            let error = text.parse::<LogFormat>().expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
