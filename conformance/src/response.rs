//! Reads a response by hand, strictly: what a lenient client would forgive is a failure here.
//!
//! Bytes in, a [`Response`] out; no I/O.

use std::fmt;

/// What a response depends on of its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Its response has no body, whatever its fields say.
    Head,
    /// All others.
    Other,
}

/// How the end of a body was told (RFC 9112 section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is none by the rules: HEAD, 1xx, 204, 304.
    NoBody,
    /// By `content-length`.
    Length(usize),
    /// By chunks.
    Chunked,
    /// By the end of the connection.
    UntilClose,
}

/// A response as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Response {
    /// `HTTP/1.1` or what else it said.
    pub version: String,
    /// The status code.
    pub status: u16,
    /// The fields in the order of the wire, names in the case of the wire.
    pub fields: Vec<(String, String)>,
    /// How the end of the body was told.
    pub framing: Framing,
    /// The body without its chunks.
    pub body: Vec<u8>,
    /// The trailers.
    pub trailers: Vec<(String, String)>,
}

impl Response {
    /// The value of a field that comes at most once; names are compared without case.
    ///
    /// # Panics
    ///
    /// If it comes more often.
    #[track_caller]
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        let values = self.all(name);
        assert!(values.len() < 2, "the field {name} is repeated: {values:?}");
        values.first().copied()
    }

    /// The values of all fields of a name, in their order.
    #[must_use]
    pub fn all(&self, name: &str) -> Vec<&str> {
        let of_name = self
            .fields
            .iter()
            .filter(|(field, _)| field.eq_ignore_ascii_case(name));
        of_name.map(|(_, value)| value.as_str()).collect()
    }

    /// The body as text.
    ///
    /// # Panics
    ///
    /// If it is none.
    #[track_caller]
    #[must_use]
    pub fn text(&self) -> &str {
        str::from_utf8(&self.body).expect("the peer's bodies are text")
    }

    /// Whether the server says that it closes after this response.
    #[must_use]
    pub fn closes(&self) -> bool {
        self.all("connection")
            .iter()
            .any(|value| value.eq_ignore_ascii_case("close"))
    }
}

/// A response that is not whole.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cut {
    /// What there was of it: nothing before its head was complete.
    pub response: Option<Box<Response>>,
    /// Why it is not whole.
    pub why: String,
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.response {
            Some(response) => write!(
                f,
                "after the head ({}) and {} bytes of the body: {}",
                response.status,
                response.body.len(),
                self.why
            ),
            None => write!(f, "before its head was complete: {}", self.why),
        }
    }
}

/// What a [`Parser`] says to the bytes that it was given.
#[derive(Debug)]
pub(crate) enum Step {
    NeedBytes,
    Whole(Response),
}

/// Takes one response off the front of what came.
#[derive(Debug)]
pub(crate) struct Parser {
    method: Method,
    /// There once the head is complete.
    response: Option<Response>,
    /// A chunked body's last chunk was seen.
    in_trailers: bool,
}

impl Parser {
    pub(crate) const fn new(method: Method) -> Self {
        Self {
            method,
            response: None,
            in_trailers: false,
        }
    }

    /// Goes on with the bytes at the front of `input`, and takes away those that it used.
    pub(crate) fn step(&mut self, input: &mut Vec<u8>) -> Result<Step, String> {
        if self.response.is_none() {
            let Some(end) = find(input, b"\r\n\r\n") else {
                return Ok(Step::NeedBytes);
            };
            let head: Vec<u8> = input.drain(..end + 4).collect();
            self.response = Some(parse_head(&head[..end], self.method)?);
        }
        loop {
            let Some(response) = &mut self.response else {
                return Ok(Step::NeedBytes);
            };
            let whole = match response.framing {
                Framing::NoBody => true,
                Framing::Length(length) => {
                    let wanted = (length - response.body.len()).min(input.len());
                    response.body.extend(input.drain(..wanted));
                    response.body.len() == length
                }
                Framing::UntilClose => {
                    response.body.append(input);
                    false
                }
                Framing::Chunked if self.in_trailers => {
                    let Some(trailers) = take_trailers(input)? else {
                        return Ok(Step::NeedBytes);
                    };
                    response.trailers = trailers;
                    true
                }
                Framing::Chunked => match take_chunk(input)? {
                    None => false,
                    Some(data) => {
                        self.in_trailers = data.is_empty();
                        response.body.extend(data);
                        continue;
                    }
                },
            };
            return Ok(match self.response.take_if(|_| whole) {
                Some(response) => Step::Whole(response),
                None => Step::NeedBytes,
            });
        }
    }

