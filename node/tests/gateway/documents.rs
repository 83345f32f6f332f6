//! docs/merchants.md, run as it stands: lines that begin with `$ ` are run in one shell, and the lines below them must be
//! found in what they print, in order.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::fixture::{command_in, text, turn};

/// A command of the page, and what it must print.
struct Step {
    command: String,
    printed: Vec<String>,
}

fn steps() -> Vec<Step> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = std::fs::read_to_string(root.join("docs/merchants.md")).unwrap();
    let mut steps: Vec<Step> = Vec::new();
    let mut is_console = false;
    for line in page.lines() {
        match (is_console, line.strip_prefix("$ ")) {
            (_, _) if line.starts_with("```") => is_console = line == "```console",
            (true, Some(command)) => steps.push(Step { command: command.to_owned(), printed: Vec::new() }),
            (true, None) => steps.last_mut().unwrap().printed.push(line.to_owned()),
            (false, _) => {}
        }
    }
    steps
}

#[test]
fn the_page_for_shops_is_true() {
    let steps = steps();
    assert!(
        steps.len() > 10 && steps.iter().map(|step| step.printed.len()).sum::<usize>() > 8,
        "the reader misses them"
    );
    let turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let mut script = String::new();
    for (step, number) in steps.iter().zip(0..) {
        // The ports of the page may be taken here.
        let command = match step.command.strip_prefix("TONLE_NODE=") {
            Some(_) => {
                "TONLE_NODE=http://$(python3 -c 'import json; print(next(node[\"merchant\"] for node in \
                 json.load(open(\".devnet/state.json\"))[\"devnet\"][\"validators\"] if node[\"name\"] == \"wing\"))')"
            }
            None => step.command.as_str(),
        };
        script.push_str(&format!("{command}\necho; echo '--- {number}'\n"));
    }
    let built = Path::new(env!("CARGO_BIN_EXE_tonle")).parent().unwrap();
    let path = format!("{}:{}", built.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("bash");
    command.args(["-eu", "-o", "pipefail", "-c", &script]).current_dir(folder.path()).env("PATH", path);
    let output = command.env_remove("TONLE_DIR").stdin(Stdio::null()).output().unwrap();
    // Whatever happened, nothing is left running.
    let _ = command_in(folder.path(), &["devnet", "down"]).output();
    drop(turn);
    let printed = text(&output.stdout);
    assert!(output.status.success(), "{printed}\n{}", text(&output.stderr));
    let mut rest = printed.as_str();
    for (step, number) in steps.iter().zip(0..) {
        let (mut part, after) = rest.split_once(&format!("\n--- {number}\n")).unwrap();
        rest = after;
        for expected in &step.printed {
            let found = part.find(expected.as_str());
            let found = found.unwrap_or_else(|| panic!("{}: {expected} is missing in {part}", step.command));
            part = &part[found + expected.len()..];
        }
    }
}
