//! Header fields that keep what the wire said and cost what is asked of them (RFC 9110 section 5).
//!
//! One type, three forms. A *block* is a head's bytes and an index into them, filled by a server that parses its own wire.
//! A *map* is `http`'s, handed over as it is. A *list* is what an application answers with: the first two fields need no
//! allocation. No form is visible: every question has the same answer in all of them, except that a map groups fields
//! of one name.
//!
//! What a field means (lengths, codings, cookies) is not decided here.

mod block;
mod iter;
mod kept;
mod list;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, OnceLock};

use http::header::{AUTHORIZATION, AsHeaderName, COOKIE, PROXY_AUTHORIZATION, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};

pub use self::block::{BadBlock, Field};
pub use self::iter::{GetAll, Iter};
pub use self::kept::FieldBlock;

use self::block::Block;
use self::list::List;

/// The header fields of a request or of an answer, or the trailer fields of either (ASGI: `headers`; WSGI: the `HTTP_*`
/// keys of `environ`, and the second argument of `start_response`).
///
/// Order, duplicates and bytes are kept as they were received or appended, with one exception: a value made from a
/// [`HeaderMap`] lists fields of the same name together, in the place of the first, and no type that holds a map can do
/// otherwise. Names compare without regard to case. Values are bytes; [`get_str`](Self::get_str) gives them as text where
/// they are.
///
/// Looking up, iterating and, up to two fields, appending allocate nothing. [`as_map`](Self::as_map) makes a map on
/// first use, for libraries that want one.
///
/// # Examples
///
/// ```
/// use gateway_spec::Headers;
/// use http::header::{self, HeaderValue};
///
/// let mut headers = Headers::new();
/// headers.append(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
/// headers.append(header::VARY, HeaderValue::from_static("accept"));
/// headers.append(header::VARY, HeaderValue::from_static("origin"));
///
/// assert_eq!(headers.get("Content-Type"), Some(&b"text/plain"[..]));
/// assert_eq!(headers.get_str(header::VARY), Some("accept"));
/// assert_eq!(headers.get_all("vary").count(), 2);
/// assert!(!headers.contains("cookie"));
/// ```
#[derive(Default)]
pub struct Headers {
    form: Form,
    /// Made by `as_map` from a block or a list; every change of `form` empties it.
    map: OnceLock<Box<HeaderMap>>,
}

#[derive(Clone)]
enum Form {
    Block(Arc<Block>),
    Map(HeaderMap),
    List(List),
}

impl Headers {
    /// No fields, and no allocation.
    #[inline]
    pub const fn new() -> Self {
        Self {
            form: Form::List(List::new()),
            map: OnceLock::new(),
        }
    }

    /// One field, and no allocation.
    #[inline]
    pub(crate) const fn one(name: HeaderName, value: HeaderValue) -> Self {
        Self {
            form: Form::List(List::one(name, value)),
            map: OnceLock::new(),
        }
    }

