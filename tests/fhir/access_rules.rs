//! Who gets what, as a short list of rules written by hand. `access_table.txt` is what they come to for every role, type
//! and interaction: it is committed for people to read, and `access.rs` asks the product for every cell.

use std::fmt::Write as _;

use crate::naive::{Kind, kind_of};

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    NoToken,
    DeadToken,
    /// A patient whose token covers another type.
    OtherScope,
    Patient,
    /// Another patient, after the first one's things.
    OtherPatient,
    /// A parent with a grant, for the child's record.
    Parent,
    /// A parent without a grant, after the teenager's things.
    ParentOfTeenager,
    /// A guardian, for the ward's record.
    Guardian,
}

pub(super) const ROLES: [Role; 8] = [
    Role::NoToken,
    Role::DeadToken,
    Role::OtherScope,
    Role::Patient,
    Role::OtherPatient,
    Role::Parent,
    Role::ParentOfTeenager,
    Role::Guardian,
];

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interaction {
    /// A resource that the token's person has.
    ReadOwn,
    /// A resource that somebody else has.
    ReadOther,
    /// An id that was never issued.
    ReadUnknown,
    /// A search without parameters.
    Search,
    /// The same by POST.
    SearchByPost,
    /// A search for the id of somebody else's resource.
    SearchOther,
    /// A link to the second page of the patient's own search.
    PageLink,
    Create,
    Update,
    Patch,
    Delete,
    /// The current version of one's own, by its number.
    VreadOwn,
    /// A version of somebody else's.
    VreadOther,
    /// All versions of one's own.
    HistoryOwn,
    /// All versions of somebody else's.
    HistoryOther,
    /// A search below the token's own Patient.
    Compartment,
    /// The same by POST.
    CompartmentByPost,
    /// A search below somebody else's Patient.
    CompartmentOther,
    /// `$everything` of the token's own Patient, limited to the type.
    Everything,
    /// `$everything` of somebody else's Patient.
    EverythingOther,
    /// The bytes of one's own, which only a Binary has.
    ContentOwn,
    /// The bytes of somebody else's.
    ContentOther,
    /// An operation that nobody offers.
    Operation,
}

pub(super) const INTERACTIONS: [Interaction; 23] = [
    Interaction::ReadOwn,
    Interaction::ReadOther,
    Interaction::ReadUnknown,
    Interaction::Search,
    Interaction::SearchByPost,
    Interaction::SearchOther,
    Interaction::PageLink,
    Interaction::Create,
    Interaction::Update,
    Interaction::Patch,
    Interaction::Delete,
    Interaction::VreadOwn,
    Interaction::VreadOther,
    Interaction::HistoryOwn,
    Interaction::HistoryOther,
    Interaction::Compartment,
    Interaction::CompartmentByPost,
    Interaction::CompartmentOther,
    Interaction::Everything,
    Interaction::EverythingOther,
    Interaction::ContentOwn,
    Interaction::ContentOther,
    Interaction::Operation,
];

/// What must come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// 200 with the resource.
    Resource,
    /// 200 with bytes that are no FHIR JSON.
    Bytes,
    /// 200 and nothing of any other type.
    OfTheType,
    /// 200 with its versions.
    Versions,
    /// 200 with what the person has of the type, and nothing else.
    TheirOwn,
    /// 200 with what Chartgate itself keeps of the person.
    KeptHere,
    /// 200 and no match.
    Nothing,
    /// This status and an OperationOutcome.
    Status(u16),
}

/// A type that FHIR has and Chartgate does not know.
pub(super) const UNKNOWN_TYPE: &str = "Claim";

