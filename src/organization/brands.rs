//! User-access brands: which practices can be reached here, as SMART App Launch 2.2 (User-access Brands and Endpoints)
//! publishes it.

use serde_json::{Value, json};

use super::{Organization, OrganizationState};
use crate::base::clock::Instant;
use crate::base::id::OrganizationId;
use crate::smart::discovery::Endpoints;

/// The id of the gateway's own entry, and of its endpoint.
const OWN: &str = "gateway";
/// The identifier system of web addresses.
const WEB: &str = "urn:ietf:rfc:3986";

/// What somebody looks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Words that a name, another name or a former name must begin words of, all of them.
    pub name: String,
    /// What a city must begin with.
    pub city: String,
}

/// What is published.
#[derive(Clone, Debug)]
pub struct Brands {
    /// The name of this site.
    pub site: String,
    /// Every organization there is or was.
    pub organizations: Vec<Organization>,
}

impl Brands {
    /// The Bundle: the gateway's own entry, its endpoint, and each open practice that is wanted.
    #[must_use]
    pub fn bundle(&self, endpoints: &Endpoints, wanted: &Wanted) -> Value {
        let changed = self.organizations.iter().map(last_change).max().unwrap_or(Instant::from_micros(0));
        let mut entries = vec![
            entry(endpoints, "Organization", OWN, &self.own(endpoints)),
            entry(endpoints, "Endpoint", OWN, &endpoint(endpoints, &self.site)),
        ];
        for (organization, names) in self.found(wanted) {
            let id = organization.id.to_string();
            let resource = practice(endpoints, organization, names);
            entries.push(entry(endpoints, "Organization", &id, &resource));
        }
        json!({
            "resourceType": "Bundle",
            "meta": {"profile": ["http://hl7.org/fhir/smart-app-launch/StructureDefinition/user-access-brands-bundle"]},
            "type": "collection",
            "timestamp": changed.to_fhir(),
            "entry": entries,
        })
    }

    /// The practices that are wanted and open, each with its other names.
    #[must_use]
    pub fn found(&self, wanted: &Wanted) -> Vec<(&Organization, Vec<String>)> {
        let open = self.organizations.iter().filter(|organization| organization.state == OrganizationState::Active);
        let named = open.map(|organization| (organization, self.names(organization)));
        named.filter(|(organization, names)| wanted.takes(organization, names)).collect()
    }

    /// What an organization became part of, and that of, if it is not open any more.
    #[must_use]
    pub fn successor(&self, id: OrganizationId) -> Option<OrganizationId> {
        let known = |id| self.organizations.iter().find(|organization| organization.id == id);
        let mut current = known(id)?;
        for _ in 0..self.organizations.len() {
            match current.state {
                OrganizationState::Absorbed { by, .. } => current = known(by)?,
                _ => break,
            }
        }
        (current.id != id).then_some(current.id)
    }

    /// The gateway itself: the brand that the discovery document names.
    fn own(&self, endpoints: &Endpoints) -> Value {
        json!({
            "resourceType": "Organization",
            "id": OWN,
            "meta": {"profile": [BRAND_PROFILE]},
            "extension": [portal(endpoints, &self.site, endpoints.issuer())],
            "identifier": [{"system": WEB, "value": endpoints.issuer()}],
            "active": true,
            "name": self.site,
            "endpoint": [{"reference": format!("Endpoint/{OWN}")}],
        })
    }

    /// Every other name of a practice: what it is also called, was called, and what became part of it was called.
    fn names(&self, organization: &Organization) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let mut add = |from: &Organization, with_name: bool| {
            let all = from.alias.iter().chain(&from.brand.alias).chain(&from.former_names);
            for name in all.chain(with_name.then_some(&from.name)) {
                if *name != organization.name && !names.contains(name) {
                    names.push(name.clone());
                }
            }
        };
        add(organization, false);
        // What was absorbed by what was absorbed, and so on; each once.
        let mut found = vec![organization.id];
        let mut next = 0;
        while let Some(into) = found.get(next).copied() {
            next += 1;
            for other in &self.organizations {
                if is_absorbed_by(other, into) && !found.contains(&other.id) {
                    found.push(other.id);
                    add(other, true);
                }
            }
        }
        names
    }
}

fn is_absorbed_by(organization: &Organization, into: OrganizationId) -> bool {
    matches!(organization.state, OrganizationState::Absorbed { by, .. } if by == into)
}

