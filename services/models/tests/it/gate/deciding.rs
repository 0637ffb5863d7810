//! What the nodes decide, asked of `db-node`'s own functions.

use std::{cell::RefCell, collections::HashMap};

use db_node::{
    data_dir::DataDir,
    decide::{self, Decision, Facts, Peers, RESUME_AFTER, Troubles},
    durable::Durable,
    gate::{self, Candidacy, Candidate, Standing},
};
use models::{Few, Quick};
use protocol::db::{GrantRefusal, GrantRequest, Lsn, NodeState, Position, Role, Takeover};

use super::cluster::{Ask, Claim, Cluster, NODES, Node, Run};

const NAMES: [&str; NODES] = ["a", "b", "c"];
const SYSTEM: &str = "7";

/// What a node says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Account {
    pub(crate) node: u8,
    role: Role,
    epoch: u8,
    position: (u8, u8),
}

pub(crate) type Heard = Few<Account, 2>;

/// What a node asks of its data and its peers when its PostgreSQL is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Situation {
    node: u8,
    epoch: u8,
    led: u8,
    dirty: bool,
    standby_data: bool,
    lost_branch: bool,
    heard: Heard,
}

/// [`Decision`], as far as a node with data among peers comes to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decided {
    Wait,
    Standby { follow: Option<(u8, u8)> },
    Rejoin { primary: u8, epoch: u8 },
    Clone { primary: u8, epoch: u8 },
    AskResume { epoch: u8, peers: Few<u8, 2> },
}

/// The functions, and what they said to the questions so far.
#[derive(Debug, Default)]
pub(crate) struct Deciding {
    starts: RefCell<HashMap<Situation, Decided, Quick>>,
    candidacies: RefCell<HashMap<Candidature, Asks, Quick>>,
}

/// A standby's name, epoch and position, and what it hears.
type Candidature = (u8, u8, (u8, u8), Heard);

/// The epoch to ask for and whom to ask, if anybody.
type Asks = Option<(u8, Few<u8, 2>)>;

impl Situation {
    pub(crate) fn of(node: u8, state: &Node, lost_branch: bool, heard: Heard) -> Self {
        Self {
            node,
            epoch: state.epoch,
            led: state.led,
            dirty: state.dirty,
            standby_data: state.standby_data,
            lost_branch,
            heard,
        }
    }
}

impl Deciding {
    pub(crate) fn start(&self, situation: Situation) -> Decided {
        let mut known = self.starts.borrow_mut();
        *known.entry(situation).or_insert_with(|| start(&situation))
    }

    /// Whether a standby stands for promotion.
    pub(crate) fn candidacy(&self, node: u8, state: &Node, heard: Heard) -> Asks {
        let mut known = self.candidacies.borrow_mut();
        let position = state.position();
        let question = (node, state.epoch, position, heard);
        *known.entry(question).or_insert_with(|| {
            let me = Candidate {
                name: name(node),
                id: node,
                epoch: state.epoch.into(),
                position: wide(position),
                patient: true,
            };
            match gate::candidacy(me, &states(heard)) {
                Candidacy::Ask { epoch, peers } => Some((small(epoch), nodes(&peers))),
                Candidacy::StandBack(_) => None,
            }
        })
    }
}

fn start(situation: &Situation) -> Decided {
    let facts = Facts {
        node_id: situation.node,
        data: Some(DataDir {
            readable: true,
            standby_signal: situation.standby_data,
            in_recovery: false,
            system_id: SYSTEM.into(),
            timeline: 1,
        }),
        durable: Durable {
            epoch: situation.epoch.into(),
            led: situation.led.into(),
            dirty: situation.dirty,
        },
        troubles: Troubles {
            lost_branch: situation.lost_branch,
            failed_starts: 0,
        },
        waited: RESUME_AFTER,
    };
    let peers = Peers {
        count: NODES - 1,
        answered: states(situation.heard),
    };
    let known = |primary: &decide::Primary| (node_of(&primary.name), small(primary.epoch));
    match decide::decide(&facts, &peers) {
        Decision::Wait(_) => Decided::Wait,
        Decision::StartStandby { follow } => Decided::Standby {
            follow: follow.as_ref().map(known),
        },
        Decision::Rejoin { primary } => {
            let (primary, epoch) = known(&primary);
            Decided::Rejoin { primary, epoch }
        }
        Decision::Clone { primary } => {
            let (primary, epoch) = known(&primary);
            Decided::Clone { primary, epoch }
        }
        Decision::AskResume { epoch, peers } => Decided::AskResume {
            epoch: small(epoch),
            peers: nodes(&peers),
        },
        other @ (Decision::Initialise { .. } | Decision::StartPrimary { .. }) => {
            panic!("{other:?} of a node with data among peers with data")
        }
    }
}

