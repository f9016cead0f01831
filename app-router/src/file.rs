//! A file as a reply.

use std::fs::File;
use std::io;
use std::sync::Arc;

use gateway_spec::{AppError, FileRegion, ResponseHead};
use http::header::{
    CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, InvalidHeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::operation::reason;
use crate::{IntoReply, Operation, Reply};

/// An open file as a reply, read by the server as the client takes it. Starlette: `FileResponse`.
///
/// Opening a file blocks, so a handler that does is a plain `fn`. A whole directory, with ranges, validators and
/// content types by name, is `Files` of the `adapters` package, which is mounted.
///
/// # Examples
///
/// ```
/// use std::{fs, io};
/// use app_router::FileReply;
///
/// fn report() -> io::Result<FileReply> {
///     let file = fs::File::open("report.pdf")?;
///     Ok(FileReply::new(file, "application/pdf")?.as_attachment("Report 2026.pdf"))
/// }
/// # let _ = app_router::Router::new().get("/report", report);
/// ```
#[derive(Debug)]
pub struct FileReply {
    file: Arc<File>,
    length: u64,
    content_type: &'static str,
    name: Option<String>,
}

/// What may stand in the name of a file as it is (RFC 8187 section 3.2.1).
const NAME: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

impl FileReply {
    /// The whole of a file, as long as it is now.
    ///
    /// # Errors
    ///
    /// If it cannot be asked for its length, or is a directory.
    pub fn new(file: File, content_type: &'static str) -> io::Result<Self> {
        let about = file.metadata()?;
        if about.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        Ok(Self {
            file: Arc::new(file),
            length: about.len(),
            content_type,
            name: None,
        })
    }

    /// Has browsers save it under this name, which may be any text, instead of showing it.
    #[must_use]
    pub fn as_attachment(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }
}

/// The field that gives a file its name (RFC 6266): as far as it is ASCII for clients that know no more, such as `curl -OJ`, and
/// whole where it is not (section 4.3).
fn attachment(name: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    // What would end the name, or begin another folder, and `%`, which some decode (appendix D).
    let is_plain =
        |c: char| (c == ' ' || c.is_ascii_graphic()) && !matches!(c, '"' | '\\' | '/' | '%');
    let plain: String = name
        .chars()
        .map(|c| if is_plain(c) { c } else { '_' })
        .collect();
    let mut value = format!("attachment; filename=\"{plain}\"");
    if plain != name {
        let whole = utf8_percent_encode(name, NAME);
        value += &format!("; filename*=UTF-8''{whole}");
    }
    HeaderValue::try_from(value)
}

impl IntoReply for FileReply {
    fn into_reply(self) -> Result<Reply, AppError> {
        let Self {
            file,
            length,
            content_type,
            name,
        } = self;
        let mut head = ResponseHead::new(StatusCode::OK)
            .with_header(CONTENT_TYPE, HeaderValue::try_from(content_type)?)
            .with_header(CONTENT_LENGTH, length.into())
            .with_header(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Some(name) = name {
            head = head.with_header(CONTENT_DISPOSITION, attachment(&name)?);
        }
        let region = FileRegion {
            file,
            offset: 0,
            length,
        };
        Ok(Reply::stream(head, async move |mut writer, _drain| {
            writer.write_file(region).await?;
            writer.finish().await
        }))
    }

    fn describe(operation: &mut Operation) {
        operation.response_of_bytes(
            StatusCode::OK,
            "application/octet-stream",
            reason(StatusCode::OK),
        );
    }
}
