//! Payments of a token's accounts as they become final, by server-sent events, so that no shop has to poll. Each event
//! has its place as its id: a client that comes again with `Last-Event-ID` misses nothing and is told nothing twice.
//!
//! Must not know: how payments are found.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, Request, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, Stream};
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tonle_khqr::Md5;

use super::answer::Refusal;
use super::{Caller, Gateway, bearer, now_ms};
use crate::gateway::payment::{Payment, Place};
use crate::gateway::statement::Statement;

/// Payments read at a time, and held for one client.
const READ_AT_ONCE: usize = 64;
/// How long one stream lasts at most; its client then begins another.
const STREAM_LIFE_MAX: Duration = Duration::from_secs(900);
/// Between two signs of life on a stream.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Before a read that found no turn is tried again.
const BUSY_PAUSE: Duration = Duration::from_millis(100);

/// A payment as told: T+, and the code that it was paid by.
#[derive(Serialize)]
struct Told {
    md5: Option<String>,
    #[serde(flatten)]
    statement: Statement,
}

/// What the query says, after `?`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    md5: Option<Md5>,
    after: Option<Place>,
}

impl Asked {
    fn parse(query: &str) -> Option<Self> {
        let mut asked = Asked::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=')? {
                ("md5", text) => asked.md5 = Some(Md5::from_hex(text)?),
                ("after", text) => asked.after = Some(Place::parse(text)?),
                _ => return None,
            }
        }
        Some(asked)
    }
}

/// Begins a stream: after `Last-Event-ID`, else after `after` of the query, else with the next block.
pub(super) fn payments(gateway: &Gateway, request: &Request<Body>) -> Result<Response, Refusal> {
    let shown = bearer(request);
    let caller = gateway.caller(shown.as_deref())?;
    let asked = Asked::parse(request.uri().query().unwrap_or_default());
    let asked = asked.ok_or(Refusal::Field("md5 (32 hexadecimal digits) or after (height.index.operation)"))?;
    let seen = match request.headers().get("last-event-id").map(|id| id.to_str().map(Place::parse)) {
        None => None,
        Some(Ok(Some(place))) => Some(place),
        Some(_) => return Err(Refusal::Field("Last-Event-ID (height.index.operation)")),
    };
    let permit = gateway.parts().links.follower().ok_or(Refusal::TooMany(Duration::from_secs(1)))?;
    let begun = *gateway.parts().index.followed().borrow();
    let following = Following {
        gateway: gateway.clone(),
        shown,
        caller,
        md5: asked.md5,
        after: seen.or(asked.after).unwrap_or(Place::after(begun)),
        waiting: VecDeque::new(),
        until: Instant::now() + STREAM_LIFE_MAX,
        _permit: permit,
    };
    let mut response = Sse::new(events(following)).keep_alive(KeepAlive::new().interval(HEARTBEAT)).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

struct Following {
    gateway: Gateway,
    /// The token, looked at again before each read: it may be taken back meanwhile.
    shown: Option<String>,
    caller: Caller,
    /// Only payments by the code of this MD5.
    md5: Option<Md5>,
    /// The last place that was read.
    after: Place,
    /// What was read and not told.
    waiting: VecDeque<Payment>,
    until: Instant,
    /// A place among those who follow.
    _permit: OwnedSemaphorePermit,
}

fn events(following: Following) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(following, |mut following| async move {
        loop {
            while let Some(payment) = following.waiting.pop_front() {
                if let Some(event) = following.event(&payment) {
                    return Some((Ok(event), following));
                }
            }
            following.read().await?;
        }
    })
}

impl Following {
    /// Reads further payments, and waits for blocks until there are some. `None` ends the stream.
    async fn read(&mut self) -> Option<()> {
        let (mut followed, shutdown) = {
            let parts = self.gateway.parts();
            (parts.index.followed(), parts.links.shutdown())
        };
        loop {
            self.gateway.parts().book.check(self.shown.as_deref(), now_ms()).ok()?;
            let height = *followed.borrow_and_update();
            let (lookup, record, after) = (self.gateway.parts().lookup.clone(), self.caller.record.clone(), self.after);
            let reads = &self.gateway.parts().reads;
            let found = reads.run(move || lookup.since(&record.accounts, after, height, READ_AT_ONCE)).await;
            let next = async {
                match found {
                    Ok(payments) if !payments.is_empty() => Some(payments),
                    Ok(_) => followed.changed().await.ok().map(|()| Vec::new()),
                    Err(_) => {
                        tokio::time::sleep(BUSY_PAUSE).await;
                        Some(Vec::new())
                    }
                }
            };
            let payments = tokio::select! {
                payments = next => payments?,
                () = shutdown.cancelled() => return None,
                () = tokio::time::sleep_until(self.until) => return None,
            };
            if let Some(last) = payments.last() {
                self.after = last.place;
                self.waiting.extend(payments);
                return Some(());
            }
        }
    }

    /// `None` for a payment that was not asked for.
    fn event(&self, payment: &Payment) -> Option<Event> {
        let md5 = payment.instructed.code.as_ref().map(|code| code.md5);
        if self.md5.is_some() && self.md5 != md5 {
            return None;
        }
        let statement = Statement::long(&self.gateway.parts().lookup, payment)?;
        let told = Told { md5: md5.map(|md5| md5.to_string()), statement };
        let data = serde_json::to_string(&told).ok()?;
        Some(Event::default().event("payment").id(payment.place.to_string()).data(data))
    }
}

#[cfg(test)]
mod tests {
    use super::{Asked, Md5, Place};

    #[test]
    fn a_query_names_a_code_or_a_place_and_nothing_else() {
        let md5 = Md5::of("x");
        let place = Place { height: 7, index: 0, operation: 3 };
        for (query, asked) in [
            ("", Some(Asked::default())),
            (&format!("md5={md5}"), Some(Asked { md5: Some(md5), after: None })),
            (&format!("after={place}&md5={md5}"), Some(Asked { md5: Some(md5), after: Some(place) })),
            ("after=7.0", None),
            ("after=7.0.3.1", None),
            ("after=+7.0.3", None),
            ("md5=x", None),
            ("account=a", None),
            ("md5", None),
        ] {
            assert_eq!(Asked::parse(query), asked, "{query}");
        }
    }
}
