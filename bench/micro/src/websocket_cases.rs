//! RFC 6455 and 7692: unmasking, messages, compression.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use gateway_spec::Message;
use websocket::deflate::{Context, Settings};
use websocket::handshake::{Agreement, connect};
use websocket::{Event, Limits, Role, Session, Step, mask};

use crate::{Case, Work};

pub(crate) const CASES: &[Case] = &[
    ("websocket: unmask 20 bytes", || unmask(20)),
    ("websocket: unmask 1 KiB", || unmask(1024)),
    ("websocket: unmask 64 KiB", || unmask(64 * 1024)),
    ("websocket: a message of 20 bytes, read and sent", || {
        echo(20)
    }),
    ("websocket: a message of 1 KiB, read and sent", || {
        echo(1024)
    }),
    ("websocket: deflate 1 KiB, context kept", || {
        deflate(Context::Kept)
    }),
    ("websocket: deflate 1 KiB, context fresh", || {
        deflate(Context::Fresh)
    }),
    ("websocket: inflate 1 KiB, context fresh", inflate),
];

const KEY: mask::Key = [0x37, 0xfa, 0x21, 0x3d];

fn unmask(bytes: usize) -> Work {
    let mut payload = vec![b'x'; bytes];
    Box::new(move || mask::apply(black_box(KEY), 0, black_box(&mut payload)))
}

fn echo(bytes: usize) -> Work {
    let mut client = Session::new(
        Role::Client { seed: 7 },
        &Agreement::default(),
        Limits::default(),
    );
    let mut server = Session::new(Role::Server, &Agreement::default(), Limits::default());
    let mut sent = BytesMut::new();
    client
        .send(&Message::Binary(vec![b'x'; bytes].into()), &mut sent)
        .expect("an open session");
    let mut input = BytesMut::with_capacity(16 * 1024);
    let mut output = BytesMut::with_capacity(16 * 1024);
    Box::new(move || {
        input.clear();
        input.extend_from_slice(black_box(&sent));
        let message = receive(&mut server, &mut input);
        output.clear();
        server.send(&message, &mut output).expect("an open session");
    })
}

fn deflate(context: Context) -> Work {
    let mut server = Session::new(Role::Server, &agreed(context), Limits::default());
    let message = Message::Text(json().try_into().expect("JSON is text"));
    let mut output = BytesMut::with_capacity(16 * 1024);
    Box::new(move || {
        output.clear();
        server
            .send(black_box(&message), &mut output)
            .expect("an open session");
    })
}

fn inflate() -> Work {
    let agreed = agreed(Context::Fresh);
    let mut client = Session::new(Role::Client { seed: 7 }, &agreed, Limits::default());
    let mut server = Session::new(Role::Server, &agreed, Limits::default());
    let mut sent = BytesMut::new();
    client
        .send(&Message::Binary(json()), &mut sent)
        .expect("an open session");
    let mut input = BytesMut::with_capacity(16 * 1024);
    Box::new(move || {
        input.clear();
        input.extend_from_slice(black_box(&sent));
        black_box(receive(&mut server, &mut input));
    })
}

fn receive(session: &mut Session, input: &mut BytesMut) -> Message {
    match session.next_event(input) {
        Ok(Step::Event(Event::Message(message))) => message,
        other => panic!("not a message: {other:?}"),
    }
}

fn agreed(context: Context) -> Agreement {
    let settings = Settings::default()
        .with_sending(context)
        .with_receiving(context);
    let headers: [(&str, &[u8]); 2] = [
        ("sec-websocket-version", b"13"),
        ("sec-websocket-extensions", b"permessage-deflate"),
    ];
    connect(headers)
        .expect("a valid handshake")
        .accept(None, Some(&settings))
        .expect("no subprotocol")
        .agreement
}

/// Rows that are alike, as chats and dashboards send them: 1 KiB.
fn json() -> Bytes {
    let rows = (0..).map(|n| format!(r#"{{"id":{n},"name":"member {n}","online":true}},"#));
    let text: String = rows.take(40).collect();
    text[..1024].to_owned().into()
}
