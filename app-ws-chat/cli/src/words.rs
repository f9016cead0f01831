//! Words for people: times, names, what moderators did. And texts of peers, made harmless for a terminal.

use std::time::Duration;

use chat_client::{Moderated, Penalty, Person};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A peer's text for one line of a terminal: what would move the cursor or turn the direction of the text around it is
/// shown as a mark.
#[must_use]
pub(crate) fn harmless(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let shown = |c: char| match c {
        '\t' => ' ',
        c if c.is_control() || turns(c) => '\u{fffd}',
        c => c,
    };
    text.chars().map(shown).collect()
}

/// `12:34`, where the reader is.
#[must_use]
pub(crate) fn time_of_day(ts: u64, zone: &TimeZone) -> String {
    let at = i64::try_from(ts)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok());
    match at.map(|at| zone.to_datetime(at)) {
        Some(at) => format!("{:02}:{:02}", at.hour(), at.minute()),
        None => "--:--".to_owned(),
    }
}

/// `2026-11-30`, where the reader is; nothing for a time that is none.
#[must_use]
pub(crate) fn day(ts: u64, zone: &TimeZone) -> Option<String> {
    let at = Timestamp::from_millisecond(i64::try_from(ts).ok()?).ok()?;
    Some(zone.to_datetime(at).date().to_string())
}

/// `5 s`, `90 s`, `5 min`, `2 h`, `3 d`: rounded up, so that nobody comes too soon.
#[must_use]
pub(crate) fn span(time: Duration) -> String {
    let seconds = time.as_millis().div_ceil(1_000);
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds.div_ceil(60)),
        7_200..=172_799 => format!("{} h", seconds.div_ceil(3_600)),
        _ => format!("{} d", seconds.div_ceil(86_400)),
    }
}

/// `Ada`, `Ada and Bea`, `Ada, Bea and 3 others`.
#[must_use]
pub(crate) fn names<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let number = names.len();
    let shown = if number <= 3 { number } else { 2 };
    let mut names: Vec<_> = names.take(shown).map(harmless).collect();
    if number > shown {
        names.push(format!("{} others", number - shown));
    }
    match names.pop() {
        None => String::new(),
        Some(last) if names.is_empty() => last,
        Some(last) => format!("{} and {last}", names.join(", ")),
    }
}

/// Who came and went.
#[must_use]
pub(crate) fn presence(came: &[Person], went: &[Person]) -> String {
    let part = |people: &[Person], verb: &str| {
        let all = names(people.iter().map(|person| &*person.nick));
        (!people.is_empty()).then(|| format!("{all} {verb}"))
    };
    let parts: Vec<_> = [part(came, "came"), part(went, "went")]
        .into_iter()
        .flatten()
        .collect();
    parts.join(", ")
}

/// What a moderator did.
#[must_use]
pub(crate) fn moderated(what: &Moderated) -> String {
    let by = what
        .by
        .as_deref()
        .map_or_else(|| "The host".to_owned(), harmless);
    let whom = what.user.as_ref().map_or_else(
        || "somebody".to_owned(),
        |one| harmless(one.nick.as_ref().unwrap_or(&one.user)),
    );
    let time = |else_what: &str| match what.for_ms {
        Some(ms) => format!(" for {}", span(Duration::from_millis(ms))),
        None => else_what.to_owned(),
    };
    let did = match &*what.act {
        "kick" => format!("put {whom} out{}", time("")),
        "ban" => format!("banned {whom}{}", time("")),
        "unban" => format!("lets {whom} in again"),
        "mute" => format!("muted {whom}{}", time("")),
        "unmute" => format!("lets {whom} speak again"),
        "slow" => match what.every_ms.unwrap_or_default() {
            0 => "ended slow mode".to_owned(),
            ms => format!(
                "lets everybody speak once in {}",
                span(Duration::from_millis(ms))
            ),
        },
        act => format!("did: {}", harmless(act)),
    };
    match &what.reason {
        Some(reason) if !reason.is_empty() => format!("{by} {did}: {}", harmless(reason)),
        _ => format!("{by} {did}."),
    }
}

