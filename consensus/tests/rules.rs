//! The rules R1 to R9 of SPEC.md, each by what it demands and by what it forbids.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "tests")]

mod harness;

use harness::forge::{
    Lone, child, empty, entered, fields, finalize_of, messages, notarize_of, stamp, statements, timeout_of, view,
};
use harness::genesis_block;
use tonle_consensus::{
    Block, Certificate, Checkpoint, Config, Demand, GuardRecord, HaltReason, Header, HeaderFields, Height, Input,
    Message, Output, Proposal, Recipients, Recovered, Statement, Tip, Verdict,
};
use tonle_crypto::Digest;

const DEMAND: Input = Input::Demand(Demand { data: true, checkpoint_due: None });

fn lone() -> Lone {
    Lone::new(Config::default()).0
}

/// Blocks of views 1, 2, 3 … in a chain upon genesis.
fn chain(length: u64) -> Vec<Block> {
    let mut blocks = vec![genesis_block()];
    for cut in 1..=length {
        blocks.push(child(blocks.last().unwrap(), cut));
    }
    blocks
}

fn built(number: u64, cut: u64) -> Input {
    Input::Built {
        view: view(number),
        payload: cut.to_be_bytes().to_vec(),
        sidecar: Vec::new(),
        checkpoint: Checkpoint { height: Height::ZERO, state_root: Digest::ZERO, results_root: Digest::ZERO },
        next_set: None,
        moves: true,
    }
}

// ---------------------------------------------------------------------------------------------------------- R1: enter

#[test]
fn r1_enters_the_next_view_on_qc_fc_and_tc() {
    let blocks = chain(1);
    let forge = lone().forge;
    let me = lone().me;
    let cases = [
        Certificate::Quorum(forge.qc_without(me, 5, &blocks[1])),
        Certificate::Quorum(forge.fc_without(me, 5, &blocks[1])),
        Certificate::Timeout(forge.tc(me, 5, None)),
    ];
    for certificate in cases {
        let mut lone = lone();
        let outputs = lone.receive(forge.others(me)[0], Message::Certificate(certificate));
        assert_eq!(entered(&outputs), [6]);
        assert_eq!(lone.engine.view(), view(6));
    }
}

#[test]
fn r1_does_not_go_back_on_an_older_certificate() {
    let mut lone = lone();
    let certificate = lone.forge.tc(lone.me, 5, None);
    lone.timeout_certificate(certificate);
    let older = lone.forge.tc(lone.me, 4, None);
    assert!(entered(&lone.timeout_certificate(older)).is_empty());
    assert_eq!(lone.engine.view(), view(6));
}

#[test]
fn r1_relays_the_certificate_to_the_next_leader_at_once() {
    let mut lone = lone();
    let me = lone.me;
    let leader = lone.forge.leader(2);
    let from = lone.forge.others(me).into_iter().find(|index| *index != leader).unwrap();
    let certificate = Message::Certificate(Certificate::Timeout(lone.forge.tc(me, 1, None)));
    let outputs = lone.receive(from, certificate.clone());
    let relayed = |output: &Output| matches!(output, Output::Send { to: Recipients::One(to), message } if *to == leader && *message == certificate);
    assert!(outputs.iter().any(relayed), "{outputs:?}");
}

#[test]
fn r1_relays_to_silent_validators_after_a_quarter_of_the_base_timeout() {
    let mut lone = lone();
    let certificate = lone.forge.tc(lone.me, 2, None);
    let (leader, others) = (lone.forge.leader(3), lone.forge.others(lone.me));
    let from = *others.iter().find(|index| **index != leader).unwrap();
    lone.receive(from, Message::Certificate(Certificate::Timeout(certificate.clone())));
    assert!(messages(&lone.pass_ms(249)).is_empty());
    let silent: Vec<_> = others.into_iter().filter(|index| *index != leader && *index != from).collect();
    let outputs = lone.pass_ms(1);
    // The one it came from is in the view already, and the leader was told at once.
    let expected =
        Output::Send { to: Recipients::Many(silent), message: Message::Certificate(Certificate::Timeout(certificate)) };
    assert_eq!(format!("{outputs:?}"), format!("{:?}", [expected]));
    assert!(messages(&lone.pass_ms(1)).is_empty());
}

#[test]
fn r1_answers_an_older_view_with_the_entry_certificate_once_in_a_while() {
    let mut lone = lone();
    let certificate = lone.forge.tc(lone.me, 7, None);
    lone.timeout_certificate(certificate.clone());
    let late = lone.forge.others(lone.me)[1];
    let message = Message::Timeout(lone.forge.timeout(3, late, None));
    let answer = vec![Message::Certificate(Certificate::Timeout(certificate))];
    assert_eq!(messages(&lone.receive(late, message.clone())), answer);
    assert!(messages(&lone.receive(late, message.clone())).is_empty());
    lone.pass_ms(250);
    assert_eq!(messages(&lone.receive(late, message)), answer);
}

#[test]
fn r1_a_proposal_of_a_later_view_brings_its_own_way_in() {
    let mut lone = lone();
    let blocks = chain(3);
    let (qc, tc) = (lone.forge.qc_without(lone.me, 1, &blocks[1]), lone.forge.tc(lone.me, 2, None));
    let proposal = lone.forge.proposal(3, child(&blocks[1], 2), Some(qc), Some(tc));
    let outputs = lone.propose(proposal);
    assert_eq!(entered(&outputs), [2, 3]);
}

