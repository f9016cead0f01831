//! A tower service as an application.

use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};

use bytes::{Buf, Bytes};
use gateway_spec::{
    AppError, Application, Connection, Done, Http, RequestBody, Responder, Response, ResponseHead,
    Scope,
};
use http::Request;
use http_body::{Body, Frame};
use tower_service::Service;

type BoxError = Box<dyn Error + Send + Sync>;

/// Makes an application of a tower service: of an axum `Router`, of tonic's routes, of a stack of tower-http layers.
pub fn from_service<S>(service: S) -> FromService<S> {
    FromService { service }
}

/// A tower service on any server, made by [`from_service`].
#[derive(Clone)]
pub struct FromService<S> {
    service: S,
}

impl<S> fmt::Debug for FromService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromService").finish_non_exhaustive()
    }
}

impl<S, B> Application for FromService<S>
where
    S: Service<Request<RequestBody>, Response = http::Response<B>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<BoxError>> + Send,
{
    async fn call(&self, connection: Connection) -> Result<Done, AppError> {
        let http = match connection {
            Connection::Http(http) => http,
            Connection::WebSocket(socket) => match socket.handshake.into_http() {
                Some(http) => http,
                None => {
                    return Err(AppError::message(
                        "the plain exchange of a WebSocket is gone",
                    ));
                }
            },
            other => return other.refuse().await,
        };
        let Http {
            scope,
            body,
            responder,
        } = http;
        let request = request_of(&scope, body);
        let mut service = self.service.clone();
        poll_fn(|cx| service.poll_ready(cx).map_err(failed)).await?;
        let mut response = pin!(service.call(request));
        let response = poll_fn(|cx| response.as_mut().poll(cx).map_err(failed)).await?;
        answer(response, responder).await
    }
}

fn request_of(scope: &Scope, body: RequestBody) -> Request<RequestBody> {
    let mut request = Request::new(body);
    *request.method_mut() = scope.method.clone();
    *request.uri_mut() = scope.uri.clone();
    *request.version_mut() = scope.version;
    *request.headers_mut() = scope.headers.clone().into_map();
    *request.extensions_mut() = scope.extensions.clone();
    request.extensions_mut().insert(scope.clone());
    #[cfg(feature = "axum")]
    if let Some(address) = scope
        .connection
        .client
        .as_ref()
        .and_then(|client| client.tcp())
    {
        request
            .extensions_mut()
            .insert(axum::extract::ConnectInfo(address));
    }
    request
}

async fn answer<B>(response: http::Response<B>, responder: Responder) -> Result<Done, AppError>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send,
{
    let (parts, body) = response.into_parts();
    let mut head = ResponseHead::new(parts.status);
    head.headers = parts.headers.into();
    let mut body = pin!(body);
    if body.is_end_stream() {
        return responder.respond(Response::from(head)).await;
    }
    let mut writer = responder.start_with_trailers(head, None).await?;
    while let Some(frame) = next(body.as_mut()).await {
        match frame?.into_data() {
            Ok(mut data) => writer.write(bytes_of(&mut data)).await?,
            Err(frame) => {
                if let Ok(trailers) = frame.into_trailers() {
                    return writer.finish_with_trailers(trailers).await;
                }
            }
        }
    }
    writer.finish().await
}

async fn next<B>(mut body: Pin<&mut B>) -> Option<Result<Frame<B::Data>, AppError>>
where
    B: Body<Error: Into<BoxError>>,
{
    poll_fn(|cx| body.as_mut().poll_frame(cx).map_err(failed)).await
}

fn bytes_of(data: &mut impl Buf) -> Bytes {
    data.copy_to_bytes(data.remaining())
}

fn failed(error: impl Into<BoxError>) -> AppError {
    AppError::message("").with_source(error)
}
