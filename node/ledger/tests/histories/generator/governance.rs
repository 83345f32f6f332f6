//! What the operator decides: participants, validators, limits, versions, and proposals about them; and reports of
//! offences.
//!
//! Must not know: who signs.

use std::collections::VecDeque;

use tonle_crypto::{Digest, SecretKey};
use tonle_ledger::*;

use super::{Generator, Scene, Sent, remember};
use crate::fixture::{asset, encryption_key, participant_id, proof, spoilt};
use crate::world::{CODES, KEEPERS};

impl Generator {
    pub(super) fn governance(&mut self, scene: Scene<'_>, kind: OperationKind) -> Option<Operation> {
        Some(match kind {
            OperationKind::AddParticipant => self.admit(scene),
            OperationKind::SetParticipantKeys => self.set_keys(scene),
            OperationKind::SetEncryptionKey => {
                let (participant, name) = (self.participant(scene), self.number().to_string());
                Operation::SetEncryptionKey(SetEncryptionKey { participant, encryption_key: encryption_key(&name) })
            }
            OperationKind::SetParticipantMode => {
                let mode = self.dice.pick(&[Mode::ReceiveOnly, Mode::PayOutOnly, Mode::Suspended]);
                let mode = if self.dice.one_in(4) { mode } else { Mode::Active };
                let not_active = |participant: &Participant| participant.mode != Mode::Active;
                let participant = if mode == Mode::Active { self.participant_that(scene, not_active) } else { None };
                let participant = participant.unwrap_or_else(|| self.participant(scene));
                Operation::SetParticipantMode(SetParticipantMode { participant, mode })
            }
            OperationKind::RemoveParticipant => self.remove_participant(scene),
            OperationKind::SetValidator => self.set_validator(scene),
            OperationKind::RemoveValidator => {
                // Those at the beginning stay, so that a quorum does.
                let last = scene.executor.validators().members().last().unwrap().participant;
                let participant = if self.dice.one_in(4) { self.participant(scene) } else { last };
                Operation::RemoveValidator(RemoveValidator { participant })
            }
            OperationKind::SetLimits => self.set_limits(),
            OperationKind::ActivateProtocol => {
                let protocol = scene.executor.protocol();
                let version = protocol.at(scene.height) + u16::try_from(self.dice.below(3)).unwrap();
                let ahead = scene.height + 1 + self.dice.below(20);
                let height = self.or_other(ahead, scene.height);
                Operation::ActivateProtocol(Activation { version, height })
            }
            OperationKind::ReportMisbehaviour => self.report(scene),
            OperationKind::Propose => self.propose(scene),
            OperationKind::Approve => Operation::Approve(Approve { proposal: self.proposal(scene) }),
            OperationKind::Withdraw => Operation::Withdraw(Withdraw { proposal: self.proposal(scene) }),
            _ => return None,
        })
    }

    /// What the operator does in a hurry, until bounds are met.
    pub(super) fn hurry(&mut self, scene: Scene<'_>) -> Vec<Sent> {
        let mut all = VecDeque::new();
        let version = scene.executor.protocol().at(scene.height);
        all.push_back(vec![Operation::ActivateProtocol(Activation { version: version + 1, height: scene.height + 1 })]);
        // A new network key keeps every quorum.
        let member = *scene.executor.validators().members().first().unwrap();
        let network_key = self.keys.fresh();
        all.push_back(vec![Operation::SetValidator(Box::new(Member { network_key, ..member }))]);
        let place = self.number();
        all.push_back(vec![self.accuse(&member, place)]);
        if self.dice.one_in(60) {
            // More than are looked at in a block. None of them holds, so that none stands.
            let member = *scene.executor.validators().members().last().unwrap();
            let places: Vec<_> = (0..JUDGED_PER_BLOCK_MAX + 6).map(|_| self.number()).collect();
            all.push_back(places.into_iter().map(|place| spoilt(self.accuse(&member, place))).collect());
        }
        if self.dice.one_in(60) {
            let limits = self.set_limits();
            let (participant, effect_height) = (participant_id("nbc"), scene.height + 100);
            let expires_ms = scene.now_ms + PROPOSAL_LIFE_MAX_MS;
            let proposal = Propose { participant, operation: limits, effect_height, expires_ms };
            all.push_back(vec![Operation::Propose(Box::new(proposal)); PROPOSALS_PER_PARTICIPANT_MAX + 1]);
        }
        let sign = |operations: Vec<Operation>| {
            let signers = self.signers(scene, &operations);
            let mut body = self.body(scene, operations);
            body.independent = true;
            Sent::Transaction(self.signed(&body, &signers))
        };
        all.into_iter().map(sign).collect()
    }