    /// What there is when the server has closed in order.
    pub(crate) fn at_end(mut self) -> Result<Response, Cut> {
        match self.response.take() {
            Some(response) if response.framing == Framing::UntilClose => Ok(response),
            response => Err(Cut {
                response: response.map(Box::new),
                why: "the server closed the connection".into(),
            }),
        }
    }

    pub(crate) fn cut(self, why: String) -> Cut {
        Cut {
            response: self.response.map(Box::new),
            why,
        }
    }
}

fn parse_head(head: &[u8], method: Method) -> Result<Response, String> {
    let mut lines = lines(head)?.into_iter();
    let status_line = lines.next().unwrap_or_default();
    let bad = || format!("the status line is malformed: {status_line:?}");
    let (version, rest) = status_line.split_once(' ').ok_or_else(bad)?;
    let (status, _reason) = rest.split_once(' ').ok_or_else(bad)?;
    if status.len() != 3 || !version.starts_with("HTTP/1.") {
        return Err(bad());
    }
    let status: u16 = status.parse().map_err(|_| bad())?;
    let fields = lines
        .map(|line| parse_field(&line))
        .collect::<Result<Vec<_>, _>>()?;
    let mut response = Response {
        version: version.to_owned(),
        status,
        fields,
        framing: Framing::NoBody,
        body: Vec::new(),
        trailers: Vec::new(),
    };
    response.framing = framing(&response, method)?;
    Ok(response)
}

fn framing(response: &Response, method: Method) -> Result<Framing, String> {
    let codings = response.all("transfer-encoding");
    let lengths = response.all("content-length");
    let no_body = matches!(response.status, 100..200 | 204 | 304);
    match (codings[..].as_ref(), &lengths[..]) {
        (_, [_, _, ..]) => Err(format!("several lengths: {lengths:?}")),
        ([_, ..], [_]) => Err("a length and a transfer coding".into()),
        ([_, ..], _) | (_, [_]) if matches!(response.status, 100..200 | 204) => Err(format!(
            "{} must have neither length nor coding (RFC 9110 section 8.6)",
            response.status
        )),
        _ if no_body || method == Method::Head => Ok(Framing::NoBody),
        (["chunked"], []) => Ok(Framing::Chunked),
        ([], [length]) if length.bytes().all(|byte| byte.is_ascii_digit()) => {
            let length = length.parse().map_err(|_| format!("no length: {length}"))?;
            Ok(Framing::Length(length))
        }
        ([], []) => Ok(Framing::UntilClose),
        _ => Err(format!(
            "no framing: coding {codings:?}, length {lengths:?}"
        )),
    }
}

/// The data of one chunk; empty for the last. `None` until all of it is there.
fn take_chunk(input: &mut Vec<u8>) -> Result<Option<Vec<u8>>, String> {
    let Some(line) = find(input, b"\r\n") else {
        return Ok(None);
    };
    let size = String::from_utf8_lossy(&input[..line]).into_owned();
    let length =
        usize::from_str_radix(&size, 16).map_err(|_| format!("no size of a chunk: {size:?}"))?;
    if length == 0 {
        input.drain(..line + 2);
        return Ok(Some(Vec::new()));
    }
    let end = line + 2 + length;
    match input.get(end..end + 2) {
        None => Ok(None),
        Some(b"\r\n") => {
            let data = input[line + 2..end].to_vec();
            input.drain(..end + 2);
            Ok(Some(data))
        }
        Some(other) => Err(format!("a chunk ends with {}", other.escape_ascii())),
    }
}