    /// Takes a head's bytes and where its fields lie in them, for servers that parse the wire themselves.
    ///
    /// Bytes that no field names (line ends, colons, the request line) may be there and are ignored.
    ///
    /// # Errors
    ///
    /// [`BadBlock`] when a field lies outside of `bytes`, when a name is not a token (RFC 9110 section 5.6.2), or when a
    /// value holds a control byte other than a tab (section 5.5).
    ///
    /// # Examples
    ///
    /// ```
    /// use gateway_spec::{Field, Headers};
    ///
    /// let host = Field::new(0..4, 6..7).ok_or("too long")?;
    /// let headers = Headers::from_block(b"Host: a\r\n".to_vec(), vec![host])?;
    /// assert_eq!(headers.iter().next(), Some(("Host", &b"a"[..])));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_block(bytes: Vec<u8>, fields: Vec<Field>) -> Result<Self, BadBlock> {
        Ok(Form::Block(Arc::new(Block::new(bytes, fields)?)).into())
    }

    /// Replaces all fields by those of another head, reusing this value's memory, for servers that parse the wire
    /// themselves.
    ///
    /// `bytes` is copied; `fields` is exchanged for the index of the previous head, emptied. So a connection which parses
    /// one head after the other into the same `Headers`, with the same `fields`, allocates for the longest of them only, unless a clone
    /// of them lives. The same bytes with the same index leave all as it is, with the map that was made of them.
    ///
    /// The caller vouches for what [`from_block`](Self::from_block) checks. A caller who is wrong makes wrong fields (one
    /// that lies outside of `bytes` has an empty name and value, one that is no valid field is missing in
    /// [`as_map`](Self::as_map)), and nothing worse.
    ///
    /// # Examples
    ///
    /// ```
    /// use gateway_spec::{Field, Headers};
    ///
    /// let mut headers = Headers::new();
    /// let mut fields = Vec::new();
    /// fields.extend(Field::new(0..4, 6..7));
    /// headers.refill_validated(b"Host: a\r\n", &mut fields);
    /// assert_eq!(headers.get("host"), Some(&b"a"[..]));
    /// assert!(fields.is_empty());
    /// ```
    pub fn refill_validated(&mut self, bytes: &[u8], fields: &mut Vec<Field>) {
        if let Form::Block(block) = &mut self.form {
            if block.is(bytes, fields) {
                return fields.clear();
            }
            if let Some(block) = Arc::get_mut(block) {
                self.map.take();
                return block.refill_validated(bytes, fields);
            }
        }
        let mut block = Block::default();
        block.refill_validated(bytes, fields);
        *self = Form::Block(Arc::new(block)).into();
    }

    /// Replaces all fields by those of a head that a server keeps, and shares its memory. Where they are that head's already, nothing is done, and
    /// the map that [`as_map`](Self::as_map) has made stays.
    ///
    /// # Examples
    ///
    /// ```
    /// use gateway_spec::{Field, FieldBlock, Headers};
    ///
    /// let mut block = FieldBlock::new();
    /// block.refill_validated(b"Host: a\r\n", &mut Vec::from_iter(Field::new(0..4, 6..7)));
    /// let mut headers = Headers::new();
    /// headers.set_block(&block);
    /// assert_eq!(headers.get("host"), Some(&b"a"[..]));
    /// ```
    #[inline]
    pub fn set_block(&mut self, block: &FieldBlock) {
        match (&self.form, block.shared()) {
            (Form::Block(mine), Some(block)) if Arc::ptr_eq(mine, block) => {}
            (_, Some(block)) => {
                // In place: a copy of all that `Self` has room for costs more than what there is to be copied.
                self.map.take();
                let before = std::mem::replace(&mut self.form, Form::Block(Arc::clone(block)));
                match before {
                    // As of `is_blank`: a drop would look into each place.
                    Form::List(List::Short([None, None])) => std::mem::forget(before),
                    before => drop(before),
                }
            }
            (_, None) => *self = Self::new(),
        }
    }

    /// Whether there is neither a field nor memory for any: nothing that a drop would have to look for.
    ///
    /// # Examples
    ///
    /// ```
    /// use gateway_spec::Headers;
    /// use http::{HeaderMap, HeaderValue, header};
    ///
    /// let mut headers = Headers::new();
    /// assert!(headers.is_blank());
    /// headers.append(header::VARY, HeaderValue::from_static("*"));
    /// assert!(!headers.is_blank());
    /// headers.move_into(&mut HeaderMap::new());
    /// assert!(headers.is_blank());
    /// assert!(!Headers::from(HeaderMap::new()).is_blank());
    /// ```
    #[must_use]
    #[inline]
    pub fn is_blank(&self) -> bool {
        matches!(self.form, Form::List(List::Short([None, None]))) && self.map.get().is_none()
    }

    /// Whether these are the fields of this block, and not only equal ones: as after [`set_block`](Self::set_block).
    ///
    /// # Examples
    ///
    /// ```
    /// use gateway_spec::{Field, FieldBlock, Headers};
    ///
    /// let mut block = FieldBlock::new();
    /// block.refill_validated(b"Host: a\r\n", &mut Vec::from_iter(Field::new(0..4, 6..7)));
    /// let mut headers = Headers::new();
    /// assert!(!headers.is_block(&block));
    /// headers.set_block(&block);
    /// assert!(headers.is_block(&block));
    /// ```
    #[must_use]
    #[inline]
    pub fn is_block(&self, block: &FieldBlock) -> bool {
        match (&self.form, block.shared()) {
            (Form::Block(mine), Some(block)) => Arc::ptr_eq(mine, block),
            _ => false,
        }
    }

    /// The first value of `name`.
    pub fn get(&self, name: impl HeaderKey) -> Option<&[u8]> {
        match &self.form {
            Form::Block(block) => block.value(block.find(name.text())?),
            Form::Map(map) => Some(map.get(name)?.as_bytes()),
            Form::List(list) => Some(list.value(list.find(name.text())?)?.as_bytes()),
        }
    }

    /// The first value of `name`, if it is UTF-8.
    pub fn get_str(&self, name: impl HeaderKey) -> Option<&str> {
        str::from_utf8(self.get(name)?).ok()
    }

    /// All values of `name`, in order.
    pub fn get_all(&self, name: impl HeaderKey) -> GetAll<'_> {
        match &self.form {
            Form::Block(block) => GetAll::block(block, name.text()),
            Form::Map(map) => GetAll::map(map.get_all(name).iter()),
            Form::List(list) => GetAll::list(list, &name),
        }
    }

    /// Whether there is a field of this name.
    #[inline]
    pub fn contains(&self, name: impl HeaderKey) -> bool {
        match &self.form {
            // What an application answers with, of which a server asks this for each answer.
            Form::List(list) => list.find_key(&name).is_some(),
            Form::Block(_) | Form::Map(_) => self.contains_many(name),
        }
    }

    #[inline(never)]
    fn contains_many(&self, name: impl HeaderKey) -> bool {
        match &self.form {
            Form::Block(block) => block.find(name.text()).is_some(),
            Form::Map(map) => map.contains_key(name),
            Form::List(list) => list.find_key(&name).is_some(),
        }
    }

    /// The only field, of an answer that has no more: for servers, whose answers mostly have a content type alone. `None` also where it would have to
    /// be looked for.
    ///
    /// # Examples
    ///
    /// ```
    /// use gateway_spec::Headers;
    /// use http::header::{HeaderValue, VARY};
    ///
    /// let mut headers = Headers::new();
    /// headers.append(VARY, HeaderValue::from_static("accept"));
    /// assert_eq!(headers.only(), Some((&VARY, &HeaderValue::from_static("accept"))));
    /// headers.append(VARY, HeaderValue::from_static("origin"));
    /// assert_eq!(headers.only(), None);
    /// ```
    #[inline]
    pub const fn only(&self) -> Option<(&HeaderName, &HeaderValue)> {
        match &self.form {
            Form::List(list) => list.only(),
            Form::Block(_) | Form::Map(_) => None,
        }
    }

    /// Whether `token` stands in the comma-separated list that the values of `name` make together, in any case (RFC 9110
    /// section 5.6.1). For fields whose members are plain tokens, such as `Connection`.
    ///
    /// # Examples
    ///
    /// ```
    /// use gateway_spec::Headers;
    /// use http::header::{self, HeaderValue};
    ///
    /// let mut headers = Headers::new();
    /// headers.append(header::CONNECTION, HeaderValue::from_static("keep-alive, Upgrade"));
    /// assert!(headers.contains_token("connection", "upgrade"));
    /// ```
    pub fn contains_token(&self, name: impl HeaderKey, token: &str) -> bool {
        self.get_all(name)
            .flat_map(|value| value.split(|&byte| byte == b','))
            .any(|member| member.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    }

    /// How many fields there are; fields of the same name count each.
    pub fn len(&self) -> usize {
        match &self.form {
            Form::Block(block) => block.len(),
            Form::Map(map) => map.len(),
            Form::List(list) => list.len(),
        }
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All fields: in wire order, the names spelt as they were received, where a server parsed the wire itself; in the
    /// order of appending, the names in lower case, for what an application made; grouped by name for what was a
    /// [`HeaderMap`].
    ///
    /// # Examples
    ///
    /// ```
    /// use gateway_spec::Headers;
    ///
    /// let headers = Headers::new();
    /// for (name, value) in &headers {
    ///     println!("{name}: {}", value.escape_ascii());
    /// }
    /// ```
    pub fn iter(&self) -> Iter<'_> {
        match &self.form {
            Form::Block(block) => Iter::block(block),
            Form::Map(map) => Iter::map(map.iter()),
            Form::List(list) => Iter::list(list),
        }
    }

    /// Adds a field behind all others and keeps those of the same name.
    ///
    /// # Panics
    ///
    /// When the value was made from a [`HeaderMap`] that is full (32,768 fields).
    #[inline]
    pub fn append(&mut self, name: HeaderName, value: HeaderValue) {
        match self.changing() {
            Changing::Map(map) => {
                map.append(name, value);
            }
            Changing::List(list) => list.append(name, value),
        }
    }

    /// Makes `value` the only one of `name`, in the place of the first there was.
    ///
    /// # Panics
    ///
    /// When the value was made from a [`HeaderMap`] that is full (32,768 fields).
    pub fn insert(&mut self, name: HeaderName, value: HeaderValue) {
        match self.changing() {
            Changing::Map(map) => {
                map.insert(name, value);
            }
            Changing::List(list) => list.insert(name, value),
        }
    }

    /// Removes all fields of `name`, and says how many there were.
    pub fn remove(&mut self, name: impl HeaderKey) -> usize {
        match self.changing() {
            Changing::Map(map) => {
                let before = map.len();
                map.remove(name);
                before - map.len()
            }
            Changing::List(list) => list.remove(name.text()),
        }
    }

    /// The same fields as `http`'s map, for libraries that want one.
    ///
    /// Made on first use and kept until the next change. Of a block, the bytes are copied once and the values are slices
    /// of that copy. A map holds 24,576 fields at the least; what it cannot hold is left out.
    ///
    /// # Examples
    ///
    /// ```
    /// use gateway_spec::Headers;
    /// use http::header::{self, HeaderValue};
    ///
    /// let headers: Headers = [(header::ACCEPT, HeaderValue::from_static("*/*"))].into_iter().collect();
    /// assert_eq!(headers.as_map()[header::ACCEPT], "*/*");
    /// ```
    pub fn as_map(&self) -> &HeaderMap {
        match &self.form {
            Form::Map(map) => map,
            Form::Block(block) => self.map.get_or_init(|| Box::new(block.to_map())),
            Form::List(list) => self.map.get_or_init(|| Box::new(list.to_map())),
        }
    }

    /// The same fields as a map of the caller's own, where another handle keeps these: the bytes of a block are copied
    /// once, and nothing is kept here as [`as_map`](Self::as_map) does. Where the fields of one head after the other are the same block,
    /// as those of most clients are, the map is made twice and copied from then on.
    ///
    /// # Examples
    ///
    /// ```
    /// use gateway_spec::HttpScope;
    /// use http::Request;
    ///
    /// /// A scope is shared with the server, so its fields cannot be taken out of it.
    /// fn request(scope: &HttpScope) -> Request<()> {
    ///     let mut request = Request::new(());
    ///     *request.headers_mut() = scope.headers.to_map();
    ///     request
    /// }
    /// # let _ = request;
    /// ```
    pub fn to_map(&self) -> HeaderMap {
        if let Some(map) = self.map.get() {
            return (**map).clone();
        }
        match &self.form {
            Form::Block(block) => block.to_map(),
            Form::Map(map) => map.clone(),
            Form::List(list) => list.to_map(),
        }
    }

    /// The same fields as `http`'s map.
    pub fn into_map(mut self) -> HeaderMap {
        let mut map = HeaderMap::new();
        self.move_into(&mut map);
        map
    }

    /// Moves all fields into a map, whose memory is used again and whose own fields are dropped. For servers that need a map for each
    /// answer and get one with each request.
    ///
    /// # Examples
    ///
    /// ```
    /// use gateway_spec::Headers;
    /// use http::HeaderMap;
    /// use http::header::{self, HeaderValue};
    ///
    /// let mut map: HeaderMap = [(header::HOST, HeaderValue::from_static("a"))].into_iter().collect();
    /// let mut answer: Headers = [(header::VARY, HeaderValue::from_static("*"))].into_iter().collect();
    /// answer.move_into(&mut map);
    /// assert!(answer.is_empty());
    /// assert_eq!((map.len(), &map[header::VARY]), (1, &HeaderValue::from_static("*")));
    /// ```
    pub fn move_into(&mut self, map: &mut HeaderMap) {
        if let Some(made) = self.map.take() {
            *map = *made;
            self.form = Form::default();
            return;
        }
        match &mut self.form {
            Form::Block(block) => *map = std::mem::take(block).to_map(),
            Form::Map(own) => *map = std::mem::take(own),
            Form::List(list) => {
                if !map.is_empty() {
                    map.clear();
                }
                list.move_into(map);
            }
        }
    }

    /// The map itself, of fields that were made from one: for servers that get a map with each request and want its memory back.
    ///
    /// # Examples
    ///
    /// ```
    /// use gateway_spec::Headers;
    /// use http::HeaderMap;
    ///
    /// assert!(Headers::from(HeaderMap::new()).as_map_mut().is_some());
    /// assert!(Headers::new().as_map_mut().is_none());
    /// ```
    #[inline]
    pub const fn as_map_mut(&mut self) -> Option<&mut HeaderMap> {
        match &mut self.form {
            Form::Map(map) => Some(map),
            Form::Block(_) | Form::List(_) => None,
        }
    }

    /// The form that can be changed in place: a block becomes a list first.
    fn changing(&mut self) -> Changing<'_> {
        self.map.take();
        if let Form::Block(block) = &mut self.form {
            self.form = Form::List(block.to_list());
        }
        match &mut self.form {
            Form::Map(map) => Changing::Map(map),
            Form::List(list) => Changing::List(list),
            Form::Block(_) => unreachable!("a block was made a list above"),
        }
    }
}

