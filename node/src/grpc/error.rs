//! Every error that a client can get, with its gRPC status. docs/api.md holds the same table.
//!
//! Each carries google.rpc.ErrorInfo: domain `tonle.v1`, a stable reason, and metadata that names what is at fault.
//! google.rpc.RetryInfo is there exactly when the same request may succeed later and sending it again is safe.
//!
//! Must not know: how an error came about.

use std::collections::HashMap;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};
use tonle_ledger::{Fault, Receipt, Rejection, RejectionCode, TransactionId};

use crate::bootstrap::Stage;

/// The domain in every ErrorInfo.
pub const ERROR_DOMAIN: &str = "tonle.v1";

/// An error as a client gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiError {
    /// The transaction was refused before it was queued: it leaves no receipt, and nothing happened.
    Refused(Rejection),
    /// The transaction is final, and was rejected. Nothing moved.
    Rejected {
        /// Why.
        code: RejectionCode,
        /// The operation at fault.
        operation: Option<u32>,
        /// The transaction.
        transaction: TransactionId,
        /// Height of its receipt.
        height: u64,
        /// Index of its receipt at that height.
        index: u32,
    },
    /// The request's window begins later: the same request may be sent again then.
    NotYetValid {
        /// Time until then, as this node sees it.
        wait: Duration,
    },
    /// The request is no protobuf message of its type.
    Malformed,
    /// The request is longer than the limit.
    MessageTooLarge,
    /// There is no such service or method.
    UnknownMethod,
    /// The call was cancelled, or its deadline ended before a service saw it.
    Cancelled,
    /// A field of the request is not in its form or range.
    FieldInvalid {
        /// The field.
        field: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// The cursor is damaged, or belongs to another list.
    CursorInvalid,
    /// No final transaction has this id, as far as this node has executed.
    TransactionNotFound,
    /// There is no such account.
    AccountNotFound,
    /// No such agreement stands.
    AgreementNotFound,
    /// The alias stands for no account.
    AliasNotFound,
    /// The block is not final yet, as far as this node has executed.
    BlockNotFound {
        /// The latest height here.
        latest: u64,
    },
    /// The height was pruned here.
    Pruned {
        /// The earliest height here.
        earliest: u64,
    },
    /// The node has too much to do; nothing was queued.
    Overloaded {
        /// When to try again.
        retry: Duration,
    },
    /// The call's deadline ended before the transaction was final. It may become final yet; the same transaction may
    /// be sent again.
    NotFinalYet {
        /// The transaction.
        transaction: TransactionId,
    },
    /// The proof is asked for before a final header names its height.
    NotProvableYet {
        /// The highest height that can be proven here.
        provable: u64,
    },
    /// No final payment was made by the code, as far as this node has executed.
    PaymentNotFound,
    /// The client takes a stream's messages more slowly than they come.
    SlowConsumer {
        /// Where to resume.
        resume: Resume,
    },
    /// The node is shutting down.
    ShuttingDown {
        /// Where to resume a stream.
        resume: Option<Resume>,
    },
    /// The node has halted and takes no transactions; another node may.
    Halted,
    /// The node does not validate, or its guard is lost: it takes no transactions; another node may.
    NotTaking,
    /// The node has an empty disk and begins with a snapshot from its peers; until then it answers nothing.
    Starting(Stage),
    /// The node's own failure. Its log says what; the client is not told.
    Internal,
}

/// Where a stream goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resume {
    /// At this height.
    Height(u64),
    /// Behind this cursor.
    Cursor(String),
}

impl Resume {
    /// The request's field, and what to put there.
    fn entry(&self) -> (&'static str, String) {
        match self {
            Resume::Height(height) => ("from_height", height.to_string()),
            Resume::Cursor(cursor) => ("cursor", cursor.clone()),
        }
    }
}

impl ApiError {
    /// The error that `receipt` stands for when its transaction was rejected as a whole.
    #[must_use]
    pub fn of_receipt(receipt: &Receipt) -> Option<Self> {
        match receipt.result {
            tonle_ledger::TransactionResult::Rejected { code, operation } => Some(ApiError::Rejected {
                code,
                operation,
                transaction: receipt.transaction,
                height: receipt.height,
                index: receipt.index,
            }),
            tonle_ledger::TransactionResult::Executed(_) => None,
        }
    }

