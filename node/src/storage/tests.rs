//! The database: what a block's write holds, what reads see, restarts and damage.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use rocksdb::WriteBatch;
use tonle_consensus::{Checkpoint, Epoch, Height, Validator, ValidatorSet};
use tonle_crypto::{Canonical, Digest};
use tonle_ledger::{BlockInput, Change, Executed, Executor, Fatal, ReceiptsTree, SignedTransaction, StateKey};
use tonle_replica::FinalBlock;

use super::tables::{blocks, metadata, outcomes, state};
use super::{Database, Error, Opened, PendingWrites, WrittenBlock};
use crate::test_chain::{Growing, account, genesis, genesis_block, key, transfer};
use crate::test_disk::{limited, run_limited};

const CACHE_BYTES: usize = 4 << 20;

fn open(data: &Path) -> Result<Opened, Error> {
    Database::open(data, &genesis(), CACHE_BYTES, genesis_block)
}

/// A database that executes as the execution thread does, in one's own hands.
struct Chain {
    database: Arc<Database>,
    ledger: Executor,
    pending: PendingWrites,
    growing: Growing,
    checkpoint: Checkpoint,
}

impl Chain {
    fn start(data: &Path) -> Self {
        let Opened { database, executor, .. } = open(data).unwrap();
        let view = database.view();
        let genesis = view.block(0).unwrap().unwrap().block;
        let checkpoint = view.checkpoints(0, 0).unwrap()[0];
        drop(view);
        let pending = PendingWrites::new(Arc::clone(&database)).unwrap();
        Chain { database, ledger: executor, pending, growing: Growing::new(genesis), checkpoint }
    }

    /// Executes a block without writing it.
    fn execute(&mut self, transactions: &[SignedTransaction], certified: bool) -> (FinalBlock, Executed) {
        let block = self.growing.next(self.checkpoint, transactions, certified);
        let input = BlockInput {
            height: block.block.height().get(),
            timestamp_ms: block.block.header().timestamp().get(),
            transactions: block.transactions().cloned().collect(),
        };
        let plan = self.ledger.plan(&input);
        let values = self.pending.load(plan.keys()).unwrap();
        let executed = self.ledger.execute(&plan, values).unwrap();
        self.pending.add(WrittenBlock { block: &block, executed: &executed }).unwrap();
        self.checkpoint = Checkpoint {
            height: Height::new(executed.height),
            state_root: executed.state_root,
            results_root: executed.results_root,
        };
        (block, executed)
    }

    fn commit(&mut self) {
        self.pending.commit(self.ledger.proofs()).unwrap();
    }

    fn block(&mut self, transactions: &[SignedTransaction]) -> (FinalBlock, Executed) {
        let done = self.execute(transactions, true);
        self.commit();
        done
    }
}

fn balance(database: &Database, name: &str) -> u64 {
    let account = database.view().account(account(name)).unwrap().unwrap();
    account.balances()[0].available.minor()
}

#[test]
fn a_block_is_found_by_everything_that_names_it() {
    let data = tempfile::tempdir().unwrap();
    let mut chain = Chain::start(data.path());
    let payments = [transfer("aba", "wing", 10, 1), transfer("acleda", "wing", 20, 2)];
    let (block, executed) = chain.block(&payments);
    let database = Arc::clone(&chain.database);
    let view = database.view();

    assert_eq!(view.tip().unwrap().height, 1);
    assert_eq!(view.tip().unwrap().certificate, Some(block.tip_certificate.clone()));
    assert_eq!(view.block(1).unwrap().unwrap().block, block.block);
    assert_eq!(view.block(2).unwrap(), None);
    assert_eq!(view.block_by_digest(&block.block.digest()).unwrap(), Some(block.block.clone()));
    assert_eq!(view.blocks(0, 10).unwrap().len(), 2);
    assert_eq!(view.blocks(1, 1).unwrap()[0].certificate, block.certificate);
    assert_eq!(view.batch(&block.batches[0].digest()).unwrap().unwrap(), **block.batches[0].raw());
    let outcome = view.outcome(1).unwrap().unwrap();
    assert_eq!((outcome.receipts, outcome.batches), (2, vec![block.batches[0].digest()]));
    assert_eq!(outcome.state_root, executed.state_root);
    for (index, payment) in (0u32..).zip(&payments) {
        assert_eq!(view.locate(&payment.id()).unwrap(), Some((1, index)));
        assert_eq!(view.receipt(1, index).unwrap().unwrap(), executed.receipts[index as usize]);
        assert_eq!(view.transaction(1, index).unwrap().unwrap(), payment.bytes());
    }
    assert_eq!(view.receipts(1, 1, 10).unwrap(), executed.receipts[1..]);
    assert_eq!(view.receipts(1, 0, 1).unwrap(), executed.receipts[..1]);
    assert_eq!(view.receipts(2, 0, 10).unwrap(), []);
    assert_eq!(balance(&database, "till@wing"), 1_000_030);
    assert_eq!(balance(&database, "till@aba"), 999_990);
}

