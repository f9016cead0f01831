//! Clients that are slow, stop, or leave.

use std::time::Duration;

use gateway_spec::{AppError, Done, Gone, Http};
use http::StatusCode;
use test_client::{Outcome, Peer, Why};
use tokio::time::Instant;

use crate::apps;

/// Writes parts of 1,000 bytes for ever.
async fn endless(http: Http) -> Result<Done, AppError> {
    let mut writer = http.responder.start(StatusCode::OK).await?;
    loop {
        writer.write(vec![b'x'; 1000]).await?;
    }
}

/// Counts what it receives, and says how the body ended.
async fn count(mut http: Http) -> Result<Done, AppError> {
    let mut bytes = 0;
    let end = loop {
        match http.body.chunk().await {
            Ok(Some(part)) => bytes += part.len(),
            Ok(None) => break String::from("the end"),
            Err(error) => break AppError::from(error).to_string(),
        }
    };
    http.responder.respond(format!("{bytes}, then {end}")).await
}

#[tokio::test]
async fn one_that_leaves_at_a_byte_has_read_so_many_and_the_application_learns_it() {
    let client = apps::http(endless);
    for bytes in [0, 1, 999, 1000, 1001, 100_000] {
        let peer = Peer::new().reset_after_reading(bytes);
        let broken = client.get("/").peer(peer).send().await.unwrap_err();
        assert_eq!(broken.why(), Why::Left(Gone::PeerReset));
        assert_eq!(broken.partial().unwrap().body.len() as u64, bytes);
        assert_eq!(broken.outcome().await.gone(), Some(Gone::PeerReset));
    }
    let peer = Peer::new()
        .reset_after_reading(5)
        .leaving_as(Gone::StreamReset);
    let broken = client.get("/").peer(peer).send().await.unwrap_err();
    assert_eq!(broken.outcome().await.gone(), Some(Gone::StreamReset));
}

#[tokio::test]
async fn one_that_leaves_while_it_sends_leaves_a_body_without_an_end() {
    let client = apps::http(async |mut http: Http| {
        let mut bytes = 0;
        loop {
            match http.body.chunk().await {
                Ok(Some(part)) => bytes += part.len(),
                Ok(None) => return http.responder.respond("whole").await,
                Err(error) => {
                    return Err(AppError::from(error).with_source(format!("after {bytes}")));
                }
            }
        }
    });
    for (bytes, expected) in [(1, "after 1"), (4, "after 4"), (7, "after 7")] {
        let peer = Peer::new().reset_after_sending(bytes);
        let request = client.post("/").body_chunks(["abc", "def", "gh"]);
        let broken = request.peer(peer).send().await.unwrap_err();
        assert_eq!(broken.why(), Why::Left(Gone::PeerReset));
        let outcome = broken.outcome().await;
        assert_eq!(outcome.to_string(), format!("failed: {expected}"));
    }
    let peer = Peer::new().reset_after_sending(9);
    let whole = client.post("/").body("12345678").peer(peer).send().await;
    assert_eq!(
        whole.unwrap().text(),
        "whole",
        "it never comes to the ninth byte"
    );
}

#[tokio::test]
async fn one_that_half_closes_can_still_be_answered() {
    let client = apps::http(count);
    let malformed = "the request body is malformed or cut off";
    for (bytes, expected) in [
        (3, format!("3, then {malformed}")),
        (8, "8, then the end".into()),
        (u64::MAX, "8, then the end".into()),
    ] {
        let peer = Peer::new().half_close_after_sending(bytes);
        let reply = client.post("/").body("12345678").peer(peer).send().await;
        assert_eq!(reply.unwrap().text(), expected);
    }
    let waits = apps::http(async |http: Http| {
        let gone = http.responder.gone().await;
        http.responder.respond(format!("{gone:?}")).await
    });
    let peer = Peer::new().half_close_after_sending(0);
    let reply = waits.get("/").peer(peer).send().await.unwrap();
    assert_eq!(reply.text(), "HalfClosed");
}

#[tokio::test]
async fn one_that_stops_reading_makes_the_application_wait_at_the_bound() {
    let client = apps::http(endless);
    let peer = Peer::new().stop_reading_after(1500).window(10_000);
    let mut stream = client.get("/").peer(peer).stream().await.unwrap();
    assert_eq!(stream.chunk().await.unwrap().unwrap().len(), 1000);
    assert_eq!(stream.chunk().await.unwrap().unwrap().len(), 500);
    rest().await;
    assert_eq!(stream.unread(), 10_500, "the window and one event at most");
    assert!(stream.outcome_now().is_none());
    let left = stream.reset();
    assert_eq!(left.outcome().await.gone(), Some(Gone::PeerReset));
}

