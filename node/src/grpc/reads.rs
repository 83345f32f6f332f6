//! Answers from what is final: pages, blocks, receipts. Everything here blocks, and runs where that is allowed.
//!
//! Must not know: waiting, submission.

use prost::Message;
use tonle_crypto::Digest;
use tonle_ledger::{AccountId, Receipt};
use tonle_proto::v1;

use super::backend::{Archive, Chain, StoredBlock};
use super::convert;
use super::cursor::Cursor;
use super::error::ApiError;

/// Entries on a page when the client names none, and at most.
const PAGE_DEFAULT: usize = 100;
const PAGE_MAX: u32 = 1_000;
/// A page ends early when it reaches this many bytes, so that it stays under the 4 MiB that gRPC clients accept.
pub(super) const PAGE_BYTES: usize = 1_500 * 1024;

/// How many entries a page has.
pub(super) fn page_size(asked: u32) -> Result<usize, ApiError> {
    match asked {
        0 => Ok(PAGE_DEFAULT),
        1..=PAGE_MAX => Ok(usize::try_from(asked).unwrap_or(PAGE_DEFAULT)),
        _ => Err(ApiError::FieldInvalid { field: "page_size", expected: "at most 1000" }),
    }
}

/// A page of the offences that this node holds proof of or finds on the ledger. The cursor is the last offence's id, in hexadecimal.
pub(super) fn misbehaviour(
    archive: &dyn Archive,
    chain: &Chain,
    request: &v1::ListMisbehaviourRequest,
) -> Result<v1::ListMisbehaviourResponse, ApiError> {
    let size = page_size(request.page_size)?;
    let after = match request.cursor.as_str() {
        "" => None,
        text => {
            let mut id = [0; 32];
            hex::decode_to_slice(text, &mut id).map_err(|_| ApiError::CursorInvalid)?;
            Some(Digest::from_bytes(id))
        }
    };
    // One more than asked for tells whether there is another page.
    let mut found = archive.misbehaviour(after, size.saturating_add(1))?;
    let more = found.len() > size;
    found.truncate(size);
    let last = found.last().filter(|_| more).map(|known| known.offence.id().to_string());
    let offences = found.iter().map(|known| convert::misbehaviour(chain, known)).collect();
    Ok(v1::ListMisbehaviourResponse { offences, next_cursor: last.unwrap_or_default() })
}

/// The block at `height`.
pub(super) fn block(archive: &dyn Archive, height: u64, latest: u64) -> Result<StoredBlock, ApiError> {
    if height > latest {
        return Err(ApiError::BlockNotFound { latest });
    }
    let pruned = || ApiError::Pruned { earliest: archive.earliest() };
    archive.block(height)?.ok_or_else(pruned)
}

/// The receipt at a place that an index names.
pub(super) fn receipt(archive: &dyn Archive, height: u64, index: u32) -> Result<Receipt, ApiError> {
    let pruned = || ApiError::Pruned { earliest: archive.earliest() };
    archive.receipts(height, index, 1)?.into_iter().next().ok_or_else(pruned)
}

/// A block with what makes it final.
pub(super) fn certified_block(
    archive: &dyn Archive,
    height: u64,
    latest: u64,
) -> Result<v1::GetBlockResponse, ApiError> {
    let first = block(archive, height, latest)?;
    let mut headers = vec![convert::canonical(&first.header)];
    let mut at = height;
    loop {
        if let Some(certificate) = archive.certificate(at)? {
            let certificate = convert::canonical(&certificate);
            return Ok(v1::GetBlockResponse { block: Some(convert::block(&first)), headers, certificate });
        }
        at = at.saturating_add(1);
        headers.push(convert::canonical(&block(archive, at, latest)?.header));
    }
}

/// A page of blocks, newest first.
pub(super) fn list_blocks(
    archive: &dyn Archive,
    request: &v1::ListBlocksRequest,
    latest: u64,
) -> Result<v1::ListBlocksResponse, ApiError> {
    let size = page_size(request.page_size)?;
    let list = Cursor::list("blocks", b"");
    let (pinned, next) = match request.cursor.as_str() {
        "" => (latest, Some(latest)),
        text => {
            let cursor = Cursor::from_text(text, list).ok_or(ApiError::CursorInvalid)?;
            (cursor.pinned, cursor.height.checked_sub(1))
        }
    };
    let earliest = archive.earliest();
    let lowest = earliest.max(1);
    if let Some(next) = next
        && !request.cursor.is_empty()
        && next.saturating_add(1) < lowest
    {
        return Err(ApiError::Pruned { earliest });
    }
    let mut blocks = Vec::new();
    let mut next = next.filter(|height| *height >= lowest);
    while let Some(height) = next.filter(|_| blocks.len() < size) {
        blocks.push(convert::block(&block(archive, height, latest)?));
        next = height.checked_sub(1).filter(|height| *height >= lowest);
    }
    let last = blocks.last().map(|block: &v1::Block| block.height);
    let next_cursor = match (next, last) {
        (Some(_), Some(height)) => Cursor { list, pinned, height, index: 0, operation: 0 }.to_text(),
        _ => String::new(),
    };
    Ok(v1::ListBlocksResponse { blocks, next_cursor, pinned_height: pinned })
}

