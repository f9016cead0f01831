//! The page, what it may ask for, and what it is told.

use std::time::Duration;

use http::StatusCode;
use lecture::{Ground, Laboratory, Server};
use serde_json::{Value, json};
use test_client::TestClient;

use crate::runs::PROGRAM;

/// Only failures take as long.
const PATIENCE: Duration = Duration::from_secs(30);

const GROUND: Ground = Ground {
    server: Server::Hyper,
    workers: 3,
};

fn page() -> TestClient {
    TestClient::new(lecture::page(Laboratory::new(PROGRAM, GROUND)))
}

fn one_run() -> Value {
    json!({ "work": "awaiting", "requests": 2, "milliseconds": 200, "workers": 1, "server": "hyper" })
}

async fn begin(page: &TestClient, wish: impl ToString) -> (StatusCode, String) {
    let request = page
        .post("/runs")
        .header("content-type", "application/json");
    let reply = request.body(wish.to_string()).send().await.unwrap();
    (reply.status, reply.text().to_owned())
}

/// The events of a stream, up to one that ends it.
async fn events_until(page: &TestClient, last_id: Option<&str>, end: &str) -> Vec<(String, Value)> {
    let mut request = page.get("/events");
    if let Some(id) = last_id {
        request = request.header("last-event-id", id);
    }
    let mut stream = request.stream().await.unwrap();
    let (mut events, mut text) = (Vec::new(), String::new());
    let read = async {
        while let Some(chunk) = stream.chunk().await.unwrap() {
            text += std::str::from_utf8(&chunk).unwrap();
            while let Some((event, rest)) = text.split_once("\n\n") {
                let line = |name: &str| {
                    let value = event.lines().find_map(|line| line.strip_prefix(name));
                    value.unwrap_or("null").to_owned()
                };
                let data: Value = serde_json::from_str(&line("data: ")).unwrap();
                let is_last = data["event"] == end;
                events.push((line("id: "), data));
                if is_last {
                    return;
                }
                text = rest.to_owned();
            }
        }
    };
    tokio::time::timeout(PATIENCE, read).await.unwrap();
    events
}

#[tokio::test]
async fn its_files_are_served_and_run_nothing_but_themselves() {
    let page = page();
    for (path, content_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/lecture.css", "text/css; charset=utf-8"),
        ("/lecture.js", "text/javascript; charset=utf-8"),
        ("/timeline.js", "text/javascript; charset=utf-8"),
    ] {
        let reply = page.get(path).send().await.unwrap();
        assert_eq!(reply.status, StatusCode::OK, "{path}");
        assert_eq!(reply.headers.get_str("content-type"), Some(content_type));
        assert_eq!(
            reply.headers.get_str("x-content-type-options"),
            Some("nosniff")
        );
        let policy = reply.headers.get_str("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"));
        for forbidden in [
            "unsafe-inline",
            "<style",
            " style=",
            " onclick=",
            "http:",
            "https:",
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
        ] {
            assert!(!reply.text().contains(forbidden), "{forbidden} in {path}");
            assert!(!policy.contains(forbidden), "{forbidden} in the policy");
        }
    }
}

#[tokio::test]
async fn it_offers_the_experiments_on_what_it_runs_on() {
    let reply = page().get("/experiments").send().await.unwrap();
    let offer: Value = serde_json::from_str(reply.text()).unwrap();
    assert_eq!(offer["ground"], json!({ "server": "hyper", "workers": 3 }));
    assert_eq!(offer["experiments"][0]["name"], "waiting");
    let lectures_own = &offer["experiments"][0]["runs"];
    let expected = json!({ "work": "blocking", "requests": 2, "milliseconds": 2000, "workers": 1, "server": "hyper" });
    assert_eq!(lectures_own[0], expected);
    assert_eq!(lectures_own[1]["work"], "awaiting");
    assert_eq!(offer["works"].as_array().unwrap().len(), 5);
    assert_eq!(offer["most"]["requests"], 16);
}

#[tokio::test]
async fn an_experiment_is_told_as_it_goes_to_everybody_who_looks() {
    let page = page();
    let (early, (status, _)) = tokio::join!(
        events_until(&page, None, "over"),
        begin(&page, json!({ "runs": [one_run()] }))
    );
    assert_eq!(status, StatusCode::ACCEPTED);
    let names: Vec<&str> = early
        .iter()
        .map(|(_, event)| event["event"].as_str().unwrap())
        .collect();
    assert_eq!(names[..2], ["experiment", "serving"]);
    assert_eq!(names[names.len() - 2..], ["ended", "over"]);
    assert_eq!(
        early[0].1["runs"][0]["rows"],
        json!(["request 1", "request 2", "bystander"])
    );
    assert_eq!(early[1].1["server"], "server-hyper, 1 worker");
    for row in 0..3 {
        let states = early
            .iter()
            .filter(|(_, event)| event["event"] == "row" && event["row"] == row);
        let states: Vec<&Value> = states.map(|(_, event)| &event["state"]).collect();
        assert_eq!(*states[0], "queued");
        assert_eq!(*states[1], "running");
        assert_eq!(**states.last().unwrap(), Value::Null, "it has ended");
    }

    // Who comes later is told all of it, who comes back what is new, and ids of another process are none.
    let late = events_until(&page, None, "over").await;
    assert_eq!(late, early);
    let (seen, _) = &early[early.len() - 3];
    let rest = events_until(&page, Some(seen), "over").await;
    assert_eq!(rest, early[early.len() - 2..]);
    // So are those that this one has not come to.
    let (epoch, _) = seen.split_once('-').unwrap();
    let never = format!("{epoch}-{}", early.len());
    for stranger in ["1-2", "x", "", "99999999999999999999-0", &never] {
        assert_eq!(
            events_until(&page, Some(stranger), "over").await,
            early,
            "{stranger}"
        );
    }
}

