//! The values of a filter parameter: OR lists, prefixes, tokens, references, composites, and their escapes
//! (FHIR R4 search §3.1.1.4.4).

use std::borrow::Cow;

use super::super::date::PartialDate;
use super::super::decimal::Decimal;
use super::super::query::{QuantityUnit, ReferenceValue, SearchError, SearchErrorCode, TokenValue, Value};
use super::MAX_VALUES;
use crate::fhir::ResourceType;
use crate::fhir::knowledge::{Comparator, Modifier, SearchKind, SearchParameter, TypeFacts};
use crate::fhir::reference::{ReferenceForm, is_id, parse_reference};

/// Why a parameter is not taken.
#[derive(Clone, Copy, Debug)]
pub(super) enum Refusal {
    /// Not known: strict handling refuses it, lenient handling drops it and says so.
    Unknown(&'static str),
    /// Refused whatever the handling.
    NotSupported(&'static str),
    /// A value without the form that the parameter asks for.
    Value(&'static str),
    /// More than is accepted.
    TooLong(&'static str),
}

impl Refusal {
    pub(super) const fn into_error(self, parameter: String) -> SearchError {
        let (code, text) = match self {
            Self::Unknown(text) | Self::NotSupported(text) => (SearchErrorCode::NotSupported, text),
            Self::Value(text) => (SearchErrorCode::Value, text),
            Self::TooLong(text) => (SearchErrorCode::TooLong, text),
        };
        SearchError { parameter, code, text }
    }
}

/// The pieces of `text` between separators that are not escaped; the pieces keep their escapes.
pub(super) fn split(text: &str, separator: u8) -> Vec<&str> {
    let (mut pieces, mut rest, mut at) = (Vec::new(), text, 0);
    while let Some(byte) = rest.as_bytes().get(at) {
        if *byte == separator {
            pieces.push(rest.get(..at).unwrap_or_default());
            rest = rest.get(at + 1..).unwrap_or_default();
            at = 0;
        } else {
            at += if *byte == b'\\' { 2 } else { 1 };
        }
    }
    pieces.push(rest);
    pieces
}

/// The text without its escapes. A backslash before anything but `,`, `|`, `$` and `\` stands for itself.
pub(super) fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match rest.peek() {
            Some(escaped @ (',' | '|' | '$' | '\\')) if c == '\\' => {
                plain.push(*escaped);
                rest.next();
            }
            _ => plain.push(c),
        }
    }
    Cow::Owned(plain)
}

/// All values of a parameter; any of them may match.
pub(super) fn values(
    facts: &TypeFacts,
    parameter: &SearchParameter,
    modifier: Option<Modifier>,
    target: Option<ResourceType>,
    text: &str,
) -> Result<Vec<Value>, Refusal> {
    let pieces = split(text, b',');
    if pieces.len() > MAX_VALUES {
        return Err(Refusal::TooLong("a parameter has more than 200 values"));
    }
    if modifier == Some(Modifier::Missing) && pieces.len() > 1 {
        return Err(Refusal::Value(":missing takes one value"));
    }
    let part = Part { facts, parameter, kind: parameter.kind, targets: &parameter.targets, target };
    pieces
        .into_iter()
        .map(|piece| match modifier {
            _ if piece.is_empty() => Err(Refusal::Value("a value is empty")),
            Some(Modifier::Missing) => match piece {
                "true" => Ok(Value::Missing(true)),
                "false" => Ok(Value::Missing(false)),
                _ => Err(Refusal::Value(":missing takes true or false")),
            },
            Some(Modifier::Text) => Ok(Value::String(unescape(piece).into_owned())),
            Some(Modifier::Identifier) => Ok(Value::Reference(ReferenceValue::Identifier(token(piece)?))),
            _ => part.value(piece),
        })
        .collect()
}

/// What a value is read against: a parameter, or one component of a composite.
struct Part<'a> {
    facts: &'a TypeFacts,
    parameter: &'a SearchParameter,
    kind: SearchKind,
    targets: &'a [ResourceType],
    target: Option<ResourceType>,
}

impl Part<'_> {
    fn value(&self, text: &str) -> Result<Value, Refusal> {
        match self.kind {
            SearchKind::String => Ok(Value::String(unescape(text).into_owned())),
            SearchKind::Uri => Ok(Value::Uri(unescape(text).into_owned())),
            SearchKind::Token => {
                let token = token(text)?;
                match &token {
                    TokenValue::Code(id) if is_id(id.as_bytes()) => {}
                    _ if self.parameter.name == "_id" => return Err(Refusal::Value("not a logical id")),
                    _ => {}
                }
                Ok(Value::Token(token))
            }
            SearchKind::Reference => reference(&unescape(text), self.targets, self.target).map(Value::Reference),
            SearchKind::Date => {
                let (comparator, text) = self.comparator(text)?;
                let date = PartialDate::parse(text).ok_or(Refusal::Value("not a FHIR date or time"))?;
                Ok(Value::Date(comparator, date))
            }
            SearchKind::Number => {
                let (comparator, text) = self.comparator(text)?;
                Ok(Value::Number(comparator, number(text)?))
            }
            SearchKind::Quantity => {
                let (comparator, text) = self.comparator(text)?;
                quantity(comparator, text)
            }
            SearchKind::Composite => self.composite(text),
        }
    }

