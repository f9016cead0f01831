//! A scope as text.

use std::fmt::Write as _;

use gateway_spec::{BodyLength, Scope, TlsInfo};

/// One line for each thing that a scope says.
pub(super) fn describe(scope: &Scope) -> String {
    let mut text = format!("method {}\n", scope.method);
    let length = match scope.body {
        BodyLength::Empty => "empty".to_owned(),
        BodyLength::Known(length) => length.to_string(),
        BodyLength::Unknown => "unknown".to_owned(),
    };
    let capabilities = scope.connection.capabilities;
    let mut line = |name: &str, value: &str| {
        writeln!(text, "{name} {value}").expect("writing to memory cannot fail");
    };
    line("uri", &scope.uri.to_string());
    line("path", scope.path());
    line("query", scope.query().unwrap_or("-"));
    line("protocol", scope.protocol.as_deref().unwrap_or("-"));
    line("version", &format!("{:?}", scope.version));
    line("scheme", scope.connection.scheme.as_str());
    let tls = scope.connection.tls.as_deref();
    line("tls", &tls.map_or_else(|| "-".to_owned(), describe_tls));
    line("authority", scope.authority().unwrap_or("-"));
    line("body", &length);
    line(
        "client",
        &scope
            .connection
            .client
            .as_ref()
            .map_or("-".to_owned(), ToString::to_string),
    );
    line(
        "server",
        &scope
            .connection
            .server
            .as_ref()
            .map_or("-".to_owned(), ToString::to_string),
    );
    line("wire-order", &capabilities.wire_order().to_string());
    line("wire-case", &capabilities.wire_case().to_string());
    line("informational", &capabilities.informational().to_string());
    line(
        "continue-on-read",
        &capabilities.continue_on_read().to_string(),
    );
    for (name, value) in &scope.headers {
        line("field", &format!("{name}={}", value.escape_ascii()));
    }
    text
}

fn describe_tls(tls: &TlsInfo) -> String {
    format!(
        "{:#06x} {:#06x} name={} protocol={} server={} clients={} client={}",
        tls.version,
        tls.cipher_suite,
        tls.server_name.as_deref().unwrap_or("-"),
        tls.application_protocol.as_deref().unwrap_or("-"),
        tls.server_certificate
            .as_ref()
            .map_or(0, |certificate| certificate.len()),
        tls.client_certificates.len(),
        tls.client_name.as_deref().unwrap_or("-"),
    )
}