// ------------------------------------------------------------------------------------------------------- R2: finalize

#[test]
fn r2_finalizes_as_soon_as_the_qc_is_learnt_also_of_a_past_view() {
    let mut lone = lone();
    let blocks = chain(2);
    let qc = lone.forge.qc_without(lone.me, 1, &blocks[1]);
    assert_eq!(statements(&lone.certificate(qc)), [finalize_of(1, &blocks[1])]);
    // The view ended without one's own Timeout: its certificate still counts when it comes late.
    let tc = lone.forge.tc(lone.me, 2, Some(lone.forge.qc_without(lone.me, 1, &blocks[1])));
    assert!(statements(&lone.timeout_certificate(tc)).is_empty());
    let late = lone.forge.qc_without(lone.me, 2, &blocks[2]);
    assert_eq!(statements(&lone.certificate(late)), [finalize_of(2, &blocks[2])]);
}

#[test]
fn r2_does_not_finalize_a_view_given_up() {
    let mut lone = lone();
    lone.give(DEMAND);
    assert_eq!(statements(&lone.pass_ms(1_000)), [timeout_of(1, 0)]);
    let qc = lone.forge.qc_without(lone.me, 1, &chain(1)[1]);
    assert!(statements(&lone.certificate(qc)).is_empty());
}

#[test]
fn r2_does_not_finalize_below_a_later_view_given_up() {
    let mut lone = lone();
    let tc = lone.forge.tc(lone.me, 4, None);
    lone.timeout_certificate(tc);
    lone.give(DEMAND);
    assert_eq!(statements(&lone.pass_ms(1_500)), [timeout_of(5, 0)]);
    let qc = lone.forge.qc_without(lone.me, 3, &chain(1)[1]);
    assert!(statements(&lone.certificate(qc)).is_empty());
}

#[test]
fn r2_does_not_finalize_a_view_twice() {
    let mut lone = lone();
    let block = chain(1)[1].clone();
    let qc = lone.forge.qc_without(lone.me, 1, &block);
    assert_eq!(statements(&lone.certificate(qc.clone())), [finalize_of(1, &block)]);
    assert!(statements(&lone.certificate(qc)).is_empty());
    let fc = lone.forge.fc_without(lone.me, 1, &block);
    assert!(statements(&lone.certificate(fc)).is_empty());
}

// -------------------------------------------------------------------------------------------------------- R3: propose

/// The proposals sent.
fn proposals(outputs: &[Output]) -> Vec<Proposal> {
    let proposal = |message: Message| match message {
        Message::Proposal(proposal) => Some(proposal.as_ref().clone()),
        _ => None,
    };
    messages(outputs).into_iter().filter_map(proposal).collect()
}

#[test]
fn r3_the_leader_proposes_once_on_its_highest_qc() {
    let mut lone = lone();
    let blocks = chain(3);
    let outputs = lone.propose(lone.forge.proposal(1, blocks[1].clone(), None, None));
    assert!(outputs.iter().any(|output| matches!(output, Output::Check { .. })));
    for number in [1, 2] {
        let qc = lone.forge.qc_without(lone.me, number, &blocks[usize::try_from(number).unwrap()]);
        let next = blocks[usize::try_from(number).unwrap() + 1].clone();
        lone.propose(lone.forge.proposal(number + 1, next, Some(qc), None));
    }
    let qc = lone.forge.qc_without(lone.me, 3, &blocks[3]);
    let outputs = lone.certificate(qc.clone());
    let asks = |output: &Output| {
        matches!(output, Output::Build { view: asked, parent, may_be_empty: false }
            if *asked == view(4) && *parent == blocks[3])
    };
    assert!(outputs.iter().any(asks), "{outputs:?}");
    let proposed = proposals(&lone.give(built(4, 9)));
    assert_eq!(proposed.len(), 1);
    assert_eq!(proposed[0].parent_qc, Some(qc));
    assert_eq!(proposed[0].timeout, None);
    assert_eq!(proposed[0].block.header().parent(), blocks[3].digest());
    // Not again, whatever the replica says.
    assert!(statements(&lone.give(built(4, 10))).is_empty());
}

#[test]
fn r3_attaches_the_timeout_certificate_when_the_parent_is_older() {
    let mut lone = lone();
    let tc = lone.forge.tc(lone.me, 3, None);
    lone.timeout_certificate(tc.clone());
    let proposed = proposals(&lone.give(built(4, 1)));
    assert_eq!(proposed[0].timeout, Some(tc));
    assert_eq!(proposed[0].parent_qc, None);
    assert_eq!(proposed[0].block.header().parent(), genesis_block().digest());
}

#[test]
fn r3_proposes_nothing_in_others_views_nor_after_giving_up() {
    let mut lone = lone();
    assert!(statements(&lone.give(built(1, 1))).is_empty());
    let tc = lone.forge.tc(lone.me, 3, None);
    lone.timeout_certificate(tc);
    lone.give(DEMAND);
    assert_eq!(statements(&lone.pass_ms(1_500)), [timeout_of(4, 0)]);
    assert!(statements(&lone.give(built(4, 1))).is_empty());
}

