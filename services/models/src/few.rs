//! A short queue that lies in place: states made of it are copied, compared and hashed without allocating.

use std::fmt;

/// At most `N` items, the oldest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Few<T, const N: usize> {
    /// Filled from the front; nothing else follows the first `None`.
    items: [Option<T>; N],
}

impl<T: Copy, const N: usize> Few<T, N> {
    #[must_use]
    pub fn new() -> Self {
        Self { items: [None; N] }
    }

    /// The first `N` of `items`.
    pub fn of(items: impl IntoIterator<Item = T>) -> Self {
        let mut few = Self::new();
        for (place, item) in few.items.iter_mut().zip(items) {
            *place = Some(item);
        }
        few
    }

    pub fn iter(&self) -> impl Iterator<Item = T> + '_ {
        self.items.iter().map_while(|item| *item)
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.first().is_none()
    }

    /// How many more there is room for.
    #[must_use]
    pub fn room(&self) -> usize {
        N - self.len()
    }

    #[must_use]
    pub fn first(&self) -> Option<T> {
        self.items.first().copied().flatten()
    }

    /// With one more at the end; `None` where it is full.
    #[must_use]
    pub fn with(mut self, item: T) -> Option<Self> {
        let place = self.items.iter_mut().find(|place| place.is_none())?;
        *place = Some(item);
        Some(self)
    }

    /// Without the `count` oldest.
    #[must_use]
    pub fn without(self, count: usize) -> Self {
        Self::of(self.iter().skip(count))
    }

    /// Whether `other` begins with all of this.
    #[must_use]
    pub fn is_prefix_of(&self, other: &Self) -> bool
    where
        T: PartialEq,
    {
        let shared = self.iter().zip(other.iter());
        self.len() <= other.len() && shared.into_iter().all(|(mine, theirs)| mine == theirs)
    }
}

impl<T: Copy, const N: usize> Default for Few<T, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Copy + fmt::Debug, const N: usize> fmt::Debug for Few<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_queue_with_an_end() {
        let two = Few::<u8, 2>::new().with(1).and_then(|few| few.with(2));
        assert_eq!(two, Some(Few::of([1, 2])));
        assert_eq!(two.and_then(|few| few.with(3)), None);
        assert_eq!(Few::<u8, 2>::of([1, 2]).without(1), Few::of([2]));
        assert_eq!(format!("{:?}", Few::<u8, 3>::of([1, 2])), "[1, 2]");
    }

    #[test]
    fn a_prefix_is_not_longer_and_does_not_differ() {
        let whole = Few::<u8, 3>::of([1, 2]);
        for (part, is_prefix) in [
            (Few::of([]), true),
            (Few::of([1]), true),
            (whole, true),
            (Few::of([2]), false),
            (Few::of([1, 2, 3]), false),
        ] {
            assert_eq!(part.is_prefix_of(&whole), is_prefix, "{part:?}");
        }
    }
}
