//! Where to listen, and who accepts.

use std::borrow::Cow;

use server_host::{Accepting, Bind, Owner};

use super::Key;
use crate::config::form::{Choice, Count, Form, Named};

pub(super) fn keys() -> Vec<Key> {
    vec![
        Key::many::<Place, _>(
            "bind",
            "Where to listen: IP:PORT (port 0 takes a free one), unix:PATH, fd:N for a listener that the process was \
             started with, systemd for all that a .socket unit passes. With a certificate all speak TLS but those with \
             http:// before them",
            |config| &mut config.settings.bind,
        ),
        Key::one::<Count, _>(
            "backlog",
            "Connections that may wait in the kernel, for each listener; net.core.somaxconn may be lower",
            |config| &mut config.settings.backlog,
        ),
        Key::one::<Mode, _>(
            "unix-mode",
            "The mode of the files of unix sockets: by default the server's user and group may connect",
            |config| &mut config.settings.unix.mode,
        ),
        Key::one::<OwnerOrNone, _>(
            "unix-owner",
            "Who owns the files of unix sockets, by name or number. By default the server's user and group",
            |config| &mut config.settings.unix.owner,
        ),
        Key::one::<Choice, _>(
            "accept",
            "hand-off: one thread accepts and hands each connection to the worker that has the least to do; per-worker: \
             each worker has a listener of its own (SO_REUSEPORT) and the kernel spreads connections over them, busy or \
             not. Unix sockets and passed descriptors are always handed off",
            |config| &mut config.settings.accepting,
        ),
    ]
}

impl Named for Accepting {
    const ALL: &'static [(&'static str, Self)] =
        &[("hand-off", Self::HandOff), ("per-worker", Self::PerWorker)];
}

pub(super) enum Place {}

impl Form<Bind> for Place {
    fn name() -> Cow<'static, str> {
        "PLACE".into()
    }

    fn read(text: &str) -> Result<Bind, String> {
        text.parse::<Bind>().map_err(|error| error.to_string())
    }

    fn show(value: &Bind) -> String {
        value.to_string()
    }
}

enum Mode {}

impl Form<u32> for Mode {
    fn name() -> Cow<'static, str> {
        "MODE".into()
    }

    fn read(text: &str) -> Result<u32, String> {
        let mode = u32::from_str_radix(text, 8).ok();
        mode.filter(|mode| *mode <= 0o777)
            .ok_or_else(|| format!("{text:?} is no mode in octal; write 660, 600 or 666"))
    }

    fn show(value: &u32) -> String {
        format!("{value:03o}")
    }
}

enum OwnerOrNone {}

impl Form<Option<Owner>> for OwnerOrNone {
    fn name() -> Cow<'static, str> {
        "USER:GROUP".into()
    }

    fn read(text: &str) -> Result<Option<Owner>, String> {
        let owner = text.parse::<Owner>();
        owner.map(Some).map_err(|error| error.to_string())
    }

    fn show(value: &Option<Owner>) -> String {
        value.as_ref().map_or_else(String::new, Owner::to_string)
    }
}