/// The rules, the first that fits.
pub(super) fn expected(role: Role, interaction: Interaction, resource_type: &str) -> Expected {
    use Interaction as I;
    let kind = if resource_type == UNKNOWN_TYPE { Kind::Never } else { kind_of(resource_type) };
    // 1. Nothing is written yet, whoever asks.
    if matches!(interaction, I::Create | I::Update | I::Patch | I::Delete) {
        return Expected::Status(405);
    }
    // 2. Without a live token nobody learns anything.
    if matches!(role, Role::NoToken | Role::DeadToken) {
        return Expected::Status(401);
    }
    // 3. Nobody gets an operation that is not there.
    if interaction == I::Operation {
        return Expected::Status(404);
    }
    // 4. Everything is of a person, limited to a type that exists: a token for another type gets none of this one.
    match interaction {
        I::Everything if resource_type == UNKNOWN_TYPE => return Expected::Status(400),
        I::Everything => return Expected::OfTheType,
        I::EverythingOther => return Expected::Status(404),
        // Bytes are a form of Binary alone: of another type there is only FHIR.
        I::ContentOwn | I::ContentOther if resource_type == UNKNOWN_TYPE => return Expected::Status(404),
        I::ContentOwn | I::ContentOther if resource_type != "Binary" => return Expected::Status(406),
        _ => {}
    }
    // 5. Who looked at a record is told from Chartgate's own log alone, to the person whose record it is.
    if resource_type == "AuditEvent" {
        return match (interaction, role) {
            (I::Compartment | I::CompartmentByPost | I::CompartmentOther, _) => Expected::Status(404),
            (_, Role::OtherScope) => Expected::Status(403),
            (I::Search | I::SearchByPost, Role::Parent | Role::Guardian) | (I::SearchOther, _) => Expected::Nothing,
            (I::Search | I::SearchByPost, _) => Expected::KeptHere,
            _ => Expected::Status(404),
        };
    }
    // A type that is never served from a source is not there.
    if kind == Kind::Never {
        return Expected::Status(404);
    }
    // 6. What is about nobody, or is the Patient, is not below a Patient. R4 has Provenance there.
    let is_below = resource_type == "Provenance"
        || (resource_type != "Patient" && matches!(kind, Kind::Subject(_) | Kind::AnySubject(_)));
    if matches!(interaction, I::Compartment | I::CompartmentByPost | I::CompartmentOther) && !is_below {
        return Expected::Status(404);
    }
    // 7. Scope comes before any data.
    if role == Role::OtherScope {
        return Expected::Status(403);
    }
    match interaction {
        // 8. The merged Patient and documents have no versions.
        I::VreadOwn | I::HistoryOwn if ["Patient", "Binary"].contains(&resource_type) => Expected::Status(404),
        // 9. One's own, or the record one may act for.
        I::ReadOwn | I::VreadOwn => Expected::Resource,
        I::HistoryOwn => Expected::Versions,
        I::ContentOwn => Expected::Bytes,
        // 10. Hidden and missing are the same.
        I::ReadOther | I::ReadUnknown | I::VreadOther | I::HistoryOther | I::CompartmentOther | I::ContentOther => {
            Expected::Status(404)
        }
        // 11. A Binary hangs on a document: it is read, not searched.
        I::Search | I::SearchByPost | I::SearchOther | I::PageLink if resource_type == "Binary" => {
            Expected::Status(400)
        }
        I::Search | I::SearchByPost | I::Compartment | I::CompartmentByPost => Expected::TheirOwn,
        // 12. Naming somebody else's finds nothing.
        I::SearchOther => Expected::Nothing,
        // 13. A page link is good for whom it was made.
        I::PageLink if role == Role::Patient => Expected::TheirOwn,
        I::PageLink => Expected::Status(400),
        I::Create | I::Update | I::Patch | I::Delete | I::Operation | I::Everything | I::EverythingOther => {
            Expected::Status(405)
        }
    }
}

/// The table as text: a line for each type and role.
pub(super) fn table(types: &[&str]) -> String {
    let mut text = String::from(
        "# What every role gets for every type and interaction. Written from the rules in access_rules.rs; run the tests\n\
         # with CHARTGATE_WRITE_ACCESS_TABLE=1 after a rule changed, and read the difference.\n\
         # 200: the resource, or what the person has of the type. 200-: no match. Any other: an OperationOutcome.\n",
    );
    let columns = INTERACTIONS.map(|interaction| format!("{interaction:?}")).join(" ");
    writeln!(text, "# type role: {columns}").unwrap();
    for resource_type in types {
        for role in ROLES {
            let cells = INTERACTIONS.map(|interaction| match expected(role, interaction, resource_type) {
                Expected::Resource
                | Expected::Versions
                | Expected::TheirOwn
                | Expected::Bytes
                | Expected::KeptHere
                | Expected::OfTheType => "200".to_owned(),
                Expected::Nothing => "200-".to_owned(),
                Expected::Status(status) => status.to_string(),
            });
            writeln!(text, "{resource_type} {role:?}: {}", cells.join(" ")).unwrap();
        }
    }
    text
}
