//! What the node's one task shows to the HTTP server and to its helpers.

use std::sync::atomic::{AtomicBool, Ordering};

use protocol::db::{GrantAnswer, GrantRequest, NodeState};
use tokio::sync::{mpsc, oneshot, watch};

/// The node's account of itself, and the way to ask it for something.
#[derive(Debug)]
pub struct Shared {
    state: watch::Sender<NodeState>,
    /// The node asks its peers for grants: it answers none meanwhile, so two candidates never wait for each other.
    standing: AtomicBool,
    requests: mpsc::Sender<Request>,
}

/// What the node is asked over HTTP.
#[derive(Debug)]
pub enum Request {
    /// A peer wants to lead.
    Grant(GrantRequest, oneshot::Sender<GrantAnswer>),
    /// repmgrd, or a person, wants this node to lead. The error says why it does not.
    Promote(oneshot::Sender<Result<(), String>>),
}

/// More requests than this wait for nobody: there are two peers and one repmgrd.
const REQUESTS_MAX: usize = 4;

impl Shared {
    #[must_use]
    pub fn new(state: NodeState) -> (Self, mpsc::Receiver<Request>) {
        let (requests, inbox) = mpsc::channel(REQUESTS_MAX);
        let (state, _) = watch::channel(state);
        (
            Self {
                state,
                standing: AtomicBool::new(false),
                requests,
            },
            inbox,
        )
    }

    #[must_use]
    pub fn state(&self) -> NodeState {
        self.state.borrow().clone()
    }

    pub fn update(&self, change: impl FnOnce(&mut NodeState)) {
        self.state.send_modify(change);
    }

    #[must_use]
    pub fn is_standing(&self) -> bool {
        self.standing.load(Ordering::Acquire)
    }

    pub fn set_standing(&self, standing: bool) {
        self.standing.store(standing, Ordering::Release);
    }

    /// Hands a request to the node; `false`: it has too many already.
    pub fn ask(&self, request: Request) -> bool {
        self.requests.try_send(request).is_ok()
    }
}
