//! Which fields of the head are read as which fields of a struct.

use app_router::{HeaderFields, Router, RouterErrorKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::support::{Check, client, issues};

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Caller {
    x_user: String,
}

#[tokio::test]
async fn what_a_proxy_takes_out_by_a_name_does_not_come_in_by_another() {
    let app = client(
        Router::new().get("/", async |HeaderFields(caller): HeaderFields<Caller>| {
            caller.x_user
        }),
    );
    let sneaked = app.get("/").header("x_user", "root").send().await.unwrap();
    assert_eq!(issues(&sneaked), ["header.x-user: is missing (missing)"]);
    let beside = app
        .get("/")
        .header("X-User", "ada")
        .header("X_User", "root")
        .send()
        .await
        .unwrap();
    beside.check(200, "ada");
}

#[test]
fn fields_that_no_head_has_are_refused_when_the_router_is_built() {
    #[derive(Deserialize, JsonSchema)]
    #[serde(rename_all = "kebab-case")]
    #[expect(dead_code, reason = "it is never read")]
    struct Kebab {
        user: String,
        api_version: Option<u8>,
    }
    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "it is never read")]
    struct Capital {
        #[serde(rename = "X-Tenant")]
        tenant: String,
    }
    for (router, expected) in [
        (
            Router::new().get("/", async |_: HeaderFields<Kebab>| ""),
            "Kebab`: no field of the head is read as `api-version`: call it `api_version`",
        ),
        (
            Router::new().get("/", async |_: HeaderFields<Capital>| ""),
            "Capital`: no field of the head is read as `X-Tenant`: call it `x_tenant`",
        ),
    ] {
        let error = router.build().unwrap_err();
        assert_eq!(error.kind(), RouterErrorKind::Schema);
        assert!(error.to_string().contains(expected), "{error}");
    }
}