fn last_change(organization: &Organization) -> Instant {
    let ended = match organization.state {
        OrganizationState::Active => organization.created,
        OrganizationState::Absorbed { at, .. } | OrganizationState::Closed { at } => at,
    };
    ended.max(organization.changed.unwrap_or(organization.created))
}

impl Wanted {
    fn takes(&self, organization: &Organization, names: &[String]) -> bool {
        let begins = |text: &str, wanted: &str| {
            let text = text.to_lowercase();
            text.starts_with(wanted) || text.split(|c: char| !c.is_alphanumeric()).any(|word| word.starts_with(wanted))
        };
        let city = self.city.trim().to_lowercase();
        let in_city = city.is_empty() || organization.brand.city.as_deref().is_some_and(|known| begins(known, &city));
        let words: Vec<String> = self.name.split_whitespace().map(str::to_lowercase).collect();
        let named = |name: &str| words.iter().all(|word| begins(name, word));
        in_city && (named(&organization.name) || names.iter().any(|name| named(name)))
    }
}

const BRAND_PROFILE: &str = "http://hl7.org/fhir/smart-app-launch/StructureDefinition/user-access-brand";

fn entry(endpoints: &Endpoints, kind: &str, id: &str, resource: &Value) -> Value {
    json!({"fullUrl": format!("{}/brands/{kind}/{id}", endpoints.issuer()), "resource": resource})
}

fn endpoint(endpoints: &Endpoints, site: &str) -> Value {
    json!({
        "resourceType": "Endpoint",
        "id": OWN,
        "meta": {"profile": ["http://hl7.org/fhir/smart-app-launch/StructureDefinition/user-access-endpoint"]},
        "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/endpoint-fhir-version", "valueCode": "4.0.1"}],
        "status": "active",
        "connectionType": {
            "system": "http://terminology.hl7.org/CodeSystem/endpoint-connection-type",
            "code": "hl7-fhir-rest",
        },
        "name": site,
        "contact": [{"system": "url", "value": format!("{}/apps", endpoints.issuer())}],
        "payloadType": [{"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/endpoint-payload-type",
            "code": "none",
        }]}],
        "address": endpoints.fhir_base(),
    })
}

fn portal(endpoints: &Endpoints, name: &str, url: &str) -> Value {
    json!({
        "url": "http://hl7.org/fhir/StructureDefinition/organization-portal",
        "extension": [
            {"url": "portalName", "valueString": name},
            {"url": "portalUrl", "valueUrl": url},
            {"url": "portalEndpoint", "valueReference": {
                "reference": format!("Endpoint/{OWN}"),
                "display": endpoints.fhir_base(),
            }},
        ],
    })
}

fn practice(endpoints: &Endpoints, organization: &Organization, names: Vec<String>) -> Value {
    let brand = &organization.brand;
    let mut extension = vec![portal(endpoints, &organization.name, endpoints.issuer())];
    if let Some(logo) = &brand.logo {
        extension.push(json!({
            "url": "http://hl7.org/fhir/StructureDefinition/organization-brand",
            "extension": [{"url": "brandLogo", "valueUrl": logo}],
        }));
    }
    let mut identifier: Vec<Value> =
        brand.identifiers.iter().map(|known| json!({"system": known.system, "value": known.value})).collect();
    if let Some(web) = brand.website.as_deref().and_then(web_presence) {
        identifier.push(json!({"system": WEB, "value": web}));
    }
    let mut resource = json!({
        "resourceType": "Organization",
        "id": organization.id.to_string(),
        "meta": {"lastUpdated": last_change(organization).to_fhir(), "profile": [BRAND_PROFILE]},
        "extension": extension,
        "active": true,
        "name": organization.name,
        "partOf": {"reference": format!("Organization/{OWN}")},
        "endpoint": [{"reference": format!("Endpoint/{OWN}")}],
    });
    let phone = brand.phone.iter().map(|phone| json!({"system": "phone", "value": phone}));
    let website = brand.website.iter().map(|website| json!({"system": "url", "value": website}));
    let telecom: Vec<Value> = phone.chain(website).collect();
    for (name, value) in [
        ("identifier", Value::from(identifier)),
        ("alias", Value::from(names)),
        ("telecom", Value::from(telecom)),
        ("address", Value::from(address(organization).into_iter().collect::<Vec<_>>())),
    ] {
        if value.as_array().is_some_and(|list| !list.is_empty())
            && let Some(members) = resource.as_object_mut()
        {
            members.insert(name.to_owned(), value);
        }
    }
    resource
}

