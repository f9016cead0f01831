//! Pictures: sent, looked at, kept, shown, and refused in every way.

use serde_json::Value;
use test_client::{Reply, Request};

use crate::support::{Person, Place, issues};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and the rest of it";

/// A form with one file.
fn form(field: &str, file_name: &str, content: &[u8]) -> Vec<u8> {
    let head = format!(
        "--edge\r\ncontent-disposition: form-data; name=\"{field}\"; filename=\"{file_name}\"\r\ncontent-type: image/png\r\n\r\n"
    );
    [head.as_bytes(), content, b"\r\n--edge--\r\n"].concat()
}

fn multipart(request: Request) -> Request {
    request.header("content-type", "multipart/form-data; boundary=edge")
}

async fn send(person: &Person, path: &str, body: Vec<u8>) -> Reply {
    let request = multipart(person.with(person.client.post(path)));
    request.body(body).send().await.unwrap()
}

#[tokio::test]
async fn a_picture_is_kept_shown_asked_about_and_replaced() {
    let place = Place::new();
    let market = place.market().await;
    let ada = Person::sign_up(&market, "Ada").await;
    ada.sell("Lamp").await;
    assert_eq!(ada.get("/api/items/1/picture").await.status, 404);
    let reply = send(&ada, "/api/items/1/picture", form("picture", "a.html", PNG)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let address = reply.json::<Value>()["picture"]
        .as_str()
        .unwrap()
        .to_owned();
    let shown = market.get(&address).send().await.unwrap();
    assert_eq!((shown.status.as_u16(), &*shown.body), (200, PNG));
    for (name, value) in [
        ("content-type", "image/png"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "default-src 'none'; sandbox"),
    ] {
        assert_eq!(shown.header(name), Some(value));
    }
    let tag = shown.header("etag").unwrap();
    let known = market.get(&address).header("if-none-match", tag);
    assert_eq!(known.send().await.unwrap().status, 304);

    // In three pieces, the first of which does not tell yet what it is.
    let body = form("picture", "b", b"GIF89a, another one");
    let cut = body.len() - 28;
    let request = multipart(ada.with(market.post("/items/1/picture")));
    let pieces = [
        body[..cut].to_vec(),
        body[cut..cut + 9].to_vec(),
        body[cut + 9..].to_vec(),
    ];
    let reply = request.body_chunks(pieces).send().await.unwrap();
    assert_eq!(
        (reply.status.as_u16(), reply.header("location")),
        (303, Some("/items/1"))
    );
    let stale = market
        .get(&address)
        .header("if-none-match", tag)
        .send()
        .await
        .unwrap();
    assert_eq!(
        (stale.status.as_u16(), stale.header("content-type")),
        (200, Some("image/gif"))
    );

    assert_eq!(ada.delete("/api/items/1/picture").await.status, 204);
    assert_eq!(ada.delete("/api/items/1/picture").await.status, 404);
    assert_eq!(
        ada.get("/api/items/1").await.json::<Value>()["picture"],
        Value::Null
    );
    let list: Value = ada.get("/api/items").await.json();
    assert_eq!(
        list["last_change"], 4,
        "put up, two pictures, and one taken away"
    );
}

#[tokio::test]
async fn a_picture_is_known_however_it_is_cut() {
    let place = Place::new();
    let market = place.market().await;
    let ada = Person::sign_up(&market, "Ada").await;
    ada.sell("Lamp").await;
    let content = [PNG, &[7; 100]].concat();
    let body = form("picture", "a.png", &content);
    let begin = body.len() - content.len() - "\r\n--edge--\r\n".len();
    for cut in begin..begin + 40 {
        let request = multipart(ada.with(market.post("/api/items/1/picture")));
        let pieces = [body[..cut].to_vec(), body[cut..].to_vec()];
        let reply = request.body_chunks(pieces).send().await.unwrap();
        assert_eq!(reply.status, 200, "{}: {}", cut - begin, reply.text());
    }
    let shown = ada.get("/api/items/1/picture").await;
    assert_eq!(&*shown.body, content);
}

#[tokio::test]
async fn what_is_no_picture_is_refused_with_what_is_wrong() {
    let place = Place::new();
    let market = place.market().await;
    let ada = Person::sign_up(&market, "Ada").await;
    let bea = Person::sign_up(&market, "Bea").await;
    ada.sell("Lamp").await;
    let path = "/api/items/1/picture";
    let mut large = PNG.to_vec();
    large.resize(2 * 1024 * 1024 + 1, 0);
    let mut twice = form("picture", "a.png", PNG);
    twice.truncate(twice.len() - "--edge--\r\n".len());
    twice.extend(form("picture", "b.png", PNG));
    for (body, status, expected) in [
        (
            form(
                "picture",
                "a.png",
                b"<svg xmlns='http://www.w3.org/2000/svg'>",
            ),
            415,
            "body.picture: content-type",
        ),
        (
            form("picture", "a.png", b""),
            415,
            "body.picture: content-type",
        ),
        (form("picture", "a.png", &large), 413, "body.picture: size"),
        (form("picture", "", b""), 422, "body.picture: missing"),
        (
            form("portrait", "a.png", PNG),
            422,
            "body.portrait: unknown",
        ),
        (twice, 422, "body.picture: repeated"),
        (b"--edge--\r\n".to_vec(), 422, "body.picture: missing"),
        (b"--edge\r\nno head at all".to_vec(), 400, "body: multipart"),
        (PNG.to_vec(), 400, "body: multipart"),
    ] {
        let reply = send(&ada, path, body).await;
        assert_eq!(
            (reply.status.as_u16(), issues(&reply)),
            (status, vec![expected.to_owned()])
        );
    }
    let mut whole = PNG.to_vec();
    whole.resize(2 * 1024 * 1024, 0);
    assert_eq!(
        send(&ada, path, form("picture", "a.png", &whole))
            .await
            .status,
        200,
        "as large as may be"
    );
    let plain = ada.with(market.post(path)).body(PNG).send().await.unwrap();
    assert_eq!(plain.status, 415);
    let nameless = ada
        .with(market.post(path))
        .header("content-type", "multipart/form-data");
    assert_eq!(nameless.body(PNG).send().await.unwrap().status, 400);
    assert_eq!(
        send(&bea, path, form("picture", "a.png", PNG)).await.status,
        403
    );
    assert_eq!(
        send(&ada, "/api/items/7/picture", form("picture", "a.png", PNG))
            .await
            .status,
        404
    );
    let nobody = multipart(market.post(path)).body(form("picture", "a.png", PNG));
    assert_eq!(nobody.send().await.unwrap().status, 401);
}

#[tokio::test]
async fn a_picture_that_comes_slowly_keeps_nobody_from_writing() {
    let place = Place::new();
    let market = place.market().await;
    let ada = Person::sign_up(&market, "Ada").await;
    ada.sell("Lamp").await;
    let body = form("picture", "a.png", PNG);
    let request = multipart(ada.with(market.post("/api/items/1/picture")));
    let mut slow = request.body_to_come().open();
    slow.send(body[..120].to_vec()).await.unwrap();
    assert_eq!(ada.sell("Meanwhile").await, 2);
    slow.send(body[120..].to_vec()).await.unwrap();
    slow.finish();
    let reply = slow.reply().await.unwrap();
    assert_eq!(reply.status, 200, "{}", reply.text());
}

#[tokio::test]
async fn what_was_taken_away_has_no_picture_and_gets_none() {
    let place = Place::new();
    let market = place.market().await;
    let ada = Person::sign_up(&market, "Ada").await;
    ada.sell("Lamp").await;
    let (path, body) = ("/api/items/1/picture", form("picture", "a.png", PNG));
    assert_eq!(send(&ada, path, body.clone()).await.status, 200);
    let request = multipart(ada.with(market.post(path)));
    let mut slow = request.body_to_come().open();
    slow.send(body[..120].to_vec()).await.unwrap();
    assert_eq!(ada.delete("/api/items/1").await.status, 204);
    slow.send(body[120..].to_vec()).await.unwrap();
    slow.finish();
    assert_eq!(slow.reply().await.unwrap().status, 404);
    assert_eq!(ada.get(path).await.status, 404);
}
