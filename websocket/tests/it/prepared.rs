//! One message for many sessions, and what it does to their contexts.

use bytes::{Bytes, BytesMut};
use gateway_spec::Message;
use websocket::{
    Agreement, Event, Limits, NotSent, Prepared, Role, Session, Step,
    deflate::{Context, Settings, WindowBits},
};

use crate::support::{agreement, noise};

struct Pair {
    server: Session,
    client: Session,
}

impl Pair {
    fn new(agreement: &Agreement) -> Self {
        Self {
            server: Session::new(Role::Server, agreement, Limits::default()),
            client: Session::new(Role::Client { seed: 9 }, agreement, Limits::default()),
        }
    }

    fn deflating(settings: &Settings) -> Self {
        Self::new(&agreement("permessage-deflate", settings))
    }

    /// Sends it the one way or the other, and checks that the client reads the same.
    #[track_caller]
    fn send(&mut self, message: &Message) {
        let mut wire = BytesMut::new();
        self.server.send(message, &mut wire).unwrap();
        assert_eq!(
            self.client.next_event(&mut wire),
            Ok(Step::Event(Event::Message(message.clone())))
        );
    }

    #[track_caller]
    fn send_prepared(&mut self, prepared: &Prepared) -> Bytes {
        let bytes = self.server.send_prepared(prepared).unwrap();
        let mut wire = BytesMut::from(&bytes[..]);
        let message = prepared.message().clone();
        assert_eq!(
            self.client.next_event(&mut wire),
            Ok(Step::Event(Event::Message(message)))
        );
        bytes
    }
}

fn line(n: u32) -> Message {
    format!("{{\"room\":\"lobby\",\"from\":\"member {n}\",\"text\":\"the same words again and again, again and again\"}}").into()
}

#[test]
fn all_sessions_of_one_agreement_send_the_same_bytes() {
    let prepared = Prepared::new(line(1));
    let mut plain = [
        Pair::new(&Agreement::default()),
        Pair::new(&Agreement::default()),
    ];
    let [first, second] = plain.each_mut().map(|pair| pair.send_prepared(&prepared));
    assert_eq!(first.as_ptr(), second.as_ptr());

    let mut deflating = [Context::Kept, Context::Fresh]
        .map(|context| Pair::deflating(&Settings::default().with_sending(context)));
    let [third, fourth] = deflating
        .each_mut()
        .map(|pair| pair.send_prepared(&prepared));
    assert_eq!(third.as_ptr(), fourth.as_ptr());
    assert!(third.len() < first.len());
}

#[test]
fn a_kept_context_stays_right_before_between_and_after() {
    for bits in [9, 12, 15] {
        let settings = Settings::default().with_window(WindowBits::new(bits).unwrap());
        let mut pair = Pair::deflating(&settings);
        for n in 0..20 {
            match n % 5 {
                0 | 3 => drop(pair.send_prepared(&Prepared::new(line(n)))),
                _ => pair.send(&line(n)),
            }
        }
    }
}

#[test]
fn a_small_window_gets_a_form_of_its_own_only_for_a_long_message() {
    let small = Settings::default().with_window(WindowBits::new(9).unwrap());
    for (lines, same) in [(12, true), (2000, false)] {
        let text: String = (0..lines)
            .map(|n| format!("line {} of many, {n}\n", n % 500))
            .collect();
        let prepared = Prepared::new(text);
        let large = Pair::deflating(&Settings::default()).send_prepared(&prepared);
        let small = Pair::deflating(&small).send_prepared(&prepared);
        assert_eq!(large.as_ptr() == small.as_ptr(), same, "{lines} lines");
    }
}

#[test]
fn what_does_not_get_smaller_goes_as_it_is() {
    let mut pair = Pair::deflating(&Settings::default());
    let short = Prepared::new("short".to_owned());
    assert_eq!(&pair.send_prepared(&short)[..], b"\x81\x05short");
    assert_eq!(pair.send_prepared(&Prepared::new(noise(200)))[0], 0x82);
    pair.send(&line(1));
}

#[test]
fn a_client_masks_it_anew_each_time() {
    let mut client = Session::new(
        Role::Client { seed: 1 },
        &Agreement::default(),
        Limits::default(),
    );
    let prepared = Prepared::new(line(1));
    let frames = [0; 2].map(|_| client.send_prepared(&prepared).unwrap());
    assert_ne!(frames[0], frames[1]);
    let mut server = Session::new(Role::Server, &Agreement::default(), Limits::default());
    let mut wire = BytesMut::from(&frames.concat()[..]);
    for _ in frames {
        assert_eq!(
            server.next_event(&mut wire),
            Ok(Step::Event(Event::Message(line(1))))
        );
    }
}

#[test]
fn a_closing_session_does_not_take_it() {
    let mut pair = Pair::new(&Agreement::default());
    pair.server.close(None, &mut BytesMut::new()).unwrap();
    assert_eq!(
        pair.server.send_prepared(&Prepared::new(line(1))),
        Err(NotSent::Closed)
    );
}
