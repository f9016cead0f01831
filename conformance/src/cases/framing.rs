//! How the end of a request is told: the inputs of the vulnerabilities that servers had, and what must become of them.
//!
//! Each row goes over the wire whole and byte by byte. The answers are counted: none may come for what was smuggled, and
//! the application must not have been called for a request that the server could not frame.

use crate::case::Case;
use crate::differential::Recording;
use crate::response::{Method, Parser, Step};
use crate::server::Subject;

/// What must come of a row.
#[derive(Clone, Copy)]
enum Outcome {
    /// The head is bad: this status, the connection's end, and the application is not called.
    HeadRefused(u16),
    /// The body is bad: 400 after the application was called for it and for nothing else, and the connection's end.
    BodyRefused,
    /// Answers of these statuses in this order; then the connection ends, since the last request says so.
    Answered(&'static [u16]),
}
use Outcome::{Answered, BodyRefused, HeadRefused};

struct Row {
    name: &'static str,
    /// Which servers got it wrong.
    source: &'static str,
    /// What goes before the bytes of the row.
    before: &'static str,
    wire: &'static [u8],
    outcome: Outcome,
}

/// Fields, and perhaps a body, that must be refused with the head.
const fn fields(name: &'static str, source: &'static str, wire: &'static [u8]) -> Row {
    let before = "POST /conformance/read-all HTTP/1.1\r\nHost: a\r\n";
    Row {
        name,
        source,
        before,
        wire,
        outcome: HeadRefused(400),
    }
}

/// A chunked body that must be refused.
const fn chunks(name: &'static str, source: &'static str, wire: &'static [u8]) -> Row {
    let before =
        "POST /conformance/read-all HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    Row {
        name,
        source,
        before,
        wire,
        outcome: BodyRefused,
    }
}

const fn whole(
    name: &'static str,
    source: &'static str,
    wire: &'static [u8],
    outcome: Outcome,
) -> Row {
    Row {
        name,
        source,
        before: "",
        wire,
        outcome,
    }
}

/// Sent behind each bad request: it must never be answered.
const SMUGGLED: &[u8] = b"GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";

/// Sent behind each good request.
const LAST: &[u8] = b"GET /conformance/last HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

