//! Restarts under streams: none is lost that a client has begun, and those that were not taken are told apart.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use conformance::{Options, Signal, Subject};
use gateway_spec::bytes::Bytes;
use h2::client::SendRequest;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::chapter;
use super::processes::wait_until;

chapter! {
    a_restart_under_streams_loses_none,
}

/// Requests beside each other on a connection.
const BESIDE: usize = 10;

/// What came of a connection's requests.
#[derive(Debug, Default)]
struct Tally {
    answered: AtomicUsize,
    /// The server has said that it did not take them: they are asked again.
    untaken: AtomicUsize,
    stop: AtomicBool,
}

/// Asks over one connection after another, as clients do that keep one as long as they can. Whatever was begun has to be answered,
/// but for what the server says that it has not taken (RFC 9113 section 6.8).
async fn ask_on(address: SocketAddr, tally: Arc<Tally>) {
    while !tally.stop.load(Ordering::Relaxed) {
        let socket = TcpStream::connect(address).await.expect("it listens");
        let (requests, connection) = h2::client::handshake(socket).await.expect("HTTP/2");
        let connection = tokio::spawn(connection);
        let mut beside = JoinSet::new();
        for _ in 0..BESIDE {
            beside.spawn(ask_while_taken(requests.clone(), Arc::clone(&tally)));
        }
        drop(requests);
        while let Some(asked) = beside.join_next().await {
            asked.expect("all were answered");
        }
        let ended = connection.await.expect("no panic");
        ended.expect("the connection ends in order");
    }
}

/// Asks one after the other, until the connection takes no more.
async fn ask_while_taken(requests: SendRequest<Bytes>, tally: Arc<Tally>) {
    while !tally.stop.load(Ordering::Relaxed) {
        // Nothing was begun: the next connection gets it.
        let Ok(mut ready) = requests.clone().ready().await else {
            return;
        };
        let request = http::Request::get("http://a/conformance/hello").body(());
        let Ok((answer, _)) = ready.send_request(request.expect("a request"), true) else {
            return;
        };
        match answer.await {
            Ok(answer) => {
                assert_eq!(answer.status(), 200);
                let mut body = answer.into_body();
                let mut length = 0;
                while let Some(part) = body.data().await {
                    length += part.expect("it is whole").len();
                }
                assert_eq!(length, "Hello, world!".len());
                tally.answered.fetch_add(1, Ordering::Relaxed);
            }
            Err(error)
                if error.is_go_away() || error.reason() == Some(h2::Reason::REFUSED_STREAM) =>
            {
                tally.untaken.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => panic!("a request was lost: {error}"),
        }
    }
}

fn a_restart_under_streams_loses_none(subject: &Subject) {
    let options = Options::new().arguments(&["--workers", "2", "--access-log", "off"]);
    let mut server = subject.start_with(options);
    let (address, tally) = (server.address(), Arc::new(Tally::default()));
    let asking = {
        let tally = Arc::clone(&tally);
        std::thread::spawn(move || {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            let runtime = builder.enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let mut clients = JoinSet::new();
                for _ in 0..3 {
                    clients.spawn(ask_on(address, Arc::clone(&tally)));
                }
                while let Some(client) = clients.join_next().await {
                    client.expect("all were answered");
                }
            });
        })
    };
    let more = |count: usize| {
        let until = tally.answered.load(Ordering::Relaxed) + count;
        wait_until("more answers", || {
            assert!(!asking.is_finished(), "a request was lost");
            tally.answered.load(Ordering::Relaxed) >= until
        });
    };
    more(300);
    server.signal(Signal::USR2);
    let new = server.successor();
    more(300);
    // Clients that ask without pause are told with the next answer, so the old one has nobody left.
    assert_eq!(server.wait_for_process().code(), Some(0));
    more(300);
    tally.stop.store(true, Ordering::Relaxed);
    assert!(asking.join().is_ok(), "a request was lost: {tally:?}");
    new.signal(Signal::TERM);
    new.wait();
}
