//! Frames on direct streams: four bytes of length, big-endian, then `tonle.peer.v1.Frame`. Knows protobuf; does not
//! know what the canonical bytes inside say.
//!
//! ```text
//! +----------------+---------------------------------------------+
//! | length, u32 BE | Frame { hello } or Frame { message: bytes } |
//! +----------------+---------------------------------------------+
//! ```

use std::io;
use std::sync::Arc;

use bytes::{BufMut as _, Bytes, BytesMut};
use futures::{AsyncRead, AsyncReadExt as _};
use prost::Message as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonle_crypto::{CodecError, Digest};
use tonle_proto::peer::v1 as proto;

/// Bytes of a frame's length.
const PREFIX: usize = 4;

/// The unit in which memory for received frames is counted: a semaphore's permits are fewer than bytes.
const PERMIT_BYTES: usize = 1024;

/// A hello is some 45 bytes; nothing larger is read before the sender has said what chain it is on.
pub(super) const HELLO_BYTES_MAX: usize = 128;

/// Why a direct stream ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The stream or its connection ended.
    #[error("stream ended: {0}")]
    Ended(#[from] io::Error),
    /// A frame longer than the stream's bound was announced.
    #[error("frame of {length} bytes is above {max}")]
    Oversized { length: usize, max: usize },
    /// The frame is no `tonle.peer.v1.Frame`, or not its canonical form.
    #[error("frame is malformed")]
    Frame,
    /// The message inside is not canonical.
    #[error("message is malformed: {0}")]
    Message(#[from] CodecError),
    /// The message does not belong on this stream.
    #[error("message does not belong on this stream")]
    Misplaced,
    /// The hello says something else than this node's own.
    #[error("{0}")]
    Mismatch(Mismatch),
    /// The peer took or sent nothing for too long.
    #[error("stream stalled")]
    Stalled,
}

impl Failure {
    /// Did the peer send what no honest peer sends?
    pub(super) const fn is_offence(&self) -> bool {
        match self {
            Failure::Oversized { .. } | Failure::Frame | Failure::Message(_) | Failure::Misplaced => true,
            Failure::Ended(_) | Failure::Mismatch(_) | Failure::Stalled => false,
        }
    }
}

/// What differs between a peer's hello and what this node expects of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Mismatch {
    /// It is on another chain.
    #[error("peer is on another chain: its genesis is {0}")]
    Genesis(Digest),
    /// It speaks another version.
    #[error("peer speaks protocol version {0}")]
    Version(u32),
}

/// What the first frame of each stream says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hello {
    pub(super) protocol_version: u16,
    pub(super) genesis: Digest,
}

impl Hello {
    /// The hello as a frame with its length in front.
    pub(super) fn to_frame(self) -> Bytes {
        let hello = proto::Hello {
            protocol_version: u32::from(self.protocol_version),
            genesis: Bytes::copy_from_slice(self.genesis.as_bytes()),
        };
        with_length(&proto::Frame { body: Some(proto::frame::Body::Hello(hello)) })
    }

    /// Compares what a peer said with what is expected of it.
    pub(super) fn check(self, said: &proto::Hello) -> Result<(), Failure> {
        let genesis = <[u8; 32]>::try_from(said.genesis.as_ref()).map_err(|_| Failure::Frame)?;
        let genesis = Digest::from_bytes(genesis);
        if genesis != self.genesis {
            return Err(Failure::Mismatch(Mismatch::Genesis(genesis)));
        }
        if said.protocol_version != u32::from(self.protocol_version) {
            return Err(Failure::Mismatch(Mismatch::Version(said.protocol_version)));
        }
        Ok(())
    }
}

/// Canonical bytes as a frame with its length in front.
pub(super) fn message(canonical: Vec<u8>) -> Bytes {
    with_length(&proto::Frame { body: Some(proto::frame::Body::Message(canonical.into())) })
}

