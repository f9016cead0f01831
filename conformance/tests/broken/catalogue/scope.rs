//! What is known before the body.

use std::sync::{Arc, OnceLock};

use gateway_spec::types::{Method, Uri, Version};
use gateway_spec::{BodyLength, HttpScope, Label, State, TlsInfo};

use super::{fields, replace};
use crate::fault::{Fault, How};
use crate::relay::{self, Wire};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        clause: "SCOPE-1",
        what: "the requests of a connection share the scope of the first",
        red: "scope::each_request_has_a_scope_of_its_own",
        how: How::Scope(|scope| {
            static FIRST: OnceLock<Uri> = OnceLock::new();
            if scope.path().ends_with("/scope") {
                scope.uri = FIRST.get_or_init(|| scope.uri.clone()).clone();
            }
        }),
    },
    Fault {
        clause: "SCOPE-2",
        what: "the method in upper case, as ASGI has it",
        red: "head::a_method_is_case_sensitive",
        how: How::Scope(|scope| {
            let upper = scope.method.as_str().to_ascii_uppercase();
            scope.method = Method::from_bytes(upper.as_bytes()).expect("it was a method");
        }),
    },
    Fault {
        clause: "SCOPE-3",
        what: "the target is decoded",
        red: "head::the_scope_says_what_was_sent",
        how: How::Scope(|scope| {
            let decoded = scope.uri.to_string().replace("%2F", "/");
            scope.uri = decoded.parse().expect("a slash may stand there");
        }),
    },
    Fault {
        clause: "SCOPE-4",
        what: "the scheme is the target's (bandit, CVE-2026-39807)",
        red: "head::an_absolute_target_names_the_authority_and_not_the_scheme",
        how: How::Scope(|scope| {
            if let Some(scheme) = scope.uri.scheme().cloned() {
                Arc::make_mut(&mut scope.connection).scheme = scheme;
            }
        }),
    },
    Fault {
        clause: "SCOPE-5",
        what: "an asterisk becomes the root",
        red: "head::an_asterisk_is_a_target_of_options",
        how: How::Scope(|scope| {
            if scope.uri == "*" {
                scope.uri = "/".parse().expect("it is a target");
            }
        }),
    },
    Fault {
        clause: "SCOPE-6",
        what: "a request without a host is given one",
        red: "head::a_host_is_there_once_and_is_the_target_s",
        how: How::Wire(Wire {
            up: |bytes| replace(bytes, " HTTP/1.1\r\n\r\n", " HTTP/1.1\r\nhost: a\r\n\r\n"),
            ..relay::FAITHFUL
        }),
    },
    Fault {
        clause: "SCOPE-6",
        what: "the first of two hosts counts (bandit#620)",
        red: "head::a_host_is_there_once_and_is_the_target_s",
        how: How::Wire(Wire {
            up: |bytes| replace(bytes, "host: a\r\nhost: b\r\n", "host: a\r\n"),
            ..relay::FAITHFUL
        }),
    },
    Fault {
        clause: "SCOPE-7",
        what: "of several fields of a name the last one stands",
        red: "head::fields_keep_their_bytes_and_their_order_in_one_name",
        how: How::Scope(|scope| {
            let all = scope.headers.clone();
            scope.headers = fields(&all, |name, value| {
                let last = all.get_all(name).last();
                last.filter(|last| std::ptr::eq(*last, value))
                    .map(<[u8]>::to_vec)
            });
        }),
    },
    Fault {
        clause: "SCOPE-8",
        what: "fields of a name are joined, as CGI has them",
        red: "head::fields_keep_their_bytes_and_their_order_in_one_name",
        how: How::Scope(|scope| {
            let all = scope.headers.clone();
            scope.headers = fields(&all, |name, value| {
                let of_name: Vec<&[u8]> = all.get_all(name).collect();
                std::ptr::eq(of_name[0], value).then(|| of_name.join(&b", "[..]))
            });
        }),
    },
    Fault {
        clause: "SCOPE-9",
        what: "no body is a body of unknown length",
        red: "head::the_body_s_length_is_in_the_scope",
        how: How::Scope(|scope| {
            if scope.body == BodyLength::Empty {
                scope.body = BodyLength::Unknown;
            }
        }),
    },
    Fault {
        clause: "SCOPE-10",
        what: "the client is nobody",
        red: "head::the_scope_says_what_was_sent",
        how: How::Scope(|scope| Arc::make_mut(&mut scope.connection).client = None),
    },
    Fault {
        clause: "SCOPE-10",
        what: "whoever says so is a proxy (actix-web#3750)",
        red: "head::what_a_stranger_says_of_a_proxy_is_only_a_field",
        how: How::Scope(|scope| {
            if let Some(client) = forwarded_for(scope) {
                Arc::make_mut(&mut scope.connection).client = Some(client);
            }
        }),
    },
    Fault {
        clause: "SCOPE-11",
        what: "the state is shown to nobody",
        red: "head::the_state_of_the_lifespan_is_in_every_scope",
        how: How::Scope(|scope| scope.state = State::new()),
    },
    Fault {
        clause: "SCOPE-12",
        what: "the label is lost on the way to the log",
        red: "head::the_label_is_in_the_log",
        how: How::Scope(|scope| scope.label = Label::default()),
    },
    Fault {
        clause: "SCOPE-13",
        what: "an extended CONNECT is a CONNECT",
        red: "scope::an_extended_connect_names_its_protocol",
        how: How::StreamScope(|scope| scope.protocol = None),
    },
    Fault {
        clause: "SCOPE-14",
        what: "each request is one of HTTP/1.1",
        red: "scope::the_version_is_the_one_of_the_wire",
        how: How::Scope(|scope| scope.version = Version::HTTP_11),
    },
    Fault {
        clause: "SCOPE-15",
        what: "a client is whom a field says that a proxy has verified",
        red: "scope::clear_text_is_not_taken_for_tls",
        how: How::Scope(|scope| {
            if let Some(name) = scope.headers.get_str("x-ssl-client-s-dn") {
                let mut tls = TlsInfo::new(0x0304, 0x1301);
                tls.client_name = Some(name.into());
                Arc::make_mut(&mut scope.connection).tls = Some(Arc::new(tls));
            }
        }),
    },
];

fn forwarded_for(scope: &HttpScope) -> Option<gateway_spec::Address> {
    let said = scope.headers.get_str("x-forwarded-for")?;
    let address: std::net::IpAddr = said.parse().ok()?;
    Some(gateway_spec::Address::Tcp((address, 0).into()))
}