#[test]
fn r3_asks_for_an_empty_block_after_a_third_of_the_base_timeout() {
    let mut lone = lone();
    lone.give(DEMAND);
    let tc = lone.forge.tc(lone.me, 3, None);
    lone.timeout_certificate(tc);
    let empty = |outputs: &[Output]| outputs.iter().any(|o| matches!(o, Output::Build { may_be_empty: true, .. }));
    assert!(!empty(&lone.pass_ms(333)));
    assert!(empty(&lone.pass_ms(1)));
}

#[test]
fn r3_an_idle_leader_waits_for_the_heartbeat() {
    let mut lone = lone();
    let tc = lone.forge.tc(lone.me, 3, None);
    lone.timeout_certificate(tc);
    let empty = |outputs: &[Output]| outputs.iter().any(|o| matches!(o, Output::Build { may_be_empty: true, .. }));
    assert!(!empty(&lone.pass_ms(999)));
    assert!(empty(&lone.pass_ms(1)));
}

// ------------------------------------------------------------------------------------------------- R4: valid proposal

/// Block of view 2 upon the certified block of view 1, with one field changed.
fn spoilt(parent: &Block, spoil: impl Fn(&mut HeaderFields)) -> Block {
    let (mut header, payload) = fields(parent, 2);
    spoil(&mut header);
    Block::new(Header::new(header), payload).unwrap()
}

#[test]
fn r4_a_provably_invalid_proposal_is_timed_out_at_once() {
    let blocks = chain(3);
    let rows: Vec<(&str, Block)> = vec![
        ("another parent", spoilt(&blocks[1], |h| h.parent = blocks[2].digest())),
        ("a height left out", spoilt(&blocks[1], |h| h.height = Height::new(3))),
        ("the parent's height", spoilt(&blocks[1], |h| h.height = Height::new(1))),
        ("the parent's time", spoilt(&blocks[1], |h| h.timestamp = blocks[1].header().timestamp())),
        ("another version", spoilt(&blocks[1], |h| h.protocol_version = 2)),
        ("a next set within the epoch", spoilt(&blocks[1], |h| h.next_set = Some(Digest::ZERO))),
        ("its own height as checkpoint", spoilt(&blocks[1], |h| h.checkpoint.height = Height::new(2))),
        ("the parent again within the epoch", blocks[1].clone()),
    ];
    for (what, block) in rows {
        let mut lone = lone();
        lone.propose(lone.forge.proposal(1, blocks[1].clone(), None, None));
        let qc = lone.forge.qc_without(lone.me, 1, &blocks[1]);
        lone.certificate(qc.clone());
        let outputs = lone.propose(lone.forge.proposal(2, block, Some(qc), None));
        assert_eq!(statements(&outputs), [timeout_of(2, 1)], "{what}");
        assert!(!outputs.iter().any(|output| matches!(output, Output::Check { .. })), "{what}");
    }
}

#[test]
fn r4_a_skipped_view_needs_its_timeout_certificate() {
    let blocks = chain(2);
    let forge = lone().forge;
    let me = lone().me;
    let qc = |number: usize| forge.qc_without(me, u64::try_from(number).unwrap(), &blocks[number]);
    let rows: Vec<(&str, Proposal, bool)> = vec![
        ("none", forge.proposal(3, child(&blocks[1], 2), Some(qc(1)), None), false),
        ("of another view", forge.proposal(3, child(&blocks[1], 2), Some(qc(1)), Some(forge.tc(me, 1, None))), false),
        (
            "that knows a higher certificate",
            forge.proposal(3, child(&genesis_block(), 5), None, Some(forge.tc(me, 2, Some(qc(1))))),
            false,
        ),
        (
            "that knows just the parent's",
            forge.proposal(3, child(&blocks[1], 2), Some(qc(1)), Some(forge.tc(me, 2, Some(qc(1))))),
            true,
        ),
        ("that knows less", forge.proposal(3, child(&blocks[1], 2), Some(qc(1)), Some(forge.tc(me, 2, None))), true),
    ];
    for (what, proposal, valid) in rows {
        let mut lone = lone();
        lone.propose(forge.proposal(1, blocks[1].clone(), None, None));
        lone.certificate(qc(1));
        lone.timeout_certificate(forge.tc(me, 2, None));
        let outputs = lone.propose(proposal);
        let checked = outputs.iter().any(|output| matches!(output, Output::Check { .. }));
        assert_eq!(checked, valid, "{what}");
        assert_eq!(statements(&outputs).is_empty(), valid, "{what}");
    }
}

#[test]
fn r4_only_the_leader_itself_is_believed() {
    let mut lone = lone();
    let proposal = lone.forge.proposal(1, chain(1)[1].clone(), None, None);
    let other = lone.forge.others(lone.me).into_iter().find(|index| *index != lone.forge.leader(1)).unwrap();
    let outputs = lone.receive(other, Message::Proposal(proposal.into()));
    assert!(outputs.is_empty(), "{outputs:?}");
}

