//! The routes of plain exchanges.

use std::fmt::Write as _;
use std::fs::File;
use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use gateway_spec::bytes::Bytes;
use gateway_spec::types::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use gateway_spec::{
    AppError, BodyLength, Done, FileRegion, Gone, Http, RequestBody, Responder, Response,
    ResponseHead, Scope, SendError, Writer,
};
use tokio::time::{sleep, timeout};

use super::lifespan::Greeting;
use super::{Peer, false_done};

/// The size of the parts that `/stall`, `/fill` and `/endless` write, in bytes.
const PART: usize = 4 * 1024;

/// A writer that could not write for so long counts as stalled. Short: it only has to outlast a busy moment of the machine,
/// and one that is taken for stalled too early shows a smaller buffer than there is.
const STALLED: Duration = Duration::from_millis(500);

/// Where `/read-all` stops reading, in bytes.
const BODY_LIMIT: usize = 64 * 1024 * 1024;

impl Peer {
    pub(super) async fn http(&self, http: Http) -> Result<Done, AppError> {
        let path = http.scope.path().to_owned();
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        match segments[..] {
            // What the cases ask over a second connection; these calls are not recorded.
            ["report", name, count] => {
                let lines = self.reports.lines(name, count.parse()?).await;
                http.responder.respond(lines.join("\n")).await
            }
            ["open", gate] => {
                self.reports.open(gate);
                http.responder.respond("opened").await
            }
            _ => {
                self.reports.say("calls", format_args!("{} {path}", http.scope.method));
                self.recorded(&segments, http).await
            }
        }
    }

    async fn recorded(&self, segments: &[&str], http: Http) -> Result<Done, AppError> {
        let Http { scope, body, responder } = http;
        match *segments {
            ["" | "hello"] => responder.respond("Hello, world!").await,
            ["scope"] => responder.respond(describe(&scope)).await,
            ["state"] => responder.respond(state(&scope)).await,
            ["label"] => {
                scope.label.set("the-label");
                responder.respond("labelled").await
            }
            ["slow"] => {
                self.reports.say("slow", "waiting");
                self.reports.pass("slow").await;
                responder.respond("slow").await
            }
            ["echo"] => echo(body, responder).await,
            ["read-all"] => read_all(body, responder).await,
            ["read-late"] => {
                self.reports.say("read-late", "waiting");
                self.reports.pass("read-late").await;
                read_all(body, responder).await
            }
            ["read-some", count] => self.read_some(count.parse()?, body, responder).await,
            ["early"] => responder.respond("early").await,
            ["forbidden"] => responder.respond(StatusCode::FORBIDDEN).await,
            ["work"] => self.work(responder).await,
            ["gone"] => self.gone(responder).await,
            ["gone", "final"] => self.gone_for_good(responder).await,
            ["chunks", count] => self.chunks(count.parse()?, responder).await,
            ["endless"] => self.endless(responder).await,
            ["stall"] => self.stall(responder).await,
            ["fill"] => self.fill(responder).await,
            ["ticks"] => self.ticks(responder).await,
            ["drain", ..] => self.drain(&segments[1..], &scope, responder).await,
            ["status", code] => {
                let response = Response::new("a body").with_status(code.parse()?);
                responder.respond(response).await
            }
            ["stream-status", code] => {
                let head = ResponseHead::new(code.parse()?);
                let mut writer = responder.start(head).await?;
                writer.write("a body").await?;
                writer.finish().await
            }
            ["length", ..] => self.length(&segments[1..], responder).await,
            ["fields", ..] => fields(&segments[1..], responder).await,
            ["trailers", ..] => self.trailers(&segments[1..], body, responder).await,
            ["inform"] => inform(responder).await,
            ["file"] => file(responder).await,
            ["upgrade"] => upgrade(body, responder).await,
            ["fail", ..] => self.fail(&segments[1..], &scope, responder).await,
            _ => responder.respond(StatusCode::NOT_FOUND).await,
        }
    }

    /// Reads so many bytes, reports how many came, and answers without the rest.
    async fn read_some(
        &self,
        count: usize,
        mut body: RequestBody,
        responder: Responder,
    ) -> Result<Done, AppError> {
        let mut read = 0;
        while read < count {
            match body.chunk().await? {
                Some(chunk) => read += chunk.len(),
                None => break,
            }
        }
        self.reports.say("read-some", read);
        self.reports.pass("read-some").await;
        responder.respond(read.to_string()).await
    }

    /// Works on after its answer.
    async fn work(&self, responder: Responder) -> Result<Done, AppError> {
        let done = responder.respond("answered").await;
        self.reports.say("work", "begun");
        self.reports.pass("work").await;
        self.reports.say("work", "ended");
        done
    }

