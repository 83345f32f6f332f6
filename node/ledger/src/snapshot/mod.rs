//! A state in pieces that prove themselves: what a node with an empty disk fetches instead of executing every block.
//!
//! The leaves of the state tree travel as [`StateChunk`]s, each proven by siblings against the state root. The live
//! transaction ids and instruction references are no leaves; they travel as [`BucketChunk`]s, each proven against the
//! running digest of its hour, which is a leaf. So nothing needs to be kept that is not verified yet.
//!
//! Must not know: who sends the pieces, where they are stored, which state root is right.

mod bucket;
mod chunk;

pub use bucket::{Bucket, BucketChunk, BucketGroup, BucketOrder, BucketPart};
pub use chunk::{Outline, Region, StateChunk};

/// A chunk is made of at most this many bytes of keys and values, lengths included; a bucket's chunk may hold one
/// larger group.
pub const CHUNK_BYTES: usize = 1024 * 1024;
/// The largest group of a bucket that travels: what one block added to one hour. A snapshot with a larger one is not
/// served.
pub const BUCKET_GROUP_BYTES_MAX: usize = 4 * 1024 * 1024;
