//! What the application sees of each exchange, in a form that is the same on every server that does the same.
//!
//! Left out is what may differ: addresses, capabilities, the order across names and their case where a server does not keep
//! them, how a body was cut into events, and when a client's leaving was noticed.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use gateway_spec::{
    BodyLength, Http, HttpLayer, HttpReceive, HttpTransport, Layered, Scope, types::HeaderMap,
};

use super::reports::Reports;

/// The board that the lines are on: `N head …` and, if the application read the body to its end, `N body …`.
const BOARD: &str = "trace";

/// The exchange with its events written down.
pub(super) fn traced(http: Http, reports: &Arc<Reports>) -> Http {
    let number = reports.next();
    let head = canonical(&http.scope);
    reports.say(BOARD, format_args!("{number:03} head {head}"));
    let reports = Arc::clone(reports);
    http.map_transport(|inner| {
        Arc::new(Layered(Traced {
            inner,
            reports,
            number,
            body: Mutex::default(),
        }))
    })
}

struct Traced {
    inner: Arc<dyn HttpTransport>,
    reports: Arc<Reports>,
    number: usize,
    body: Mutex<Body>,
}

#[derive(Default)]
struct Body {
    bytes: Vec<u8>,
    ended: bool,
}

impl HttpLayer for Traced {
    fn inner(&self) -> &dyn HttpTransport {
        &*self.inner
    }

    fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<HttpReceive> {
        let event = ready!(self.inner.poll_receive(cx));
        let mut body = self.body.lock().unwrap_or_else(PoisonError::into_inner);
        let end = match &event {
            HttpReceive::Body { bytes, more } => {
                body.bytes.extend_from_slice(bytes);
                (!more).then(|| "whole".to_owned())
            }
            HttpReceive::Trailers(trailers) => Some(format!("whole, then {}", fields(trailers))),
            // HTTP-8 leaves it to the server which of the two a cut body is.
            HttpReceive::Failed(_) | HttpReceive::Disconnect(_) => Some("broken".to_owned()),
            _ => None,
        };
        if let Some(end) = end.filter(|_| !body.ended) {
            body.ended = true;
            let bytes = match end.as_str() {
                // How much came before it broke depends on how it was cut.
                "broken" => String::new(),
                _ => body.bytes.escape_ascii().to_string(),
            };
            let line = format_args!("{:03} body {bytes:?} {end}", self.number);
            self.reports.say(BOARD, line);
        }
        Poll::Ready(event)
    }
}

fn canonical(scope: &Scope) -> String {
    let body = match scope.body {
        BodyLength::Empty => "empty".to_owned(),
        BodyLength::Known(length) => length.to_string(),
        BodyLength::Unknown => "unknown".to_owned(),
    };
    let mut text = format!(
        "{} {} {:?} path={} query={:?} authority={:?} scheme={} body={body}",
        scope.method,
        scope.uri,
        scope.version,
        scope.path(),
        scope.query(),
        scope.authority(),
        scope.connection.scheme.as_str(),
    );
    let mut fields: Vec<(String, &[u8])> = scope
        .headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .collect();
    // Stable: the order among fields of one name stays.
    fields.sort_by(|one, other| one.0.cmp(&other.0));
    for (name, value) in fields {
        write!(text, " {name}={}", value.escape_ascii()).expect("writing to memory cannot fail");
    }
    text
}

fn fields(fields: &HeaderMap) -> String {
    let field = |(name, value): (&_, &gateway_spec::types::HeaderValue)| {
        format!("{name}={}", value.as_bytes().escape_ascii())
    };
    let mut fields: Vec<String> = fields.iter().map(field).collect();
    fields.sort();
    fields.join(" ")
}
