//! One thing that can be set: its name, what it means, and where its value lies in a [`Config`].

use std::borrow::Cow;
use std::fmt;

use super::Config;
use super::form::{Form, SWITCH};

/// One thing that can be set.
pub(crate) struct Key {
    /// `head-timeout` in the file, `--head-timeout` as a flag, `GATEWAY_HEAD_TIMEOUT` in the environment.
    pub(crate) name: &'static str,
    /// What stands for its value in the help.
    pub(crate) form: Cow<'static, str>,
    /// What it means, and why its default is what it is.
    pub(crate) help: &'static str,
    pub(crate) takes: Takes,
    set: Box<Set>,
    show: Box<Show>,
}

type Set = dyn Fn(&mut Config, &[String]) -> Result<(), String>;
type Show = dyn Fn(&mut Config) -> Vec<String>;

/// How many values a key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    /// One: of several in one place the last counts.
    One,
    /// Any number: those of the strongest place count.
    Many,
}

impl Key {
    /// A key with one value.
    pub(crate) fn one<F: Form<T>, T: 'static>(
        name: &'static str,
        help: &'static str,
        of: fn(&mut Config) -> &mut T,
    ) -> Self {
        Self {
            name,
            form: F::name(),
            help,
            takes: Takes::One,
            set: Box::new(move |config, texts| {
                for text in texts {
                    *of(config) = F::read(text)?;
                }
                Ok(())
            }),
            show: Box::new(move |config| vec![F::show(of(config))]),
        }
    }

    /// A key with any number of values.
    pub(crate) fn many<F: Form<T>, T: 'static>(
        name: &'static str,
        help: &'static str,
        of: fn(&mut Config) -> &mut Vec<T>,
    ) -> Self {
        Self {
            name,
            form: F::name(),
            help,
            takes: Takes::Many,
            set: Box::new(move |config, texts| {
                let read: Result<Vec<T>, String> = texts.iter().map(|text| F::read(text)).collect();
                *of(config) = read?;
                Ok(())
            }),
            show: Box::new(move |config| of(config).iter().map(F::show).collect()),
        }
    }

    /// Sets it to what was given in one place.
    pub(crate) fn set(&self, config: &mut Config, texts: &[String]) -> Result<(), String> {
        (self.set)(config, texts)
    }

    /// Its value as the help has it: none, one or several, with commas.
    pub(crate) fn plain(&self, config: &mut Config) -> String {
        (self.show)(config).join(",")
    }

    /// Its value as the file has it.
    pub(crate) fn show(&self, config: &mut Config) -> String {
        let mut all = (self.show)(config).into_iter().map(|text| match &*text {
            number if text.parse::<u64>().is_ok() => number.to_owned(),
            // A string of Rust is one of TOML, but for what no value has.
            text => format!("{text:?}"),
        });
        match self.takes {
            Takes::One => all.next().unwrap_or_default(),
            Takes::Many => format!("[{}]", all.collect::<Vec<_>>().join(", ")),
        }
    }

    /// As a flag.
    pub(crate) fn flag(&self) -> String {
        format!("--{}", self.name)
    }

    /// In the environment.
    pub(crate) fn variable(&self) -> String {
        let name = self.name.replace('-', "_").to_ascii_uppercase();
        format!("{PREFIX}{name}")
    }

    /// Whether the flag alone means that it is on.
    pub(crate) fn is_switch(&self) -> bool {
        self.form == SWITCH
    }
}

/// What the names of all variables begin with.
pub(crate) const PREFIX: &str = "GATEWAY_";

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
