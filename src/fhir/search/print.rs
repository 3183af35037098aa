//! A [`Query`] as name-value pairs in one canonical spelling, not yet percent-encoded.

use super::query::{Criterion, Include, QuantityUnit, Query, ReferenceValue, TokenValue, Value};
use crate::fhir::knowledge::{Comparator, Modifier};

impl Query {
    /// The query as pairs. Reading them again gives this query, except that `ignored` is empty then. A criterion that
    /// can never hold prints with an empty value, which no parser takes: it is not widened by mistake.
    #[must_use]
    pub fn to_pairs(&self) -> Vec<(String, String)> {
        let mut pairs: Vec<_> = self.criteria.iter().map(Criterion::to_pair).collect();
        pairs.extend(self.includes.iter().map(|include| include.to_pair("_include")));
        pairs.extend(self.revincludes.iter().map(|include| include.to_pair("_revinclude")));
        let mut add = |name: &str, value: String| pairs.push((name.to_owned(), value));
        if !self.sort.is_empty() {
            let keys: Vec<_> = self
                .sort
                .iter()
                .map(|key| format!("{}{}", if key.descending { "-" } else { "" }, key.parameter))
                .collect();
            add("_sort", keys.join(","));
        }
        if let Some(count) = self.count {
            add("_count", count.to_string());
        }
        if let Some(total) = self.total {
            add("_total", total.as_str().to_owned());
        }
        if let Some(summary) = self.summary {
            add("_summary", summary.as_str().to_owned());
        }
        if !self.elements.is_empty() {
            add("_elements", self.elements.join(","));
        }
        pairs
    }

    /// Brings everything whose order has no meaning into the order of its print, once each.
    pub(super) fn canonicalise(&mut self) {
        for criterion in &mut self.criteria {
            criterion.values.sort_by_cached_key(print_value);
            criterion.values.dedup();
        }
        self.criteria.sort_by_cached_key(Criterion::to_pair);
        self.criteria.dedup();
        for includes in [&mut self.includes, &mut self.revincludes] {
            includes.sort_by_cached_key(|include| include.to_pair(""));
            includes.dedup();
        }
        self.elements.sort();
        self.elements.dedup();
    }
}

impl Criterion {
    fn to_pair(&self) -> (String, String) {
        let name = match self.modifier {
            Some(modifier) => format!("{}:{}", self.parameter, modifier.as_str()),
            None => self.parameter.clone(),
        };
        let values: Vec<_> = self.values.iter().map(print_value).collect();
        (name, values.join(","))
    }
}

impl Include {
    fn to_pair(&self, name: &str) -> (String, String) {
        let name = if self.iterate { format!("{name}:iterate") } else { name.to_owned() };
        let target = self.target.map(|target| format!(":{target}")).unwrap_or_default();
        (name, format!("{}:{}{target}", self.source, self.parameter))
    }
}

fn print_value(value: &Value) -> String {
    match value {
        Value::Missing(missing) => missing.to_string(),
        Value::String(text) | Value::Uri(text) => escape(text, &[',', '$']),
        Value::Token(token) | Value::Reference(ReferenceValue::Identifier(token)) => print_token(token),
        Value::Reference(ReferenceValue::Local { resource_type: Some(resource_type), id }) => {
            format!("{resource_type}/{id}")
        }
        Value::Reference(ReferenceValue::Local { resource_type: None, id }) => id.clone(),
        Value::Reference(ReferenceValue::Url(url)) => escape(url, &[',', '$']),
        Value::Date(comparator, date) => format!("{}{}", prefix(*comparator), date.as_str()),
        Value::Number(comparator, number) => format!("{}{number}", prefix(*comparator)),
        Value::Quantity(comparator, number, unit) => format!("{}{number}{}", prefix(*comparator), print_unit(unit)),
        Value::Composite(parts) => parts.iter().map(print_value).collect::<Vec<_>>().join("$"),
    }
}

fn print_token(token: &TokenValue) -> String {
    let part = |text: &str| escape(text, &[',', '$', '|']);
    match token {
        TokenValue::Code(code) => part(code),
        TokenValue::SystemAndCode { system, code } => format!("{}|{}", part(system), part(code)),
        TokenValue::WithoutSystem(code) => format!("|{}", part(code)),
        TokenValue::System(system) => format!("{}|", part(system)),
    }
}

fn print_unit(unit: &QuantityUnit) -> String {
    let part = |text: &str| escape(text, &[',', '$', '|']);
    match unit {
        QuantityUnit::Any => String::new(),
        QuantityUnit::CodeOrUnit(code) => format!("||{}", part(code)),
        QuantityUnit::Coded { system, code } => format!("|{}|{}", part(system), part(code)),
    }
}

/// `eq` is not written: not every server takes it, and it is the default.
const fn prefix(comparator: Comparator) -> &'static str {
    match comparator {
        Comparator::Eq => "",
        other => other.as_str(),
    }
}

/// A value that means itself wherever it stands in a search (FHIR R4 search §3.1.1.4.0).
#[must_use]
pub fn escaped(text: &str) -> String {
    escape(text.trim(), &[',', '$', '|'])
}

fn escape(text: &str, separators: &[char]) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\\' || separators.contains(&c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// The words of the knowledge tables as a query spells them.
impl Modifier {
    const ALL: [Self; 9] = [
        Self::Missing,
        Self::Exact,
        Self::Contains,
        Self::Text,
        Self::Not,
        Self::Above,
        Self::Below,
        Self::Type,
        Self::Identifier,
    ];

    /// The modifier as it is written after the colon. [`Modifier::Type`] is written as the type's name instead.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Exact => "exact",
            Self::Contains => "contains",
            Self::Text => "text",
            Self::Not => "not",
            Self::Above => "above",
            Self::Below => "below",
            Self::Type => "type",
            Self::Identifier => "identifier",
        }
    }

    /// The modifier with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|modifier| modifier.as_str() == name)
    }
}

impl Comparator {
    /// The two letters of the prefix.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Eq => "eq",
            Self::Ne => "ne",
            Self::Gt => "gt",
            Self::Lt => "lt",
            Self::Ge => "ge",
            Self::Le => "le",
            Self::Sa => "sa",
            Self::Eb => "eb",
            Self::Ap => "ap",
        }
    }

    /// Splits a leading prefix off; a value without one means `eq`.
    #[must_use]
    pub fn split(text: &str) -> (Self, &str) {
        Self::ALL
            .iter()
            .find_map(|comparator| text.strip_prefix(comparator.as_str()).map(|rest| (*comparator, rest)))
            .unwrap_or((Self::Eq, text))
    }
}
