//! From an address to an open WebSocket.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chat_client::{Close, SUBPROTOCOL};
use rustls::CertificateError;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::target::Target;

/// Longer than three lost packets; a server that needs more is as good as none.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// What is read at once. Small, because a load generator has thousands of these.
const READ_BYTES: usize = 4 * 1024;

/// The longest frame that a server may send: 300 messages of 4 KiB with every byte escaped are 7 MiB.
const FRAME_BYTES: usize = 16 * 1024 * 1024;

/// What a WebSocket runs over.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

pub(crate) type Socket = WebSocketStream<Box<dyn Stream>>;

/// Why there is no socket: what the client is told, and what its user is.
#[derive(Debug)]
pub(crate) struct NotConnected {
    pub(crate) close: Close,
    pub(crate) why: String,
}

pub(crate) async fn connect(target: Arc<Target>) -> Result<Socket, NotConnected> {
    let slow = |_| NotConnected {
        close: Close::Lost,
        why: format!("no connection within {} s", CONNECT_WITHIN.as_secs()),
    };
    tokio::time::timeout(CONNECT_WITHIN, handshake(&target))
        .await
        .map_err(slow)?
}

async fn handshake(target: &Target) -> Result<Socket, NotConnected> {
    let lost = |error: io::Error| NotConnected {
        close: Close::Lost,
        why: error.to_string(),
    };
    let stream = open(target).await.map_err(lost)?;
    let stream = secure(target, stream).await.map_err(|error| NotConnected {
        close: Close::Lost,
        why: distrusted(&error, &target.host).unwrap_or_else(|| error.to_string()),
    })?;
    let request = ClientRequestBuilder::new(target.uri.clone()).with_sub_protocol(SUBPROTOCOL);
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(0)
        .max_message_size(Some(FRAME_BYTES))
        .max_frame_size(Some(FRAME_BYTES));
    match client_async_with_config(request, stream, Some(config)).await {
        Ok((socket, _)) => Ok(socket),
        Err(error) => Err(refused(&error)),
    }
}

fn refused(error: &tungstenite::Error) -> NotConnected {
    let close = match error {
        tungstenite::Error::Http(response) => Close::Status(response.status().as_u16()),
        _ => Close::Lost,
    };
    let told = match error {
        tungstenite::Error::Http(response) => response.body().as_deref(),
        _ => None,
    };
    let why = match told.map(String::from_utf8_lossy) {
        Some(text) if !text.trim().is_empty() => text.trim().to_owned(),
        _ => error.to_string(),
    };
    NotConnected { close, why }
}

async fn open(target: &Target) -> io::Result<TcpStream> {
    let mut last = None;
    for address in lookup_host((target.host.as_str(), target.port)).await? {
        match open_one(target, address).await {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::Error::other("the name has no address")))
}

async fn open_one(target: &Target, address: SocketAddr) -> io::Result<TcpStream> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    if let Some(source) = target.source {
        socket.bind((source, 0).into())?;
    }
    socket.connect(address).await
}

async fn secure(target: &Target, stream: TcpStream) -> io::Result<Box<dyn Stream>> {
    let Some(config) = &target.tls else {
        return Ok(Box::new(stream));
    };
    let name = ServerName::try_from(target.host.clone()).map_err(io::Error::other)?;
    let connector = TlsConnector::from(Arc::clone(config));
    Ok(Box::new(connector.connect(name, stream).await?))
}

/// What is wrong with a server's TLS, and what its user can do about it; nothing if TLS is not at fault.
fn distrusted(error: &io::Error, host: &str) -> Option<String> {
    use CertificateError::{
        Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet,
        NotValidYetContext, UnknownIssuer,
    };
    let wrong = match error.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(wrong) => wrong,
        rustls::Error::InvalidMessage(_) => {
            return Some("the server does not speak TLS; is it ws:// or http://?".to_owned());
        }
        _ => return None,
    };
    Some(match wrong {
        UnknownIssuer => {
            "the server's certificate is not trusted: nobody known here has signed it. \
                          If you know who has, name their certificate by --ca FILE"
                .to_owned()
        }
        NotValidForName | NotValidForNameContext { .. } => {
            format!("the server's certificate is not one for {host}")
        }
        Expired | ExpiredContext { .. } => "the server's certificate has expired".to_owned(),
        NotValidYet | NotValidYetContext { .. } => {
            "the server's certificate is not valid yet".to_owned()
        }
        other => format!("the server's certificate does not hold: {other}"),
    })
}
