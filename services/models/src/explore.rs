//! The search: breadth first, so that a counterexample is as short as any.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    hash::Hash,
};

use crate::quick::Quick;

/// Something that moves from state to state in more ways than one.
pub trait Model {
    type State: Clone + Eq + Hash + fmt::Debug;
    type Action: Copy + fmt::Debug;

    fn start(&self) -> Self::State;

    /// Adds everything that may be tried in `state`.
    fn actions(&self, state: &Self::State, actions: &mut Vec<Self::Action>);

    /// Where `action` leads; `None` where it cannot happen, or changes nothing.
    fn next(&self, state: &Self::State, action: Self::Action) -> Option<Self::State>;

    /// What must never be, and is.
    fn broken(&self, state: &Self::State) -> Option<String>;

    /// Whether this is a good end. Things may still happen after it.
    fn is_over(&self, state: &Self::State) -> bool;

    /// Whether a good end must be within reach. A state so close to the model's bounds that they are what
    /// keeps it from its end need not have one.
    fn must_end(&self, _state: &Self::State) -> bool {
        true
    }
}

/// What was seen of a model that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explored {
    pub states: usize,
    pub transitions: usize,
    /// States that are a good end.
    pub ends: usize,
    /// Actions on the shortest way to the farthest state.
    pub depth: usize,
}

/// A shortest way to a state that must not be.
pub struct Counterexample<M: Model> {
    pub broken: String,
    /// The actions, each with the state that it led to.
    pub steps: Vec<(M::Action, M::State)>,
}

impl<M: Model> fmt::Display for Counterexample<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} after {} steps:", self.broken, self.steps.len())?;
        for (number, (action, _)) in self.steps.iter().enumerate() {
            writeln!(f, "{:3} {action:?}", number + 1)?;
        }
        match self.steps.last() {
            Some((_, state)) => writeln!(f, "{state:#?}"),
            None => Ok(()),
        }
    }
}

/// Why a model was not explored to its end.
pub enum Failure<M: Model> {
    Broken(Counterexample<M>),
    /// There are more states than the caller allows.
    TooMany {
        states_max: usize,
    },
}

impl<M: Model> fmt::Debug for Failure<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(counterexample) => fmt::Display::fmt(counterexample, f),
            Self::TooMany { states_max } => write!(f, "more than {states_max} states"),
        }
    }
}

/// Says of a state from which no way leads to a good end.
pub const STUCK: &str = "stuck: no way leads to an end";

/// Visits every state within reach of the start, and makes sure that none is broken and none is stuck.
///
/// # Errors
/// The first state that is broken or stuck, or that there are more than `states_max` states.
pub fn explore<M: Model>(model: &M, states_max: usize) -> Result<Explored, Failure<M>> {
    let mut search = Search::new(model);
    let mut actions = Vec::new();
    search.visit(model.start(), None)?;
    while let Some((from, state)) = search.frontier.pop_front() {
        model.actions(&state, &mut actions);
        for action in actions.drain(..) {
            let Some(next) = model.next(&state, action) else {
                continue;
            };
            search.transitions += 1;
            search.visit(next, Some((from, action)))?;
            if search.seen.len() > states_max {
                return Err(Failure::TooMany { states_max });
            }
        }
    }
    search.finish()
}

/// Whether a state that is `sought` is among the first `states_max`: a model in which nothing happens has nothing
/// to break.
pub fn reaches<M: Model>(model: &M, states_max: usize, sought: impl Fn(&M::State) -> bool) -> bool {
    let sought = Sought { model, sought };
    matches!(explore(&sought, states_max), Err(Failure::Broken(_)))
}

/// A model in which only one thing is wrong: to be what is sought.
struct Sought<'m, M, F> {
    model: &'m M,
    sought: F,
}

impl<M: Model, F: Fn(&M::State) -> bool> Model for Sought<'_, M, F> {
    type State = M::State;
    type Action = M::Action;

    fn start(&self) -> M::State {
        self.model.start()
    }

    fn actions(&self, state: &M::State, actions: &mut Vec<M::Action>) {
        self.model.actions(state, actions);
    }

    fn next(&self, state: &M::State, action: M::Action) -> Option<M::State> {
        self.model.next(state, action)
    }

    fn broken(&self, state: &M::State) -> Option<String> {
        (self.sought)(state).then(|| "found".to_owned())
    }

    fn is_over(&self, _state: &M::State) -> bool {
        true
    }
}

