//! What one look at a held fault finds.

use crate::{
    cluster::Cluster,
    error::{Error, Result},
    fault::{
        container::{self, State},
        helper::Helper,
        tenure::{Ended, Place},
    },
};

/// What one look at a fault found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::fault) struct Look {
    pub(in crate::fault) place: Place,
    /// What shows that it is in effect; nothing where nothing does yet.
    pub(in crate::fault) effect: Option<String>,
}

impl Look {
    pub(super) fn gone(ended: Ended) -> Self {
        Self {
            place: Place::Gone(ended),
            effect: None,
        }
    }

    pub(super) fn there(effect: Option<String>) -> Self {
        Self {
            place: Place::There,
            effect,
        }
    }
}

/// What a script told that looks at a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    There(u64),
    Gone(Ended),
}

impl Told {
    pub(super) fn look(self, effect: impl FnOnce(u64) -> Option<String>) -> Look {
        match self {
            Self::There(number) => Look::there(effect(number)),
            Self::Gone(ended) => Look::gone(ended),
        }
    }
}

/// Runs the look of a fault in its helper. A helper that has ended holds nothing any more that we could vouch for.
pub(super) async fn ask(cluster: &Cluster, helper: &Helper, look: &str) -> Result<Told> {
    match helper.run(cluster, look, &[]).await {
        Ok(said) => read(&said),
        Err(error) => match container::state(cluster, helper.id()).await? {
            State::Ended => Ok(Told::Gone(Ended::Helper)),
            State::Runs { .. } => Err(error),
        },
    }
}

/// Reads `there 12` or `gone`.
pub(super) fn read(said: &str) -> Result<Told> {
    let said = said.trim();
    if said == "gone" {
        return Ok(Told::Gone(Ended::Fault));
    }
    number(said.strip_prefix("there ").unwrap_or(said)).map(Told::There)
}

/// The number that a script printed.
pub(super) fn number(said: &str) -> Result<u64> {
    said.trim().parse().map_err(|error| Error::Fault {
        reason: format!("`{}` should have been a number: {error}", said.trim()),
    })
}
