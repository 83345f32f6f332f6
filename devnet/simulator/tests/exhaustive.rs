//! Every state that three honest engines and a Byzantine validator can come to within some views. What was explored is
//! printed (`--nocapture`).
#![allow(clippy::print_stderr, reason = "a test says what it explored")]

use std::time::Duration;

use tonle_simulator::explorer::{Breach, Counterexample, Fault, Grain, Limits, Report, Setup, explore};

const NO_LIMIT: Limits = Limits { states: 50_000_000, time: Duration::from_secs(3_600) };

fn setup(views: u64, byzantine_leads: u64) -> Setup {
    Setup { views, byzantine_leads, grain: Grain::Certificates, crashes: 0, fault: None }
}

/// Explores to the end.
fn exhaust(setup: Setup) -> Report {
    match explore(setup, NO_LIMIT) {
        Ok(explored) => {
            eprintln!("{setup:?}: {}", explored.report);
            assert!(explored.report.exhausted, "{setup:?}: {}", explored.report);
            explored.report
        }
        Err(counterexample) => panic!("{setup:?}: {counterexample}"),
    }
}

/// Explores until something breaks.
fn broken(setup: Setup) -> Counterexample {
    match explore(setup, NO_LIMIT) {
        Ok(explored) => panic!("{setup:?}: nothing broke: {}", explored.report),
        Err(counterexample) => {
            eprintln!("{setup:?}: {counterexample}");
            *counterexample
        }
    }
}

#[test]
fn all_states_of_two_views_are_safe_when_the_byzantine_validator_leads_the_first() {
    assert!(exhaust(setup(2, 1)).states > 1_000_000);
}

#[test]
fn all_states_of_two_views_are_safe_when_the_byzantine_validator_leads_the_second() {
    exhaust(setup(2, 2));
}

#[test]
fn all_states_of_two_views_are_safe_when_the_byzantine_validator_leads_neither() {
    exhaust(setup(2, 3));
}

#[test]
fn all_states_of_a_view_are_safe_vote_by_vote() {
    exhaust(Setup { grain: Grain::Votes, ..setup(1, 2) });
}

#[test]
fn all_states_of_a_view_with_a_crash_are_safe() {
    for leads in [1, 2] {
        exhaust(Setup { crashes: 1, ..setup(1, leads) });
    }
}

#[test]
fn a_guard_that_is_lost_lets_a_machine_contradict_itself() {
    for fault in [Fault::GuardForgotten, Fault::GuardNotSynced] {
        let found = broken(Setup { crashes: 1, fault: Some(fault), ..setup(1, 1) });
        assert!(matches!(found.breach, Breach::Contradicts(..)), "{found}");
    }
}

#[test]
fn two_byzantine_validators_of_four_break_agreement() {
    let found = broken(Setup { fault: Some(Fault::TwoByzantine), ..setup(1, 1) });
    assert!(matches!(found.breach, Breach::TwoCertificates(1)), "{found}");
}

/// The larger steps leave nothing out: machines that hear of certificates only sign together whatever machines that
/// hear every vote by itself do, and nothing else.
#[test]
fn hearing_certificates_or_votes_makes_no_difference_to_what_is_signed() {
    let outcomes = |grain| match explore(Setup { grain, ..setup(1, 2) }, NO_LIMIT) {
        Ok(explored) => explored.outcomes(),
        Err(counterexample) => panic!("{counterexample}"),
    };
    let (votes, certificates) = (outcomes(Grain::Votes), outcomes(Grain::Certificates));
    eprintln!("{} combinations of what three machines signed in a view", votes.len());
    assert!(votes.len() > 10);
    assert_eq!(votes, certificates);
}

#[test]
fn from_any_sampled_state_on_a_network_that_delivers_finalizes_a_block_within_five_views() {
    for (setup, samples) in [(setup(1, 1), 500), (Setup { crashes: 1, ..setup(1, 2) }, 500), (setup(2, 3), 100)] {
        match explore(setup, NO_LIMIT) {
            Ok(mut explored) => match explored.live(samples) {
                Ok(most) => eprintln!("{setup:?}: {samples} states, final after {most} views at most"),
                Err(breach) => panic!("{setup:?}: {breach}"),
            },
            Err(counterexample) => panic!("{setup:?}: {counterexample}"),
        }
    }
}

#[test]
fn ways_become_runs_of_the_specification() {
    match explore(setup(1, 1), NO_LIMIT) {
        Ok(mut explored) => {
            let module = explored.traces(12);
            assert_eq!(module.matches("  run trace_").count(), 12, "{module}");
            assert_eq!(module.matches("  run wrong").count(), 1, "{module}");
        }
        Err(counterexample) => panic!("{counterexample}"),
    }
}
