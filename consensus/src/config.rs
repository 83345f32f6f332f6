//! The engine's parameters, each with its unit, default and reason.
//!
//! Must not know: where a value comes from (the genesis document and the node's configuration file).

/// Parameters of one engine. Those marked *chain* must be equal on all validators; the rest are local choices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// *chain*: heights in an epoch. Its last header commits the next validator set. Default: no end.
    pub epoch_length: u64,
    /// *chain*: the version that headers must carry. Default 1.
    pub protocol_version: u16,
    /// *chain*: how far, in ms, a timestamp may lie ahead of one's clock before one waits. Default 250: clocks of
    /// banks that run NTP agree within a few ms.
    pub max_drift_ms: u64,
    /// Time between blocks when there is nothing to order, in ms. Default 1,000: a heartbeat shows that finality
    /// lives.
    pub idle_interval_ms: u64,
    /// Least view timeout, in ms. Default 300: twice the longest round trip, so that jitter ends no view.
    pub base_timeout_min_ms: u64,
    /// View timeout before anything was measured, in ms. Default 1,000.
    pub base_timeout_initial_ms: u64,
    /// Largest base timeout, in ms. Default 2,000.
    pub base_timeout_max_ms: u64,
    /// Largest timeout after back-off, in ms. Default 8,000: after an outage all meet again within seconds.
    pub timeout_cap_ms: u64,
    /// Turns of a leader that must fail in a row, with nothing heard of it since, before it is skipped. Default 1: one
    /// that lives is heard long before its next turn.
    pub skip_after: u32,
    /// How often one of the skipped leaders is given a full turn although nothing was heard of it, in ms. Default
    /// 30,000: it costs one view timeout.
    pub probe_interval_ms: u64,
    /// Blocks missing below a certified one before they are fetched in bulk by catch-up instead of one by one.
    /// Default 64.
    pub catch_up_gap: u64,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            epoch_length: u64::MAX,
            protocol_version: 1,
            max_drift_ms: 250,
            idle_interval_ms: 1_000,
            base_timeout_min_ms: 300,
            base_timeout_initial_ms: 1_000,
            base_timeout_max_ms: 2_000,
            timeout_cap_ms: 8_000,
            skip_after: 1,
            probe_interval_ms: 30_000,
            catch_up_gap: 64,
        }
    }
}
