//! Everything that can happen to three nodes.

use models::Model;

use super::{
    asking::{begin, forget, give_up, promote},
    check::{self, nodes},
    cluster::{Ask, Cluster, Entry, Run, Stage},
    deciding::{Account, Deciding},
    life::kill,
};

/// How far the model goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) epoch_max: u8,
    pub(crate) writes_max: u8,
}

/// What the model gets wrong, for the search to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Defect {
    /// A peer grants an epoch again.
    GrantTwice,
    /// A peer goes on feeding its old primary after its grant.
    FeedOn,
    /// A peer grants whatever the candidate holds.
    AnyPosition,
    /// A peer does not look again once it is fenced.
    NoConfirmation,
    /// A former primary starts as primary without asking.
    ResumeAlone,
    /// A kill takes a promise back.
    GrantNotDurable,
    /// A kill takes the vote for oneself back.
    VoteNotDurable,
    /// `synchronous_standby_names` is empty: a write is acknowledged at once.
    NoStandbyNames,
    /// A standby follows whoever says that it is primary.
    FollowAnyPrimary,
    /// A former primary never asks to go on.
    NeverResume,
}

/// The model.
pub(crate) struct Gate {
    pub(super) bounds: Bounds,
    defect: Option<Defect>,
    pub(super) deciding: Deciding,
}

/// Which request for a grant.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Slot {
    Of(u8),
    Late,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Action {
    /// A client's write is in the log, and waits for a standby.
    Write(u8),
    /// One entry goes from a primary to a standby.
    Replicate {
        from: u8,
        to: u8,
    },
    /// `lingers`: its request for a grant is still on its way.
    Kill {
        node: u8,
        lingers: bool,
    },
    /// A node whose PostgreSQL is down looks around and decides. `other` is the other way to go about it: to ask
    /// the second peer, or to be cut short.
    Start {
        node: u8,
        hears: u8,
        other: bool,
    },
    /// A standby takes its primary for dead, and stands if its peers let it.
    Stand {
        node: u8,
        hears: u8,
        second: bool,
    },
    Receive(Slot),
    Confirm(Slot),
    Collect(u8),
    GiveUp {
        node: u8,
        lingers: bool,
    },
    Forget,
    Promote(u8),
    Begin(u8),
    /// A node acts on what a peer says, or once said.
    Look {
        node: u8,
        at: u8,
    },
    LookBack {
        node: u8,
        epoch: u8,
    },
    /// A standby on a branch that was given up notices it.
    Rewind {
        node: u8,
        cut: bool,
    },
}

impl Slot {
    pub(super) fn ask(self, cluster: &Cluster) -> Option<Ask> {
        match self {
            Self::Of(candidate) => cluster.asks[usize::from(candidate)],
            Self::Late => cluster.late,
        }
    }

    pub(super) fn put(self, cluster: &mut Cluster, ask: Option<Ask>) {
        match self {
            Self::Of(candidate) => cluster.asks[usize::from(candidate)] = ask,
            Self::Late => cluster.late = ask,
        }
    }

    /// As [`Self::put`], except that nobody waits for a late grant.
    pub(super) fn answer(self, cluster: &mut Cluster, ask: Ask) {
        let is_moot = matches!(self, Self::Late) && ask.stage == Stage::Granted;
        self.put(cluster, (!is_moot).then_some(ask));
    }
}

impl Gate {
    pub(crate) fn new(bounds: Bounds, defect: Option<Defect>) -> Self {
        Self {
            bounds,
            defect,
            deciding: Deciding::default(),
        }
    }

    pub(super) fn has(&self, defect: Defect) -> bool {
        self.defect == Some(defect)
    }

    fn write(&self, mut cluster: Cluster, node: u8) -> Option<Cluster> {
        let number = cluster.writes;
        let primary = cluster.node_mut(node);
        if primary.run != Run::Primary || number >= self.bounds.writes_max {
            return None;
        }
        primary.log = primary.log.with(Entry::Write(number))?;
        primary.pending |= 1 << number;
        cluster.writes += 1;
        if self.has(Defect::NoStandbyNames) {
            cluster.acknowledged |= 1 << number;
        }
        Some(cluster)
    }

