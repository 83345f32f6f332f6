//! What is going to happen: by time, and at one moment in the order in which it was scheduled.
//!
//! Must not know: what happens.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A queue of things by time. Only their keys move within it, so that a thing moves twice however large it is.
#[derive(Debug)]
pub(crate) struct Agenda<T> {
    /// Time in microseconds, number, and slot of each.
    due: BinaryHeap<Reverse<(u64, u64, usize)>>,
    slots: Vec<Option<T>>,
    free: Vec<usize>,
    scheduled: u64,
}

impl<T> Default for Agenda<T> {
    fn default() -> Self {
        Agenda { due: BinaryHeap::new(), slots: Vec::new(), free: Vec::new(), scheduled: 0 }
    }
}

impl<T> Agenda<T> {
    /// Schedules a thing.
    pub(crate) fn insert(&mut self, at_us: u64, thing: T) {
        self.scheduled += 1;
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot] = Some(thing);
                slot
            }
            None => {
                self.slots.push(Some(thing));
                self.slots.len() - 1
            }
        };
        self.due.push(Reverse((at_us, self.scheduled, slot)));
    }

    /// The next thing, and its time, if that has come.
    pub(crate) fn pop_until(&mut self, now_us: u64) -> Option<(u64, T)> {
        self.due.peek().filter(|Reverse((at_us, _, _))| *at_us <= now_us)?;
        self.pop()
    }

    /// The next thing, and its time.
    pub(crate) fn pop(&mut self) -> Option<(u64, T)> {
        let Reverse((at_us, _, slot)) = self.due.pop()?;
        self.free.push(slot);
        self.slots.get_mut(slot)?.take().map(|thing| (at_us, thing))
    }
}
