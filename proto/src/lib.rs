//! The wire: the .proto files of `tonle.v1` (for clients) and `tonle.peer.v1` (between validators), and the code
//! generated from them.
//!
//! Must not hold: logic. The node's conversion module turns these types into domain types and back; nothing else uses
//! them but clients.

/// For clients: what is signed, what the ledger answers, and the services.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
pub mod v1 {
    tonic::include_proto!("tonle.v1");
}

/// Between validators: the frame around canonical bytes.
pub mod peer {
    /// Version 1.
    #[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
    pub mod v1 {
        tonic::include_proto!("tonle.peer.v1");
    }
}

/// The serialized `FileDescriptorSet` of every .proto file, for server reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptor.bin"));
