//! Both ends of an exchange in the process, polled by hand.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Wake, Waker};

use gateway_spec::{BodyLength, Capabilities, ConnectionInfo, HttpScope, Response};
use http::{HeaderName, HeaderValue, Method, StatusCode};

use super::link::EVENTS;
use super::*;

fn scope() -> HttpScope {
    HttpScope::new(Arc::new(ConnectionInfo::new(Capabilities::new("test"))))
}

/// An exchange for `scope`, and the call of `app`.
fn open<F>(scope: HttpScope, app: impl FnOnce(Http) -> F) -> (Call<F>, Client)
where
    F: Future<Output = Result<Done, AppError>>,
{
    let facts = Facts::of(&scope);
    let (http, host, client) = exchange(Scope::new(scope), facts, u64::MAX);
    (host.call(app(http)), client)
}

fn poll<F: Future<Output = Result<Done, AppError>>>(call: &mut Call<F>) -> Poll<()> {
    Pin::new(call).poll(&mut Context::from_waker(Waker::noop()))
}

fn next(client: &Client) -> Option<String> {
    match client.poll_next(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some(outgoing)) => Some(seen(&outgoing)),
        Poll::Ready(None) => Some(String::from("over")),
        Poll::Pending => None,
    }
}

fn seen(outgoing: &Outgoing) -> String {
    match outgoing {
        Outgoing::Head { head, first, .. } => {
            let fields = head.headers.iter();
            let fields: String = fields
                .map(|(name, value)| format!(" {name}: {}", value.escape_ascii()))
                .collect();
            format!(
                "{}{fields} [{}]",
                head.status.as_u16(),
                first.escape_ascii()
            )
        }
        Outgoing::Informational(head) => head.status.as_u16().to_string(),
        Outgoing::Data(bytes) => bytes.escape_ascii().to_string(),
        Outgoing::End(_) => String::from("end"),
        other => format!("{other:?}"),
    }
}

#[test]
fn a_client_sees_what_belongs_to_it_alone() {
    let plain =
        |status: u16| Response::new("four").with_status(StatusCode::from_u16(status).unwrap());
    let field = |name, value| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    };
    for (method, fields, status, expected) in [
        (Method::GET, vec![], 200, "200 content-length: 4 [four]"),
        (Method::HEAD, vec![], 200, "200 content-length: 4 []"),
        (
            Method::HEAD,
            vec![field("content-length", "9")],
            200,
            "200 content-length: 9 []",
        ),
        (Method::GET, vec![], 204, "204 []"),
        (
            Method::GET,
            vec![field("content-length", "9")],
            304,
            "304 content-length: 9 []",
        ),
        (
            Method::GET,
            vec![
                field("keep-alive", "x"),
                field("transfer-encoding", "chunked"),
                field("upgrade", "x"),
                field("x", "y"),
            ],
            200,
            "200 x: y content-length: 4 [four]",
        ),
        (
            Method::GET,
            vec![field("connection", "x, Close")],
            200,
            "200 connection: close content-length: 4 [four]",
        ),
        (
            Method::GET,
            vec![field("upgrade", "h2c")],
            426,
            "426 upgrade: h2c connection: upgrade content-length: 4 [four]",
        ),
    ] {
        let mut scope = scope();
        scope.method = method;
        let response = fields
            .into_iter()
            .fold(plain(status), |response, (name, value)| {
                response.with_header(name, value)
            });
        let (mut call, client) = open(scope, |http| http.responder.respond(response));
        assert!(poll(&mut call).is_ready());
        assert_eq!(next(&client).as_deref(), Some(expected));
        assert_eq!(next(&client).as_deref(), Some("over"));
        assert_eq!(client.gone(), Some(Gone::Finished));
    }
}

