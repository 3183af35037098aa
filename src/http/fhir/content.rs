//! What a Binary holds, as an answer that no browser takes for a page (FHIR R4 binary.html; security design, U18).

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};

use super::error::FhirError;
use super::respond;
use crate::gateway::{Content, essence};
use crate::upstream::DocumentBody;

/// Runs nowhere: not as a page, and not in one.
const POLICY: &str = "sandbox; default-src 'none'; frame-ancestors 'none'";
/// Character sets that browsers read alike.
const CHARSETS: [&str; 5] = ["utf-8", "us-ascii", "iso-8859-1", "windows-1252", "utf-16"];

/// Whether the client wants the bytes and not the resource: a media type of FHIR means the resource, anything else the
/// bytes (FHIR R4 binary.html §2.39.4).
pub(super) fn is_wanted(headers: &HeaderMap, format: Option<&str>) -> bool {
    format.is_none()
        && !ranges(headers).iter().any(|range| {
            range.contains("json") || range.contains("fhir") || matches!(range.as_str(), "application/xml+fhir")
        })
}

/// What a page of ours answers with for a file: whatever the browser says it takes, a file to keep, for this origin.
pub(in crate::http) fn download(content: Content) -> Response {
    let name = match essence(content.content_type.as_deref()).as_str() {
        "application/pdf" => "record.pdf",
        "text/plain" => "record.txt",
        "application/rtf" | "text/rtf" => "record.rtf",
        "image/png" => "record.png",
        "image/jpeg" => "record.jpg",
        "image/tiff" => "record.tif",
        _ => "record",
    };
    let mut response = respond(content, &HeaderMap::new()).unwrap_or_else(IntoResponse::into_response);
    let disposition = format!("attachment; filename=\"{name}\"");
    let headers = response.headers_mut();
    if let Ok(disposition) = HeaderValue::from_str(&disposition) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    response
}

/// Sends the bytes on as they come.
pub(super) fn respond(content: Content, request: &HeaderMap) -> Result<Response, FhirError> {
    let kind = essence(content.content_type.as_deref());
    let wanted = ranges(request);
    let fits = |range: &String| {
        let any_of = range.strip_suffix("/*").map(|kind| format!("{kind}/"));
        range == "*/*" || *range == kind || any_of.is_some_and(|of| kind.starts_with(&of))
    };
    if !wanted.is_empty() && !wanted.iter().any(fits) {
        return Err(FhirError::NotAcceptable);
    }
    let mut response = Body::from_stream(pieces(content.body)).into_response();
    let headers = response.headers_mut();
    respond::protect(headers);
    let shown = shown_type(&kind, content.content_type.as_deref());
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_str(&shown).unwrap_or(HeaderValue::from_static("application/octet-stream")),
    );
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    if let Some(length) = content.length {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    Ok(response)
}

fn pieces(body: DocumentBody) -> impl Stream<Item = std::io::Result<Bytes>> {
    stream::try_unfold(body, |mut body| async move {
        let piece = body.chunk().await.map_err(std::io::Error::other)?;
        Ok(piece.map(|piece| (piece, body)))
    })
}

/// The media types that the client takes, without their parameters.
fn ranges(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let essences = values.flat_map(|value| value.split(',')).map(|range| range.split(';').next().unwrap_or_default());
    essences.map(|range| range.trim().to_ascii_lowercase()).filter(|range| !range.is_empty()).collect()
}

/// The type to send: that of the document, unless a browser would run it or a client take it for an answer of this
/// server.
fn shown_type(essence: &str, whole: Option<&str>) -> String {
    let is_active = ["html", "svg", "script", "xsl", "mhtml"].iter().any(|part| essence.contains(part))
        || essence.starts_with("multipart/")
        || essence.starts_with("message/");
    if is_active || essence.contains("fhir") {
        return "application/octet-stream".to_owned();
    }
    let parameters = whole.unwrap_or_default().split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let charset = parameters
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))
        .map(|(_, value)| value.trim().trim_matches('"').to_ascii_lowercase())
        .find(|value| CHARSETS.contains(&value.as_str()));
    charset.map_or_else(|| essence.to_owned(), |charset| format!("{essence}; charset={charset}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepting(accept: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_str(accept).unwrap())])
    }

    #[test]
    fn the_resource_is_for_those_who_name_fhir_or_json() {
        for fhir in ["application/fhir+json", "application/json", "text/json;q=0.5, */*", "application/fhir+xml"] {
            assert!(!is_wanted(&accepting(fhir), None), "{fhir}");
        }
        for native in ["*/*", "application/pdf", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"] {
            assert!(is_wanted(&accepting(native), None), "{native}");
            assert!(!is_wanted(&accepting(native), Some("json")), "{native}");
        }
        assert!(is_wanted(&HeaderMap::new(), None));
    }

    #[test]
    fn u18_active_content_has_no_type_that_runs() {
        for (kind, shown) in [
            ("application/pdf", "application/pdf"),
            ("image/png", "image/png"),
            ("Text/Plain; Charset=\"UTF-8\"; x=y", "text/plain; charset=utf-8"),
            ("text/plain; charset=utf-7", "text/plain"),
            ("application/xml", "application/xml"),
            ("text/html", "application/octet-stream"),
            ("TEXT/HTML; charset=utf-8", "application/octet-stream"),
            ("application/xhtml+xml", "application/octet-stream"),
            ("image/svg+xml", "application/octet-stream"),
            ("text/javascript", "application/octet-stream"),
            ("application/ecmascript", "application/octet-stream"),
            ("multipart/related", "application/octet-stream"),
            ("application/fhir+json", "application/octet-stream"),
            ("", "application/octet-stream"),
            ("nonsense", "application/octet-stream"),
            ("a/b/c", "application/octet-stream"),
            ("text/pl ain", "application/octet-stream"),
        ] {
            assert_eq!(shown_type(&essence(Some(kind)), Some(kind)), shown, "{kind}");
        }
    }
}