    /// The gRPC status code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            ApiError::Refused(rejection) => rejection_status(rejection.code),
            ApiError::Rejected { code, .. } => rejection_status(*code),
            ApiError::NotYetValid { .. } => rejection_status(RejectionCode::NotYetValid),
            ApiError::Malformed | ApiError::FieldInvalid { .. } | ApiError::CursorInvalid => Code::InvalidArgument,
            ApiError::MessageTooLarge | ApiError::Overloaded { .. } | ApiError::SlowConsumer { .. } => {
                Code::ResourceExhausted
            }
            ApiError::UnknownMethod => Code::Unimplemented,
            ApiError::Cancelled => Code::Cancelled,
            ApiError::TransactionNotFound
            | ApiError::AccountNotFound
            | ApiError::AgreementNotFound
            | ApiError::AliasNotFound
            | ApiError::PaymentNotFound
            | ApiError::BlockNotFound { .. } => Code::NotFound,
            ApiError::Pruned { .. } => Code::OutOfRange,
            ApiError::NotFinalYet { .. } => Code::DeadlineExceeded,
            ApiError::NotProvableYet { .. }
            | ApiError::ShuttingDown { .. }
            | ApiError::Halted
            | ApiError::NotTaking
            | ApiError::Starting(_) => Code::Unavailable,
            ApiError::Internal => Code::Internal,
        }
    }

    /// The stable reason.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            ApiError::Refused(rejection) => rejection.code.name(),
            ApiError::Rejected { code, .. } => code.name(),
            ApiError::NotYetValid { .. } => RejectionCode::NotYetValid.name(),
            ApiError::Malformed => RejectionCode::Malformed.name(),
            ApiError::MessageTooLarge => "MESSAGE_TOO_LARGE",
            ApiError::UnknownMethod => "UNKNOWN_METHOD",
            ApiError::Cancelled => "CANCELLED",
            ApiError::FieldInvalid { .. } => "FIELD_INVALID",
            ApiError::CursorInvalid => "CURSOR_INVALID",
            ApiError::TransactionNotFound => "TRANSACTION_NOT_FOUND",
            ApiError::AccountNotFound => "ACCOUNT_NOT_FOUND",
            ApiError::AgreementNotFound => "AGREEMENT_NOT_FOUND",
            ApiError::AliasNotFound => "ALIAS_NOT_FOUND",
            ApiError::PaymentNotFound => "PAYMENT_NOT_FOUND",
            ApiError::BlockNotFound { .. } => "BLOCK_NOT_FOUND",
            ApiError::Pruned { .. } => "PRUNED",
            ApiError::Overloaded { .. } => "OVERLOADED",
            ApiError::NotFinalYet { .. } => "NOT_FINAL_YET",
            ApiError::NotProvableYet { .. } => "NOT_PROVABLE_YET",
            ApiError::SlowConsumer { .. } => "SLOW_CONSUMER",
            ApiError::ShuttingDown { .. } => "SHUTTING_DOWN",
            ApiError::Halted => "NODE_HALTED",
            ApiError::NotTaking => "NODE_NOT_TAKING",
            ApiError::Starting(_) => "NODE_STARTING",
            ApiError::Internal => "INTERNAL",
        }
    }

    /// When the same request may be sent again; `None` when that cannot help.
    #[must_use]
    pub const fn retry(&self) -> Option<Duration> {
        match self {
            ApiError::NotYetValid { wait } => Some(*wait),
            ApiError::Overloaded { retry } => Some(*retry),
            ApiError::NotFinalYet { .. } | ApiError::SlowConsumer { .. } => Some(Duration::ZERO),
            ApiError::NotProvableYet { .. }
            | ApiError::BlockNotFound { .. }
            | ApiError::TransactionNotFound
            | ApiError::PaymentNotFound => Some(Duration::from_millis(500)),
            ApiError::ShuttingDown { .. } | ApiError::Starting(_) => Some(Duration::from_secs(1)),
            ApiError::Refused(_)
            | ApiError::Rejected { .. }
            | ApiError::Malformed
            | ApiError::MessageTooLarge
            | ApiError::UnknownMethod
            | ApiError::Cancelled
            | ApiError::FieldInvalid { .. }
            | ApiError::CursorInvalid
            | ApiError::AccountNotFound
            | ApiError::AgreementNotFound
            | ApiError::AliasNotFound
            | ApiError::Pruned { .. }
            | ApiError::Halted
            | ApiError::NotTaking
            | ApiError::Internal => None,
        }
    }

    /// ErrorInfo's metadata.
    #[must_use]
    pub fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            ApiError::Refused(rejection) => {
                let mut entries = vec![("field", rejection.field.to_owned())];
                entries.extend(rejection.operation.map(|number| ("operation", number.to_string())));
                entries
            }
            ApiError::Rejected { code, operation, transaction, height, index } => {
                let mut entries = vec![
                    ("field", code.field().to_owned()),
                    ("transaction_id", transaction.to_string()),
                    ("height", height.to_string()),
                    ("index", index.to_string()),
                ];
                entries.extend(operation.map(|number| ("operation", number.to_string())));
                entries
            }
            ApiError::NotYetValid { .. } => vec![("field", "body.not_before_ms".to_owned())],
            ApiError::FieldInvalid { field, .. } => vec![("field", (*field).to_owned())],
            ApiError::CursorInvalid => vec![("field", "cursor".to_owned())],
            ApiError::Malformed => vec![("field", "request".to_owned())],
            ApiError::MessageTooLarge => vec![("bytes_max", super::server::REQUEST_BYTES_MAX.to_string())],
            ApiError::TransactionNotFound => vec![("field", "transaction_id".to_owned())],
            ApiError::AccountNotFound => vec![("field", "account".to_owned())],
            ApiError::AgreementNotFound => vec![("field", "reference".to_owned())],
            ApiError::AliasNotFound => vec![("field", "alias".to_owned())],
            ApiError::BlockNotFound { latest } => vec![("latest_height", latest.to_string())],
            ApiError::Pruned { earliest } => vec![("earliest_height", earliest.to_string())],
            ApiError::NotFinalYet { transaction } => vec![("transaction_id", transaction.to_string())],
            ApiError::NotProvableYet { provable } => vec![("provable_height", provable.to_string())],
            ApiError::PaymentNotFound => vec![("field", "of".to_owned())],
            ApiError::SlowConsumer { resume } => vec![resume.entry()],
            ApiError::ShuttingDown { resume } => resume.iter().map(Resume::entry).collect(),
            ApiError::Starting(stage) => stage.figures(),
            ApiError::UnknownMethod
            | ApiError::Cancelled
            | ApiError::Overloaded { .. }
            | ApiError::Halted
            | ApiError::NotTaking
            | ApiError::Internal => Vec::new(),
        }
    }

    fn message(&self) -> String {
        match self {
            ApiError::Refused(rejection) => rejection.to_string(),
            ApiError::Rejected { code, operation, height, .. } => {
                let place = operation.map(|number| format!(" of operation {number}")).unwrap_or_default();
                format!("{}: {}{place}; final in block {height}, nothing moved", code.name(), code.field())
            }
            ApiError::NotYetValid { .. } => "NOT_YET_VALID: the window has not begun".to_owned(),
            ApiError::Malformed => "the request is no protobuf message of its type".to_owned(),
            ApiError::MessageTooLarge => {
                format!("the request is longer than {} bytes", super::server::REQUEST_BYTES_MAX)
            }
            ApiError::UnknownMethod => "no such service or method; reflection lists them".to_owned(),
            ApiError::Cancelled => "the call was cancelled or its deadline ended".to_owned(),
            ApiError::FieldInvalid { field, expected } => format!("{field} must be {expected}"),
            ApiError::CursorInvalid => "the cursor is damaged or belongs to another list".to_owned(),
            ApiError::TransactionNotFound => "no final transaction has this id".to_owned(),
            ApiError::AccountNotFound => "there is no such account".to_owned(),
            ApiError::AliasNotFound => "the alias stands for no account".to_owned(),
            ApiError::AgreementNotFound => "no such agreement stands: it never did, or it has ended".to_owned(),
            ApiError::BlockNotFound { latest } => format!("not final yet; the latest height is {latest}"),
            ApiError::Pruned { earliest } => format!("pruned here; the earliest height is {earliest}"),
            ApiError::Overloaded { .. } => "too much to do; nothing was queued".to_owned(),
            ApiError::NotFinalYet { .. } => {
                "the deadline ended before the transaction was final; it may become final yet, and sending the same \
                 transaction again is safe"
                    .to_owned()
            }
            ApiError::NotProvableYet { provable } => format!("provable up to height {provable} so far"),
            ApiError::PaymentNotFound => "no final payment was made by this code".to_owned(),
            ApiError::SlowConsumer { resume } => {
                let (field, value) = resume.entry();
                format!("the stream was not taken in time; resume with {field} {value}")
            }
            ApiError::ShuttingDown { .. } => "this node is shutting down".to_owned(),
            ApiError::Halted => "this node has halted and takes no transactions; ask another".to_owned(),
            ApiError::NotTaking => "this node takes no transactions; ask another".to_owned(),
            ApiError::Starting(stage) => format!("this node begins: it {stage}"),
            ApiError::Internal => "this node failed; its log says why".to_owned(),
        }
    }
}

impl From<ApiError> for Status {
    fn from(error: ApiError) -> Self {
        let metadata: HashMap<String, String> =
            error.metadata().into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let mut details = ErrorDetails::new();
        details.set_error_info(error.reason(), ERROR_DOMAIN, metadata);
        if let Some(delay) = error.retry() {
            details.set_retry_info(Some(delay));
        }
        Status::with_error_details(error.code(), error.message(), details)
    }
}

impl From<Rejection> for ApiError {
    fn from(rejection: Rejection) -> Self {
        ApiError::Refused(rejection)
    }
}

/// The gRPC status of a rejection.
#[must_use]
pub const fn rejection_status(code: RejectionCode) -> Code {
    match code.fault() {
        Fault::Argument => Code::InvalidArgument,
        Fault::Signature => Code::Unauthenticated,
        Fault::Permission => Code::PermissionDenied,
        Fault::Exists => Code::AlreadyExists,
        Fault::Missing => Code::NotFound,
        Fault::State => Code::FailedPrecondition,
        Fault::Bound => Code::OutOfRange,
    }
}
