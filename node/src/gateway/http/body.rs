//! Bodies of requests: read within bounds, parsed with the names that clients use.
//!
//! Must not know: what is asked.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::answer::Refusal;

/// Most bytes of a body.
pub(super) const BODY_BYTES_MAX: usize = 65_536;
/// How long a body may take to come.
const BODY_TIME_MAX: Duration = Duration::from_secs(10);
/// Most entries of a list.
pub(super) const LIST_MAX: usize = 50;

/// Reads a whole body.
pub(super) async fn read(body: Body) -> Result<Vec<u8>, Refusal> {
    match tokio::time::timeout(BODY_TIME_MAX, to_bytes(body, BODY_BYTES_MAX)).await {
        Ok(Ok(bytes)) => Ok(bytes.to_vec()),
        Ok(Err(_)) => Err(Refusal::BodyTooLarge),
        Err(_) => Err(Refusal::BodyLate),
    }
}

/// Parses a body; `expected` says what it must be.
pub(super) fn parse<'a, T: Deserialize<'a>>(body: &'a [u8], expected: &'static str) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|_| Refusal::Field(expected))
}

/// What a transaction is looked up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Md5,
    Hash,
    ShortHash,
    Instruction,
    External,
}

#[derive(Debug, Deserialize)]
pub(super) struct ByMd5 {
    pub(super) md5: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct ByHash {
    pub(super) hash: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct ByShortHash<'a> {
    #[serde(alias = "shortHash")]
    pub(super) hash: String,
    /// A JSON number, or one in a string: read digit by digit, never as a float.
    #[serde(borrow)]
    pub(super) amount: &'a RawValue,
    pub(super) currency: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ByInstruction {
    pub(super) instruction_ref: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ByExternal {
    pub(super) external_ref: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AccountOf {
    #[serde(alias = "bakongAccountID", alias = "bakongAccountId")]
    pub(super) account_id: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Renewal {
    pub(super) email: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeepLink {
    pub(super) qr: String,
    pub(super) source_info: Option<SourceInfo>,
}

/// Whose application asks for a deep link.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SourceInfo {
    pub(super) app_icon_url: Option<String>,
    pub(super) app_name: Option<String>,
    pub(super) app_deep_link_callback: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum List {
    Bare(Vec<String>),
    Md5 {
        #[serde(rename = "md5List")]
        list: Vec<String>,
    },
    Hash {
        #[serde(rename = "hashList")]
        list: Vec<String>,
    },
}

/// A list of MD5s or hashes: a bare array, `{md5List}` or `{hashList}`.
pub(super) fn list(body: &[u8]) -> Result<Vec<String>, Refusal> {
    let expected = "an array of at most 50 strings";
    let (List::Bare(list) | List::Md5 { list } | List::Hash { list }) = parse(body, expected)?;
    if list.len() > LIST_MAX { Err(Refusal::Field(expected)) } else { Ok(list) }
}

#[cfg(test)]
mod tests {
    use super::{AccountOf, ByShortHash, Refusal, list, parse};

    #[test]
    fn lists_come_bare_or_named_and_end_at_fifty() {
        for body in [r#"["a","b"]"#, r#"{"md5List":["a","b"]}"#, r#"{"hashList":["a","b"]}"#] {
            assert_eq!(list(body.as_bytes()), Ok(vec!["a".to_owned(), "b".to_owned()]), "{body}");
        }
        let of = |count: usize| serde_json::to_vec(&vec!["x"; count]).unwrap();
        assert_eq!(list(&of(50)).map(|list| list.len()), Ok(50));
        for bad in [of(51), b"{}".to_vec(), b"[1]".to_vec(), b"\"a\"".to_vec(), b"[".to_vec(), Vec::new()] {
            assert!(matches!(list(&bad), Err(Refusal::Field(_))), "{}", String::from_utf8_lossy(&bad));
        }
    }

    #[test]
    fn fields_have_the_names_that_clients_use() {
        for name in ["accountId", "bakongAccountID", "bakongAccountId"] {
            let body = format!(r#"{{"{name}":"dara@aba","other":1}}"#);
            assert_eq!(parse::<AccountOf>(body.as_bytes(), "").map(|body| body.account_id), Ok("dara@aba".to_owned()));
        }
        for name in ["hash", "shortHash"] {
            let body = format!(r#"{{"{name}":"0011aabb","amount":1.50,"currency":"USD"}}"#);
            let parsed: ByShortHash<'_> = parse(body.as_bytes(), "").unwrap();
            assert_eq!((parsed.hash.as_str(), parsed.amount.get()), ("0011aabb", "1.50"));
        }
    }
}
