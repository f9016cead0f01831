//! What is sold: what is checked of it, how it is kept and found.

mod handlers;

use std::fmt;

use app_router::{Depends, FromState, Issue, Part, Path, Rejection};
use gateway_spec::AppError;
use http::StatusCode;
use rusqlite::{Connection, OptionalExtension, Row};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use self::handlers::{
    check_and_create, check_and_update, create, delete, erase, list, show, update,
};
use crate::change;
use crate::{Account, Database};

/// How many items a page has.
pub(crate) const PAGE: u32 = 12;

/// What an item is said to be, before it is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Draft {
    /// A line that says what it is.
    #[schemars(length(min = 1, max = 80))]
    pub title: String,
    /// What else there is to say.
    #[serde(default)]
    #[schemars(length(max = 2000))]
    pub description: String,
    /// In whole euros; 0 is a gift.
    #[schemars(range(max = 1_000_000))]
    pub price: u32,
    /// What it belongs to.
    #[serde(default)]
    #[schemars(length(max = 3))]
    pub tags: Vec<Tag>,
}

/// What an item belongs to.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Tag {
    /// Books and magazines.
    Books,
    /// What is worn.
    Clothes,
    /// What is used in a garden, or grows there.
    Garden,
    /// Furniture, lamps, what hangs on walls.
    Home,
    /// What is used to cook and to eat.
    Kitchen,
    /// Instruments and records.
    Music,
    /// What one mends things with.
    Tools,
    /// What one plays with.
    Toys,
}

/// Something for sale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Item {
    /// Its number.
    pub id: u32,
    /// A line that says what it is.
    pub title: String,
    /// What else there is to say.
    pub description: String,
    /// In whole euros; 0 is a gift.
    pub price: u32,
    /// What it belongs to, in the order of the alphabet.
    pub tags: Vec<Tag>,
    /// The name of whose it is.
    pub owner: String,
    /// Where its picture is; another picture has another address.
    pub picture: Option<String>,
    /// How often it was looked at.
    pub views: u32,
    /// When it was put up, in UTC (RFC 3339).
    pub created: String,
}

/// An item of the one who asks: provided for the path's `{id}`, and refused to everybody else.
#[derive(Debug, Clone)]
pub struct Mine(pub Item);

/// What is looked for.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct Search {
    /// Words of the title or the description.
    #[serde(default)]
    #[schemars(length(max = 80))]
    pub q: String,
    /// What it has to belong to; all of them, if several are given.
    #[serde(default)]
    #[schemars(length(max = 8))]
    pub tag: Vec<Tag>,
    /// Which page, from 1 on.
    #[schemars(range(min = 1, max = 100_000))]
    pub page: Option<u32>,
}

/// A part of what was found.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Page {
    /// The newest first.
    pub items: Vec<Item>,
    /// Which page this is.
    pub page: u32,
    /// How many there are; at least one.
    pub pages: u32,
    /// How many items were found in all.
    pub total: u32,
    /// The number of the last change that is seen here: where events go on from.
    pub last_change: u64,
}

/// Provides the item of the path's `{id}`.
pub(crate) fn item(
    Path(id): Path<u32>,
    FromState(database): FromState<Database>,
) -> Result<Depends<Item>, AppError> {
    match database.read(|connection| find(connection, id))? {
        Some(item) => Ok(Depends::new(item)),
        None => Err(missing().into()),
    }
}

/// Provides it to its owner.
pub(crate) async fn mine(
    item: Depends<Item>,
    account: Depends<Account>,
) -> Result<Depends<Mine>, Rejection> {
    if item.owner != account.name {
        let detail = "only its owner may change it";
        return Err(Rejection::new(StatusCode::FORBIDDEN, detail));
    }
    Ok(Depends::new(Mine(Item::clone(&item))))
}

/// There is no such item, or none any more.
pub(crate) fn missing() -> Rejection {
    Rejection::new(StatusCode::NOT_FOUND, "there is no such item")
}

impl Tag {
    /// All of them, in the order of the alphabet.
    pub const ALL: [Self; 8] = [
        Self::Books,
        Self::Clothes,
        Self::Garden,
        Self::Home,
        Self::Kitchen,
        Self::Music,
        Self::Tools,
        Self::Toys,
    ];

    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Books => "books",
            Self::Clothes => "clothes",
            Self::Garden => "garden",
            Self::Home => "home",
            Self::Kitchen => "kitchen",
            Self::Music => "music",
            Self::Tools => "tools",
            Self::Toys => "toys",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tag| tag.name() == name)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Draft {
    /// What a schema cannot say.
    pub(crate) fn checked(mut self) -> Result<Self, Rejection> {
        self.title = self.title.trim().to_owned();
        // Forms end lines as mail does, whatever was typed.
        self.description = self.description.replace("\r\n", "\n").trim().to_owned();
        self.tags.sort_unstable();
        self.tags.dedup();
        let is_no_text = |letter: char| letter.is_control() && !matches!(letter, '\n' | '\t');
        let checks = [
            (self.title.is_empty(), "title", "is blank", "blank"),
            (
                self.title.contains(char::is_control),
                "title",
                "is more than a line of text",
                "line",
            ),
            (
                self.description.contains(is_no_text),
                "description",
                "has signs that show nothing",
                "text",
            ),
        ];
        let wrong = checks.into_iter().filter(|(is_wrong, ..)| *is_wrong);
        let mut issues = wrong.map(|(_, field, detail, kind)| {
            let issue = Issue::new(Part::Body, field, detail);
            issue.with_kind(kind)
        });
        let Some(first) = issues.next() else {
            return Ok(self);
        };
        Err(issues.fold(Rejection::invalid(first), Rejection::with_issue))
    }
}

