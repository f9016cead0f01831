//! When the process is replaced by a new one.

use std::borrow::Cow;
use std::num::NonZeroU64;

use super::Key;
use crate::config::form::{Bytes, Count, Form, OrOff, Time};

pub(super) fn keys() -> Vec<Key> {
    vec![
        Key::one::<OrOff<Count>, _>(
            "recycle-requests",
            "Requests after which the process replaces itself by a new one, as at SIGUSR2",
            |config| &mut config.settings.recycling.requests,
        ),
        Key::one::<OrOff<Time>, _>(
            "recycle-lifetime",
            "How long it lives before it does",
            |config| &mut config.settings.recycling.lifetime,
        ),
        Key::one::<OrOff<Memory>, _>(
            "recycle-memory",
            "Memory (resident) above which it does, at three looks in three seconds",
            |config| &mut config.settings.recycling.memory,
        ),
        Key::one::<Percent, _>(
            "recycle-jitter",
            "By how many percent requests and lifetime are shorter by chance, so that processes that were started together \
             do not end together",
            |config| &mut config.settings.recycling.jitter,
        ),
    ]
}

enum Memory {}

impl Form<NonZeroU64> for Memory {
    fn name() -> Cow<'static, str> {
        <Bytes as Form<u64>>::name()
    }

    fn read(text: &str) -> Result<NonZeroU64, String> {
        let bytes: u64 = Bytes::read(text)?;
        NonZeroU64::new(bytes).ok_or_else(|| String::from("0 is no memory"))
    }

    fn show(value: &NonZeroU64) -> String {
        Bytes::show(&value.get())
    }
}

enum Percent {}

impl Form<u8> for Percent {
    fn name() -> Cow<'static, str> {
        "0..100".into()
    }

    fn read(text: &str) -> Result<u8, String> {
        let percent = text.parse().ok().filter(|percent| *percent <= 100);
        percent.ok_or_else(|| format!("{text:?} is not one of 0 to 100"))
    }

    fn show(value: &u8) -> String {
        value.to_string()
    }
}
