//! How values are written: the same in a flag, a variable and the file.

use std::borrow::Cow;
use std::fmt::Display;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use tracing_subscriber::EnvFilter;

/// How a value of a type is written.
pub(crate) trait Form<T> {
    /// What stands for the value in the help, such as `TIME`.
    fn name() -> Cow<'static, str>;

    /// Reads it; an error says what it has to be.
    fn read(text: &str) -> Result<T, String>;

    /// Writes it as it is read.
    fn show(value: &T) -> String;
}

/// A length of time that is not zero.
#[derive(Debug)]
pub(crate) enum Time {}

impl Form<Duration> for Time {
    fn name() -> Cow<'static, str> {
        "TIME".into()
    }

    fn read(text: &str) -> Result<Duration, String> {
        match time(text) {
            Some(Duration::ZERO) => Err(String::from(
                "there is no time in zero; to wait long, give much, such as 1d",
            )),
            Some(time) => Ok(time),
            None => Err(format!(
                "{text:?} is no time; write 10s, 500ms, 2m or 1h30m"
            )),
        }
    }

    fn show(value: &Duration) -> String {
        let milliseconds = value.as_millis();
        for (unit, length) in [
            ("d", 86_400_000),
            ("h", 3_600_000),
            ("m", 60_000),
            ("s", 1_000),
        ] {
            // 60s, 90s: below two of a unit the smaller one reads better.
            if milliseconds.is_multiple_of(length) && (milliseconds >= 2 * length || unit == "s") {
                return format!("{}{unit}", milliseconds / length);
            }
        }
        format!("{milliseconds}ms")
    }
}

/// A length of time, which may be zero.
#[derive(Debug)]
pub(crate) enum TimeOrZero {}

impl Form<Duration> for TimeOrZero {
    fn name() -> Cow<'static, str> {
        Time::name()
    }

    fn read(text: &str) -> Result<Duration, String> {
        match time(text) {
            Some(time) => Ok(time),
            None => Time::read(text),
        }
    }

    fn show(value: &Duration) -> String {
        Time::show(value)
    }
}

/// Something that can be turned off.
#[derive(Debug)]
pub(crate) struct OrOff<F>(F);

impl<T, F: Form<T>> Form<Option<T>> for OrOff<F> {
    fn name() -> Cow<'static, str> {
        format!("{}|off", F::name()).into()
    }

    fn read(text: &str) -> Result<Option<T>, String> {
        match text {
            "off" => Ok(None),
            text => F::read(text)
                .map(Some)
                .map_err(|why| format!("{why}; or off")),
        }
    }

    fn show(value: &Option<T>) -> String {
        value.as_ref().map_or_else(|| String::from("off"), F::show)
    }
}

/// A number that is not zero.
#[derive(Debug)]
pub(crate) enum Count {}

impl<T: FromStr + Display> Form<T> for Count {
    fn name() -> Cow<'static, str> {
        "N".into()
    }

    fn read(text: &str) -> Result<T, String> {
        match text.replace('_', "").parse() {
            Ok(number) if T::to_string(&number) != "0" => Ok(number),
            _ => Err(format!("{text:?} is not a whole number from 1 on")),
        }
    }

    fn show(value: &T) -> String {
        value.to_string()
    }
}

/// A number.
#[derive(Debug)]
pub(crate) enum CountOrZero {}

impl<T: FromStr + Display> Form<T> for CountOrZero {
    fn name() -> Cow<'static, str> {
        "N".into()
    }

    fn read(text: &str) -> Result<T, String> {
        let number = text.replace('_', "").parse();
        number.map_err(|_| format!("{text:?} is not a whole number from 0 on"))
    }

    fn show(value: &T) -> String {
        value.to_string()
    }
}

/// An amount of memory or of traffic.
#[derive(Debug)]
pub(crate) enum Bytes {}

/// Powers of 1024.
const UNITS: [(&str, u64); 4] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
];

impl<T: TryFrom<u64> + Copy> Form<T> for Bytes
where
    u64: TryFrom<T>,
{
    fn name() -> Cow<'static, str> {
        "BYTES".into()
    }

    fn read(text: &str) -> Result<T, String> {
        let lower = text.replace('_', "").to_ascii_lowercase();
        let digits = lower.trim_end_matches(|c: char| !c.is_ascii_digit());
        let unit = match &lower[digits.len()..] {
            "" | "b" => Some(1),
            unit => UNITS
                .iter()
                .find(|(name, _)| {
                    unit == name.to_ascii_lowercase() || unit == name[..1].to_ascii_lowercase()
                })
                .map(|(_, bytes)| *bytes),
        };
        let number: Option<u64> = digits.parse().ok();
        number
            .zip(unit)
            .and_then(|(number, unit)| number.checked_mul(unit))
            .and_then(|bytes| T::try_from(bytes).ok())
            .ok_or_else(|| {
                format!("{text:?} is no amount of bytes; write 4096, 64KiB, 10MiB or 1GiB")
            })
    }

    fn show(value: &T) -> String {
        let bytes = u64::try_from(*value).unwrap_or(u64::MAX);
        let unit = UNITS
            .iter()
            .find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit));
        match unit {
            Some((name, unit)) => format!("{}{name}", bytes / unit),
            None => bytes.to_string(),
        }
    }
}

