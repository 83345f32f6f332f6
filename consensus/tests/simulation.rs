//! Seeded runs of whole networks: safety after every step, liveness after healing.

#![allow(clippy::unwrap_used, reason = "tests")]

mod harness;

use harness::random::Random;
use harness::{Disturbance, Network};
use tonle_consensus::{Config, Height, Message, View};

const SECOND: u64 = 1_000_000;

/// A disturbed run of `seconds`, then healing, then everything must become final everywhere.
fn disturbed(seed: u64, n: u16, disturbance: Disturbance, seconds: u64) -> Network {
    let mut network = Network::new(n, seed, Config::default(), disturbance);
    network.run((1 + seconds) * SECOND, |_| false);
    network.heal();
    network.new_item();
    let until = network.now_us + 90 * SECOND;
    let live = network.run(until, Network::all_final);
    assert!(live, "seed {seed}, n {n}: not live after healing: {:?}", network.report());
    network
}

fn random_disturbance(seed: u64) -> (u16, Disturbance) {
    let mut random = Random::new(seed ^ 0x5eed);
    let n = [4, 4, 4, 5, 7, 1, 2, 10][usize::try_from(random.below(8)).unwrap()];
    let most = [5_000, 50_000, 200_000][usize::try_from(random.below(3)).unwrap()];
    let disturbance = Disturbance {
        loss: [0, 0, 20, 100][usize::try_from(random.below(4)).unwrap()],
        repeat: random.below(100),
        delay_us: (500, most),
        sync_us: (100, 100 + random.below(20_000)),
        crash_every_us: random.below(3) * SECOND,
        part_every_us: random.below(3) * 2 * SECOND,
        item_every_us: 10_000 + random.below(300_000),
        twins: n >= 4 && random.below(3) == 0,
    };
    (n, disturbance)
}

#[test]
fn agrees_and_lives_over_three_hundred_seeds() {
    let (mut final_heights, mut evidence) = (0, 0);
    for seed in 0..300 {
        let (n, disturbance) = random_disturbance(seed);
        let network = disturbed(seed, n, disturbance, 6);
        final_heights += network.low_height().get();
        evidence += network.evidence;
    }
    assert!(final_heights > 3_000, "the runs did next to nothing: {final_heights} heights");
    assert!(evidence > 0, "the twins were never caught");
}

#[test]
fn same_seed_gives_same_trace() {
    let run = || {
        let (n, disturbance) = random_disturbance(3);
        let network = disturbed(3, n, disturbance, 4);
        (network.final_blocks.clone(), network.views(), network.now_us)
    };
    assert_eq!(run(), run());
}

#[test]
fn a_block_is_final_three_message_delays_after_its_proposal() {
    let calm = Disturbance { sync_us: (0, 0), ..Disturbance::calm() };
    let mut network = Network::new(4, 1, Config::default(), calm);
    network.run(3 * SECOND, |_| false);
    network.record_sent = true;
    network.new_item();
    assert!(network.run(4 * SECOND, Network::all_final));
    let proposed = network.sent.iter().find(|(_, _, message)| matches!(message, Message::Proposal(_)));
    let proposed_us = proposed.expect("a proposal").0;
    // The last node learns it after proposal, Notarize and Finalize, of 10 ms each.
    assert_eq!(network.now_us - proposed_us, 30_000);
}

#[test]
fn a_block_follows_every_two_message_delays_under_load() {
    let load = Disturbance { item_every_us: 1_000, sync_us: (0, 0), ..Disturbance::calm() };
    let mut network = Network::new(4, 1, Config::default(), load);
    network.run(3 * SECOND, |_| false);
    let before = network.low_height();
    network.run(5 * SECOND, |_| false);
    let blocks = network.low_height().get() - before.get();
    assert!((98..=101).contains(&blocks), "{blocks} blocks in 2 s of 20 ms each");
}

#[test]
fn a_single_validator_finalizes_alone() {
    let mut network = Network::new(1, 1, Config::default(), Disturbance::calm());
    network.new_item();
    assert!(network.run(2 * SECOND, Network::all_final));
}

#[test]
fn networks_of_many_sizes_finalize() {
    for n in [2, 3, 4, 5, 6, 7, 8, 13, 31, 100] {
        let mut network = Network::new(n, 1, Config::default(), Disturbance::calm());
        network.new_item();
        assert!(network.run(4 * SECOND, Network::all_final), "n {n}");
    }
}

#[test]
fn an_idle_network_makes_only_heartbeats() {
    let mut network = Network::new(4, 1, Config::default(), Disturbance::calm());
    network.run(21 * SECOND, |_| false);
    let height = network.low_height().get();
    assert!((18..=20).contains(&height), "{height} heartbeats in 20 s");
}

#[test]
fn the_last_item_of_a_burst_gets_its_checkpoint_from_one_trailing_block() {
    let config = Config { idle_interval_ms: 60_000, ..Config::default() };
    let mut network = Network::new(4, 1, config, Disturbance::calm());
    network.run(2 * SECOND, |_| false);
    network.new_item();
    assert!(network.run(4 * SECOND, Network::all_final));
    let (data, height) = (network.now_us, network.low_height());
    network.run(data + 5 * SECOND, |_| false);
    // One block more, which names the checkpoint of the item's block, and not another.
    assert_eq!(network.low_height(), height.saturating_add(1));
    let last = network.nodes[0].database.last().unwrap().header().clone();
    assert_eq!(last.checkpoint().height, height);
}

