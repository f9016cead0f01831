//! Pipelines of requests that say the same as the one before, or nearly the same: a server that remembers what it has read must not take the one for
//! the other. What comes first on a connection can be remembered from nothing, so the first of each is read anew by any server.

use super::corpus::{Choices, Recording};

const PIPELINES: u64 = 48;
const REQUESTS: usize = 24;
/// Of each pipeline, with something wrong in them.
const MUTATIONS: u64 = 6;

const METHODS: &[&str] = &["GET", "HEAD", "POST", "OPTIONS", "GETS", "get"];

/// Each begins as another does, or means another's path.
const TARGETS: &[&str] = &[
    "/conformance/hello",
    "/",
    "/conformance/hello?",
    "/conformance/hello?a",
    "/conformance/hell",
    "http://a/conformance/hello",
    "/conformance/status/204",
    "/conformance/stream-status/200",
    "/conformance/label",
    "/conformance/fail/panic",
];

const VERSIONS: &[&str] = &["HTTP/1.1", "HTTP/1.0"];

/// Beside the Host: each is more or less than another, or says of the connection what that does not.
const FIELDS: &[&str] = &[
    "",
    "accept: */*\r\n",
    "accept: */*\r\ncookie: a=1\r\n",
    "accept: */*\r\ncookie: a=2\r\n",
    "connection: keep-alive\r\n",
    "te: trailers\r\nconnection: te\r\n",
    "upgrade: x\r\n",
    "expect: 100-continue\r\n",
];

const HOSTS: &[&str] = &["host: a\r\n", "Host: a\r\n", "host: b\r\n"];

/// What says that there is a body, and the body.
const BODIES: &[(&str, &str)] = &[
    ("", ""),
    ("content-length: 0\r\n", ""),
    ("content-length: 3\r\n", "GET"),
    ("transfer-encoding: chunked\r\n", "3\r\nGET\r\n0\r\n\r\n"),
];

/// A request, by the positions of its parts in the lists above.
#[derive(Clone, Copy, Default)]
struct Request {
    method: usize,
    target: usize,
    version: usize,
    host: usize,
    fields: usize,
    body: usize,
}

impl Request {
    /// The same with one part chosen anew.
    fn varied(mut self, choices: &mut Choices) -> Self {
        let (part, number) = match choices.below(6) {
            0 => (&mut self.method, METHODS.len()),
            1 => (&mut self.target, TARGETS.len()),
            2 => (&mut self.version, VERSIONS.len()),
            3 => (&mut self.host, HOSTS.len()),
            4 => (&mut self.fields, FIELDS.len()),
            _ => (&mut self.body, BODIES.len()),
        };
        *part = choices.below(number);
        self
    }

    fn write(self, out: &mut String) {
        let (length, body) = BODIES[self.body];
        let kept = match VERSIONS[self.version] {
            "HTTP/1.0" => "connection: keep-alive\r\n",
            _ => "",
        };
        let parts = [
            METHODS[self.method],
            " ",
            TARGETS[self.target],
            " ",
            VERSIONS[self.version],
            "\r\n",
            HOSTS[self.host],
            FIELDS[self.fields],
            kept,
            length,
            "\r\n",
            body,
        ];
        out.extend(parts);
    }
}

/// Pipelines, the same each time.
#[must_use]
pub fn pipelines() -> Vec<Recording> {
    let originals = (0..PIPELINES).map(|number| {
        let mut choices = Choices::new(number);
        let usual = Request::default().varied(&mut choices);
        let mut bytes = String::new();
        let mut last = usual;
        for _ in 0..REQUESTS {
            last = match choices.below(8) {
                0..4 => last,
                4 | 5 => usual,
                6 => usual.varied(&mut choices),
                _ => last.varied(&mut choices),
            };
            last.write(&mut bytes);
        }
        Recording::new(format!("pipeline {number}"), bytes)
    });
    let with_mutations = |pipeline: Recording| {
        let mutations = (0..MUTATIONS).map(|number| pipeline.mutated(number));
        let mutations: Vec<Recording> = mutations.collect();
        std::iter::once(pipeline).chain(mutations)
    };
    originals.flat_map(with_mutations).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_requests_are_as_the_one_before() {
        let all = pipelines();
        assert_eq!(all, pipelines());
        let repeated = |recording: &&Recording| {
            let text = String::from_utf8_lossy(&recording.bytes);
            let heads: Vec<&str> = text.split_inclusive("\r\n\r\n").collect();
            heads.windows(2).filter(|two| two[0] == two[1]).count() >= REQUESTS / 4
        };
        assert!(all.iter().filter(repeated).count() > all.len() / 2);
    }
}