/// The web presence as an identifier: the origin without `www.` (User-access Brands, consistent identifiers).
fn web_presence(website: &str) -> Option<String> {
    let url = url::Url::parse(website).ok()?;
    let host = url.host_str()?;
    Some(format!("https://{}", host.strip_prefix("www.").unwrap_or(host)))
}

fn address(organization: &Organization) -> Option<Value> {
    let brand = &organization.brand;
    let mut address = serde_json::Map::new();
    if !brand.line.is_empty() {
        address.insert("line".to_owned(), Value::from(brand.line.clone()));
    }
    for (name, part) in [
        ("city", &brand.city),
        ("state", &brand.state),
        ("postalCode", &brand.postal_code),
        ("country", &brand.country),
    ] {
        if let Some(part) = part {
            address.insert(name.to_owned(), Value::from(part.clone()));
        }
    }
    (!address.is_empty()).then(|| Value::Object(address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::SeededRandom;
    use crate::config::Brand;

    fn organization(name: &str, city: &str, state: OrganizationState) -> Organization {
        Organization {
            id: OrganizationId::mint(&SeededRandom::new(name.len() as u64)),
            name: name.to_owned(),
            alias: Vec::new(),
            former_names: Vec::new(),
            release_policy: "standard".to_owned(),
            brand: Brand { city: Some(city.to_owned()), ..Brand::default() },
            created: Instant::from_micros(1_000_000),
            changed: None,
            state,
        }
    }

    #[test]
    fn a_practice_is_found_by_every_name_that_it_or_its_parts_had() {
        let at = Instant::from_micros(5_000_000);
        let mut riverside = organization("Riverside Family Practice", "Northfield", OrganizationState::Active);
        riverside.former_names.push("Dr. Müller & Partners".to_owned());
        let by = riverside.id;
        let old = organization("Old Mill Clinic", "Southfield", OrganizationState::Absorbed { at, by });
        let older = organization("Ancient Mill", "Eastfield", OrganizationState::Absorbed { at, by: old.id });
        let gone = organization("Gone Riverside", "Northfield", OrganizationState::Closed { at });
        let other = organization("Lakeside Cardiology", "Greenfield", OrganizationState::Active);
        let organizations = vec![riverside, old, older, gone, other];
        let brands = Brands { site: "Site".to_owned(), organizations };
        let endpoints = Endpoints::new("https://gw.test", false);
        let found = |name: &str, city: &str| -> Vec<String> {
            let wanted = Wanted { name: name.to_owned(), city: city.to_owned() };
            let bundle = brands.bundle(&endpoints, &wanted);
            let all = bundle["entry"].as_array().unwrap().iter().map(|entry| entry["resource"].clone());
            all.filter(|r| r["resourceType"] == "Organization" && r["id"] != OWN)
                .map(|r| r["name"].as_str().unwrap().to_owned())
                .collect()
        };
        let (riverside, lakeside) = ("Riverside Family Practice".to_owned(), "Lakeside Cardiology".to_owned());
        assert_eq!(found("", ""), [riverside.clone(), lakeside.clone()]);
        for name in ["river", "RIVERSIDE family", "practice", "müller", "partners", "old mill", "ancient", "mill"] {
            assert_eq!(found(name, ""), std::slice::from_ref(&riverside), "{name}");
        }
        for name in ["gone", "iverside", "riverside cardiology", "%", "_", "' OR 1=1--", "\\"] {
            assert!(found(name, "").is_empty(), "{name}");
        }
        assert_eq!(found("", "green"), [lakeside]);
        assert_eq!(found("", "northfield"), [riverside]);
        assert!(found("lakeside", "northfield").is_empty());
        assert_eq!(brands.bundle(&endpoints, &Wanted::default())["timestamp"], at.to_fhir());
    }

    #[test]
    fn a_web_site_is_an_identifier_by_its_origin() {
        for (website, identifier) in [
            ("https://www.riverside.example/patients?x=1", "https://riverside.example"),
            ("https://riverside.example", "https://riverside.example"),
        ] {
            assert_eq!(web_presence(website).as_deref(), Some(identifier));
        }
    }
}
