use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CACHE_CONTROL, HeaderMap};

/// A body of FHIR JSON, and how long it may be kept.
#[derive(Clone, Debug)]
pub(super) struct Body {
    pub(super) bytes: Bytes,
    pub(super) keep: Keep,
}

/// What the source's `Cache-Control` allows (RFC 9111 §5.2.2). What is kept is kept for one person's charts alone, so
/// `private` allows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Keep {
    /// Not at all when false: `no-store`.
    pub(super) at_all: bool,
    /// For how long without asking again: `max-age`; zero for `no-cache`.
    pub(super) fresh: Option<Duration>,
    /// Also when the source cannot be asked; not with `no-cache`, `must-revalidate` or `proxy-revalidate`.
    pub(super) stale: bool,
}

impl Keep {
    pub(super) const ANY: Self = Self { at_all: true, fresh: None, stale: true };

    pub(super) fn parse(headers: &HeaderMap) -> Self {
        let mut keep = Self::ANY;
        for value in headers.get_all(CACHE_CONTROL) {
            let Ok(text) = value.to_str() else {
                // What cannot be read may forbid anything.
                keep.at_all = false;
                continue;
            };
            for directive in text.split(',') {
                let (name, argument) = directive.split_once('=').unwrap_or((directive, ""));
                match name.trim().to_ascii_lowercase().as_str() {
                    "no-store" => keep.at_all = false,
                    "no-cache" => (keep.fresh, keep.stale) = (Some(Duration::ZERO), false),
                    "must-revalidate" | "proxy-revalidate" => keep.stale = false,
                    "max-age" | "s-maxage" => {
                        let seconds = argument.trim().trim_matches('"').parse().unwrap_or(0);
                        let said = Duration::from_secs(seconds);
                        keep.fresh = Some(keep.fresh.map_or(said, |before| before.min(said)));
                    }
                    _ => {}
                }
            }
        }
        keep
    }
}

#[cfg(test)]
impl Body {
    pub(super) const fn of(bytes: Bytes) -> Self {
        Self { bytes, keep: Keep::ANY }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cache_control_is_respected() {
        let parse = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(CACHE_CONTROL, line.parse().unwrap());
            }
            Keep::parse(&headers)
        };
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(parse(&[]), Keep::ANY);
        assert_eq!(parse(&["private"]), Keep::ANY);
        assert!(!parse(&["no-store"]).at_all);
        assert!(!parse(&["private, No-Store, max-age=60"]).at_all);
        assert!(!parse(&["private", "no-store"]).at_all);
        assert_eq!(parse(&["no-cache"]), Keep { at_all: true, fresh: seconds(0), stale: false });
        assert_eq!(parse(&["no-cache=\"set-cookie\", max-age=5"]).fresh, seconds(0));
        assert_eq!(parse(&["max-age=60, must-revalidate"]), Keep { at_all: true, fresh: seconds(60), stale: false });
        assert_eq!(parse(&["max-age=60, s-maxage=10"]).fresh, seconds(10));
        assert_eq!(parse(&["max-age=soon"]).fresh, seconds(0));
    }
}
