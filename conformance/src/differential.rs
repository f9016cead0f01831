//! Two servers, one input: what the application saw and what the client got must be the same.
//!
//! A [`Recording`] is what a client sends on one connection, before it half-closes. [`Log::of`] plays it to a server and writes
//! down, in a form without what may differ (addresses, dates, the case and order of names, the cuts of a body), every
//! exchange that the application was called for and every response. Whether the end was in order (FIN) or not (RST) is left
//! out: bytes that cross the end on their way make the one into the other. No opinion is needed on
//! what is right: two servers that read the same bytes differently are how requests are smuggled.

mod corpus;
mod pipelines;

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::response::{Framing, Method, Parser, Response, Step};
use crate::server::Subject;

pub use corpus::{Recording, corpus};
pub use pipelines::pipelines;

/// How long a server may be silent before its connection counts as one that it keeps open: far longer than an answer takes, and
/// only what is kept open takes as long.
const QUIET: Duration = Duration::from_secs(3);

/// What became of a recording on a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// What the application saw of each exchange.
    seen: Vec<String>,
    /// What the client got, response by response.
    got: Vec<String>,
}

impl Log {
    /// Plays a recording, cut at these offsets, to a server that serves [`Peer`](crate::Peer) to nobody else.
    ///
    /// # Panics
    ///
    /// If the server is not there or does not answer in time.
    #[track_caller]
    #[must_use]
    pub fn of(server: SocketAddr, recording: &Recording, cuts: &[usize]) -> Self {
        let server = Subject::at(server).start_traced();
        let mut client = server.connect();
        client.send_cut(&recording.bytes, cuts);
        client.try_half_close();
        let (received, end) = client.read_until_quiet(QUIET);
        let seen = server.ask("/conformance/report/trace/0");
        let calls = server.ask("/conformance/report/calls/0");
        let heads = calls.lines().map(|call| call.starts_with("HEAD "));
        let mut seen: Vec<String> = seen.lines().map(str::to_owned).collect();
        seen.sort();
        let mut got = responses(received, heads);
        if end.is_none() {
            got.push("still open".to_owned());
        }
        Self { seen, got }
    }
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.seen.iter().chain(&self.got);
        lines
            .into_iter()
            .try_for_each(|line| writeln!(f, "    {line}"))
    }
}

/// Each response in a line. The first are those of the application's calls, of which it is known whether they were of HEAD.
fn responses(mut input: Vec<u8>, heads: impl Iterator<Item = bool>) -> Vec<String> {
    let mut lines = Vec::new();
    let mut heads = heads.chain(std::iter::repeat(false));
    let mut is_head = heads.next() == Some(true);
    while !input.is_empty() {
        let method = if is_head { Method::Head } else { Method::Other };
        let mut parser = Parser::new(method);
        match parser.step(&mut input) {
            Ok(Step::Whole(response)) => {
                let switched = response.status == 101;
                let is_final = response.status >= 200;
                // Whether the body was already there when the application read decides over it (RFC 9110 section 10.1.1).
                if response.status != 100 {
                    lines.push(line_of(&response));
                }
                if switched {
                    lines.push(format!("tunnel {}", input.escape_ascii()));
                    break;
                }
                if is_final {
                    is_head = heads.next() == Some(true);
                }
            }
            Ok(Step::NeedBytes) => {
                lines.push(match parser.at_end() {
                    Ok(response) => line_of(&response),
                    Err(cut) => format!("cut off {cut}"),
                });
                break;
            }
            Err(why) => {
                lines.push(format!("no response: {why}"));
                break;
            }
        }
    }
    lines
}

fn line_of(response: &Response) -> String {
    let framing = match response.framing {
        Framing::Length(_) => "length",
        Framing::Chunked => "chunked",
        Framing::UntilClose => "until close",
        Framing::NoBody => "no body",
    };
    let mut fields: Vec<String> = response
        .fields
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .filter(|(name, _)| name != "date" && name != "connection")
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    fields.sort();
    // Left out are the version, which is the server's own (RFC 9110 section 6.2), and whether the response says that the
    // connection closes: what follows it shows whether it does.
    format!(
        "{} [{}] {framing} \"{}\"",
        response.status,
        fields.join("; "),
        response.body.escape_ascii()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(wire: &str, heads: &[bool]) -> Vec<String> {
        responses(wire.into(), heads.iter().copied())
    }

    #[test]
    fn what_may_differ_is_left_out() {
        let one = "HTTP/1.1 200 OK\r\nDate: x\r\nX-B: 1\r\nContent-Length: 2\r\n\r\nhi";
        let other = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-b: 1\r\ndate: y\r\n\r\nhi";
        assert_eq!(lines(one, &[]), lines(other, &[]));
        let different = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-b: 1\r\ndate: y\r\n\r\nho";
        assert_ne!(lines(one, &[]), lines(different, &[]));
    }

    #[test]
    fn an_answer_to_head_has_no_body() {
        let wire = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nHTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
        let lines = lines(wire, &[true]);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[1].starts_with("400"), "{lines:?}");
    }

    #[test]
    fn a_tunnel_s_bytes_are_kept() {
        let lines = lines("HTTP/1.1 101 Switching Protocols\r\n\r\n\x01\x02", &[]);
        assert_eq!(lines[1], "tunnel \\x01\\x02");
    }
}
