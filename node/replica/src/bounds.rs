//! Every bound of the replica in one place, with its reason. A peer can fill what stands here, and nothing more.
//!
//! Must not know: who enforces a bound.

/// A batch is sealed when its transactions reach this many bytes: large enough that framing, signature and sync cost
/// little per transfer, small enough to cross a WAN link within a round trip.
pub const BATCH_SEAL_BYTES: usize = 256 * 1024;
/// Largest content of a batch: one transaction of the ledger's largest size.
pub const BATCH_CONTENT_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Largest batch as it travels: the content and its framing.
pub const BATCH_BYTES_MAX: usize = BATCH_CONTENT_BYTES_MAX + 64 * 1024;
/// Most transactions of a batch: what [`BATCH_SEAL_BYTES`] holds of the smallest ones (about 100 bytes), with room.
pub const BATCH_TRANSACTIONS_MAX: usize = 8_192;
/// Most operations of a batch: two of the largest transactions. A block must be able to take any one batch.
pub const BATCH_OPERATIONS_MAX: usize = 16_384;
/// A batch waits at most this long for company, in microseconds.
pub const BATCH_AGE_US: u64 = 10_000;
/// Acknowledgements wait at most this long to be sent together, in microseconds: of small batches only, which proposals
/// carry along without any. Once [`BATCH_DIRECT_BYTES`] wait, they leave at once.
pub const ACKNOWLEDGE_DELAY_US: u64 = 10_000;
/// A leader proposes no sooner than this after the proposal before its own, in microseconds: every block costs each
/// validator three syncs and some ten signatures, however little is in it.
pub const BLOCK_INTERVAL_MIN_US: u64 = 10_000;
/// A batch of at most this size also goes directly to the leaders of this view and the next.
pub const BATCH_DIRECT_BYTES: usize = 32 * 1024;
/// Batches that a proposal carries beside its header, in all. Below consensus's bound on a sidecar.
pub const INLINE_BYTES_MAX: usize = 64 * 1024;
/// Most batches in a sidecar: what [`INLINE_BYTES_MAX`] holds of the smallest ones.
pub const INLINE_BATCHES_MAX: usize = 256;
/// Most new batches of one block, over all lanes: bounds the walk that checks a cut.
pub const BLOCK_BATCHES_MAX: u64 = 4_096;

/// Batches of a lane above its last final one that are admitted unasked.
pub const LANE_WINDOW_BATCHES: u64 = 1_024;
/// Their bytes, at most; see [`lane_window_bytes`].
pub const LANE_WINDOW_BYTES_MAX: usize = 16 * 1024 * 1024;
/// All lanes' windows together.
pub const LANES_BYTES_MAX: usize = 512 * 1024 * 1024;
/// Batches of a lane that are held off its acknowledged chain (branches of an equivocating author that some proposal
/// named). The oldest go first; one that is needed is fetched again.
pub const LANE_BRANCH_BATCHES_MAX: usize = 256;
/// Different batches at one (lane, seq) that are admitted unasked. One honest, one as evidence.
pub const LANE_BRANCHES_PER_SEQ: usize = 2;

/// One's own clients' transactions that wait to be packed, in bytes. Beyond it they are told to retry.
pub const POOL_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Their count.
pub const POOL_TRANSACTIONS_MAX: usize = 65_536;
/// Clients' tickets that wait for one transaction. The same transaction may be submitted again by many.
pub const TICKETS_PER_TRANSACTION_MAX: usize = 64;
/// What a client that is turned away is told to wait, in milliseconds.
pub const RETRY_MS: u64 = 200;

