//! Paying by a KHQR code. The transaction carries the whole code, and the ledger reads it itself: nobody can pass one riel
//! off as the payment of another code.
//!
//! Must not know: who signed; how a code is read (that is tonle-khqr).

use tonle_crypto::{Digest, Domain};
use tonle_khqr::{Decimal, ErrorCode, Khqr, Terms, parse};

use super::fields::{Named, Parsed, text_bytes};
use super::money::{check_accounts, check_amount, credit, debit};
use super::{Act, Applied, Decode, Scene};
use crate::protobuf::{Encoder, Fields};
use crate::reference::{Instruction, Scope, hour};
use crate::working::Working;
use crate::{AccountId, Amount, Asset, Reference, Rejection, RejectionCode};

/// Most bytes of a code that is carried: what the largest QR code holds.
pub const KHQR_BYTES_MAX: usize = tonle_khqr::PAYLOAD_BYTES_MAX;
/// Latest end of a dynamic code, from the block on that pays it: 90 days of block time. So the state keeps paid codes of at
/// most 2,161 hours.
pub const KHQR_LIFE_MAX_MS: u64 = 90 * 24 * 3_600_000;

static KHQR: Domain = Domain::new("tonle v1 khqr");

/// What names a code where it matters that nobody can make a second one of the same name: `derive_key("tonle v1 khqr",
/// payload)`. Its MD5, by which shops look for payments, is an index only: see docs/decisions/0070.
#[must_use]
pub fn khqr_id(payload: &str) -> Digest {
    KHQR.digest(payload.as_bytes())
}

/// Pays `amount` of `asset` to the payee of a KHQR code. A dynamic code is paid once.
///
/// ```text
/// message PayKhqr { string from = 1; string to = 2; string asset = 3; uint64 amount_minor = 4;
///                   string payload = 5;           // the whole code, checksum included; UTF-8, 1 to 2,953 bytes
///                   string instruction_ref = 6;   // 0 to 64 printable ASCII
///                   string external_ref = 7; }    // 0 to 64 printable ASCII
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayKhqr {
    /// Who pays.
    pub from: AccountId,
    /// Who is paid: the code's payee.
    pub to: AccountId,
    /// In what: the code's currency.
    pub asset: Asset,
    /// How much: the code's amount, when it names one.
    pub amount: Amount,
    /// The whole code, checksum included.
    pub payload: Box<str>,
    /// The payer's reference: unique per debited account for 7 days.
    pub instruction_ref: Option<Reference>,
    /// A reference of another system, such as an end-to-end id.
    pub external_ref: Option<Reference>,
}

