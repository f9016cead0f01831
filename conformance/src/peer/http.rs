//! The routes of plain exchanges.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use gateway_spec::bytes::Bytes;
use gateway_spec::types::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use gateway_spec::{
    AppError, Done, FileRegion, Http, RequestBody, Responder, Response, ResponseHead, Scope,
};

use super::describe::describe;
use super::lifespan::Greeting;
use super::panics::panics;
use super::scopes::{representation, runtime};
use super::{PREFIX, Routes, false_done, public, trace};

/// Where `/read-all` stops reading, in bytes.
const BODY_LIMIT: usize = 64 * 1024 * 1024;

/// What `/upgrade/drop` writes before it drops its tunnel, in bytes.
const LAST_WORDS: usize = 300_000;

impl Routes {
    pub(super) async fn http(&self, http: Http) -> Result<Done, AppError> {
        let path = http.scope.path().to_owned();
        let Some(route) = path.strip_prefix(PREFIX) else {
            return public::http(self.called(http)).await;
        };
        let segments: Vec<&str> = route.split('/').collect();
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
            ["layers", ref layers @ ..] => self.layers(layers, self.called(http)).await,
            ["transport", ref how @ ..] => self.transport(how, self.called(http)).await,
            ["sync", ref how @ ..] => self.synchronous(how, self.called(http)).await,
            ["panic", point] => panics(point, self.called(http)).await,
            ["receive"] => self.receive(self.called(http)).await,
            _ => self.recorded(&segments, self.called(http)).await,
        }
    }

    fn called(&self, http: Http) -> Http {
        let line = format_args!("{} {}", http.scope.method, http.scope.path());
        self.reports.say("calls", line);
        if self.reports.is_traced() {
            trace::traced(http, &self.reports)
        } else {
            http
        }
    }

    pub(super) async fn recorded(&self, segments: &[&str], http: Http) -> Result<Done, AppError> {
        if let ["transport", ref how @ ..] = *segments {
            return self.transport(how, http).await;
        }
        let Http {
            scope,
            mut body,
            responder,
        } = http;
        match *segments {
            ["hello"] => responder.respond("Hello, world!").await,
            ["scope"] => responder.respond(describe(&scope)).await,
            ["scope", status] => {
                let described = Response::text(describe(&scope)).with_status(status.parse()?);
                responder.respond(described).await
            }
            ["kept"] => self.kept(scope, responder).await,
            ["split"] => self.split(scope, body, responder).await,
            ["block", milliseconds] => {
                std::thread::sleep(Duration::from_millis(milliseconds.parse()?));
                responder.respond("blocked").await
            }
            ["block", milliseconds, label] => {
                scope.label.set(label.to_owned());
                std::thread::sleep(Duration::from_millis(milliseconds.parse()?));
                responder.respond("blocked").await
            }
            ["hold", label] => {
                scope.label.set(label.to_owned());
                self.reports.pass_blocking("hold");
                responder.respond("held").await
            }
            ["hold-later", label] => {
                scope.label.set(label.to_owned());
                // Its first turn is over then.
                tokio::task::yield_now().await;
                self.reports.pass_blocking("hold");
                responder.respond("held").await
            }
            ["hold-beside"] => {
                let reports = Arc::clone(&self.reports);
                tokio::spawn(async move { reports.pass_blocking("hold") });
                responder.respond("spawned").await
            }
            ["event"] => {
                tracing::info!("an event of the peer");
                tokio::task::yield_now().await;
                tracing::info!("another event of the peer");
                responder.respond("logged").await
            }
            ["runtime"] => runtime(responder).await,
            ["representation"] => representation(responder).await,
            ["collect", limit] => {
                let all = body.collect(limit.parse()?).await?;
                responder.respond(Response::text(all)).await
            }
            ["dropped-chunks"] => self.dropped_chunks(body, responder).await,
            ["state"] => responder.respond(state(&scope)).await,
            ["label"] => {
                scope.label.set("the-label");
                responder.respond("labelled").await
            }
            ["slow"] => {
                self.reports.say("slow", "waiting");
                self.reports.pass("slow").await;
                self.reports.say("slow", "went on");
                responder.respond("slow").await
            }
            ["unwanted"] => {
                drop(body);
                self.reports.say("unwanted", "waiting");
                self.reports.pass("unwanted").await;
                responder.respond("nobody wanted it").await
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
            ["never"] => self.never(responder).await,
            ["watch"] => self.watched(responder).await,
            ["gone", "final"] => self.gone_for_good(responder).await,
            ["chunks", count] => self.chunks(count.parse()?, responder).await,
            ["endless"] => self.endless(responder).await,
            ["stall"] => self.stall(responder).await,
            ["flush"] => self.flush(responder).await,
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
            ["upgrade", ..] => self.upgrade(&segments[1..], &scope, body, responder).await,
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

    /// An echo over a tunnel; one that is late does not read before its gate is opened, and one drops it.
    async fn upgrade(
        &self,
        how: &[&str],
        scope: &Scope,
        body: RequestBody,
        responder: Responder,
    ) -> Result<Done, AppError> {
        let head = ResponseHead::new(StatusCode::SWITCHING_PROTOCOLS)
            .with_header(header::UPGRADE, HeaderValue::from_static("echo"));
        let mut tunnel = responder.upgrade(head, body).await?;
        if how == ["drop"] {
            // More than is written at once, so that the end has to wait for it.
            tunnel.write(vec![b'x'; LAST_WORDS]).await?;
            drop(tunnel);
            return Ok(false_done(scope));
        }
        if how == ["abort"] {
            tunnel.write("before").await?;
            return Ok(tunnel.abort());
        }
        if how == ["late"] {
            self.reports.say("upgrade", "waiting");
            self.reports.pass("upgrade").await;
        }
        while let Some(bytes) = tunnel.read().await? {
            tunnel.write(bytes).await?;
        }
        tunnel.write("bye").await?;
        tunnel.finish().await
    }

    /// Works on after its answer.
    async fn work(&self, responder: Responder) -> Result<Done, AppError> {
        let done = responder.respond("answered").await;
        self.reports.say("work", "begun");
        self.reports.pass("work").await;
        self.reports.say("work", "ended");
        done
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
                let mut writer = responder
                    .start_with_trailers(StatusCode::OK, Some(&[SUM]))
                    .await?;
                writer.write("data").await?;
                writer.finish_with_trailers(one(SUM)).await
            }
            ["maybe"] => {
                let mut writer = responder.start_with_trailers(StatusCode::OK, None).await?;
                writer.write("data").await?;
                writer.finish_with_trailers(one(SUM)).await
            }
            ["other"] => {
                let mut writer = responder
                    .start_with_trailers(StatusCode::OK, Some(&[SUM]))
                    .await?;
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
            let refused = injected
                .iter()
                .filter(|bytes| HeaderValue::from_bytes(bytes).is_err());
            response.body =
                Bytes::from(format!("{} of {} refused", refused.count(), injected.len()));
        }
        _ => response.head.status = StatusCode::NOT_FOUND,
    }
    responder.respond(response).await
}

async fn inform(mut responder: Responder) -> Result<Done, AppError> {
    let hint = ResponseHead::new(StatusCode::EARLY_HINTS).with_header(
        header::LINK,
        HeaderValue::from_static("</style.css>; rel=preload"),
    );
    responder.inform(hint).await?;
    responder.respond("informed").await
}

/// The head of this program's own file: a file that is there for sure, and that the case can read too.
async fn file(responder: Responder) -> Result<Done, AppError> {
    let file = Arc::new(File::open(std::env::current_exe()?)?);
    let mut writer = responder.start(StatusCode::OK).await?;
    writer
        .write_file(FileRegion {
            file,
            offset: 100,
            length: 100_000,
        })
        .await?;
    writer.finish().await
}

pub(super) fn state(scope: &Scope) -> &'static str {
    scope
        .state
        .get::<Greeting>()
        .map_or("no state", |greeting| greeting.0)
}

fn lines_of(fields: &HeaderMap) -> String {
    let line = |(name, value): (&HeaderName, &HeaderValue)| {
        format!("{name}={}\n", value.as_bytes().escape_ascii())
    };
    fields.iter().map(line).collect()
}
