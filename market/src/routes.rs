//! All that is served, and what each route needs.

use std::path::PathBuf;
use std::sync::LazyLock;

use adapters::middleware::request_id;
use adapters::{Pool, PoolSettings};
use app_router::middleware::{csrf, rate_limit, sessions};
use app_router::{OpenApi, Operation, Router, RouterError, Routes, route};
use gateway_spec::{AppError, Application, Done, HttpScope, Lifespan, State};
use http::{Method, StatusCode};

use crate::database::Database;
use crate::picture::Places;
use crate::transaction::transaction;
use crate::watch::{Watchers, watch};
use crate::{Settings, account, assets, export, item, live, pages, picture};

/// The market as an application: its [routes], [guarded].
///
/// # Examples
///
/// See [`Settings`].
///
/// # Panics
///
/// Never: that the routes fit together is tested.
#[must_use]
pub fn market(settings: Settings) -> impl Application {
    let routes = routes(&settings).expect("the routes fit together");
    guarded(routes, settings)
}

/// The routes alone: for tests that put another provider in the place of one, before they are [guarded].
///
/// # Errors
///
/// If they do not fit together, which a test would have seen.
pub fn routes(settings: &Settings) -> Result<Routes, RouterError> {
    let pool = Pool::new("market", PoolSettings::default());
    let life = {
        let (file, pool) = (settings.database().to_owned(), pool.clone());
        move |lifespan| live_on(lifespan, file.clone(), pool.clone())
    };
    Router::new()
        .lifespan(life)
        .pool(pool)
        .provide(transaction)
        .provide(account::visitor)
        .provide(account::account)
        .provide(item::item)
        .provide(item::mine)
        .nest("/api", api())
        .nest("/assets", assets::assets())
        .nest("/", pages::pages())
        .websocket("/items/{id}/watchers", watch)
        .openapi(
            OpenApi::new("Market", "1.0")
                .description("Second-hand things: who has an account puts them up."),
        )
        .build()
}

/// What programs ask for; the pages' scripts too.
fn api() -> Router {
    Router::new()
        .post(
            "/accounts",
            said(account::sign_up, "accounts", "Make an account, and log in").describe(
                |operation: &mut Operation| {
                    operation.rejects(StatusCode::CONFLICT, "the name is taken")
                },
            ),
        )
        .get(
            "/session",
            said(account::who, "accounts", "Who is logged in").describe(needs_login),
        )
        .post(
            "/session",
            said(account::log_in, "accounts", "Log in").describe(|operation: &mut Operation| {
                operation.rejects(
                    StatusCode::FORBIDDEN,
                    "the name or the password is not right",
                );
            }),
        )
        .delete("/session", said(account::log_out, "accounts", "Log out"))
        .get("/items", said(item::list, "items", "Look for items"))
        .post(
            "/items",
            said(item::create, "items", "Put an item up").describe(needs_login),
        )
        .get(
            "/items.jsonl",
            said(export::export, "items", "All items, one a line"),
        )
        .get(
            "/items/{id}",
            said(item::show, "items", "One item").describe(needs_item),
        )
        .put(
            "/items/{id}",
            said(item::update, "items", "Change an item").describe(needs_owner),
        )
        .delete(
            "/items/{id}",
            said(item::delete, "items", "Take an item away").describe(needs_owner),
        )
        .get(
            "/items/{id}/picture",
            said(picture::show, "pictures", "An item's picture").describe(needs_item),
        )
        .post(
            "/items/{id}/picture",
            said(
                picture::upload,
                "pictures",
                "Send a picture: a form with the file `picture`, 2 MiB at most",
            )
            .describe(needs_owner)
            .body_limit(BUFFERED),
        )
        .delete(
            "/items/{id}/picture",
            said(picture::delete, "pictures", "Take a picture away").describe(needs_owner),
        )
        .get(
            "/events",
            said(live::events, "items", "What changes, as server-sent events"),
        )
}

/// Bytes of an upload that may wait in memory between two pieces of it.
pub(crate) const BUFFERED: usize = 256 * 1024;

fn said<H>(handler: H, tag: &str, summary: &str) -> app_router::Route<H> {
    route(handler).tag(tag).summary(summary)
}

fn needs_item(operation: &mut Operation) {
    operation.rejects(StatusCode::NOT_FOUND, "there is no such item");
}

fn needs_login(operation: &mut Operation) {
    operation.rejects(StatusCode::UNAUTHORIZED, "nobody is logged in");
}

fn needs_owner(operation: &mut Operation) {
    needs_item(operation);
    needs_login(operation);
    operation.rejects(StatusCode::FORBIDDEN, "only its owner may");
}

/// Opens the database and brings it up to date before the first request; closes it after the last.
async fn live_on(lifespan: Lifespan, file: PathBuf, pool: Pool) -> Result<Done, AppError> {
    let there = pool.clone();
    let open = move || {
        // The first login would wait for it.
        LazyLock::force(&account::NOBODYS);
        Database::open(&file, there)
    };
    let database = pool.run(None, open).await??;
    let state = State::new()
        .with(database.clone())
        .with(pages::templates()?)
        .with(Watchers::default())
        .with(Places::default());
    let running = lifespan.started(state);
    tokio::select! {
        _ = running.shutdown_requested() => {}
        () = database.look_at_others() => {}
    }
    Ok(running.stopped())
}

/// Routes in their middleware, from the inside out: sessions, other sites' requests, guessed passwords, refusals as pages,
/// ids of requests.
pub fn guarded(routes: Routes, settings: Settings) -> impl Application {
    let app = sessions(routes, settings.key);
    let app = csrf(app);
    let app = rate_limit(app, settings.attempts).when(tries_a_password);
    let app = pages::pages_of_problems(app);
    request_id(app)
}

fn tries_a_password(scope: &HttpScope) -> bool {
    const PATHS: [&str; 4] = ["/api/accounts", "/api/session", "/signup", "/login"];
    scope.method == Method::POST && PATHS.contains(&scope.path())
}

#[cfg(test)]
mod tests {
    use app_router::middleware::SessionKey;

    use super::*;

    #[test]
    fn they_fit_together() {
        let key = SessionKey::from_secret(&[7; 32]).unwrap();
        let routes = routes(&Settings::new("nowhere", key)).unwrap();
        let path = routes.path_of("item", &[("id", "7")]).unwrap();
        assert_eq!(path, "/items/7");
    }
}