fn with_length(frame: &proto::Frame) -> Bytes {
    let length = frame.encoded_len();
    let mut out = BytesMut::with_capacity(PREFIX + length);
    // Every bound of a frame is far below 4 GiB; a longer one would be refused by its receiver.
    out.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    out.put_slice(&frame.encode_to_vec());
    out.freeze()
}

/// Memory that a received frame takes until it is dropped.
#[derive(Debug)]
pub(super) struct Room(#[allow(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

/// Memory for received frames: one for each peer and class.
#[derive(Debug, Clone)]
pub(super) struct Budget(Arc<Semaphore>);

impl Budget {
    /// Room for `bytes`.
    pub(super) fn new(bytes: usize) -> Self {
        Budget(Arc::new(Semaphore::new(bytes / PERMIT_BYTES)))
    }

    /// Waits until there is room for `bytes`, which must be at most what the budget was made with.
    async fn room(&self, bytes: usize) -> Result<Room, Failure> {
        let permit = Arc::clone(&self.0).acquire_many_owned(permits(bytes)).await;
        permit.map(Room).map_err(|_| Failure::Ended(io::ErrorKind::ConnectionAborted.into()))
    }

    /// Room for `bytes`, if there is any.
    pub(super) fn try_room(&self, bytes: usize) -> Option<Room> {
        Arc::clone(&self.0).try_acquire_many_owned(permits(bytes)).ok().map(Room)
    }
}

fn permits(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(PERMIT_BYTES).max(1)).unwrap_or(u32::MAX)
}

