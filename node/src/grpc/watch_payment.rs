//! WatchPayment: payments by a code, of an account or under a reference, each once and in order, as soon as they are final.
//!
//! Payments are read from the database behind the stream's cursor at every new block, never kept for a client beyond a small
//! buffer. So a stream goes on behind any cursor, at any node, without a gap and without anything twice.
//!
//! Must not know: how blocks become final.

use tokio_util::sync::CancellationToken;
use tonle_khqr::Md5;
use tonle_ledger::{AccountId, Reference};
use tonle_proto::v1;

use super::backend::Archive;
use super::cursor::Cursor;
use super::error::Resume;
use super::stream::{Outlet, Stream};
use super::{ApiError, Service, convert, payments};
use crate::storage::PaymentPlace;

/// Payments or receipts read at a time.
const AT_ONCE: usize = 64;

/// The stream that a client gets.
pub(super) type Payments = Stream<v1::WatchPaymentResponse>;

/// What is watched.
#[derive(Debug, Clone)]
enum Watched {
    Code(Md5),
    Account(AccountId),
    Reference(AccountId, Reference),
}

impl Watched {
    fn new(request: &v1::WatchPaymentRequest) -> Result<Self, ApiError> {
        use v1::watch_payment_request::Of;
        match &request.of {
            Some(Of::KhqrMd5(text)) => payments::md5(text, "khqr_md5").map(Watched::Code),
            Some(Of::Account(account)) => convert::account_id(account).map(Watched::Account),
            Some(Of::Reference(v1::PaymentReference { account, instruction_ref })) => {
                let field =
                    ApiError::FieldInvalid { field: "instruction_ref", expected: "1 to 64 printable ASCII characters" };
                let reference = Reference::new(instruction_ref).map_err(|_| field)?;
                Ok(Watched::Reference(convert::account_id(account)?, reference))
            }
            None => Err(ApiError::FieldInvalid { field: "of", expected: "an MD5, an account or a reference" }),
        }
    }

    /// Binds cursors to what they were made for.
    fn list(&self) -> [u8; 8] {
        match self {
            Watched::Code(md5) => Cursor::list("watch khqr", md5.as_bytes()),
            Watched::Account(account) => Cursor::list("watch account", account.as_bytes()),
            Watched::Reference(account, reference) => {
                let subject = [account.as_bytes(), b"\0", reference.as_str().as_bytes()].concat();
                Cursor::list("watch reference", &subject)
            }
        }
    }

    /// Payments strictly behind `after`, oldest first: some of them, and how far all was looked through with them.
    fn behind(
        &self,
        archive: &dyn Archive,
        after: PaymentPlace,
    ) -> Result<(Vec<v1::Payment>, Option<PaymentPlace>), ApiError> {
        match self {
            Watched::Code(md5) => {
                let found = archive.khqr_payments_after(*md5, Some(after), AT_ONCE)?;
                let last = found.last().map(|paid| paid.location.place());
                Ok((found.iter().map(payments::by_code).collect(), last))
            }
            Watched::Account(account) => of_account(archive, *account, after),
            Watched::Reference(account, reference) => {
                let found = archive.instruction(*account, reference)?.filter(|location| location.place() > after);
                let Some(location) = found else { return Ok((Vec::new(), None)) };
                let mut found = payments::of_receipt(archive, location.height, location.index)?;
                found.retain(|payment| payment.operation == location.operation);
                Ok((found, Some(location.place())))
            }
        }
    }
}

/// Behind the last operation of a receipt.
fn end_of(height: u64, index: u32) -> PaymentPlace {
    (height, index, u32::MAX)
}

