//! The execution thread: order, one atomic write for each block, what it tells and when.

use std::path::Path;
use std::sync::{Arc, mpsc};

use tonle_consensus::{Checkpoint, Height};
use tonle_crypto::Digest;
use tonle_replica::FinalBlock;

use super::*;
use crate::storage::Opened;
use crate::test_chain::{Growing, genesis, genesis_block, transfer};

fn start(data: &Path) -> (Arc<Database>, Execution, mpsc::Receiver<ExecutionEvent>) {
    let Opened { database, executor, .. } = Database::open(data, &genesis(), 4 << 20, genesis_block).unwrap();
    let (sender, events) = mpsc::channel();
    let execution = Execution::start(Arc::clone(&database), executor, move |event| {
        // The receiver may have gone when the thread still ends its queue.
        drop(sender.send(event));
    });
    (database, execution.unwrap(), events)
}

fn blocks(database: &Database, count: u64) -> Vec<FinalBlock> {
    let checkpoint = database.view().checkpoints(0, 0).unwrap()[0];
    let mut growing = Growing::new(database.view().block(0).unwrap().unwrap().block);
    (1..=count).map(|number| growing.next(checkpoint, &[transfer("aba", "wing", 1, number)], true)).collect()
}

#[test]
fn tells_each_block_once_in_order_and_only_when_it_can_be_read() {
    let data = tempfile::tempdir().unwrap();
    let (database, execution, events) = start(data.path());
    let blocks = blocks(&database, 30);
    for block in &blocks {
        execution.execute(block.clone()).unwrap();
    }
    for height in 1..=30 {
        let ExecutionEvent::Executed(done) = events.recv().unwrap() else { panic!("execution failed") };
        assert_eq!((done.executed.height, done.checkpoint.height, done.provable), (height, Height::new(height), 0));
        let view = database.view();
        assert!(view.tip().unwrap().height >= height);
        let stored = view.outcome(height).unwrap().unwrap();
        assert_eq!(stored.checkpoint(height), done.checkpoint);
        assert_eq!(view.receipt(height, 0).unwrap().as_ref(), done.executed.receipts.first());
    }
}

#[test]
fn ends_after_what_is_queued() {
    let data = tempfile::tempdir().unwrap();
    let (database, execution, events) = start(data.path());
    for block in blocks(&database, 20) {
        execution.execute(block).unwrap();
    }
    drop(execution);
    assert_eq!(events.iter().count(), 20);
    assert_eq!(database.view().tip().unwrap().height, 20);
}

#[test]
fn a_block_that_is_not_the_next_is_fatal_and_ends_the_thread() {
    let data = tempfile::tempdir().unwrap();
    let (database, execution, events) = start(data.path());
    let mut blocks = blocks(&database, 3);
    execution.execute(blocks.remove(0)).unwrap();
    assert!(matches!(events.recv().unwrap(), ExecutionEvent::Executed(_)));
    execution.execute(blocks.remove(1)).unwrap();
    assert!(matches!(events.recv().unwrap(), ExecutionEvent::Failed(_)));
    assert!(events.recv().is_err());
    assert_eq!(execution.execute(blocks.remove(0)), Err(Refused::Ended));
    assert_eq!(database.view().tip().unwrap().height, 1);
}

#[test]
fn the_queue_is_bounded() {
    let data = tempfile::tempdir().unwrap();
    let Opened { database, executor, .. } =
        Database::open(data.path(), &genesis(), 4 << 20, |checkpoint: Checkpoint| genesis_block(checkpoint)).unwrap();
    // The thread waits in `tell` until the test lets it go on.
    let (go, gate) = mpsc::channel::<()>();
    let execution = Execution::start(Arc::clone(&database), executor, move |_| assert!(gate.recv().is_err())).unwrap();
    let refused = blocks(&database, 200).into_iter().map(|block| execution.execute(block)).find(Result::is_err);
    assert_eq!(refused, Some(Err(Refused::Full)));
    drop(go);
    drop(execution);
    assert_ne!(database.view().tip().unwrap().certificate.unwrap().block, Digest::ZERO);
}
