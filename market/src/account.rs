//! Who sells: accounts, their passwords, and who is logged in.

mod name;

use std::sync::LazyLock;

use adapters::cpu::run_cpu;
use app_router::middleware::Session;
use app_router::{Depends, FromState, Issue, Json, Part, Rejection, Status};
use argon2::password_hash::PasswordHasher;
use argon2::{Argon2, PasswordHash, PasswordVerifier};
use gateway_spec::AppError;
use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, StatusCode};
use rusqlite::{Connection, OptionalExtension};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Database, Transaction};

/// What the session remembers: the account's number.
const LOGGED_IN: &str = "account";

/// Somebody who is logged in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Account {
    /// Their number.
    #[serde(skip)]
    pub id: u32,
    /// Their name.
    pub name: String,
}

/// Whoever asks: somebody who is logged in, or not.
#[derive(Debug, Clone)]
pub struct Visitor(pub Option<Account>);

/// An account that is wished for.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAccount {
    /// What others see, and what it is logged in by: letters, digits and single spaces.
    #[schemars(length(min = 2, max = 24))]
    pub name: String,
    /// Long is better than strange.
    #[schemars(length(min = 10, max = 200))]
    pub password: String,
}

/// A name and its password.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// The account's name; capitals from A to Z are as good as small letters.
    #[schemars(length(max = 24))]
    pub name: String,
    /// Its password.
    #[schemars(length(max = 200))]
    pub password: String,
}

/// Provides who asks. The account is looked up each time, so that one that is gone is logged out.
pub(crate) fn visitor(
    session: Session,
    FromState(database): FromState<Database>,
) -> Result<Depends<Visitor>, AppError> {
    let found = match session.get::<u32>(LOGGED_IN) {
        Some(id) => database.read(|connection| by_id(connection, id))?,
        None => None,
    };
    Ok(Depends::new(Visitor(found)))
}

/// Provides the account to those who are logged in, and refuses the others.
pub(crate) async fn account(visitor: Depends<Visitor>) -> Result<Depends<Account>, Rejection> {
    let account = visitor.0.clone().ok_or_else(|| {
        Rejection::new(StatusCode::UNAUTHORIZED, "log in first").with_header(
            WWW_AUTHENTICATE,
            HeaderValue::from_static("Cookie realm=\"market\""),
        )
    });
    account.map(Depends::new)
}

/// Makes an account, and logs it in.
pub(crate) async fn sign_up(
    session: Session,
    transaction: Depends<Transaction>,
    Json(wish): Json<NewAccount>,
) -> Result<Status<201, Json<Account>>, AppError> {
    let account = check_and_sign_up(&session, &transaction, wish).await?;
    Ok(Status(Json(account)))
}

/// Logs in.
pub(crate) async fn log_in(
    session: Session,
    FromState(database): FromState<Database>,
    Json(credentials): Json<Credentials>,
) -> Result<Json<Account>, AppError> {
    check_and_log_in(&session, &database, credentials)
        .await
        .map(Json)
}

/// Who is logged in.
pub(crate) async fn who(account: Depends<Account>) -> Json<Account> {
    Json(Account::clone(&account))
}

/// Logs out.
pub(crate) async fn log_out(session: Session) -> StatusCode {
    session.clear();
    StatusCode::NO_CONTENT
}

/// What the form does as well.
pub(crate) async fn check_and_sign_up(
    session: &Session,
    transaction: &Transaction,
    wish: NewAccount,
) -> Result<Account, AppError> {
    let name = name::plain(&wish.name)?;
    let password = run_cpu(None, move || hash(&wish.password)).await??;
    let made = transaction.run(move |connection| insert(connection, &name, &password));
    let account = made.await?;
    enter(session, &account)?;
    Ok(account)
}

/// What the form does as well. It takes as long for a name that there is not.
pub(crate) async fn check_and_log_in(
    session: &Session,
    database: &Database,
    credentials: Credentials,
) -> Result<Account, AppError> {
    let Credentials { name, password } = credentials;
    // One that nobody can have is looked for as it is, so that it takes as long.
    let name = name::plain(&name).unwrap_or(name);
    let found = database.read_beside(move |connection| by_name(connection, &name));
    let (account, kept) = match found.await? {
        Some((account, kept)) => (Some(account), kept),
        None => (None, NOBODYS.clone()),
    };
    let is_right = run_cpu(None, move || fits(&password, &kept)).await?;
    match account.filter(|_| is_right) {
        Some(account) => {
            enter(session, &account)?;
            Ok(account)
        }
        None => {
            let detail = "the name or the password is not right";
            Err(Rejection::new(StatusCode::FORBIDDEN, detail).into())
        }
    }
}

/// Begins a new session: nothing of the one before is in it.
fn enter(session: &Session, account: &Account) -> Result<(), AppError> {
    session.clear();
    session.set(LOGGED_IN, account.id)?;
    Ok(())
}

/// A password as it is kept: by Argon2id, with a salt of its own, which makes each guess dear. It takes some ten
/// milliseconds of a core, and 19 MiB, so it is done in the pool for computations, a core each.
fn hash(password: &str) -> Result<String, AppError> {
    let hash = Argon2::default().hash_password(password.as_bytes());
    hash.map(|hash| hash.to_string())
        .map_err(|error| AppError::message(format!("no hash: {error}")))
}

fn fits(password: &str, kept: &str) -> bool {
    let Ok(kept) = PasswordHash::new(kept) else {
        return false;
    };
    Argon2::default()
        .verify_password(password.as_bytes(), &kept)
        .is_ok()
}

/// The hash of a password that nobody has.
pub(crate) static NOBODYS: LazyLock<String> =
    LazyLock::new(|| hash("nobody knows, and nobody is let in by it").unwrap_or_default());

fn by_id(connection: &Connection, id: u32) -> rusqlite::Result<Option<Account>> {
    let mut found = connection.prepare_cached("SELECT name FROM account WHERE id = ?")?;
    let name = found.query_row([id], |row| row.get(0)).optional()?;
    Ok(name.map(|name| Account { id, name }))
}

fn by_name(connection: &Connection, name: &str) -> rusqlite::Result<Option<(Account, String)>> {
    connection
        .prepare_cached("SELECT id, name, password FROM account WHERE name = ?")?
        .query_row([name], |row| {
            let (id, name) = (row.get(0)?, row.get(1)?);
            Ok((Account { id, name }, row.get(2)?))
        })
        .optional()
}

fn insert(connection: &Connection, name: &str, password: &str) -> Result<Account, AppError> {
    // Nobody else writes meanwhile.
    if by_name(connection, name)?.is_some() {
        let issue = Issue::new(Part::Body, "name", "is taken").with_kind("taken");
        let taken = Rejection::new(StatusCode::CONFLICT, "there is such an account");
        return Err(taken.with_issue(issue).into());
    }
    let id = connection
        .prepare_cached("INSERT INTO account (name, password) VALUES (?, ?) RETURNING id")?
        .query_row((name, password), |row| row.get(0))?;
    let name = name.to_owned();
    Ok(Account { id, name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_kept_so_that_it_can_be_checked_and_not_read() {
        let kept = hash("correct horse battery").unwrap();
        assert!(kept.starts_with("$argon2id$"), "{kept}");
        assert_ne!(kept, hash("correct horse battery").unwrap());
        assert!(fits("correct horse battery", &kept));
        assert!(!fits("correct horse batterie", &kept));
        assert!(!fits("", "no hash"));
    }
}
