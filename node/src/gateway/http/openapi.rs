//! The OpenAPI document of what is served here. It is written by hand, and a test holds it to the table of endpoints.
//!
//! Must not know: how anything is answered.

use axum::http::StatusCode;
use axum::response::Response;

use super::answer::with_type;

const DOCUMENT: &str = include_str!("openapi.json");

/// The document.
pub(super) fn answer() -> Response {
    with_type(StatusCode::OK, "application/json", DOCUMENT)
}

#[cfg(test)]
mod tests {
    use super::DOCUMENT;
    use crate::gateway::http::endpoint::Endpoint;
    use std::collections::BTreeSet;

    #[test]
    fn the_document_names_every_call_and_whether_it_needs_a_token() {
        let document: serde_json::Value = serde_json::from_str(DOCUMENT).unwrap();
        let paths = document["paths"].as_object().unwrap();
        // What is asked by GET is no call of the table.
        let calls = paths.keys().map(String::as_str).filter(|path| paths[*path].get("post").is_some());
        let named: BTreeSet<&str> = calls.collect();
        assert_eq!(named, Endpoint::ALL.iter().map(|(path, _)| *path).collect());
        for (path, endpoint) in Endpoint::ALL {
            // An empty requirement means that it may be asked without.
            let security = paths[path]["post"]["security"].as_array().unwrap();
            assert_eq!(!security.iter().any(|one| one == &serde_json::json!({})), endpoint.needs_token(), "{path}");
        }
    }
}
