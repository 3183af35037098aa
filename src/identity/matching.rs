//! Whether what somebody says of themselves is one patient of an EHR: the table of the portal design, 2.4. Nobody who
//! asks ever learns what it found.

mod chart_patient;
mod normal;
#[cfg(test)]
mod tests;

use super::claim::Said;
use super::named;
use crate::base::clock::Instant;

pub use chart_patient::{ChartContact, ChartName, ChartPatient, Contact};
pub use normal::{birth_date, same_family_name, same_name};

/// A contact must stand on the record for so long before a code is sent to it (portal design, 2.4), in days.
pub const CONTACT_STANDS_DAYS: u64 = 30;

named! {
    /// Why a claim is not accepted by itself. For staff alone.
    Doubt {
        /// No patient was found.
        NoCandidate = "no-candidate",
        /// Several patients fit.
        SeveralCandidates = "several-candidates",
        /// The family name is another.
        FamilyName = "family-name",
        /// The given name is another.
        GivenName = "given-name",
        /// The birth date is another.
        BirthDate = "birth-date",
        /// Day and month of the birth date are exchanged.
        DayAndMonth = "day-and-month-exchanged",
        /// The record has only a year, or a month.
        PartialBirthDate = "partial-birth-date",
        /// The number is not that of the record.
        Number = "number",
        /// The record is not in use any more, or was merged.
        NotActive = "not-active",
        /// The patient died.
        Deceased = "deceased",
        /// There is no phone or e-mail address on the record, or it is too new.
        NoContact = "no-contact",
        /// The family name differs in one letter, and there is no phone to make sure.
        NeedsPhone = "needs-phone",
        /// The practice did not answer.
        Unreachable = "unreachable",
        /// The patient is too young to begin alone.
        TooYoung = "too-young",
        /// Too many wrong one-time codes.
        WrongCodes = "wrong-codes",
        /// Somebody else has this chart.
        Taken = "taken",
    }
}

/// What the table says of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is this one, once a code comes back from this contact.
    Accept {
        /// The Patient's id.
        patient: String,
        /// Where the code goes.
        contact: Contact,
    },
    /// Staff must look.
    Queue {
        /// The patient it may be, where there is one alone.
        patient: Option<String>,
        /// Why.
        doubts: Vec<Doubt>,
    },
}

/// Whom somebody says to be, in one spelling: by name and birth date, and by number. Two claims about one human are alike
/// in one of them, however they are written.
#[must_use]
pub fn about(said: &Said) -> (String, String) {
    (format!("{} {}", normal::one_spelling(&said.family, &said.given), said.birth_date), normal::number(&said.number))
}

/// Holds a claim against the patients that the EHR found for it. Family name, given name, birth date and number must all
/// be those of exactly one patient.
#[must_use]
pub fn verdict(said: &Said, candidates: &[ChartPatient], now: Instant) -> Verdict {
    let weighed: Vec<(&ChartPatient, Vec<Doubt>)> =
        candidates.iter().map(|candidate| (candidate, doubts(said, candidate))).collect();
    let exact: Vec<_> = weighed.iter().filter(|(_, doubts)| doubts.is_empty()).collect();
    let near: Vec<_> = weighed.iter().filter(|(patient, doubts)| is_near(said, patient, doubts)).collect();
    match (exact.as_slice(), near.as_slice()) {
        ([(only, _)], _) => accept(only, only.contact(now), Doubt::NoContact),
        ([], [(only, _)]) => accept(only, only.phone(now), Doubt::NeedsPhone),
        ([], []) => closest(&weighed),
        _ => Verdict::Queue { patient: None, doubts: vec![Doubt::SeveralCandidates] },
    }
}

/// The one patient of whom a provider proved names, birth date and a contact. All must be those of exactly one patient;
/// a number is not asked for.
///
/// # Errors
/// Why staff must look.
pub fn proofed<'c>(
    said: &Said,
    contacts: &[String],
    candidates: &'c [ChartPatient],
) -> Result<&'c ChartPatient, Doubt> {
    let is_same = |patient: &&ChartPatient| doubts(said, patient).iter().all(|doubt| *doubt == Doubt::Number);
    let mut same = candidates.iter().filter(is_same);
    match (same.next(), same.next()) {
        (None, _) => Err(Doubt::NoCandidate),
        (Some(_), Some(_)) => Err(Doubt::SeveralCandidates),
        (Some(only), None) => {
            let has = |known: &ChartContact| contacts.iter().any(|said| is_one_contact(said, known.contact.text()));
            if only.contacts.iter().any(has) { Ok(only) } else { Err(Doubt::NoContact) }
        }
    }
}

/// Whether two ways to write a phone number or an address are one. Dots and what stands behind a plus are not folded: they
/// are other mailboxes at some providers.
fn is_one_contact(a: &str, b: &str) -> bool {
    let one = |text: &str| match super::contact::Contact::email(text) {
        Ok(email) => Some(email.address().to_ascii_lowercase()),
        Err(_) => super::contact::Contact::phone(text).ok().map(|phone| phone.address().to_owned()),
    };
    one(a).is_some_and(|a| one(b) == Some(a))
}

fn accept(patient: &ChartPatient, contact: Option<Contact>, without: Doubt) -> Verdict {
    let id = patient.id.clone();
    match contact {
        Some(contact) => Verdict::Accept { patient: id, contact },
        None => Verdict::Queue { patient: Some(id), doubts: vec![without] },
    }
}

/// What staff see of a claim that fits nobody: the one patient with the fewest doubts, if one alone has.
fn closest(weighed: &[(&ChartPatient, Vec<Doubt>)]) -> Verdict {
    let Some(fewest) = weighed.iter().map(|(_, doubts)| doubts.len()).min() else {
        return Verdict::Queue { patient: None, doubts: vec![Doubt::NoCandidate] };
    };
    let mut best = weighed.iter().filter(|(_, doubts)| doubts.len() == fewest);
    match (best.next(), best.next()) {
        (Some((patient, doubts)), None) => Verdict::Queue { patient: Some(patient.id.clone()), doubts: doubts.clone() },
        _ => Verdict::Queue { patient: None, doubts: vec![Doubt::SeveralCandidates] },
    }
}

/// Everything in which a claim and a patient differ, and what stands against the patient by itself.
fn doubts(said: &Said, patient: &ChartPatient) -> Vec<Doubt> {
    let mut doubts = Vec::new();
    let mut add = |is_so: bool, doubt: Doubt| {
        if is_so {
            doubts.push(doubt);
        }
    };
    add(!patient.is_active(), Doubt::NotActive);
    add(patient.is_deceased, Doubt::Deceased);
    add(!patient.family_names().any(|name| normal::same_family_name(&said.family, name)), Doubt::FamilyName);
    add(!patient.given_names().any(|names| normal::same_given_name(&said.given, names)), Doubt::GivenName);
    match patient.birth_date.as_deref() {
        Some(known) if known == said.birth_date => {}
        Some(known) if normal::is_partial(known) => add(true, Doubt::PartialBirthDate),
        Some(known) if normal::are_day_and_month_exchanged(known, &said.birth_date) => add(true, Doubt::DayAndMonth),
        _ => add(true, Doubt::BirthDate),
    }
    add(!patient.numbers.iter().any(|number| normal::same_number(&said.number, number)), Doubt::Number);
    doubts
}

/// Only the family name differs, by one letter of five or more: good enough when the phone on file answers.
fn is_near(said: &Said, patient: &ChartPatient, doubts: &[Doubt]) -> bool {
    doubts == [Doubt::FamilyName] && patient.family_names().any(|name| normal::is_one_edit(&said.family, name))
}