#[test]
fn r4_a_timestamp_ahead_of_the_clock_means_wait() {
    let mut lone = lone();
    let (mut header, payload) = fields(&genesis_block(), 1);
    header.timestamp = stamp(lone.now.wall_ms + 300);
    let block = Block::new(Header::new(header), payload).unwrap();
    let outputs = lone.accept(lone.forge.proposal(1, block.clone(), None, None));
    assert!(statements(&outputs).is_empty());
    assert_eq!(lone.engine.deadline(), Some(lone.now.monotonic_us + 50_000));
    assert!(statements(&lone.pass_ms(49)).is_empty());
    assert_eq!(statements(&lone.pass_ms(1)), [notarize_of(1, &block)]);
}

#[test]
fn r4_an_unknown_parent_means_fetch_and_wait() {
    let mut lone = lone();
    let blocks = chain(2);
    let qc = lone.forge.qc_without(lone.me, 1, &blocks[1]);
    let outputs = lone.propose(lone.forge.proposal(2, blocks[2].clone(), Some(qc), None));
    let asks = |o: &Output| matches!(o, Output::FetchBlock { block, .. } if *block == blocks[1].digest());
    assert_eq!(outputs.iter().filter(|output| asks(output)).count(), 1);
    assert!(!outputs.iter().any(|output| matches!(output, Output::Check { .. })));
    let outputs = lone.give(Input::Fetched { block: blocks[1].clone() });
    let checks = |o: &Output| matches!(o, Output::Check { parent, .. } if *parent == blocks[1]);
    assert!(outputs.iter().any(checks), "{outputs:?}");
    // R5: the fetched ancestor becomes durable with the vote.
    let outputs = lone.verdict(2, &blocks[2], Verdict::Valid);
    let persisted = outputs.iter().find_map(|output| match output {
        Output::Persist { blocks, .. } => Some(blocks.clone()),
        _ => None,
    });
    assert_eq!(persisted, Some(vec![blocks[1].clone(), blocks[2].clone()]));
    assert_eq!(statements(&outputs), [notarize_of(2, &blocks[2])]);
}

/// The block at the last height of an epoch of one block.
fn last_block() -> Block {
    spoilt(&genesis_block(), |header| header.next_set = Some(Digest::from_bytes([3; 32])))
}

#[test]
fn r4_at_the_last_height_only_that_very_block_is_proposed_again() {
    let config = Config { epoch_length: 1, ..Config::default() };
    let (forge, me) = (lone().forge, lone().me);
    let last = last_block();
    let qc = forge.qc_without(me, 1, &last);
    let rows = [("the block again", last.clone(), true), ("a block above it", child(&last, 3), false)];
    for (what, block, valid) in rows {
        let (mut lone, _) = Lone::new(config.clone());
        let outputs = lone.propose(forge.proposal(1, last.clone(), None, None));
        assert!(outputs.iter().any(|output| matches!(output, Output::Check { .. })), "{what}");
        lone.certificate(qc.clone());
        let outputs = lone.propose(forge.proposal(2, block, Some(qc.clone()), None));
        assert_eq!(outputs.iter().any(|output| matches!(output, Output::Check { .. })), valid, "{what}");
    }
    let (mut lone, _) = Lone::new(config);
    let outputs = lone.propose(forge.proposal(1, child(&genesis_block(), 1), None, None));
    assert_eq!(statements(&outputs), [timeout_of(1, 0)], "no next set at the last height");
}

#[test]
fn r4_the_leader_proposes_the_last_block_again_until_it_is_final() {
    let (mut lone, _) = Lone::new(Config { epoch_length: 1, ..Config::default() });
    let last = last_block();
    lone.propose(lone.forge.proposal(1, last.clone(), None, None));
    let qc = lone.forge.qc_without(lone.me, 1, &last);
    lone.certificate(qc.clone());
    let tc = lone.forge.tc(lone.me, 3, Some(qc));
    let proposed = proposals(&lone.timeout_certificate(tc));
    assert_eq!(proposed.len(), 1);
    assert_eq!(proposed[0].block, last);
    let fc = lone.forge.fc_without(lone.me, 4, &last);
    let outputs = lone.certificate(fc.clone());
    let ended = |output: &Output| matches!(output, Output::EpochEnded { block, certificate } if *block == last && *certificate == fc);
    assert!(outputs.iter().any(ended), "{outputs:?}");
    // Whoever still works in the epoch is told its end.
    let late = lone.forge.others(lone.me)[0];
    let message = Message::Timeout(lone.forge.timeout(5, late, None));
    assert_eq!(messages(&lone.receive(late, message)), [Message::Certificate(Certificate::Quorum(fc))]);
}

// ------------------------------------------------------------------------------------------------------- R5: notarize

#[test]
fn r5_notarizes_a_valid_proposal_once() {
    let mut lone = lone();
    let block = chain(1)[1].clone();
    let proposal = lone.forge.proposal(1, block.clone(), None, None);
    assert!(statements(&lone.propose(proposal.clone())).is_empty(), "before the replica's verdict");
    assert_eq!(statements(&lone.verdict(1, &block, Verdict::Valid)), [notarize_of(1, &block)]);
    assert!(statements(&lone.verdict(1, &block, Verdict::Valid)).is_empty());
    assert!(statements(&lone.accept(proposal)).is_empty());
}

