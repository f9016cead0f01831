//! Types in the document that are written otherwise than they are read.

use app_router::{Json, OpenApi, Router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::support::client;

#[derive(Serialize, Deserialize, JsonSchema)]
struct Outer {
    middle: Middle,
    same: Same,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Middle {
    inner: Vec<Inner>,
}

/// What is written always has the field.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Inner {
    #[serde(default)]
    text: String,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Same {
    text: String,
}

#[tokio::test]
async fn what_holds_a_type_that_has_two_schemas_has_two_itself() {
    let router = Router::new().openapi(OpenApi::new("", ""));
    let app = client(router.post("/", async |outer: Json<Outer>| outer));
    let document: Value = app.get("/openapi.json").send().await.unwrap().json();
    let operation = &document["paths"]["/"]["post"];
    let read = &operation["requestBody"]["content"]["application/json"]["schema"];
    let written = &operation["responses"]["200"]["content"]["application/json"]["schema"];
    for (schema, required) in [(read, None), (written, Some("text"))] {
        let target = |schema: &Value| {
            let reference = schema["$ref"].as_str().unwrap();
            document.pointer(&reference[1..]).unwrap().clone()
        };
        let outer = target(schema);
        assert_eq!(
            outer["properties"]["same"]["$ref"],
            "#/components/schemas/Same"
        );
        let middle = target(&outer["properties"]["middle"]);
        let inner = target(&middle["properties"]["inner"]["items"]);
        assert_eq!(inner["required"][0].as_str(), required);
    }
}
