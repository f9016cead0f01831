//! The host's routes, behind a token: what is going on, and moderation in one room or in all.

use std::sync::Arc;

use gateway_spec::{AppError, Done, Http, Response};
use http::header::{ALLOW, AUTHORIZATION, CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, StatusCode};
use serde::Serialize;
use serde_json::json;

use crate::hub::Hub;
use crate::key::Keys;
use crate::name::RoomName;
use crate::protocol;
use crate::refusal::Refusal;

/// The longest body: an order with the longest reason, escaped, is 3 KiB.
const BODY_BYTES: usize = 16 * 1024;

/// Rulings in an answer, if nothing is asked for, and at most.
const RULINGS: usize = 100;
const MOST_RULINGS: usize = 1_000;

/// Where the routes begin.
const PREFIX: &str = "/admin/";

/// What is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Route {
    Metrics,
    Rooms,
    People,
    Rules,
    Audit,
    Order,
}

impl Route {
    fn of(path: &str) -> Option<Self> {
        Some(match path.strip_prefix(PREFIX)? {
            "metrics" => Self::Metrics,
            "rooms" => Self::Rooms,
            "people" => Self::People,
            "rules" => Self::Rules,
            "audit" => Self::Audit,
            "mod" => Self::Order,
            _ => return None,
        })
    }

    fn allows(self, method: &Method) -> bool {
        match self {
            Self::Order => method == Method::POST,
            _ => method == Method::GET || method == Method::HEAD,
        }
    }

    const fn allowed(self) -> &'static str {
        match self {
            Self::Order => "POST",
            _ => "GET, HEAD",
        }
    }
}

/// Whether a path is the host's.
pub(crate) fn is_here(path: &str) -> bool {
    path.starts_with(PREFIX)
}

/// Answers the host. Who is not the host learns nothing but that.
pub(crate) async fn answer(hub: &Arc<Hub>, keys: &Keys, mut http: Http) -> Result<Done, AppError> {
    let response = match Route::of(http.scope.path()) {
        _ if !keys.has_host() => text(StatusCode::NOT_FOUND, "not found\n"),
        _ if !is_host(keys, &http) => {
            text(StatusCode::UNAUTHORIZED, "the host's token is needed\n")
                .with_header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
        }
        None => text(StatusCode::NOT_FOUND, "not found\n"),
        Some(route) if !route.allows(&http.scope.method) => {
            let allowed = HeaderValue::from_static(route.allowed());
            text(StatusCode::METHOD_NOT_ALLOWED, "not that method\n").with_header(ALLOW, allowed)
        }
        Some(Route::Order) => match http.body.collect(BODY_BYTES).await {
            Ok(body) => order(hub, &body).await,
            Err(_) => text(StatusCode::PAYLOAD_TOO_LARGE, "more than 16 KiB\n"),
        },
        Some(route) => look(hub, route, http.scope.query().unwrap_or_default()).await,
    };
    let no_store = HeaderValue::from_static("no-store");
    let response = response.with_header(CACHE_CONTROL, no_store);
    http.responder.respond(response).await
}

fn is_host(keys: &Keys, http: &Http) -> bool {
    let mut fields = http.scope.headers.get_all(AUTHORIZATION);
    matches!((fields.next(), fields.next()), (Some(field), None) if keys.is_host(field))
}

async fn look(hub: &Arc<Hub>, route: Route, query: &str) -> Response {
    let room = match parameter(query, "room").map(|name| RoomName::parse(&name)) {
        None => None,
        Some(Ok(room)) => Some(room),
        Some(Err(error)) => return refused(Refusal::Name("room", error)),
    };
    match (route, room) {
        (Route::Metrics, _) => {
            const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
            Response::typed(PROMETHEUS, hub.metrics.render(hub.gauges()))
        }
        (Route::Rooms, _) => json(&json!({ "rooms": hub.glance() })),
        (Route::People, None) => refused(Refusal::Field("room")),
        (Route::People, Some(room)) => {
            json(&json!({ "room": room, "people": hub.people(&room).unwrap_or_default() }))
        }
        (Route::Rules, room) => match hub.listing(room.as_ref()).await {
            Ok(listing) => json(&listing),
            Err(refusal) => refused(refusal),
        },
        (Route::Audit | Route::Order, _) => {
            let limit = parameter(query, "limit").map_or(Ok(RULINGS), |limit| limit.parse());
            match limit {
                Ok(limit) => match hub.audit(limit.min(MOST_RULINGS)).await {
                    Ok(rulings) => json(&json!({ "rulings": rulings })),
                    Err(_) => refused(Refusal::Store),
                },
                Err(_) => refused(Refusal::Field("limit")),
            }
        }
    }
}

async fn order(hub: &Arc<Hub>, body: &[u8]) -> Response {
    let Ok(body) = std::str::from_utf8(body) else {
        return refused(Refusal::UnknownKind);
    };
    let ordered = match protocol::parse_order(body) {
        Ok((room, order)) => hub.order(room.as_ref(), order, "host".into()).await,
        Err(refusal) => Err(refusal),
    };
    match ordered {
        Ok(()) => StatusCode::NO_CONTENT.into(),
        Err(refusal) => refused(refusal),
    }
}

fn refused(refusal: Refusal) -> Response {
    let status = StatusCode::from_u16(refusal.code()).unwrap_or(StatusCode::BAD_REQUEST);
    let response = json(&json!({
        "code": refusal.code(),
        "why": refusal.why(),
        "msg": refusal.to_string(),
    }));
    let response = response.with_status(status);
    match refusal.retry_after() {
        Some(after) => response.with_header(RETRY_AFTER, HeaderValue::from(after.as_secs().max(1))),
        None => response,
    }
}

fn json(value: &impl Serialize) -> Response {
    let text = serde_json::to_string(value).expect("strings and numbers always serialise");
    Response::typed("application/json", text)
}

fn text(status: StatusCode, text: &'static str) -> Response {
    Response::text(text).with_status(status)
}

/// The value of a query's parameter, decoded.
fn parameter(query: &str, name: &str) -> Option<String> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(key, _)| *key == name)?;
    let value = value.replace('+', " ");
    let decoded = percent_encoding::percent_decode_str(&value).decode_utf8_lossy();
    Some(decoded.into_owned())
}
