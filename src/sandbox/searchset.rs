//! A searchset Bundle, written by copying resources as they are stored.

use bytes::Bytes;

use super::store::Stored;

/// Writes one Bundle.
pub(super) struct Searchset<'a> {
    pub(super) base: &'a str,
    pub(super) total: Option<usize>,
    pub(super) self_link: String,
    pub(super) next_link: Option<String>,
    /// The URL of a resource that is not under the base is never needed: all of them are the server's own.
    pub(super) matches: Vec<&'a Stored>,
    pub(super) includes: Vec<&'a Stored>,
}

impl Searchset<'_> {
    pub(super) fn to_bytes(&self) -> Bytes {
        let entries = self.matches.iter().chain(&self.includes);
        let size = entries.map(|stored| stored.bytes.len() + 2 * self.base.len() + 160).sum::<usize>() + 512;
        let mut out = Vec::with_capacity(size);
        out.extend_from_slice(br#"{"resourceType":"Bundle","type":"searchset""#);
        if let Some(total) = self.total {
            out.extend_from_slice(format!(",\"total\":{total}").as_bytes());
        }
        out.extend_from_slice(br#","link":["#);
        write_link(&mut out, "self", &self.self_link);
        if let Some(next) = &self.next_link {
            out.push(b',');
            write_link(&mut out, "next", next);
        }
        out.push(b']');
        // An empty array is not FHIR JSON (FHIR R4 `json` §rules).
        if !(self.matches.is_empty() && self.includes.is_empty()) {
            out.extend_from_slice(br#","entry":["#);
            let matches = self.matches.iter().map(|stored| (*stored, "match"));
            let includes = self.includes.iter().map(|stored| (*stored, "include"));
            for (position, (stored, mode)) in matches.chain(includes).enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                self.write_entry(&mut out, stored, mode);
            }
            out.push(b']');
        }
        out.push(b'}');
        Bytes::from(out)
    }

    /// Base, type and id need no escaping: their alphabets hold nothing that JSON escapes.
    fn write_entry(&self, out: &mut Vec<u8>, stored: &Stored, mode: &str) {
        out.extend_from_slice(br#"{"fullUrl":""#);
        for part in [self.base, "/", &stored.type_name, "/", &stored.id] {
            out.extend_from_slice(part.as_bytes());
        }
        out.extend_from_slice(br#"","resource":"#);
        out.extend_from_slice(&stored.bytes);
        out.extend_from_slice(br#","search":{"mode":""#);
        out.extend_from_slice(mode.as_bytes());
        out.extend_from_slice(br#""}}"#);
    }
}

fn write_link(out: &mut Vec<u8>, relation: &str, url: &str) {
    out.extend_from_slice(format!("{{\"relation\":\"{relation}\",\"url\":").as_bytes());
    out.extend_from_slice(&serde_json::to_vec(url).unwrap_or_default());
    out.push(b'}');
}