    /// Reports the first reason for which the client is gone, and answers all the same.
    async fn gone(&self, responder: Responder) -> Result<Done, AppError> {
        self.reports.say("gone", "waiting");
        self.reports.say("gone", format_args!("{:?}", responder.gone().await));
        responder.respond("answered all the same").await
    }

    /// Reports each reason until the final one.
    async fn gone_for_good(&self, responder: Responder) -> Result<Done, AppError> {
        self.reports.say("gone", "waiting");
        let mut gone = responder.gone();
        loop {
            let why = (&mut gone).await;
            self.reports.say("gone", format_args!("{why:?}"));
            if why.is_final() {
                return Ok(responder.abort());
            }
        }
    }

    /// A stream whose chunks the case paces by opening a gate.
    async fn chunks(&self, count: usize, responder: Responder) -> Result<Done, AppError> {
        let mut writer = responder.start(StatusCode::OK).await?;
        for n in 0..count {
            self.reports.pass("chunk").await;
            writer.write(format!("chunk {n}\n")).await?;
        }
        self.reports.pass("chunk").await;
        writer.finish().await
    }

    /// Writes until the client is gone, and reports why it ended.
    async fn endless(&self, responder: Responder) -> Result<Done, AppError> {
        let mut writer = responder.start(StatusCode::OK).await?;
        self.reports.say("endless", "started");
        let error = loop {
            if let Err(error) = writer.write(part()).await {
                break error;
            }
        };
        self.reports.say("endless", format_args!("{error:?}"));
        Err(error.into())
    }

    /// Writes until the client is too slow, reports how many bytes that were, and ends when the client has read.
    async fn stall(&self, responder: Responder) -> Result<Done, AppError> {
        let mut writer = responder.start(StatusCode::OK).await?;
        let written = write_until_stalled(&mut writer).await?;
        self.reports.say("stall", written);
        writer.write("the end").await?;
        writer.finish().await
    }

    /// With the kernel's buffers full, reports how many bytes are accepted without giving the server a chance to send any:
    /// the server's own buffer.
    async fn fill(&self, responder: Responder) -> Result<Done, AppError> {
        let mut writer = responder.start(StatusCode::OK).await?;
        let accepted = poll_fn(|cx| {
            let mut accepted = 0;
            loop {
                match pin!(writer.ready()).poll(cx) {
                    Poll::Pending => return Poll::Ready(Ok(accepted)),
                    Poll::Ready(Err(gone)) => return Poll::Ready(Err(SendError::from(gone))),
                    Poll::Ready(Ok(())) => {}
                }
                if let Err(error) = writer.send(part()) {
                    return Poll::Ready(Err(error));
                }
                accepted += PART;
                // Far over every bound: a server without one must not run out of memory here.
                if accepted > BODY_LIMIT {
                    return Poll::Ready(Ok(accepted));
                }
            }
        })
        .await?;
        self.reports.say("fill", accepted);
        self.reports.pass("fill").await;
        writer.finish().await
    }

    /// Its timers go on while the client does not read.
    async fn ticks(&self, responder: Responder) -> Result<Done, AppError> {
        let mut writer = responder.start(StatusCode::OK).await?;
        write_until_stalled(&mut writer).await?;
        self.reports.say("ticks", "stalled");
        let mut blocked = pin!(writer.ready());
        for n in 0..10 {
            match timeout(Duration::from_millis(5), &mut blocked).await {
                Err(_) => self.reports.say("ticks", n),
                Ok(_) => break,
            }
        }
        self.reports.pass("ticks").await;
        writer.finish().await
    }

    /// What it does once the server drains. It tells by the log: no second connection can ask.
    async fn drain(
        &self,
        how: &[&str],
        scope: &Scope,
        responder: Responder,
    ) -> Result<Done, AppError> {
        let mut writer = responder.start(StatusCode::OK).await?;
        writer.write("open\n").await?;
        writer.flush().await?;
        if how == ["ignored"] {
            let why = writer.gone().await;
            eprintln!("peer: gone by {why:?}");
            return Err(why.into());
        }
        scope.drain().await;
        eprintln!("peer: draining");
        for n in 0..3 {
            sleep(Duration::from_millis(50)).await;
            writer.write(format!("drained {n}\n")).await?;
        }
        writer.finish().await
    }

