//! Parameters of OAuth requests.

use super::error::{ErrorCode, OauthError};

/// No request of any specification comes near it.
const MOST_PARAMETERS: usize = 64;

/// The parameters of one request, each at most once (RFC 6749 §3.1 and §3.2).
#[derive(Clone, Default)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Takes the pairs of a query, a form, or both together.
    ///
    /// # Errors
    /// `invalid_request` when a name comes twice, whatever the values: which one counts must never be a question.
    pub fn new(pairs: Vec<(String, String)>) -> Result<Self, OauthError> {
        if pairs.len() > MOST_PARAMETERS {
            return Err(OauthError::new(ErrorCode::InvalidRequest, "too many parameters"));
        }
        for (index, (name, _)) in pairs.iter().enumerate() {
            if pairs.iter().skip(index + 1).any(|(other, _)| other == name) {
                return Err(OauthError::new(ErrorCode::InvalidRequest, "a parameter is repeated"));
            }
        }
        Ok(Self(pairs))
    }

    /// The value of a parameter; one without a value counts as left out (RFC 6749 §3.1).
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.raw(name).filter(|value| !value.is_empty())
    }

    /// The same with one more, which was not there.
    #[must_use]
    pub fn and(mut self, name: &str, value: String) -> Self {
        self.0.push((name.to_owned(), value));
        self
    }

    /// The value of a parameter, empty or not.
    #[must_use]
    pub fn raw(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        url::form_urlencoded::parse(text.as_bytes()).into_owned().collect()
    }

    #[test]
    fn o02_no_parameter_comes_twice() {
        for bad in ["a=1&a=2", "a=1&a=1", "a&b=1&a", "x=&state=1&x="] {
            assert!(Parameters::new(pairs(bad)).is_err(), "{bad}");
        }
        let good = Parameters::new(pairs("a=1&b=2&c=")).unwrap();
        assert_eq!((good.get("a"), good.get("c"), good.raw("c"), good.get("d")), (Some("1"), None, Some(""), None));
    }
}
