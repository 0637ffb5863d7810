//! Three nodes that run the real decisions while they are killed, cut off from each other and misled about
//! their primary at random. Whatever happens: no epoch has two primaries, and whoever becomes primary holds
//! every write that was ever acknowledged.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use protocol::db::Lsn;

use super::*;
use crate::{
    data_dir::DataDir,
    decide::{self, Decision, Facts, Troubles, decide},
    durable::Durable,
};

const NAMES: [&str; 3] = ["a", "b", "c"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    Begin(u64),
    Write(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Run {
    /// The container is gone; nobody hears of it.
    Killed,
    /// It answers, but its PostgreSQL is down.
    Down,
    Standby {
        following: Option<(usize, u64)>,
    },
    Primary,
}

#[derive(Debug, Clone)]
struct SimNode {
    durable: Durable,
    log: Vec<Entry>,
    /// Its data is a standby's, as `standby.signal` says.
    standby_data: bool,
    has_data: bool,
    run: Run,
}

/// Where a takeover is cut short by a kill of the one that takes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    Never,
    Granted,
    Voted,
    /// It left recovery, but the epoch's beginning is not in its log.
    Promoted,
}

#[derive(Debug, Clone)]
enum Op {
    Write(usize),
    Replicate {
        from: usize,
        to: usize,
        entries: usize,
    },
    Kill(usize),
    /// Starts a killed node, or lets one whose PostgreSQL is down look again; it hears those in the mask.
    Start {
        node: usize,
        hears: u8,
        cut: Cut,
    },
    /// A standby takes its primary for dead, rightly or not.
    Suspect {
        node: usize,
        hears: u8,
        patient: bool,
        cut: Cut,
    },
    /// A node acts on what its peers say: a primary stops, a standby follows.
    Look {
        node: usize,
        hears: u8,
    },
}

struct Cluster {
    nodes: Vec<SimNode>,
    /// Writes whose clients still wait for an answer; a kill of the primary ends their sessions.
    pending: [BTreeSet<u64>; 3],
    acknowledged: BTreeSet<u64>,
    led: BTreeMap<u64, usize>,
    writes: u64,
}

impl Cluster {
    fn new() -> Self {
        let standby = SimNode {
            durable: Durable {
                epoch: 1,
                led: 0,
                dirty: false,
            },
            log: vec![Entry::Begin(1)],
            standby_data: true,
            has_data: true,
            run: Run::Standby {
                following: Some((0, 1)),
            },
        };
        let primary = SimNode {
            durable: Durable {
                epoch: 1,
                led: 1,
                dirty: false,
            },
            standby_data: false,
            run: Run::Primary,
            ..standby.clone()
        };
        Self {
            nodes: vec![primary, standby.clone(), standby],
            pending: Default::default(),
            acknowledged: BTreeSet::new(),
            led: BTreeMap::from([(1, 0)]),
            writes: 0,
        }
    }

    fn position(&self, n: usize) -> Position {
        let log = &self.nodes[n].log;
        let begun = log.iter().filter_map(|entry| match entry {
            Entry::Begin(epoch) => Some(*epoch),
            Entry::Write(_) => None,
        });
        Position {
            epoch: begun.max().unwrap_or(0),
            lsn: Lsn(log.len() as u64),
        }
    }

    fn account(&self, n: usize) -> Option<NodeState> {
        let node = &self.nodes[n];
        let (role, data_epoch) = match node.run {
            Run::Killed => return None,
            Run::Down => (Role::Waiting, node.durable.led),
            Run::Standby { .. } => (Role::Standby, self.position(n).epoch),
            Run::Primary => (Role::Primary, node.durable.epoch),
        };
        Some(NodeState {
            name: NAMES[n].into(),
            node_id: u8::try_from(n).unwrap(),
            role,
            epoch: node.durable.epoch,
            has_data: node.has_data,
            timeline: 1,
            lsn: Lsn(node.log.len() as u64),
            streaming: false,
            system_id: "7".into(),
            data_epoch,
            alone: false,
            following: None,
        })
    }

    fn heard(&self, n: usize, hears: u8) -> Vec<NodeState> {
        let peers = (0..3).filter(|&peer| peer != n && hears & (1 << peer) != 0);
        peers.filter_map(|peer| self.account(peer)).collect()
    }

    fn standing(&self, n: usize) -> Option<Standing> {
        let node = &self.nodes[n];
        Some(match node.run {
            Run::Killed => return None,
            Run::Primary => Standing::Primary,
            Run::Standby { .. } => Standing::Standby {
                streaming: false,
                position: Some(self.position(n)),
            },
            Run::Down if node.standby_data => Standing::Standby {
                streaming: false,
                position: None,
            },
            Run::Down => Standing::Stopped {
                led: node.durable.led,
            },
        })
    }

    /// The granting side, step for step as the node does it.
    fn grant(&mut self, n: usize, request: &GrantRequest) -> bool {
        let Some(standing) = self.standing(n) else {
            return false;
        };
        if consider(self.nodes[n].durable.epoch, standing, request).is_err() {
            return false;
        }
        self.nodes[n].durable.epoch = request.epoch;
        if let Standing::Standby { .. } = standing {
            let candidate = NAMES
                .iter()
                .position(|name| *name == request.candidate)
                .unwrap();
            self.nodes[n].run = Run::Standby {
                following: Some((candidate, request.epoch)),
            };
            return confirm(self.position(n), request).is_ok();
        }
        true
    }

    fn collect(&mut self, n: usize, epoch: u64, peers: &[String], action: Takeover) -> bool {
        let request = GrantRequest {
            candidate: NAMES[n].into(),
            epoch,
            action,
        };
        peers.iter().any(|peer| {
            let peer = NAMES.iter().position(|name| name == peer).unwrap();
            self.grant(peer, &request)
        })
    }

    fn lead(&mut self, n: usize, epoch: u64, cut: Cut) {
        if cut == Cut::Granted {
            self.nodes[n].run = Run::Killed;
            return;
        }
        let node = &mut self.nodes[n];
        node.durable.epoch = epoch;
        node.durable.led = epoch;
        if cut == Cut::Voted {
            node.run = Run::Killed;
            return;
        }
        node.standby_data = false;
        let other = self.led.insert(epoch, n);
        assert!(
            other.is_none(),
            "epoch {epoch} is led by {n} and by {other:?}"
        );
        if cut == Cut::Promoted {
            // Not a client's: nobody may write before the beginning is in the log.
            self.writes += 1;
            node.log.push(Entry::Write(self.writes));
            node.run = Run::Killed;
            return;
        }
        node.log.push(Entry::Begin(epoch));
        node.run = Run::Primary;
        let held: BTreeSet<u64> = written(&node.log);
        let lost: Vec<&u64> = self.acknowledged.difference(&held).collect();
        assert!(lost.is_empty(), "{n} leads epoch {epoch} without {lost:?}");
    }

    fn replicate(&mut self, from: usize, to: usize, entries: usize) {
        let epoch = self.nodes[from].durable.epoch;
        let attached = self.nodes[from].run == Run::Primary
            && self.nodes[to].run
                == Run::Standby {
                    following: Some((from, epoch)),
                };
        if !attached || !self.nodes[from].log.starts_with(&self.nodes[to].log) {
            return;
        }
        let have = self.nodes[to].log.len();
        let end = (have + entries).min(self.nodes[from].log.len());
        let more = self.nodes[from].log[have..end].to_vec();
        self.nodes[to].log.extend(more);
        let flushed = written(&self.nodes[to].log);
        self.acknowledged
            .extend(flushed.intersection(&self.pending[from]));
        let latest = *self.led.keys().last().unwrap();
        let leader = self.led[&latest];
        if self.nodes[leader].run == Run::Primary && leader != from {
            let lost: Vec<u64> = self
                .acknowledged
                .difference(&written(&self.nodes[leader].log))
                .copied()
                .collect();
            assert!(
                lost.is_empty(),
                "{from} of epoch {epoch} acknowledged {lost:?} after epoch {latest} began"
            );
        }
    }

    fn end(&mut self, n: usize, run: Run) {
        self.nodes[n].run = run;
        self.pending[n].clear();
    }

    fn start(&mut self, n: usize, hears: u8, cut: Cut) {
        if !matches!(self.nodes[n].run, Run::Killed | Run::Down) {
            return;
        }
        self.nodes[n].run = Run::Down;
        let node = &self.nodes[n];
        let facts = Facts {
            node_id: u8::try_from(n).unwrap(),
            data: Some(DataDir {
                readable: true,
                standby_signal: node.standby_data,
                in_recovery: false,
                system_id: "7".into(),
                timeline: 1,
            }),
            durable: node.durable.clone(),
            troubles: Troubles::default(),
            waited: decide::RESUME_AFTER,
        };
        let answered = self.heard(n, hears);
        match decide(&facts, &decide::Peers { count: 2, answered }) {
            Decision::AskResume { epoch, peers } => {
                let led = self.nodes[n].durable.led;
                if self.collect(n, epoch, &peers, Takeover::Resume { led }) {
                    self.lead(n, epoch, cut);
                }
            }
            Decision::Rejoin { primary } => {
                let source = NAMES.iter().position(|name| *name == primary.name).unwrap();
                self.nodes[n].log = self.nodes[source].log.clone();
                self.nodes[n].standby_data = true;
                self.follow(n, source, primary.epoch);
            }
            Decision::StartStandby { follow: None } => {
                self.nodes[n].run = Run::Standby { following: None };
            }
            Decision::StartStandby {
                follow: Some(primary),
            } => {
                let source = NAMES.iter().position(|name| *name == primary.name).unwrap();
                self.follow(n, source, primary.epoch);
            }
            Decision::Wait(_) => {}
            other => panic!("{other:?} of a node with clean data among peers"),
        }
    }

    fn follow(&mut self, n: usize, source: usize, epoch: u64) {
        let node = &mut self.nodes[n];
        node.durable = Durable {
            epoch: node.durable.epoch.max(epoch),
            led: 0,
            dirty: false,
        };
        node.run = Run::Standby {
            following: Some((source, node.durable.epoch)),
        };
        // A branch that was given up is noticed in time, and rewound.
        if !self.nodes[source].log.starts_with(&self.nodes[n].log) {
            self.nodes[n].log = self.nodes[source].log.clone();
        }
    }

    fn suspect(&mut self, n: usize, hears: u8, patient: bool, cut: Cut) {
        let Run::Standby { following } = self.nodes[n].run else {
            return;
        };
        // The node does not ask the one that it takes for dead.
        let followed = following.map_or(0, |(source, _)| 1 << source);
        let position = self.position(n);
        let me = Candidate {
            name: NAMES[n],
            id: u8::try_from(n).unwrap(),
            epoch: self.nodes[n].durable.epoch,
            position,
            patient,
        };
        if let Candidacy::Ask { epoch, peers } = candidacy(me, &self.heard(n, hears & !followed))
            && self.collect(n, epoch, &peers, Takeover::Promote { position })
        {
            self.lead(n, epoch, cut);
        }
    }

    fn look(&mut self, n: usize, hears: u8) {
        let heard = self.heard(n, hears);
        let epoch = self.nodes[n].durable.epoch;
        match self.nodes[n].run {
            Run::Primary if succeeded(epoch, &heard).is_some() => self.end(n, Run::Down),
            Run::Standby { following } => {
                if let Some(primary) = primary_to_follow(epoch, &heard) {
                    let source = NAMES.iter().position(|name| *name == primary.name).unwrap();
                    if following != Some((source, primary.epoch)) {
                        self.follow(n, source, primary.epoch);
                    }
                }
            }
            Run::Primary | Run::Killed | Run::Down => {}
        }
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Write(n) => {
                if self.nodes[n].run == Run::Primary {
                    self.writes += 1;
                    self.nodes[n].log.push(Entry::Write(self.writes));
                    self.pending[n].insert(self.writes);
                }
            }
            Op::Replicate { from, to, entries } => self.replicate(from, to, entries),
            Op::Kill(n) => self.end(n, Run::Killed),
            Op::Start { node, hears, cut } => self.start(node, hears, cut),
            Op::Suspect {
                node,
                hears,
                patient,
                cut,
            } => self.suspect(node, hears, patient, cut),
            Op::Look { node, hears } => self.look(node, hears),
        }
    }

    /// Peace: everybody runs and hears everybody.
    fn settle(&mut self) {
        for _ in 0..6 {
            for n in 0..3 {
                self.start(n, 7, Cut::Never);
                self.look(n, 7);
            }
            if !self.nodes.iter().any(|node| node.run == Run::Primary) {
                for n in 0..3 {
                    self.suspect(n, 7, true, Cut::Never);
                }
            }
        }
    }
}

