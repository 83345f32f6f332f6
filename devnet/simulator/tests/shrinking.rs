//! A failing seed is made smaller, and what happened can be read and drawn.

#![allow(clippy::result_large_err, reason = "a violation is made once, at the end of a failed run")]

use tonle_simulator::{Deed, Sabotage, Without, retell, shrink, simulate};

#[test]
fn a_failing_seed_keeps_its_violation_with_less() {
    let sabotage = Some(Sabotage::GuardNotWritten);
    let failing = (1..200).find(|seed| simulate(*seed, sabotage).is_err()).expect("a seed that fails");
    let whole = simulate(failing, sabotage).expect_err("it fails");
    let shrunk = shrink(failing, sabotage, 100).expect("it fails");
    assert_eq!(shrunk.violation.breach.name(), whole.breach.name());
    assert!(shrunk.clients.0 < shrunk.clients.1 / 2, "{:?} clients are left", shrunk.clients);
    let text = shrunk.timeline.to_string();
    assert!(text.contains("signs in epoch 0") && text.contains("starts"), "{text}");
    let drawing = shrunk.timeline.svg("a < b & \"c\"");
    assert!(
        drawing.starts_with("<svg")
            && drawing.ends_with("</svg>\n")
            && drawing.contains("a &lt; b &amp; &quot;c&quot;")
    );
}

#[test]
fn what_is_recorded_changes_nothing_and_ends_in_final_blocks() {
    let told = retell(3, None, &Without::default());
    assert_eq!(told.result, simulate(3, None));
    let report = told.result.expect("seed 3 holds");
    let finals = told.timeline.lines.iter().filter(|line| matches!(line.deed, Deed::Finalizes(_))).count();
    assert!(finals as u64 >= report.height, "{finals} finals for {} heights", report.height);
    assert!(shrink(3, None, 10).is_none());
}