/// Bytes a second.
#[derive(Debug)]
pub(crate) enum Rate {}

impl Form<NonZeroU32> for Rate {
    fn name() -> Cow<'static, str> {
        <Bytes as Form<u32>>::name()
    }

    fn read(text: &str) -> Result<NonZeroU32, String> {
        let bytes: u32 = Bytes::read(text)?;
        NonZeroU32::new(bytes).ok_or_else(|| String::from("0 is no rate"))
    }

    fn show(value: &NonZeroU32) -> String {
        Bytes::show(&value.get())
    }
}

/// On or off.
#[derive(Debug)]
pub(crate) enum Switch {}

impl Form<bool> for Switch {
    fn name() -> Cow<'static, str> {
        SWITCH.into()
    }

    fn read(text: &str) -> Result<bool, String> {
        match text {
            "on" | "true" => Ok(true),
            "off" | "false" => Ok(false),
            text => Err(format!("{text:?} is neither on nor off")),
        }
    }

    fn show(value: &bool) -> String {
        String::from(if *value { "on" } else { "off" })
    }
}

/// The name of the form of switches: as flags they need no value.
pub(crate) const SWITCH: &str = "on|off";

/// A type with few values, each with a name.
pub(crate) trait Named: Copy + PartialEq + 'static {
    const ALL: &'static [(&'static str, Self)];
}

/// One of a few names.
#[derive(Debug)]
pub(crate) enum Choice {}

impl<T: Named> Form<T> for Choice {
    fn name() -> Cow<'static, str> {
        let names: Vec<&str> = T::ALL.iter().map(|(name, _)| *name).collect();
        names.join("|").into()
    }

    fn read(text: &str) -> Result<T, String> {
        let named = T::ALL.iter().find(|(name, _)| *name == text);
        named.map(|(_, value)| *value).ok_or_else(|| {
            let names: Vec<&str> = T::ALL.iter().map(|(name, _)| *name).collect();
            format!("{text:?} is none of {}", names.join(", "))
        })
    }

    fn show(value: &T) -> String {
        let named = T::ALL.iter().find(|(_, named)| named == value);
        String::from(named.map_or("", |(name, _)| *name))
    }
}

/// A path.
#[derive(Debug)]
pub(crate) enum File {}

impl Form<PathBuf> for File {
    fn name() -> Cow<'static, str> {
        "FILE".into()
    }

    fn read(text: &str) -> Result<PathBuf, String> {
        match text {
            "" => Err(String::from("the name of a file is missing")),
            text => Ok(text.into()),
        }
    }

    fn show(value: &PathBuf) -> String {
        value.display().to_string()
    }
}

impl Form<Option<PathBuf>> for File {
    fn name() -> Cow<'static, str> {
        "FILE".into()
    }

    fn read(text: &str) -> Result<Option<PathBuf>, String> {
        <Self as Form<PathBuf>>::read(text).map(Some)
    }

    fn show(value: &Option<PathBuf>) -> String {
        value.as_ref().map_or_else(String::new, Self::show)
    }
}

/// Which events are logged: a filter as `RUST_LOG` has it, if one was given.
#[derive(Debug, Clone, Default)]
pub(crate) struct LogFilter(pub(crate) Option<String>);

/// A filter of events.
#[derive(Debug)]
pub(crate) enum Log {}

impl Form<LogFilter> for Log {
    fn name() -> Cow<'static, str> {
        "FILTER".into()
    }

    fn read(text: &str) -> Result<LogFilter, String> {
        match EnvFilter::builder().parse(text) {
            Ok(_) if !text.is_empty() => Ok(LogFilter(Some(text.to_owned()))),
            _ => Err(format!(
                "{text:?} is no filter; write a level, such as info, or info,server_host=debug"
            )),
        }
    }

    fn show(value: &LogFilter) -> String {
        value.0.clone().unwrap_or_default()
    }
}

/// A form that the type itself reads and writes.
pub(crate) trait Parsed {
    type Value: FromStr<Err = String> + Display;
    const NAME: &'static str;
}

impl<P: Parsed> Form<P::Value> for P {
    fn name() -> Cow<'static, str> {
        P::NAME.into()
    }

    fn read(text: &str) -> Result<P::Value, String> {
        text.parse()
    }

    fn show(value: &P::Value) -> String {
        value.to_string()
    }
}

/// `10`, `10s`, `1.5s`, `500ms`, `1h30m`.
fn time(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let mut rest = text;
    let mut sum = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        let unit = match &rest[..letters] {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        rest = &rest[letters..];
        sum = sum.checked_add(Duration::try_from_secs_f64(number * unit).ok()?)?;
    }
    (!text.is_empty()).then_some(sum)
}

#[cfg(test)]
mod tests;
