//! An application that uses every feature of the router that an OpenAPI document can tell: for tools that read documents.
//!
//! `./test` validates its document and generates a client of it. It keeps nothing: what it answers, it makes of what it
//! was asked.
//!
//! ```sh
//! cargo run -p app-router --example market    # then look at /docs
//! ```
#![forbid(unsafe_code)]

#[path = "market/orders.rs"]
mod orders;
#[path = "market/people.rs"]
mod people;
#[path = "market/wares.rs"]
mod wares;

use std::process::ExitCode;

use app_router::{OpenApi, Router, RouterError, Routes, Slashes};
use http::StatusCode;

use wares::Ware;

fn main() -> ExitCode {
    match app() {
        Ok(app) => gateway::run(app),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn app() -> Result<Routes, RouterError> {
    let openapi = OpenApi::new("Market", "2.1")
        .summary("Wares, orders, people.")
        .description("Every feature of the router that a document can tell.")
        .terms_of_service("https://market.example/terms")
        .contact("The market's office", "office@market.example")
        .license("MIT")
        .external_docs("https://market.example/handbook", "The handbook")
        .tag("wares", "What there is.")
        .tag("orders", "What was bought.")
        .webhook("sold-out", "A ware is sold out", |operation| {
            operation.body_of::<Ware>("application/json");
            operation.response(StatusCode::NO_CONTENT, "it was heard");
        });
    Router::new()
        .openapi(openapi)
        .slashes(Slashes::Redirect)
        .provide(people::person)
        .provide(people::clerk)
        .nest("/wares", wares::routes())
        .nest("/orders", orders::routes())
        .nest("/people", people::routes())
        .build()
}