const COLUMNS: &str = "item.id, title, description, price, views, created, account.name AS owner,
    (SELECT tag FROM picture WHERE picture.item = item.id) AS picture,
    (SELECT group_concat(tag, ' ') FROM item_tag WHERE item_tag.item = item.id) AS tags
    FROM item JOIN account ON account.id = item.owner";

impl Item {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        let id: u32 = row.get("id")?;
        let picture: Option<String> = row.get("picture")?;
        let tags: Option<String> = row.get("tags")?;
        // The rows of a tag are in the order of their key.
        let tags = tags.unwrap_or_default();
        Ok(Self {
            id,
            title: row.get("title")?,
            description: row.get("description")?,
            price: row.get("price")?,
            tags: tags.split(' ').filter_map(Tag::named).collect(),
            owner: row.get("owner")?,
            picture: picture.map(|tag| format!("/api/items/{id}/picture?v={tag}")),
            views: row.get("views")?,
            created: row.get("created")?,
        })
    }
}

/// The item of this number.
pub(crate) fn find(connection: &Connection, id: u32) -> rusqlite::Result<Option<Item>> {
    let sql = format!("SELECT {COLUMNS} WHERE item.id = ?");
    let mut found = connection.prepare_cached(&sql)?;
    found.query_row([id], Item::of).optional()
}

/// The next items by number, after one: for those who read them all.
pub(crate) fn after(connection: &Connection, id: u32, limit: u32) -> rusqlite::Result<Vec<Item>> {
    let sql = format!("SELECT {COLUMNS} WHERE item.id > ? ORDER BY item.id LIMIT ?");
    let mut found = connection.prepare_cached(&sql)?;
    found.query_map([id, limit], Item::of)?.collect()
}

/// A page of what is looked for.
pub(crate) fn search(connection: &Connection, search: &Search) -> rusqlite::Result<Page> {
    const WHERE: &str = "WHERE (title LIKE ?1 ESCAPE '\\' OR description LIKE ?1 ESCAPE '\\')
        AND (SELECT count(*) FROM item_tag WHERE item_tag.item = item.id
            AND item_tag.tag IN (SELECT value FROM json_each(?2))) = json_array_length(?2)";
    let mut tags = search.tag.clone();
    tags.sort_unstable();
    tags.dedup();
    let tags: Vec<String> = tags.iter().map(|tag| format!("\"{tag}\"")).collect();
    let (words, tags) = (pattern(&search.q), format!("[{}]", tags.join(",")));
    let count = format!("SELECT count(*) FROM item {WHERE}");
    let mut count = connection.prepare_cached(&count)?;
    let total: u32 = count.query_row((&words, &tags), |row| row.get(0))?;
    let pages = total.div_ceil(PAGE).max(1);
    let page = search.page.unwrap_or(1);
    let sql = format!("SELECT {COLUMNS} {WHERE} ORDER BY item.id DESC LIMIT ?3 OFFSET ?4");
    let mut found = connection.prepare_cached(&sql)?;
    let skipped = u64::from(page - 1) * u64::from(PAGE);
    let items = found.query_map((&words, &tags, PAGE, skipped), Item::of)?;
    Ok(Page {
        items: items.collect::<rusqlite::Result<_>>()?,
        page,
        pages,
        total,
        last_change: change::last(connection)?,
    })
}

/// Text as a pattern of `LIKE` that is found anywhere.
fn pattern(text: &str) -> String {
    let mut pattern = String::from("%");
    for letter in text.trim().chars() {
        if matches!(letter, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}

/// Puts an item up; gives its number.
fn insert(connection: &Connection, owner: u32, draft: &Draft) -> rusqlite::Result<u32> {
    connection
        .prepare_cached(
            "INSERT INTO item (owner, title, description, price) VALUES (?, ?, ?, ?) RETURNING id",
        )?
        .query_row(
            (owner, &draft.title, &draft.description, draft.price),
            |row| row.get(0),
        )
        .and_then(|id| tag(connection, id, draft).map(|()| id))
}

/// Changes an item; whether there is one.
fn replace(connection: &Connection, id: u32, draft: &Draft) -> rusqlite::Result<bool> {
    let changed = connection
        .prepare_cached("UPDATE item SET title = ?, description = ?, price = ? WHERE id = ?")?
        .execute((&draft.title, &draft.description, draft.price, id))?;
    if changed == 0 {
        return Ok(false);
    }
    connection
        .prepare_cached("DELETE FROM item_tag WHERE item = ?")?
        .execute([id])?;
    tag(connection, id, draft)?;
    Ok(true)
}

fn tag(connection: &Connection, id: u32, draft: &Draft) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached("INSERT INTO item_tag (item, tag) VALUES (?, ?)")?;
    for tag in &draft.tags {
        insert.execute((id, tag.name()))?;
    }
    change::note(connection, id)
}

/// Takes an item away; whether there was one.
fn remove(connection: &Connection, id: u32) -> rusqlite::Result<bool> {
    let removed = connection
        .prepare_cached("DELETE FROM item WHERE id = ?")?
        .execute([id])?;
    if removed > 0 {
        change::note(connection, id)?;
    }
    Ok(removed > 0)
}

/// Counts that somebody looked at it. No change that others have to be told of.
pub(crate) fn count_view(connection: &Connection, id: u32) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE item SET views = views + 1 WHERE id = ?")?
        .execute([id])
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_looked_for_is_text_and_no_pattern() {
        assert_eq!(pattern(" 100%_\\ "), "%100\\%\\_\\\\%");
        assert_eq!(pattern(""), "%%");
    }

    #[test]
    fn tags_have_one_spelling() {
        for tag in Tag::ALL {
            assert_eq!(serde_json::to_value(tag).unwrap(), tag.name());
            assert_eq!(Tag::named(tag.name()), Some(tag));
        }
    }
}
