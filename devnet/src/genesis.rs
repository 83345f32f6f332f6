//! The JSON form of genesis: what stands in `genesis.json`, strictly read, and written so that a person can review it.
//! The chain digest is over the ledger's canonical bytes, not over this text: space and order of fields are free.
//! Must not know where nodes run.
//!
//! Unknown fields, missing fields and values out of form are refused, by name. Amounts are minor units; keys are 64
//! hexadecimal digits.

mod document;

use std::path::Path;

use anyhow::{Context, Result};
use tonle_ledger::Genesis;

use document::Document;

/// Reads and checks a genesis file.
///
/// # Errors
/// Names the file, and the line or field that is wrong.
pub fn read(path: &Path) -> Result<Genesis> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&text).with_context(|| format!("{} is no genesis", path.display()))
}

/// Parses and checks the JSON form.
///
/// # Errors
/// Names the line or field that is wrong.
pub fn parse(text: &str) -> Result<Genesis> {
    let document: Document = serde_json::from_str(text)?;
    let genesis = document.into_genesis()?;
    genesis.check()?;
    Ok(genesis)
}

/// The JSON form: one line for each account, since there may be many; everything else spread out.
///
/// # Errors
/// When an account holds reserved money or is not active, which the JSON form has no place for.
pub fn to_json(genesis: &Genesis) -> Result<String> {
    let mut document = Document::of(genesis)?;
    let accounts = std::mem::take(&mut document.accounts);
    let mut text = serde_json::to_string_pretty(&document)?;
    if !accounts.is_empty() {
        let lines: Vec<String> = accounts
            .iter()
            .map(|account| Ok(format!("    {}", serde_json::to_string(account)?)))
            .collect::<Result<_>>()?;
        text = text.replacen("\"accounts\": []", &format!("\"accounts\": [\n{}\n  ]", lines.join(",\n")), 1);
    }
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
#[path = "genesis/tests.rs"]
mod tests;
