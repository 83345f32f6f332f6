//! Making a deep link.
//!
//! Must not know: how links are kept.

use axum::response::Response;
use serde::Serialize;

use super::answer::{Refusal, answer};
use super::body::{self, DeepLink, SourceInfo};
use super::{Gateway, now_ms};
use crate::gateway::links::{Link, Source};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Short {
    short_link: String,
}

/// A link to a code that can be paid now.
pub(super) async fn generate(gateway: &Gateway, body: &[u8]) -> Result<Response, Refusal> {
    let DeepLink { qr, source_info } = body::parse(body, "qr, a string")?;
    let now_ms = now_ms();
    let khqr = tonle_khqr::verify(&qr, now_ms).map_err(Refusal::Code)?;
    let source = source_info.map(source).transpose()?;
    let link = Link::new(&qr, &khqr, source, now_ms);
    let links = &gateway.parts().links;
    let id = links.add(link, now_ms).await?.map_err(|_| Refusal::LinksFull)?;
    Ok(answer("Getting deep link successfully", Short { short_link: links.address(&id) }))
}

/// All three fields, or the whole is refused: as the SDKs have it.
fn source(info: SourceInfo) -> Result<Source, Refusal> {
    let SourceInfo { app_icon_url, app_name, app_deep_link_callback } = info;
    let fields = app_icon_url.zip(app_name).zip(app_deep_link_callback);
    let source = fields.and_then(|((icon, name), callback)| Source::new(&icon, &name, &callback));
    source.ok_or(Refusal::Field("sourceInfo, with appIconUrl, appName and appDeepLinkCallback"))
}