#[test]
fn history_is_newest_first_pages_without_gaps_and_keeps_accounts_apart() {
    let data = tempfile::tempdir().unwrap();
    let mut chain = Chain::start(data.path());
    for block in 0..10u64 {
        let payments: Vec<_> = (0..3).map(|n| transfer("aba", "wing", 1, block * 3 + n)).collect();
        chain.block(&payments);
    }
    let view = chain.database.view();
    let till = account("till@aba");
    let all = view.history(&till, (u64::MAX, u32::MAX), 100).unwrap();
    assert_eq!(all.len(), 30);
    assert!(all.is_sorted_by(|a, b| a > b));
    let (mut paged, mut before) = (Vec::new(), (u64::MAX, u32::MAX));
    loop {
        let page = view.history(&till, before, 7).unwrap();
        let Some(last) = page.last() else { break };
        before = *last;
        paged.extend(page);
    }
    assert_eq!(paged, all);
    assert_eq!(view.history(&account("till@canadia"), (u64::MAX, u32::MAX), 100).unwrap(), []);
    // A cursor pinned at a height leaves out what came later.
    assert_eq!(view.history(&till, (6, 0), 2).unwrap(), [(5, 2), (5, 1)]);
}

#[test]
fn everything_is_there_after_a_restart_and_execution_goes_on() {
    let data = tempfile::tempdir().unwrap();
    let mut chain = Chain::start(data.path());
    for number in 0..5 {
        chain.block(&[transfer("aba", "wing", 100, number)]);
    }
    let (growing, before) = (chain.growing, chain.checkpoint);
    drop((chain.database, chain.ledger, chain.pending));

    let Opened { database, executor, created } = open(data.path()).unwrap();
    assert!(!created);
    assert_eq!((executor.point().height, executor.point().state_root), (5, before.state_root));
    assert_eq!(database.view().checkpoints(3, 9).unwrap().last(), Some(&before));
    let pending = PendingWrites::new(Arc::clone(&database)).unwrap();
    let mut chain = Chain { database, ledger: executor, pending, growing, checkpoint: before };
    // Exactly once, across the restart.
    let (_, executed) = chain.block(&[transfer("aba", "wing", 100, 4), transfer("aba", "wing", 100, 5)]);
    assert_eq!((executed.receipts.len(), executed.duplicates.len()), (1, 1));
    assert_eq!(balance(&chain.database, "till@wing"), 1_000_600);
    assert_eq!(chain.database.audit().unwrap().point.height, 6);
}

#[test]
fn blocks_that_share_a_write_give_the_same_as_one_by_one() {
    let (together, apart) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let payments: Vec<_> = (0..8).map(|n| transfer(["aba", "wing"][n % 2], "acleda", 10, n as u64 / 2)).collect();
    let (mut one, mut other) = (Chain::start(together.path()), Chain::start(apart.path()));
    for pair in payments.chunks(2) {
        // The second block pays again what the first paid: the duplicate is seen although nothing is written yet.
        for chain in [&mut one, &mut other] {
            chain.execute(pair, true);
            let (_, again) = chain.execute(&pair[..1], true);
            assert_eq!(again.duplicates.len(), 1);
        }
        other.commit();
    }
    assert_eq!(one.database.view().tip().unwrap().height, 0, "readers see nothing before the write");
    one.commit();
    other.commit();
    assert_eq!(one.checkpoint, other.checkpoint);
    for height in 0..=8 {
        assert_eq!(one.database.view().outcome(height).unwrap(), other.database.view().outcome(height).unwrap());
    }
}

