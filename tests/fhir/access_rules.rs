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
    /// `_history` of a resource.
    History,
    /// An operation on the type.
    Operation,
}

pub(super) const INTERACTIONS: [Interaction; 13] = [
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
    Interaction::History,
    Interaction::Operation,
];

/// What must come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// 200 with the resource.
    Resource,
    /// 200 with what the person has of the type, and nothing else.
    TheirOwn,
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
    // 2. There is no history and no operation, whoever asks.
    if matches!(interaction, I::History | I::Operation) {
        return Expected::Status(404);
    }
    // 3. Without a live token nobody learns anything.
    if matches!(role, Role::NoToken | Role::DeadToken) {
        return Expected::Status(401);
    }
    // 4. A type that is never served from a source is not there.
    if kind == Kind::Never {
        return Expected::Status(404);
    }
    // 5. Scope comes before any data.
    if role == Role::OtherScope {
        return Expected::Status(403);
    }
    match interaction {
        // 6. One's own, or the record one may act for.
        I::ReadOwn => Expected::Resource,
        // 7. Hidden and missing are the same.
        I::ReadOther | I::ReadUnknown => Expected::Status(404),
        // 8. A Binary hangs on a document: it is read, not searched.
        I::Search | I::SearchByPost | I::SearchOther | I::PageLink if resource_type == "Binary" => {
            Expected::Status(400)
        }
        I::Search | I::SearchByPost => Expected::TheirOwn,
        // 9. Naming somebody else's finds nothing.
        I::SearchOther => Expected::Nothing,
        // 10. A page link is good for whom it was made.
        I::PageLink if role == Role::Patient => Expected::TheirOwn,
        I::PageLink => Expected::Status(400),
        I::Create | I::Update | I::Patch | I::Delete | I::History | I::Operation => Expected::Status(405),
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
                Expected::Resource | Expected::TheirOwn => "200".to_owned(),
                Expected::Nothing => "200-".to_owned(),
                Expected::Status(status) => status.to_string(),
            });
            writeln!(text, "{resource_type} {role:?}: {}", cells.join(" ")).unwrap();
        }
    }
    text
}