impl PayKhqr {
    /// What it is known by under its reference. The digest of the code stands for the code, so that a return can say which
    /// it was.
    pub(super) fn instruction_of<'a>(
        sides: [&AccountId; 2],
        money: (Asset, Amount),
        khqr: &Digest,
        external_ref: Option<&Reference>,
        instruction_ref: &'a Reference,
    ) -> Instruction<'a> {
        let [from, to] = sides;
        Instruction::new(Scope::Account(*from), instruction_ref, |writer| {
            writer.u8(15).value(from).value(to).value(&money.0).value(&money.1).digest(khqr);
            writer.bytes(text_bytes(external_ref));
        })
    }

    /// Does the code ask for this?
    fn check_code(&self, working: &Working<'_>, now_ms: u64) -> Result<(), RejectionCode> {
        let khqr = parse(&self.payload).map_err(refused)?;
        if khqr.payee.account() != self.to.as_str() {
            return Err(RejectionCode::KhqrPayeeDiffers);
        }
        if khqr.currency.code() != self.asset.as_str() {
            return Err(RejectionCode::KhqrCurrencyDiffers);
        }
        let exponent = working.asset(self.asset).ok_or(RejectionCode::AssetUnknown)?.exponent;
        let asked = |amount: Decimal| amount.scaled(exponent).map(Amount::from_minor);
        if khqr.amount().is_some_and(|amount| asked(amount) != Some(self.amount)) {
            return Err(RejectionCode::KhqrAmountDiffers);
        }
        if khqr.is_expired(now_ms) {
            return Err(RejectionCode::KhqrExpired);
        }
        match expiry(&khqr) {
            Some(expires_ms) if expires_ms > now_ms.saturating_add(KHQR_LIFE_MAX_MS) => {
                Err(RejectionCode::KhqrExpiryTooFar)
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// The last millisecond in which a dynamic code may be paid; `None` for a static one.
const fn expiry(khqr: &Khqr<'_>) -> Option<u64> {
    match khqr.terms {
        Terms::Static { .. } => None,
        Terms::Dynamic { expires_ms, .. } => Some(expires_ms),
    }
}

/// The code for what is wrong with a payload. Which of the numbers of the published SDKs it is, anybody can tell who has
/// the transaction.
const fn refused(error: ErrorCode) -> RejectionCode {
    match error {
        ErrorCode::KhqrInvalid => RejectionCode::KhqrInvalid,
        ErrorCode::AccountRequired
        | ErrorCode::NameRequired
        | ErrorCode::MerchantTypeRequired
        | ErrorCode::CurrencyRequired
        | ErrorCode::FormatRequired
        | ErrorCode::CrcRequired
        | ErrorCode::CategoryRequired
        | ErrorCode::CountryRequired
        | ErrorCode::CityRequired
        | ErrorCode::MerchantIdRequired
        | ErrorCode::BankRequired
        | ErrorCode::LanguageRequired
        | ErrorCode::AlternateNameRequired
        | ErrorCode::ExpirationRequired
        | ErrorCode::DynamicInvalid => RejectionCode::KhqrIncomplete,
        ErrorCode::FormatLength
        | ErrorCode::InitiationLength
        | ErrorCode::AccountInvalid
        | ErrorCode::AmountInvalid
        | ErrorCode::AccountLength
        | ErrorCode::NameLength
        | ErrorCode::BillNumberLength
        | ErrorCode::StoreLabelLength
        | ErrorCode::TerminalLabelLength
        | ErrorCode::ConnectionTimeout
        | ErrorCode::SourceInfoInvalid
        | ErrorCode::Internal
        | ErrorCode::CategoryLength
        | ErrorCode::CurrencyLength
        | ErrorCode::CountryLength
        | ErrorCode::CityLength
        | ErrorCode::CrcLength
        | ErrorCode::CurrencyUnsupported
        | ErrorCode::DeepLinkUrlInvalid
        | ErrorCode::MerchantIdLength
        | ErrorCode::BankLength
        | ErrorCode::MobileNumberLength
        | ErrorCode::AccountInformationLength
        | ErrorCode::TagOrder
        | ErrorCode::LanguageLength
        | ErrorCode::AlternateNameLength
        | ErrorCode::AlternateCityLength
        | ErrorCode::PurposeLength
        | ErrorCode::UnionPayLength
        | ErrorCode::UnionPayCurrency
        | ErrorCode::Expired
        | ErrorCode::InitiationInvalid
        | ErrorCode::ExpirationLength
        | ErrorCode::ExpirationInPast
        | ErrorCode::CategoryInvalid => RejectionCode::KhqrFieldInvalid,
    }
}

impl Decode for PayKhqr {
    fn decode(fields: &mut Fields<'_>) -> Parsed<Self> {
        let pay = PayKhqr {
            from: fields.account(1, "pay_khqr.from")?,
            to: fields.account(2, "pay_khqr.to")?,
            asset: fields.asset(3, "pay_khqr.asset")?,
            amount: fields.amount(4, "pay_khqr.amount_minor")?,
            payload: fields.text(5).named("pay_khqr.payload")?.into(),
            instruction_ref: fields.optional(6, "pay_khqr.instruction_ref")?,
            external_ref: fields.optional(7, "pay_khqr.external_ref")?,
        };
        if pay.payload.is_empty() || pay.payload.len() > KHQR_BYTES_MAX {
            return Err(Rejection::malformed("pay_khqr.payload"));
        }
        Ok(pay)
    }
}

impl Act for PayKhqr {
    fn accounts(&self) -> [Option<AccountId>; 2] {
        [Some(self.from), Some(self.to)]
    }

    fn money(&self) -> Option<(Asset, Amount)> {
        Some((self.asset, self.amount))
    }

    fn code(&self) -> Option<(u64, Digest)> {
        let expires_ms = expiry(&parse(&self.payload).ok()?)?;
        Some((hour(expires_ms), khqr_id(&self.payload)))
    }

    fn instruction(&self) -> Option<Instruction<'_>> {
        let PayKhqr { from, to, asset, amount, payload, instruction_ref, external_ref } = self;
        let reference = instruction_ref.as_ref()?;
        let (money, khqr) = ((*asset, *amount), khqr_id(payload));
        Some(PayKhqr::instruction_of([from, to], money, &khqr, external_ref.as_ref(), reference))
    }

    fn apply(&self, scene: &mut Scene<'_, '_>) -> Applied {
        let [from, to] = scene.touched.accounts;
        let working = &mut *scene.working;
        check_amount(working, self.amount, self.asset)?;
        if self.from == self.to {
            return Err(RejectionCode::SameAccount);
        }
        check_accounts(working, from, to)?;
        self.check_code(working, scene.now_ms)?;
        if let Some(code) = scene.touched.code {
            working.pay_code(code, scene.place)?;
        }
        let payer = debit(working, from, self.asset, self.amount)?;
        let payee = credit(working, to, self.asset, self.amount)?;
        Ok(vec![payer, payee])
    }

    fn encode(&self, message: &mut Encoder) {
        message.bytes(1, self.from.as_bytes()).bytes(2, self.to.as_bytes());
        message.bytes(3, self.asset.as_bytes()).uint(4, self.amount.minor()).bytes(5, self.payload.as_bytes());
        message.optional(6, self.instruction_ref.as_ref()).optional(7, self.external_ref.as_ref());
    }
}
