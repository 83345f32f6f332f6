//! The README's commands, run as they stand: in a folder of their own, by a shell, with the `tonle` that was built.
//!
//! Blocks of one section share a folder and, if marked `sh`, one shell. In a `console` block, lines that begin with `$ `
//! are run, and the lines below must be found in what they print, in order; numbers may differ. Ports are replaced by
//! free ones. `make devnet` is looked at, not run: it builds, then runs the first command of the block after it.

#![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]

use std::collections::BTreeMap;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};

/// A fenced block.
struct Block {
    section: String,
    language: String,
    text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn blocks() -> Vec<Block> {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let mut blocks = Vec::new();
    let mut section = String::new();
    let mut lines = readme.lines();
    while let Some(line) = lines.next() {
        if let Some(title) = line.strip_prefix("## ") {
            section = title.to_owned();
        }
        if let Some(language) = line.strip_prefix("```") {
            let text: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push(Block { section: section.clone(), language: language.to_owned(), text: text.join("\n") });
        }
    }
    blocks
}

fn section(title: &str, language: &str) -> Vec<String> {
    let found: Vec<String> = blocks()
        .into_iter()
        .filter(|block| block.section.starts_with(title) && block.language == language)
        .map(|block| block.text)
        .collect();
    assert!(!found.is_empty(), "the README has no {language} block under {title}");
    found
}

/// Runs `script` in `folder` with `tonle` on the PATH; whatever it leaves running is ended.
fn shell(folder: &Path, script: &str) -> Output {
    let built = Path::new(env!("CARGO_BIN_EXE_tonle")).parent().unwrap();
    let path = format!("{}:{}", built.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("bash");
    command.args(["-eu", "-o", "pipefail", "-c", script]).current_dir(folder).env("PATH", path);
    command.env_remove("TONLE_DIR").env_remove("TONLE_GRPC").env_remove("TONLE_PASSPHRASE");
    // Output goes to files: a pipe would stay open as long as anything in the background holds it.
    let (out, error) = (folder.join(".out"), folder.join(".error"));
    command.stdin(Stdio::null()).process_group(0);
    command.stdout(std::fs::File::create(&out).unwrap()).stderr(std::fs::File::create(&error).unwrap());
    let mut child = command.spawn().unwrap();
    let group = Pid::from_child(&child);
    let status = child.wait().unwrap();
    if !status.success() {
        // The group may be empty already.
        let _ = kill_process_group(group, Signal::KILL);
    }
    Output { status, stdout: std::fs::read(out).unwrap(), stderr: std::fs::read(error).unwrap() }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Ends the devnet of a folder, whatever happened.
struct Down<'a>(&'a Path);

impl Drop for Down<'_> {
    fn drop(&mut self) {
        shell(self.0, "tonle devnet down >/dev/null 2>&1 || true");
    }
}

/// Words with every number replaced, so that heights, latencies and ports may differ; spaces do not count.
fn shape(line: &str) -> Vec<String> {
    let word = |word: &str| {
        let mut shaped = String::new();
        for letter in word.chars() {
            if letter.is_ascii_digit() {
                if !shaped.ends_with('0') {
                    shaped.push('0');
                }
            } else if !(letter == ',' || letter == '.') || !shaped.ends_with('0') {
                shaped.push(letter);
            }
        }
        shaped
    };
    line.split_whitespace().map(word).collect()
}

/// The commands of a console block, each with the lines it is shown to print.
fn commands(block: &str) -> Vec<(String, Vec<String>)> {
    let mut commands: Vec<(String, Vec<String>)> = Vec::new();
    for line in block.lines() {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command.to_owned(), Vec::new())),
            (None, Some((_, shown))) => shown.push(line.to_owned()),
            (None, None) => panic!("{line} stands before any command"),
        }
    }
    commands
}

fn run_console(folder: &Path, block: &str) {
    for (command, shown) in commands(block) {
        let output = shell(folder, &command);
        let (printed, error) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{command}\n{printed}{error}");
        let mut lines = printed.lines().map(shape);
        for expected in shown {
            assert!(
                lines.any(|line| line == shape(&expected)),
                "{command}\nprinted no line like: {expected}\n{printed}"
            );
        }
    }
}

