//! Threads that take jobs from one queue, first in first out, and sleep when there are none.
//!
//! A work-stealing pool would be wrong here: its idle threads spin for company before they sleep, and a node's checks
//! come one at a time, thousands a second. Measured in docs/performance/signature-pool.md.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::{fmt, io, process, thread};

type Job = Box<dyn FnOnce() + Send>;

/// See the module. The threads end once this is dropped and the queue is empty. The queue has no bound of its own:
/// whoever hands jobs over bounds them.
pub(super) struct Workers(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    closed: bool,
}

impl Workers {
    /// Starts `threads` threads called `name-0`, `name-1`, and so on.
    pub(super) fn start(name: &str, threads: usize) -> io::Result<Self> {
        let workers = Workers(Arc::new(Shared { queue: Mutex::default(), wake: Condvar::new() }));
        for number in 0..threads {
            let shared = Arc::clone(&workers.0);
            thread::Builder::new().name(format!("{name}-{number}")).spawn(move || shared.work())?;
        }
        Ok(workers)
    }

    /// Hands a job over.
    pub(super) fn spawn(&self, job: impl FnOnce() + Send + 'static) {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner).jobs.push_back(Box::new(job));
        self.0.wake.notify_one();
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.0.wake.notify_all();
    }
}

impl Shared {
    fn work(&self) {
        while let Some(job) = self.next() {
            // A check that panics is a defect; a node that went on would leave what waits for the answer hanging.
            if catch_unwind(AssertUnwindSafe(job)).is_err() {
                process::abort();
            }
        }
    }

    fn next(&self) -> Option<Job> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                return Some(job);
            }
            if queue.closed {
                return None;
            }
            queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn one_thread_keeps_the_order_and_does_all_before_it_ends() {
        let (sender, done) = mpsc::channel();
        let workers = Workers::start("test", 1).unwrap();
        for number in 0..1_000 {
            let sender = sender.clone();
            workers.spawn(move || sender.send(number).unwrap());
        }
        drop((workers, sender));
        assert_eq!(done.iter().collect::<Vec<_>>(), (0..1_000).collect::<Vec<_>>());
    }

    #[test]
    fn a_job_that_waits_holds_up_no_other_thread() {
        let (sender, done) = mpsc::channel();
        let (go, gate) = mpsc::channel::<()>();
        let workers = Workers::start("test", 2).unwrap();
        workers.spawn(move || assert!(gate.recv().is_err()));
        for number in 0..10 {
            let sender = sender.clone();
            workers.spawn(move || sender.send(number).unwrap());
        }
        drop(sender);
        assert_eq!(done.iter().count(), 10);
        drop(go);
    }
}
