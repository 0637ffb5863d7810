//! Explores models of the shop's protocols exhaustively: every state that their rules, any loss and any crash
//! can bring about.
//!
//! The models are in this crate's tests. They decide nothing themselves: what a message does is what the
//! services' own pure functions say it does. A model is the network and the crashes around them. Each comes
//! with planted defects, which it has to find.
//!
//! [`explore()`] is the search. It keeps the graph of states, because the question whether every state can still
//! come to a good end is one about the graph: a search that only looks at states, or at paths, cannot answer it.

pub mod explore;
pub mod few;
pub mod quick;

pub use explore::{Counterexample, Explored, Failure, Model, explore, reaches};
pub use few::Few;
pub use quick::Quick;