    fn participant_that(&mut self, scene: Scene<'_>, fits: impl Fn(&Participant) -> bool) -> Option<ParticipantId> {
        let all: Vec<_> = scene.executor.participants().values().filter(|one| fits(one)).map(|one| one.id).collect();
        self.dice.of(&all).copied()
    }

    /// Winds down one that came later, then ends it.
    fn remove_participant(&mut self, scene: Scene<'_>) -> Operation {
        let winding_down = |one: &Participant| matches!(one.mode, Mode::PayOutOnly | Mode::Suspended);
        let came_later = |one: &Participant| one.id.as_str().starts_with('p') && one.role != Role::PaymentProvider;
        if self.dice.one_in(3) {
            let operator = participant_id("nbc");
            if self.dice.one_in(4) && !winding_down(&scene.executor.participants()[&operator]) {
                let mode = Mode::PayOutOnly;
                return Operation::SetParticipantMode(SetParticipantMode { participant: operator, mode });
            }
            let participant = self.participant_that(scene, winding_down);
            let participant = participant.unwrap_or_else(|| self.participant(scene));
            return Operation::RemoveParticipant(RemoveParticipant { participant });
        }
        if let Some(participant) = self.participant_that(scene, |one| came_later(one) && winding_down(one)) {
            return Operation::RemoveParticipant(RemoveParticipant { participant });
        }
        let participant = self.participant_that(scene, |one| came_later(one) && one.mode == Mode::Active);
        let participant = participant.unwrap_or_else(|| self.participant(scene));
        Operation::SetParticipantMode(SetParticipantMode { participant, mode: Mode::Suspended })
    }

    fn admit(&mut self, scene: Scene<'_>) -> Operation {
        let role = self.dice.pick(&[Role::Bank, Role::Bank, Role::PaymentProvider, Role::Auditor]);
        let (keys, thresholds) = self.keys.of_role(&mut self.dice, role);
        let number = self.number();
        let new = ParticipantId::new(&format!("p{number}")).unwrap();
        let standing = self.participant(scene);
        Operation::AddParticipant(Box::new(AddParticipant {
            participant: if self.dice.one_in(12) { standing } else { new },
            legal_name: "New Plc.".to_owned(),
            bic: String::new(),
            role,
            keys,
            encryption_key: encryption_key("new"),
            pay_threshold: thresholds.pay,
            open_accounts_threshold: thresholds.open_accounts,
            manage_keys_threshold: thresholds.manage_keys,
        }))
    }

    fn set_keys(&mut self, scene: Scene<'_>) -> Operation {
        let participant = self.participant(scene);
        let role = scene.executor.participants().get(&participant).map_or(Role::Bank, |participant| participant.role);
        let (mut keys, mut thresholds) = self.keys.of_role(&mut self.dice, role);
        if self.dice.one_in(20) {
            thresholds = Thresholds::default();
            // Freezes and issues, whoever it is.
            let operators = [Permission::Freeze, Permission::Issue];
            let permissions = if self.dice.one_in(2) { &operators[..1] } else { &operators[..] };
            let more = Permission::ALL
                .into_iter()
                .filter(|permission| keys[0].permissions.contains(*permission) && *permission != Permission::Issue);
            keys[0].permissions = Permissions::of(&more.chain(permissions.iter().copied()).collect::<Vec<_>>());
        }
        Operation::SetParticipantKeys(Box::new(SetParticipantKeys { participant, keys, thresholds }))
    }

