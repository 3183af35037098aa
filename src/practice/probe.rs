//! `source probe`: what an EHR endpoint can do, how it answers, and which vendor profile fits it.

use std::fmt::Write as _;
use std::sync::Arc;

use serde::Serialize;

use crate::fhir::ResourceType;
use crate::fhir::knowledge::{AuthorizationKind, Knowledge};
use crate::fhir::scan::{self, ScannedBundle, SearchMode};
use crate::mapping::{VendorProfile, VendorProfiles};
use crate::upstream::{Capabilities, Client, SmartConfiguration, SourceFailure, TypeCapabilities};

/// A code that no resource has: a search for it must find nothing.
const NO_CODE: &str = "urn:uuid:6b1d1f0e-2f4e-4d0c-9f5b-6d4f3b2a1c00|none";

/// What was found out.
#[derive(Debug, Serialize)]
pub struct ProbeReport {
    /// The FHIR base URL.
    pub base_url: String,
    /// `fhirVersion`; nothing but 4.0 is worked with.
    pub fhir_version: Option<String>,
    /// What it calls itself.
    pub software: Vec<String>,
    /// The vendor profile that fits.
    pub profile: String,
    /// By what it was recognised; nothing for `generic`.
    pub recognised_by: Option<String>,
    /// Its SMART configuration, or why there is none.
    pub smart: SmartReport,
    /// Types that are served here, as it says it has them.
    pub types: Vec<TypeReport>,
    /// What to look at before it is connected.
    pub notes: Vec<String>,
}

/// What the EHR's authorization server offers.
#[derive(Debug, Default, Serialize)]
pub struct SmartReport {
    /// Whether there is a configuration.
    pub found: bool,
    /// A person can connect their own chart (standalone launch with PKCE).
    pub per_patient: bool,
    /// Backend services with a signed assertion.
    pub backend_services: bool,
    /// A client secret.
    pub client_secret: bool,
    /// The token endpoint.
    pub token_endpoint: Option<String>,
}

/// One row of the matrix.
#[derive(Debug, Serialize)]
pub struct TypeReport {
    /// The type.
    pub resource_type: String,
    /// Declared interactions among those that matter here.
    pub interactions: Vec<String>,
    /// Declared search parameters.
    pub parameters: Vec<String>,
    /// Whether includes are declared.
    pub include: bool,
    /// Whether reverse includes are declared.
    pub revinclude: bool,
    /// How it answered about the test patient.
    pub test: Option<TestReport>,
}

/// How a type answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TestReport {
    /// `ok`, `needs-category`, `refused`, `forbidden` or the failure.
    pub outcome: String,
    /// Resources on the first page.
    pub resources: usize,
    /// Resources that were about somebody else.
    pub of_others: usize,
    /// A parameter that it ignored.
    pub ignored: Option<String>,
}

/// Probes an EHR. With a test patient, each type is searched for that patient's data; nothing is written.
///
/// # Errors
/// When `metadata` cannot be read: then there is nothing to say.
pub async fn probe(
    knowledge: &Knowledge,
    vendors: &VendorProfiles,
    client: &Arc<Client>,
    patient: Option<&str>,
) -> Result<ProbeReport, SourceFailure> {
    let base_url = client.connection().base_url().to_owned();
    let capabilities = client.capabilities().await?;
    let smart = client.smart_configuration().await;
    let (profile, recognised_by) = propose(vendors, &capabilities, &base_url);
    let mut types = Vec::new();
    for row in &capabilities.types {
        let Some(resource_type) = ResourceType::parse(&row.name) else { continue };
        let test = match patient {
            Some(patient) => test(knowledge, client, (resource_type, row), patient).await,
            None => None,
        };
        types.push(type_report(row, test));
    }
    types.sort_by(|a, b| a.resource_type.cmp(&b.resource_type));
    let mut notes = Vec::new();
    if !capabilities.fhir_version.as_deref().is_some_and(|version| version.starts_with("4.0")) {
        notes.push("It does not say that it is FHIR R4 (4.0): nothing else is worked with.".to_owned());
    }
    if smart.is_err() {
        notes.push("It has no SMART configuration: only sources without sign-in or with a given token URL.".to_owned());
    }
    notes.extend(types.iter().filter_map(note));
    notes.extend(differences(profile, &types));
    Ok(ProbeReport {
        base_url,
        fhir_version: capabilities.fhir_version,
        software: capabilities.names,
        profile: profile.map_or_else(|| "generic".to_owned(), |profile| profile.name.clone()),
        recognised_by,
        smart: smart.map(|smart| smart_report(&smart)).unwrap_or_default(),
        types,
        notes,
    })
}

