//! The engine: one match over the inputs.
//!
//! Must not know: sockets, files, clocks, what a payload means.

use crate::{Anchor, Config, Input, Output, Recovered, SigningContext, Status, Time, ValidatorIndex, View};

/// The consensus protocol of one validator in one epoch, or of an observer.
pub struct Consensus {
    view: View,
    status: Status,
}

impl Consensus {
    /// An engine that will start at [`Input::Start`].
    #[must_use]
    pub fn new(
        context: SigningContext,
        me: Option<ValidatorIndex>,
        config: Config,
        anchor: Anchor,
        recovered: Recovered,
    ) -> Self {
        let _ = (me, config, anchor, recovered, context);
        todo!()
    }
    /// Takes an input and says what to do, in order.
    pub fn handle(&mut self, now: Time, input: Input) -> Vec<Output> {
        let _ = (now, input);
        Vec::new()
    }
    /// When [`Input::Tick`] is due, in microseconds of the monotonic clock.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        None
    }
    /// The current view.
    #[must_use]
    pub fn view(&self) -> View {
        self.view
    }
    /// A picture for operators.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status.clone()
    }
}
