//! What may be sent when: every short sequence of events gets the same verdicts here as from the transport of the servers.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use gateway_spec::{BodyLength, HttpSend, HttpTransport, ResponseHead, SendError, TrailersPlan};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};
use server_host::{
    BodyAllowed, Exchange, Facts, Informational, Outgoing, TrailersTaken, UpgradeAsked,
};
use test_client::TestClient;

use crate::apps;

type Verdicts = Vec<Result<(), SendError>>;

/// One event of each kind that is told apart.
fn event(kind: usize) -> Option<HttpSend> {
    let start = |status: u16, length: Option<&'static str>, body: &'static str, more| {
        let mut head = ResponseHead::new(StatusCode::from_u16(status).unwrap());
        if let Some(length) = length {
            let value = HeaderValue::from_static(length);
            head.headers.append(header::CONTENT_LENGTH, value);
        }
        HttpSend::Start {
            head,
            body: body.into(),
            more,
            trailers: match status {
                203 => TrailersPlan::Announced([HeaderName::from_static("x-sum")].into()),
                202 => TrailersPlan::Maybe,
                _ => TrailersPlan::None,
            },
        }
    };
    let body = |text: &'static str, more| HttpSend::Body {
        bytes: text.into(),
        more,
    };
    let trailers = |name: &'static str| {
        let mut trailers = HeaderMap::new();
        trailers.append(name, HeaderValue::from_static("7"));
        HttpSend::Trailers(trailers)
    };
    let head = |status: u16| ResponseHead::new(StatusCode::from_u16(status).unwrap());
    Some(match kind {
        0 => HttpSend::Informational(head(103)),
        1 => HttpSend::Informational(head(101)),
        2 => HttpSend::Informational(head(200)),
        3 => start(200, None, "ab", false),
        4 => start(200, None, "", true),
        5 => start(200, Some("4"), "ab", true),
        6 => start(200, Some("4"), "ab", false),
        7 => start(200, Some("1"), "ab", true),
        8 => start(200, Some("x"), "", true),
        9 => start(203, None, "", true),
        10 => start(202, None, "", true),
        11 => start(203, Some("2"), "", true),
        12 => start(204, Some("4"), "ab", true),
        13 => start(103, None, "", true),
        14 => body("ab", true),
        15 => body("ab", false),
        16 => body("abc", true),
        17 => body("", false),
        18 => trailers("x-sum"),
        19 => trailers("x-other"),
        20 => trailers("content-length"),
        21 => HttpSend::Trailers(HeaderMap::new()),
        22 => HttpSend::Upgrade { head: head(101) },
        23 => HttpSend::Upgrade { head: head(404) },
        24 => body("a", false),
        _ => return None,
    })
}

/// What a request is, here and to the servers' transport.
struct Case {
    method: Method,
    version: Version,
    fields: &'static [(&'static str, &'static str)],
    facts: Facts,
}

fn cases() -> [Case; 4] {
    let plain = Facts {
        informational: Informational::Sent,
        ..Facts::default()
    };
    let case = |method, version, fields, facts| Case {
        method,
        version,
        fields,
        facts,
    };
    [
        case(Method::GET, Version::HTTP_11, &[], plain),
        case(
            Method::HEAD,
            Version::HTTP_2,
            &[],
            Facts {
                body: BodyAllowed::Head,
                trailers: TrailersTaken::All,
                ..plain
            },
        ),
        case(
            Method::GET,
            Version::HTTP_11,
            &[
                ("connection", "upgrade"),
                ("upgrade", "x"),
                ("te", "trailers"),
            ],
            Facts {
                upgrade: UpgradeAsked::Yes,
                trailers: TrailersTaken::Announced,
                ..plain
            },
        ),
        case(
            Method::GET,
            Version::HTTP_10,
            &[],
            Facts {
                informational: Informational::Dropped,
                ..plain
            },
        ),
    ]
}

