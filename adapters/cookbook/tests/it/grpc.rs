//! gRPC with tonic: methods of all kinds over HTTP/2, by tonic's own client.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Method, StatusCode};
use cookbook::axum::{Board, Settings};
use cookbook::on_gateway::grpc;
use cookbook::tonic::board_client::BoardClient;
use cookbook::tonic::{
    Imported, Line, MESSAGE_BYTES, NewNote, Note, NoteId, WatchRequest, mixed, routes,
};
use futures_util::stream;
use gateway::Application;
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataValue;
use tonic::service::Routes;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus};
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::client::{Client, Wire};
use crate::host::{Host, Kind, Service};
use crate::site::on_every_host;

on_every_host!(over grpc:
    a_call_is_answered,
    metadata_goes_both_ways,
    an_error_has_a_code_and_a_message,
    a_stream_comes_as_it_happens,
    a_stream_goes_as_it_happens,
    lines_go_and_come_in_turn,
    a_stream_ends_when_its_client_leaves,
    a_call_ends_when_its_deadline_has_passed,
    large_messages_pass_and_larger_ones_do_not,
    messages_are_compressed_for_who_wants_it,
    many_calls_share_a_connection,
    the_status_is_in_the_trailers,
    an_error_without_an_answer_is_trailers_alone,
    what_a_client_asks_first_is_answered,
    open_streams_end_with_the_server,
    pages_and_methods_share_a_port,
);

/// tonic's routes, on tonic's server at home.
struct Grpc(Routes);

impl Service for Grpc {
    async fn serve_at_home(
        self,
        listener: TcpListener,
        stopped: impl Future<Output = ()> + Send + 'static,
    ) {
        let served = tonic::transport::Server::builder()
            .add_routes(self.0)
            .serve_with_incoming_shutdown(TcpListenerStream::new(listener), stopped);
        served.await.expect("it never fails");
    }

    fn into_application(self) -> impl Application {
        grpc(self.0)
    }
}

/// The service on a server, and its board.
struct Remote {
    host: Host,
    board: Board,
}

impl Remote {
    fn start(kind: Kind) -> Self {
        let board = Board::new();
        let host = Host::start(kind, Grpc(routes(board.clone())), |_| {});
        Self { host, board }
    }

    async fn channel(&self) -> Channel {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.host.address));
        let channel = endpoint.unwrap().connect().await;
        channel.expect("it listens")
    }

    async fn connect(&self) -> BoardClient<Channel> {
        BoardClient::new(self.channel().await)
    }

    async fn watched_by(&self, count: usize) {
        let mut watchers = self.board.watchers();
        let reached = watchers.wait_for(|watchers| *watchers == count).await;
        reached.expect("the board is there");
    }
}

fn new(text: impl Into<String>) -> NewNote {
    NewNote { text: text.into() }
}

fn note(id: u64, text: &str) -> Note {
    Note {
        id,
        text: text.to_owned(),
    }
}

async fn a_call_is_answered(kind: Kind) {
    let remote = Remote::start(kind);
    let mut client = remote.connect().await;
    for id in 1..=20 {
        let text = format!("note {id}");
        let posted = client.post(new(&text)).await.unwrap().into_inner();
        assert_eq!(posted, note(id, &text));
    }
    let third = client.get(NoteId { id: 3 }).await.unwrap();
    assert_eq!(third.into_inner(), note(3, "note 3"));
}

async fn metadata_goes_both_ways(kind: Kind) {
    let remote = Remote::start(kind);
    let mut client = remote.connect().await;
    let mut request = Request::new(new("x"));
    request
        .metadata_mut()
        .insert("x-client", "tests".parse().unwrap());
    let token = MetadataValue::from_bytes(&[0, 1, 255]);
    request
        .metadata_mut()
        .insert_bin("x-token-bin", token.clone());
    let answer = client.post(request).await.unwrap();
    assert_eq!(answer.metadata().get("x-client").unwrap(), "tests");
    assert_eq!(answer.metadata().get_bin("x-token-bin"), Some(&token));
    let address = answer.metadata().get("x-address").expect("it is known");
    assert!(address.to_str().unwrap().starts_with("127.0.0.1:"));
}

async fn an_error_has_a_code_and_a_message(kind: Kind) {
    let remote = Remote::start(kind);
    let mut client = remote.connect().await;
    let missing = client.get(NoteId { id: 7 }).await.unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
    assert_eq!(missing.message(), "there is no note 7");
    let empty = client.post(new("")).await.unwrap_err();
    assert_eq!(empty.code(), Code::InvalidArgument);
    let mut raw = tonic::client::Grpc::new(remote.channel().await);
    raw.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<NewNote, Note>::default();
    let path = "/board.Board/Burn".parse().unwrap();
    let unknown = raw
        .unary(Request::new(new("x")), path, codec)
        .await
        .unwrap_err();
    assert_eq!(unknown.code(), Code::Unimplemented);
}

