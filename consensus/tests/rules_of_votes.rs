//! The rules R5 to R9 of SPEC.md and the pacemaker, each by what it demands and by what it forbids: votes, timeouts,
//! commits, the guard.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "tests")]

mod harness;

use harness::forge::*;
use harness::genesis_block;
use tonle_consensus::{
    Certificate, Config, GuardRecord, HaltReason, Height, Input, Message, Output, Recovered, Statement, Tip, Verdict,
};

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
fn r9_a_leader_whose_guard_is_found_lost_waits_for_no_proposal_of_its_own() {
    let me = lone().forge.leader(1);
    let (mut lone, _) = Lone::recovered(Config::default(), me, empty());
    let other = lone.forge.others(me)[0];
    lone.receive(other, lone.forge.notarize(1, &chain(1)[1], me));
    assert!(!lone.engine.status().signs);
    // The time for an empty block comes, and passes: were its timer due for ever, the process would only spin.
    lone.pass_ms(1_000);
    assert!(lone.engine.deadline() > Some(lone.now.monotonic_us), "a timer is due and nothing comes of it");
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
fn r8_a_signature_of_another_epoch_goes_into_no_message() {
    let mut lone = lone();
    let block = chain(1)[1].clone();
    lone.propose(lone.forge.proposal(1, block.clone(), None, None));
    let verdict = Input::Checked { block: block.digest(), view: view(1), verdict: Verdict::Valid };
    let outputs = lone.engine.handle(lone.now, verdict);
    let request = outputs.iter().find_map(|output| match output {
        Output::Sign(request) => Some(request.clone()),
        _ => None,
    });
    let answer = lone.signed(&request.unwrap());
    let set = lone.forge.context.set.for_next_epoch().unwrap();
    let context = tonle_consensus::SigningContext { genesis: lone.forge.context.genesis, set };
    let anchor = tonle_consensus::Anchor { block: genesis_block(), certificate: None };
    let mut next = tonle_consensus::Consensus::new(context, Some(lone.me), Config::default(), anchor, empty());
    next.handle(lone.now, Input::Start);
    assert!(next.handle(lone.now, answer.clone()).is_empty());
    // The engine that asked sends it.
    assert_eq!(messages(&lone.engine.handle(lone.now, answer)).len(), 1);
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