enum Changing<'a> {
    Map(&'a mut HeaderMap),
    List(&'a mut List),
}

impl Default for Form {
    fn default() -> Self {
        Self::List(List::new())
    }
}

impl From<Form> for Headers {
    fn from(form: Form) -> Self {
        Self {
            form,
            map: OnceLock::new(),
        }
    }
}

impl Clone for Headers {
    /// Copies the fields, and not the map that [`as_map`](Self::as_map) may have made of them. Those that a server parsed are shared.
    fn clone(&self) -> Self {
        self.form.clone().into()
    }

    /// Does nothing where both are one block already; the map that [`as_map`](Self::as_map) has made stays then.
    #[inline]
    fn clone_from(&mut self, source: &Self) {
        match (&self.form, &source.form) {
            (Form::Block(mine), Form::Block(block)) if Arc::ptr_eq(mine, block) => {}
            (_, Form::Block(block)) => {
                // In place, as `set_block` does.
                self.map.take();
                self.form = Form::Block(Arc::clone(block));
            }
            _ => *self = source.clone(),
        }
    }
}

impl fmt::Debug for Headers {
    /// Prints names and values, with `…` for the values of credentials and cookies and for those marked as sensitive.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (name, value) in self {
            if is_secret(name) || self.is_marked_sensitive(name) {
                map.entry(&format_args!("{name}"), &format_args!("…"));
            } else {
                map.entry(
                    &format_args!("{name}"),
                    &format_args!("{}", value.escape_ascii()),
                );
            }
        }
        map.finish()
    }
}