async fn a_stream_comes_as_it_happens(kind: Kind) {
    let remote = Remote::start(kind);
    let mut client = remote.connect().await;
    let mut notes = client.watch(WatchRequest {}).await.unwrap().into_inner();
    for id in 1..=20 {
        let text = format!("note {id}");
        remote.board.post(&text);
        assert_eq!(notes.message().await.unwrap(), Some(note(id, &text)));
    }
    remote.board.close();
    let closed = notes.message().await.unwrap_err();
    assert_eq!(closed.code(), Code::Unavailable);
    assert_eq!(closed.message(), "the service closes");
}

async fn a_stream_goes_as_it_happens(kind: Kind) {
    let remote = Remote::start(kind);
    let mut client = remote.connect().await;
    let mut watcher = remote.connect().await;
    let mut seen = watcher.watch(WatchRequest {}).await.unwrap().into_inner();
    let (notes, stream) = mpsc::channel(1);
    let send = async {
        for id in 1..=20 {
            let text = format!("note {id}");
            notes.send(new(&text)).await.unwrap();
            // Posted before the next was sent.
            assert_eq!(seen.message().await.unwrap(), Some(note(id, &text)));
        }
        drop(notes);
    };
    let (imported, ()) = tokio::join!(client.import(ReceiverStream::new(stream)), send);
    assert_eq!(imported.unwrap().into_inner(), Imported { count: 20 });
    let nothing = client.import(stream::empty()).await.unwrap();
    assert_eq!(nothing.into_inner(), Imported { count: 0 });
}

async fn lines_go_and_come_in_turn(kind: Kind) {
    let remote = Remote::start(kind);
    let mut client = remote.connect().await;
    let (lines, stream) = mpsc::channel(1);
    let shouted = client.shout(ReceiverStream::new(stream)).await;
    let mut shouted = shouted.unwrap().into_inner();
    for round in 0..50 {
        let text = format!("round {round}");
        lines.send(Line { text }).await.unwrap();
        let line = shouted.message().await.unwrap().expect("it goes on");
        assert_eq!(line.text, format!("ROUND {round}"));
    }
    drop(lines);
    assert_eq!(shouted.message().await.unwrap(), None);
    let trailers = shouted.trailers().await.unwrap();
    assert!(trailers.is_some());
    remote.watched_by(0).await;
}

async fn a_stream_ends_when_its_client_leaves(kind: Kind) {
    let remote = Remote::start(kind);
    let mut client = remote.connect().await;
    // The stream alone is reset: others of its connection go on.
    let watching = client.watch(WatchRequest {}).await.unwrap();
    let (lines, stream) = mpsc::channel(1);
    let shouted = client.shout(ReceiverStream::new(stream)).await.unwrap();
    remote.watched_by(2).await;
    drop(watching);
    remote.watched_by(1).await;
    let mut shouted = shouted.into_inner();
    lines
        .send(Line {
            text: "a".to_owned(),
        })
        .await
        .unwrap();
    assert_eq!(shouted.message().await.unwrap().unwrap().text, "A");
    // And with the connection all of them.
    let _watching = client.watch(WatchRequest {}).await.unwrap();
    remote.watched_by(2).await;
    drop((client, lines, shouted, _watching));
    remote.watched_by(0).await;
}

async fn a_call_ends_when_its_deadline_has_passed(kind: Kind) {
    let remote = Remote::start(kind);
    let mut client = remote.connect().await;
    let (notes, stream) = mpsc::channel(1);
    notes.send(new("x")).await.unwrap();
    let mut request = Request::new(ReceiverStream::new(stream));
    request.set_timeout(Duration::from_millis(100));
    let late = client.import(request).await.unwrap_err();
    assert!(
        matches!(late.code(), Code::Cancelled | Code::DeadlineExceeded),
        "{late}"
    );
    remote.watched_by(0).await;
}

async fn large_messages_pass_and_larger_ones_do_not(kind: Kind) {
    let remote = Remote::start(kind);
    let client = remote.connect().await;
    let mut client = client.max_decoding_message_size(MESSAGE_BYTES);
    let text = "x".repeat(MESSAGE_BYTES - 100);
    let posted = client.post(new(&text)).await.unwrap().into_inner();
    assert!(posted.text == text);
    let over = client
        .post(new("x".repeat(MESSAGE_BYTES)))
        .await
        .unwrap_err();
    assert_eq!(over.code(), Code::OutOfRange, "{over}");
}

async fn messages_are_compressed_for_who_wants_it(kind: Kind) {
    let remote = Remote::start(kind);
    let client = remote.connect().await;
    let mut client = client
        .send_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Gzip);
    let text = "much of the same ".repeat(10_000);
    let posted = client.post(new(&text)).await.unwrap();
    let encoding = posted.metadata().get("grpc-encoding");
    assert_eq!(encoding.expect("it says so"), "gzip");
    assert!(posted.into_inner().text == text);
    let plain = remote.connect().await.get(NoteId { id: 1 }).await.unwrap();
    assert!(plain.metadata().get("grpc-encoding").is_none());
    assert!(plain.into_inner().text == text);
}

