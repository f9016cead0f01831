//! Pages from templates.

use app_router::{Router, Templates};
use http::StatusCode;
use serde_json::json;

use crate::support::{Check, client};

#[tokio::test]
async fn pages_are_made_of_templates_and_what_is_put_in_is_escaped() {
    let templates = Templates::new([
        ("layout.html", "<h1>{% block title %}{% endblock %}</h1>"),
        ("list.html", "{% extends 'layout.html' %}{% block title %}{% for x in list %}{{ x }};{% endfor %}{% endblock %}"),
        ("mail.txt", "Hello {{ name }}"),
    ])
    .unwrap();
    assert_eq!(
        templates.text("mail.txt", &json!({"name": "<a>"})).unwrap(),
        "Hello <a>"
    );
    let hole = templates.clone();
    let app = client(
        Router::new()
            .get("/", move || {
                let page = templates.page("list.html", &json!({"list": ["a", "<b>"]}));
                async { page }
            })
            .get("/hole", move || {
                let page = hole.page("mail.txt", &json!({}));
                async { page }
            }),
    );
    let page = app.get("/").send().await.unwrap();
    page.check(200, "<h1>a;&lt;b&gt;;</h1>");
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let hole = app.get("/hole").send().await.unwrap();
    assert_eq!(hole.status, StatusCode::INTERNAL_SERVER_ERROR);
    let text = hole.outcome().await.to_string();
    assert!(text.contains("mail.txt:1"), "{text}");
}

#[test]
fn a_broken_template_is_refused_with_its_line() {
    let error = Templates::new([("a.html", "ok\n{% if %}")]).unwrap_err();
    assert!(error.to_string().contains("a.html:2"), "{error}");
}
