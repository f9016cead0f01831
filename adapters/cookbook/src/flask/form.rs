//! Forms and queries: `application/x-www-form-urlencoded`, as browsers send it.

use percent_encoding::percent_decode_str;

use super::failure::Failure;

/// The fields of a form, in their order: Flask's `request.form` and `request.args`.
#[derive(Debug)]
pub(super) struct Form {
    fields: Vec<(String, String)>,
}

impl Form {
    pub(super) fn parse(form: &[u8]) -> Result<Self, Failure> {
        let form = str::from_utf8(form).map_err(|_| Failure::BadForm)?;
        let pairs = form.split('&').filter(|pair| !pair.is_empty());
        let fields = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decoded(name)?, decoded(value)?))
        });
        Ok(Self {
            fields: fields.collect::<Result<_, Failure>>()?,
        })
    }

    /// The first field of this name.
    pub(super) fn field(&self, name: &'static str) -> Result<&str, Failure> {
        let field = self.fields.iter().find(|(field, _)| field == name);
        let (_, value) = field.ok_or(Failure::Missing(name))?;
        Ok(value)
    }
}

fn decoded(text: &str) -> Result<String, Failure> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8();
    Ok(decoded.map_err(|_| Failure::BadForm)?.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_decoded_and_the_first_counts() {
        let form =
            Form::parse(b"name=J%C3%BCrgen+M.&&text=1%2B1%3D2&empty=&text=again&bare").unwrap();
        assert_eq!(form.field("name").unwrap(), "Jürgen M.");
        assert_eq!(form.field("text").unwrap(), "1+1=2");
        assert_eq!(form.field("empty").unwrap(), "");
        assert_eq!(form.field("bare").unwrap(), "");
        assert!(matches!(form.field("none"), Err(Failure::Missing("none"))));
    }

    #[test]
    fn what_is_no_text_is_refused() {
        for form in [&b"name=\xff"[..], b"name=%FF", b"%FF=x"] {
            assert!(matches!(Form::parse(form), Err(Failure::BadForm)));
        }
    }
}