#[test]
fn a_dead_leader_is_skipped_and_taken_back() {
    let load = Disturbance { item_every_us: 5_000, ..Disturbance::calm() };
    let mut network = Network::new(4, 1, Config::default(), load);
    network.run(2 * SECOND, |_| false);
    network.crash(3);
    network.run(6 * SECOND, |_| false);
    let skipped = network.nodes[0].engine.as_ref().unwrap().status().skipped;
    assert_eq!(skipped, vec![network.nodes[3].me.unwrap()]);
    let before = network.low_height_of_live();
    network.run(8 * SECOND, |_| false);
    let cadence = network.low_height_of_live() - before;
    // 2 s hold at most 95 blocks of 21 ms; the dead leader's turn costs one message delay and a sync.
    assert!(cadence > 55, "{cadence} blocks in 2 s with one validator dead");
    network.start(3);
    network.run(10 * SECOND, |_| false);
    assert!(network.nodes[0].engine.as_ref().unwrap().status().skipped.is_empty());
    network.heal();
    let until = network.now_us + 10 * SECOND;
    assert!(network.run(until, Network::all_final), "{:?}", network.report());
}

#[test]
fn all_validators_restart_at_once_without_a_manual_step() {
    for seed in 0..40 {
        let load = Disturbance { item_every_us: 3_000, delay_us: (1_000, 30_000), ..Disturbance::calm() };
        let mut network = Network::new(4, seed, Config::default(), load);
        network.run(2 * SECOND + seed * 1_700, |_| false);
        (0..4).for_each(|node| network.crash(node));
        network.run(3 * SECOND, |_| false);
        network.heal();
        let until = network.now_us + 20 * SECOND;
        assert!(network.run(until, Network::all_final), "seed {seed}: {:?}", network.report());
    }
}

#[test]
fn an_epoch_ends_at_its_last_height_for_everybody() {
    for seed in 0..20 {
        let disturbance = Disturbance {
            loss: 100,
            delay_us: (1_000, 60_000),
            item_every_us: 10_000,
            crash_every_us: 1_000_000,
            ..Disturbance::calm()
        };
        let config = Config { epoch_length: 30, ..Config::default() };
        let mut network = Network::new(4, seed, config, disturbance);
        network.run(8 * SECOND, |_| false);
        network.heal();
        let ended = |network: &Network| network.nodes.iter().all(|node| node.epoch_ended == Some(Height::new(30)));
        let until = network.now_us + 90 * SECOND;
        assert!(network.run(until, ended), "seed {seed}: {:?}", network.report());
        assert!(network.final_blocks.keys().all(|height| *height <= Height::new(30)), "seed {seed}");
    }
}

#[test]
fn an_even_split_finalizes_nothing_and_goes_on_when_healed() {
    let load = Disturbance { item_every_us: 5_000, ..Disturbance::calm() };
    let mut network = Network::new(4, 1, Config::default(), load);
    network.run(2 * SECOND, |_| false);
    network.part(vec![0, 0, 1, 1]);
    network.run(2 * SECOND + 500_000, |_| false);
    let before = network.final_blocks.len();
    network.run(30 * SECOND, |_| false);
    assert_eq!(network.final_blocks.len(), before);
    network.heal();
    network.new_item();
    let until = network.now_us + 3 * SECOND;
    // Nobody skips everybody afterwards, nor waits longer than the capped timeout.
    assert!(network.run(until, Network::all_final), "{:?}", network.report());
}

#[test]
fn a_node_far_behind_catches_up() {
    let load = Disturbance { item_every_us: 5_000, ..Disturbance::calm() };
    let mut network = Network::new(4, 1, Config::default(), load);
    network.run(2 * SECOND, |_| false);
    network.crash(1);
    network.run(12 * SECOND, |_| false);
    network.start(1);
    network.run(14 * SECOND, |_| false);
    network.heal();
    let until = network.now_us + 5 * SECOND;
    assert!(network.run(until, Network::all_final), "{:?}", network.report());
}

#[test]
fn votes_stay_within_their_bounds_and_views_grow() {
    let (n, disturbance) = random_disturbance(11);
    let network = disturbed(11, n, disturbance, 10);
    assert!(network.views().into_iter().all(|view| view > View::new(3)));
}

impl Network {
    /// What everybody waits for.
    fn report(&self) -> Vec<String> {
        let line = |node: &harness::node::Node| match &node.engine {
            Some(engine) => {
                let status = engine.status();
                format!(
                    "view {} {:?} high {} final {} (view {}) cut {} of {} demand {:?}; missing {:?}",
                    status.view,
                    status.step,
                    status.high_view,
                    status.final_height,
                    status.final_view,
                    node.final_cut(),
                    self.items,
                    (),
                    status.missing
                )
            }
            None => "down".to_owned(),
        };
        self.nodes.iter().map(line).collect()
    }

    fn low_height_of_live(&self) -> u64 {
        let live = self.nodes.iter().filter(|node| node.engine.is_some());
        live.map(|node| node.height().get()).min().unwrap()
    }
}
