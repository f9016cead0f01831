//! The pages without a script: forms that are sent, shown again with their mistakes, and refusals that are pages.

use test_client::{Reply, TestClient};

use crate::support::{PASSWORD, Person, Place, cookie_of, page_form};

#[track_caller]
fn has(reply: &Reply, parts: &[&str]) {
    for part in parts {
        assert!(
            reply.text().contains(part),
            "{part:?} is not in {}",
            reply.text()
        );
    }
}

#[track_caller]
fn leads_to(reply: &Reply, target: &str) {
    assert_eq!(
        (reply.status.as_u16(), reply.header("location")),
        (303, Some(target)),
        "{}",
        reply.text()
    );
}

async fn page(client: &TestClient, path: &str) -> Reply {
    let request = client.get(path).header("accept", "text/html");
    request.send().await.unwrap()
}

#[tokio::test]
async fn an_account_is_made_by_a_form_which_tells_its_mistakes_and_no_password() {
    let place = Place::new();
    let market = place.market().await;
    let form = async |path: &str, body| page_form(market.post(path), body).send().await.unwrap();
    let again = form(
        "/signup?next=%2Fitems%2Fnew",
        "name=A%3Cb%3E&password=secret",
    )
    .await;
    assert_eq!(again.status, 422);
    has(
        &again,
        &[
            "value=\"A&lt;b&gt;\"",
            "aria-invalid=\"true\"",
            "must have at least 10 characters",
            "next=%2Fitems%2Fnew",
        ],
    );
    assert!(!again.text().contains("secret"));
    let made = form(
        "/signup?next=%2Fitems%2Fnew",
        "name=Ada&password=correct+horse",
    )
    .await;
    leads_to(&made, "/items/new");
    assert!(cookie_of(&made).is_some());
    let taken = form("/signup", "name=Ada&password=correct+horse").await;
    assert_eq!(taken.status, 409);
    has(&taken, &["id=\"name-problem\"", "is taken"]);

    let wrong = form("/login", "name=Ada&password=wrong").await;
    assert_eq!(wrong.status, 403);
    has(
        &wrong,
        &["role=\"alert\"", "the name or the password is not right"],
    );
    let right = form(
        "/login?next=%2F%2Fevil.example",
        "name=Ada&password=correct+horse",
    )
    .await;
    leads_to(&right, "/");
    assert_eq!(PASSWORD, "correct horse");
    let none = form("/login", "").await;
    assert_eq!(none.status, 422);
    let ada = Person {
        cookie: cookie_of(&right).unwrap(),
        client: market.clone(),
    };
    has(
        &ada.get("/").await,
        &["<span class=\"who\" title=\"Ada\">Ada</span>"],
    );
    leads_to(&ada.form("/logout", "").await, "/");
    let other = market
        .post("/login")
        .header("accept", "text/html")
        .json(&1)
        .send()
        .await
        .unwrap();
    assert_eq!(other.status, 415);
    has(&other, &["<h1>Unsupported Media Type</h1>"]);
}

#[tokio::test]
async fn an_item_is_put_up_changed_and_taken_away_by_forms() {
    let place = Place::new();
    let market = place.market().await;
    let ada = Person::sign_up(&market, "Ada").await;
    let bea = Person::sign_up(&market, "Bea").await;
    let again = ada
        .form(
            "/items",
            "title=&description=%3Cscript%3E&price=cheap&tags=books&tags=toys",
        )
        .await;
    assert_eq!(again.status, 422);
    has(
        &again,
        &[
            "id=\"title-problem\" data-problem=\"title\">must have at least 1 character",
            "id=\"price-problem\" data-problem=\"price\">is not",
            "value=\"cheap\"",
            "&lt;script&gt;</textarea>",
            "value=\"books\" data-kind=\"list\" checked",
            "value=\"toys\" data-kind=\"list\" checked",
        ],
    );
    assert!(
        !again
            .text()
            .contains("value=\"music\" data-kind=\"list\" checked")
    );
    leads_to(
        &ada.form("/items", "title=Lamp&description=&price=5&tags=home")
            .await,
        "/items/1",
    );
    let shown = ada.get("/items/1").await;
    has(
        &shown,
        &[
            "<h1 id=\"title\">Lamp</h1>",
            "€ 5",
            "<li>home</li>",
            "href=\"/items/1/edit\"",
        ],
    );
    assert!(
        !bea.get("/items/1").await.text().contains("/items/1/edit"),
        "it is not hers"
    );

    has(
        &ada.get("/items/1/edit").await,
        &[
            "value=\"Lamp\"",
            "value=\"home\" data-kind=\"list\" checked",
        ],
    );
    let blank = ada.form("/items/1", "title=+&price=5").await;
    assert_eq!(blank.status, 422);
    has(&blank, &["is blank", "action=\"/items/1\""]);
    leads_to(
        &ada.form(
            "/items/1",
            "title=Old+lamp&description=It+works.%0D%0ASometimes.&price=0",
        )
        .await,
        "/items/1",
    );
    has(
        &ada.get("/items/1").await,
        &["Old lamp", "It works.\nSometimes.", "Free"],
    );
    assert_eq!(bea.form("/items/1", "title=Mine&price=0").await.status, 403);
    assert_eq!(bea.form("/items/1/delete", "").await.status, 403);
    leads_to(&ada.form("/items/1/delete", "").await, "/");
    assert_eq!(ada.form("/items/1/delete", "").await.status, 404);
    assert_eq!(ada.form("/items/1", "title=Lamp&price=5").await.status, 404);
}