    /// Lengths that are not the body's.
    async fn length(&self, how: &[&str], responder: Responder) -> Result<Done, AppError> {
        let declared = |length: &'static str| {
            ResponseHead::new(StatusCode::OK)
                .with_header(header::CONTENT_LENGTH, HeaderValue::from_static(length))
        };
        match how {
            ["right"] => {
                let mut writer = responder.start(declared("6")).await?;
                writer.write("abc").await?;
                writer.write("def").await?;
                writer.finish().await
            }
            ["over"] => {
                let mut writer = responder.start(declared("3")).await?;
                let over = writer.write("abcdef").await;
                self.reports.say("length", format_args!("{over:?}"));
                writer.write("abc").await?;
                writer.finish().await
            }
            ["under"] => {
                let mut writer = responder.start(declared("6")).await?;
                writer.write("abc").await?;
                let under = writer.finish().await;
                let told = under.as_ref().map(|_| ()).map_err(ToString::to_string);
                self.reports.say("length", format_args!("{told:?}"));
                under
            }
            ["twice"] => {
                let head = declared("3").with_header(header::CONTENT_LENGTH, HeaderValue::from_static("3"));
                self.bad_head(head, responder).await
            }
            ["no-number"] => self.bad_head(declared("+3"), responder).await,
            ["informational"] => self.bad_head(ResponseHead::new(StatusCode::EARLY_HINTS), responder).await,
            _ => responder.respond(StatusCode::NOT_FOUND).await,
        }
    }

    async fn bad_head(&self, head: ResponseHead, responder: Responder) -> Result<Done, AppError> {
        let error = match responder.start(head).await {
            Ok(writer) => return writer.finish().await,
            Err(error) => error,
        };
        self.reports.say("length", format_args!("{error:?}"));
        Err(error.into())
    }

    async fn trailers(
        &self,
        how: &[&str],
        mut body: RequestBody,
        responder: Responder,
    ) -> Result<Done, AppError> {
        const SUM: HeaderName = HeaderName::from_static("x-sum");
        let one = |name| HeaderMap::from_iter([(name, HeaderValue::from_static("7"))]);
        match how {
            ["in"] => {
                let trailers = body.trailers().await?.unwrap_or_default();
                responder.respond(lines_of(&trailers)).await
            }
            ["announced"] => {
                let mut writer = responder.start_with_trailers(StatusCode::OK, Some(&[SUM])).await?;
                writer.write("data").await?;
                writer.finish_with_trailers(one(SUM)).await
            }
            ["maybe"] => {
                let mut writer = responder.start_with_trailers(StatusCode::OK, None).await?;
                writer.write("data").await?;
                writer.finish_with_trailers(one(SUM)).await
            }
            ["other"] => {
                let mut writer = responder.start_with_trailers(StatusCode::OK, Some(&[SUM])).await?;
                writer.write("data").await?;
                let other = one(HeaderName::from_static("x-other"));
                let refused = writer.finish_with_trailers(other).await;
                let told = refused.as_ref().map(|_| ()).map_err(ToString::to_string);
                self.reports.say("trailers", format_args!("{told:?}"));
                refused
            }
            _ => responder.respond(StatusCode::NOT_FOUND).await,
        }
    }

    /// An application that fails, forgets, lies or gives up, before and after the start.
    async fn fail(
        &self,
        how: &[&str],
        scope: &Scope,
        responder: Responder,
    ) -> Result<Done, AppError> {
        match how {
            ["panic"] => panic!("the peer panics on purpose"),
            ["error"] => Err(AppError::message("the peer fails on purpose")),
            ["status", status] => Err(AppError::status(status.parse()?)),
            ["gone"] => Err(Gone::PeerReset.into()),
            ["abort"] => Ok(responder.abort()),
            ["lie"] => Ok(false_done(scope)),
            ["forgotten"] => {
                drop(responder);
                self.reports.pass("forgotten").await;
                self.reports.say("forgotten", "the call went on");
                Ok(false_done(scope))
            }
            ["started", how] => {
                let mut writer = responder.start(StatusCode::OK).await?;
                writer.write("partial").await?;
                match how {
                    "panic" => panic!("the peer panics on purpose"),
                    "error" => Err(AppError::message("the peer fails on purpose")),
                    "abort" => Ok(writer.abort()),
                    "forgotten" => {
                        drop(writer);
                        pending().await
                    }
                    _ => {
                        let kept = writer;
                        tokio::spawn(async move {
                            kept.gone().await;
                        });
                        Ok(false_done(scope))
                    }
                }
            }
            _ => responder.respond(StatusCode::NOT_FOUND).await,
        }
    }
}

async fn write_until_stalled<K>(writer: &mut Writer<K>) -> Result<usize, SendError> {
    let mut written = 0;
    loop {
        match timeout(STALLED, writer.ready()).await {
            Err(_) => return Ok(written),
            Ok(ready) => ready?,
        }
        writer.send(part())?;
        written += PART;
    }
}

async fn echo(mut body: RequestBody, responder: Responder) -> Result<Done, AppError> {
    let mut writer = responder.start(StatusCode::OK).await?;
    while let Some(chunk) = body.chunk().await? {
        writer.write(chunk).await?;
    }
    writer.finish().await
}

