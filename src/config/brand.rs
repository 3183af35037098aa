use serde::{Deserialize, Serialize};

use super::ConfigError;

/// How a practice shows itself to people who look for it (SMART App Launch 2.2, User-access Brands).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Brand {
    /// Other names people search for.
    pub alias: Vec<String>,
    /// Its own web site, https.
    pub website: Option<String>,
    /// Its logo, an https URL of a picture.
    pub logo: Option<String>,
    /// The number people call.
    pub phone: Option<String>,
    /// Street and number.
    pub line: Vec<String>,
    /// The city.
    pub city: Option<String>,
    /// State or region.
    pub state: Option<String>,
    /// The postal code.
    pub postal_code: Option<String>,
    /// The country.
    pub country: Option<String>,
    /// Identifiers that apps know it by in other lists.
    pub identifiers: Vec<BrandIdentifier>,
}

/// An identifier of an organization.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BrandIdentifier {
    /// Who gives them out, a URI.
    pub system: String,
    /// The identifier.
    pub value: String,
}

impl Brand {
    /// Checks what everybody will read.
    ///
    /// # Errors
    /// [`ConfigError::Refused`] with the name of the field below `setting`.
    pub fn validate(&self, setting: &str) -> Result<(), ConfigError> {
        for (name, url) in [("website", &self.website), ("logo", &self.logo)] {
            let is_https = |text: &String| url::Url::parse(text).is_ok_and(|url| url.scheme() == "https");
            if !url.iter().all(is_https) {
                return Err(ConfigError::refused(format!("{setting}.{name}"), "must be an https URL"));
            }
        }
        let is_sound = |known: &BrandIdentifier| url::Url::parse(&known.system).is_ok() && !known.value.is_empty();
        if !self.identifiers.iter().all(is_sound) {
            return Err(ConfigError::refused(format!("{setting}.identifiers"), "need a URI as system, and a value"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_would_follow_is_https() {
        let website = |text: &str| Brand { website: Some(text.to_owned()), ..Brand::default() };
        assert!(website("https://riverside.example").validate("brand").is_ok());
        for bad in ["http://riverside.example", "javascript:alert(1)", "riverside.example", ""] {
            let error = website(bad).validate("brand").unwrap_err().to_string();
            assert!(error.starts_with("brand.website"), "{error}");
        }
        let identifier = |system: &str, value: &str| Brand {
            identifiers: vec![BrandIdentifier { system: system.to_owned(), value: value.to_owned() }],
            ..Brand::default()
        };
        assert!(identifier("http://hl7.org/fhir/sid/us-npi", "1").validate("brand").is_ok());
        assert!(identifier("npi", "1").validate("brand").is_err());
        assert!(identifier("urn:oid:1.2", "").validate("brand").is_err());
    }
}