fn propose<'v>(
    vendors: &'v VendorProfiles,
    capabilities: &Capabilities,
    base_url: &str,
) -> (Option<&'v VendorProfile>, Option<String>) {
    let host = url::Url::parse(base_url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
    for profile in vendors.iter() {
        let is_host = |known: &&String| host == known.as_str() || host.ends_with(&format!(".{known}"));
        if let Some(known) = profile.recognition.hosts.iter().find(is_host) {
            return (Some(profile), Some(format!("host {known}")));
        }
    }
    for profile in vendors.iter() {
        for word in &profile.recognition.words {
            // A whole word: "epic" is not in "epicentre".
            let has = |name: &&String| {
                let name = name.to_lowercase();
                name.match_indices(word.as_str()).any(|(at, _)| {
                    let before = name.get(..at).and_then(|text| text.chars().next_back());
                    let after = name.get(at.saturating_add(word.len())..).and_then(|text| text.chars().next());
                    let is_edge = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
                    is_edge(before) && is_edge(after)
                })
            };
            if let Some(name) = capabilities.names.iter().find(has) {
                return (Some(profile), Some(format!("\"{name}\"")));
            }
        }
    }
    (None, None)
}

fn smart_report(smart: &SmartConfiguration) -> SmartReport {
    let can = |name: &str| smart.capabilities.iter().any(|known| known == name);
    let by = |name: &str| smart.token_endpoint_auth_methods_supported.iter().any(|known| known == name);
    let has_pkce = smart.code_challenge_methods_supported.iter().any(|method| method == "S256");
    SmartReport {
        found: true,
        per_patient: smart.authorization_endpoint.is_some() && can("launch-standalone") && has_pkce,
        backend_services: by("private_key_jwt") || can("client-confidential-asymmetric"),
        client_secret: by("client_secret_basic") || by("client_secret_post"),
        token_endpoint: smart.token_endpoint.clone(),
    }
}

fn type_report(row: &TypeCapabilities, test: Option<TestReport>) -> TypeReport {
    TypeReport {
        resource_type: row.name.clone(),
        interactions: row.interactions.clone(),
        parameters: row.parameters.clone(),
        include: !row.includes.is_empty(),
        revinclude: !row.revincludes.is_empty(),
        test,
    }
}

/// Searches one type for the test patient's data; `None` for types that are about nobody by themselves.
async fn test(
    knowledge: &Knowledge,
    client: &Arc<Client>,
    (resource_type, row): (ResourceType, &TypeCapabilities),
    patient: &str,
) -> Option<TestReport> {
    let AuthorizationKind::Subject { itself: false, parameter, .. } = &knowledge.of(resource_type).authorization else {
        return None;
    };
    let ask = async |more: &[(&str, &str)]| {
        let mut pairs = vec![(parameter.clone(), format!("Patient/{patient}"))];
        pairs.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let read = |body| scan::scan_bundle(body, knowledge).map_err(|_| SourceFailure::Malformed);
        client.pause().await;
        // An errand for each question: none waits for what the one before took.
        let errand = client.errand(Arc::new([patient.to_owned()]));
        errand.first_page(resource_type.as_str(), &pairs, read).await
    };
    let found = match ask(&[]).await {
        Ok(found) => found,
        Err(failure) => {
            let takes_category = row.parameters.iter().any(|name| name == "category");
            let by_category = takes_category && ask(&[("category", "laboratory")]).await.is_ok();
            let outcome = match failure {
                SourceFailure::Refused { .. } if by_category => "needs-category".to_owned(),
                SourceFailure::Refused { status } => format!("refused ({status})"),
                SourceFailure::Forbidden | SourceFailure::CredentialRefused => "forbidden".to_owned(),
                other => other.to_string(),
            };
            return Some(TestReport { outcome, ..TestReport::default() });
        }
    };
    let matches = matches(&found);
    let mut ignored = None;
    if matches > 0 && knowledge.of(resource_type).parameter("code").is_some() {
        let none = ask(&[("code", NO_CODE)]).await;
        // A refusal is an honest answer; resources without that code are not.
        ignored = none.is_ok_and(|found| self::matches(&found) > 0).then(|| "code".to_owned());
    }
    let of_others = others(knowledge, client, resource_type, &found, patient);
    Some(TestReport { outcome: "ok".to_owned(), resources: matches, of_others, ignored })
}

fn matches(found: &ScannedBundle) -> usize {
    found.entries.iter().filter(|entry| entry.mode == SearchMode::Match).count()
}

fn others(
    knowledge: &Knowledge,
    client: &Client,
    resource_type: ResourceType,
    found: &ScannedBundle,
    patient: &str,
) -> usize {
    let kind = &knowledge.of(resource_type).authorization;
    let base = client.connection().base_url();
    let is_other = |raw| crate::access::about(kind, raw, base, &[patient]) == crate::access::About::Other;
    let all = found.entries.iter().filter(|entry| entry.mode == SearchMode::Match);
    all.filter(|entry| is_other(&entry.resource)).count()
}

fn note(row: &TypeReport) -> Option<String> {
    let test = row.test.as_ref()?;
    let kind = &row.resource_type;
    if test.of_others > 0 {
        return Some(format!(
            "{kind}: {} resources were about somebody else. It is not to be trusted.",
            test.of_others
        ));
    }
    if let Some(name) = &test.ignored {
        return Some(format!("{kind}: it ignores `{name}`; the gateway evaluates it."));
    }
    (test.outcome == "needs-category").then(|| format!("{kind}: it wants a category; a profile must name its values."))
}

/// Where the EHR does not behave as its profile says.
fn differences(profile: Option<&VendorProfile>, types: &[TypeReport]) -> Vec<String> {
    let Some(profile) = profile else { return Vec::new() };
    let mut found = Vec::new();
    for row in types {
        let Some(kind) = ResourceType::parse(&row.resource_type) else { continue };
        let required = profile.required(kind, &[]).is_some();
        let outcome = row.test.as_ref().map(|test| test.outcome.as_str());
        if required && outcome == Some("ok") {
            found.push(format!("{kind}: it answers without what the profile {} asks for.", profile.name));
        }
        if !required && outcome == Some("needs-category") {
            found.push(format!("{kind}: the profile {} does not know that it wants a category.", profile.name));
        }
    }
    found
}

impl ProbeReport {
    /// The report for people: a matrix and notes.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let by = self.recognised_by.as_ref().map_or_else(String::new, |by| format!(" (recognised by {by})"));
        let yes = |flag: bool| if flag { "yes" } else { "no" };
        let _ = writeln!(text, "{}", self.base_url);
        let _ = writeln!(text, "FHIR {}", self.fhir_version.as_deref().unwrap_or("of an unknown version"));
        let _ = writeln!(text, "calls itself: {}", self.software.join("; "));
        let _ = writeln!(text, "vendor profile: {}{by}", self.profile);
        let _ = writeln!(
            text,
            "SMART: configuration {}, per patient {}, backend services {}, client secret {}",
            yes(self.smart.found),
            yes(self.smart.per_patient),
            yes(self.smart.backend_services),
            yes(self.smart.client_secret)
        );
        let _ =
            writeln!(text, "\n{:<24} read search vread history create update include revinclude  test patient", "type");
        for row in &self.types {
            let has = |code: &str| if row.interactions.iter().any(|known| known == code) { "x" } else { "-" };
            let test = row.test.as_ref().map_or_else(String::new, |test| match test.outcome.as_str() {
                "ok" => format!("{} on the first page", test.resources),
                other => other.to_owned(),
            });
            let _ = writeln!(
                text,
                "{:<24} {:<4} {:<6} {:<5} {:<7} {:<6} {:<6} {:<7} {:<10}  {test}",
                row.resource_type,
                has("read"),
                has("search-type"),
                has("vread"),
                has("history-instance"),
                has("create"),
                has("update"),
                if row.include { "x" } else { "-" },
                if row.revinclude { "x" } else { "-" },
            );
        }
        if !self.notes.is_empty() {
            let _ = writeln!(text, "\nto look at:");
        }
        for note in &self.notes {
            let _ = writeln!(text, "- {note}");
        }
        text
    }
}
