//! The rules R1 to R4 of SPEC.md, each by what it demands and by what it forbids: views, proposals and what makes
//! them valid.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "tests")]

mod harness;

use harness::forge::*;
use harness::genesis_block;
use tonle_consensus::{
    Block, Certificate, Config, Header, HeaderFields, Height, Input, Message, Output, Proposal, Recipients, Verdict,
};
use tonle_crypto::Digest;

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
fn r1_relays_to_silent_validators_after_half_of_the_base_timeout() {
    let mut lone = lone();
    let certificate = lone.forge.tc(lone.me, 2, None);
    let (leader, others) = (lone.forge.leader(3), lone.forge.others(lone.me));
    let from = *others.iter().find(|index| **index != leader).unwrap();
    lone.receive(from, Message::Certificate(Certificate::Timeout(certificate.clone())));
    assert!(messages(&lone.pass_ms(499)).is_empty());
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
    lone.pass_ms(499);
    assert!(messages(&lone.receive(late, message.clone())).is_empty());
    lone.pass_ms(1);
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
