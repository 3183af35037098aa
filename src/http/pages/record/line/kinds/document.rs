//! What has files: reports, documents, messages.

use serde_json::Value;

use super::super::File;
use super::super::when::When;
use super::{Line, Words, all, concept, concepts, first_of, names, notes, report_state, said, state_of, text};
use crate::fhir::interaction::is_id;
use crate::http::pages::say;

pub(super) fn report(resource: &Value, when: &When) -> Line {
    let at = when.first(resource, &["/effectiveDateTime", "/effectivePeriod/start", "/issued"]);
    let results = names(resource, "result", "");
    Words::new(concept(resource.get("code")), "Report", at)
        .fact("Conclusion", said(resource, "/conclusion"))
        .facts("Findings", &concepts(resource.get("conclusionCode")))
        .facts("Holds the results", &results)
        .facts("By", &names(resource, "performer", ""))
        .state(report_state(text(resource, "/status")))
        .files(all(resource, "presentedForm"))
}

pub(super) fn reference(resource: &Value, when: &When) -> Line {
    let title = concept(resource.get("type")).or_else(|| said(resource, "/description"));
    let of_document = text(resource, "/docStatus").and_then(|status| report_state(Some(status)));
    let known = [("superseded", "Replaced by a newer version")];
    Words::new(title, "Document", when.first(resource, &["/date", "/context/period/start"]))
        .facts("By", &names(resource, "author", ""))
        .state(state_of(text(resource, "/status"), &["current"], &known))
        .state(of_document)
        .files(all(resource, "content").filter_map(|content| content.get("attachment")))
}

pub(super) fn message(resource: &Value, when: &When) -> Line {
    let title = concept(resource.get("topic")).or_else(|| first_of(resource.get("reasonCode")));
    let texts: Vec<String> = all(resource, "payload").filter_map(|part| said(part, "/contentString")).collect();
    let known = [
        ("preparation", "Not sent yet"),
        ("in-progress", "On its way"),
        ("not-done", "Not sent"),
        ("on-hold", "On hold"),
        ("stopped", "Stopped"),
    ];
    Words::new(title, "Message", when.first(resource, &["/sent", "/received"]))
        .fact("From", said(resource, "/sender/display"))
        .facts("To", &names(resource, "recipient", ""))
        .facts("Message", &texts)
        .facts("Note", &notes(resource))
        .state(state_of(text(resource, "/status"), &["completed"], &known))
        .files(all(resource, "payload").filter_map(|part| part.get("contentAttachment")))
}

impl Words {
    /// The line with files to open. One that is no Binary here is named, and had from the practice.
    fn files<'a>(mut self, attachments: impl Iterator<Item = &'a Value>) -> Line {
        for attachment in attachments {
            match file(attachment) {
                Some(file) => self.0.files.push(file),
                None => self = self.fact("A file that the practice keeps", Some(name(attachment))),
            }
        }
        self.0
    }
}

fn name(attachment: &Value) -> String {
    let kind = match text(attachment, "/contentType").unwrap_or_default().split(';').next().unwrap_or_default().trim() {
        "application/pdf" => " (PDF)",
        "image/png" | "image/jpeg" | "image/gif" | "image/tiff" => say("record.picture"),
        "text/plain" | "text/rtf" | "application/rtf" => say("record.text-file"),
        "text/html" => say("record.web-page"),
        _ => "",
    };
    format!("{}{kind}", text(attachment, "/title").unwrap_or(say("record.file")))
}

fn file(attachment: &Value) -> Option<File> {
    let (before, id) = text(attachment, "/url")?.rsplit_once("Binary/")?;
    let is_ours = before.is_empty() || before.ends_with("/fhir/");
    (is_ours && is_id(id)).then(|| File { name: name(attachment), id: id.to_owned() })
}
