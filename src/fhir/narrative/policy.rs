//! What may stand in a narrative: the elements and attributes of FHIR R4's invariants txt-1 and txt-2, less those that
//! lead out of the document, catch the keyboard, or let text name itself to scripts.

/// Elements, in the order of their bytes.
const ELEMENTS: [&str; 46] = [
    "a",
    "abbr",
    "acronym",
    "b",
    "big",
    "blockquote",
    "br",
    "caption",
    "cite",
    "code",
    "col",
    "colgroup",
    "dd",
    "dfn",
    "div",
    "dl",
    "dt",
    "em",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "li",
    "ol",
    "p",
    "pre",
    "q",
    "samp",
    "small",
    "span",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "tt",
];
const MORE_ELEMENTS: [&str; 2] = ["ul", "var"];

/// Elements that go with all that is in them: their content is no text for readers, or is read by other rules.
const GONE_WHOLE: [&str; 21] = [
    "applet",
    "audio",
    "canvas",
    "frameset",
    "head",
    "iframe",
    "math",
    "noembed",
    "noframes",
    "noscript",
    "object",
    "plaintext",
    "script",
    "select",
    "style",
    "svg",
    "template",
    "textarea",
    "title",
    "video",
    "xmp",
];

/// The properties that a `style` may set: how text looks, not where it stands over others.
const PROPERTIES: [&str; 28] = [
    "background-color",
    "border",
    "border-bottom",
    "border-collapse",
    "border-color",
    "border-left",
    "border-right",
    "border-spacing",
    "border-style",
    "border-top",
    "border-width",
    "color",
    "font-family",
    "font-size",
    "font-style",
    "font-variant",
    "font-weight",
    "height",
    "list-style-type",
    "padding",
    "padding-bottom",
    "padding-left",
    "padding-right",
    "padding-top",
    "text-align",
    "text-decoration",
    "vertical-align",
    "white-space",
];
const MORE_PROPERTIES: [&str; 3] = ["width", "max-width", "min-width"];

/// The namespace of the root.
pub(super) const XHTML: &str = "http://www.w3.org/1999/xhtml";

/// The element of this name as it is written, if it may stay. Names of elements are in lower case in XHTML.
pub(super) fn element(name: &[u8]) -> Option<&'static str> {
    match ELEMENTS.binary_search_by(|known| known.as_bytes().cmp(name)) {
        Ok(at) => ELEMENTS.get(at).copied(),
        Err(_) => MORE_ELEMENTS.into_iter().find(|known| known.as_bytes() == name),
    }
}

/// Whether an element has no content and no end tag.
pub(super) fn is_void(element: &str) -> bool {
    matches!(element, "br" | "col" | "hr" | "img")
}

/// Whether an element that may not stay takes its content with it.
pub(super) fn goes_whole(name: &str) -> bool {
    GONE_WHOLE.contains(&name)
}

/// Whether this attribute may have this value, as it stands between its quotes, on this element.
pub(super) fn allows(element: &str, name: &[u8], value: &[u8]) -> bool {
    match name {
        b"class" | b"lang" | b"xml:lang" | b"dir" | b"align" | b"valign" | b"char" | b"charoff" | b"border"
        | b"cellpadding" | b"cellspacing" | b"colspan" | b"rowspan" | b"scope" | b"headers" | b"height" | b"width"
        | b"span" | b"start" | b"type" | b"value" | b"bgcolor" | b"frame" | b"rules" | b"nowrap" | b"compact"
        | b"axis" => value.iter().all(|byte| is_plain(*byte)),
        // An img with an id is a property of the document (DOM clobbering).
        b"id" => element != "img" && value.iter().all(|byte| is_plain(*byte)),
        b"alt" | b"title" | b"summary" | b"abbr" => is_text(value),
        b"style" => is_style(value),
        b"href" => element == "a" && is_local(value),
        b"src" => element == "img" && (is_local(value) || is_picture(value)),
        b"xmlns" => value == XHTML.as_bytes(),
        _ => false,
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'.' | b'_' | b'-' | b'#' | b'%' | b':' | b'*' | b',' | b'/')
}

/// Text without markup; character references are complete.
fn is_text(value: &[u8]) -> bool {
    let mut rest = value;
    while let Some(at) = memchr::memchr3(b'&', b'<', b'>', rest) {
        let Some(length) = rest.get(at..).and_then(reference) else { return false };
        rest = rest.get(at.saturating_add(length)..).unwrap_or_default();
    }
    true
}

/// A place within this resource.
fn is_local(value: &[u8]) -> bool {
    value
        .strip_prefix(b"#")
        .is_some_and(|name| name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')))
}

/// A picture that is here whole, of a kind that holds no scripts.
fn is_picture(value: &[u8]) -> bool {
    let kinds: [&[u8]; 4] = [b"png", b"jpeg", b"gif", b"webp"];
    let Some(rest) = value.strip_prefix(b"data:image/") else { return false };
    let data = kinds.iter().find_map(|kind| rest.strip_prefix(*kind)?.strip_prefix(b";base64,"));
    data.is_some_and(|data| data.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=')))
}

/// Declarations of known properties, with values that call no function and name no address.
fn is_style(value: &[u8]) -> bool {
    value.split(|byte| *byte == b';').map(<[u8]>::trim_ascii).filter(|one| !one.is_empty()).all(|declaration| {
        let mut parts = declaration.splitn(2, |byte| *byte == b':');
        let (property, value) = (parts.next().unwrap_or_default().trim_ascii(), parts.next().unwrap_or_default());
        let known = |name: &&str| name.as_bytes().eq_ignore_ascii_case(property);
        let harmless =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'#' | b'%' | b'.' | b',' | b'-');
        PROPERTIES.iter().chain(&MORE_PROPERTIES).any(known) && value.iter().all(harmless)
    })
}

/// The length of the character reference that `text` begins with.
pub(super) fn reference(text: &[u8]) -> Option<usize> {
    let behind = text.strip_prefix(b"&")?;
    let length = behind.iter().take(33).position(|byte| *byte == b';')?;
    let name = behind.get(..length)?;
    let good = match (name.strip_prefix(b"#x"), name.strip_prefix(b"#")) {
        (Some(hex), _) => (1..=6).contains(&hex.len()) && hex.iter().all(u8::is_ascii_hexdigit),
        (None, Some(digits)) => (1..=7).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit),
        (None, None) => name.first().is_some_and(u8::is_ascii_alphabetic) && name.iter().all(u8::is_ascii_alphanumeric),
    };
    good.then(|| length.saturating_add(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_found_by_their_order() {
        assert!(ELEMENTS.is_sorted());
        for name in ELEMENTS.iter().chain(&MORE_ELEMENTS) {
            assert_eq!(element(name.as_bytes()), Some(*name));
            assert!(!goes_whole(name));
        }
        for name in ["", "A", "script", "svg", "form", "font", "u", "body", "divx", "di", "h7"] {
            assert_eq!(element(name.as_bytes()), None, "{name}");
        }
    }
}
