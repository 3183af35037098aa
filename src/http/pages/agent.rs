//! A browser in a few words, as its owner knows it again. Nothing is decided by it.

use http::{HeaderMap, header};

use super::words::{say, say_with};

const BROWSERS: [(&str, &str); 6] = [
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];
const SYSTEMS: [(&str, &str); 6] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "Mac"),
    ("Linux", "Linux"),
];

/// `Firefox on Windows`.
pub(in crate::http) fn browser_in_words(headers: &HeaderMap) -> String {
    let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let word = |table: [(&'static str, &'static str); 6]| table.into_iter().find(|(sign, _)| agent.contains(sign));
    match (word(BROWSERS), word(SYSTEMS)) {
        (Some((_, browser)), Some((_, system))) => format!("{browser} on {system}"),
        (Some((_, browser)), None) => browser.to_owned(),
        (None, Some((_, system))) => format!("A browser on {system}"),
        (None, None) => "A browser".to_owned(),
    }
}

/// What was written down of a browser then, in the reader's language.
pub(in crate::http) fn browser_told(known: &str) -> String {
    let some = |browser: &str| if browser == "A browser" { say("browser.some").to_owned() } else { browser.to_owned() };
    match known.split_once(" on ") {
        Some((browser, system)) => say_with("browser.on", &[("browser", &some(browser)), ("system", system)]),
        None => some(known),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::pages::read_by;
    use crate::identity::Language;

    #[test]
    fn what_was_written_down_is_read_in_either_language() {
        for (known, spanish) in [
            ("Firefox on Windows", "Firefox en Windows"),
            ("A browser on Mac", "Un navegador en Mac"),
            ("A browser", "Un navegador"),
            ("Opera", "Opera"),
        ] {
            assert_eq!(browser_told(known), known);
            assert_eq!(read_by(Language::Spanish, "Ana", || browser_told(known)), spanish);
        }
    }

    #[test]
    fn browsers_are_known_again() {
        for (agent, words) in [
            ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Windows"),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 \
                 Safari/605.1.15",
                "Safari on Mac",
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile \
                 Safari/537.36",
                "Chrome on Android",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36 Edg/140.0",
                "Edge on Windows",
            ),
            ("curl/8", "A browser"),
            ("<script>", "A browser"),
            ("", "A browser"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::USER_AGENT, agent.parse().unwrap());
            assert_eq!(browser_in_words(&headers), words, "{agent}");
        }
    }
}
