//! What a client that is in a room and says nothing weighs: the bytes that the chat holds for it, counted by the allocator.
//!
//! Without a server, so that the number is the same on every machine. What a server holds beside it is measured with
//! `chat-load`, see the README.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    reason = "a test that gets something else than it asked for has failed"
)]

use app_ws_chat::Chat;
use gateway_spec::{
    Accept, AppError, Application, CloseCode, Connection, Done, Incoming, application_fn,
};
use test_client::{Socket, TestClient};

/// The room's share, the session and its place among the others: at most so much. The whole connection may weigh 4 KiB.
const BYTES: i64 = 2_560;

const ROOM: usize = 100;

/// Takes a socket and hears it, which is what every application on a socket weighs.
async fn hear(connection: Connection) -> Result<Done, AppError> {
    let Connection::WebSocket(socket) = connection else {
        return connection.refuse().await;
    };
    let accept = Accept::new().subprotocol("chat.v1");
    let mut socket = socket.handshake.accept(accept).await?;
    while !matches!(socket.receive().await, Incoming::Closed(_)) {}
    socket.close(CloseCode::NORMAL, "").await
}

/// Lets every task run until all of them wait, and reads what came.
async fn read(sockets: &mut [Socket]) {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    for socket in sockets {
        while socket.unread() > 0 {
            socket.receive().await;
        }
    }
}

/// The bytes that so many clients weigh, in rooms of 100 if they join any.
fn weigh(app: impl Application, clients: usize, joins: bool) -> i64 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let client = TestClient::new(app);
    let mut sockets = Vec::with_capacity(clients);
    let weighed = allocation_counter::measure(|| {
        runtime.block_on(async {
            for number in 0..clients {
                let handshake = client.websocket("/ws").subprotocols(["chat.v1"]);
                let mut socket = handshake.connect().await.unwrap();
                if joins {
                    let join = format!(
                        r#"{{"id":1,"t":"join","room":"room-{}","nick":"c{number}","key":"{number:032}"}}"#,
                        number / ROOM
                    );
                    socket.send_now(join).unwrap();
                    let welcome = socket.text().await.unwrap();
                    assert!(welcome.contains(r#""t":"ok""#), "{welcome}");
                }
                sockets.push(socket);
                read(&mut sockets).await;
            }
        });
    });
    weighed.bytes_current
}

/// The bytes of one client more, when there are many.
fn weigh_one<A: Application>(app: impl Fn() -> A, joins: bool) -> i64 {
    let (some, more) = (ROOM as i64, 3 * ROOM as i64);
    let weigh = |clients: i64| weigh(app(), usize::try_from(clients).unwrap(), joins);
    (weigh(more) - weigh(some)) / (more - some)
}

#[test]
fn an_idle_client_is_light() {
    let socket = weigh_one(|| application_fn(hear), false);
    let client = weigh_one(Chat::new, true);
    let own = client - socket;
    assert!(
        own <= BYTES,
        "{own} bytes: {client} less {socket} of any socket"
    );
    assert!(own > 0, "{client} less {socket}");
}
