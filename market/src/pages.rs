//! The pages: made of templates, so that all can be read and done without a script; scripts make them live.

mod forms;
mod problems;

use std::collections::BTreeMap;

use app_router::{
    Background, Depends, Ending, FromState, Html, Path, Query, Rejection, Router, Step,
    TemplateError, Templates, route,
};
use bytes::Bytes;
use gateway_spec::AppError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use self::problems::pages_of_problems;
use crate::item::{self, Item, Page, Search, Tag};
use crate::routes::BUFFERED;
use crate::{Account, Database, Mine, Transaction, Visitor, change};

/// Compiles the templates; when the program starts, so that one that is none is known then.
pub(crate) fn templates() -> Result<Templates, TemplateError> {
    Templates::new([
        ("layout.html", include_str!("../templates/layout.html")),
        ("parts.html", include_str!("../templates/parts.html")),
        ("list.html", include_str!("../templates/list.html")),
        ("item.html", include_str!("../templates/item.html")),
        ("draft.html", include_str!("../templates/draft.html")),
        ("account.html", include_str!("../templates/account.html")),
        ("problem.html", include_str!("../templates/problem.html")),
    ])
}

/// The routes; the document of the interface does not show them.
pub(crate) fn pages() -> Router {
    Router::new()
        .get("/", route(list).hidden())
        .get("/items/new", route(new).hidden())
        .get("/items/{id}", route(show).name("item").hidden())
        .get("/items/{id}/edit", route(edit).hidden())
        .post("/items", route(forms::create).hidden())
        .post("/items/{id}", route(forms::update).hidden())
        .post("/items/{id}/delete", route(forms::delete).hidden())
        .post(
            "/items/{id}/picture",
            route(forms::picture).hidden().body_limit(BUFFERED),
        )
        .get("/signup", route(sign_up).hidden())
        .post("/signup", route(forms::sign_up).hidden())
        .get("/login", route(log_in).hidden())
        .post("/login", route(forms::log_in).hidden())
        .post("/logout", route(forms::log_out).hidden())
}

/// What every page shows.
#[derive(Serialize)]
struct View<T> {
    /// The name of who is logged in.
    account: Option<String>,
    #[serde(flatten)]
    content: T,
}

fn page<T: Serialize>(
    templates: &Templates,
    name: &str,
    account: Option<&Account>,
    content: T,
) -> Result<Html<Bytes>, TemplateError> {
    let account = account.map(|account| account.name.clone());
    templates.page(name, &View { account, content })
}

#[derive(Serialize)]
struct List {
    found: Page,
    q: String,
    tags: Vec<Chip>,
    newer: Option<String>,
    older: Option<String>,
    /// Whether this is all there is, and so what is new belongs here.
    is_front: bool,
    problem: Option<String>,
    blank: Blank,
}

/// A tag that can be chosen.
#[derive(Serialize)]
struct Chip {
    name: Tag,
    chosen: bool,
}

/// An item of nothing: what scripts make cards of.
#[derive(Serialize, Default)]
struct Blank {
    id: &'static str,
    title: &'static str,
    price: u32,
    tags: [Tag; 0],
    owner: &'static str,
    picture: Option<&'static str>,
}

/// A plain function: it reads the database, and makes the page on the same thread.
fn list(
    wanted: Result<Query<Search>, Rejection>,
    visitor: Depends<Visitor>,
    FromState(database): FromState<Database>,
    FromState(templates): FromState<Templates>,
) -> Result<Html<Bytes>, AppError> {
    // Whoever has changed the address by hand is told what is wrong with it, and shown the front.
    let (wanted, problem) = match wanted {
        Ok(Query(wanted)) => (wanted, None),
        Err(rejection) => (Search::default(), Some(in_words(&rejection))),
    };
    let found = database.read(|connection| item::search(connection, &wanted))?;
    let page_at = |page: u32| address(&wanted, page);
    let content = List {
        q: wanted.q.clone(),
        tags: chips(&wanted.tag),
        newer: (found.page > 1).then(|| page_at((found.page - 1).min(found.pages))),
        older: (found.page < found.pages).then(|| page_at(found.page + 1)),
        is_front: found.page == 1 && wanted.q.is_empty() && wanted.tag.is_empty(),
        found,
        problem,
        blank: Blank::default(),
    };
    Ok(page(&templates, "list.html", visitor.0.as_ref(), content)?)
}

fn chips(chosen: &[Tag]) -> Vec<Chip> {
    let chip = |name| Chip {
        name,
        chosen: chosen.contains(&name),
    };
    Tag::ALL.map(chip).into()
}

/// The address of a page of what was looked for.
fn address(wanted: &Search, page: u32) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    if !wanted.q.is_empty() {
        query.append_pair("q", &wanted.q);
    }
    for tag in &wanted.tag {
        query.append_pair("tag", tag.name());
    }
    query.append_pair("page", &page.to_string());
    format!("/?{}", query.finish())
}

fn in_words(rejection: &Rejection) -> String {
    let issues: Vec<String> = rejection.issues().iter().map(ToString::to_string).collect();
    issues.join("; ")
}

#[derive(Serialize)]
struct Shown {
    item: Item,
    mine: bool,
    /// Where its script goes on from.
    last_change: u64,
}