/// The first half of a peer's decision on a request.
pub(crate) fn consider(epoch: u8, node: &Node, ask: &Ask) -> Result<(), GrantRefusal> {
    let standing = match node.run {
        Run::Primary => Standing::Primary,
        // One that asks for itself is busy, and its HTTP side says so for it.
        Run::Asking | Run::Voted | Run::Promoted => Standing::Promoting,
        Run::Standby => Standing::Standby {
            streaming: false,
            position: Some(wide(node.position())),
        },
        Run::Down if node.dirty => Standing::Dirty {
            led: node.led.into(),
        },
        Run::Down if node.standby_data => Standing::Standby {
            streaming: false,
            position: None,
        },
        Run::Down => Standing::Stopped {
            led: node.led.into(),
        },
    };
    gate::consider(epoch.into(), standing, &request(ask))
}

/// The second half, once it feeds nobody older.
pub(crate) fn confirm(node: &Node, ask: &Ask) -> Result<(), GrantRefusal> {
    gate::confirm(wide(node.position()), &request(ask))
}

/// Whether a primary hears from this account that it has been succeeded.
pub(crate) fn is_succeeded(epoch: u8, heard: Account) -> bool {
    gate::succeeded(epoch.into(), &[heard.state()]).is_some()
}

/// Whether a standby follows the one that gives this account, and in which epoch.
pub(crate) fn to_follow(epoch: u8, heard: Account) -> Option<u8> {
    gate::primary_to_follow(epoch.into(), &[heard.state()]).map(|state| small(state.epoch))
}

impl Account {
    pub(crate) fn of(cluster: &Cluster, node: u8) -> Self {
        let state = cluster.node(node);
        let (role, position) = match state.run {
            Run::Standby => (Role::Standby, state.position()),
            Run::Asking if state.standby_data => (Role::Standby, state.position()),
            Run::Voted | Run::Promoted => (Role::Promoting, state.position()),
            Run::Primary => (Role::Primary, (state.led, state.position().1)),
            Run::Down | Run::Asking => {
                let data_epoch = if state.standby_data { 0 } else { state.led };
                (Role::Waiting, (data_epoch, state.position().1))
            }
        };
        Self {
            node,
            role,
            epoch: state.epoch,
            position,
        }
    }

    /// What the primary of an epoch said of itself at some time.
    pub(crate) fn of_primary(node: u8, epoch: u8) -> Self {
        Self {
            node,
            role: Role::Primary,
            epoch,
            position: (epoch, 0),
        }
    }

    fn state(self) -> NodeState {
        let Position { epoch, lsn } = wide(self.position);
        NodeState {
            name: name(self.node).to_owned(),
            node_id: self.node,
            role: self.role,
            epoch: self.epoch.into(),
            has_data: true,
            timeline: 1,
            lsn,
            streaming: false,
            system_id: SYSTEM.to_owned(),
            data_epoch: epoch,
            alone: false,
            following: None,
        }
    }
}

fn states(heard: Heard) -> Vec<NodeState> {
    heard.iter().map(Account::state).collect()
}

fn request(ask: &Ask) -> GrantRequest {
    GrantRequest {
        candidate: name(ask.from).to_owned(),
        epoch: ask.epoch.into(),
        action: match ask.claim {
            Claim::Promote { epoch, lsn } => Takeover::Promote {
                position: wide((epoch, lsn)),
            },
            Claim::Resume { led } => Takeover::Resume { led: led.into() },
        },
    }
}

fn wide((epoch, lsn): (u8, u8)) -> Position {
    Position {
        epoch: epoch.into(),
        lsn: Lsn(lsn.into()),
    }
}

fn name(node: u8) -> &'static str {
    NAMES[usize::from(node)]
}

fn node_of(name: &str) -> u8 {
    let place = NAMES.iter().position(|known| *known == name);
    u8::try_from(place.unwrap()).unwrap()
}

fn nodes(names: &[String]) -> Few<u8, 2> {
    Few::of(names.iter().map(|name| node_of(name)))
}

fn small(epoch: u64) -> u8 {
    u8::try_from(epoch).unwrap()
}
