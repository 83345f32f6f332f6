//! Newtypes of the protocol: heights, views, epochs, validator indices, timestamps. Arithmetic is checked or says in
//! its name that it saturates.
//!
//! Must not know: what any of them is used for.

use std::fmt;

use tonle_crypto::{Canonical, CodecError, Reader, Writer};

macro_rules! number {
    ($(#[$documentation:meta])* $name:ident) => {
        $(#[$documentation])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(u64);

        impl $name {
            /// Zero.
            pub const ZERO: $name = $name(0);

            /// Wraps a number.
            #[must_use]
            pub const fn new(value: u64) -> Self {
                $name(value)
            }
            /// The number.
            #[must_use]
            pub const fn get(self) -> u64 {
                self.0
            }
            /// The number after this one; `None` at the end of the range.
            #[must_use]
            pub fn next(self) -> Option<Self> {
                self.0.checked_add(1).map($name)
            }
            /// The number before this one; `None` for zero.
            #[must_use]
            pub fn previous(self) -> Option<Self> {
                self.0.checked_sub(1).map($name)
            }
            /// This number plus `amount`, or the end of the range.
            #[must_use]
            pub const fn saturating_add(self, amount: u64) -> Self {
                $name(self.0.saturating_add(amount))
            }
            /// This number minus `amount`, or zero.
            #[must_use]
            pub const fn saturating_sub(self, amount: u64) -> Self {
                $name(self.0.saturating_sub(amount))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl Canonical for $name {
            fn encode_to(&self, writer: &mut Writer) {
                writer.u64(self.0);
            }
            fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
                reader.u64().map($name)
            }
        }
    };
}

number! {
    /// How many blocks lie below a block; genesis has height 0.
    Height
}
number! {
    /// A turn of one leader within an epoch. View 0 has no leader: the epoch's anchor stands for it.
    View
}
number! {
    /// A span of heights with one fixed validator set. The first is 0.
    Epoch
}
number! {
    /// Milliseconds since the Unix epoch, as a leader's clock had them.
    Timestamp
}

/// A validator's place in its set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValidatorIndex(u16);

impl ValidatorIndex {
    /// Wraps an index. It may be out of range of a given set; the set says.
    #[must_use]
    pub const fn new(value: u16) -> Self {
        ValidatorIndex(value)
    }
    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
    /// The number, for addressing a list.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl fmt::Display for ValidatorIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Canonical for ValidatorIndex {
    fn encode_to(&self, writer: &mut Writer) {
        writer.u16(self.0);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        reader.u16().map(ValidatorIndex)
    }
}

/// The two clocks of the machine at one moment, as the shell read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Time {
    /// Microseconds of a clock that never goes back. Drives timers.
    pub monotonic_us: u64,
    /// Milliseconds since the Unix epoch. Drives timestamps and nothing else.
    pub wall_ms: u64,
}
