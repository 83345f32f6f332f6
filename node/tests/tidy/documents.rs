//! Rules for documents, and for what must not stand anywhere in the tree.

use crate::tree::{File, files, report, root};

fn documents() -> impl Iterator<Item = File> {
    files().into_iter().filter(|file| file.path.ends_with(".md"))
}

/// Targets of Markdown links that point into the repository.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target).filter(|target| {
        !target.contains("://") && !target.starts_with('#') && !target.contains(' ') && !target.is_empty()
    })
}

#[test]
fn links_lead_to_files_that_exist() {
    let mut findings = Vec::new();
    let mut followed = 0;
    for file in documents() {
        let folder = root().join(&file.path).parent().unwrap().to_path_buf();
        for target in links(&file.text) {
            followed += 1;
            let path = target.split('#').next().unwrap_or_default();
            if !folder.join(path).exists() {
                findings.push(format!("{} links to {target}", file.path));
            }
        }
    }
    assert!(followed > 10, "only {followed} links: the reader misses them");
    report(&findings);
}

/// Paths in backquotes that look like files of this repository exist too.
#[test]
fn the_code_map_names_files_that_exist() {
    let mut findings = Vec::new();
    for name in ["ARCHITECTURE.md", "README.md", "docs/testing.md"] {
        let text = std::fs::read_to_string(root().join(name)).unwrap();
        for word in text.split('`').skip(1).step_by(2) {
            let rooted = ["node/", "consensus/", "devnet/", "proto/", "docs/", ".ci/"];
            let is_path = rooted.iter().any(|top| word.starts_with(top)) && !word.contains(['*', '<', ' ', '{', '…']);
            // A suite is named without its extension.
            let path = root().join(word.trim_end_matches('/'));
            if is_path && !path.exists() && !path.with_extension("rs").exists() {
                findings.push(format!("{name} names {word}"));
            }
        }
    }
    report(&findings);
}

#[test]
fn decisions_have_context_decision_and_negatives() {
    let mut findings = Vec::new();
    let mut numbers = Vec::new();
    for file in documents().filter(|file| file.path.starts_with("docs/decisions/")) {
        let name = file.path.trim_start_matches("docs/decisions/");
        match name.split_once('-').and_then(|(number, _)| number.parse::<u32>().ok().filter(|_| number.len() == 4)) {
            Some(number) => numbers.push(number),
            None => findings.push(format!("{} is not named NNNN-title.md", file.path)),
        }
        for heading in ["## Context", "## Decision", "## Negatives"] {
            if !file.text.contains(heading) {
                findings.push(format!("{} has no {heading}", file.path));
            }
        }
    }
    numbers.sort_unstable();
    if numbers.windows(2).any(|pair| pair[0] == pair[1]) {
        findings.push(format!("a number twice: {numbers:?}"));
    }
    report(&findings);
}

/// Every suite has its row, with a time budget, in docs/testing.md.
#[test]
fn every_suite_has_a_time_budget() {
    let testing = std::fs::read_to_string(root().join("docs/testing.md")).unwrap();
    let mut findings = Vec::new();
    for file in files().into_iter().filter(File::is_rust) {
        let Some((package, target)) = file.path.split_once("/tests/") else { continue };
        let suite = match target.split_once('/') {
            None => target.trim_end_matches(".rs"),
            Some((folder, "main.rs")) => folder,
            Some(_) => continue,
        };
        // Files named by `#[path]` from a source folder belong to the unit tests.
        if package.contains("src") {
            continue;
        }
        let row = testing.lines().find(|line| line.contains(&format!("`{package}/tests/{suite}`")));
        if !row.is_some_and(|row| row.contains(" s |") || row.contains(" min |")) {
            findings.push(format!("`{package}/tests/{suite}` has no budget in docs/testing.md"));
        }
    }
    report(&findings);
}

/// Paths of one machine, names of package mirrors, and other things that only the author's disk has.
#[test]
fn nothing_of_one_machine_stands_in_the_tree() {
    // Put together here, so that this file does not find itself.
    let needles =
        [["/wo", "rk/"], ["/ro", "ot/"], ["/ho", "me/"], ["/Us", "ers/"], ["registry.npm", "js.org"], ["py", "pi.org"]]
            .map(|halves| halves.concat());
    let mut findings = Vec::new();
    for file in files() {
        for (number, line) in file.text.lines().enumerate() {
            for needle in needles.iter().filter(|needle| line.contains(needle.as_str())) {
                findings.push(format!("{}:{} has {needle}", file.path, number + 1));
            }
        }
        if file.path.ends_with("package-lock.json") && file.text.contains("\"resolved\"") {
            findings.push(format!("{} names where packages were fetched from", file.path));
        }
    }
    report(&findings);
}