#[test]
fn a_view_stays_as_it_was() {
    let data = tempfile::tempdir().unwrap();
    let mut chain = Chain::start(data.path());
    chain.block(&[transfer("aba", "wing", 1, 1)]);
    let database = Arc::clone(&chain.database);
    let view = database.view();
    chain.block(&[transfer("aba", "wing", 1, 2)]);
    assert_eq!(view.tip().unwrap().height, 1);
    assert_eq!(view.account(account("till@wing")).unwrap().unwrap().balances()[0].available.minor(), 1_000_001);
    assert_eq!(view.blocks(0, 10).unwrap().len(), 2);
    assert_eq!(database.view().tip().unwrap().height, 2);
}

#[test]
fn a_receipt_that_takes_no_id_hides_no_other() {
    let data = tempfile::tempdir().unwrap();
    let mut chain = Chain::start(data.path());
    let payment = transfer("aba", "wing", 1, 1);
    // Signed by the wrong bank: same body, same id, refused without taking it.
    let stranger = payment.body().sign(&[&crate::test_chain::key("wing")]).unwrap();
    assert_eq!(stranger.id(), payment.id());
    let (_, executed) = chain.block(std::slice::from_ref(&stranger));
    assert!(!executed.receipts[0].takes_id());
    assert_eq!(chain.database.view().locate(&payment.id()).unwrap(), Some((1, 0)));
    chain.execute(std::slice::from_ref(&stranger), true);
    chain.execute(std::slice::from_ref(&payment), true);
    chain.commit();
    assert_eq!(chain.database.view().locate(&payment.id()).unwrap(), Some((3, 0)));
}

#[test]
fn finality_is_proved_by_the_first_header_that_covers_and_the_first_certificate_above_it() {
    let data = tempfile::tempdir().unwrap();
    let mut chain = Chain::start(data.path());
    for number in 0..6u64 {
        // Heights 3 and 6 have certificates of their own.
        chain.execute(&[transfer("aba", "wing", 1, number)], number % 3 == 2);
        chain.commit();
    }
    let view = chain.database.view();
    // Each header names the checkpoint right below it.
    let proof = view.prove_finality(3).unwrap().unwrap();
    let heights: Vec<u64> = proof.headers.iter().map(|header| header.height().get()).collect();
    assert_eq!(heights, [4, 5, 6]);
    assert_eq!(proof.certificate.block, proof.headers[2].digest());
    assert_eq!(proof.headers[0].checkpoint().height.get(), 3);
    assert_eq!(view.prove_finality(2).unwrap().unwrap().headers.len(), 1);
    assert_eq!(view.prove_finality(6).unwrap(), None);
    assert_eq!(view.prove_header(7).unwrap(), None);

    // A receipt of height 2 against the checkpoint of height 3.
    let receipts = view.receipts(2, 0, 10).unwrap();
    let before = view.outcome(1).unwrap().unwrap().results_root;
    let links = view.receipts_roots(3, 3).unwrap();
    let receipt = ReceiptsTree::new(&receipts).prove(receipts[0].clone(), before, links).unwrap();
    assert_eq!(receipt.verify(3, &proof.headers[0].checkpoint().results_root).unwrap(), &receipts[0]);
}

#[test]
fn accounts_are_proved_at_the_checkpoints_while_execution_goes_on() {
    let data = tempfile::tempdir().unwrap();
    let mut chain = Chain::start(data.path());
    let mut roots = vec![chain.checkpoint.state_root];
    for number in 0..8 {
        chain.block(&[transfer("aba", "wing", 1, number)]);
        roots.push(chain.checkpoint.state_root);
    }
    for (height, root) in (0u64..).zip(&roots).skip(1) {
        let proof = chain.database.prove_account(height, account("till@wing")).unwrap().unwrap();
        let proved = proof.verify(root).unwrap().unwrap();
        assert_eq!(proved.balances()[0].available.minor(), 1_000_000 + height);
    }
    let absent = chain.database.prove_account(8, account("nobody@aba")).unwrap().unwrap();
    assert_eq!(absent.verify(&roots[8]).unwrap(), None);
    assert_eq!(chain.database.prove_account(9, account("till@wing")).unwrap(), None);
}