/// A port that neither TCP nor UDP uses. Another process may take it before it is used here; the kernel hands out
/// others for a while first.
fn free_port() -> u16 {
    loop {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        if UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Replaces each port that the script writes, the same one everywhere.
fn with_free_ports(script: &str) -> String {
    let mut replaced = String::new();
    let mut ports: BTreeMap<String, u16> = BTreeMap::new();
    let mut rest = script;
    while let Some(start) = rest.find(|letter: char| letter.is_ascii_digit()) {
        let (before, from) = rest.split_at(start);
        let end = from.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(from.len());
        let (number, after) = from.split_at(end);
        replaced.push_str(before);
        let is_port = number.parse::<u32>().is_ok_and(|number| (7701..=7704).contains(&number))
            || number.parse::<u32>().is_ok_and(|number| (50061..=50064).contains(&number))
            || number.parse::<u32>().is_ok_and(|number| (9101..=9104).contains(&number));
        if is_port {
            let port = *ports.entry(number.to_owned()).or_insert_with(free_port);
            replaced.push_str(&port.to_string());
        } else {
            replaced.push_str(number);
        }
        rest = after;
    }
    replaced.push_str(rest);
    assert_eq!(ports.len(), 12, "four nodes have three ports each");
    replaced
}

#[test]
fn every_block_is_run_by_a_test_here() {
    for block in blocks() {
        let run = match block.language.as_str() {
            "sh" => block.section.starts_with("A bank") || block.text == "make devnet",
            "console" => block.section.starts_with("A developer") || block.section.starts_with("An explorer"),
            _ => false,
        };
        assert!(run, "no test runs the block under {}:\n{}", block.section, block.text);
    }
}

#[test]
fn a_developers_commands_do_what_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let _down = Down(folder.path());
    for block in section("A developer", "console") {
        run_console(folder.path(), &block);
    }
}

#[test]
fn an_explorers_commands_do_what_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let _down = Down(folder.path());
    for block in section("An explorer", "console") {
        run_console(folder.path(), &block);
    }
}

/// Four nodes configured by hand settle a transfer, which is proven offline; they end in order on SIGTERM.
#[test]
fn four_machines_settle_a_transfer() {
    let folder = tempfile::tempdir().unwrap();
    let script = with_free_ports(&section("A bank", "sh").join("\n"));
    let output = shell(folder.path(), &script);
    let (printed, error) = (text(&output.stdout), text(&output.stderr));
    let logs: String = ["aba", "acleda", "wing", "canadia"]
        .iter()
        .map(|bank| std::fs::read_to_string(folder.path().join(bank).join("log")).unwrap_or_default())
        .collect();
    assert!(output.status.success(), "{printed}\n{error}\n{logs}");
    for expected in [
        "quorum  3 of 4 validators; 1 may fail",
        "OK  validator with 4 peers, gRPC 127.0.0.1:",
        "FINAL  block ",
        "OK  3 signatures (quorum 3), header, Merkle path, balances after",
        "tonle_executed_height ",
    ] {
        assert!(printed.contains(expected), "{expected} is missing:\n{printed}\n{error}");
    }
    assert!(logs.contains("stopping"), "{logs}");
}

/// `make devnet` builds and then runs the command that the README shows next; `make test` is this.
#[test]
fn make_devnet_runs_the_devnet() {
    let output = Command::new("make")
        .args(["--dry-run", "devnet"])
        .current_dir(root())
        .env_remove("CARGO_TARGET_DIR")
        // Under `make test`, this make would say more than its dry run.
        .env_remove("MAKEFLAGS")
        .env_remove("MAKELEVEL")
        .output()
        .unwrap();
    let printed = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let last = printed.lines().last().unwrap();
    assert_eq!(last, "target/release/tonle devnet up", "{printed}");
    assert!(printed.contains("cargo build --release"), "{printed}");
}