#[test]
fn what_the_application_leaves_undone_is_done_for_it() {
    async fn forgets(http: Http) -> Result<Done, AppError> {
        drop(http);
        std::future::pending().await
    }
    async fn fails(http: Http) -> Result<Done, AppError> {
        drop(http);
        Err(AppError::status(StatusCode::CONFLICT))
    }
    async fn panics(_http: Http) -> Result<Done, AppError> {
        panic!("on purpose")
    }
    async fn breaks_off(http: Http) -> Result<Done, AppError> {
        let mut writer = http.responder.start(StatusCode::OK).await?;
        writer.write("part").await?;
        panic!("on purpose")
    }
    type App = fn(Http) -> Pin<Box<dyn Future<Output = Result<Done, AppError>>>>;
    let answer = |app: App| {
        let (mut call, client) = open(scope(), app);
        let _ = poll(&mut call);
        std::iter::from_fn(|| next(&client).filter(|seen| seen != "over")).collect::<Vec<_>>()
    };
    let page = |status| {
        vec![format!(
            "{status} content-type: text/plain; charset=utf-8 content-length: "
        )]
    };
    for (app, status) in [
        (answer(|http| Box::pin(forgets(http))), 500),
        (answer(|http| Box::pin(fails(http))), 409),
        (answer(|http| Box::pin(panics(http))), 500),
    ] {
        assert_eq!(app.len(), 1);
        assert!(app[0].starts_with(&page(status)[0]), "{app:?}");
    }
    assert_eq!(
        answer(|http| Box::pin(breaks_off(http))),
        ["200 []", "part", "Abort"]
    );
}

#[test]
fn a_client_that_does_not_read_holds_the_application_up_and_a_flush_does_not_wait_for_it() {
    let flushed = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&flushed);
    let (mut call, client) = open(scope(), async |http: Http| {
        let mut writer = http.responder.start(StatusCode::OK).await?;
        loop {
            writer.write(vec![b'x'; 1024]).await?;
            writer.flush().await?;
            count.fetch_add(1, Relaxed);
        }
    });
    for _ in 0..1000 {
        assert!(poll(&mut call).is_pending());
    }
    let before = flushed.load(Relaxed);
    assert_eq!(before, 64, "as much as a kernel would hold");
    assert_eq!(next(&client).as_deref(), Some("200 []"));
    next(&client).expect("a part");
    for _ in 0..1000 {
        assert!(poll(&mut call).is_pending());
    }
    assert_eq!(flushed.load(Relaxed), before + 1);
}

