//! Requests that hold under conditions.

use super::support::{BEFORE, MODIFIED, Tree, ask, get};

#[tokio::test]
async fn what_the_client_has_is_not_sent_again() {
    let tree = Tree::new().with("a.txt", "text");
    let client = tree.client();
    let etag = get(&client, "/a.txt", &[])
        .await
        .header("etag")
        .unwrap()
        .to_owned();
    let weak = format!("W/{etag}");
    for fields in [
        [("if-none-match", &*etag), ("x", "")],
        [("if-none-match", &*weak), ("x", "")],
        [("if-none-match", "*"), ("if-modified-since", BEFORE)],
        [("if-modified-since", MODIFIED), ("range", "bytes=0-1")],
    ] {
        for method in ["GET", "HEAD"] {
            let reply = ask(&client, method, "/a.txt", &fields).await;
            assert_eq!(
                (reply.status.as_u16(), reply.text()),
                (304, ""),
                "{fields:?}"
            );
            assert_eq!(reply.header("etag"), Some(&*etag));
            for name in [
                "content-type",
                "content-length",
                "last-modified",
                "content-range",
            ] {
                assert_eq!(reply.header(name), None, "{name}");
            }
        }
    }
    let other = [("if-none-match", "\"x\""), ("if-modified-since", MODIFIED)];
    assert_eq!(get(&client, "/a.txt", &other).await.text(), "text");
}

#[tokio::test]
async fn what_the_client_takes_for_something_else_is_412() {
    let tree = Tree::new().with("a.txt", "text");
    let client = tree.client();
    let etag = get(&client, "/a.txt", &[])
        .await
        .header("etag")
        .unwrap()
        .to_owned();
    for (name, value, status) in [
        ("if-match", &*etag, 200),
        ("if-match", "*", 200),
        ("if-match", "\"x\"", 412),
        ("if-unmodified-since", MODIFIED, 200),
        ("if-unmodified-since", BEFORE, 412),
    ] {
        let reply = get(&client, "/a.txt", &[(name, value)]).await;
        assert_eq!(reply.status, status, "{name}: {value}");
    }
    assert_eq!(
        get(&client, "/none", &[("if-match", "*")]).await.status,
        404
    );
}

#[tokio::test]
async fn another_content_is_another_tag() {
    let tree = Tree::new().with("a.txt", "text");
    let client = tree.client();
    let etag = get(&client, "/a.txt", &[])
        .await
        .header("etag")
        .unwrap()
        .to_owned();
    let later = super::support::time() + std::time::Duration::from_millis(1);
    tree.write("a.txt", "tex2", later);
    let reply = get(&client, "/a.txt", &[("if-none-match", &etag)]).await;
    assert_eq!(reply.text(), "tex2");
    tree.write("a.txt", "longer", super::support::time());
    assert_eq!(
        get(&client, "/a.txt", &[("if-none-match", &etag)])
            .await
            .text(),
        "longer"
    );
}