async fn many_calls_share_a_connection(kind: Kind) {
    let remote = Remote::start(kind);
    let client = remote.connect().await;
    let calls = (0..200).map(|call| {
        let mut client = client.clone();
        async move {
            let lines = stream::iter((0..10).map(move |line| Line {
                text: format!("call {call} line {line}"),
            }));
            let shouted = client.shout(lines).await.unwrap().into_inner();
            let shouted: Vec<_> = shouted.map(|line| line.unwrap().text).collect().await;
            let expected = (0..10).map(|line| format!("CALL {call} LINE {line}"));
            assert_eq!(shouted, expected.collect::<Vec<_>>());
        }
    });
    futures_util::future::join_all(calls).await;
    remote.watched_by(0).await;
}

/// A message as gRPC has it: not compressed, its length, its bytes.
fn framed(message: &impl Message) -> Bytes {
    let message = message.encode_to_vec();
    let length = u32::try_from(message.len()).unwrap();
    [&[0][..], &length.to_be_bytes(), &message].concat().into()
}

async fn call(client: &mut Client, method: &str, message: &impl Message) -> crate::client::Answer {
    let request = client
        .request(Method::POST, method)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Body::from(framed(message)));
    client.ask(request.unwrap()).await
}

async fn the_status_is_in_the_trailers(kind: Kind) {
    let remote = Remote::start(kind);
    let mut client = Client::connect(remote.host.address, Wire::Http2).await;
    let answer = call(&mut client, "/board.Board/Post", &new("x")).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.field("content-type"), Some("application/grpc"));
    assert_eq!(answer.field("grpc-status"), None);
    assert_eq!(answer.body, framed(&note(1, "x")));
    let trailers = answer.trailers.expect("there are some");
    assert_eq!(trailers["grpc-status"], "0");
}

async fn an_error_without_an_answer_is_trailers_alone(kind: Kind) {
    let remote = Remote::start(kind);
    let mut client = Client::connect(remote.host.address, Wire::Http2).await;
    let answer = call(&mut client, "/board.Board/Get", &NoteId { id: 7 }).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.field("grpc-status"), Some("5"));
    assert!(answer.body.is_empty());
    assert_eq!(answer.trailers, None);
}

async fn what_a_client_asks_first_is_answered(kind: Kind) {
    let remote = Remote::start(kind);
    let channel = remote.channel().await;
    let mut health = HealthClient::new(channel.clone());
    let whole = HealthCheckRequest::default();
    let state = health.check(whole.clone()).await.unwrap().into_inner();
    assert_eq!(state.status(), ServingStatus::Serving);
    let mut states = health.watch(whole).await.unwrap().into_inner();
    let first = states.message().await.unwrap().unwrap();
    assert_eq!(first.status(), ServingStatus::Serving);
    let mut reflection = ServerReflectionClient::new(channel);
    let ask = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let told = reflection.server_reflection_info(stream::iter([ask])).await;
    let told = told.unwrap().into_inner().message().await.unwrap().unwrap();
    let Some(MessageResponse::ListServicesResponse(services)) = told.message_response else {
        panic!("{told:?}");
    };
    let mut names: Vec<_> = services.service.into_iter().map(|of| of.name).collect();
    names.sort();
    assert_eq!(
        names,
        ["board.Board", "grpc.reflection.v1.ServerReflection"]
    );
}

async fn open_streams_end_with_the_server(kind: Kind) {
    let remote = Remote::start(kind);
    let mut client = remote.connect().await;
    let mut notes = client.watch(WatchRequest {}).await.unwrap().into_inner();
    let (lines, stream) = mpsc::channel(1);
    let shouted = client.shout(ReceiverStream::new(stream)).await.unwrap();
    let mut shouted = shouted.into_inner();
    remote.watched_by(2).await;
    remote.host.stop();
    remote.board.post("the last");
    assert_eq!(notes.message().await.unwrap(), Some(note(1, "the last")));
    remote.board.close();
    assert_eq!(notes.message().await.unwrap_err().code(), Code::Unavailable);
    // A stream that was open may go on to its end.
    lines
        .send(Line {
            text: "bye".to_owned(),
        })
        .await
        .unwrap();
    assert_eq!(shouted.message().await.unwrap().unwrap().text, "BYE");
    drop(lines);
    assert_eq!(shouted.message().await.unwrap(), None);
    remote.host.ended().await;
}

async fn pages_and_methods_share_a_port(kind: Kind) {
    let board = Board::new();
    let host = Host::start(kind, mixed(board.clone(), &Settings::default()), |_| {});
    let endpoint = Endpoint::from_shared(format!("http://{}", host.address)).unwrap();
    let mut methods = BoardClient::new(endpoint.connect().await.unwrap());
    methods.post(new("by a method")).await.unwrap();
    for wire in [Wire::Http1, Wire::Http2] {
        let mut pages = Client::connect(host.address, wire).await;
        let notes = pages.get("/api/notes").await;
        assert_eq!(notes.json()[0]["text"], "by a method");
        let nothing = pages.get("/nowhere").await;
        assert_eq!(nothing.status, StatusCode::NOT_FOUND);
    }
    let missing = methods.get(NoteId { id: 9 }).await.unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
    drop(board);
}
