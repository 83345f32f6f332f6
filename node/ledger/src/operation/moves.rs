//! Whose money an operation moves when it takes effect: said once, for whoever lists, reports or tells of payments.
//!
//! Must not know: how it moves.

use super::OperationKind;

/// What an operation does with money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moves {
    /// Its first account pays its second, for good.
    Payment,
    /// Its first account pays the customer of a bank, whose account is the second; the bank has yet to say so.
    BankTransfer,
    /// Money is taken from its first account for its second, by order.
    Seizure,
    /// Its two accounts pay each other.
    Exchange,
    /// Money is made, for its only account.
    Issue,
    /// Money is destroyed, of its only account.
    Redemption,
    /// Nothing: at most money is kept, asked for, offered or given back.
    Nothing,
}

impl OperationKind {
    /// What it does with money.
    #[must_use]
    pub const fn moves(self) -> Moves {
        match self {
            OperationKind::Transfer
            | OperationKind::CaptureHold
            | OperationKind::Return
            | OperationKind::AcceptRequest
            | OperationKind::Collect
            | OperationKind::PayKhqr => Moves::Payment,
            OperationKind::SendToBank => Moves::BankTransfer,
            OperationKind::Seize => Moves::Seizure,
            OperationKind::TakeQuote => Moves::Exchange,
            OperationKind::Issue => Moves::Issue,
            OperationKind::Redeem => Moves::Redemption,
            OperationKind::OpenAccount
            | OperationKind::SetValidator
            | OperationKind::RemoveValidator
            | OperationKind::AddParticipant
            | OperationKind::ReportMisbehaviour
            | OperationKind::PlaceHold
            | OperationKind::ReleaseHold
            | OperationKind::TrackTransfer
            | OperationKind::RequestToPay
            | OperationKind::DeclineRequest
            | OperationKind::CancelRequest
            | OperationKind::CloseAccount
            | OperationKind::SetAccountKeys
            | OperationKind::SetAccountStatus
            | OperationKind::SetTier
            | OperationKind::FreezeAccount
            | OperationKind::SetAlias
            | OperationKind::MoveAlias
            | OperationKind::RemoveAlias
            | OperationKind::SetLimits
            | OperationKind::SetParticipantKeys
            | OperationKind::SetParticipantMode
            | OperationKind::RemoveParticipant
            | OperationKind::Propose
            | OperationKind::Approve
            | OperationKind::Withdraw
            | OperationKind::ActivateProtocol
            | OperationKind::GrantMandate
            | OperationKind::RevokeMandate
            | OperationKind::OfferQuote
            | OperationKind::SetEncryptionKey => Moves::Nothing,
        }
    }
}
