//! Logging: `tracing` events as lines on standard error, for people or as JSON. Must not know what is logged.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::config::{Log, LogFormat};

/// Parses `tracing` directives.
///
/// # Errors
/// [`ParseError`] names the directive that is wrong.
pub fn directives(level: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::builder().parse(level)
}

/// Starts logging for the process. A second call changes nothing, so that tests may share a process.
///
/// # Errors
/// [`ParseError`] when `log.level` is no directive; a checked configuration never gives one.
pub fn start(log: &Log) -> Result<(), ParseError> {
    let filter = directives(&log.level)?;
    // Colours are for a terminal: a log file with escape sequences is hard to search.
    let colours = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr);
    // An error only says that a subscriber is there already.
    let _ = match log.format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    Ok(())
}
