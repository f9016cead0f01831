//! What `bench/router` measures, in axum's words.

use axum::extract::{Path, Query};
use axum::routing::{get, post};
use axum::{Json, Router};

#[derive(serde::Deserialize)]
struct Page {
    page: u32,
}

#[derive(serde::Deserialize)]
struct Item {
    name: String,
    price: u32,
}

#[derive(serde::Serialize)]
struct Answer {
    message: &'static str,
}

pub(crate) fn app(step: &str, count: usize) -> Router {
    let measured = match step {
        "json" => get(async |Path(id): Path<u64>, Query(page): Query<Page>| answer(id, &page)),
        "body" => post(
            async |Path(id): Path<u64>, Query(page): Query<Page>, Json(item): Json<Item>| {
                assert_eq!((&*item.name, item.price), ("tea", 3));
                answer(id, &page)
            },
        ),
        step => panic!("no step {step}"),
    };
    let app = Router::new().route("/shop/r00007/{id}", measured);
    let others = (0..count).filter(|n| *n != 7);
    others.fold(app, |app, n| {
        app.route(&format!("/shop/r{n:05}/{{id}}"), get(async || "another"))
    })
}

fn answer(id: u64, page: &Page) -> Json<Answer> {
    assert_eq!((id, page.page), (7, 2));
    Json(Answer {
        message: "Hello, world!",
    })
}
