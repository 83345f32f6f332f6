//! Logging: `tracing` events as lines on standard error, for people or as JSON. Must not know what is logged.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::config::{Log, LogFormat};

/// Gossipsub warns of each message that it cannot queue for a slow peer, with the message in the line: thousands of lines
/// while a bank is down. Its errors are kept; a level of one's own for it replaces this.
const QUIET: (&str, &str) = ("libp2p_gossipsub", "libp2p_gossipsub=error");

/// Parses `tracing` directives, and adds what is too noisy without.
///
/// # Errors
/// [`ParseError`] names the directive that is wrong.
pub fn directives(level: &str) -> Result<EnvFilter, ParseError> {
    let (target, quiet) = QUIET;
    let own = level.contains(target);
    EnvFilter::builder().parse(if own { level.to_owned() } else { format!("{quiet},{level}") })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gossip_is_quiet_unless_asked_for() {
        for (level, expected) in
            [("info", "libp2p_gossipsub=error"), ("libp2p_gossipsub=debug,info", "libp2p_gossipsub=debug")]
        {
            let filter = directives(level).unwrap().to_string();
            assert!(filter.contains(expected) && filter.contains("info"), "{filter}");
        }
        assert!(directives("tonle=loud").is_err());
    }
}