/// What is sent after the end: the servers say that it does not fit until the wire has written the answer, then that it is over.
fn normal(verdict: Result<(), SendError>, ended: bool) -> Result<(), SendError> {
    match verdict {
        Err(SendError::OutOfOrder | SendError::Gone(_)) if ended => Err(SendError::OutOfOrder),
        other => other,
    }
}

fn of_servers(facts: Facts, kinds: [usize; 3]) -> (Verdicts, Option<Bytes>) {
    let mut exchange = Exchange::new();
    exchange.begin(facts, BodyLength::Empty, 0);
    let exchange = Arc::new(exchange);
    let (mut verdicts, mut body, mut ended) = (Vec::new(), Vec::new(), false);
    for kind in kinds {
        let verdict = exchange.send(event(kind).unwrap());
        verdicts.push(normal(verdict, ended));
        while let Some(outgoing) = exchange.next_output() {
            match outgoing {
                Outgoing::Head { first, length, .. } => {
                    body.extend_from_slice(&first);
                    ended |= length == server_host::ReplyLength::Whole;
                }
                Outgoing::Data(bytes) => body.extend_from_slice(&bytes),
                Outgoing::End(_) => ended = true,
                _ => {}
            }
        }
    }
    (verdicts, ended.then(|| body.into()))
}

/// A client of an application that sends what it is told to.
fn puppet(verdicts: &Arc<Mutex<Verdicts>>) -> TestClient {
    let verdicts = Arc::clone(verdicts);
    apps::http(move |http| {
        let verdicts = Arc::clone(&verdicts);
        async move {
            let kinds = *http.scope.extensions.get::<[usize; 3]>().unwrap();
            let (_, transport) = http.into_transport();
            let mut ended = false;
            for kind in kinds {
                let verdict = transport.send(event(kind).unwrap());
                verdicts.lock().unwrap().push(normal(verdict, ended));
                ended = transport.gone().value().is_some();
            }
            let (other, _) = gateway_spec::Http::in_memory(gateway_spec::Scope::new(
                gateway_spec::HttpScope::new(Arc::new(gateway_spec::ConnectionInfo::new(
                    gateway_spec::Capabilities::new("elsewhere"),
                ))),
            ));
            Ok(other.responder.abort())
        }
    })
}

#[tokio::test]
async fn every_sequence_of_three_events_is_judged_as_the_servers_do() {
    let verdicts = Arc::<Mutex<Verdicts>>::default();
    let client = puppet(&verdicts);
    let kinds = (0..).take_while(|kind| event(*kind).is_some()).count();
    let mut complete = 0;
    for case in cases() {
        for number in 0..kinds.pow(3) {
            let sequence = [
                number % kinds,
                number / kinds % kinds,
                number / kinds / kinds,
            ];
            let mut request = client
                .request(case.method.clone(), "/")
                .version(case.version)
                .scope(|scope| {
                    scope.extensions.insert(sequence);
                });
            for (name, value) in case.fields {
                request = request.header(name, value);
            }
            let reply = request.send().await;
            let (expected, body) = of_servers(case.facts, sequence);
            let judged = std::mem::take(&mut *verdicts.lock().unwrap());
            let what = format!("{} {:?} {sequence:?}", case.method, case.version);
            assert_eq!(judged, expected, "{what}");
            let by_application = reply.ok().filter(|reply| {
                reply.answerer == test_client::Answerer::Application
                    && reply.status != StatusCode::SWITCHING_PROTOCOLS
            });
            assert_eq!(by_application.is_some(), body.is_some(), "{what}");
            if let (Some(reply), Some(body)) = (by_application, body) {
                complete += 1;
                if case.method != Method::HEAD && reply.status != StatusCode::NO_CONTENT {
                    assert_eq!(reply.body, body, "{what}");
                }
            }
        }
    }
    assert!(complete > 1000, "{complete}");
}