/// A page of transactions.
pub(super) fn list_transactions(
    archive: &dyn Archive,
    request: &v1::ListTransactionsRequest,
    latest: u64,
) -> Result<v1::ListTransactionsResponse, ApiError> {
    use v1::list_transactions_request::Of;
    let size = page_size(request.page_size)?;
    match &request.of {
        Some(Of::Account(account)) => {
            let account = convert::account_id(account)?;
            let list = Cursor::list("account", account.as_bytes());
            let (pinned, before) = match request.cursor.as_str() {
                "" => (latest, (latest.saturating_add(1), 0)),
                text => {
                    let cursor = Cursor::from_text(text, list).ok_or(ApiError::CursorInvalid)?;
                    (cursor.pinned, (cursor.height, cursor.index))
                }
            };
            of_account(archive, request, account, size, Page { list, pinned, before })
        }
        Some(Of::Height(height)) => of_block(archive, request, *height, size, latest),
        None => Err(ApiError::FieldInvalid { field: "of", expected: "an account or a height" }),
    }
}

struct Page {
    list: [u8; 8],
    pinned: u64,
    before: (u64, u32),
}

fn of_account(
    archive: &dyn Archive,
    request: &v1::ListTransactionsRequest,
    account: AccountId,
    size: usize,
    page: Page,
) -> Result<v1::ListTransactionsResponse, ApiError> {
    // One more than the page holds tells whether there is a next one.
    let places = archive.history(account, page.before, size.saturating_add(1))?;
    let mut transactions = Vec::new();
    let mut bytes = 0;
    let mut last = None;
    for (height, index) in places.iter().copied().take(size) {
        let record = record(archive, receipt(archive, height, index)?, request.include_transactions)?;
        bytes += record.encoded_len();
        if !transactions.is_empty() && bytes > PAGE_BYTES {
            break;
        }
        transactions.push(record);
        last = Some((height, index));
    }
    let next_cursor = match last {
        Some((height, index)) if transactions.len() < places.len() => {
            Cursor { list: page.list, pinned: page.pinned, height, index, operation: 0 }.to_text()
        }
        _ => String::new(),
    };
    Ok(v1::ListTransactionsResponse { transactions, next_cursor, pinned_height: page.pinned })
}

fn of_block(
    archive: &dyn Archive,
    request: &v1::ListTransactionsRequest,
    height: u64,
    size: usize,
    latest: u64,
) -> Result<v1::ListTransactionsResponse, ApiError> {
    let total = block(archive, height, latest)?.receipts;
    let list = Cursor::list("height", &height.to_be_bytes());
    let mut next = match request.cursor.as_str() {
        "" => 0,
        text => Cursor::from_text(text, list).ok_or(ApiError::CursorInvalid)?.index,
    };
    let mut transactions = Vec::new();
    let mut bytes = 0;
    while transactions.len() < size && next < total {
        let record = record(archive, receipt(archive, height, next)?, request.include_transactions)?;
        bytes += record.encoded_len();
        if !transactions.is_empty() && bytes > PAGE_BYTES {
            break;
        }
        transactions.push(record);
        next = next.saturating_add(1);
    }
    let next_cursor = if next < total {
        Cursor { list, pinned: height, height, index: next, operation: 0 }.to_text()
    } else {
        String::new()
    };
    Ok(v1::ListTransactionsResponse { transactions, next_cursor, pinned_height: height })
}

fn record(
    archive: &dyn Archive,
    receipt: Receipt,
    include_transaction: bool,
) -> Result<v1::TransactionRecord, ApiError> {
    let transaction =
        if include_transaction { sent(archive, receipt.height, receipt.index)? } else { bytes::Bytes::new() };
    Ok(v1::TransactionRecord { receipt: Some(convert::receipt(&receipt)), transaction })
}

/// A transaction as it was sent.
pub(super) fn sent(archive: &dyn Archive, height: u64, index: u32) -> Result<bytes::Bytes, ApiError> {
    let pruned = || ApiError::Pruned { earliest: archive.earliest() };
    Ok(archive.transaction(height, index)?.ok_or_else(pruned)?.into())
}
