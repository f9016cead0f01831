//! Tower services as applications, through the client in the process.

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::{get, post};
use std::net::SocketAddr;
use test_client::TestClient;

use adapters::tower::from_service;

#[tokio::test]
async fn a_router_answers_and_knows_its_client() {
    let app = Router::new()
        .route(
            "/",
            get(async |ConnectInfo(client): ConnectInfo<SocketAddr>| client.to_string()),
        )
        .route("/echo", post(async |body: String| body));
    let client = TestClient::new(from_service(app));
    assert_eq!(
        client.get("/").send().await.unwrap().text(),
        "127.0.0.1:50000"
    );
    assert_eq!(
        client
            .post("/echo")
            .body("again")
            .send()
            .await
            .unwrap()
            .text(),
        "again"
    );
    assert_eq!(client.get("/nowhere").send().await.unwrap().status, 404);
}