/// Data requests under way at once, over all peers.
pub const FETCHES_MAX: usize = 64;
/// Things wanted at once.
pub const WANTS_MAX: usize = 1_024;
/// Things that were asked for and that nobody wants now, of which it is remembered when they may be asked for again:
/// each was asked for within the last [`FETCH_TIMEOUT_US`], or is paused for [`FETCH_ROUND_US`].
pub const RESTING_MAX: usize = 128;
/// A data request that is not answered within this time goes to the next peer, in microseconds.
pub const FETCH_TIMEOUT_US: u64 = 300_000;
/// After every candidate was asked in vain, the next round begins this much later, in microseconds.
pub const FETCH_ROUND_US: u64 = 200_000;
/// Bytes of one response: two of the largest batches.
pub const RESPONSE_BYTES_MAX: usize = 2 * BATCH_BYTES_MAX;
/// Batches of one response.
pub const RESPONSE_BATCHES_MAX: usize = 512;
/// Final blocks of one response: what a response ends at if a block there has its own certificate.
pub const RESPONSE_BLOCKS: u64 = 128;
/// Final blocks of one response at most, while looking for one with its own certificate.
pub const RESPONSE_BLOCKS_MAX: usize = 1_024;
/// Runs of final blocks that are asked for, or wait for what lies below them, at once: [`RESPONSE_BLOCKS`] heights
/// each, and [`MESSAGE_BYTES_MAX`] at most, so 35 MiB in all; of four validators it is less than 1 MiB.
pub const RUNS_MAX: u64 = 8;
/// Those asked of one peer: it reads the next while the one before travels.
pub const RUNS_PER_PEER_MAX: usize = 2;
/// Boundaries of epochs of one response. Each takes at most 20 KB: a certificate and a set of 100 validators.
pub const BOUNDARIES_MAX: usize = 64;
/// Boundaries that one follows from genesis on, and keeps: as many changes of the validators.
pub const BOUNDARIES_KEPT_MAX: usize = 65_536;
/// Epochs that one response about boundaries looks at.
pub const BOUNDARIES_SCANNED_MAX: usize = 1_024;
/// Requests that a peer may make in a second; more are dropped, and an honest peer asks another.
pub const REQUESTS_PER_SECOND: u64 = 512;
/// How often in a second a peer is shown what is held of its signatures (R9): three certificates, votes and two
/// proposals with their sidecars for a request of a few bytes. An honest peer asks on each connection, and again every
/// [`GREET_US`] while it has no answer.
pub const GREETINGS_PER_SECOND: u64 = 8;
/// How often in a second a peer that works in an ended epoch is told so: whoever lost it says something again and again.
pub const ENDINGS_PER_SECOND: u64 = 8;
/// Largest message between validators: a response, and its framing.
pub const MESSAGE_BYTES_MAX: usize = RESPONSE_BYTES_MAX + 64 * 1024;

/// A peer whose acknowledgements of one's own lane stand still gets the missing batches again after this time, in
/// microseconds.
pub const RESEND_US: u64 = 500_000;
/// Batches that one resend brings a peer.
pub const RESEND_BATCHES: usize = 8;
/// Lists of validators that are kept for headers still to come: one change a height, and the ledger allows few an epoch.
pub const MEMBERSHIPS_MAX: usize = 256;
/// A validator that has just started asks again after this long, in microseconds, whoever did not show what it holds.
pub const GREET_US: u64 = 250_000;
/// A validator that lost its guard asks for the others' epochs again after this long, in microseconds.
pub const REJOIN_US: u64 = 2_000_000;
/// Own batches wait this long for every other validator's word on one's own lane, when the batch log was lost;
/// then a quorum's word is enough. In microseconds.
pub const LANE_RECOVERY_US: u64 = 5_000_000;

/// Offences that a node keeps and shows to others, each some 500 bytes in memory.
pub const OFFENCES_MAX: usize = 10_000;
/// Those of one validator: whoever broke the rules this often is known, and cannot fill what is kept of others.
pub const OFFENCES_PER_VALIDATOR_MAX: usize = 64;
/// Proofs on their way to one peer that it has not confirmed.
pub const SHOWING_MAX: usize = 16;
/// A proof that a peer has not confirmed is shown again after this time, in microseconds.
pub const SHOW_AGAIN_US: u64 = 1_000_000;

/// Blocks handed to the executor and not reported back. More would only queue there.
pub const EXECUTING_MAX: usize = 16;
/// Final blocks whose data is gathered ahead of execution.
pub const GATHER_AHEAD: usize = 16;
/// Final blocks that wait for execution. Beyond, they are let go and caught up with later.
pub const FINAL_QUEUE_MAX: usize = 4_096;
/// Executed heights whose roots are kept to judge headers by. `max_lag` keeps what is needed far below.
pub const CHECKPOINTS_MAX: usize = 4_096;
/// Certified headers whose claimed roots wait for one's own execution.
pub const CLAIMS_MAX: usize = 4_096;
/// Blocks above the last final one that are known: one for each view that a partition lasted.
pub const BLOCKS_MAX: usize = 1_024;

/// Peers hear one's final height this often, in microseconds.
pub const ANNOUNCE_US: u64 = 1_000_000;
/// A peer that is this many heights ahead calls for catch-up at once.
pub const BEHIND_HEIGHTS: u64 = 8;
/// A peer that is ahead at all calls for catch-up when one's own height stood still this long, in microseconds.
pub const BEHIND_US: u64 = 1_500_000;
/// A peer whose answer did not hold what it announced is not asked for blocks for this long, in microseconds.
pub const LIAR_REST_US: u64 = 10_000_000;

/// The window of one lane in bytes, among `lanes` lanes: an even share of [`LANES_BYTES_MAX`], at most
/// [`LANE_WINDOW_BYTES_MAX`], at least two of the largest batches.
#[must_use]
pub fn lane_window_bytes(lanes: usize) -> usize {
    let share = LANES_BYTES_MAX.checked_div(lanes).unwrap_or(LANES_BYTES_MAX);
    share.clamp(2 * BATCH_BYTES_MAX, LANE_WINDOW_BYTES_MAX)
}
