//! BLAKE3 digests with domain separation: a digest made for one purpose never equals one made for another.
//!
//! Every digest is `BLAKE3.derive_key(context, input)`, the mode BLAKE3 defines for separation of purposes
//! (BLAKE3 paper, section 2.3). A client computes the same with any BLAKE3 library that has that mode.

use std::fmt;
use std::sync::OnceLock;

use blake3::hazmat::{ContextKey, HasherExt as _, hash_derive_key_context};

/// A 32-byte BLAKE3 digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; Digest::LENGTH]);

impl Digest {
    /// Length in bytes.
    pub const LENGTH: usize = 32;
    /// All zero: "nothing before this", such as the parent of a lane's first batch. No input is
    /// known that hashes to it, and to find one means to break BLAKE3.
    pub const ZERO: Digest = Digest([0; Digest::LENGTH]);

    /// Wraps 32 bytes that were computed elsewhere, such as bytes read from a message.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Digest::LENGTH]) -> Self {
        Digest(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Digest::LENGTH] {
        &self.0
    }

    /// Parses 64 hexadecimal digits; `None` for anything else.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() != 64 {
            return None;
        }
        let mut out = [0u8; Digest::LENGTH];
        for (slot, pair) in out.iter_mut().zip(bytes.chunks_exact(2)) {
            let text = std::str::from_utf8(pair).ok()?;
            if text.starts_with('+') {
                return None;
            }
            *slot = u8::from_str_radix(text, 16).ok()?;
        }
        Some(Digest(out))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    /// The first four bytes: enough to tell digests apart in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(4).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A purpose that digests are made for. Declare one `static` for each; its context string is part of the format.
pub struct Domain {
    context: &'static str,
    key: OnceLock<ContextKey>,
}

impl Domain {
    /// A domain named by `context`, by convention `tonle v1 <purpose>`.
    #[must_use]
    pub const fn new(context: &'static str) -> Self {
        Domain { context, key: OnceLock::new() }
    }

    /// The context string that BLAKE3's key derivation takes.
    #[must_use]
    pub const fn context(&self) -> &'static str {
        self.context
    }

    /// The digest of `bytes` in this domain.
    #[must_use]
    pub fn digest(&self, bytes: &[u8]) -> Digest {
        self.digest_parts(&[bytes])
    }

    /// The digest of the concatenation of `parts`. The parts are not separated: give fixed-length ones, or lengths.
    #[must_use]
    pub fn digest_parts(&self, parts: &[&[u8]]) -> Digest {
        let mut hasher = self.hasher();
        for part in parts {
            hasher.update(part);
        }
        Digest(*hasher.finalize().as_bytes())
    }

    /// A digest that is fed piece by piece.
    #[must_use]
    pub fn stream(&self) -> StreamingDigest {
        StreamingDigest(self.hasher())
    }

    /// A new hasher. Deriving the context's key costs a compression, which is done once for each domain; a hasher has
    /// room for 1.7 kB of chaining values, which is why none is kept to be copied.
    fn hasher(&self) -> blake3::Hasher {
        blake3::Hasher::new_from_context_key(self.key.get_or_init(|| hash_derive_key_context(self.context)))
    }
}

impl fmt::Debug for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.context)
    }
}

/// A digest under way. See [`Domain::stream`].
#[derive(Clone)]
pub struct StreamingDigest(blake3::Hasher);

impl StreamingDigest {
    /// Adds `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all that was added.
    #[must_use]
    pub fn finish(&self) -> Digest {
        Digest(*self.0.finalize().as_bytes())
    }
}