fn written(log: &[Entry]) -> BTreeSet<u64> {
    let writes = log.iter().filter_map(|entry| match entry {
        Entry::Write(id) => Some(*id),
        Entry::Begin(_) => None,
    });
    writes.collect()
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let node = 0..3_usize;
    let cut = prop_oneof![
        6 => Just(Cut::Never),
        1 => Just(Cut::Granted),
        1 => Just(Cut::Voted),
        1 => Just(Cut::Promoted),
    ];
    let op = prop_oneof![
        4 => node.clone().prop_map(Op::Write),
        8 => (node.clone(), node.clone(), 1..4_usize)
            .prop_map(|(from, to, entries)| Op::Replicate { from, to, entries }),
        2 => node.clone().prop_map(Op::Kill),
        4 => (node.clone(), 0..8_u8, cut.clone())
            .prop_map(|(node, hears, cut)| Op::Start { node, hears, cut }),
        3 => (node.clone(), 0..8_u8, any::<bool>(), cut)
            .prop_map(|(node, hears, patient, cut)| Op::Suspect { node, hears, patient, cut }),
        4 => (node, 0..8_u8).prop_map(|(node, hears)| Op::Look { node, hears }),
    ];
    proptest::collection::vec(op, 1..200)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_two_primaries_in_an_epoch_and_no_acknowledged_write_lost(ops in ops()) {
        let mut cluster = Cluster::new();
        for op in &ops {
            cluster.apply(op);
        }
        cluster.settle();
        let primaries = cluster.nodes.iter().filter(|node| node.run == Run::Primary).count();
        prop_assert_eq!(primaries, 1, "peace brings one primary: {:?}", cluster.nodes);
        for node in &cluster.nodes {
            prop_assert!(matches!(node.run, Run::Primary | Run::Standby { .. }), "{:?}", cluster.nodes);
        }
    }
}