/// Who is kept out and muted, a line each.
#[must_use]
pub(crate) fn penalties(bans: &[Penalty], mutes: &[Penalty], zone: &TimeZone) -> String {
    let line = |what: &str, one: &Penalty| {
        let who = harmless(one.nick.as_deref().unwrap_or(&one.user));
        let until = match one.until {
            Some(ts) => {
                let day = day(ts, zone).unwrap_or_default();
                format!("until {day} {}", time_of_day(ts, zone))
            }
            None => "for ever".to_owned(),
        };
        let by = one
            .by
            .as_deref()
            .map_or(String::new(), |by| format!(" by {}", harmless(by)));
        let reason = one
            .reason
            .as_deref()
            .map_or(String::new(), |why| format!(": {}", harmless(why)));
        format!(
            "{who} ({}) is {what} {until}{by}{reason}",
            harmless(&one.user)
        )
    };
    let lines = bans.iter().map(|one| line("kept out", one));
    let lines: Vec<_> = lines
        .chain(mutes.iter().map(|one| line("muted", one)))
        .collect();
    match lines.is_empty() {
        true => "Nobody is kept out or muted.".to_owned(),
        false => lines.join("\n"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chat_client::{Moderated, Target};
    use jiff::tz::{TimeZone, offset};

    use super::{day, harmless, moderated, names, span, time_of_day};

    #[test]
    fn a_text_cannot_move_the_cursor_or_turn_the_line() {
        assert_eq!(
            harmless("a\u{1b}[2J\tb\u{202e}c"),
            "a\u{fffd}[2J b\u{fffd}c"
        );
    }

    #[test]
    fn times_are_those_of_the_reader() {
        let zone = TimeZone::fixed(offset(2));
        assert_eq!(time_of_day(1_700_000_000_000, &zone), "00:13");
        assert_eq!(day(1_700_000_000_000, &zone).as_deref(), Some("2023-11-15"));
        assert_eq!(time_of_day(u64::MAX, &zone), "--:--");
    }

    #[test]
    fn spans_are_rounded_up() {
        let rows = [
            (0, "0 s"),
            (1, "1 s"),
            (119_000, "119 s"),
            (121_000, "3 min"),
            (7_200_000, "2 h"),
            (172_800_001, "3 d"),
        ];
        for (ms, text) in rows {
            assert_eq!(span(Duration::from_millis(ms)), text);
        }
    }

    #[test]
    fn many_names_are_a_number() {
        let of = |all: &[&str]| names(all.iter().copied());
        assert_eq!(of(&[]), "");
        assert_eq!(of(&["Ada"]), "Ada");
        assert_eq!(of(&["Ada", "Bea", "Cyd"]), "Ada, Bea and Cyd");
        assert_eq!(of(&["Ada", "Bea", "Cyd", "Dot"]), "Ada, Bea and 2 others");
    }

    #[test]
    fn what_a_moderator_did_is_a_sentence() {
        let what = Moderated {
            act: "slow".into(),
            user: None,
            for_ms: None,
            every_ms: Some(30_000),
            by: Some("Bea".into()),
            reason: None,
        };
        assert_eq!(moderated(&what), "Bea lets everybody speak once in 30 s.");
        let kick = Moderated {
            act: "kick".into(),
            for_ms: Some(60_000),
            reason: Some("too loud".into()),
            every_ms: None,
            ..what
        };
        assert_eq!(moderated(&kick), "Bea put somebody out for 60 s: too loud");
        let of_one = |nick: Option<&str>| Moderated {
            act: "unban".into(),
            user: Some(Target {
                user: "9f9f".into(),
                nick: nick.map(Into::into),
            }),
            reason: None,
            ..kick.clone()
        };
        assert_eq!(moderated(&of_one(Some("Cyd"))), "Bea lets Cyd in again.");
        assert_eq!(moderated(&of_one(None)), "Bea lets 9f9f in again.");
    }
}