#[test]
fn r5_does_not_notarize_a_second_block_in_a_view_and_keeps_the_evidence() {
    let mut lone = lone();
    let (first, second) = (chain(1)[1].clone(), child(&genesis_block(), 2));
    lone.accept(lone.forge.proposal(1, first, None, None));
    let outputs = lone.accept(lone.forge.proposal(1, second, None, None));
    assert!(statements(&outputs).is_empty());
    assert!(outputs.iter().any(|output| matches!(output, Output::Evidence(_))));
}

#[test]
fn r5_does_not_notarize_in_a_view_given_up_or_left() {
    let block = chain(1)[1].clone();
    let mut given_up = lone();
    given_up.propose(given_up.forge.proposal(1, block.clone(), None, None));
    given_up.give(DEMAND);
    assert_eq!(statements(&given_up.pass_ms(1_000)), [timeout_of(1, 0)]);
    assert!(statements(&given_up.verdict(1, &block, Verdict::Valid)).is_empty());
    let mut left = lone();
    left.propose(left.forge.proposal(1, block.clone(), None, None));
    let tc = left.forge.tc(left.me, 1, None);
    left.timeout_certificate(tc);
    assert!(statements(&left.verdict(1, &block, Verdict::Valid)).is_empty());
}

// -------------------------------------------------------------------------------------------------------- R6: timeout

#[test]
fn r6_gives_up_on_its_timer_and_not_before() {
    let mut lone = lone();
    lone.give(DEMAND);
    assert!(statements(&lone.pass_ms(999)).is_empty());
    assert_eq!(statements(&lone.pass_ms(1)), [timeout_of(1, 0)]);
}

#[test]
fn r6_missing_data_is_no_reason() {
    let mut lone = lone();
    lone.give(DEMAND);
    // Proposed, but the replica has no verdict: the data is not here.
    lone.propose(lone.forge.proposal(1, chain(1)[1].clone(), None, None));
    assert!(statements(&lone.pass_ms(999)).is_empty());
    assert_eq!(statements(&lone.pass_ms(1)), [timeout_of(1, 0)]);
}

#[test]
fn r6_gives_up_with_f_plus_one_others() {
    let mut lone = lone();
    let leader = lone.forge.leader(1);
    let others: Vec<_> = lone.forge.others(lone.me).into_iter().filter(|index| *index != leader).collect();
    let first = Message::Timeout(lone.forge.timeout(1, others[0], None));
    assert!(statements(&lone.receive(others[0], first.clone())).is_empty());
    assert!(statements(&lone.receive(others[0], first)).is_empty(), "the same one again");
    let second = Message::Timeout(lone.forge.timeout(1, others[1], None));
    assert_eq!(statements(&lone.receive(others[1], second)), [timeout_of(1, 0)]);
}

#[test]
fn r6_gives_up_on_the_leaders_own_timeout() {
    let mut lone = lone();
    let leader = lone.forge.leader(1);
    let message = Message::Timeout(lone.forge.timeout(1, leader, None));
    assert_eq!(statements(&lone.receive(leader, message)), [timeout_of(1, 0)]);
}

#[test]
fn r6_gives_up_on_an_invalid_proposal_and_goes_on() {
    let mut lone = lone();
    let block = chain(1)[1].clone();
    lone.propose(lone.forge.proposal(1, block.clone(), None, None));
    assert_eq!(statements(&lone.verdict(1, &block, Verdict::Invalid)), [timeout_of(1, 0)]);
    let tc = lone.forge.tc(lone.me, 1, None);
    assert_eq!(entered(&lone.timeout_certificate(tc)), [2]);
}

#[test]
fn r6_timeouts_of_another_view_do_not_count() {
    let mut lone = lone();
    for signer in lone.forge.others(lone.me).into_iter().take(2) {
        let message = Message::Timeout(lone.forge.timeout(2, signer, None));
        assert!(statements(&lone.receive(signer, message)).is_empty());
    }
    // They count at once when their view is entered.
    let tc = lone.forge.tc(lone.me, 1, None);
    assert_eq!(statements(&lone.timeout_certificate(tc)), [timeout_of(2, 0)]);
}

#[test]
fn r6_retries_are_identical_and_carry_the_entry() {
    let mut lone = lone();
    let block = chain(1)[1].clone();
    let qc = lone.forge.qc_without(lone.me, 1, &block);
    lone.certificate(qc.clone());
    lone.give(DEMAND);
    let sent = messages(&lone.pass_ms(1_000)).into_iter().find(|message| matches!(message, Message::Timeout(_)));
    assert!(sent.is_some());
    let again = messages(&lone.pass_ms(1_000));
    assert_eq!(again, [Message::Certificate(Certificate::Quorum(qc)), sent.unwrap()]);
}

// --------------------------------------------------------------------------------------------------------- R7: commit

fn finals(outputs: &[Output]) -> Vec<Vec<u64>> {
    let heights = |output: &Output| match output {
        Output::Finalized { blocks, .. } => Some(blocks.iter().map(|block| block.height().get()).collect()),
        _ => None,
    };
    outputs.iter().filter_map(heights).collect()
}

