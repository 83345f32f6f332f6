//! The form of a payload, read once more and apart from the product: what may make packages disagree about it.

/// What a payload has that readers take differently.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Tags and values at the top, up to what is broken.
    pub(crate) elements: Vec<(String, String)>,
    /// A tag or a length that is not two digits of ASCII, or a length that cuts a surrogate pair in half.
    pub(crate) odd: bool,
    /// A value that ends behind the payload's end.
    pub(crate) overrun: bool,
    /// A tag twice, at the top or in a template.
    pub(crate) repeated: bool,
    /// Both 29 and 30.
    pub(crate) two_payees: bool,
    /// Something behind 63.
    pub(crate) behind_checksum: bool,
    /// 29, 30, 62, 64 or 99 holds something that is no row of elements.
    pub(crate) template_broken: bool,
}

impl Shape {
    pub(crate) fn of(payload: &str) -> Self {
        let mut shape = Shape::default();
        shape.elements = shape.read(payload);
        for (tag, value) in shape.elements.clone() {
            if ["29", "30", "62", "64", "99"].contains(&tag.as_str()) {
                let mut inner = Shape::default();
                inner.read(&value);
                shape.template_broken |= inner.odd || inner.overrun;
                shape.repeated |= inner.repeated;
            }
        }
        shape.two_payees = shape.value("29").is_some() && shape.value("30").is_some();
        let checksum = shape.elements.iter().position(|(tag, _)| tag == "63");
        shape.behind_checksum = checksum.is_some_and(|at| at + 1 < shape.elements.len() || shape.odd || shape.overrun);
        shape
    }

    /// The value of a tag at the top.
    pub(crate) fn value(&self, tag: &str) -> Option<&str> {
        self.elements.iter().find(|(own, _)| own == tag).map(|(_, value)| value.as_str())
    }

    /// The value of a tag inside a template.
    pub(crate) fn inner(&self, template: &str, tag: &str) -> Option<String> {
        let elements = Shape::default().read(self.value(template)?);
        elements.into_iter().find(|(own, _)| own == tag).map(|(_, value)| value)
    }

    /// Where a tag stands at the top.
    pub(crate) fn place(&self, tag: &str) -> Option<usize> {
        self.elements.iter().position(|(own, _)| own == tag)
    }

    fn read(&mut self, text: &str) -> Vec<(String, String)> {
        let units: Vec<u16> = text.encode_utf16().collect();
        let mut elements: Vec<(String, String)> = Vec::new();
        let mut at = 0;
        while at < units.len() {
            let digits = |from: usize| {
                let pair = units.get(from..from + 2)?;
                let text = String::from_utf16(pair).ok()?;
                text.chars().all(|digit| digit.is_ascii_digit()).then_some(text)
            };
            let (Some(tag), Some(length)) = (digits(at), digits(at + 2)) else {
                // Cut off in the middle of its head.
                self.odd |= at + 4 <= units.len() || digits(at).is_none();
                self.overrun |= at + 4 > units.len();
                return elements;
            };
            let end = at + 4 + length.parse::<usize>().unwrap();
            if end > units.len() {
                self.overrun = true;
                return elements;
            }
            let Ok(value) = String::from_utf16(&units[at + 4..end]) else {
                self.odd = true;
                return elements;
            };
            self.repeated |= elements.iter().any(|(own, _)| *own == tag);
            elements.push((tag, value));
            at = end;
        }
        elements
    }
}