impl Headers {
    fn is_marked_sensitive(&self, name: &str) -> bool {
        match &self.form {
            Form::Block(_) => false,
            Form::Map(map) => map.get_all(name).iter().any(HeaderValue::is_sensitive),
            Form::List(list) => list.is_marked_sensitive(name),
        }
    }
}

fn is_secret(name: &str) -> bool {
    [AUTHORIZATION, COOKIE, SET_COOKIE, PROXY_AUTHORIZATION]
        .iter()
        .any(|secret| name.eq_ignore_ascii_case(secret.as_str()))
}

impl From<HeaderMap> for Headers {
    fn from(map: HeaderMap) -> Self {
        Form::Map(map).into()
    }
}

impl From<Headers> for HeaderMap {
    fn from(headers: Headers) -> Self {
        headers.into_map()
    }
}

impl FromIterator<(HeaderName, HeaderValue)> for Headers {
    fn from_iter<I: IntoIterator<Item = (HeaderName, HeaderValue)>>(fields: I) -> Self {
        let mut headers = Self::new();
        headers.extend(fields);
        headers
    }
}

impl Extend<(HeaderName, HeaderValue)> for Headers {
    fn extend<I: IntoIterator<Item = (HeaderName, HeaderValue)>>(&mut self, fields: I) {
        for (name, value) in fields {
            self.append(name, value);
        }
    }
}