#[test]
fn a_block_out_of_order_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let mut chain = Chain::start(data.path());
    let (block, executed) = chain.block(&[]);
    let again = chain.pending.add(WrittenBlock { block: &block, executed: &executed });
    assert!(matches!(again, Err(Error::OutOfOrder { found: 1, expected: 2, .. })));
}

#[test]
fn a_write_is_all_or_nothing_when_the_log_is_cut_anywhere() {
    let data = tempfile::tempdir().unwrap();
    let mut chain = Chain::start(data.path());
    chain.block(&[transfer("aba", "wing", 1, 1)]);
    let log = newest_log(data.path());
    let before = std::fs::metadata(&log).unwrap().len();
    chain.block(&(0..20).map(|n| transfer("wing", "aba", 1, n)).collect::<Vec<_>>());
    let after = std::fs::metadata(&log).unwrap().len();
    assert!(after > before + 2_000);
    // The files of a process that was killed, its last write cut at many places.
    for step in 0..=16 {
        let cut = before + (after - before) * step / 16;
        let copy = tempfile::tempdir().unwrap();
        copy_directory(&data.path().join("db"), &copy.path().join("db"));
        std::fs::OpenOptions::new().write(true).open(newest_log(copy.path())).unwrap().set_len(cut).unwrap();
        let Opened { database, executor, .. } = open(copy.path()).unwrap();
        let height = if cut == after { 2 } else { 1 };
        assert_eq!((executor.point().height, database.view().tip().unwrap().height), (height, height));
        assert_eq!(database.view().block(2).unwrap().is_some(), height == 2);
        assert_eq!(database.view().receipts(2, 0, 100).unwrap().len(), if height == 2 { 20 } else { 0 });
        assert_eq!(balance(&database, "till@aba"), if height == 2 { 1_000_019 } else { 999_999 });
    }
}

fn newest_log(data: &Path) -> std::path::PathBuf {
    let logs = std::fs::read_dir(data.join("db")).unwrap().map(|entry| entry.unwrap().path());
    logs.filter(|path| path.extension().is_some_and(|extension| extension == "log")).max().unwrap()
}

