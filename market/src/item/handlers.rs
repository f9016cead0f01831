//! Items as JSON: looked for, shown, put up, changed, taken away.

use app_router::{Depends, FromState, IntoReply, Json, Operation, Query, Reply, Status, Urls};
use gateway_spec::AppError;
use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Draft, Item, Mine, Page, Search, find, insert, missing, remove, replace, search};
use crate::{Account, Database, Transaction};

/// A thing that was made, and where it is now: 201 with `Location`.
#[derive(Debug)]
pub(crate) struct Created<T> {
    pub(crate) at: String,
    pub(crate) value: T,
}

impl<T: Serialize + JsonSchema> IntoReply for Created<T> {
    fn into_reply(self) -> Result<Reply, AppError> {
        let at = HeaderValue::try_from(self.at)?;
        let reply = Status::<201, _>(Json(self.value)).into_reply()?;
        Ok(reply.with_header(LOCATION, at))
    }

    fn describe(operation: &mut Operation) {
        Status::<201, Json<T>>::describe(operation);
    }
}

/// A plain function: it reads the database on a thread of the pool.
pub(crate) fn list(
    Query(wanted): Query<Search>,
    FromState(database): FromState<Database>,
) -> Result<Json<Page>, AppError> {
    database
        .read(|connection| search(connection, &wanted))
        .map(Json)
}

pub(crate) async fn show(item: Depends<Item>) -> Json<Item> {
    Json(Item::clone(&item))
}

pub(crate) async fn create(
    account: Depends<Account>,
    transaction: Depends<Transaction>,
    urls: Urls,
    Json(draft): Json<Draft>,
) -> Result<Created<Item>, AppError> {
    let item = check_and_create(&account, &transaction, draft).await?;
    let at = urls.path("item", &[("id", &item.id.to_string())])?;
    Ok(Created { at, value: item })
}

pub(crate) async fn update(
    mine: Depends<Mine>,
    transaction: Depends<Transaction>,
    Json(draft): Json<Draft>,
) -> Result<Json<Item>, AppError> {
    check_and_update(&mine, &transaction, draft).await.map(Json)
}

pub(crate) async fn delete(
    mine: Depends<Mine>,
    transaction: Depends<Transaction>,
) -> Result<StatusCode, AppError> {
    erase(&mine, &transaction).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What the forms do as well.
pub(crate) async fn check_and_create(
    account: &Account,
    transaction: &Transaction,
    draft: Draft,
) -> Result<Item, AppError> {
    let (draft, owner) = (draft.checked()?, account.id);
    let made = transaction.run(move |connection| {
        let id = insert(connection, owner, &draft)?;
        Ok(find(connection, id)?)
    });
    made.await?.ok_or_else(|| missing().into())
}

/// The same for an item that there is.
pub(crate) async fn check_and_update(
    mine: &Mine,
    transaction: &Transaction,
    draft: Draft,
) -> Result<Item, AppError> {
    let (draft, id) = (draft.checked()?, mine.0.id);
    let changed = transaction.run(move |connection| {
        replace(connection, id, &draft)?;
        Ok(find(connection, id)?)
    });
    // It may have been taken away since it was found to be there.
    changed.await?.ok_or_else(|| missing().into())
}

/// Takes an item away.
pub(crate) async fn erase(mine: &Mine, transaction: &Transaction) -> Result<(), AppError> {
    let id = mine.0.id;
    let was_there = transaction.run(move |connection| Ok(remove(connection, id)?));
    if was_there.await? {
        Ok(())
    } else {
        Err(missing().into())
    }
}