#[test]
fn r7_an_fc_commits_all_ancestors_oldest_first() {
    let mut lone = lone();
    let blocks = chain(3);
    for number in 1..=3u64 {
        let index = usize::try_from(number).unwrap();
        let qc = (number > 1).then(|| lone.forge.qc_without(lone.me, number - 1, &blocks[index - 1]));
        lone.propose(lone.forge.proposal(number, blocks[index].clone(), qc, None));
    }
    let fc = lone.forge.fc_without(lone.me, 3, &blocks[3]);
    assert_eq!(finals(&lone.certificate(fc.clone())), [[1, 2, 3]]);
    assert!(finals(&lone.certificate(fc)).is_empty());
}

#[test]
fn r7_a_missing_ancestor_is_fetched_before_anything_is_committed() {
    let mut lone = lone();
    let blocks = chain(2);
    let fc = lone.forge.fc_without(lone.me, 2, &blocks[2]);
    let fetches = |outputs: &[Output]| {
        let digest = |output: &Output| match output {
            Output::FetchBlock { block, .. } => Some(*block),
            _ => None,
        };
        outputs.iter().filter_map(digest).collect::<Vec<_>>()
    };
    assert_eq!(fetches(&lone.certificate(fc)), [blocks[2].digest()]);
    // Asked for again and again: a certified block is held by f+1 honest validators at least.
    assert_eq!(fetches(&lone.pass_ms(1_000)), [blocks[2].digest()]);
    let outputs = lone.give(Input::Fetched { block: blocks[2].clone() });
    assert_eq!(fetches(&outputs), [blocks[1].digest()]);
    assert!(finals(&outputs).is_empty());
    assert!(lone.give(Input::Fetched { block: child(&genesis_block(), 77) }).is_empty(), "never asked for");
    assert_eq!(finals(&lone.give(Input::Fetched { block: blocks[1].clone() })), [[1, 2]]);
}

#[test]
fn r7_a_second_final_branch_halts() {
    let mut lone = lone();
    let (block, other) = (chain(1)[1].clone(), child(&genesis_block(), 9));
    lone.propose(lone.forge.proposal(1, block.clone(), None, None));
    let fc = lone.forge.fc_without(lone.me, 1, &block);
    assert_eq!(finals(&lone.certificate(fc)), [[1]]);
    let above = child(&other, 10);
    let fc = lone.forge.fc_without(lone.me, 5, &above);
    lone.certificate(fc);
    let outputs = lone.give(Input::Fetched { block: above.clone() });
    let reason = HaltReason::Fork { height: Height::new(1), known: block.digest(), other: above.digest() };
    assert!(outputs.iter().any(|output| matches!(output, Output::Halt(found) if *found == reason)), "{outputs:?}");
    assert!(lone.pass_ms(60_000).is_empty());
}

// -------------------------------------------------------------------------------------------- R8: persist, then send

#[test]
fn r8_a_persist_that_covers_it_precedes_every_signature() {
    let mut lone = lone();
    let blocks = chain(3);
    let mut outputs = lone.accept(lone.forge.proposal(1, blocks[1].clone(), None, None));
    for number in [1u64, 2] {
        let index = usize::try_from(number).unwrap();
        let qc = lone.forge.qc_without(lone.me, number, &blocks[index]);
        outputs.extend(lone.accept(lone.forge.proposal(number + 1, blocks[index + 1].clone(), Some(qc), None)));
    }
    let qc = lone.forge.qc_without(lone.me, 3, &blocks[3]);
    outputs.extend(lone.certificate(qc));
    outputs.extend(lone.give(built(4, 8)));
    lone.give(DEMAND);
    outputs.extend(lone.pass_ms(10_000));
    let mut record = GuardRecord::empty(lone.forge.epoch());
    let mut signed = 0;
    for output in &outputs {
        match output {
            Output::Persist { record: newer, .. } => {
                assert!(newer.continues(&record));
                record = newer.clone();
            }
            Output::Sign(request) => {
                signed += 1;
                assert!(covers(&record, &request.statement()), "{:?} by {record:?}", request.statement());
            }
            _ => {}
        }
    }
    // Three notarized and finalized, one proposed, one given up.
    assert_eq!(signed, 8);
}

fn covers(record: &GuardRecord, statement: &Statement) -> bool {
    match *statement {
        Statement::Proposal { view, block, .. } => {
            record.last_proposal.is_some_and(|c| (c.view, c.block) == (view, block))
        }
        Statement::Notarize { view, block } => record.last_notarize.is_some_and(|c| (c.view, c.block) == (view, block)),
        Statement::Finalize { view, block } => record.last_finalize.is_some_and(|c| (c.view, c.block) == (view, block)),
        Statement::Timeout { view, high_view } => {
            record.last_timeout.is_some_and(|s| (s.view, s.high_view) == (view, high_view))
        }
    }
}

