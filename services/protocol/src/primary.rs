//! Which nodes of a database are primary. One definition, for targets, settling and checks: a node that PostgreSQL serves
//! writes on, that is not alone and of an older epoch.
//!
//! Pure. It says what one look at the nodes saw; whether two looks must agree is up to who asks.

use std::cmp::Reverse;

use crate::db::{NodeState, Role};

/// What is known of one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Account<'a> {
    /// Its own account; `None` where it did not answer.
    pub state: Option<&'a NodeState>,
    /// What PostgreSQL itself says; `None` where it was not asked, or did not answer.
    pub in_recovery: Option<bool>,
}

impl<'a> Account<'a> {
    /// Of a node whose PostgreSQL was not asked.
    #[must_use]
    pub fn own(state: Option<&'a NodeState>) -> Self {
        Self {
            state,
            in_recovery: None,
        }
    }

    /// Whether PostgreSQL serves writes there. What PostgreSQL says itself outweighs what the node says of it.
    #[must_use]
    pub fn serves_writes(&self) -> bool {
        match self.in_recovery {
            Some(in_recovery) => !in_recovery,
            None => self.state.is_some_and(|state| state.role == Role::Primary),
        }
    }

    /// Whether no standby is attached that its commits wait for. One that says nothing of it is not held to be alone.
    fn is_alone(&self) -> bool {
        self.state.is_some_and(|state| state.alone)
    }

    fn epoch(&self) -> u64 {
        self.state.map_or(0, |state| state.epoch)
    }

    fn timeline(&self) -> u32 {
        self.state.map_or(0, |state| state.timeline)
    }
}

/// The primaries among the nodes of one database, of the highest epoch first.
///
/// A node that serves writes, is alone, and is of an older epoch than another that serves them was cut off before it
/// could hear of its successor. It acknowledges nothing, for its standbys follow somebody else: it is no primary.
pub fn primaries<'a, N>(
    nodes: impl IntoIterator<Item = &'a N>,
    account: impl Fn(&'a N) -> Account<'a>,
) -> Vec<&'a N> {
    let serving = |(_, account): &(_, Account<'_>)| account.serves_writes();
    let mut found: Vec<(&N, Account<'_>)> = nodes
        .into_iter()
        .map(|node| (node, account(node)))
        .filter(serving)
        .collect();
    let newest = found.iter().map(|(_, account)| account.epoch()).max();
    found.retain(|(_, account)| !account.is_alone() || Some(account.epoch()) == newest);
    found.sort_by_key(|(_, account)| Reverse((account.epoch(), account.timeline())));
    found.into_iter().map(|(node, _)| node).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::Lsn;

    /// A node of a database, as a test writes it.
    struct Given {
        name: &'static str,
        state: Option<NodeState>,
        in_recovery: Option<bool>,
    }

    fn node(name: &'static str, role: Role, epoch: u64) -> Given {
        let state = NodeState {
            name: name.to_owned(),
            node_id: 0,
            role,
            epoch,
            has_data: true,
            timeline: 1,
            lsn: Lsn(1),
            streaming: role == Role::Standby,
            system_id: "1".to_owned(),
            data_epoch: epoch,
            alone: false,
            following: None,
        };
        Given {
            name,
            state: Some(state),
            in_recovery: None,
        }
    }

    impl Given {
        fn alone(mut self) -> Self {
            self.state.as_mut().unwrap().alone = true;
            self
        }

        fn says(mut self, in_recovery: bool) -> Self {
            self.in_recovery = Some(in_recovery);
            self
        }

        fn silent(mut self) -> Self {
            self.state = None;
            self
        }
    }

    fn found(nodes: &[Given]) -> Vec<&'static str> {
        let found = primaries(nodes, |node| Account {
            state: node.state.as_ref(),
            in_recovery: node.in_recovery,
        });
        found.into_iter().map(|node| node.name).collect()
    }

    #[test]
    fn a_node_that_serves_writes_is_primary() {
        let nodes = [
            node("a", Role::Standby, 3),
            node("b", Role::Primary, 3),
            node("c", Role::Standby, 3),
        ];
        assert_eq!(found(&nodes), ["b"]);
    }

    #[test]
    fn a_node_that_has_only_just_started_is_none() {
        for role in [Role::Starting, Role::Promoting, Role::Waiting] {
            assert_eq!(found(&[node("a", role, 3)]), <[&str; 0]>::default());
        }
    }

    #[test]
    fn postgresql_knows_better_than_its_node() {
        assert_eq!(
            found(&[node("a", Role::Primary, 3).says(true)]),
            <[&str; 0]>::default()
        );
        assert_eq!(found(&[node("a", Role::Standby, 3).says(false)]), ["a"]);
        assert_eq!(
            found(&[node("a", Role::Primary, 3).silent().says(false)]),
            ["a"]
        );
    }

    #[test]
    fn one_that_is_alone_and_of_an_older_epoch_is_none() {
        let successor = || node("b", Role::Primary, 4);
        assert_eq!(
            found(&[node("a", Role::Primary, 3).alone(), successor()]),
            ["b"]
        );
        assert_eq!(
            found(&[node("a", Role::Primary, 3), successor()]),
            ["b", "a"],
            "somebody still confirms its commits"
        );
        assert_eq!(
            found(&[node("a", Role::Primary, 4).alone(), successor()]),
            ["a", "b"],
            "of the same epoch, neither succeeded the other"
        );
    }

    #[test]
    fn the_only_one_is_primary_however_alone() {
        let nodes = [
            node("a", Role::Primary, 3).alone(),
            node("b", Role::Starting, 4),
        ];
        assert_eq!(found(&nodes), ["a"]);
    }
}
