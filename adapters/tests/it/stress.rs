//! Many exchanges at once: no wake-up is lost.

use std::io::Write;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use gateway_spec::{AppError, Application, Events, HttpSend, ResponseHead, SyncHttp};
use http::StatusCode;

use crate::support::{app, block_on, both, last_part, part, pool, post};

const CLIENTS: usize = 8;
const EXCHANGES: usize = 504;
const PIECE: usize = 4096;
/// So many are there before the application runs; of the others each waits for the echo of an earlier one.
const AT_FIRST: usize = (64 << 10) / PIECE;
const PIECES: usize = AT_FIRST + 16;

#[test]
fn five_hundred_echoes_over_eight_threads_come_to_their_ends() {
    let pool = pool(8, 8);
    let app = Arc::new(app(&pool, |http: SyncHttp| {
        let SyncHttp {
            mut body,
            responder,
            ..
        } = http;
        let mut writer = responder.start(ResponseHead::new(StatusCode::OK))?;
        while let Some(piece) = body.chunk()? {
            writer.write_all(&piece)?;
        }
        writer.finish()
    }));
    let (done, is_done) = mpsc::channel();
    for _ in 0..CLIENTS {
        let (app, done) = (Arc::clone(&app), done.clone());
        thread::spawn(move || {
            for _ in 0..EXCHANGES / CLIENTS {
                let (connection, events) = post();
                let (result, echoed) = block_on(both(app.call(connection), peer(events)));
                done.send(result.map(|_| echoed).map_err(AppError::into_source))
                    .unwrap();
            }
        });
    }
    for _ in 0..EXCHANGES {
        // A wake-up that is lost shows as a wait without an end.
        let echoed = is_done.recv_timeout(Duration::from_secs(5)).unwrap();
        assert_eq!(echoed.unwrap(), PIECES * PIECE);
    }
    assert_eq!(pool.stats().refused, 0);
}

async fn peer(mut events: Events) -> usize {
    let (mut sent, mut read) = (0, 0);
    loop {
        while sent < PIECES && sent < AT_FIRST + read / PIECE {
            sent += 1;
            let bytes = vec![7; PIECE];
            events.deliver(if sent == PIECES {
                last_part(bytes)
            } else {
                part(bytes)
            });
        }
        match events.sent().await {
            Some(HttpSend::Start { .. }) => {}
            Some(HttpSend::Body { bytes, more: true }) => read += bytes.len(),
            _ => return read,
        }
    }
}
