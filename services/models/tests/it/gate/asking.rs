//! Asking for a grant, granting, and leading with it.

use models::Few;

use super::{
    cluster::{Ask, Claim, Cluster, Entry, Reign, Run, Stage},
    deciding,
    moves::{Defect, Gate, Slot},
};

impl Gate {
    /// A request for a grant sets out.
    pub(super) fn ask(
        &self,
        mut cluster: Cluster,
        from: u8,
        to: u8,
        epoch: u8,
        claim: Claim,
    ) -> Option<Cluster> {
        if epoch > self.bounds.epoch_max {
            return None;
        }
        cluster.asks[usize::from(from)] = Some(Ask {
            from,
            to,
            epoch,
            claim,
            stage: Stage::Sent,
        });
        cluster.node_mut(from).run = Run::Asking;
        Some(cluster)
    }

    /// The peer considers a request, and promises or refuses.
    pub(super) fn receive(&self, mut cluster: Cluster, slot: Slot) -> Option<Cluster> {
        let ask = slot.ask(&cluster)?;
        let peer = *cluster.node(ask.to);
        if ask.stage != Stage::Sent || cluster.is_granting(ask.to) {
            return None;
        }
        let epoch = if self.has(Defect::GrantTwice) {
            ask.epoch - 1
        } else {
            peer.epoch
        };
        if deciding::consider(epoch, &peer, &self.as_shown(ask)).is_err() {
            slot.put(&mut cluster, None);
            return Some(cluster);
        }
        let node = cluster.node_mut(ask.to);
        node.epoch = ask.epoch;
        if !self.has(Defect::GrantNotDurable) {
            node.durable_epoch = ask.epoch;
        }
        let stage = if peer.run == Run::Standby {
            Stage::Promised
        } else {
            Stage::Granted
        };
        slot.answer(&mut cluster, Ask { stage, ..ask });
        Some(cluster)
    }

    /// The peer stops feeding whomever it fed, follows the candidate, and says its last word.
    pub(super) fn confirm(&self, mut cluster: Cluster, slot: Slot) -> Option<Cluster> {
        let ask = slot.ask(&cluster)?;
        if ask.stage != Stage::Promised {
            return None;
        }
        let node = cluster.node_mut(ask.to);
        if !self.has(Defect::FeedOn) {
            node.following = Some(ask.from);
        }
        let confirmed = deciding::confirm(node, &self.as_shown(ask));
        if confirmed.is_ok() || self.has(Defect::NoConfirmation) {
            let stage = Stage::Granted;
            slot.answer(&mut cluster, Ask { stage, ..ask });
        } else {
            slot.put(&mut cluster, None);
        }
        Some(cluster)
    }

    fn as_shown(&self, ask: Ask) -> Ask {
        match ask.claim {
            Claim::Promote { .. } if self.has(Defect::AnyPosition) => Ask {
                claim: Claim::Promote {
                    epoch: u8::MAX,
                    lsn: u8::MAX,
                },
                ..ask
            },
            Claim::Promote { .. } | Claim::Resume { .. } => ask,
        }
    }

    /// The candidate has its grant: it votes for itself and stops receiving.
    pub(super) fn collect(&self, mut cluster: Cluster, candidate: u8) -> Option<Cluster> {
        let ask = cluster.asks[usize::from(candidate)].take()?;
        if ask.stage != Stage::Granted {
            return None;
        }
        let node = cluster.node_mut(candidate);
        node.epoch = ask.epoch;
        node.led = ask.epoch;
        if !self.has(Defect::VoteNotDurable) {
            node.durable_epoch = ask.epoch;
        }
        node.following = None;
        node.run = Run::Voted;
        Some(cluster)
    }
}

/// The candidate does not wait any more. Its request may still be on its way.
pub(super) fn give_up(mut cluster: Cluster, candidate: u8, lingers: bool) -> Option<Cluster> {
    if cluster.node(candidate).run != Run::Asking {
        return None;
    }
    leave(&mut cluster, candidate, lingers)?;
    let node = cluster.node_mut(candidate);
    node.run = if node.standby_data {
        Run::Standby
    } else {
        Run::Down
    };
    Some(cluster)
}

/// Closes a candidate's request. A peer that has promised goes on with its grant whatever becomes of the
/// candidate.
pub(super) fn leave(cluster: &mut Cluster, candidate: u8, lingers: bool) -> Option<()> {
    let ask = cluster.asks[usize::from(candidate)].take();
    match ask {
        Some(ask) if lingers => {
            if ask.stage == Stage::Granted || cluster.late.is_some() {
                return None;
            }
            cluster.late = Some(ask);
        }
        Some(ask) if ask.stage == Stage::Promised => return None,
        None if lingers => return None,
        Some(_) | None => {}
    }
    Some(())
}

/// A late request is lost.
pub(super) fn forget(mut cluster: Cluster) -> Option<Cluster> {
    let late = cluster.late.take()?;
    (late.stage == Stage::Sent).then_some(cluster)
}

/// The server leaves recovery.
pub(super) fn promote(mut cluster: Cluster, node: u8) -> Option<Cluster> {
    let node = cluster.node_mut(node);
    if node.run != Run::Voted || !node.standby_data {
        return None;
    }
    node.log = node.log.with(Entry::Branch(node.led))?;
    node.standby_data = false;
    node.run = Run::Promoted;
    Some(cluster)
}

/// The epoch's beginning is in the log, and the node takes writes.
pub(super) fn begin(mut cluster: Cluster, name: u8) -> Option<Cluster> {
    let node = cluster.node_mut(name);
    if node.run != Run::Promoted && (node.run != Run::Voted || node.standby_data) {
        return None;
    }
    let epoch = node.led;
    node.log = node.log.with(Entry::Begin(epoch))?;
    node.run = Run::Primary;
    let leaders = cluster.leaders;
    let of_epoch = |reign: &Reign| reign.epoch == epoch;
    let by_another = |reign: Reign| reign.node != name;
    cluster.led_by_two |= leaders.iter().filter(of_epoch).any(by_another);
    let before = leaders.iter().filter(|reign| reign.epoch < epoch);
    let after = leaders.iter().filter(|reign| reign.epoch > epoch);
    let mine = Reign { epoch, node: name };
    cluster.leaders = Few::of(before.chain([mine]).chain(after));
    Some(cluster)
}