const ROWS: &[Row] = &[
    // Lengths.
    fields("two_lengths", "CVE-2026-39805", b"Content-Length: 0\r\nContent-Length: 35\r\n\r\n"),
    fields("two_lengths_that_agree", "CVE-2019-16792", b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
    fields("a_list_of_lengths", "gunicorn 26.0", b"Content-Length: 5, 5\r\n\r\nhello"),
    fields("a_length_with_a_plus", "CVE-2021-32715, CVE-2022-24801", b"Content-Length: +5\r\n\r\nhello"),
    fields("a_length_with_a_minus", "CVE-2022-24801", b"Content-Length: -5\r\n\r\nhello"),
    fields("a_hexadecimal_length", "CVE-2022-24790", b"Content-Length: 0x10\r\n\r\n0123456789abcdef"),
    fields("a_length_with_letters", "CVE-2022-24790", b"Content-Length: 5a\r\n\r\nhello"),
    fields("a_length_with_an_underscore", "CVE-2023-47627", b"Content-Length: 1_0\r\n\r\n0123456789"),
    fields("an_empty_length", "CVE-2023-40175", b"Content-Length: \r\n\r\n"),
    fields("a_length_over_64_bits", "", b"Content-Length: 18446744073709551621\r\n\r\nhello"),
    fields("a_length_with_a_vertical_tab", "CVE-2022-24801", b"Content-Length: \x0b5\r\n\r\nhello"),
    fields("a_space_before_the_colon_of_a_length", "CVE-2021-22959", b"Content-Length : 5\r\n\r\nhello"),
    whole("a_space_before_a_length_line", "CVE-2024-27982", b"POST /conformance/read-all HTTP/1.1\r\n Content-Length: 5\r\nHost: a\r\n\r\nhello", HeadRefused(400)),
    // A length and a coding.
    fields("a_length_and_a_coding", "hyper#4123", b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    fields("a_coding_and_a_length", "hyper#4123", b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
    fields("two_codings_and_a_length", "CVE-2019-16786", b"Transfer-Encoding: gzip, chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
    fields("an_odd_coding_and_a_length", "CVE-2023-47641", b"Transfer-Encoding: chunked123\r\nContent-Length: 5\r\n\r\nhello"),
    fields("chunked_not_last_and_a_length", "CVE-2024-6827", b"Transfer-Encoding: chunked,gzip\r\nContent-Length: 5\r\n\r\nhello"),
    // Codings.
    fields("two_coding_lines", "CVE-2021-21299, bandit#631", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n"),
    fields("chunked_twice_in_two_lines", "bandit#631", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    fields("chunked_and_identity", "CVE-2024-1135", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"),
    whole("a_coding_before_chunked", "warp 3.4.15", b"POST /conformance/read-all HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", HeadRefused(501)),
    fields("a_coding_that_nobody_knows", "CVE-2022-24790", b"Transfer-Encoding: other\r\n\r\n"),
    fields("a_coding_like_chunked", "CVE-2020-35884", b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    fields("chunkedchunked", "CVE-2022-32213", b"Transfer-Encoding: chunkedchunked\r\n\r\n0\r\n\r\n"),
    fields("chunked_and_chunked_false", "CVE-2022-32213", b"Transfer-Encoding: chunked, chunked-false\r\n\r\n0\r\n\r\n"),
    fields("chunked_twice", "", b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    fields("a_quoted_coding", "CVE-2020-25613", b"Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n"),
    fields("a_folded_coding", "CVE-2022-32215", b"Transfer-Encoding: chunked\r\n , identity\r\n\r\n0\r\n\r\n"),
    fields("a_space_before_the_colon_of_a_coding", "CVE-2020-35884", b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
    fields("a_vertical_tab_before_a_coding", "CVE-2019-16789", b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n"),
    fields("a_form_feed_before_a_coding", "CVE-2019-16789", b"Transfer-Encoding: \x0cchunked\r\n\r\n0\r\n\r\n"),
    fields("a_zero_byte_in_a_coding", "CVE-2020-11076", b"Transfer-Encoding: \0chunked\r\n\r\n0\r\n\r\n"),
    fields("a_no_break_space_before_a_coding", "CVE-2020-11077", b"Transfer-Encoding: \xa0chunked\r\n\r\n0\r\n\r\n"),
    whole("a_coding_in_http_1_0", "actix, CVE-2026-2835", b"POST /conformance/read-all HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", HeadRefused(400)),
    whole("a_coding_in_http_1_0_kept_alive", "actix#2794", b"POST /conformance/read-all HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", HeadRefused(400)),
    fields("an_empty_coding", "", b"Transfer-Encoding:\r\n\r\n0\r\n\r\n"),
    fields("a_coding_with_an_empty_member", "", b"Transfer-Encoding: chunked,\r\n\r\n0\r\n\r\n"),
    // Lines.
    whole("lines_ended_by_a_bare_line_feed", "CVE-2019-16785, CVE-2021-41136, CVE-2022-32214", b"GET / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n", HeadRefused(400)),
    whole("a_head_ended_by_a_bare_line_feed", "CVE-2025-6442", b"GET / HTTP/1.1\r\nHost: a\r\nX: y\n\n", HeadRefused(400)),
    whole("one_line_ended_by_a_bare_line_feed", "", b"GET / HTTP/1.1\r\nX: y\nHost: a\r\n\r\n", HeadRefused(400)),
    whole("a_bare_carriage_return_in_a_line", "CVE-2022-35256", b"GET / HTTP/1.1\r\nHost: a\r\nX: y\rZ: w\r\n\r\n", HeadRefused(400)),
    whole("a_bare_carriage_return_before_a_coding", "CVE-2023-30589", b"GET / HTTP/1.1\r\nHost: a\r\nX:\rTransfer-Encoding: chunked\r\n\r\n", HeadRefused(400)),
    whole("a_head_ended_by_a_carriage_return", "CVE-2025-23167", b"GET / HTTP/1.1\r\nHost: a\r\n\rX", HeadRefused(400)),
    whole("a_zero_byte_in_a_value", "bandit#619", b"GET / HTTP/1.1\r\nHost: a\r\nX: y\0z\r\n\r\n", HeadRefused(400)),
    whole("a_name_that_is_no_token", "CVE-2023-47627", b"GET / HTTP/1.1\r\nHost: a\r\nNa(me: x\r\n\r\n", HeadRefused(400)),
    whole("a_name_with_a_high_byte", "CVE-2024-23829", b"GET / HTTP/1.1\r\nHost: a\r\nNa\xffme: x\r\n\r\n", HeadRefused(400)),
    whole("a_line_without_a_colon", "", b"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", HeadRefused(400)),
    whole("an_empty_name", "", b"GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", HeadRefused(400)),
    whole("a_folded_line", "gunicorn", b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n", HeadRefused(400)),
    whole("two_hosts", "bandit#620", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", HeadRefused(400)),
    whole("two_carriage_returns_at_a_line_s_end", "", b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\r\n\r\n", HeadRefused(400)),
    whole("a_tab_before_a_line", "CVE-2024-27982", b"GET / HTTP/1.1\r\n\tContent-Length: 5\r\nHost: a\r\n\r\nhello", HeadRefused(400)),
    whole("a_tab_before_a_colon", "CVE-2021-22959", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length\t: 5\r\n\r\nhello", HeadRefused(400)),
    whole("two_spaces_in_a_request_line", "", b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", HeadRefused(400)),
    whole("a_tab_in_a_request_line", "", b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", HeadRefused(400)),
    whole("a_space_behind_a_request_line", "", b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", HeadRefused(400)),
    // Targets.
    whole("a_fragment_in_a_target", "RFC 9112 section 3.2", b"GET /#f HTTP/1.1\r\nHost: a\r\n\r\n", HeadRefused(400)),
    whole("a_target_with_a_scheme_alone", "gunicorn 26.0", b"GET http:/a HTTP/1.1\r\nHost: a\r\n\r\n", HeadRefused(400)),
    whole("an_authority_as_a_target", "gunicorn 26.0", b"GET a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", HeadRefused(400)),
    whole("an_asterisk_outside_of_options", "gunicorn 26.0", b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", HeadRefused(400)),
    whole("a_space_in_a_target", "", b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", HeadRefused(400)),
    whole("a_high_byte_in_a_path", "RFC 3986 section 3.3", b"GET /caf\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", HeadRefused(400)),
    whole("a_high_byte_in_a_query", "RFC 3986 section 3.4", b"GET /?caf\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", HeadRefused(400)),
    whole("a_high_byte_that_is_no_text_in_a_target", "", b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n", HeadRefused(400)),
    whole("a_quotation_mark_in_a_path", "", b"GET /\" HTTP/1.1\r\nHost: a\r\n\r\n", HeadRefused(400)),
    whole("an_angle_bracket_in_a_path", "", b"GET /<a> HTTP/1.1\r\nHost: a\r\n\r\n", HeadRefused(400)),
    whole("a_backslash_in_a_path", "", b"GET /a\\..\\b HTTP/1.1\r\nHost: a\r\n\r\n", HeadRefused(400)),
    whole("a_caret_in_a_path", "", b"GET /^ HTTP/1.1\r\nHost: a\r\n\r\n", HeadRefused(400)),
    whole("a_backtick_in_a_path", "", b"GET /` HTTP/1.1\r\nHost: a\r\n\r\n", HeadRefused(400)),
    whole("braces_in_a_path", "", b"GET /{a} HTTP/1.1\r\nHost: a\r\n\r\n", HeadRefused(400)),
    whole("a_percent_sign_without_its_digits_in_a_path", "RFC 3986 section 2.1", b"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", HeadRefused(400)),
    whole("a_percent_sign_at_a_path_s_end", "RFC 3986 section 2.1", b"GET /%4?1 HTTP/1.1\r\nHost: a\r\n\r\n", HeadRefused(400)),
    whole("a_high_byte_in_an_absolute_target", "", b"GET http://a/\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", HeadRefused(400)),
    // Chunks.
    chunks("a_chunk_size_over_64_bits", "CVE-2021-32714", b"f0000000000000003\r\nabc\r\n0\r\n\r\n"),
    chunks("a_chunk_size_with_a_prefix", "CVE-2022-24761", b"0x01\r\na\r\n0\r\n\r\n"),
    chunks("a_chunk_size_with_a_plus", "CVE-2022-24761, bandit#631", b"+1\r\na\r\n0\r\n\r\n"),
    chunks("a_chunk_size_with_a_minus", "bandit#631", b"-0\r\n\r\n"),
    chunks("a_chunk_size_with_other_letters", "bandit#631", b"5g\r\nhello\r\n0\r\n\r\n"),
    chunks("an_empty_chunk_size", "bandit#631", b"\r\nhello\r\n0\r\n\r\n"),
    chunks("a_space_before_a_chunk_size", "", b" 5\r\nhello\r\n0\r\n\r\n"),
    chunks("a_chunk_without_its_end", "CVE-2022-24790", b"5\r\nhello0\r\n\r\n"),
    chunks("two_bytes_for_a_chunk_s_end", "CVE-2025-43859", b"5\r\nAAAAAXX2\r\n45\r\n0\r\n\r\n"),
    chunks("a_line_feed_for_a_chunk_s_end", "", b"5\r\nhello\n0\r\n\r\n"),
    chunks("a_chunk_size_ended_by_a_line_feed", "", b"5\nhello\r\n0\r\n\r\n"),
    chunks("a_control_byte_in_a_chunk_extension", "CVE-2022-24761", b"5;\n\r\nhello\r\n0\r\n\r\n"),
    chunks("a_line_feed_in_a_chunk_extension", "CVE-2021-22960, CVE-2022-24801", b"5;a\nb\r\nhello\r\n0\r\n\r\n"),
    chunks("a_chunk_extension_without_a_name", "RFC 9112 section 7.1.1", b"5;\r\nhello\r\n0\r\n\r\n"),
    chunks("two_semicolons_behind_a_chunk_size", "", b"5;;a\r\nhello\r\n0\r\n\r\n"),
    chunks("a_semicolon_behind_a_chunk_extension", "", b"5;a=b;\r\nhello\r\n0\r\n\r\n"),
    chunks("a_chunk_extension_of_a_value_alone", "", b"5;=b\r\nhello\r\n0\r\n\r\n"),
    chunks("a_chunk_extension_without_the_value_it_promised", "", b"5;a=\r\nhello\r\n0\r\n\r\n"),
    chunks("a_chunk_extension_with_an_open_quote", "", b"5;a=\"b\r\nhello\r\n0\r\n\r\n"),
    chunks("a_chunk_extension_of_two_words", "", b"5;a b\r\nhello\r\n0\r\n\r\n"),
    chunks("a_chunk_extension_with_two_values", "", b"5;a=b c\r\nhello\r\n0\r\n\r\n"),
    chunks("a_chunk_extension_that_is_no_token", "", b"5;a[\r\nhello\r\n0\r\n\r\n"),
    chunks("a_high_byte_in_a_chunk_extension", "", b"5;a\xff\r\nhello\r\n0\r\n\r\n"),
    chunks("text_behind_a_quote_in_a_chunk_extension", "", b"5;a=\"b\"c\r\nhello\r\n0\r\n\r\n"),
    chunks("a_quote_behind_a_name_in_a_chunk_extension", "", b"5;a\"b\"\r\nhello\r\n0\r\n\r\n"),
    chunks("a_space_behind_a_chunk_extension", "", b"5;a \r\nhello\r\n0\r\n\r\n"),
    chunks("a_bad_extension_of_the_last_chunk", "", b"5\r\nhello\r\n0;a=\r\n\r\n"),
    chunks("a_trailer_without_a_colon", "CVE-2025-58068", b"0\r\nGET /trailer HTTP/1.1\r\nHost: a\r\n\r\n"),
    chunks("a_trailer_ended_by_a_line_feed", "CVE-2023-40175", b"0\r\nx: y\n\r\n"),
    chunks("a_chunk_size_of_ten_with_a_plus", "CVE-2022-24761, bandit#631", b"+10\r\n0123456789abcdef\r\n0\r\n\r\n"),
    chunks("a_carriage_return_alone_behind_a_chunk_size", "CVE-2023-30589", b"5\rhello\r\n0\r\n\r\n"),
    chunks("a_space_behind_a_chunk_size", "", b"5 \r\nhello\r\n0\r\n\r\n"),
    chunks("a_zero_byte_in_a_chunk_extension", "CVE-2022-24761", b"5;\0\r\nhello\r\n0\r\n\r\n"),
    chunks("a_length_in_the_trailers", "gunicorn 26.0", b"0\r\nContent-Length: 5\r\n\r\n"),
    chunks("a_coding_in_the_trailers", "gunicorn 26.0", b"0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    chunks("a_folded_trailer", "", b"0\r\nX: y\r\n z\r\n\r\n"),
    chunks("a_trailer_section_ended_by_a_line_feed", "", b"0\r\n\n"),
    // What is right must stay so.
    whole("a_get_has_no_body", "CVE-2020-35863", b"GET /conformance/hello HTTP/1.1\r\nHost: a\r\n\r\n", Answered(&[200, 404])),
    whole("trailers_end_a_body", "CVE-2026-39806, CVE-2023-40175", b"POST /conformance/read-all HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n", Answered(&[200, 404])),
    whole("chunks_with_extensions", "", b"POST /conformance/read-all HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5 ;a=b;\tc = \"d\\\"x;y\xe9\";e\r\nhello\r\n0;z\r\n\r\n", Answered(&[200, 404])),
    whole("a_coding_in_capitals", "", b"POST /conformance/read-all HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n\r\nA\r\n0123456789\r\n000\r\n\r\n", Answered(&[200, 404])),
    whole("an_upgrade_that_nobody_takes_up", "CVE-2026-2833", b"GET /conformance/hello HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", Answered(&[200, 404])),
    whole("a_body_that_nobody_reads", "CVE-2025-4366", b"POST /conformance/early HTTP/1.1\r\nHost: a\r\nContent-Length: 35\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n", Answered(&[200, 404])),
    whole("chunks_that_nobody_reads", "", b"POST /conformance/early HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n23\r\nGET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n\r\n0\r\n\r\n", Answered(&[200, 404])),
    whole("a_head_has_no_body", "", b"HEAD /conformance/hello HTTP/1.1\r\nHost: a\r\n\r\n", Answered(&[200, 404])),
];

pub(super) fn cases() -> Vec<Case> {
    let rows = ROWS.iter().map(|row| {
        Case::new(row.name, &["HTTP-1", "HTTP-4", "HTTP-7"], |subject| {
            check(subject, row)
        })
    });
    rows.chain([
        Case::new(
            "garbage_after_a_request_is_refused",
            &["HTTP-1"],
            garbage_after_a_request,
        ),
        Case::new(
            "http_1_0_has_no_body_until_close",
            &["HTTP-4"],
            http_1_0_has_no_body_until_close,
        ),
        Case::new(
            "a_chunked_body_without_its_last_line_end",
            &["HTTP-8"],
            cut_before_the_last_line_end,
        ),
        Case::new(
            "a_chunk_size_of_all_bits",
            &["HTTP-4", "HTTP-7"],
            a_chunk_size_of_all_bits,
        ),
        Case::new(
            "a_chunk_over_the_limit_is_refused_at_once",
            &["HTTP-7"],
            a_chunk_over_the_limit,
        ),
        Case::new(
            "endless_chunk_extensions_are_refused",
            &["HTTP-7"],
            endless_chunk_extensions,
        ),
        Case::new(
            "what_follows_a_bad_head_is_never_read",
            &["HTTP-1"],
            answers_before_a_bad_head,
        ),
        Case::new(
            "a_large_body_that_nobody_reads",
            &["SRV-6"],
            a_large_body_that_nobody_reads,
        ),
    ])
    .collect()
}

/// What each row sends.
pub(super) fn recordings() -> impl Iterator<Item = Recording> {
    ROWS.iter().map(|row| Recording::new(row.name, wire(row)))
}

fn wire(row: &Row) -> Vec<u8> {
    let behind = match row.outcome {
        HeadRefused(_) | BodyRefused => SMUGGLED,
        Answered(_) => LAST,
    };
    [row.before.as_bytes(), row.wire, behind].concat()
}

fn check(subject: &Subject, row: &Row) {
    for whole in [true, false] {
        let server = subject.start();
        let mut client = server.connect();
        let expected = match row.outcome {
            HeadRefused(status) => vec![status],
            BodyRefused => vec![400],
            Answered(statuses) => statuses.to_vec(),
        };
        let wire = wire(row);
        let how = if whole {
            // The server may have answered and closed before it had everything.
            let _ = client.try_send(&wire);
            "whole"
        } else {
            client.send_each_byte(&wire);
            "byte by byte"
        };
        let source = row.source;
        for (n, status) in expected.into_iter().enumerate() {
            let method = if row.name.starts_with("a_head_has") && n == 0 {
                Method::Head
            } else {
                Method::Other
            };
            let response = client.read_response_to(method);
            assert_eq!(response.status, status, "{how} ({source}): answer {n}");
            if let HeadRefused(_) | BodyRefused = row.outcome {
                // RFC 9112 section 9.6: the last answer says so, or a client sends another request after it.
                assert!(
                    response.closes(),
                    "{how} ({source}): it is not said that the connection ends"
                );
            }
        }
        client.expect_gone();
        let calls = server.ask("/conformance/report/calls/0");
        let expected = match row.outcome {
            HeadRefused(_) => 0,
            BodyRefused => 1,
            Answered(statuses) => statuses.len(),
        };
        assert_eq!(
            calls.lines().count(),
            expected,
            "{how}: the application was called for {calls:?}"
        );
    }
}

/// The statuses of all answers, each of which must be well-formed.
fn statuses(received: &[u8]) -> Vec<u16> {
    let mut input = received.to_vec();
    let mut statuses = Vec::new();
    while !input.is_empty() {
        let mut parser = Parser::new(Method::Other);
        match parser.step(&mut input) {
            Ok(Step::Whole(response)) => statuses.push(response.status),
            Ok(Step::NeedBytes) => match parser.at_end() {
                Ok(response) => statuses.push(response.status),
                Err(cut) => panic!("after {statuses:?}: {cut}"),
            },
            Err(why) => panic!("after {statuses:?}: {why}"),
        }
    }
    statuses
}

fn garbage_after_a_request(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send("GET /conformance/hello HTTP/1.1\r\nhost: a\r\n\r\nHELLO\r\n\r\n");
    assert_eq!(client.read_response().status, 200);
    assert_eq!(client.read_response().status, 400);
    client.expect_end();
}

fn http_1_0_has_no_body_until_close(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    // CVE-2026-2835: a request has no body that the connection's end delimits (RFC 9112 section 6.3).
    client.send(
        b"POST /conformance/read-all HTTP/1.0\r\nhost: a\r\n\r\nGET /smuggled HTTP/1.0\r\n\r\n",
    );
    let (received, _) = client.read_to_end();
    assert_eq!(statuses(&received), [200]);
    assert_eq!(
        server.ask("/conformance/report/calls/0"),
        "POST /conformance/read-all"
    );
}

fn cut_before_the_last_line_end(subject: &Subject) {
    let server = subject.start();
    // gunicorn#3382: what is cut after the last chunk's line is not complete.
    let whole = "POST /conformance/read-all HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let mut client = server.connect();
    client.send(whole);
    assert_eq!(client.read_response().text(), "hello");
    for body in ["5\r\nhello\r\n0\r\n", "5\r\nhello\r\n", "5\r\nhel", "5", ""] {
        let mut client = server.connect();
        client.send(format!(
            "POST /conformance/read-all HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{body}"
        ));
        client.half_close();
        let (received, _) = client.read_to_end();
        let statuses = statuses(&received);
        assert!(
            statuses.is_empty() || statuses == [400],
            "{body:?} is answered by {statuses:?}"
        );
    }
}

fn a_chunk_size_of_all_bits(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    // CVE-2013-2028: negative if it is signed. All that follows is the chunk's data, and there is too little of it.
    client.send(
        "POST /conformance/read-all HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n",
    );
    client.send("ffffffffffffffed\r\nabc\r\n0\r\n\r\n");
    client.send(SMUGGLED);
    client.half_close();
    let status = client.read_response().status;
    assert!([400, 413].contains(&status), "it is answered by {status}");
    client.expect_end();
    assert_eq!(
        server.ask("/conformance/report/calls/0"),
        "POST /conformance/read-all"
    );
}

fn a_chunk_over_the_limit(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send(
        "POST /conformance/read-all HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n",
    );
    // No server takes so much (CVE-2026-39803); whoever waits for all of it before it says so, waits for ever.
    client.send("5\r\nhello\r\n7fffffffffffffff\r\n");
    assert_eq!(client.read_response().status, 413);
    client.expect_gone();
}

fn endless_chunk_extensions(subject: &Subject) {
    let server = subject.start();
    let whole = "x".repeat(4 * 1024 * 1024);
    // CVE-2024-21647, CVE-2024-22019: one that never ends, and one for each byte.
    for chunks in [
        format!("1;{whole}"),
        format!("1;{}\r\nx\r\n", &whole[..8 * 1024]).repeat(512),
    ] {
        let mut client = server.connect();
        client.send(
            "POST /conformance/read-all HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n",
        );
        // The server may have answered and closed before it had everything.
        let _ = client.try_send(chunks);
        let status = client.read_response().status;
        assert!([400, 413].contains(&status), "it is answered by {status}");
        client.expect_gone();
    }
}

fn answers_before_a_bad_head(subject: &Subject) {
    let good = "GET /conformance/hello HTTP/1.1\r\nhost: a\r\n\r\n";
    let bad = "GET /conformance/hello HTTP/1.1\r\n\r\n";
    for wire in [
        format!("{good}{good}{bad}{good}"),
        format!(
            "POST /conformance/read-all HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\nx{good}{bad}{good}"
        ),
    ] {
        let server = subject.start();
        let mut client = server.connect();
        client.send(wire);
        for status in [200, 200, 400] {
            assert_eq!(client.read_response().status, status);
        }
        client.expect_gone();
        let calls = server.ask("/conformance/report/calls/0");
        assert_eq!(
            calls.lines().count(),
            2,
            "the application was called for {calls:?}"
        );
    }
}

fn a_large_body_that_nobody_reads(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    // CVE-2020-26281: the rest of a body longer than the server's buffer must not be a request.
    let smuggled = String::from_utf8_lossy(SMUGGLED).repeat(64 * 1024);
    let head = format!(
        "POST /conformance/early HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n",
        smuggled.len()
    );
    client.send(head);
    // The server may close after its answer (SRV-6).
    let _ = client.try_send(smuggled);
    let answer = client.read_response();
    assert_eq!(answer.status, 200);
    let calls = server.ask("/conformance/report/calls/0");
    assert_eq!(
        calls, "POST /conformance/early",
        "the application was called for what was a body"
    );
}
