//! Numbers that a property test made up, to choose by.

/// Taken one after the other, and from the beginning again.
#[derive(Debug, Clone)]
pub(crate) struct Choices<'a>(std::iter::Cycle<std::slice::Iter<'a, u16>>);

impl<'a> Choices<'a> {
    /// At least one number.
    pub(crate) fn new(numbers: &'a [u16]) -> Self {
        Self(numbers.iter().cycle())
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        usize::from(*self.0.next().unwrap()) % n
    }

    pub(crate) fn of<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }

    pub(crate) fn yes(&mut self) -> bool {
        self.below(2) == 1
    }
}
