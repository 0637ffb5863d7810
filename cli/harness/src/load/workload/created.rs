//! The ids that the load has created, as many as are remembered.

use std::collections::VecDeque;

/// Older ids are forgotten: nobody asks for them any more.
const REMEMBERED_MAX: usize = 1024;

/// Ids of one kind.
#[derive(Debug, Default)]
pub(super) struct Created(VecDeque<i64>);

impl Created {
    pub(super) fn push(&mut self, id: i64) {
        if self.0.len() == REMEMBERED_MAX {
            self.0.pop_front();
        }
        self.0.push_back(id);
    }

    /// One of them, by any number; `None` where there are none.
    pub(super) fn at(&self, number: u64) -> Option<i64> {
        let count = u64::try_from(self.0.len())
            .ok()
            .filter(|count| *count > 0)?;
        let at = usize::try_from(number % count).ok()?;
        self.0.get(at).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_are_remembered() {
        let mut created = Created::default();
        assert_eq!(created.at(5), None);
        for id in 0..5000 {
            created.push(id);
        }
        let all = (0..10_000).filter_map(|number| created.at(number));
        assert_eq!(all.min(), Some(5000 - 1024));
        assert_eq!(created.0.len(), REMEMBERED_MAX);
    }
}
