//! Reads a system call trace of a running validator, and says where something left before what covers it was on disk.
//!
//! What is watched: writes to and syncs of the guard file, the batch log and the database's log, and the lines that the
//! node logs right before votes, acknowledgements and receipts leave. Must not know how the trace was taken.

use std::collections::BTreeMap;

/// A file whose sync is awaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Disk {
    /// `guard/guard-*.seg`.
    Guard,
    /// `batches/log-*.seg`.
    Batches,
    /// RocksDB's write-ahead log.
    Database,
}

/// One thing that happened, in the order of the trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Bytes went to a file; for the batch log, so many batches.
    Wrote(Disk, u64),
    /// A sync of a file returned success.
    Synced(Disk),
    /// A vote, timeout or proposal is about to leave.
    Vote,
    /// An acknowledgement of lanes up to these numbers is about to leave.
    Acknowledgement(Vec<(u16, u64)>),
    /// Receipts are about to leave.
    Receipts,
}

/// What a trace showed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    /// Departures that were covered: votes, acknowledgements of new batches, receipts.
    pub(crate) covered: [u64; 3],
    /// What left too early.
    pub(crate) violations: Vec<String>,
}

/// Reads `strace -f -y -xx` output. Interrupted calls count when they resume: that is when they returned.
pub(crate) fn parse(text: &str) -> Vec<Step> {
    let mut unfinished: BTreeMap<&str, String> = BTreeMap::new();
    let mut steps = Vec::new();
    for line in text.lines() {
        let Some((pid, call)) = line.trim_start().split_once(char::is_whitespace) else { continue };
        let call = call.trim_start();
        if let Some(begun) = call.strip_suffix("<unfinished ...>") {
            // A write counts when it begins: what it carries may be on disk or not from then on.
            steps.extend(wrote(begun));
            unfinished.insert(pid, begun.to_owned());
        } else if call.starts_with("<... ") {
            let Some(begun) = unfinished.remove(pid) else { continue };
            let Some((_, rest)) = call.split_once("resumed>") else { continue };
            steps.extend(synced(&format!("{begun}{rest}")));
        } else {
            steps.extend(wrote(call).or_else(|| synced(call)));
        }
    }
    steps
}

/// Goes through the steps and checks that nothing leaves uncovered.
pub(crate) fn check(steps: &[Step]) -> Findings {
    let mut findings = Findings::default();
    let mut unsynced: BTreeMap<Disk, u64> = BTreeMap::new();
    let (mut batches_durable, mut acknowledged) = (0u64, BTreeMap::<u16, u64>::new());
    let mut written: BTreeMap<Disk, u64> = BTreeMap::new();
    for step in steps {
        match step {
            Step::Wrote(disk, batches) => {
                *unsynced.entry(*disk).or_default() += batches;
                *written.entry(*disk).or_default() += 1;
            }
            Step::Synced(disk) => {
                let batches = unsynced.remove(disk).unwrap_or(0);
                if *disk == Disk::Batches {
                    batches_durable += batches;
                }
            }
            Step::Vote => {
                let dirty = unsynced.contains_key(&Disk::Guard) || !written.contains_key(&Disk::Guard);
                findings.note(0, dirty, "a vote left before the guard was on disk");
            }
            Step::Acknowledgement(lanes) => {
                let before: u64 = acknowledged.values().sum();
                for (lane, seq) in lanes {
                    let highest = acknowledged.entry(*lane).or_default();
                    *highest = (*highest).max(*seq);
                }
                let promised: u64 = acknowledged.values().sum();
                if promised > before {
                    findings.note(1, promised > batches_durable, "a batch was acknowledged before it was on disk");
                }
            }
            Step::Receipts => {
                let dirty = unsynced.contains_key(&Disk::Database) || !written.contains_key(&Disk::Database);
                findings.note(2, dirty, "a receipt left before its block was on disk");
            }
        }
    }
    findings
}

impl Findings {
    fn note(&mut self, kind: usize, violation: bool, text: &str) {
        if violation {
            self.violations.push(text.to_owned());
        } else {
            self.covered[kind] += 1;
        }
    }
}

/// The file that a call's first argument names, as `-y` shows it: `7</path>`, with `-xx` in hexadecimal too.
fn disk(call: &str) -> Option<Disk> {
    let shown = call.split_once('<')?.1.split_once('>')?.0;
    let path =
        if shown.starts_with('/') { shown.to_owned() } else { String::from_utf8_lossy(&unescaped(shown)).into_owned() };
    if path.contains("/guard/guard-") {
        Some(Disk::Guard)
    } else if path.contains("/batches/log-") {
        Some(Disk::Batches)
    } else if path.ends_with(".log") && !path.ends_with("/node.log") {
        Some(Disk::Database)
    } else {
        None
    }
}

/// The bytes of the first quoted argument, which `-xx` shows in hexadecimal.
fn bytes(call: &str) -> Vec<u8> {
    unescaped(call.split('"').nth(1).unwrap_or_default())
}

fn unescaped(text: &str) -> Vec<u8> {
    text.split("\\x").skip(1).filter_map(|pair| u8::from_str_radix(pair.get(..2)?, 16).ok()).collect()
}

fn wrote(call: &str) -> Option<Step> {
    if !call.starts_with("write(") && !call.starts_with("pwrite64(") && !call.starts_with("writev(") {
        return None;
    }
    let bytes = bytes(call);
    let Some(disk) = disk(call) else { return departure(&String::from_utf8_lossy(&bytes)) };
    // A frame of the batch log: length 4, kind 1, checksum 4, then the count of its batches.
    let count = bytes.get(9..13).map_or(0, |count| u64::from(u32::from_be_bytes(count.try_into().unwrap())));
    Some(Step::Wrote(disk, if disk == Disk::Batches { count } else { 1 }))
}

fn synced(call: &str) -> Option<Step> {
    let sync = call.starts_with("fdatasync(") || call.starts_with("fsync(");
    let succeeded = call.rsplit_once('=').is_some_and(|(_, result)| result.trim() == "0");
    if sync && succeeded { disk(call).map(Step::Synced) } else { None }
}

/// A line of the node's log that says what is about to leave.
fn departure(line: &str) -> Option<Step> {
    if line.contains("vote leaves") {
        Some(Step::Vote)
    } else if line.contains("receipts leave") {
        Some(Step::Receipts)
    } else if line.contains("acknowledgement leaves") {
        let list = line.split_once("lanes=[")?.1.split_once(']')?.0;
        let numbers: Vec<u64> =
            list.split(|letter: char| !letter.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect();
        let lanes = numbers.chunks_exact(2).map(|pair| (u16::try_from(pair[0]).unwrap(), pair[1]));
        Some(Step::Acknowledgement(lanes.collect()))
    } else {
        None
    }
}