#[tokio::test]
async fn there_is_one_experiment_at_a_time() {
    let page = page();
    let wish = json!({ "runs": [one_run(), one_run()] });
    assert_eq!(begin(&page, &wish).await.0, StatusCode::ACCEPTED);
    let (status, why) = begin(&page, &wish).await;
    assert_eq!(
        (status, &*why),
        (StatusCode::CONFLICT, "an experiment is under way\n")
    );
    let first = events_until(&page, None, "over").await;
    assert_eq!(
        begin(&page, json!({ "runs": [one_run()] })).await.0,
        StatusCode::ACCEPTED
    );
    // What was drawn before is history.
    let (last, _) = first.last().unwrap();
    let second = events_until(&page, Some(last), "over").await;
    assert_eq!(second[0].1["event"], "experiment");
    assert_eq!(events_until(&page, None, "over").await, second);
}

#[tokio::test]
async fn who_has_seen_enough_stops_it_for_all() {
    let page = page();
    let mut long = one_run();
    long["milliseconds"] = json!(5000);
    long["work"] = json!("blocking");
    let wish = json!({ "runs": vec![long; 4] });
    let stop = async || page.delete("/runs").send().await.unwrap().status;
    assert_eq!(
        stop().await,
        StatusCode::NO_CONTENT,
        "there is none to stop"
    );
    assert_eq!(begin(&page, &wish).await.0, StatusCode::ACCEPTED);
    // While its server is held.
    events_until(&page, None, "row").await;
    assert_eq!(stop().await, StatusCode::NO_CONTENT);
    let events = events_until(&page, None, "over").await;
    let names: Vec<&Value> = events.iter().map(|(_, event)| &event["event"]).collect();
    assert_eq!(names[names.len() - 2..], ["failed", "over"]);
    let (_, failed) = &events[events.len() - 2];
    assert_eq!(
        (&failed["run"], &failed["why"]),
        (&json!(0), &json!("it was stopped"))
    );
    // The next one is not stopped by it.
    let next = json!({ "runs": [one_run()] });
    assert_eq!(begin(&page, next).await.0, StatusCode::ACCEPTED);
    let events = events_until(&page, None, "over").await;
    assert_eq!(events[events.len() - 2].1["event"], "ended");
}

#[tokio::test]
async fn what_cannot_be_begun_says_why() {
    let page = page();
    let mut too_many = one_run();
    too_many["requests"] = json!(17);
    let mut unknown = one_run();
    unknown["work"] = json!("idling");
    for (wish, status, why) in [
        (
            json!({ "runs": [too_many] }).to_string(),
            422,
            "17 requests: a run has 1 to 16",
        ),
        (
            json!({ "runs": [unknown] }).to_string(),
            422,
            "unknown variant `idling`",
        ),
        (
            json!({ "runs": [] }).to_string(),
            422,
            "0 runs: an experiment has 1 to 4",
        ),
        (
            json!({ "runs": vec![one_run(); 5] }).to_string(),
            422,
            "5 runs",
        ),
        (
            json!({ "walks": [] }).to_string(),
            422,
            "unknown field `walks`",
        ),
        ("{".to_owned(), 400, "EOF while parsing"),
        ("x".repeat(5000), 413, ""),
    ] {
        let (answered, text) = begin(&page, &wish).await;
        assert_eq!(answered, status, "{wish}: {text}");
        assert!(text.contains(why), "{wish}: {text}");
    }
    // A form of another site cannot say that it is JSON.
    let reply = page
        .post("/runs")
        .header("content-type", "text/plain")
        .body("{}");
    let reply = reply.send().await.unwrap();
    assert_eq!(reply.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn a_run_that_comes_to_no_end_ends_the_experiment() {
    let page = TestClient::new(lecture::page(Laboratory::new("/bin/true", GROUND)));
    let wish = json!({ "runs": [one_run(), one_run()] });
    assert_eq!(begin(&page, &wish).await.0, StatusCode::ACCEPTED);
    let events = events_until(&page, None, "over").await;
    let names: Vec<&Value> = events.iter().map(|(_, event)| &event["event"]).collect();
    assert_eq!(names, ["experiment", "failed", "over"]);
    let why = events[1].1["why"].as_str().unwrap();
    assert!(why.starts_with("the server could not be started"), "{why}");
    assert_eq!(
        begin(&page, &wish).await.0,
        StatusCode::ACCEPTED,
        "it may be tried again"
    );
    events_until(&page, None, "over").await;
}