    fn comparator<'t>(&self, text: &'t str) -> Result<(Comparator, &'t str), Refusal> {
        let (comparator, rest) = Comparator::split(text);
        // `eq` is what a value without a prefix means; it needs no mention in the table.
        let known = comparator == Comparator::Eq || self.kind.comparators().contains(&comparator);
        let listed = self.parameter.kind == SearchKind::Composite
            || comparator == Comparator::Eq
            || self.parameter.comparators.contains(&comparator);
        if known && listed {
            Ok((comparator, rest))
        } else {
            Err(Refusal::Unknown("this prefix is not served for this parameter"))
        }
    }

    fn composite(&self, text: &str) -> Result<Value, Refusal> {
        let pieces = split(text, b'$');
        let components = &self.parameter.components;
        if pieces.len() != components.len() || components.is_empty() {
            return Err(Refusal::Value("a composite value has a part too many or too few"));
        }
        let parts = components.iter().zip(pieces).map(|(component, piece)| {
            if component.kind == SearchKind::Composite || piece.is_empty() {
                return Err(Refusal::Value("a part of a composite value is empty"));
            }
            let targets = self.facts.parameter(&component.parameter).map_or(ResourceType::ALL, |own| &own.targets);
            Part { kind: component.kind, targets, target: None, ..*self }.value(piece)
        });
        parts.collect::<Result<_, _>>().map(Value::Composite)
    }
}

fn token(text: &str) -> Result<TokenValue, Refusal> {
    let plain = |piece: &str| unescape(piece).into_owned();
    match split(text, b'|').as_slice() {
        [code] => Ok(TokenValue::Code(plain(code))),
        ["", ""] => Err(Refusal::Value("a token is empty")),
        ["", code] => Ok(TokenValue::WithoutSystem(plain(code))),
        [system, ""] => Ok(TokenValue::System(plain(system))),
        [system, code] => Ok(TokenValue::SystemAndCode { system: plain(system), code: plain(code) }),
        _ => Err(Refusal::Value("a token has more than two parts")),
    }
}

fn number(text: &str) -> Result<Decimal, Refusal> {
    Decimal::parse(text).ok_or(Refusal::Value("not a number"))
}

fn quantity(comparator: Comparator, text: &str) -> Result<Value, Refusal> {
    let plain = |piece: &str| unescape(piece).into_owned();
    let (value, unit) = match split(text, b'|').as_slice() {
        [value] | [value, "", ""] => (number(value)?, QuantityUnit::Any),
        [value, "", code] => (number(value)?, QuantityUnit::CodeOrUnit(plain(code))),
        [value, system, code] if !code.is_empty() => {
            (number(value)?, QuantityUnit::Coded { system: plain(system), code: plain(code) })
        }
        _ => return Err(Refusal::Value("a quantity is number, or number|system|code")),
    };
    Ok(Value::Quantity(comparator, value, unit))
}

/// `Type/id`, `id` or an absolute URL. A version is dropped: references are compared without it.
fn reference(text: &str, targets: &[ResourceType], target: Option<ResourceType>) -> Result<ReferenceValue, Refusal> {
    const MALFORMED: Refusal = Refusal::Value("not a reference");
    if text.contains("://") || text.starts_with("urn:") {
        let fits = target.is_none_or(|target| type_in(text) == Some(target.as_str()));
        return if fits { Ok(ReferenceValue::Url(text.to_owned())) } else { Err(MALFORMED) };
    }
    if is_id(text.as_bytes()) {
        // A parameter with one possible target needs no type: both spellings are one query.
        let only = target.or(match targets {
            [only] => Some(*only),
            _ => None,
        });
        let resource_type = only.map(|only| only.as_str().to_owned());
        return Ok(ReferenceValue::Local { resource_type, id: text.to_owned() });
    }
    match parse_reference(text, None) {
        ReferenceForm::Local(local) if target.is_none_or(|target| target.as_str() == local.type_name) => {
            Ok(ReferenceValue::Local { resource_type: Some(local.type_name.to_owned()), id: local.id.to_owned() })
        }
        _ => Err(MALFORMED),
    }
}

/// The type that an absolute URL of a resource names.
fn type_in(url: &str) -> Option<&str> {
    let mut segments = url.rsplit('/');
    let (last, before) = (segments.next()?, segments.next()?);
    if before == "_history" { segments.nth(1) } else { is_id(last.as_bytes()).then_some(before) }
}
