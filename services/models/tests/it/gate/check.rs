//! What must be true of three nodes.

use super::cluster::{Cluster, NODES, Node, Run};

pub(crate) fn check(cluster: &Cluster, needs_no_standby: bool) -> Result<(), String> {
    if cluster.led_by_two {
        return Err("an epoch is led by two nodes".into());
    }
    let latest = primaries(cluster).max_by_key(|(_, node)| node.led);
    let Some((leader, latest)) = latest else {
        return Ok(());
    };
    let missing = cluster.acknowledged & !latest.written();
    if missing != 0
        && cluster
            .leaders
            .iter()
            .all(|reign| reign.epoch <= latest.led)
    {
        return Err(format!(
            "an acknowledged write is missing on {leader}, which leads"
        ));
    }
    for (older, primary) in primaries(cluster).filter(|(node, _)| *node != leader) {
        if needs_no_standby || nodes().any(|standby| cluster.feeds(older, standby)) {
            return Err(format!(
                "{leader} leads, and {older} of epoch {} can acknowledge",
                primary.led
            ));
        }
    }
    for (primary, node) in primaries(cluster) {
        let successors = || {
            cluster
                .leaders
                .iter()
                .filter(|reign| reign.epoch > node.led)
        };
        let knows_better = |standby: &u8| {
            cluster.feeds(primary, *standby)
                && successors().any(|reign| reign.epoch <= cluster.node(*standby).epoch)
        };
        if let Some(standby) = nodes().find(knows_better) {
            return Err(format!("{standby} feeds an older primary"));
        }
    }
    Ok(())
}

pub(crate) fn nodes() -> impl Iterator<Item = u8> {
    (0..).take(NODES)
}

fn primaries(cluster: &Cluster) -> impl Iterator<Item = (u8, &Node)> {
    let nodes = (0..).zip(&cluster.nodes);
    nodes.filter(|(_, node)| node.run == Run::Primary)
}

/// One primary, and two standbys that have all that it has.
pub(crate) fn is_peace(cluster: &Cluster) -> bool {
    let leader = nodes().find(|&node| cluster.node(node).run == Run::Primary);
    leader.is_some_and(|leader| {
        let log = cluster.node(leader).log;
        let follows = |&node: &u8| cluster.feeds(leader, node) && cluster.node(node).log == log;
        nodes().filter(follows).count() == NODES - 1
    }) && cluster.requests().next().is_none()
}
