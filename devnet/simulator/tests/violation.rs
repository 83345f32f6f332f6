//! A violation says how to run again what it came from, and that is what the command line runs.

use tonle_simulator::wan::Wan;
use tonle_simulator::{Breach, Crash, Kind, Loss, Run, Violation};

fn runs() -> Vec<Run> {
    let wan = Wan { nodes: 10, delay_us: 75_000, dead: 3, for_us: 1_000_000 };
    let crash = Crash { node: 1, sync: 42, made: true };
    let mut runs = vec![Run::Seed(7), Run::Drill(1, None), Run::Wan(1, wan)];
    runs.extend([true, false].map(|made| Run::Drill(1, Some(Crash { made, ..crash }))));
    runs.extend(Kind::ALL.map(|kind| Run::Byzantine(3, kind)));
    runs.extend(Loss::ALL.map(|loss| Run::Rejoin(133, loss)));
    runs
}

#[test]
fn what_a_violation_prints_is_read_as_the_run_it_came_from() {
    for run in runs() {
        let violation = Violation { run, at_us: 5_000, breach: Box::new(Breach::Silent { node: 3 }) };
        let text = violation.to_string();
        let arguments = text.split(" -- ").nth(1).expect("a command line").split(" (").next().expect("its arguments");
        let (flag, value) = arguments.split_once(' ').expect("a flag and its value");
        assert_eq!(Run::parse(flag, value), Some(run), "{text}");
        assert!(text.contains("at 5 ms: node 3 may sign, and does not"), "{text}");
    }
}

#[test]
fn what_is_no_run_is_refused() {
    for (flag, value) in [
        ("--seed", ""),
        ("--seed", "1,2"),
        ("--byzantine", "1,Honest"),
        ("--drill", "1,1,42"),
        ("--drill", "1,1,42,perhaps"),
        ("--rejoin", "1"),
        ("--rejoin", "1,everything"),
        ("--wan", "1,1,75000,0,1"),
        ("--wan", "1,4,75000,4,1"),
        ("--other", "1"),
    ] {
        assert_eq!(Run::parse(flag, value), None, "{flag} {value}");
    }
}

#[test]
fn every_kind_of_run_runs_again() {
    for run in [Run::Drill(1, Some(Crash { node: 1, sync: 8, made: false })), Run::Rejoin(2, Loss::Guard)] {
        run.again().unwrap_or_else(|violation| panic!("{violation}"));
    }
}