/// Shows an item; that it was looked at is counted when the answer is on its way.
fn show(
    Path(id): Path<u32>,
    visitor: Depends<Visitor>,
    FromState(templates): FromState<Templates>,
    FromState(database): FromState<Database>,
    background: Background,
) -> Result<Html<Bytes>, AppError> {
    let found = database.read(|connection| {
        let item = item::find(connection, id)?;
        Ok((item, change::last(connection)?))
    });
    let (item, last_change) = found?;
    let item = item.ok_or_else(item::missing)?;
    background.add(async move {
        let counting = Transaction::of(database);
        let counted = counting.run(move |connection| Ok(item::count_view(connection, id)?));
        counted.await?;
        counting.end(Ending::Returned).await
    });
    let account = visitor.0.as_ref();
    let mine = account.is_some_and(|account| account.name == item.owner);
    let content = Shown {
        item,
        mine,
        last_change,
    };
    Ok(page(&templates, "item.html", account, content)?)
}

/// A form about an item, as it is shown for the first time or again.
#[derive(Serialize, Default)]
struct DraftForm {
    /// The item's number; none if it is new.
    id: Option<u32>,
    title: String,
    description: String,
    price: String,
    tags: Vec<Chip>,
    problems: Problems,
}

/// What is wrong with a form, by its fields, and what with all of it.
#[derive(Serialize, Default)]
struct Problems {
    fields: BTreeMap<String, String>,
    whole: Option<String>,
}

impl Problems {
    /// The issues of a rejection at the fields that their locations begin with.
    fn of(rejection: &Rejection) -> Self {
        let mut problems = Self::default();
        for issue in rejection.issues() {
            let detail = issue.detail();
            match issue.path().first() {
                Some(Step::Name(field)) => {
                    let said = problems.fields.entry(field.clone()).or_default();
                    if !said.is_empty() {
                        said.push_str("; ");
                    }
                    said.push_str(detail);
                }
                _ => problems.whole = Some(detail.to_owned()),
            }
        }
        if problems.fields.is_empty() && problems.whole.is_none() {
            problems.whole = rejection.detail().map(str::to_owned);
        }
        problems
    }
}

async fn new(
    account: Depends<Account>,
    FromState(templates): FromState<Templates>,
) -> Result<Html<Bytes>, TemplateError> {
    let form = DraftForm {
        tags: chips(&[]),
        ..DraftForm::default()
    };
    page(&templates, "draft.html", Some(&account), form)
}

async fn edit(
    mine: Depends<Mine>,
    account: Depends<Account>,
    FromState(templates): FromState<Templates>,
) -> Result<Html<Bytes>, TemplateError> {
    let item = mine.0.clone();
    let form = DraftForm {
        id: Some(item.id),
        title: item.title,
        description: item.description,
        price: item.price.to_string(),
        tags: chips(&item.tags),
        problems: Problems::default(),
    };
    page(&templates, "draft.html", Some(&account), form)
}

/// A form that makes an account, or logs in.
#[derive(Serialize)]
struct AccountForm {
    is_new: bool,
    name: String,
    next: String,
    /// The same as the query of an address.
    query: String,
    problems: Problems,
}

impl AccountForm {
    fn new(is_new: bool, name: &str, next: Next, problems: Problems) -> Self {
        let next = next.path();
        let mut query = form_urlencoded::Serializer::new(String::new());
        Self {
            is_new,
            name: name.to_owned(),
            query: query.append_pair("next", &next).finish(),
            next,
            problems,
        }
    }
}

/// Where to go on afterwards.
#[derive(Deserialize, JsonSchema)]
struct Next {
    next: Option<String>,
}

impl Next {
    /// A path of this site, whatever was asked for: a link here must not lead to another's login.
    fn path(self) -> String {
        let is_ours = |path: &String| {
            let mut letters = path.chars();
            letters.next() == Some('/')
                && !matches!(letters.next(), Some('/' | '\\'))
                && path.chars().all(|letter| letter.is_ascii_graphic())
        };
        self.next.filter(is_ours).unwrap_or_else(|| "/".into())
    }
}

async fn sign_up(
    Query(next): Query<Next>,
    visitor: Depends<Visitor>,
    FromState(templates): FromState<Templates>,
) -> Result<Html<Bytes>, TemplateError> {
    enter(true, next, &visitor, &templates)
}

async fn log_in(
    Query(next): Query<Next>,
    visitor: Depends<Visitor>,
    FromState(templates): FromState<Templates>,
) -> Result<Html<Bytes>, TemplateError> {
    enter(false, next, &visitor, &templates)
}

fn enter(
    is_new: bool,
    next: Next,
    visitor: &Visitor,
    templates: &Templates,
) -> Result<Html<Bytes>, TemplateError> {
    let form = AccountForm::new(is_new, "", next, Problems::default());
    page(templates, "account.html", visitor.0.as_ref(), form)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_logged_in_stays_here() {
        for (next, path) in [
            ("/items/new", "/items/new"),
            ("//evil.example", "/"),
            ("/\\evil.example", "/"),
            ("https://evil.example", "/"),
            ("/\r\nset-cookie: a=b", "/"),
            ("", "/"),
        ] {
            let next = Next {
                next: Some(next.into()),
            };
            assert_eq!(next.path(), path);
        }
        assert_eq!(Next { next: None }.path(), "/");
    }

    #[test]
    fn pages_of_a_search_keep_what_was_looked_for() {
        let wanted = Search {
            q: "a&b".into(),
            tag: vec![Tag::Books, Tag::Toys],
            page: None,
        };
        assert_eq!(address(&wanted, 2), "/?q=a%26b&tag=books&tag=toys&page=2");
    }
}