struct Search<'m, M: Model> {
    model: &'m M,
    /// Every state and its number.
    seen: HashMap<M::State, usize, Quick>,
    /// How each state was come to first.
    origin: Vec<Option<(usize, M::Action)>>,
    depth: Vec<usize>,
    over: Vec<bool>,
    must_end: Vec<bool>,
    /// From and to.
    edges: Vec<(usize, usize)>,
    frontier: VecDeque<(usize, M::State)>,
    transitions: usize,
}

impl<'m, M: Model> Search<'m, M> {
    fn new(model: &'m M) -> Self {
        Self {
            model,
            seen: HashMap::default(),
            origin: Vec::new(),
            depth: Vec::new(),
            over: Vec::new(),
            must_end: Vec::new(),
            edges: Vec::new(),
            frontier: VecDeque::new(),
            transitions: 0,
        }
    }

    fn visit(
        &mut self,
        state: M::State,
        origin: Option<(usize, M::Action)>,
    ) -> Result<(), Failure<M>> {
        if let Some(known) = self.seen.get(&state) {
            self.edges.extend(origin.map(|(from, _)| (from, *known)));
            return Ok(());
        }
        let number = self.origin.len();
        self.edges.extend(origin.map(|(from, _)| (from, number)));
        self.origin.push(origin);
        self.depth
            .push(origin.map_or(0, |(from, _)| self.depth[from] + 1));
        self.over.push(self.model.is_over(&state));
        self.must_end.push(self.model.must_end(&state));
        if let Some(broken) = self.model.broken(&state) {
            return Err(Failure::Broken(self.counterexample(number, broken)));
        }
        self.seen.insert(state.clone(), number);
        self.frontier.push_back((number, state));
        Ok(())
    }

    fn finish(self) -> Result<Explored, Failure<M>> {
        let ending = self.ending();
        let stuck = (0..ending.len()).find(|&number| self.must_end[number] && !ending[number]);
        if let Some(number) = stuck {
            return Err(Failure::Broken(self.counterexample(number, STUCK.into())));
        }
        Ok(Explored {
            states: self.seen.len(),
            transitions: self.transitions,
            ends: self.over.iter().filter(|over| **over).count(),
            depth: self.depth.last().copied().unwrap_or(0),
        })
    }

    /// Of each state, whether some way leads from it to an end: found from the ends, backwards.
    fn ending(&self) -> Vec<bool> {
        let states = self.origin.len();
        let mut first = vec![0; states + 1];
        for (_, to) in &self.edges {
            first[to + 1] += 1;
        }
        for number in 0..states {
            first[number + 1] += first[number];
        }
        let mut free = first.clone();
        let mut sources = vec![0; self.edges.len()];
        for (from, to) in &self.edges {
            sources[free[*to]] = *from;
            free[*to] += 1;
        }
        let mut ending = self.over.clone();
        let mut open: Vec<usize> = (0..states).filter(|&number| ending[number]).collect();
        while let Some(number) = open.pop() {
            for &source in &sources[first[number]..first[number + 1]] {
                if !ending[source] {
                    ending[source] = true;
                    open.push(source);
                }
            }
        }
        ending
    }

    /// Walks from the start to the state again.
    fn counterexample(&self, number: usize, broken: String) -> Counterexample<M> {
        let mut actions = Vec::new();
        let mut at = number;
        while let Some((from, action)) = self.origin[at] {
            actions.push(action);
            at = from;
        }
        let mut state = self.model.start();
        let mut steps = Vec::with_capacity(actions.len());
        for action in actions.into_iter().rev() {
            // The model went this way before, and it does not remember.
            if let Some(next) = self.model.next(&state, action) {
                state = next;
                steps.push((action, state.clone()));
            }
        }
        Counterexample { broken, steps }
    }
}

#[cfg(test)]
mod tests;
