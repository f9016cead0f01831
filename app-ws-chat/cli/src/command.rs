//! What a line means: something to say, or a command.

use std::fmt;
use std::time::Duration;

/// The commands, with what they take and do: the help, and what Tab completes.
pub(crate) const COMMANDS: [(&str, &str, &str); 16] = [
    (
        "/join",
        "ROOM [TOKEN]",
        "enter a room; as a moderator with the moderators' token",
    ),
    ("/leave", "", "leave this room"),
    ("/nick", "NAME", "be called otherwise"),
    ("/who", "", "who is here"),
    (
        "/again",
        "",
        "try again now to connect, or to enter this room",
    ),
    ("/drop", "", "take back what is not sent yet"),
    (
        "/kick",
        "WHO [TIME] [REASON]",
        "put somebody out for a while; else a minute",
    ),
    (
        "/ban",
        "WHO [TIME] [REASON]",
        "put somebody out; else for ever",
    ),
    ("/unban", "WHO", "let somebody in again"),
    (
        "/mute",
        "WHO [TIME] [REASON]",
        "let somebody only read; else for ever",
    ),
    ("/unmute", "WHO", "let somebody speak again"),
    (
        "/slow",
        "TIME|off",
        "let everybody speak only once in so long",
    ),
    ("/bans", "", "who is kept out or muted"),
    ("/keys", "", "what the keys do"),
    ("/help", "", "this list"),
    ("/quit", "", "leave the chat"),
];

/// A line, understood.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Line {
    /// Say it.
    Say(String),
    /// Enter a room.
    Join(String, Option<String>),
    /// Leave this room.
    Leave,
    /// Be called otherwise.
    Nick(String),
    /// Who is here?
    Who,
    /// Do not wait any longer.
    Again,
    /// Take back what is not sent.
    Drop,
    /// Put somebody out for a while.
    Kick(Penalty),
    /// Put somebody out.
    Ban(Penalty),
    /// Let somebody in again.
    Unban(String),
    /// Let somebody only read.
    Mute(Penalty),
    /// Let somebody speak again.
    Unmute(String),
    /// Slow mode; zero: off.
    Slow(Duration),
    /// Who is kept out or muted?
    Bans,
    /// What do the keys do?
    Keys,
    /// What commands are there?
    Help,
    /// Leave the chat.
    Quit,
}

/// What happens to somebody.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Penalty {
    /// A nickname, or a user's id.
    pub who: String,
    /// For how long.
    pub time: Option<Duration>,
    /// What they are told.
    pub reason: Option<String>,
}

/// Why a line is no command.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum LineError {
    /// There is none of this name.
    Unknown(String),
    /// It takes something else.
    Usage(&'static str, &'static str),
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => write!(
                f,
                "there is no {name}: /help lists the commands, and //{} says it as a text",
                name.trim_start_matches('/')
            ),
            Self::Usage(name, takes) => {
                write!(f, "write {name} {takes}; a name with blanks in \"quotes\"")
            }
        }
    }
}

impl std::error::Error for LineError {}

impl Line {
    /// Understands a line. `//` at its start says the rest with one slash.
    ///
    /// # Errors
    ///
    /// [`LineError`] says what to write instead.
    ///
    /// # Examples
    ///
    /// ```
    /// use chat_cli::Line;
    ///
    /// assert_eq!(Line::parse("/join lobby"), Ok(Line::Join("lobby".into(), None)));
    /// assert_eq!(Line::parse("//join"), Ok(Line::Say("/join".into())));
    /// assert!(Line::parse("/dance").is_err());
    /// ```
    pub fn parse(line: &str) -> Result<Self, LineError> {
        let Some(rest) = line.strip_prefix('/') else {
            return Ok(Self::Say(line.to_owned()));
        };
        if rest.starts_with('/') {
            return Ok(Self::Say(rest.to_owned()));
        }
        let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let Some((name, takes, _)) = COMMANDS.iter().find(|(known, ..)| *known == name) else {
            return Err(LineError::Unknown(name.to_owned()));
        };
        Self::command(name, Words(rest.trim())).ok_or(LineError::Usage(name, takes))
    }

