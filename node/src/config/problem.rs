//! What is wrong with a configuration, said so that the reader can mend it. Must not know any key.

use std::fmt;

use serde::Serialize;

/// One thing to mend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The key's path, such as `grpc.listen`; empty for the file as a whole.
    pub key: String,
    /// Where the value came from: the file, a variable, or `--set`; `None` for a default or a missing key.
    pub source: Option<String>,
    /// What is wrong; reads on from the key.
    pub problem: String,
    /// What to do.
    pub advice: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.key, if self.key.is_empty() { "" } else { ": " }, self.problem)?;
        if let Some(source) = &self.source {
            write!(f, " (from {source})")?;
        }
        write!(f, "\n    {}", self.advice)
    }
}

/// Everything to mend, in the order of the keys; never empty as an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(transparent)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        writeln!(f, "{count} problem{} in the configuration", if count == 1 { "" } else { "s" })?;
        for problem in &self.0 {
            writeln!(f, "  {problem}")?;
        }
        Ok(())
    }
}