/// The same of an account. A receipt that was begun is read anew: its operations behind the place are left.
fn of_account(
    archive: &dyn Archive,
    account: AccountId,
    after: PaymentPlace,
) -> Result<(Vec<v1::Payment>, Option<PaymentPlace>), ApiError> {
    let (height, index, operation) = after;
    let begun = (operation < u32::MAX && height > 0).then_some((height, index));
    let further = archive.history_after(account, (height, index), AT_ONCE)?;
    let (mut found, mut last) = (Vec::new(), None);
    for (height, index) in begun.into_iter().chain(further) {
        let mut payments = payments::of_receipt(archive, height, index)?;
        let name = account.as_str();
        payments.retain(|payment| payment.from == name || payment.to == name);
        payments.retain(|payment| place(payment) > after);
        found.extend(payments);
        last = Some(end_of(height, index));
        // One receipt has up to 8,190 of them.
        if found.len() >= AT_ONCE {
            break;
        }
    }
    Ok((found, last))
}

fn place(payment: &v1::Payment) -> PaymentPlace {
    (payment.height, payment.index, payment.operation)
}

impl Service {
    /// Starts a stream.
    pub(super) async fn watch_payment(
        &self,
        request: &v1::WatchPaymentRequest,
        shutdown: CancellationToken,
    ) -> Result<Payments, ApiError> {
        let watched = Watched::new(request)?;
        let list = watched.list();
        let after = match (request.cursor.as_str(), &watched) {
            // Everything up to the latest block is behind whoever asks for what comes.
            ("", Watched::Account(_)) => end_of(self.0.finality.tip().height, u32::MAX),
            ("", Watched::Code(_) | Watched::Reference(..)) => PaymentPlace::default(),
            (text, _) => {
                let cursor = Cursor::from_text(text, list).ok_or(ApiError::CursorInvalid)?;
                (cursor.height, cursor.index, cursor.operation)
            }
        };
        let earliest = self.read(|archive| Ok(archive.earliest())).await?;
        // What came between the cursor and the first block here, this node cannot tell.
        if !request.cursor.is_empty() && after.0.saturating_add(1) < earliest {
            return Err(ApiError::Pruned { earliest });
        }
        let (outlet, last, stream) = Outlet::open(self, shutdown).await?;
        let feed = Feed { service: self.clone(), outlet, watched, list, after };
        tokio::spawn(async move {
            if let Err(error) = feed.run().await {
                last.send(Err(error.into()));
            }
        });
        Ok(stream)
    }
}

struct Feed {
    service: Service,
    outlet: Outlet<v1::WatchPaymentResponse>,
    watched: Watched,
    list: [u8; 8],
    /// Payments up to here were sent, or were there before.
    after: PaymentPlace,
}

impl Feed {
    /// Runs until the client leaves or there can be no more (`Ok`), or until there is a reason to end the stream.
    async fn run(mut self) -> Result<(), ApiError> {
        if !self.send(None, self.after).await? {
            return Ok(());
        }
        let mut tip = self.service.0.finality.follow();
        loop {
            tip.borrow_and_update();
            loop {
                let (watched, after) = (self.watched.clone(), self.after);
                let (found, last) = self.service.read(move |archive| watched.behind(archive, after)).await?;
                let Some(last) = last else { break };
                for payment in found {
                    let at = place(&payment);
                    if !self.send(Some(payment), at).await? {
                        return Ok(());
                    }
                }
                self.after = last;
                if matches!(self.watched, Watched::Reference(..)) {
                    return Ok(());
                }
            }
            let changed = async { tip.changed().await.map_err(|_| ApiError::Internal) };
            if !self.outlet.until(changed, || Resume::Cursor(self.cursor(self.after))).await? {
                return Ok(());
            }
        }
    }

    /// Sends a payment that stands at `at`; false when the client has left.
    async fn send(&mut self, payment: Option<v1::Payment>, at: PaymentPlace) -> Result<bool, ApiError> {
        let message = v1::WatchPaymentResponse { payment, cursor: self.cursor(at) };
        let sent = self.outlet.send(message, || Resume::Cursor(self.cursor(self.after))).await?;
        self.after = at;
        Ok(sent)
    }

    fn cursor(&self, (height, index, operation): PaymentPlace) -> String {
        Cursor { list: self.list, pinned: 0, height, index, operation }.to_text()
    }
}