#[tokio::test(start_paused = true)]
async fn one_that_reads_slowly_takes_its_time_and_no_other() {
    let client = apps::http(async |http: Http| {
        let start = Instant::now();
        let mut writer = http.responder.start(StatusCode::OK).await?;
        for _ in 0..200 {
            writer.write(vec![b'x'; 1000]).await?;
        }
        assert!(start.elapsed().as_secs() >= 130, "it waited for its client");
        writer.finish().await
    });
    let start = Instant::now();
    let peer = Peer::new().read_per_second(1000);
    let reply = client.get("/").peer(peer).send().await.unwrap();
    assert_eq!(reply.body.len(), 200_000);
    assert_eq!(start.elapsed().as_secs(), 200);
    assert!(reply.outcome().await.is_done());
}

#[tokio::test]
async fn an_application_that_does_not_receive_makes_the_client_wait_at_the_bound() {
    let (go, gate) = tokio::sync::watch::channel(());
    let client = apps::http(move |http: Http| {
        let mut gate = gate.clone();
        async move {
            let _ = gate.changed().await;
            count(http).await
        }
    });
    let mut exchange = client.post("/").body_to_come().open();
    let mut sent = 0;
    let stuck = tokio::time::timeout(Duration::from_millis(10), async {
        loop {
            exchange.send(vec![0; 1000]).await.unwrap();
            sent += 1000;
        }
    });
    assert!(stuck.await.is_err());
    assert_eq!((sent, exchange.unreceived()), (66_000, 66_000));
    go.send(()).unwrap();
    exchange.finish();
    let reply = exchange.reply().await.unwrap();
    assert_eq!(reply.text(), "66000, then the end");
}

#[tokio::test]
async fn a_body_that_is_not_wanted_is_thrown_away() {
    let client = apps::http(async |http: Http| {
        drop(http.body);
        let gone = http.responder.gone().await;
        http.responder.respond(format!("{gone:?}")).await
    });
    let mut exchange = client.post("/").body_to_come().open();
    for _ in 0..100 {
        exchange.send(vec![0; 10_000]).await.unwrap();
        rest().await;
    }
    assert_eq!(exchange.unreceived(), 0);
    exchange.half_close();
    assert_eq!(exchange.reply().await.unwrap().text(), "HalfClosed");
}

#[tokio::test]
async fn a_call_goes_on_when_nobody_waits_for_it() {
    let (note, mut noted) = tokio::sync::mpsc::unbounded_channel();
    let client = apps::http(move |http: Http| {
        let note = note.clone();
        async move {
            let gone = http.responder.gone().await;
            note.send(gone).unwrap();
            Err(AppError::from(gone))
        }
    });
    let request = client.get("/").send();
    assert!(tokio::time::timeout(Duration::ZERO, request).await.is_err());
    assert_eq!(noted.recv().await, Some(Gone::PeerReset));
}

#[tokio::test(start_paused = true)]
async fn patience_ends_a_wait_for_nothing() {
    let client = apps::http(async |_: Http| std::future::pending().await);
    let patience = Duration::from_secs(60);
    let broken = client
        .with_patience(patience)
        .get("/")
        .send()
        .await
        .unwrap_err();
    assert_eq!(broken.why(), Why::Silent(patience));
    assert_eq!(broken.to_string(), "nothing came for 60s");
}

#[tokio::test]
async fn the_drain_is_seen_before_anything_ends() {
    let client = apps::http(async |http: Http| {
        let mut writer = http.responder.start(StatusCode::OK).await?;
        writer.write("open").await?;
        http.scope.drain().await;
        writer.write("last").await?;
        writer.finish().await
    });
    let mut stream = client.get("/").stream().await.unwrap();
    assert_eq!(stream.chunk().await.unwrap().unwrap(), "open");
    client.drain(Duration::from_secs(10));
    assert_eq!(stream.chunk().await.unwrap().unwrap(), "last");
    assert_eq!(stream.chunk().await.unwrap(), None);
    assert!(matches!(stream.outcome().await, Outcome::Done));
}

/// Lets every task run until all of them wait.
async fn rest() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}