    fn command(name: &str, mut words: Words<'_>) -> Option<Self> {
        let line = match name {
            "/join" => Self::Join(words.next()?, words.next()),
            "/leave" => Self::Leave,
            // The whole rest is a name: it may have blanks.
            "/nick" => Self::Nick(words.rest()?),
            "/who" => Self::Who,
            "/again" => Self::Again,
            "/drop" => Self::Drop,
            "/kick" => Self::Kick(words.penalty()?),
            "/ban" => Self::Ban(words.penalty()?),
            "/unban" => Self::Unban(words.next()?),
            "/mute" => Self::Mute(words.penalty()?),
            "/unmute" => Self::Unmute(words.next()?),
            "/slow" => match words.next()?.as_str() {
                "off" => Self::Slow(Duration::ZERO),
                time => Self::Slow(duration(time)?),
            },
            "/bans" => Self::Bans,
            "/keys" => Self::Keys,
            "/help" => Self::Help,
            "/quit" => Self::Quit,
            _ => return None,
        };
        words.0.is_empty().then_some(line)
    }
}

/// What is behind a command: words, and names in quotes.
struct Words<'a>(&'a str);

impl Words<'_> {
    fn next(&mut self) -> Option<String> {
        let (word, rest) = match self.0.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => self
                .0
                .split_once(char::is_whitespace)
                .unwrap_or((self.0, "")),
        };
        self.0 = rest.trim_start();
        (!word.is_empty()).then(|| word.to_owned())
    }

    fn rest(&mut self) -> Option<String> {
        let rest = std::mem::take(&mut self.0).trim_matches('"');
        (!rest.is_empty()).then(|| rest.to_owned())
    }

    fn penalty(&mut self) -> Option<Penalty> {
        let who = self.next()?;
        let first = self.0.split_whitespace().next();
        let time = first.and_then(duration);
        if time.is_some() {
            self.next();
        }
        let reason = self.rest();
        Some(Penalty { who, time, reason })
    }
}

/// `30s`, `5m`, `2h`, `1d`; a number alone is no time, since a reason may begin with one.
fn duration(text: &str) -> Option<Duration> {
    let unit = text.chars().next_back()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    let number: u64 = text[..text.len() - 1].parse().ok()?;
    number.checked_mul(seconds).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{COMMANDS, Line, LineError, Penalty};

    fn penalty(who: &str, seconds: Option<u64>, reason: Option<&str>) -> Penalty {
        Penalty {
            who: who.into(),
            time: seconds.map(Duration::from_secs),
            reason: reason.map(Into::into),
        }
    }

    #[test]
    fn lines_are_understood() {
        let rows = [
            ("hello /join", Line::Say("hello /join".into())),
            ("//slash", Line::Say("/slash".into())),
            ("/join lobby", Line::Join("lobby".into(), None)),
            (
                "/join \"two words\" s3cret",
                Line::Join("two words".into(), Some("s3cret".into())),
            ),
            ("/nick Ada Lovelace", Line::Nick("Ada Lovelace".into())),
            (
                "/kick \"Ada (2)\" 5m too loud",
                Line::Kick(penalty("Ada (2)", Some(300), Some("too loud"))),
            ),
            ("/ban Bea", Line::Ban(penalty("Bea", None, None))),
            (
                "/mute Bea 3 times warned",
                Line::Mute(penalty("Bea", None, Some("3 times warned"))),
            ),
            ("/slow 30s", Line::Slow(Duration::from_secs(30))),
            ("/slow off", Line::Slow(Duration::ZERO)),
            ("/quit ", Line::Quit),
        ];
        for (text, line) in rows {
            assert_eq!(Line::parse(text), Ok(line), "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_is_told_with_a_mend() {
        for text in [
            "/join",
            "/join a b c",
            "/nick",
            "/kick",
            "/slow",
            "/slow 5",
            "/slow é",
            "/leave now",
            "/unban \"x",
        ] {
            let error = Line::parse(text).unwrap_err();
            assert!(matches!(error, LineError::Usage(..)), "{text}: {error}");
        }
        let error = Line::parse("/dance").unwrap_err().to_string();
        assert!(
            error.contains("/help") && error.contains("//dance"),
            "{error}"
        );
    }

    #[test]
    fn every_command_of_the_list_is_one() {
        for (name, takes, _) in COMMANDS {
            let line = match takes {
                "" => name.to_owned(),
                "TIME|off" => format!("{name} off"),
                _ => format!("{name} x"),
            };
            assert!(Line::parse(&line).is_ok(), "{line}");
        }
    }
}
