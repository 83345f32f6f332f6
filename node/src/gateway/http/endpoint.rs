//! What is served under which path. Clients join a base URL and a path by hand, so `//` counts as `/`.
//!
//! Must not know: what an endpoint does.

use axum::http::Method;

use super::body::By;

/// A call of the Open API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    Transaction(By),
    Md5List,
    HashList,
    CheckAccount,
    GenerateDeepLink,
    RenewToken,
}

impl Endpoint {
    /// Every call, by its path.
    pub(super) const ALL: [(&'static str, Endpoint); 10] = [
        ("/v1/check_transaction_by_md5", Endpoint::Transaction(By::Md5)),
        ("/v1/check_transaction_by_hash", Endpoint::Transaction(By::Hash)),
        ("/v1/check_transaction_by_short_hash", Endpoint::Transaction(By::ShortHash)),
        ("/v1/check_transaction_by_instruction_ref", Endpoint::Transaction(By::Instruction)),
        ("/v1/check_transaction_by_external_ref", Endpoint::Transaction(By::External)),
        ("/v1/check_transaction_by_md5_list", Endpoint::Md5List),
        ("/v1/check_transaction_by_hash_list", Endpoint::HashList),
        ("/v1/check_bakong_account", Endpoint::CheckAccount),
        ("/v1/generate_deeplink_by_qr", Endpoint::GenerateDeepLink),
        ("/v1/renew_token", Endpoint::RenewToken),
    ];

    /// Must a token be shown?
    pub(super) const fn needs_token(self) -> bool {
        match self {
            Endpoint::Transaction(_) | Endpoint::Md5List | Endpoint::HashList | Endpoint::RenewToken => true,
            Endpoint::CheckAccount | Endpoint::GenerateDeepLink => false,
        }
    }
}

/// A page for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Page {
    /// The page of a deep link.
    Link(String),
    /// Its live status.
    Events(String),
    /// What the page runs.
    Script,
    /// How the page looks.
    Style,
}

/// What a request is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    Call(Endpoint),
    Page(Page),
    /// Payments as they become final.
    Stream,
    OpenApi,
}

/// Why a request is for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotServed {
    Path,
    /// The path is served under this method.
    Method(&'static str),
}

/// What `method` and `path` are for.
pub(super) fn target(method: &Method, path: &str) -> Result<Target, NotServed> {
    let mut plain = String::with_capacity(path.len());
    for part in path.split('/').filter(|part| !part.is_empty()) {
        plain.push('/');
        plain.push_str(part);
    }
    if let Some((_, endpoint)) = Endpoint::ALL.iter().find(|(path, _)| *path == plain) {
        return if method == Method::POST { Ok(Target::Call(*endpoint)) } else { Err(NotServed::Method("POST")) };
    }
    let page = match plain.strip_prefix('/').unwrap_or_default().split('/').collect::<Vec<&str>>().as_slice() {
        ["openapi.json"] => Target::OpenApi,
        ["v1", "payments"] => Target::Stream,
        ["pay", "page.js"] => Target::Page(Page::Script),
        ["pay", "page.css"] => Target::Page(Page::Style),
        ["pay", id] => Target::Page(Page::Link((*id).to_owned())),
        ["pay", id, "events"] => Target::Page(Page::Events((*id).to_owned())),
        _ => return Err(NotServed::Path),
    };
    if method == Method::GET { Ok(page) } else { Err(NotServed::Method("GET")) }
}

#[cfg(test)]
mod tests {
    use super::{Endpoint, NotServed, Page, Target, target};
    use axum::http::Method;

    #[test]
    fn doubled_and_trailing_slashes_change_nothing() {
        for (path, endpoint) in Endpoint::ALL {
            for path in [path.to_owned(), path.replace('/', "//"), format!("{path}/")] {
                assert_eq!(target(&Method::POST, &path), Ok(Target::Call(endpoint)), "{path}");
                assert_eq!(target(&Method::GET, &path), Err(NotServed::Method("POST")), "{path}");
            }
        }
        for path in ["", "/", "/v1", "/v1/check", "/v1/check_transaction_by_md5/x", "/pay", "/pay/a/b", "*"] {
            assert_eq!(target(&Method::POST, path), Err(NotServed::Path), "{path}");
        }
        assert_eq!(target(&Method::GET, "//pay//x//events"), Ok(Target::Page(Page::Events("x".to_owned()))));
        assert_eq!(target(&Method::POST, "/openapi.json"), Err(NotServed::Method("GET")));
    }
}
