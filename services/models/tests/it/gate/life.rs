//! How a node comes up, whom it follows, and how it ends.

use super::{
    asking::leave,
    check::nodes,
    cluster::{Ask, Claim, Cluster, Run, Stage},
    deciding::{self, Account, Decided, Heard, Situation},
    moves::{Defect, Gate},
};

impl Gate {
    pub(super) fn start_up(
        &self,
        mut cluster: Cluster,
        node: u8,
        hears: u8,
        other: bool,
    ) -> Option<Cluster> {
        let state = *cluster.node(node);
        if state.run != Run::Down {
            return None;
        }
        let was_primary = !state.standby_data && !state.dirty;
        if self.has(Defect::ResumeAlone) && was_primary && state.epoch < self.bounds.epoch_max {
            let node = cluster.node_mut(node);
            node.epoch += 1;
            node.durable_epoch = node.epoch;
            node.led = node.epoch;
            node.run = Run::Voted;
            return Some(cluster);
        }
        let situation = Situation::of(node, &state, false, heard(&cluster, hears));
        let decided = self.deciding.start(situation);
        self.act(cluster, node, decided, other)
    }

    /// Does what a node decided.
    fn act(
        &self,
        mut cluster: Cluster,
        node: u8,
        decided: Decided,
        other: bool,
    ) -> Option<Cluster> {
        match decided {
            Decided::AskResume { .. } if self.has(Defect::NeverResume) => {
                cluster.node_mut(node).run = Run::Down;
            }
            Decided::AskResume { epoch, peers } => {
                let peer = peers.iter().nth(usize::from(other))?;
                let led = cluster.node(node).led;
                return self.ask(cluster, node, peer, epoch, Claim::Resume { led });
            }
            Decided::Rejoin { primary, epoch } | Decided::Clone { primary, epoch } => {
                let source = *cluster.node(primary);
                let state = cluster.node_mut(node);
                state.epoch = state.epoch.max(epoch);
                state.durable_epoch = state.epoch;
                state.dirty = other;
                state.run = Run::Down;
                state.following = None;
                if !other {
                    state.log = source.log;
                    state.standby_data = true;
                    state.led = 0;
                }
            }
            Decided::Wait | Decided::Standby { .. } if other => return None,
            Decided::Wait => cluster.node_mut(node).run = Run::Down,
            Decided::Standby { follow } => {
                let state = cluster.node_mut(node);
                state.run = Run::Standby;
                state.following = None;
                if let Some((primary, epoch)) = follow {
                    follow_primary(&mut cluster, node, primary, epoch);
                }
            }
        }
        Some(cluster)
    }

    /// A standby weighs whether to stand. It does not ask the one that it takes for dead.
    pub(super) fn stand(
        &self,
        cluster: Cluster,
        node: u8,
        hears: u8,
        second: bool,
    ) -> Option<Cluster> {
        let state = cluster.node(node);
        if state.run != Run::Standby || cluster.is_granting(node) {
            return None;
        }
        let followed = state.following.map_or(0, |followed| 1 << followed);
        let heard = heard(&cluster, hears & !followed);
        let (epoch, peers) = self.deciding.candidacy(node, state, heard)?;
        let peer = peers.iter().nth(usize::from(second))?;
        let (data_epoch, lsn) = state.position();
        let claim = Claim::Promote {
            epoch: data_epoch,
            lsn,
        };
        self.ask(cluster, node, peer, epoch, claim)
    }

    pub(super) fn look(&self, mut cluster: Cluster, node: u8, account: Account) -> Option<Cluster> {
        let state = *cluster.node(node);
        match state.run {
            Run::Primary if deciding::is_succeeded(state.led, account) => {
                let node = cluster.node_mut(node);
                node.run = Run::Down;
                node.pending = 0;
                Some(cluster)
            }
            Run::Standby if !cluster.is_granting(node) => {
                let known = if self.has(Defect::FollowAnyPrimary) {
                    0
                } else {
                    state.epoch
                };
                let epoch = deciding::to_follow(known, account)?;
                follow_primary(&mut cluster, node, account.node, epoch);
                Some(cluster)
            }
            Run::Primary | Run::Standby | Run::Down | Run::Asking | Run::Voted | Run::Promoted => {
                None
            }
        }
    }

    /// A node acts on what a primary said of itself before it died.
    pub(super) fn look_back(&self, cluster: Cluster, node: u8, epoch: u8) -> Option<Cluster> {
        let reigns = cluster.leaders;
        let reign = reigns.iter().find(|reign| reign.epoch == epoch)?;
        if reign.node == node {
            return None;
        }
        self.look(cluster, node, Account::of_primary(reign.node, epoch))
    }

    pub(super) fn rewind(&self, cluster: Cluster, node: u8, cut: bool) -> Option<Cluster> {
        let state = cluster.node(node);
        let primary = state.following?;
        let is_lost = state.run == Run::Standby
            && cluster.node(primary).run == Run::Primary
            && !state.log.is_prefix_of(&cluster.node(primary).log)
            && !cluster.is_granting(node);
        if !is_lost {
            return None;
        }
        let situation = Situation::of(node, state, true, heard(&cluster, 1 << primary));
        let decided = self.deciding.start(situation);
        self.act(cluster, node, decided, cut)
    }
}

/// What the peers in the mask say.
fn heard(cluster: &Cluster, hears: u8) -> Heard {
    let peers = nodes().filter(|peer| hears & (1 << peer) != 0);
    Heard::of(peers.map(|peer| Account::of(cluster, peer)))
}

pub(super) fn kill(mut cluster: Cluster, name: u8, lingers: bool) -> Option<Cluster> {
    leave(&mut cluster, name, lingers)?;
    // What it was about to grant is not granted.
    let is_cut =
        |ask: &Option<Ask>| ask.is_some_and(|ask| ask.to == name && ask.stage == Stage::Promised);
    for ask in cluster.asks.iter_mut().chain([&mut cluster.late]) {
        if is_cut(ask) {
            *ask = None;
        }
    }
    let node = cluster.node_mut(name);
    node.epoch = node.durable_epoch;
    if node.led > node.epoch {
        node.led = 0;
    }
    node.run = Run::Down;
    node.following = None;
    node.pending = 0;
    Some(cluster)
}

fn follow_primary(cluster: &mut Cluster, node: u8, primary: u8, epoch: u8) {
    let state = cluster.node_mut(node);
    state.epoch = state.epoch.max(epoch);
    state.durable_epoch = state.epoch;
    state.led = 0;
    state.following = Some(primary);
}
