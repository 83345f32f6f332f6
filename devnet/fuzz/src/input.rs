//! A fuzzer's bytes, read as choices. Bytes that have run out read as zero, which every target takes for the honest
//! choice: so each input means something, and a short one means something simple.
//!
//! Must not know: what is chosen.

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Input(bytes)
    }
    /// Has it run out?
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// The next byte.
    pub(crate) fn u8(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }
    /// Two bytes.
    pub(crate) fn u16(&mut self) -> u16 {
        u16::from_be_bytes([self.u8(), self.u8()])
    }
    /// Eight bytes.
    pub(crate) fn u64(&mut self) -> u64 {
        (0..8).fold(0, |value, _| value << 8 | u64::from(self.u8()))
    }
    /// One of several; the first when there is nothing left.
    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
    /// An index below `length`, which is from 1 to 256.
    pub(crate) fn below(&mut self, length: usize) -> usize {
        usize::from(self.u8()) % length
    }
    /// True for one byte in sixteen, so that most of what is made is honest.
    pub(crate) fn rarely(&mut self) -> bool {
        self.u8() >= 0xf0
    }
    /// At most `length` bytes.
    pub(crate) fn bytes(&mut self, length: usize) -> &'a [u8] {
        let (head, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        head
    }
}
