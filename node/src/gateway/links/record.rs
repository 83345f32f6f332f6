//! A deep link as kept.
//!
//! Must not know: where it is kept.

use std::fmt;

use tonle_crypto::{Canonical, CodecError, Domain, Reader, Writer};
use tonle_khqr::{Khqr, PAYLOAD_BYTES_MAX, Terms};

static LINK: Domain = Domain::new("tonle v1 deep link");

/// How long a link to a static code is good after it was last asked for: 30 days.
const STATIC_LIFE_MS: u64 = 30 * 24 * 3_600_000;
/// How long a link is good after its code is not: an hour, so that who paid late sees what became of it.
const GRACE_MS: u64 = 3_600_000;
/// Most bytes of an application's name.
const NAME_BYTES_MAX: usize = 64;
/// Most bytes of an address.
const URL_BYTES_MAX: usize = 512;

/// Names a link: ten bytes of the digest of what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gateway) struct Id([u8; 10]);

impl Id {
    /// Parses 20 lower-case hexadecimal digits.
    pub(in crate::gateway) fn parse(text: &str) -> Option<Self> {
        let mut id = [0; 10];
        hex::decode_to_slice(text, &mut id).ok()?;
        text.bytes().all(|byte| !byte.is_ascii_uppercase()).then_some(Id(id))
    }

    pub(super) const fn as_bytes(&self) -> &[u8; 10] {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// Whose application asked for a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::gateway) struct Source {
    /// Its name, shown to who pays.
    pub(in crate::gateway) name: String,
    /// Where to go back to. Shown as a link only when it is one of the web.
    pub(in crate::gateway) callback: String,
}

impl Source {
    /// `None` when one of them is empty or too long, or the addresses are none.
    pub(in crate::gateway) fn new(icon: &str, name: &str, callback: &str) -> Option<Self> {
        let is_address = |text: &str| {
            text.len() <= URL_BYTES_MAX
                && text.bytes().all(|byte| byte.is_ascii_graphic())
                && text.split_once(':').is_some_and(|(scheme, rest)| !scheme.is_empty() && !rest.is_empty())
        };
        let is_name = !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.chars().any(char::is_control);
        (is_name && is_address(icon) && is_address(callback))
            .then(|| Source { name: name.to_owned(), callback: callback.to_owned() })
    }
}

/// A link, under its id.
///
/// ```text
/// version u8 = 1 ‖ ends u64 (ms) ‖ code ‖ (0 | 1 ‖ application's name ‖ way back)      (texts: u32 length, then UTF-8)
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::gateway) struct Link {
    /// First moment at which it is good no more, ms since the Unix epoch.
    pub(in crate::gateway) ends_ms: u64,
    /// The code, valid when the link was made.
    pub(in crate::gateway) payload: String,
    pub(in crate::gateway) source: Option<Source>,
}

impl Link {
    /// A link to `payload`, which says `khqr`.
    pub(in crate::gateway) fn new(payload: &str, khqr: &Khqr<'_>, source: Option<Source>, now_ms: u64) -> Self {
        let ends_ms = match khqr.terms {
            Terms::Static { .. } => now_ms.saturating_add(STATIC_LIFE_MS),
            Terms::Dynamic { expires_ms, .. } => expires_ms.saturating_add(GRACE_MS),
        };
        Link { ends_ms, payload: payload.to_owned(), source }
    }

    /// The same code for the same application has the same link.
    pub(in crate::gateway) fn id(&self) -> Id {
        let mut writer = Writer::with_room();
        self.content(&mut writer);
        let digest = LINK.digest(&writer.finish());
        let [a, b, c, d, e, f, g, h, i, j, ..] = *digest.as_bytes();
        Id([a, b, c, d, e, f, g, h, i, j])
    }

    fn content(&self, writer: &mut Writer) {
        writer.bytes(self.payload.as_bytes()).bool(self.source.is_some());
        if let Some(source) = &self.source {
            writer.bytes(source.name.as_bytes()).bytes(source.callback.as_bytes());
        }
    }
}

impl Canonical for Link {
    fn encode_to(&self, writer: &mut Writer) {
        writer.u8(1).u64(self.ends_ms);
        self.content(writer);
    }

    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        if reader.u8()? != 1 {
            return Err(CodecError::Invalid("link version"));
        }
        let ends_ms = reader.u64()?;
        let mut text = |what, max| {
            let bytes = reader.bytes(what, max)?;
            String::from_utf8(bytes.to_vec()).map_err(|_| CodecError::Invalid(what))
        };
        let payload = text("link code", PAYLOAD_BYTES_MAX)?;
        let source = if reader.bool()? {
            let mut text = |what, max| {
                let bytes = reader.bytes(what, max)?;
                String::from_utf8(bytes.to_vec()).map_err(|_| CodecError::Invalid(what))
            };
            Some(Source { name: text("link name", NAME_BYTES_MAX)?, callback: text("link way back", URL_BYTES_MAX)? })
        } else {
            None
        };
        Ok(Link { ends_ms, payload, source })
    }
}

#[cfg(test)]
mod tests {
    use super::{Id, Link, Source};
    use tonle_crypto::Canonical;
    use tonle_khqr::{Draft, Payee, generate, parse};

    #[test]
    fn a_link_is_kept_as_it_was_and_named_by_what_it_says() {
        let payee = Payee::Individual { account: "dara@aba", information: None, bank: None };
        let payload = generate(&Draft::new(payee, "Dara"), 1_790_000_000_000).unwrap();
        let khqr = parse(&payload).unwrap();
        let plain = Link::new(&payload, &khqr, None, 5);
        let source = Source::new("https://shop.example/icon.png", "Shop", "shop://back").unwrap();
        let shops = Link::new(&payload, &khqr, Some(source), 5);
        for link in [&plain, &shops] {
            assert_eq!(Link::decode(&link.encode()).as_ref(), Ok(link));
            assert_eq!(Id::parse(&link.id().to_string()), Some(link.id()));
        }
        assert_ne!(plain.id(), shops.id());
        assert_eq!(plain.id(), Link::new(&payload, &khqr, None, 9).id(), "asked for again, it is the same");
        for bad in ["", "x", &"0".repeat(19), &"0".repeat(21), &"A".repeat(20)] {
            assert_eq!(Id::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_application_has_a_name_and_addresses() {
        for (icon, name, callback) in [
            ("", "Shop", "https://a.example"),
            ("https://a.example", "", "https://a.example"),
            ("https://a.example", "Shop", "nowhere"),
            ("https://a.example", "Shop", "https://a.example/\u{202e}"),
            ("https://a.example", "a\nb", "https://a.example"),
            (&format!("https://{}", "a".repeat(600)), "Shop", "https://a.example"),
        ] {
            assert_eq!(Source::new(icon, name, callback), None, "{icon} {name} {callback}");
        }
    }
}
