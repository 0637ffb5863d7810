//! What tests build worlds from.

use std::path::Path;

use checker::evidence::Expected;
use protocol::{
    agent::{Cluster, Node},
    db::{Lsn, NodeState, Role},
};

use crate::{
    fault::action::{Action, Count, End},
    run::plan::FaultPlan,
};

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
            alone: false,
            following: None,
            system_id: "1".to_owned(),
        }),
        error: None,
    }
}

/// A kill of the plan, injected at once.
pub(crate) fn kill(target: &str) -> FaultPlan {
    fault(Action::End {
        end: End::Kill(target.to_owned()),
        count: Count::Default,
    })
}

/// A fault of the plan, injected at once.
pub(crate) fn fault(action: Action) -> FaultPlan {
    FaultPlan {
        action,
        after_ms: 0,
        when: None,
        within_ms: 0,
        expected: Expected::default(),
        seed: 7,
        apart: false,
        place: 0,
    }
}

/// A database of these nodes.
pub(crate) fn database(name: &str, nodes: Vec<Node>) -> Cluster {
    Cluster {
        name: name.to_owned(),
        nodes,
    }
}

/// What a shell script prints where these tools, in `dir`, stand in for the system's; nothing where it fails.
pub(crate) fn said(script: &str, dir: &Path, tools: &[(&str, &str)]) -> Option<String> {
    for (tool, body) in tools {
        let path = dir.join(tool);
        std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        let runs = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&path, runs).unwrap();
    }
    let ran = std::process::Command::new("sh")
        .args(["-c", &format!("PATH={}:$PATH\n{script}", dir.display())])
        .output()
        .unwrap();
    let said = String::from_utf8(ran.stdout).unwrap();
    ran.status.success().then(|| said.trim().to_owned())
}
