//! Orders: scopes, callbacks, several answers.

use app_router::{Depends, Json, Path, Router, Status, route};
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::people::Person;

#[derive(Serialize, Deserialize, JsonSchema)]
struct Order {
    ware: u32,
    #[schemars(range(min = 1, max = 12), extend("multipleOf" = 2))]
    count: u8,
    /// Who is told when it is paid.
    callback_url: Option<String>,
}

/// An order that was taken.
#[derive(Serialize, JsonSchema)]
struct Receipt {
    by: String,
    order: Order,
}

/// Word that an order was paid.
#[derive(Serialize, JsonSchema)]
struct Paid {
    ware: u32,
}

pub(crate) fn routes() -> Router {
    let place = route(place).scope("orders:write").describe(|operation| {
        operation.callback(
            "paid",
            "{$request.body#/callback_url}",
            Method::POST,
            |paid| {
                paid.body_of::<Paid>("application/json");
                paid.response(StatusCode::NO_CONTENT, "it was heard");
            },
        );
    });
    Router::new()
        .tag("orders")
        .requires::<Person>()
        .post("/", place)
        .get(
            "/{year}/{number}",
            route(async |Path((year, number)): Path<(u16, u32)>| Json(format!("{year}-{number}")))
                .name("order")
                .summary("One order")
                .scope("orders:read"),
        )
}

async fn place(person: Depends<Person>, Json(order): Json<Order>) -> Status<201, Json<Receipt>> {
    Status(Json(Receipt {
        by: person.name.clone(),
        order,
    }))
}