#[tokio::test]
async fn lists_are_pages_whose_links_keep_what_is_looked_for() {
    let place = Place::new();
    let market = place.market().await;
    has(
        &page(&market, "/").await,
        &[
            "<span id=\"total\">0</span> items",
            "Sell something</a></p>",
        ],
    );
    let ada = Person::sign_up(&market, "Ada").await;
    for _ in 0..13 {
        ada.form("/items", "title=A+%26+%3Cb%3E&price=1&tags=toys")
            .await;
    }
    let first = page(&market, "/?q=%26&tag=toys").await;
    has(
        &first,
        &[
            "A &amp; &lt;b&gt;",
            "rel=\"next\" href=\"&#x2f;?q=%26&amp;tag=toys&amp;page=2\"",
            "Page 1 of 2",
            "value=\"toys\" checked",
        ],
    );
    assert!(!first.text().contains("data-front"));
    has(
        &page(&market, "/?q=%26&tag=toys&page=2").await,
        &["rel=\"prev\" href=\"&#x2f;?q=%26&amp;tag=toys&amp;page=1\""],
    );
    has(&page(&market, "/").await, &[" data-front"]);
    let second = page(&market, "/?page=2").await;
    assert!(!second.text().contains("data-front"));
    // Who is behind the end is led to it.
    has(
        &page(&market, "/?page=9").await,
        &["rel=\"prev\" href=\"&#x2f;?page=2\"", "Page 9 of 2"],
    );
    let wrong = page(&market, "/?page=0&tag=cars").await;
    assert_eq!(wrong.status, 200);
    has(&wrong, &["query.page: ", "query.tag[0]: ", "Page 1 of 2"]);
}

#[tokio::test]
async fn what_is_refused_to_somebody_who_looks_at_pages_is_a_page() {
    let place = Place::new();
    let market = place.market().await;
    leads_to(
        &page(&market, "/items/new").await,
        "/login?next=%2Fitems%2Fnew",
    );
    let ada = Person::sign_up(&market, "Ada").await;
    ada.sell("Lamp").await;
    leads_to(
        &page(&market, "/items/1/edit").await,
        "/login?next=%2Fitems%2F1%2Fedit",
    );
    let posted = page_form(market.post("/items"), "title=a&price=1")
        .send()
        .await
        .unwrap();
    assert_eq!(posted.status, 401);
    has(&posted, &["log in first"]);
    for (path, status) in [("/items/7", 404), ("/nowhere", 404), ("/items/x", 422)] {
        let reply = page(&market, path).await;
        assert_eq!(reply.status, status, "{path}");
        has(&reply, &["<p class=\"status\">", "See all items"]);
        assert!(reply.header("content-security-policy").is_some());
        let types: Vec<&[u8]> = reply.headers.get_all("content-type").collect();
        assert_eq!(types, [b"text/html; charset=utf-8"]);
        // A script that asks gets what it can read.
        let reply = market
            .get(path)
            .header("accept", "application/json, text/html;q=0.5")
            .send()
            .await
            .unwrap();
        assert_eq!(
            reply.header("content-type"),
            Some("application/problem+json"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn pages_run_nothing_but_their_own_files_which_are_sent_once() {
    let place = Place::new();
    let market = place.market().await;
    for path in ["/", "/signup", "/login"] {
        let reply = page(&market, path).await;
        let policy = reply.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self';"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(reply.header("cache-control"), Some("private, no-cache"));
        assert!(!reply.text().contains(" style=") && !reply.text().contains(" onclick="));
    }
    for name in [
        "market.css",
        "market.js",
        "forms.js",
        "live.js",
        "favicon.svg",
    ] {
        let path = format!("/assets/{name}");
        let first = market.get(&path).send().await.unwrap();
        assert_eq!(first.status, 200);
        let tag = first.header("etag").unwrap().to_owned();
        for known in [format!("\"x\", W/{tag}"), "*".into()] {
            let again = market
                .get(&path)
                .header("if-none-match", known)
                .send()
                .await
                .unwrap();
            assert_eq!((again.status.as_u16(), again.body.len()), (304, 0));
            assert_eq!(again.header("etag"), Some(&*tag));
        }
        let other = market
            .get(&path)
            .header("if-none-match", "\"x\"")
            .send()
            .await
            .unwrap();
        assert_eq!(other.status, 200);
    }
}