#[test]
fn r8_one_persist_covers_all_signatures_of_a_turn() {
    let mut lone = lone();
    let blocks = chain(1);
    lone.propose(lone.forge.proposal(1, blocks[1].clone(), None, None));
    let tc = lone.forge.tc(lone.me, 3, Some(lone.forge.qc_without(lone.me, 1, &blocks[1])));
    let now = lone.now;
    let message = Message::Certificate(Certificate::Timeout(tc));
    let from = lone.forge.others(lone.me)[0];
    let verified = tonle_crypto::Verified::check(message, &lone.forge.context, &harness::Toy).unwrap();
    // Finalize of view 1 on the certificate that the TC carries, and the proposal of view 4 wait for the replica.
    let outputs = lone.engine.handle(now, Input::Received { from, message: verified });
    assert_eq!(statements(&outputs), [finalize_of(1, &blocks[1])]);
    let outputs = lone.engine.handle(now, built(4, 5));
    let persists = outputs.iter().filter(|output| matches!(output, Output::Persist { .. })).count();
    assert_eq!((persists, statements(&outputs).len()), (1, 1));
    assert!(matches!(outputs.last(), Some(Output::Sign(_))));
    // No message leaves before it is signed.
    assert!(messages(&outputs).is_empty());
}

// -------------------------------------------------------------------------------------------------------- R9: restart

#[test]
fn r9_a_restart_goes_on_in_the_view_that_the_guard_certifies() {
    let mut before = lone();
    let blocks = chain(2);
    before.propose(before.forge.proposal(1, blocks[1].clone(), None, None));
    let qc = before.forge.qc_without(before.me, 1, &blocks[1]);
    before.accept(before.forge.proposal(2, blocks[2].clone(), Some(qc), None));
    let (after, outputs) = before.restart(Config::default());
    assert_eq!(after.engine.view(), view(2));
    // One's own last votes are signed again, with nothing to persist, and sent.
    let mut expected = vec![notarize_of(2, &blocks[2]), finalize_of(1, &blocks[1])];
    let mut found = statements(&outputs);
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
    assert!(!outputs.iter().any(|output| matches!(output, Output::Persist { .. })));
    assert_eq!(messages(&outputs).len(), 2);
    assert_eq!(after.engine.status().notarized, [after.me]);
}

#[test]
fn r9_no_double_vote_after_a_restart() {
    let mut before = lone();
    let (first, second) = (chain(1)[1].clone(), child(&genesis_block(), 2));
    before.accept(before.forge.proposal(1, first.clone(), None, None));
    let (mut after, _) = before.restart(Config::default());
    let outputs = after.accept(after.forge.proposal(1, second, None, None));
    assert!(statements(&outputs).is_empty());
}

#[test]
fn r9_no_finalize_after_a_timeout_across_a_restart() {
    let mut before = lone();
    before.give(DEMAND);
    assert_eq!(statements(&before.pass_ms(1_000)), [timeout_of(1, 0)]);
    let (mut after, outputs) = before.restart(Config::default());
    assert_eq!(statements(&outputs), [timeout_of(1, 0)]);
    let qc = after.forge.qc_without(after.me, 1, &chain(1)[1]);
    assert!(statements(&after.certificate(qc)).is_empty());
}

#[test]
fn r9_a_quorum_that_crashed_after_journaling_its_timeouts_goes_on() {
    let mut before = lone();
    before.give(DEMAND);
    before.pass_ms(1_000);
    let (mut after, _) = before.restart(Config::default());
    // One's own Timeout is in one's own tally: two of the others' complete the certificate.
    let others = after.forge.others(after.me);
    let first = Message::Timeout(after.forge.timeout(1, others[0], None));
    assert!(entered(&after.receive(others[0], first)).is_empty());
    let second = Message::Timeout(after.forge.timeout(1, others[1], None));
    assert_eq!(entered(&after.receive(others[1], second)), [2]);
}

#[test]
fn r9_a_leader_repeats_its_proposal_identically_after_a_restart() {
    let mut before = lone();
    let tc = before.forge.tc(before.me, 3, None);
    before.timeout_certificate(tc);
    let proposed = proposals(&before.give(built(4, 1)));
    let (mut after, outputs) = before.restart(Config::default());
    assert_eq!(proposals(&outputs), proposed);
    assert!(statements(&after.give(built(4, 2))).is_empty());
}

#[test]
fn r9_every_connection_gets_votes_entry_and_highest_certificates() {
    let mut lone = lone();
    let blocks = chain(2);
    lone.accept(lone.forge.proposal(1, blocks[1].clone(), None, None));
    let fc = lone.forge.fc_without(lone.me, 1, &blocks[1]);
    lone.certificate(fc.clone());
    let qc = lone.forge.qc_without(lone.me, 2, &blocks[2]);
    let tc = lone.forge.tc(lone.me, 3, Some(qc.clone()));
    lone.timeout_certificate(tc.clone());
    lone.give(DEMAND);
    lone.pass_ms(20_000);
    for _ in 0..2 {
        let sent = messages(&lone.give(Input::Connected(lone.forge.leader(1))));
        for certificate in
            [Certificate::Timeout(tc.clone()), Certificate::Quorum(qc.clone()), Certificate::Quorum(fc.clone())]
        {
            assert!(sent.contains(&Message::Certificate(certificate)));
        }
        let kinds = |found: fn(&Message) -> bool| sent.iter().filter(|message| found(message)).count();
        assert_eq!(kinds(|message| matches!(message, Message::Notarize(vote) if vote.view == view(1))), 1);
        assert_eq!(kinds(|message| matches!(message, Message::Finalize(vote) if vote.view == view(2))), 1);
        assert_eq!(kinds(|message| matches!(message, Message::Timeout(timeout) if timeout.view == view(4))), 1);
    }
}