    fn step(&self, cluster: Cluster, action: Action) -> Option<Cluster> {
        match action {
            Action::Write(node) => self.write(cluster, node),
            Action::Replicate { from, to } => replicate(cluster, from, to),
            Action::Kill { node, lingers } => kill(cluster, node, lingers),
            Action::Start { node, hears, other } => self.start_up(cluster, node, hears, other),
            Action::Stand {
                node,
                hears,
                second,
            } => self.stand(cluster, node, hears, second),
            Action::Receive(slot) => self.receive(cluster, slot),
            Action::Confirm(slot) => self.confirm(cluster, slot),
            Action::Collect(node) => self.collect(cluster, node),
            Action::GiveUp { node, lingers } => give_up(cluster, node, lingers),
            Action::Forget => forget(cluster),
            Action::Promote(node) => promote(cluster, node),
            Action::Begin(node) => begin(cluster, node),
            Action::Look { node, at } => self.look(cluster, node, Account::of(&cluster, at)),
            Action::LookBack { node, epoch } => self.look_back(cluster, node, epoch),
            Action::Rewind { node, cut } => self.rewind(cluster, node, cut),
        }
    }
}

impl Model for Gate {
    type State = Cluster;
    type Action = Action;

    fn start(&self) -> Cluster {
        Cluster::new().canonical()
    }

    fn actions(&self, _cluster: &Cluster, actions: &mut Vec<Action>) {
        actions.extend([
            Action::Receive(Slot::Late),
            Action::Confirm(Slot::Late),
            Action::Forget,
        ]);
        for node in nodes() {
            actions.extend([
                Action::Write(node),
                Action::Receive(Slot::Of(node)),
                Action::Confirm(Slot::Of(node)),
                Action::Collect(node),
                Action::Promote(node),
                Action::Begin(node),
            ]);
            for either in [false, true] {
                let (lingers, cut) = (either, either);
                actions.extend([
                    Action::Kill { node, lingers },
                    Action::GiveUp { node, lingers },
                    Action::Rewind { node, cut },
                ]);
            }
            for other in nodes().filter(|other| *other != node) {
                actions.push(Action::Look { node, at: other });
                actions.push(Action::Replicate {
                    from: node,
                    to: other,
                });
            }
            for hears in (0..8).filter(|hears| hears & (1 << node) == 0) {
                for second in [false, true] {
                    let other = second;
                    actions.push(Action::Start { node, hears, other });
                    actions.push(Action::Stand {
                        node,
                        hears,
                        second,
                    });
                }
            }
            let epochs = 1..=self.bounds.epoch_max;
            actions.extend(epochs.map(|epoch| Action::LookBack { node, epoch }));
        }
    }

    fn next(&self, cluster: &Cluster, action: Action) -> Option<Cluster> {
        let mut next = self.step(*cluster, action)?;
        acknowledge(&mut next);
        let next = next.canonical();
        (next != *cluster).then_some(next)
    }

    fn broken(&self, cluster: &Cluster) -> Option<String> {
        check::check(cluster, self.has(Defect::NoStandbyNames)).err()
    }

    fn is_over(&self, cluster: &Cluster) -> bool {
        check::is_peace(cluster)
    }

    /// Where an epoch is left, one must do.
    fn must_end(&self, cluster: &Cluster) -> bool {
        nodes().all(|node| cluster.node(node).epoch < self.bounds.epoch_max)
    }
}

fn replicate(mut cluster: Cluster, from: u8, to: u8) -> Option<Cluster> {
    if !cluster.feeds(from, to) {
        return None;
    }
    let have = cluster.node(to).log.len();
    let entry = cluster.node(from).log.iter().nth(have)?;
    let standby = cluster.node_mut(to);
    standby.log = standby.log.with(entry)?;
    Some(cluster)
}

/// A primary acknowledges whatever a standby that it feeds has flushed.
fn acknowledge(cluster: &mut Cluster) {
    for primary in nodes() {
        for standby in nodes().filter(|standby| *standby != primary) {
            if cluster.feeds(primary, standby) {
                let flushed = cluster.node(standby).written();
                cluster.acknowledged |= flushed & cluster.node(primary).pending;
            }
        }
    }
}
