//! The routes added so far, and what refuses the next.

use std::collections::HashMap;

use matchit::InsertError;

use super::{Entry, SOCKET, Serves};
use crate::call::About;
use crate::depends::Graph;
use crate::error::Name;
use crate::routes::{Route, Served};
use crate::tree::Tree;
use crate::urls::Names;
use crate::{RouterError, pattern};

/// The routes added so far.
pub(super) struct Table {
    pub(super) tree: Tree,
    /// The same patterns, in the tree that says which of them could stand for the same path.
    conflicts: matchit::Router<usize>,
    pub(super) routes: Vec<Route>,
    pub(super) names: Names,
    /// What errors call each of the routes.
    known: Vec<(String, String)>,
    /// The route of each pattern, as it is in the tree.
    by_pattern: HashMap<String, usize>,
    body_limit: usize,
}

impl Table {
    pub(super) fn new(body_limit: usize) -> Self {
        Self {
            tree: Tree::new(),
            conflicts: matchit::Router::new(),
            routes: Vec::new(),
            names: Names::default(),
            known: Vec::new(),
            by_pattern: HashMap::new(),
            body_limit,
        }
    }

    pub(super) fn add_route(&mut self, entry: Entry, providers: &Graph) -> Result<(), RouterError> {
        let name = entry.name();
        let pattern =
            pattern::on_the_wire(entry.pattern).map_err(|why| RouterError::pattern(name, why))?;
        let index = match self.by_pattern.get(&*pattern) {
            Some(index) => *index,
            None => {
                let index = self.insert(&pattern, name)?;
                self.tree.add(&pattern::pieces(entry.pattern), index);
                self.routes.push(Route::new(entry.pattern));
                self.by_pattern.insert(pattern.into_owned(), index);
                index
            }
        };
        let (describe, docs) = match &entry.serves {
            Serves::Method(_, endpoint) => (endpoint.describe, &endpoint.docs),
            Serves::WebSocket(endpoint) => (endpoint.describe, &endpoint.docs),
        };
        if let Some(url) = docs.name
            && let Some(earlier) = self.names.add(url, entry.pattern)
        {
            return Err(RouterError::named_twice(name, url, earlier));
        }
        let limit = docs.body_limit.unwrap_or(self.body_limit);
        let about = About::learn(name, describe, docs, limit, providers)?;
        let is_socket = matches!(entry.serves, Serves::WebSocket(_));
        if let (true, Some(taker)) = (is_socket, about.taker) {
            return Err(RouterError::socket_has_no_body(name, taker));
        }
        let route = &mut self.routes[index];
        route.blocks |= about.blocks;
        let added = entry.added;
        let (what, result) = match entry.serves {
            Serves::Method(method, endpoint) => (
                method.to_string(),
                route.add_method(
                    method,
                    Served {
                        endpoint,
                        about,
                        added,
                    },
                ),
            ),
            Serves::WebSocket(endpoint) => (
                SOCKET.to_owned(),
                route.add_socket(Served {
                    endpoint,
                    about,
                    added,
                }),
            ),
        };
        result.map_err(|earlier| {
            let name = |added| Name {
                what: &what,
                pattern: entry.pattern,
                added,
            };
            RouterError::twice(name(added), name(earlier))
        })
    }

    fn insert(&mut self, pattern: &str, name: Name<'_>) -> Result<usize, RouterError> {
        let index = self.routes.len();
        self.conflicts
            .insert(pattern, index)
            .map_err(|error| match error {
                InsertError::Conflict { with } => match self.rival(pattern) {
                    Some(rival) => RouterError::ambiguous(name, rival),
                    None => RouterError::ambiguous(name, format_args!("`{with}`")),
                },
                InsertError::InvalidParamSegment => {
                    RouterError::pattern(name, "a segment has at most one parameter")
                }
                InsertError::InvalidParam => RouterError::pattern(
                    name,
                    "a parameter is a name in braces; braces themselves are doubled",
                ),
                InsertError::InvalidCatchAll => {
                    RouterError::pattern(name, "a catch-all is the whole of the last segment")
                }
                _ => RouterError::pattern(name, error),
            })?;
        self.known.push((pattern.to_owned(), name.to_string()));
        Ok(index)
    }

    /// The first route that conflicts with a pattern. The tree names one that need not be it, as it sees no more than a
    /// common part.
    fn rival(&self, pattern: &str) -> Option<&str> {
        let conflicts = |known: &str| {
            let mut pair = matchit::Router::new();
            pair.insert(known, ()).is_ok() && pair.insert(pattern, ()).is_err()
        };
        let rival = self.known.iter().find(|(known, _)| conflicts(known));
        rival.map(|(_, name)| &**name)
    }
}