fn copy_directory(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Opens a database after `change` was done to it behind its back.
fn reopen_after(change: impl FnOnce(&Database, &mut WriteBatch)) -> Error {
    let data = tempfile::tempdir().unwrap();
    let mut chain = Chain::start(data.path());
    chain.block(&[transfer("aba", "wing", 1, 1)]);
    let mut batch = WriteBatch::default();
    change(&chain.database, &mut batch);
    chain.database.rocks.write(batch).unwrap();
    drop(chain);
    open(data.path()).unwrap_err()
}

#[test]
fn what_does_not_belong_or_does_not_add_up_is_refused_with_advice() {
    let schema = reopen_after(|database, batch| {
        batch.put_cf(database.family(metadata::METADATA).unwrap(), metadata::SCHEMA, 9u32.to_be_bytes());
    });
    assert!(matches!(schema, Error::SchemaVersion { found: 9, expected: 3, .. }), "{schema}");
    assert!(schema.to_string().contains("Start the version of tonle that wrote it"));

    let chain = reopen_after(|database, batch| {
        batch.put_cf(database.family(metadata::METADATA).unwrap(), metadata::GENESIS, [3; 32]);
    });
    assert!(matches!(chain, Error::GenesisMismatch { found, .. } if found == Digest::from_bytes([3; 32])), "{chain}");

    let money = reopen_after(|database, batch| {
        let till = account("till@wing");
        let richer = database.view().account(account("till@aba")).unwrap().unwrap();
        let put = Change::Put(StateKey::Account(till), richer.encode());
        database.put_changes(batch, &[put]).unwrap();
    });
    let fatal =
        matches!(money, Error::Ledger { source: Fatal::RootMismatch { .. } | Fatal::SupplyMismatch { .. }, .. });
    assert!(fatal, "{money}");

    let tip = reopen_after(|database, batch| {
        batch.delete_cf(database.family(outcomes::OUTCOMES).unwrap(), blocks::key(1));
    });
    assert!(matches!(tip, Error::Damaged { table: "metadata", .. }), "{tip}");

    let key = reopen_after(|database, batch| {
        batch.put_cf(database.family(state::STATE).unwrap(), [0x05, 1], [1]);
    });
    assert!(matches!(key, Error::Damaged { table: "state", .. }), "{key}");
}

#[test]
fn another_genesis_is_refused() {
    let data = tempfile::tempdir().unwrap();
    drop(open(data.path()).unwrap());
    let mut other = genesis();
    other.chain_name.push('2');
    let error = Database::open(data.path(), &other, CACHE_BYTES, genesis_block).unwrap_err();
    assert!(matches!(error, Error::GenesisMismatch { .. }), "{error}");
}

#[test]
fn a_table_file_with_a_flipped_bit_is_refused_or_unread_never_believed() {
    let data = tempfile::tempdir().unwrap();
    let mut chain = Chain::start(data.path());
    chain.block(&[transfer("aba", "wing", 1, 1)]);
    let state_files = |database: &Database| -> Vec<String> {
        let files = database.rocks.live_files().unwrap();
        files.into_iter().filter(|file| file.column_family_name == state::STATE).map(|file| file.name).collect()
    };
    chain.database.rocks.flush_cf(chain.database.family(state::STATE).unwrap()).unwrap();
    let name = state_files(&chain.database).pop().unwrap();
    drop(chain);
    let path = data.path().join("db").join(name.trim_start_matches('/'));
    let mut bytes = std::fs::read(&path).unwrap();
    // In the first data block.
    bytes[20] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let error = open(data.path()).unwrap_err();
    assert!(matches!(error, Error::Database { .. }), "{error}");
    assert!(error.to_string().contains("move this directory away"), "{error}");
}

#[test]
fn compaction_drops_references_that_the_ledger_let_go_of_and_nothing_else() {
    let data = tempfile::tempdir().unwrap();
    let Opened { database, .. } = open(data.path()).unwrap();
    let reference = |byte: u8| StateKey::Reference(Digest::from_bytes([byte; 32]));
    let taken = |ms: u64| [ms.to_be_bytes().as_slice(), &[9; 40]].concat();
    let mut batch = WriteBatch::default();
    let changes = [
        Change::Put(reference(1), taken(1_000)),
        Change::Put(reference(2), taken(5_000)),
        Change::ForgetReferences { before_ms: 2_000 },
    ];
    database.put_changes(&mut batch, &changes).unwrap();
    database.rocks.write(batch).unwrap();
    let state = database.family(state::STATE).unwrap();
    database.rocks.flush_cf(state).unwrap();
    database.rocks.compact_range_cf::<&[u8], &[u8]>(state, None, None);
    let view = database.view();
    assert_eq!(view.state_value(&reference(1)).unwrap(), None);
    assert_eq!(view.state_value(&reference(2)).unwrap(), Some(taken(5_000)));
    assert_eq!(database.audit().unwrap().accounts, 4);
}

#[test]
fn a_full_disk_is_a_typed_error_and_what_was_written_stays() {
    if let Some(data) = limited() {
        let mut chain = Chain::start(&data);
        for height in 1..1_000u64 {
            let payments: Vec<_> = (0..20).map(|n| transfer("aba", "wing", 1, height * 20 + n)).collect();
            chain.execute(&payments, true);
            if let Err(error) = chain.pending.commit(chain.ledger.proofs()) {
                assert!(matches!(error, Error::NoSpace { .. }), "{error}");
                writeln!(std::io::stdout(), "last written {}", height - 1).unwrap();
                return;
            }
        }
        panic!("the limit has no effect");
    }
    let data = tempfile::tempdir().unwrap();
    let name = "storage::tests::a_full_disk_is_a_typed_error_and_what_was_written_stays";
    let last: u64 = run_limited(name, data.path(), 512, "last written ").parse().unwrap();
    let Opened { database, executor, .. } = open(data.path()).unwrap();
    assert_eq!(executor.point().height, last);
    assert_eq!(balance(&database, "till@wing"), 1_000_000 + 20 * last);
}

fn set(epoch: u64, names: &[&str]) -> ValidatorSet {
    let validator = |name: &&str| Validator {
        name: (*name).to_owned(),
        key: key(&format!("{name} validator")).public(),
        network_key: key(&format!("{name} network")).public(),
    };
    ValidatorSet::new(Epoch::new(epoch), names.iter().map(validator).collect()).unwrap()
}

fn names(validators: &[Validator]) -> Vec<&str> {
    validators.iter().map(|validator| validator.name.as_str()).collect()
}

#[test]
fn a_set_of_validators_is_recorded_with_the_block_that_ends_an_epoch_and_only_when_it_changes() {
    const FIRST: [&str; 4] = ["aba", "acleda", "canadia", "wing"];
    const FIFTH: [&str; 5] = ["aba", "acleda", "canadia", "wing", "nbc"];
    let data = tempfile::tempdir().unwrap();
    let mut chain = Chain::start(data.path());
    let database = Arc::clone(&chain.database);
    assert_eq!(names(&database.view().set_of(0).unwrap().1), FIRST, "genesis");
    assert_eq!(database.view().sets(u64::MAX).unwrap().len(), 1);

    chain.execute(&[], true);
    assert!(!chain.pending.begin_epoch(&set(1, &FIRST)).unwrap(), "as before");
    chain.execute(&[], true);
    assert!(chain.pending.begin_epoch(&set(2, &FIFTH)).unwrap());
    assert!(!chain.pending.begin_epoch(&set(2, &FIFTH)).unwrap(), "said again");
    let view = database.view();
    assert_eq!((view.tip().unwrap().height, view.sets(9).unwrap().len()), (0, 1), "nothing before the write");
    drop(view);
    chain.commit();

    let reopened = |database: &Database| {
        let view = database.view();
        assert_eq!(view.tip().unwrap().height, 2);
        let sets = view.sets(u64::MAX).unwrap();
        let sets: Vec<_> = sets.iter().map(|(epoch, validators)| (*epoch, names(validators))).collect();
        assert_eq!(sets, [(0, FIRST.to_vec()), (2, FIFTH.to_vec())]);
        assert_eq!(view.sets(1).unwrap().len(), 1, "up to an epoch");
        for (epoch, since, count) in [(0, 0, 4), (1, 0, 4), (2, 2, 5), (3, 2, 5), (u64::MAX, 2, 5)] {
            let (found, validators) = view.set_of(epoch).unwrap();
            assert_eq!((found, validators.len()), (since, count), "epoch {epoch}");
        }
    };
    reopened(&database);
    for epoch in [0, 1, 2] {
        let refused = chain.pending.begin_epoch(&set(epoch, &FIRST)).unwrap_err();
        assert!(matches!(refused, Error::EpochOutOfOrder { found, expected: 3, .. } if found == epoch), "{refused}");
    }
    drop((chain, database));
    let Opened { database, .. } = open(data.path()).unwrap();
    reopened(&database);
    let mut pending = PendingWrites::new(Arc::clone(&database)).unwrap();
    assert!(!pending.begin_epoch(&set(3, &FIFTH)).unwrap(), "what was recorded before the restart counts");
    assert!(pending.begin_epoch(&set(4, &FIRST)).unwrap(), "a set may return");
}

#[test]
fn the_ledgers_validators_are_read_from_the_state() {
    let data = tempfile::tempdir().unwrap();
    let Opened { database, executor, .. } = open(data.path()).unwrap();
    assert_eq!(&database.view().validators().unwrap(), executor.validators());
    let mut batch = WriteBatch::default();
    batch.put_cf(database.family(state::STATE).unwrap(), StateKey::Validators.to_bytes(), [1]);
    database.rocks.write(batch).unwrap();
    assert!(matches!(database.view().validators(), Err(Error::Damaged { .. })));
}