async fn read_all(mut body: RequestBody, responder: Responder) -> Result<Done, AppError> {
    let all = body.collect(BODY_LIMIT).await?;
    responder.respond(Response::text(all)).await
}

/// Fields that the server owns, repeats, or that must not be possible.
async fn fields(how: &[&str], responder: Responder) -> Result<Done, AppError> {
    let value = HeaderValue::from_static;
    let mut response = Response::text("fields");
    let headers = &mut response.head.headers;
    match how {
        ["own"] => {
            headers.append(header::TRANSFER_ENCODING, value("gzip"));
            headers.append(header::CONNECTION, value("x-hop"));
            headers.append(HeaderName::from_static("keep-alive"), value("timeout=9"));
            headers.append(header::UPGRADE, value("other"));
            headers.append(HeaderName::from_static("x-kept"), value("kept"));
        }
        ["close"] => headers.append(header::CONNECTION, value("close")),
        ["date"] => headers.append(header::DATE, value("Thu, 01 Jan 1970 00:00:00 GMT")),
        ["repeated"] => {
            headers.append(header::SET_COOKIE, value("a=1"));
            headers.append(header::SET_COOKIE, value("b=2"));
            headers.append(HeaderName::from_static("x-between"), value("between"));
            headers.append(header::SET_COOKIE, value("c=3"));
        }
        ["injected"] => {
            let injected: Vec<&[u8]> = vec![b"a\r\nset-cookie: x=1", b"a\nb", b"a\rb", b"a\0b"];
            let refused = injected.iter().filter(|bytes| HeaderValue::from_bytes(bytes).is_err());
            response.body = Bytes::from(format!("{} of {} refused", refused.count(), injected.len()));
        }
        _ => response.head.status = StatusCode::NOT_FOUND,
    }
    responder.respond(response).await
}

async fn inform(mut responder: Responder) -> Result<Done, AppError> {
    let hint = ResponseHead::new(StatusCode::EARLY_HINTS)
        .with_header(header::LINK, HeaderValue::from_static("</style.css>; rel=preload"));
    responder.inform(hint).await?;
    responder.respond("informed").await
}

/// The head of this program's own file: a file that is there for sure, and that the case can read too.
async fn file(responder: Responder) -> Result<Done, AppError> {
    let file = Arc::new(File::open(std::env::current_exe()?)?);
    let mut writer = responder.start(StatusCode::OK).await?;
    writer.write_file(FileRegion { file, offset: 100, length: 100_000 }).await?;
    writer.finish().await
}

async fn upgrade(body: RequestBody, responder: Responder) -> Result<Done, AppError> {
    let head = ResponseHead::new(StatusCode::SWITCHING_PROTOCOLS)
        .with_header(header::UPGRADE, HeaderValue::from_static("echo"));
    let mut tunnel = responder.upgrade(head, body).await?;
    while let Some(bytes) = tunnel.read().await? {
        tunnel.write(bytes).await?;
    }
    tunnel.write("bye").await?;
    tunnel.finish().await
}

/// One line for each thing that a scope says.
fn describe(scope: &Scope) -> String {
    let mut text = format!("method {}\n", scope.method);
    let length = match scope.body {
        BodyLength::Empty => "empty".to_owned(),
        BodyLength::Known(length) => length.to_string(),
        BodyLength::Unknown => "unknown".to_owned(),
    };
    let capabilities = scope.connection.capabilities;
    let mut line = |name: &str, value: &str| {
        writeln!(text, "{name} {value}").expect("writing to memory cannot fail");
    };
    line("uri", &scope.uri.to_string());
    line("path", scope.path());
    line("query", scope.query().unwrap_or("-"));
    line("version", &format!("{:?}", scope.version));
    line("scheme", scope.connection.scheme.as_str());
    line("authority", scope.authority().unwrap_or("-"));
    line("body", &length);
    line("client", &scope.connection.client.as_ref().map_or("-".to_owned(), ToString::to_string));
    line("server", &scope.connection.server.as_ref().map_or("-".to_owned(), ToString::to_string));
    line("wire-order", &capabilities.wire_order().to_string());
    line("wire-case", &capabilities.wire_case().to_string());
    line("informational", &capabilities.informational().to_string());
    for field in &scope.headers {
        let (name, value) = (String::from_utf8_lossy(field.name), field.value.escape_ascii());
        line("field", &format!("{name}={value}"));
    }
    text
}

fn state(scope: &Scope) -> &'static str {
    scope.state.get::<Greeting>().map_or("no state", |greeting| greeting.0)
}

fn lines_of(fields: &HeaderMap) -> String {
    let line = |(name, value): (&HeaderName, &HeaderValue)| {
        format!("{name}={}\n", value.as_bytes().escape_ascii())
    };
    fields.iter().map(line).collect()
}

fn part() -> Bytes {
    Bytes::from_static(&[b'x'; PART])
}
