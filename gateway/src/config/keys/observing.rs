//! What is logged, counted and warned of.

use server_host::{LogFormat, LogTarget};

use super::Key;
use super::sockets::Place;
use crate::config::form::{Log, OrOff, Parsed, Switch, Time};

pub(super) fn keys() -> Vec<Key> {
    vec![
        Key::one::<Log, _>(
            "log",
            "Which events go to stderr: error, warn, info, debug or trace, also for a part alone, as in \
             info,server_host=debug. debug shows the configuration in force. By default what RUST_LOG says, else info",
            |config| &mut config.log,
        ),
        Key::one::<Target, LogTarget>(
            "access-log",
            "Where a line for each exchange goes: off, on or stderr, stdout, or a file (a path with a slash), which is \
             opened anew at SIGHUP and SIGUSR1. What cannot be written is lost and counted; nobody waits for it",
            |config| &mut config.settings.access_log,
        ),
        Key::one::<Format, LogFormat>(
            "access-log-format",
            "plain, common, combined, json, or a text with fields in braces: {client}, {ip}, {method}, {target}, \
             {version}, {status}, {sent}, {received} (bytes of bodies), {ms}, {outcome} (finished, aborted, panicked, \
             refused, gone:WHY), {label}, {id}, {time}, {common-time}, {field:NAME} of the request",
            |config| &mut config.settings.access_log_format,
        ),
        Key::one::<Switch, _>(
            "spans",
            "Whether what the application logs while it is at an exchange is shown with the exchange's id, method and \
             path (a span of tracing). It costs as much as a small exchange",
            |config| &mut config.settings.spans,
        ),
        Key::one::<OrOff<Place>, _>(
            "metrics-bind",
            "Where /metrics (Prometheus), /health, /ready and a page that shows the server live are served: a PLACE \
             of its own, not for the public. Exchanges are counted only with it",
            |config| &mut config.settings.metrics_bind,
        ),
        Key::one::<OrOff<Time>, _>(
            "stall-threshold",
            "How long the application's code may hold a worker before it is warned of, with its route: everybody else on \
             that worker waits as long",
            |config| &mut config.settings.stall_threshold,
        ),
    ]
}

enum Target {}

impl Parsed for Target {
    type Value = LogTarget;
    const NAME: &'static str = "TARGET";
}

enum Format {}

impl Parsed for Format {
    type Value = LogFormat;
    const NAME: &'static str = "FORMAT";
}
