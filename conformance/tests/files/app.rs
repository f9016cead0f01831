//! The application that is served.

use std::ffi::OsString;
use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use adapters::ContentCoding;
use adapters::files::Files;
use adapters::middleware::{BuildError, Mount, compress, decompress};
use gateway_spec::{
    AppError, Application, Connection, Done, FileRegion, Http, Response, ResponseHead,
    application_fn,
};
use http::{HeaderValue, StatusCode, header};
use server_host::{Listening, Settings};
use server_hyper::Hyper;
use server_raw::Raw;
use tokio::sync::Notify;

/// Where the directory is named.
pub(crate) const DIRECTORY: &str = "FILES_OF_THE_TEST";

/// `SERVER --bind ADDRESS`
pub(crate) fn serve(arguments: &[OsString]) -> ExitCode {
    let words: Vec<&str> = arguments.iter().filter_map(|word| word.to_str()).collect();
    let [server, "--bind", address] = words[..] else {
        eprintln!("error: there is `serve SERVER --bind ADDRESS`");
        return ExitCode::from(2);
    };
    tracing_subscriber::fmt()
        .with_env_filter("info")
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    let mut settings = Settings::default();
    let address: SocketAddr = address.parse().expect("an address");
    settings.bind = vec![address.into()];
    let announce = |listening: Listening| {
        println!(
            "listening on http://{} ({})",
            listening.address, listening.server
        );
    };
    let directory = std::env::var_os(DIRECTORY).expect("the test names it");
    let app = app(directory.into()).expect("the directory is there");
    let served = match server {
        "raw" => server_host::serve(Raw, app, settings, announce),
        _ => server_host::serve(Hyper, app, settings, announce),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn app(directory: PathBuf) -> Result<impl Application, BuildError> {
    let files = Files::new(&directory)?
        .precompressed([ContentCoding::Brotli, ContentCoding::Gzip])
        .cache_control(|_| Some(HeaderValue::from_static("no-cache")));
    let chunked = application_fn(move |connection: Connection| {
        let directory = directory.clone();
        async move {
            match connection {
                Connection::Http(http) => unframed(http, directory).await,
                other => other.refuse().await,
            }
        }
    });
    let next = Arc::new(Notify::new());
    let asked = Arc::clone(&next);
    let coded = application_fn(move |connection: Connection| {
        let next = Arc::clone(&next);
        async move {
            match connection {
                Connection::Http(http) => answer(http, &next).await,
                other => other.refuse().await,
            }
        }
    });
    let go_on = application_fn(move |connection: Connection| {
        let asked = Arc::clone(&asked);
        async move {
            match connection {
                Connection::Http(http) => {
                    asked.notify_one();
                    http.responder.respond("it goes on").await
                }
                other => other.refuse().await,
            }
        }
    });
    let coded_files = compress(files.clone());
    Mount::new()
        .at("/files", files)
        .at("/coded-files", coded_files)
        .at("/chunked", chunked)
        .at("/coded", compress(decompress(coded, 10_000_000)))
        .at("/go-on", go_on)
        .build()
}

/// Sends a file between two parts of a body whose length is not declared.
async fn unframed(http: Http, directory: PathBuf) -> Result<Done, AppError> {
    let path = directory.join(&http.scope.path()[1..]);
    let file = Arc::new(File::open(path)?);
    let length = file.metadata()?.len();
    let mut writer = http.responder.start(StatusCode::OK).await?;
    writer.write("before ").await?;
    let region = FileRegion {
        file,
        offset: 0,
        length,
    };
    writer.write_file(region).await?;
    writer.write(" after").await?;
    writer.finish().await
}

async fn answer(mut http: Http, next: &Notify) -> Result<Done, AppError> {
    if http.scope.path() == "/echo" {
        let body = http.body.collect(10_000_000).await?;
        let head = ResponseHead::new(StatusCode::OK);
        let mut answer = Response::from(head);
        answer.body = body;
        return http.responder.respond(answer).await;
    }
    if http.scope.path() == "/text" {
        return http.responder.respond(super::tree::text(200_000)).await;
    }
    let head = ResponseHead::new(StatusCode::OK).with_header(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    let mut writer = http.responder.start(head).await?;
    for n in 0..3 {
        writer.write(format!("data: {n}\n\n")).await?;
        next.notified().await;
    }
    writer.finish().await
}