#[test]
fn a_client_that_hands_on_gives_credit_when_it_has() {
    let (sent, flushed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let (mut call, client) = open(scope(), async |http: Http| {
        let mut writer = http.responder.start(StatusCode::OK).await?;
        for _ in 0..64 {
            writer.write(vec![b'x'; 1024]).await?;
            sent.fetch_add(1, Relaxed);
        }
        writer.flush().await?;
        flushed.fetch_add(1, Relaxed);
        for _ in 0..64 {
            writer.write(vec![b'x'; 1024]).await?;
            sent.fetch_add(1, Relaxed);
        }
        std::future::pending().await
    });
    let client = client.handing_on();
    let counts = || (sent.load(Relaxed), flushed.load(Relaxed));
    assert!(poll(&mut call).is_pending());
    assert_eq!(counts(), (64, 0));
    assert_eq!(next(&client).as_deref(), Some("200 []"));
    for _ in 0..64 {
        assert!(next(&client).is_some());
        assert!(poll(&mut call).is_pending());
    }
    assert_eq!(next(&client), None);
    assert_eq!(counts(), (64, 0), "it was taken, and not handed on");
    client.acknowledge(63 * 1024);
    assert!(poll(&mut call).is_pending());
    assert_eq!(counts(), (64, 0), "a flush waits for all of it");
    client.acknowledge(1024);
    assert!(poll(&mut call).is_pending());
    assert_eq!(counts(), (128, 1));
    assert!(!client.link.exchange.life().has_all);
}

#[test]
fn informational_responses_that_nobody_reads_are_bounded() {
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    let (mut call, _client) = open(scope(), async |mut http: Http| {
        while count.fetch_add(1, Relaxed) < 10_000 {
            http.responder.inform(StatusCode::EARLY_HINTS).await?;
        }
        http.responder.respond("").await
    });
    for _ in 0..1000 {
        assert!(poll(&mut call).is_pending());
    }
    assert!(sent.load(Relaxed) <= 2 * EVENTS + 1, "{sent:?}");
}

#[test]
fn a_client_that_leaves_is_noticed_and_the_call_goes_on_to_its_end() {
    let (mut call, client) = open(scope(), async |http: Http| {
        let gone = http.body.gone().await;
        http.responder.respond(format!("{gone}")).await
    });
    assert!(poll(&mut call).is_pending());
    assert_eq!(client.wanted(), Wanted::Complete);
    client.leave(Gone::PeerReset);
    assert_eq!(client.wanted(), Wanted::Never);
    drop(client);
    assert!(poll(&mut call).is_ready());
}

#[test]
fn a_call_that_is_dropped_has_shut_down_and_a_complete_response_stays() {
    let (call, client) = open(scope(), async |_http: Http| std::future::pending().await);
    drop(call);
    assert_eq!(next(&client).as_deref(), Some("over"));
    assert_eq!(client.gone(), Some(Gone::Shutdown));

    let (mut call, client) = open(scope(), async |http: Http| {
        let _done = http.responder.respond(StatusCode::OK).await?;
        std::future::pending().await
    });
    assert!(poll(&mut call).is_pending());
    drop(call);
    assert_eq!(next(&client).as_deref(), Some("200 content-length: 0 []"));
    assert_eq!(client.gone(), Some(Gone::Finished));
}

#[test]
fn whatever_changes_wakes_who_waits_for_it() {
    let (reader, sender, driver) = (Counted::new(), Counted::new(), Counted::new());
    let mut scope = scope();
    scope.body = BodyLength::Unknown;
    let (mut call, client) = open(scope, async |mut http: Http| {
        let mut writer = http.responder.start(StatusCode::OK).await?;
        while let Some(part) = http.body.chunk().await? {
            writer.write(part).await?;
        }
        writer.finish().await
    });
    let drive = |call: &mut Call<_>| Pin::new(call).poll(&mut Context::from_waker(&driver.waker()));
    let read = || client.poll_next(&mut Context::from_waker(&reader.waker()));
    let wanted = || {
        client.poll_wanted(&mut Context::from_waker(&sender.waker()), |wanted| {
            wanted.room() > 0
        })
    };

    assert!(read().is_pending());
    assert!(drive(&mut call).is_pending());
    assert_eq!(reader.wakes(), 1, "the head is there");
    assert!(read().is_ready() && read().is_pending());
    assert!(matches!(wanted(), Poll::Ready(Wanted::Now(_))));

    // A full buffer: whoever sends waits until the application has taken of it.
    for _ in 0..64 {
        client.send(vec![b'x'; 1024].into());
    }
    assert_eq!(driver.wakes(), 1);
    assert!(wanted().is_pending());
    let before = sender.wakes();
    assert!(drive(&mut call).is_pending());
    assert!(sender.wakes() > before, "there is room again");
    assert!(matches!(wanted(), Poll::Ready(Wanted::Now(_))));

    client.finish(None);
    while drive(&mut call).is_pending() {
        assert!(read().is_ready());
    }
    assert!(matches!(wanted(), Poll::Ready(Wanted::Never)));
}

#[derive(Default)]
struct Counted(AtomicUsize);

impl Wake for Counted {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

impl Counted {
    fn new() -> Arc<Self> {
        Arc::default()
    }

    fn waker(self: &Arc<Self>) -> Waker {
        Waker::from(Arc::clone(self))
    }

    fn wakes(&self) -> usize {
        self.0.load(Relaxed)
    }
}
