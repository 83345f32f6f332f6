//! R8 on the real thing: a validator of a running devnet under `strace`. The guard is synced before a vote leaves, the
//! batch log before an acknowledgement, the database before a receipt.

#![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]

#[path = "durability/trace.rs"]
mod trace;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use trace::{Disk, Findings, Step, check, parse};

/// Payments made one after the other while the trace runs, in turn to each of the validators that run.
const PAYMENTS: usize = 12;
/// Validators that run: with one killed, no block is final without a vote of the one that is traced.
const RUNNING: usize = 3;

struct Devnet {
    folder: tempfile::TempDir,
}

impl Devnet {
    fn tonle(&self, arguments: &[&str]) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_tonle"))
            .args(arguments)
            .args(["--dir", "net"])
            .current_dir(self.folder.path())
            // The lines that mark departures, without colours or clients' data.
            .env("TONLE_LOG_LEVEL", "info,tonle::departure=trace")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Devnet {
    fn drop(&mut self) {
        let down = ["devnet", "down", "--dir", "net"];
        let _ = Command::new(env!("CARGO_BIN_EXE_tonle")).args(down).current_dir(self.folder.path()).output();
    }
}

/// Attaches to every thread of `pid`, and returns once it has. What strace says is read to its end: it reports each new
/// thread, and a closed pipe would end it, and the trace with it.
fn attach(pid: u64, output: &Path) -> Child {
    let mut strace = Command::new("strace")
        .args(["-f", "-y", "-xx", "-s", "256", "-e", "trace=write,pwrite64,writev,fdatasync,fsync", "-o"])
        .arg(output)
        .args(["-p", &pid.to_string()])
        .stderr(Stdio::piped())
        .spawn()
        .expect("strace starts: `make test` installs it, or `apt-get install strace`");
    let mut said = BufReader::new(strace.stderr.take().unwrap()).lines();
    let first = said.next().expect("strace says that it attached").unwrap();
    assert!(first.contains("attached"), "strace may not attach (ptrace is needed): {first}");
    std::thread::spawn(move || said.count());
    strace
}

fn traced_steps() -> Vec<Step> {
    let devnet = Devnet { folder: tempfile::tempdir().unwrap() };
    let described = devnet.tonle(&["devnet", "up", "--detach", "--wait", "--json"]);
    let described: Value = serde_json::from_str(&described).unwrap();
    devnet.tonle(&["devnet", "kill", "canadia"]);
    let pid = described["validators"][0]["pid"].as_u64().unwrap();
    let output = devnet.folder.path().join("trace");
    let mut strace = attach(pid, &output);
    for payment in 0..PAYMENTS {
        let node = described["validators"][payment % RUNNING]["grpc"].as_str().unwrap();
        devnet.tonle(&["pay", "alice@aba", "bob@wing", "100", "KHR", "--node", node]);
    }
    devnet.tonle(&["devnet", "down"]);
    assert!(strace.wait().unwrap().success());
    parse(&std::fs::read_to_string(output).unwrap())
}

#[test]
fn nothing_leaves_before_what_covers_it_is_on_disk() {
    let steps = traced_steps();
    let Findings { covered: [votes, acknowledgements, receipts], violations } = check(&steps);
    assert_eq!(violations, Vec::<String>::new());
    let payments = u64::try_from(PAYMENTS).unwrap();
    assert!(votes >= payments, "{votes} votes seen");
    assert!(acknowledgements >= payments, "{acknowledgements} acknowledgements of new batches seen");
    // Its own clients' are certain; of others' payments, several blocks may wait for one write.
    assert!(receipts >= payments / RUNNING as u64, "{receipts} times receipts seen");

    // The same run with the syncs of one file left out must not pass: the check sees a sync that is gone.
    for disk in [Disk::Guard, Disk::Batches, Disk::Database] {
        let without: Vec<Step> = steps.iter().filter(|step| **step != Step::Synced(disk)).cloned().collect();
        assert!(!check(&without).violations.is_empty(), "a missing sync of {disk:?} went unnoticed");
    }
}

#[test]
fn reads_a_call_that_another_thread_interrupts() {
    let text = "\
        11 write(7</data/guard/guard-1.seg>, \"\\x00\", 1) = 1\n\
        11 fdatasync(7</data/guard/guard-1.seg> <unfinished ...>\n\
        12 write(2</log>, \"\\x76\\x6f\\x74\\x65\\x20\\x6c\\x65\\x61\\x76\\x65\\x73\", 11) = 11\n\
        11 <... fdatasync resumed>) = 0\n";
    let wrote = Step::Wrote(Disk::Guard, 1);
    assert_eq!(parse(text), [wrote, Step::Vote, Step::Synced(Disk::Guard)]);
    assert_eq!(check(&parse(text)).violations.len(), 1);
    let failed = text.replace("= 0", "= -1 EIO (Input/output error)");
    assert!(!parse(&failed).contains(&Step::Synced(Disk::Guard)));
}
