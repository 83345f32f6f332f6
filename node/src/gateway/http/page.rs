//! The page of a deep link: the code as a picture, and its status as it changes. It loads nothing from elsewhere, runs
//! nothing inline, and stands in no other page's frame.
//!
//! Must not know: how links are kept, or payments found.

use std::convert::Infallible;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, Stream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tonle_khqr::{Qr, parse};

use super::answer::with_type;
use super::{Gateway, now_ms};
use crate::gateway::links::{Id, Link, Links, Status};
use crate::gateway::reads::Unread;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";
const SCRIPT: &str = include_str!("page.js");
const STYLE: &str = include_str!("page.css");
/// The least time between two looks at a code's status.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How long one stream lasts at most; the page then begins another.
const STREAM_LIFE_MAX: Duration = Duration::from_secs(900);
/// Between two signs of life on a stream.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Why there is no page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// No such link, or its time is over.
    NotFound,
    /// Too many follow already.
    Busy,
    /// The node cannot answer now.
    Unavailable,
}

impl From<Unread> for Refused {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::Busy => Refused::Busy,
            Unread::Failed => Refused::Unavailable,
        }
    }
}

/// A page that says so.
pub(super) fn refuse(refused: Refused) -> Response {
    let (status, text) = match refused {
        Refused::NotFound => (StatusCode::NOT_FOUND, "This link is not good, or not any more."),
        Refused::Busy => (StatusCode::TOO_MANY_REQUESTS, "Too many ask at once. Please try again."),
        Refused::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "The node cannot answer now. Please try again."),
    };
    html(status, &format!("<p>{text}</p>"), "Payment")
}

/// The page's script.
pub(super) fn script() -> Response {
    with_type(StatusCode::OK, "text/javascript; charset=utf-8", SCRIPT)
}

/// The page's style.
pub(super) fn style() -> Response {
    with_type(StatusCode::OK, "text/css; charset=utf-8", STYLE)
}

async fn find(gateway: &Gateway, id: &str, now_ms: u64) -> Result<Link, Refused> {
    let id = Id::parse(id).ok_or(Refused::NotFound)?;
    gateway.parts().links.get(id, now_ms).await?.ok_or(Refused::NotFound)
}

/// The page.
pub(super) async fn link(gateway: &Gateway, id: &str, now_ms: u64) -> Result<Response, Refused> {
    let link = find(gateway, id, now_ms).await?;
    let khqr = parse(&link.payload).map_err(|_| Refused::NotFound)?;
    let picture = Qr::new(&link.payload).map_err(|_| Refused::NotFound)?.svg();
    // A declaration of XML has no place in the middle of HTML.
    let picture = picture.split_once("?>").map_or(picture.as_str(), |(_, drawing)| drawing);
    let status = gateway.parts().links.status(link.clone(), now_ms).await?;
    let amount = match khqr.amount() {
        Some(amount) => format!("{amount} {}", khqr.currency),
        None => format!("any amount in {}", khqr.currency),
    };
    let asked = match &link.source {
        Some(source) => format!("<p class=\"source\">asked by {}</p>", escape(&source.name)),
        None => String::new(),
    };
    let back = match &link.source {
        Some(source) if source.callback.starts_with("https://") => format!(
            "<p><a rel=\"noopener noreferrer\" href=\"{}\">Back to {}</a></p>",
            escape(&source.callback),
            escape(&source.name)
        ),
        _ => String::new(),
    };
    let content = format!(
        "<h1>{name}</h1><p class=\"amount\">{amount}</p><div class=\"code\">{picture}</div>\
         <p id=\"status\" role=\"status\" data-status=\"{status}\">{status}</p>\
         <p class=\"account\">{account}</p>{asked}{back}",
        name = escape(khqr.name),
        amount = escape(&amount),
        account = escape(khqr.payee.account()),
        status = status.name(),
    );
    Ok(html(StatusCode::OK, &content, khqr.name))
}

fn html(status: StatusCode, content: &str, title: &str) -> Response {
    let page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{}</title>\
         <link rel=\"stylesheet\" href=\"/pay/page.css\"><script src=\"/pay/page.js\" defer></script></head>\
         <body><main>{content}</main></body></html>",
        escape(title)
    );
    let mut response = with_type(status, "text/html; charset=utf-8", page);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// Text as it may stand in HTML, in attributes too.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// The status, and each other one that it becomes; it ends with one that stays.
pub(super) async fn events(gateway: &Gateway, id: &str, headers: &HeaderMap, now_ms: u64) -> Result<Response, Refused> {
    let link = find(gateway, id, now_ms).await?;
    let links = gateway.parts().links.clone();
    let permit = links.follower().ok_or(Refused::Busy)?;
    // What a page saw before its connection broke is not told again.
    let seen = headers.get("last-event-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
    let events =
        statuses(Following { links, link, seen, is_over: false, until: Instant::now() + STREAM_LIFE_MAX, permit });
    let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT)).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

struct Following {
    links: Links,
    link: Link,
    /// The status that the page has.
    seen: Option<String>,
    is_over: bool,
    until: Instant,
    /// A place among those who follow.
    permit: OwnedSemaphorePermit,
}

fn statuses(following: Following) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(following, |mut following| async move {
        if following.is_over {
            drop(following.permit);
            return None;
        }
        let status = next(&mut following).await?;
        following.seen = Some(status.name().to_owned());
        following.is_over = !status.is_waiting();
        let data = format!("{{\"status\":\"{}\"}}", status.name());
        let event = Event::default().event("status").id(status.name()).data(data);
        Some((Ok(event), following))
    })
}

/// The next status that the page has not; `None` when the stream is to end.
async fn next(following: &mut Following) -> Option<Status> {
    let (mut followed, shutdown) = (following.links.followed(), following.links.shutdown());
    loop {
        followed.mark_unchanged();
        // A node that is too busy now is asked again with the next block.
        if let Ok(status) = following.links.status(following.link.clone(), now_ms()).await
            && following.seen.as_deref() != Some(status.name())
        {
            return Some(status);
        }
        let again = async {
            tokio::time::sleep(LOOK_AGAIN).await;
            followed.changed().await
        };
        tokio::select! {
            changed = again => changed.ok()?,
            () = shutdown.cancelled() => return None,
            () = tokio::time::sleep_until(following.until) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn text_cannot_leave_its_place() {
        assert_eq!(escape("<a b=\"c\" d='e'>&ខ"), "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;ខ");
    }
}
