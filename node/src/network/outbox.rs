//! Frames that wait to be written to a peer: one bounded queue for each class. Pushing never waits, so that the event
//! loop never does.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use super::config::Class;
use super::metrics::NetworkMetrics;

/// Bytes that a writer takes at once, before it looks at the queue again.
const TAKE_BYTES: usize = 128 * 1024;

/// One peer's queue of one class.
#[derive(Debug)]
pub(super) struct Outbox {
    class: Class,
    queue: Mutex<Queue>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    open: bool,
    frames: VecDeque<Bytes>,
    bytes: usize,
}

impl Outbox {
    /// An empty queue that takes nothing until it is opened.
    pub(super) fn new(class: Class) -> Self {
        Outbox { class, queue: Mutex::default(), filled: Notify::new() }
    }

    /// Lets frames in: the peer is connected.
    pub(super) fn open(&self) {
        self.lock().open = true;
    }

    /// Drops what waits and lets nothing in: the peer is gone, and gets its state anew when it comes back.
    pub(super) fn close(&self) {
        *self.lock() = Queue::default();
    }

    /// Queues a frame. When the queue is full, consensus messages push out the oldest, which newer ones supersede;
    /// bulk is dropped at the end, since what was asked for first is wanted first. Both are counted.
    pub(super) fn push(&self, frame: Bytes, metrics: &NetworkMetrics) {
        let (frames_max, bytes_max) = self.class.outbound_max();
        let mut queue = self.lock();
        if !queue.open {
            return;
        }
        let full = |queue: &Queue| queue.frames.len() >= frames_max || queue.bytes + frame.len() > bytes_max;
        let mut dropped = 0;
        match self.class {
            Class::Consensus => {
                while full(&queue) && queue.pop().is_some() {
                    dropped += 1;
                }
                queue.add(frame);
            }
            Class::Data | Class::Sync if full(&queue) => dropped = 1,
            Class::Data | Class::Sync => queue.add(frame),
        }
        drop(queue);
        if dropped > 0 {
            metrics.dropped(self.class, dropped);
        }
        self.filled.notify_one();
    }

    /// Waits for frames, and takes some of them in order.
    pub(super) async fn take(&self) -> Vec<Bytes> {
        loop {
            let taken = self.lock().take();
            if !taken.is_empty() {
                return taken;
            }
            self.filled.notified().await;
        }
    }

    /// Bytes that wait.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.lock().bytes
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // No code panics while it holds the lock, and the queue is whole between any two statements.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn add(&mut self, frame: Bytes) {
        self.bytes += frame.len();
        self.frames.push_back(frame);
    }

    fn pop(&mut self) -> Option<Bytes> {
        let frame = self.frames.pop_front()?;
        self.bytes -= frame.len();
        Some(frame)
    }

    fn take(&mut self) -> Vec<Bytes> {
        let mut taken = Vec::new();
        let mut bytes = 0;
        while bytes < TAKE_BYTES {
            let Some(frame) = self.pop() else { break };
            bytes += frame.len();
            taken.push(frame);
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(tag: u8, bytes: usize) -> Bytes {
        Bytes::from(vec![tag; bytes])
    }

    fn filled(class: Class, count: u8, bytes: usize) -> (Outbox, NetworkMetrics) {
        let (outbox, metrics) = (Outbox::new(class), NetworkMetrics::default());
        outbox.open();
        for tag in 0..count {
            outbox.push(frame(tag, bytes), &metrics);
        }
        (outbox, metrics)
    }

    #[tokio::test]
    async fn a_full_consensus_queue_pushes_out_the_oldest() {
        let (outbox, metrics) = filled(Class::Consensus, 10, 512 * 1024);
        assert_eq!(outbox.bytes(), 4 * 1024 * 1024);
        assert_eq!(metrics.frames_dropped(), 2);
        assert_eq!(outbox.take().await.first().map(|frame| frame[0]), Some(2));
    }

    #[tokio::test]
    async fn a_full_sync_queue_refuses_the_newest() {
        let (outbox, metrics) = filled(Class::Sync, 8, 2 * 1024 * 1024);
        assert_eq!(outbox.bytes(), 12 * 1024 * 1024);
        assert_eq!(metrics.frames_dropped(), 2);
        assert_eq!(outbox.take().await.first().map(|frame| frame[0]), Some(0));
    }

    #[tokio::test]
    async fn frames_are_bounded_in_number_too() {
        let (outbox, metrics) = (Outbox::new(Class::Consensus), NetworkMetrics::default());
        outbox.open();
        (0..2000).for_each(|_| outbox.push(frame(0, 1), &metrics));
        assert_eq!(outbox.bytes(), 1024);
        assert_eq!(metrics.frames_dropped(), 976);
    }

    #[test]
    fn a_closed_queue_takes_nothing_and_forgets() {
        let (outbox, metrics) = filled(Class::Data, 3, 10);
        outbox.close();
        outbox.push(frame(0, 10), &metrics);
        assert_eq!(outbox.bytes(), 0);
    }
}
