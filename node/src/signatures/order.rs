//! Work that is done in parallel and delivered in the order it was handed over, within bounds. It must not know the work.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, PoisonError};

type Deliver<T> = Box<dyn FnOnce(T) + Send>;

/// One queue of results. See the module.
pub(super) struct Ordered<T> {
    queue: Mutex<Queue<T>>,
    count_max: usize,
    bytes_max: usize,
}

struct Queue<T> {
    slots: VecDeque<Slot<T>>,
    first: u64,
    bytes: usize,
    // Someone is delivering; whoever is done meanwhile leaves its result to them.
    delivering: bool,
}

struct Slot<T> {
    bytes: usize,
    deliver: Deliver<T>,
    result: Option<T>,
}

impl<T> Ordered<T> {
    pub(super) fn new(count_max: usize, bytes_max: usize) -> Self {
        let queue = Queue { slots: VecDeque::new(), first: 0, bytes: 0, delivering: false };
        Ordered { queue: Mutex::new(queue), count_max, bytes_max }
    }

    /// Takes a place at the end; `None` beyond the bounds. One item is taken whatever its size.
    pub(super) fn enter(&self, bytes: usize, deliver: Deliver<T>) -> Option<u64> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = queue.slots.len() < self.count_max && queue.bytes.saturating_add(bytes) <= self.bytes_max;
        if !fits && !queue.slots.is_empty() {
            return None;
        }
        let place = queue.first + u64::try_from(queue.slots.len()).ok()?;
        queue.bytes = queue.bytes.saturating_add(bytes);
        queue.slots.push_back(Slot { bytes, deliver, result: None });
        Some(place)
    }

    /// The work of `place` is done: delivers it and what waited for it, unless something before it is still under way.
    pub(super) fn done(&self, place: u64, result: T) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = place.checked_sub(queue.first).and_then(|at| usize::try_from(at).ok());
        if let Some(slot) = slot.and_then(|at| queue.slots.get_mut(at)) {
            slot.result = Some(result);
        }
        if queue.delivering {
            return;
        }
        queue.delivering = true;
        while queue.slots.front().is_some_and(|slot| slot.result.is_some()) {
            let Some(Slot { bytes, deliver, result: Some(result) }) = queue.slots.pop_front() else { break };
            queue.first += 1;
            queue.bytes = queue.bytes.saturating_sub(bytes);
            // Not under the lock: delivering may take a moment, and others may enter meanwhile.
            drop(queue);
            deliver(result);
            queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        }
        queue.delivering = false;
    }
}

impl<T> fmt::Debug for Ordered<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ordered").field("count_max", &self.count_max).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, mpsc};

    #[test]
    fn delivers_in_the_order_of_entry_whatever_is_done_first() {
        let (sender, delivered) = mpsc::channel();
        let order = Ordered::new(8, 100);
        let places: Vec<u64> = (0..3)
            .map(|_| {
                let sender = sender.clone();
                order.enter(1, Box::new(move |value: u64| sender.send(value).unwrap())).unwrap()
            })
            .collect();
        order.done(places[2], 2);
        order.done(places[1], 1);
        assert!(delivered.try_recv().is_err());
        order.done(places[0], 0);
        assert_eq!(delivered.try_iter().collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn keeps_order_under_many_threads() {
        let (sender, delivered) = mpsc::channel();
        let order = Arc::new(Ordered::new(10_000, usize::MAX));
        std::thread::scope(|scope| {
            for _ in 0..200 {
                let places: Vec<u64> = (0..8)
                    .map(|_| {
                        let sender = sender.clone();
                        order.enter(1, Box::new(move |value: u64| sender.send(value).unwrap())).unwrap()
                    })
                    .collect();
                for place in places {
                    let order = Arc::clone(&order);
                    scope.spawn(move || order.done(place, place));
                }
            }
        });
        assert_eq!(delivered.try_iter().collect::<Vec<_>>(), (0..1_600).collect::<Vec<_>>());
    }

    #[test]
    fn refuses_beyond_its_bounds_and_takes_again_afterwards() {
        let order = Ordered::new(2, 10);
        let enter = |bytes| order.enter(bytes, Box::new(|()| {}));
        let large = enter(50).unwrap();
        assert_eq!(enter(1), None);
        order.done(large, ());
        let small = enter(5).unwrap();
        assert_eq!(enter(6), None);
        enter(5).unwrap();
        assert_eq!(enter(0), None);
        order.done(small, ());
        enter(5).unwrap();
    }
}
