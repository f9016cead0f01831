//! The page, what it asks for and what it is told: an application over `app-router`.

use app_router::{Event as SentEvent, Request, Router, Routes, Sse};
use gateway_spec::{AppError, Response, Scope};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};

use crate::laboratory::MOST_RUNS;
use crate::run::{MOST_MILLISECONDS, MOST_REQUESTS, MOST_WORKERS};
use crate::{Experiment, Ground, Laboratory, Run, Work};

/// Nothing but the page's own files, nothing inline, and no frames around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A wish is some numbers.
const LONGEST_WISH: usize = 4096;

/// The demonstration: a page whose experiments are made in this laboratory.
///
/// | route | what |
/// |---|---|
/// | `GET /` and its files | the page |
/// | `GET /experiments` | what there is to choose from, as JSON |
/// | `POST /runs` | begins an experiment: `{"runs": [...]}`. 202, or 409 while there is one |
/// | `DELETE /runs` | ends the experiment that is under way, if there is one: 204 |
/// | `GET /events` | what is seen of the experiment, as server-sent events; whoever comes later is told all of it |
///
/// # Examples
///
/// ```
/// use lecture::{Ground, Laboratory};
///
/// let laboratory = Laboratory::new(std::env::current_exe()?, Ground::default());
/// # fn assert(_: impl gateway_spec::Application) {}
/// assert(lecture::page(laboratory));
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use]
pub fn page(laboratory: Laboratory) -> Routes {
    let (begins, stops) = (laboratory.clone(), laboratory.clone());
    let (tells, offers) = (laboratory.clone(), laboratory);
    let mut router = Router::new();
    for (path, content_type, content) in FILES {
        router = router.get(path, async move || file(content_type, content));
    }
    router
        .get("/experiments", move || offer(offers.ground()))
        .post("/runs", move |request: Request| {
            begin(begins.clone(), request)
        })
        .delete("/runs", move || stop(stops.clone()))
        .get("/events", move |request: Request| {
            tell(tells.clone(), request.scope)
        })
        .build()
        .expect("these routes do not conflict")
}

/// The files, each with its path, content type and content.
const FILES: [(&str, &str, &str); 4] = [
    (
        "/",
        "text/html; charset=utf-8",
        include_str!("../assets/index.html"),
    ),
    (
        "/lecture.css",
        "text/css; charset=utf-8",
        include_str!("../assets/lecture.css"),
    ),
    (
        "/lecture.js",
        "text/javascript; charset=utf-8",
        include_str!("../assets/lecture.js"),
    ),
    (
        "/timeline.js",
        "text/javascript; charset=utf-8",
        include_str!("../assets/timeline.js"),
    ),
];

fn file(content_type: &'static str, content: &'static str) -> Response {
    let with = |response: Response, name: HeaderName, value| {
        response.with_header(name, HeaderValue::from_static(value))
    };
    let response = with(
        Response::typed(content_type, content),
        CONTENT_SECURITY_POLICY,
        POLICY,
    );
    let response = with(response, X_CONTENT_TYPE_OPTIONS, "nosniff");
    let response = with(response, REFERRER_POLICY, "no-referrer");
    // A new version is there with the next visit.
    with(response, CACHE_CONTROL, "no-cache")
}

/// What there is to choose from.
#[derive(Serialize)]
struct Offer {
    ground: Ground,
    experiments: Vec<Experiment>,
    works: Vec<WorkOffer>,
    most: Most,
}

#[derive(Serialize)]
struct WorkOffer {
    name: &'static str,
    code: &'static str,
}

#[derive(Serialize)]
struct Most {
    requests: u32,
    milliseconds: u32,
    workers: u32,
}

async fn offer(ground: Ground) -> Result<Response, AppError> {
    let works = Work::ALL.map(|work| WorkOffer {
        name: work.name(),
        code: work.code(),
    });
    let offer = Offer {
        ground,
        experiments: Experiment::all(ground),
        works: works.into(),
        most: Most {
            requests: MOST_REQUESTS,
            milliseconds: MOST_MILLISECONDS,
            workers: MOST_WORKERS,
        },
    };
    let json = serde_json::to_vec(&offer)?;
    Ok(Response::typed("application/json", json))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    runs: Vec<Run>,
}

async fn begin(laboratory: Laboratory, mut request: Request) -> Result<Response, AppError> {
    let refused = |status, why: String| Ok(Response::text(why + "\n").with_status(status));
    // A page of another site can send text to this one, but not JSON.
    let content_type = request.scope.headers.get_str(CONTENT_TYPE);
    if content_type != Some("application/json") {
        let why = String::from("content-type: application/json is needed");
        return refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, why);
    }
    let body = request.body.collect(LONGEST_WISH).await?;
    let wish: Wish = match serde_json::from_slice(&body) {
        Ok(wish) => wish,
        Err(error) if error.is_data() => {
            return refused(StatusCode::UNPROCESSABLE_ENTITY, error.to_string());
        }
        Err(error) => return refused(StatusCode::BAD_REQUEST, error.to_string()),
    };
    if !(1..=MOST_RUNS).contains(&wish.runs.len()) {
        let why = format!(
            "{} runs: an experiment has 1 to {MOST_RUNS}",
            wish.runs.len()
        );
        return refused(StatusCode::UNPROCESSABLE_ENTITY, why);
    }
    match laboratory.begin(wish.runs) {
        Ok(()) => Ok(Response::from(StatusCode::ACCEPTED)),
        Err(busy) => refused(StatusCode::CONFLICT, busy.to_string()),
    }
}

/// A page of another site cannot ask for it: browsers ask this one first whether it may.
async fn stop(laboratory: Laboratory) -> StatusCode {
    laboratory.stop();
    StatusCode::NO_CONTENT
}

async fn tell(laboratory: Laboratory, scope: Scope) -> Sse {
    let last = scope.headers.get_str("last-event-id");
    let last = last.and_then(|id| laboratory.number(id));
    Sse::produce(async move |events| {
        let mut next = last.map_or(0, |last| last + 1);
        loop {
            for (number, event) in laboratory.since(next) {
                let event = SentEvent::json(&event)?.with_id(laboratory.id(number));
                events.send(event).await?;
                next = number + 1;
            }
            laboratory.wait(next).await;
        }
    })
}