type Fields = Vec<(String, String)>;

fn take_trailers(input: &mut Vec<u8>) -> Result<Option<Fields>, String> {
    if input.starts_with(b"\r\n") {
        input.drain(..2);
        return Ok(Some(Vec::new()));
    }
    let Some(end) = find(input, b"\r\n\r\n") else {
        return Ok(None);
    };
    let block: Vec<u8> = input.drain(..end + 4).collect();
    let fields = lines(&block[..end])?
        .into_iter()
        .map(|line| parse_field(&line));
    fields.collect::<Result<_, _>>().map(Some)
}

fn lines(block: &[u8]) -> Result<Vec<String>, String> {
    let text = str::from_utf8(block).map_err(|_| format!("not text: {}", block.escape_ascii()))?;
    let lines: Vec<String> = text.split("\r\n").map(str::to_owned).collect();
    match lines.iter().find(|line| line.contains(['\r', '\n', '\0'])) {
        Some(line) => Err(format!("a bare line end or a zero byte in {line:?}")),
        None => Ok(lines),
    }
}

fn parse_field(line: &str) -> Result<(String, String), String> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    match line.split_once(':') {
        Some((name, value)) if !name.is_empty() && name.bytes().all(token) => {
            Ok((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()))
        }
        _ => Err(format!("the field line is malformed: {line:?}")),
    }
}

fn find(input: &[u8], what: &[u8]) -> Option<usize> {
    input.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parses whole and byte by byte, and sees that both give the same.
    #[track_caller]
    fn parse(wire: &str) -> Result<(u16, String, Framing), String> {
        let summary = |step: Result<Step, String>| match step? {
            Step::Whole(r) => Ok((r.status, r.text().to_owned(), r.framing)),
            Step::NeedBytes => Err("not whole".to_owned()),
        };
        let whole = summary(Parser::new(Method::Other).step(&mut wire.into()));
        let (mut parser, mut input) = (Parser::new(Method::Other), Vec::new());
        let mut steps = wire.bytes().map(|byte| {
            input.push(byte);
            parser.step(&mut input)
        });
        let last = steps.find(|step| !matches!(step, Ok(Step::NeedBytes)));
        assert_eq!(
            summary(last.unwrap_or(Ok(Step::NeedBytes))),
            whole,
            "byte by byte"
        );
        whole
    }

    #[test]
    fn bodies_are_framed_by_the_rules() {
        for (wire, status, body, framing) in [
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
                200,
                "hi",
                Framing::Length(2),
            ),
            ("HTTP/1.1 204 No Content\r\n\r\n", 204, "", Framing::NoBody),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n1\r\n!\r\n0\r\na: b\r\n\r\n",
                200,
                "hi!",
                Framing::Chunked,
            ),
        ] {
            assert_eq!(parse(wire), Ok((status, body.to_owned(), framing)));
        }
    }

    #[test]
    fn what_a_lenient_client_forgives_is_an_error() {
        for (wire, why) in [
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\n",
                "several lengths",
            ),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
                "a length and a transfer",
            ),
            (
                "HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n",
                "must have neither",
            ),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: +1\r\n\r\n",
                "no framing",
            ),
            (
                "HTTP/1.1 200 OK\r\na : b\r\n\r\n",
                "the field line is malformed",
            ),
            ("HTTP/1.1 200 OK\r\na: b\n\r\n\r\n", "a bare line end"),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nabc",
                "a chunk ends with",
            ),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhi",
                "not whole",
            ),
        ] {
            let error = parse(wire).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
