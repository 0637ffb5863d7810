//! The handle that every operation takes: an engine, a stack's name, where progress goes, and the wish to stop.

use std::fmt;
use std::str::FromStr;

use tokio_util::sync::CancellationToken;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::event::Events;

/// The name of a stack: the prefix of everything it owns.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StackName(String);

impl StackName {
    /// Of a stack that nobody gave another name.
    pub const DEFAULT: &str = "webshop";

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of something in the stack, as `docker stack deploy` builds it: `webshop_order`.
    pub fn scoped(&self, name: &str) -> String {
        format!("{}_{name}", self.0)
    }

    /// The other way round: `order` of `webshop_order`; foreign names are given back whole.
    pub fn unscoped<'a>(&self, name: &'a str) -> &'a str {
        name.strip_prefix(&self.0)
            .and_then(|rest| rest.strip_prefix('_'))
            .unwrap_or(name)
    }
}

impl fmt::Display for StackName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for StackName {
    type Err = Error;

    // A Swarm service name is a DNS label of at most 63 bytes; ours add up to 23 to the stack's.
    fn from_str(text: &str) -> Result<Self> {
        let good = text.len() <= 40
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if good {
            Ok(Self(text.to_owned()))
        } else {
            Err(Error::BadStackName {
                stack: text.to_owned(),
            })
        }
    }
}

/// One stack on one engine. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Cluster {
    pub engine: Engine,
    pub stack: StackName,
    pub events: Events,
    pub cancel: CancellationToken,
}

impl Cluster {
    /// The same, for what must be done even after the user asked to stop.
    #[must_use]
    pub fn uncancelled(&self) -> Self {
        Self {
            cancel: CancellationToken::new(),
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_scoped_as_stack_deploy_does() {
        let stack: StackName = "webshop".parse().unwrap();
        assert_eq!(stack.scoped("order-db-0"), "webshop_order-db-0");
        assert_eq!(stack.unscoped("webshop_order-db-0"), "order-db-0");
        assert_eq!(stack.unscoped("other_order"), "other_order");
    }

    #[test]
    fn bad_stack_names_are_refused() {
        for bad in ["", "-a", "a b", "a/b", "ä", &"x".repeat(41)] {
            assert!(bad.parse::<StackName>().is_err(), "{bad}");
        }
    }
}