/// Reads one frame of at most `max` bytes. Nothing is allocated for it before its length is found to be within the
/// bound and the peer's budget has room.
///
/// # Errors
/// [`Failure`] when the stream ends, or holds what no honest peer writes.
pub(super) async fn read<R: AsyncRead + Unpin>(
    stream: &mut R,
    max: usize,
    budget: &Budget,
) -> Result<(proto::frame::Body, usize, Room), Failure> {
    let mut prefix = [0u8; PREFIX];
    stream.read_exact(&mut prefix).await?;
    let length = usize::try_from(u32::from_be_bytes(prefix)).unwrap_or(usize::MAX);
    if length > max {
        return Err(Failure::Oversized { length, max });
    }
    let room = budget.room(length).await?;
    let mut body = vec![0u8; length];
    stream.read_exact(&mut body).await?;
    let body = Bytes::from(body);
    let frame = proto::Frame::decode(body.clone()).map_err(|_| Failure::Frame)?;
    // prost skips unknown fields and takes the last of repeated ones; both would be lost here. It also takes fields in
    // any order and numbers above their range, at the same length: only a hello has several fields, or a number.
    let is_hello = matches!(frame.body, Some(proto::frame::Body::Hello(_)));
    if frame.encoded_len() != length || (is_hello && frame.encode_to_vec() != body) {
        return Err(Failure::Frame);
    }
    Ok((frame.body.ok_or(Failure::Frame)?, PREFIX + length, room))
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;
    use futures::io::Cursor;
    use proptest::prelude::*;

    use super::*;

    const HELLO: Hello = Hello { protocol_version: 1, genesis: Digest::from_bytes([0xab; 32]) };

    fn read_all(bytes: &[u8], max: usize) -> Result<proto::frame::Body, Failure> {
        block_on(read(&mut Cursor::new(bytes), max, &Budget::new(1024 * 1024))).map(|(body, ..)| body)
    }

    #[test]
    fn the_bytes_of_frames_are_pinned() {
        let digest = "ab".repeat(32);
        assert_eq!(hex::encode(HELLO.to_frame()), format!("000000260a2408011220{digest}"));
        assert_eq!(hex::encode(message(vec![1, 2, 3])), "000000051203010203");
    }

    #[test]
    fn a_hello_that_differs_says_how() {
        let said = |hello: Hello| match read_all(&hello.to_frame(), HELLO_BYTES_MAX) {
            Ok(proto::frame::Body::Hello(said)) => HELLO.check(&said),
            other => panic!("{other:?}"),
        };
        assert!(said(HELLO).is_ok());
        let other = Digest::from_bytes([1; 32]);
        let cases = [
            (Hello { genesis: other, ..HELLO }, Mismatch::Genesis(other)),
            (Hello { protocol_version: 2, ..HELLO }, Mismatch::Version(2)),
        ];
        for (hello, mismatch) in cases {
            match said(hello) {
                Err(Failure::Mismatch(found)) => assert_eq!(found, mismatch),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_hello_in_another_form_is_refused() {
        let swap = |hello: &[u8]| {
            let (version, genesis) = hello.split_at(2);
            [genesis, version].concat()
        };
        let frame = HELLO.to_frame();
        let reordered = [&frame[..6], &swap(&frame[6..])].concat();
        assert_eq!(reordered.len(), frame.len());
        assert!(matches!(read_all(&reordered, HELLO_BYTES_MAX), Err(Failure::Frame)));
        // 2^32 + 2^28 and 2^28 are the same number to an ordinary decoder, in as many bytes.
        let frame = |top: u8| [0, 0, 0, 8, 0x0a, 6, 0x08, 0x80, 0x80, 0x80, 0x80, top];
        assert!(read_all(&frame(0x01), HELLO_BYTES_MAX).is_ok());
        assert!(matches!(read_all(&frame(0x11), HELLO_BYTES_MAX), Err(Failure::Frame)));
    }

    #[test]
    fn a_frame_above_the_bound_is_refused_before_its_body_is_read() {
        let frame = message(vec![0; 100]);
        assert!(matches!(read_all(&frame[..PREFIX], 99), Err(Failure::Oversized { max: 99, .. })));
    }

    #[test]
    fn a_frame_waits_for_room_in_its_peers_budget() {
        let budget = Budget::new(2048);
        let frame = message(vec![0; 1500]);
        let mut stream = Cursor::new([frame.clone(), frame].concat());
        let first = block_on(read(&mut stream, 2048, &budget)).expect("there is room");
        assert!(budget.try_room(1).is_none(), "1,504 bytes take both permits of 1,024");
        assert!(futures::FutureExt::now_or_never(read(&mut stream, 2048, &budget)).is_none());
        drop(first);
        assert!(budget.try_room(2048).is_some());
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_or_are_the_only_encoding_of_a_frame(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut bytes = u32::try_from(body.len()).expect("short").to_be_bytes().to_vec();
            bytes.extend(&body);
            if let Ok(read) = read_all(&bytes, 1024) {
                prop_assert_eq!(proto::Frame { body: Some(read) }.encode_to_vec(), body);
            }
        }

        #[test]
        fn a_frame_under_mutation_is_refused_or_is_the_only_encoding(seed in any::<u64>(), length in 0usize..300) {
            let frames = [HELLO.to_frame(), message(vec![7; length])];
            let mut dice = tonle_fuzz::Dice::new(seed);
            let bytes = tonle_fuzz::mutate(&frames[dice.below(2)], &frames[dice.below(2)], &mut dice);
            let claimed = bytes.first_chunk::<PREFIX>().map(|prefix| u32::from_be_bytes(*prefix));
            match read_all(&bytes, 1024) {
                Ok(read) => {
                    let again = with_length(&proto::Frame { body: Some(read) });
                    prop_assert_eq!(Some(&again[..]), bytes.get(..again.len()));
                }
                Err(Failure::Oversized { length, max }) => prop_assert!(length > max && claimed > Some(1024)),
                Err(Failure::Ended(_) | Failure::Frame) => {}
                Err(other) => prop_assert!(false, "{other}"),
            }
        }

        #[test]
        fn every_message_comes_back(canonical in prop::collection::vec(any::<u8>(), 0..2000)) {
            let body = read_all(&message(canonical.clone()), 4096).expect("a frame");
            prop_assert_eq!(body, proto::frame::Body::Message(canonical.into()));
        }
    }
}
