//! What tests build worlds from.

use checker::evidence::Expected;
use protocol::{
    agent::{Cluster, Node},
    db::{Lsn, NodeState, Role},
};

use crate::run::plan::{Action, Count, FaultPlan};

/// A database node that answers; its timeline is its epoch.
pub(crate) fn node(name: &str, role: Role, epoch: u64, lsn: u64) -> Node {
    Node {
        name: name.to_owned(),
        state: Some(NodeState {
            name: name.to_owned(),
            node_id: 0,
            role,
            epoch,
            data_epoch: epoch,
            has_data: true,
            timeline: u32::try_from(epoch).unwrap(),
            lsn: Lsn(lsn),
            streaming: role == Role::Standby,
            following: None,
            system_id: "1".to_owned(),
        }),
        error: None,
    }
}

/// A fault of the plan, injected at once.
pub(crate) fn kill(target: &str) -> FaultPlan {
    FaultPlan {
        action: Action::Kill {
            kill: target.to_owned(),
            count: Count::Default,
        },
        after_ms: 0,
        when: None,
        within_ms: 0,
        expected: Expected::default(),
        seed: 7,
    }
}

/// A database of these nodes.
pub(crate) fn database(name: &str, nodes: Vec<Node>) -> Cluster {
    Cluster {
        name: name.to_owned(),
        nodes,
    }
}
