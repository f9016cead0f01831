//! One answer, by the contract alone and by a handler that asks for one thing more at each step.
//!
//! `bench-router` calls it over a transport that does next to nothing, and `bench-router-served` serves it: what `bench/run router` counts.
#![forbid(unsafe_code)]

use app_router::{Depends, Json, Path, Query, Router, RouterError, Routes};
use gateway_spec::{AppError, Connection, Done, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The names of the steps: the contract alone, then each with what the one before has.
pub const STEPS: [&str; 7] = [
    "contract",
    "routing",
    "path",
    "query",
    "json",
    "body",
    "dependency",
];

/// A step: its name, and how many routes there are.
///
/// # Examples
///
/// ```
/// use bench_contract::Caller;
/// use bench_router::{BODY, PATH, STEPS, Step, contract};
/// use gateway_spec::application_fn;
///
/// for name in STEPS {
///     let step = Step { name, routes: 10 };
///     let mut caller = Caller::new(PATH);
///     if step.has_body() {
///         caller = caller.posting("application/json", BODY);
///     }
///     match step.router() {
///         Some(router) => caller.call(&router),
///         None => caller.call(&application_fn(contract)),
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// One of [`STEPS`].
    pub name: &'a str,
    /// In how many routes.
    pub routes: usize,
}

/// What is asked for, by the contract alone too: a route among its like.
pub const PATH: &str = "/shop/r00007/7?page=2";

/// The body of requests that have one.
pub const BODY: &str = r#"{"name":"tea","price":3}"#;

/// What all answer.
const ANSWER: &str = r#"{"message":"Hello, world!"}"#;

#[derive(Deserialize, JsonSchema)]
struct Page {
    page: u32,
}

#[derive(Deserialize, JsonSchema)]
struct Item {
    name: String,
    price: u32,
}

#[derive(Serialize, JsonSchema)]
struct Answer {
    message: &'static str,
}

struct Shop(u64);

impl Step<'_> {
    /// The router, or `None` for the contract alone and for what is no step.
    ///
    /// # Panics
    ///
    /// If the routes conflict.
    #[must_use]
    pub fn router(self) -> Option<Routes> {
        let router = self.measured(Router::new())?;
        let app = self.among_its_like(router);
        Some(app.expect("routes that do not conflict"))
    }

    /// Whether its request has a body.
    #[must_use]
    pub fn has_body(self) -> bool {
        matches!(self.name, "body" | "dependency")
    }

    fn measured(self, router: Router) -> Option<Router> {
        const FIXED: &str = "/shop/r00007/7";
        const TYPED: &str = "/shop/r00007/{id}";
        Some(match self.name {
            "routing" => router.get(FIXED, async || fixed()),
            "path" => router.get(TYPED, async |Path(id): Path<u64>| {
                assert_eq!(id, 7);
                fixed()
            }),
            "query" => router.get(
                TYPED,
                async |Path(id): Path<u64>, Query(page): Query<Page>| {
                    looked_at(id, &page);
                    fixed()
                },
            ),
            "json" => router.get(
                TYPED,
                async |Path(id): Path<u64>, Query(page): Query<Page>| answer(id, &page),
            ),
            "body" => router.post(
                TYPED,
                async |Path(id): Path<u64>, Query(page): Query<Page>, Json(item): Json<Item>| {
                    assert_eq!((&*item.name, item.price), ("tea", 3));
                    answer(id, &page)
                },
            ),
            "dependency" => router.provide(async || Depends::new(Shop(7))).post(
                TYPED,
                async |Path(id): Path<u64>,
                       Query(page): Query<Page>,
                       shop: Depends<Shop>,
                       Json(item): Json<Item>| {
                    assert_eq!((&*item.name, item.price, shop.0), ("tea", 3, id));
                    answer(id, &page)
                },
            ),
            _ => return None,
        })
    }

    /// With so many routes in all, which differ late from the one that is measured.
    fn among_its_like(self, mut router: Router) -> Result<Routes, RouterError> {
        for n in (0..self.routes).filter(|n| *n != 7) {
            let pattern = format!("/shop/r{n:05}/{{id}}");
            router = router.get(pattern.leak(), async || fixed());
        }
        router.build()
    }
}

/// The step before any: no router.
///
/// # Errors
///
/// If the client is gone.
///
/// # Examples
///
/// See [`Step`].
pub async fn contract(connection: Connection) -> Result<Done, AppError> {
    match connection {
        Connection::Http(http) => http.responder.respond(fixed()).await,
        other => other.refuse().await,
    }
}

fn fixed() -> Response {
    Response::typed("application/json", ANSWER)
}

fn answer(id: u64, page: &Page) -> Json<Answer> {
    looked_at(id, page);
    Json(Answer {
        message: "Hello, world!",
    })
}

fn looked_at(id: u64, page: &Page) {
    assert_eq!((id, page.page), (7, 2));
}