#[test]
fn r9_with_the_guard_lost_nothing_is_signed() {
    let recovered = Recovered { guard_lost: true, ..empty() };
    let (mut lone, outputs) = Lone::recovered(Config::default(), lone().me, recovered);
    let mut all = outputs;
    let blocks = chain(1);
    all.extend(lone.accept(lone.forge.proposal(1, blocks[1].clone(), None, None)));
    all.extend(lone.certificate(lone.forge.qc_without(lone.me, 1, &blocks[1])));
    let tc = lone.forge.tc(lone.me, 3, None);
    all.extend(lone.timeout_certificate(tc));
    all.extend(lone.give(built(4, 1)));
    lone.give(DEMAND);
    all.extend(lone.pass_ms(60_000));
    assert!(statements(&all).is_empty());
    assert!(!all.iter().any(|output| matches!(output, Output::Persist { .. })));
    assert!(!lone.engine.status().signs);
    // It follows all the same.
    let fc = lone.forge.fc_without(lone.me, 5, &blocks[1]);
    assert_eq!(finals(&lone.certificate(fc)), [[1]]);
}

#[test]
fn r9_proof_of_an_own_signature_above_the_guard_loses_it() {
    let mut lone = lone();
    let block = chain(1)[1].clone();
    let signers = lone.forge.context.set.indices().filter(|index| *index != lone.forge.leader(1)).collect();
    let qc = lone.forge.quorum_of(tonle_consensus::QuorumKind::Notarized, 1, &block, signers);
    let outputs = lone.certificate(qc);
    let lost =
        |output: &Output| matches!(output, Output::GuardLost { statement } if *statement == notarize_of(1, &block));
    assert!(outputs.iter().any(lost), "{outputs:?}");
    assert!(statements(&outputs).is_empty());
    assert!(!lone.engine.status().signs);
}

#[test]
fn r9_a_guard_of_an_earlier_epoch_says_nothing_and_of_a_later_one_forbids() {
    let me = lone().me;
    let block = chain(1)[1].clone();
    for (epoch, signs) in [(0, true), (1, false)] {
        let guard = GuardRecord::empty(tonle_consensus::Epoch::new(epoch));
        let recovered = Recovered { guard: Some(guard), ..empty() };
        let (mut lone, _) = Lone::recovered(Config::default(), me, recovered);
        let outputs = lone.accept(lone.forge.proposal(1, block.clone(), None, None));
        assert_eq!(!statements(&outputs).is_empty(), signs, "epoch {epoch}");
    }
}

#[test]
fn r9_nothing_is_handled_before_the_start() {
    let mut fresh = lone();
    let anchor = tonle_consensus::Anchor { block: genesis_block(), certificate: None };
    fresh.engine = tonle_consensus::Consensus::new(
        fresh.forge.context.clone(),
        Some(fresh.me),
        Config::default(),
        anchor,
        empty(),
    );
    let tc = fresh.forge.tc(fresh.me, 3, None);
    assert!(fresh.timeout_certificate(tc).is_empty());
    assert_eq!(fresh.engine.view(), view(0));
}

#[test]
fn r9_a_database_behind_its_certificate_commits_from_the_journal() {
    let blocks = chain(3);
    let forge = lone().forge;
    let me = lone().me;
    let recovered = Recovered {
        guard: None,
        blocks: vec![blocks[3].clone(), blocks[2].clone()],
        tip: Tip { block: blocks[1].clone(), certificate: Some(forge.fc_without(me, 3, &blocks[3])) },
        guard_lost: false,
    };
    let (lone, outputs) = Lone::recovered(Config::default(), me, recovered);
    assert_eq!(finals(&outputs), [[2, 3]]);
    assert_eq!(lone.engine.view(), view(4));
}

// ---------------------------------------------------------------------------------------------------------- pacemaker

#[test]
fn no_timer_of_a_view_left_fires() {
    let mut lone = lone();
    lone.give(DEMAND);
    lone.pass_ms(900);
    let qc = lone.forge.qc_without(lone.me, 6, &chain(1)[1]);
    lone.certificate(qc);
    // The old view's timer would have fired 100 ms from here.
    assert!(statements(&lone.pass_ms(999)).is_empty());
    assert_eq!(statements(&lone.pass_ms(1)), [timeout_of(7, 6)]);
}

#[test]
fn back_off_grows_with_timeouts_is_capped_and_reset_by_a_qc() {
    let mut lone = lone();
    let mut timeouts = vec![lone.engine.status().timeout_ms];
    for number in 1..=7 {
        let tc = lone.forge.tc(lone.me, number, None);
        lone.timeout_certificate(tc);
        timeouts.push(lone.engine.status().timeout_ms);
    }
    assert_eq!(timeouts, [1_000, 1_500, 2_250, 3_375, 5_062, 7_593, 8_000, 8_000]);
    let qc = lone.forge.qc_without(lone.me, 8, &chain(1)[1]);
    lone.certificate(qc);
    assert_eq!(lone.engine.status().timeout_ms, 1_000);
}