    fn set_validator(&mut self, scene: Scene<'_>) -> Operation {
        let members = scene.executor.validators().members();
        let (member, last) = (*self.dice.of(members).unwrap(), *members.last().unwrap());
        let bank = participant_id(self.dice.pick(&KEEPERS[..6]));
        let validates = members.iter().any(|member| member.participant == bank);
        let (participant, key, network_key) = match self.dice.below(12) {
            0 => (member.participant, member.key, member.network_key),
            1 => (member.participant, member.network_key, self.keys.fresh()),
            2 => (self.participant(scene), self.keys.fresh(), self.keys.fresh()),
            3 if members.len() > VALIDATORS_FLOOR => (last.participant, self.keys.fresh(), last.network_key),
            4..=8 if !validates => (bank, self.keys.fresh(), self.keys.fresh()),
            _ => (member.participant, member.key, self.keys.fresh()),
        };
        Operation::SetValidator(Box::new(Member { participant, key, network_key }))
    }

    fn set_limits(&mut self) -> Operation {
        let code = asset(self.dice.pick(&CODES));
        let daily_minor = match self.dice.below(40) {
            0 => DAILY_MAX + 1,
            1..=6 => 1 + self.dice.below(6_000),
            7..=12 => 0,
            _ => 1 + self.dice.below(10_000_000),
        };
        let hourly = match self.dice.below(6) {
            0 => 1 + u32::try_from(self.dice.below(4)).unwrap(),
            1 => 0,
            _ => 200,
        };
        let tier = self.dice.pick(&KycTier::ALL);
        Operation::SetLimits(SetLimits { asset: self.some_asset(code), tier, daily_minor, hourly })
    }

    fn accuse(&self, member: &Member, place: u64) -> Operation {
        let secret: &SecretKey = self.keys.secret(&member.key);
        let proof = proof(&self.chain, secret, place, 0);
        Operation::ReportMisbehaviour(ReportMisbehaviour { proof })
    }
    fn report(&mut self, scene: Scene<'_>) -> Operation {
        if self.dice.one_in(6)
            && let Some(again) = self.dice.of(self.reports.make_contiguous()).cloned()
        {
            return again;
        }
        let member = *self.dice.of(scene.executor.validators().members()).unwrap();
        let key = if self.dice.one_in(20) { self.dice.pick(&self.keys.pool) } else { member.key };
        let place = self.number();
        let report = self.accuse(&Member { key, ..member }, place);
        remember(&mut self.reports, report.clone());
        match self.dice.below(12) {
            0 => spoilt(report),
            1 => Operation::ReportMisbehaviour(ReportMisbehaviour { proof: b"no proof".to_vec() }),
            _ => report,
        }
    }

    fn propose(&mut self, scene: Scene<'_>) -> Operation {
        let kinds: Vec<_> = OperationKind::ALL.iter().copied().filter(|kind| proposable(*kind).is_some()).collect();
        let kind = self.dice.pick(&kinds);
        let operation = self.of_kind(scene, kind);
        let other = self.participant(scene);
        let operator = ParticipantId::new("nbc").unwrap();
        let effect_height = match self.dice.below(30) {
            0 => scene.height,
            1..=10 => scene.height + 1 + self.dice.below(8),
            _ => 0,
        };
        let (participant, expires_ms) = (self.or_other(operator, other), self.end(scene, PROPOSAL_LIFE_MAX_MS));
        Operation::Propose(Box::new(Propose { participant, operation, effect_height, expires_ms }))
    }

    /// One that stands; now and then none.
    fn proposal(&mut self, scene: Scene<'_>) -> Digest {
        let standing: Vec<_> = scene.executor.proposals().map(|(id, _)| *id).collect();
        let proposal = self.dice.of(&standing).copied().unwrap_or(Digest::ZERO);
        self.or_other(proposal, Digest::ZERO)
    }
}
