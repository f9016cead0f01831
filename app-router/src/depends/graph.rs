//! Which provider needs which: checked when the router is built, and the order for each route.

use std::any::TypeId;
use std::collections::HashMap;
use std::panic::Location;
use std::sync::Arc;

use super::Scopes;
use super::provider::{Provide, ProviderEndpoint};
use crate::error::Name;
use crate::operation::Need;
use crate::{Operation, RouterError};

/// The providers of a router.
#[derive(Default, Clone)]
pub(crate) struct Graph {
    nodes: HashMap<TypeId, Node>,
}

#[derive(Clone)]
struct Node {
    name: &'static str,
    added: &'static Location<'static>,
    needs: Vec<Need>,
    takers: Vec<&'static str>,
    describe: fn(&mut Operation),
    call: Arc<dyn Provide>,
    tears_down: bool,
}

/// What has to be made for a route, each after what it needs.
#[derive(Default)]
pub(crate) struct Plan {
    pub(super) steps: Vec<Step>,
    /// Whether something is to be undone, however the handler ends.
    pub(crate) tears_down: bool,
    /// What a token has to allow; `None` if nothing.
    pub(super) scopes: Option<Arc<Scopes>>,
    is_plain: bool,
}

pub(super) struct Step {
    pub(super) id: TypeId,
    pub(super) call: Arc<dyn Provide>,
    /// Earlier steps.
    pub(super) needs: Vec<usize>,
}

impl Plan {
    /// Whether there is nothing to make, nothing to undo, and nothing to hold a client to.
    #[inline]
    pub(crate) const fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// The plan of a route that asks for these scopes.
    pub(crate) fn with_scopes(mut self, scopes: &[&'static str]) -> Self {
        self.scopes = (!scopes.is_empty()).then(|| Arc::new(Scopes(scopes.to_vec())));
        self.is_plain = self.steps.is_empty() && !self.tears_down && self.scopes.is_none();
        self
    }
}

impl Graph {
    /// Adds a provider.
    ///
    /// # Errors
    ///
    /// If another makes the same type.
    pub(crate) fn add(
        &mut self,
        provider: ProviderEndpoint,
        added: &'static Location<'static>,
    ) -> Result<(), RouterError> {
        if let Some(earlier) = self.nodes.get(&provider.id) {
            let (name, earlier) = (name_of(provider.name, added), earlier.name());
            return Err(RouterError::provided_twice(name, earlier));
        }
        self.insert(provider, added);
        Ok(())
    }

    /// Puts a provider in the place of the one for the same type.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub(crate) fn replace(
        &mut self,
        provider: ProviderEndpoint,
        added: &'static Location<'static>,
    ) -> Result<(), RouterError> {
        if !self.nodes.contains_key(&provider.id) {
            return Err(RouterError::not_overridden(name_of(provider.name, added)));
        }
        self.insert(provider, added);
        Ok(())
    }

    fn insert(&mut self, provider: ProviderEndpoint, added: &'static Location<'static>) {
        let mut about = Operation::unwritten();
        (provider.describe)(&mut about);
        let node = Node {
            name: provider.name,
            added,
            needs: about.needs,
            takers: about.takers,
            describe: provider.describe,
            call: provider.call,
            tears_down: about.tears_down,
        };
        self.nodes.insert(provider.id, node);
    }

    /// Takes the providers of another router.
    ///
    /// # Errors
    ///
    /// If both have one for the same type.
    pub(crate) fn merge(&mut self, other: Self) -> Result<(), RouterError> {
        for (id, node) in other.nodes {
            match self.nodes.get(&id) {
                Some(known) if !std::ptr::eq(known.added, node.added) => {
                    return Err(RouterError::provided_twice(node.name(), known.name()));
                }
                _ => {
                    self.nodes.insert(id, node);
                }
            }
        }
        Ok(())
    }

    /// That every provider can be called at all.
    ///
    /// # Errors
    ///
    /// If one needs what nothing provides, or itself.
    pub(crate) fn check(&self) -> Result<(), RouterError> {
        let mut nodes: Vec<_> = self.nodes.iter().collect();
        // The same error for the same router, whatever order the map has.
        nodes.sort_by_key(|(_, node)| (node.added.file(), node.added.line(), node.name));
        for (&id, node) in nodes {
            let need = Need {
                id,
                name: node.name,
            };
            self.visit(need, node.name(), &mut Vec::new(), &mut Plan::default())?;
        }
        Ok(())
    }

    /// What a route that asks for no scopes has to have made, of all that its handler says; `about` learns what the providers read.
    ///
    /// # Errors
    ///
    /// If nothing provides it, or the body is taken twice.
    pub(crate) fn plan(&self, route: Name<'_>, about: &mut Operation) -> Result<Plan, RouterError> {
        let mut plan = Plan {
            steps: Vec::new(),
            tears_down: about.tears_down,
            scopes: None,
            is_plain: false,
        };
        for need in about.needs.clone() {
            self.visit(need, route, &mut Vec::new(), &mut plan)?;
        }
        for step in &plan.steps {
            let node = &self.nodes[&step.id];
            plan.tears_down |= node.tears_down;
            about.takers.extend(&node.takers);
        }
        match about.takers[..] {
            [first, second, ..] => Err(RouterError::body_taken_twice(route, first, second)),
            _ => Ok(plan.with_scopes(&[])),
        }
    }

    /// Has the providers that a plan calls describe what they read.
    pub(crate) fn describe(&self, plan: &Plan, about: &mut Operation) {
        for step in &plan.steps {
            (self.nodes[&step.id].describe)(about);
        }
    }

    /// Adds a provider behind all that it needs. `path` is who is being added for whom.
    fn visit(
        &self,
        need: Need,
        by: Name<'_>,
        path: &mut Vec<Need>,
        plan: &mut Plan,
    ) -> Result<usize, RouterError> {
        if let Some(known) = plan.steps.iter().position(|step| step.id == need.id) {
            return Ok(known);
        }
        let Some(node) = self.nodes.get(&need.id) else {
            return Err(RouterError::not_provided(by, need.name));
        };
        if let Some(start) = path.iter().position(|earlier| earlier.id == need.id) {
            let circle: Vec<&str> = path[start..].iter().map(|need| need.name).collect();
            return Err(RouterError::circle(node.name(), &circle));
        }
        path.push(need);
        let mut needs = Vec::with_capacity(node.needs.len());
        for need in &node.needs {
            needs.push(self.visit(*need, node.name(), path, plan)?);
        }
        path.pop();
        plan.steps.push(Step {
            id: need.id,
            call: Arc::clone(&node.call),
            needs,
        });
        Ok(plan.steps.len() - 1)
    }
}

impl Node {
    fn name(&self) -> Name<'static> {
        name_of(self.name, self.added)
    }
}

fn name_of(name: &'static str, added: &'static Location<'static>) -> Name<'static> {
    Name {
        what: "provider of",
        pattern: name,
        added,
    }
}
