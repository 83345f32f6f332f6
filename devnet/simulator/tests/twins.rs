//! Twins scenarios: every one of a small size, and a sample of larger ones. `TONLE_TWINS=N` plays that many samples of
//! each size; `TONLE_TWINS_VIEWS=V` all scenarios of four validators over V views.

use tonle_simulator::twins::{Cluster, Scenario, all, partitions, sample};

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |value| value.parse().expect("a number"))
}

/// Plays scenarios; how many.
fn play(validators: usize, scenarios: impl Iterator<Item = Scenario>) -> u64 {
    let cluster = Cluster::new(validators).expect("a chain");
    let mut played = 0;
    for scenario in scenarios {
        if let Err(broken) = cluster.play(&scenario) {
            panic!("{validators} validators, {scenario}: {broken}");
        }
        played += 1;
    }
    played
}

#[test]
fn partitions_are_counted_right() {
    // Stirling numbers of the second kind: 1 + 15, and 1 + 15 + 25, ways to put five into at most two or three groups.
    assert_eq!(partitions(5, 2).len(), 16);
    assert_eq!(partitions(5, 3).len(), 41);
}

#[test]
fn all_scenarios_of_four_validators_are_safe_and_live() {
    let views = u32::try_from(number("TONLE_TWINS_VIEWS", 2)).expect("few views");
    assert_eq!(play(4, all(4, views, 2)), 4 * 16_u64.pow(views));
}

#[test]
fn samples_of_four_seven_and_ten_validators_are_safe_and_live() {
    let samples = number("TONLE_TWINS", 300);
    for validators in [4, 7, 10] {
        assert_eq!(play(validators, (0..samples).map(|seed| sample(seed, validators, 4))), samples);
    }
}
