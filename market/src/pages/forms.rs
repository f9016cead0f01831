//! What the pages' forms send: done as the JSON interface does it, and shown again with all that is wrong.

use app_router::middleware::Session;
use app_router::{
    Depends, Entered, FromState, IntoReply, Multipart, Query, Redirect, Rejection, Reply,
    Templates, Urls,
};
use gateway_spec::AppError;

use super::{AccountForm, DraftForm, Next, Problems, chips, page};
use crate::account::{check_and_log_in, check_and_sign_up};
use crate::item::{Draft, Item, Mine, Tag, check_and_create, check_and_update, erase};
use crate::picture::{Places, take_in};
use crate::{Account, Credentials, Database, NewAccount, Transaction};

pub(super) async fn create(
    account: Depends<Account>,
    transaction: Depends<Transaction>,
    urls: Urls,
    FromState(templates): FromState<Templates>,
    form: Entered<Draft>,
) -> Result<Reply, AppError> {
    let make = async |draft| check_and_create(&account, &transaction, draft).await;
    match checked(&form, make).await {
        Ok(item) => to(&urls, item.id),
        Err(error) => draft_again(&templates, &account, None, &form, error),
    }
}

pub(super) async fn update(
    mine: Depends<Mine>,
    account: Depends<Account>,
    transaction: Depends<Transaction>,
    urls: Urls,
    FromState(templates): FromState<Templates>,
    form: Entered<Draft>,
) -> Result<Reply, AppError> {
    let change = async |draft| check_and_update(&mine, &transaction, draft).await;
    match checked(&form, change).await {
        Ok(item) => to(&urls, item.id),
        Err(error) => draft_again(&templates, &account, Some(&mine.0), &form, error),
    }
}

/// Goes on with what was entered, if that is right: what is wrong by the schema is told like what is found later.
async fn checked<T: Clone, U>(
    form: &Entered<T>,
    go_on: impl AsyncFnOnce(T) -> Result<U, AppError>,
) -> Result<U, AppError> {
    go_on(form.value.clone()?).await
}

pub(super) async fn delete(
    mine: Depends<Mine>,
    transaction: Depends<Transaction>,
) -> Result<Redirect, AppError> {
    erase(&mine, &transaction).await?;
    Ok(Redirect::to("/"))
}

pub(super) async fn picture(
    mine: Depends<Mine>,
    transaction: Depends<Transaction>,
    urls: Urls,
    FromState(places): FromState<Places>,
    form: Multipart,
) -> Result<Reply, AppError> {
    let item = take_in(&mine, &transaction, &places, form).await?;
    to(&urls, item.id)
}

fn to(urls: &Urls, id: u32) -> Result<Reply, AppError> {
    Redirect::to(urls.path("item", &[("id", &id.to_string())])?).into_reply()
}

/// The form as it was filled in, and what is wrong at each field.
fn draft_again(
    templates: &Templates,
    account: &Account,
    item: Option<&Item>,
    form: &Entered<Draft>,
    error: AppError,
) -> Result<Reply, AppError> {
    let rejection = Rejection::from_error(error)?;
    let typed = |name: &str| form.text(name).unwrap_or_default().to_owned();
    let chosen: Vec<Tag> = Tag::ALL
        .into_iter()
        .filter(|tag| form.texts("tags").any(|name| name == tag.name()))
        .collect();
    let again = DraftForm {
        id: item.map(|item| item.id),
        title: typed("title"),
        description: typed("description"),
        price: typed("price"),
        tags: chips(&chosen),
        problems: Problems::of(&rejection),
    };
    let page = page(templates, "draft.html", Some(account), again)?;
    (rejection.status(), page).into_reply()
}

pub(super) async fn sign_up(
    session: Session,
    transaction: Depends<Transaction>,
    Query(next): Query<Next>,
    FromState(templates): FromState<Templates>,
    form: Entered<NewAccount>,
) -> Result<Reply, AppError> {
    let make = async |wish| check_and_sign_up(&session, &transaction, wish).await;
    let made = checked(&form, make).await;
    entered(made, true, next, &templates, form.text("name"))
}

pub(super) async fn log_in(
    session: Session,
    FromState(database): FromState<Database>,
    Query(next): Query<Next>,
    FromState(templates): FromState<Templates>,
    form: Entered<Credentials>,
) -> Result<Reply, AppError> {
    let find = async |credentials| check_and_log_in(&session, &database, credentials).await;
    let found = checked(&form, find).await;
    entered(found, false, next, &templates, form.text("name"))
}

/// On to where the visitor wanted to go, or the form again; a password is never shown.
fn entered(
    account: Result<Account, AppError>,
    is_new: bool,
    next: Next,
    templates: &Templates,
    name: Option<&str>,
) -> Result<Reply, AppError> {
    let Err(error) = account else {
        return Redirect::to(next.path()).into_reply();
    };
    let rejection = Rejection::from_error(error)?;
    let problems = Problems::of(&rejection);
    let again = AccountForm::new(is_new, name.unwrap_or_default(), next, problems);
    let page = page(templates, "account.html", None, again)?;
    (rejection.status(), page).into_reply()
}

pub(super) async fn log_out(session: Session) -> Redirect {
    session.clear();
    Redirect::to("/")
}