impl<'a> IntoIterator for &'a Headers {
    type Item = (&'a str, &'a [u8]);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// What names a field: a `&str` in any case, a [`HeaderName`] or a reference to one. No other type can be.
///
/// # Examples
///
/// ```
/// use gateway_spec::{HeaderKey, Headers};
/// use http::header::{ACCEPT, HeaderValue};
///
/// fn first<'a>(headers: &'a Headers, name: impl HeaderKey) -> &'a [u8] {
///     headers.get(name).unwrap_or_default()
/// }
/// let headers: Headers = [(ACCEPT, HeaderValue::from_static("*/*"))].into_iter().collect();
/// assert_eq!(first(&headers, "Accept"), b"*/*");
/// assert_eq!(first(&headers, ACCEPT), b"*/*");
/// ```
pub trait HeaderKey: AsHeaderName + sealed::Sealed {}

impl HeaderKey for &str {}
impl HeaderKey for HeaderName {}
impl HeaderKey for &HeaderName {}

mod sealed {
    #[expect(
        unnameable_types,
        reason = "what seals HeaderKey is to have no name outside"
    )]
    pub trait Sealed {
        /// The name as text.
        fn text(&self) -> &str;

        /// Whether it is this name.
        fn is(&self, name: &http::HeaderName) -> bool;
    }

    impl Sealed for &str {
        fn text(&self) -> &str {
            self
        }

        fn is(&self, name: &http::HeaderName) -> bool {
            super::same_name(self.as_bytes(), name.as_str().as_bytes())
        }
    }

    impl Sealed for http::HeaderName {
        fn text(&self) -> &str {
            self.as_str()
        }

        #[inline]
        fn is(&self, name: &http::HeaderName) -> bool {
            self == name
        }
    }

    impl Sealed for &http::HeaderName {
        fn text(&self) -> &str {
            self.as_str()
        }

        #[inline]
        fn is(&self, name: &http::HeaderName) -> bool {
            *self == name
        }
    }
}

/// Whether two names are the same field. Most differ in length, and most of the others in the first byte.
fn same_name(a: &[u8], b: &[u8]) -> bool {
    match (a, b) {
        ([first_of_a, ..], [first_of_b, ..]) => {
            a.len() == b.len()
                && (first_of_a ^ first_of_b) & !0x20 == 0
                && a.eq_ignore_ascii_case(b)
        }
        _ => a.is_empty() && b.is_empty(),
    }
}
