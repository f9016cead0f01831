//! Who asks: each kind of credential, scopes, and what providers make of them.

use app_router::security::{
    ApiKey, Basic, Bearer, Either, NeededScopes, OAuthFlow, PasswordForm, Security, SecurityScheme,
};
use app_router::{Depends, Form, Json, Part, Rejection, Router, route};
use http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

/// Tokens that the market gives out.
pub(crate) struct Login;

impl Security for Login {
    const NAME: &'static str = "login";
    const SCHEME: SecurityScheme = SecurityScheme::OAuth2(&[
        OAuthFlow::password("/people/token").scopes(SCOPES),
        OAuthFlow::client_credentials("/people/token").scopes(SCOPES),
        OAuthFlow::authorization_code("https://market.example/authorize", "/people/token")
            .refresh("https://market.example/refresh")
            .scopes(SCOPES),
    ]);
    const DESCRIPTION: &'static str = "Anybody is let in whose password is their name backwards.";
}

const SCOPES: &[(&str, &str)] = &[("orders:read", "See orders."), ("orders:write", "Order.")];

/// Keys of the market's own machines.
pub(crate) struct Machine;

impl Security for Machine {
    const NAME: &'static str = "machine";
    const SCHEME: SecurityScheme = SecurityScheme::ApiKey {
        part: Part::Header,
        name: "x-machine",
    };
}

struct InQuery;

impl Security for InQuery {
    const NAME: &'static str = "link";
    const SCHEME: SecurityScheme = SecurityScheme::ApiKey {
        part: Part::Query,
        name: "key",
    };
}

struct InCookie;

impl Security for InCookie {
    const NAME: &'static str = "ticket";
    const SCHEME: SecurityScheme = SecurityScheme::ApiKey {
        part: Part::Cookie,
        name: "ticket",
    };
}

struct Elsewhere;

impl Security for Elsewhere {
    const NAME: &'static str = "elsewhere";
    const SCHEME: SecurityScheme =
        SecurityScheme::OpenIdConnect("https://id.example/.well-known/openid-configuration");
}

/// Somebody whose token is good for what the route needs. It is `NAME` or `NAME.SCOPE.SCOPE`.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Person {
    pub(crate) name: String,
}

/// Somebody of the market's office.
pub(crate) struct Clerk;

#[derive(Serialize, JsonSchema)]
struct Token {
    access_token: String,
    token_type: String,
}

pub(crate) async fn person(
    token: Bearer<Login>,
    needed: NeededScopes,
) -> Result<Depends<Person>, Rejection> {
    // A market that opens tomorrow signs its tokens.
    let mut parts = token.as_str().split('.');
    let name = parts.next().unwrap_or_default().to_owned();
    let granted: Vec<String> = parts.map(|scope| scope.replace('_', ":")).collect();
    needed.check(&granted)?;
    Ok(Depends::new(Person { name }))
}

pub(crate) async fn clerk(
    sent: Either<ApiKey<Machine>, Basic>,
) -> Result<Depends<Clerk>, Rejection> {
    let is_known = match &sent {
        Either::First(key) => key.is("k-1"),
        Either::Second(login) => login.user() == "office" && login.has_password("open"),
    };
    if is_known {
        Ok(Depends::new(Clerk))
    } else {
        Err(sent.refuse("the market's office knows nobody of that name"))
    }
}

pub(crate) fn routes() -> Router {
    let token = route(token).describe(|operation| {
        operation.rejects(StatusCode::BAD_REQUEST, "the password is wrong");
    });
    Router::new()
        .tag("people")
        .post("/token", token)
        .get("/me", async |person: Depends<Person>| {
            Json(person.name.clone())
        })
        .get("/greeting", greeting)
        .get(
            "/office",
            route(async || "the safe is open").requires::<Clerk>(),
        )
        .get(
            "/link",
            async |_: ApiKey<InQuery>, _: ApiKey<InCookie>| "both",
        )
        .get("/elsewhere", async |_: Bearer<Elsewhere>| "known elsewhere")
}

async fn token(Form(form): Form<PasswordForm>) -> Result<Json<Token>, Rejection> {
    if form.username.chars().rev().ne(form.password.chars()) {
        return Err(Rejection::new(
            StatusCode::BAD_REQUEST,
            "the password is wrong",
        ));
    }
    let scopes = form.scopes().map(|scope| scope.replace(':', "_"));
    let parts: Vec<String> = std::iter::once(form.username.clone())
        .chain(scopes)
        .collect();
    Ok(Json(Token {
        access_token: parts.join("."),
        token_type: String::from("bearer"),
    }))
}

async fn greeting(token: Option<Bearer<Login>>) -> Json<String> {
    let name = token.as_ref().map_or("stranger", |token| token.as_str());
    Json(format!("Hello, {name}."))
}
