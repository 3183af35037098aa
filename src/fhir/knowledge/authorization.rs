//! Who may see a resource of a type: the kind of rule, with the paths it reads. The decision is made elsewhere.

use crate::fhir::ResourceType;
use crate::fhir::shape::CaptureId;

/// The authorisation kind of one resource type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthorizationKind {
    /// The resource is about one patient, and visible to nobody but on that patient's account.
    Subject {
        /// The type is Patient: its own `id` says whose it is, and `paths` is empty.
        itself: bool,
        /// The Reference elements that name the patient. Being named anywhere else (performer, asserter, payor, …)
        /// grants nothing. None present and no `alternative`: nobody sees the resource.
        paths: Vec<CaptureId>,
        /// What holds when the paths yield several values.
        several: Several,
        /// The search parameter of the source that takes the patient: `_id` for Patient, otherwise a reference.
        parameter: String,
        /// What holds when no value stands at `paths`.
        alternative: Option<AlternativeSubject>,
    },
    /// Visible exactly when a resource that owns it is visible.
    Via {
        /// Types whose elements point at this one. Empty when this type points at its owner.
        owners: Vec<OwnerEdge>,
        /// Reference elements of this type that point at its owner. Empty when the owner points here.
        targets: Vec<CaptureId>,
        /// The list whose every item must hold a value of `targets`, where they stand inside one and all must fit: an
        /// item without an owner is nobody's.
        items: Option<String>,
        /// What holds when `targets` yield several values.
        several: Several,
        /// The search parameter of this type that takes the owner; none where R4 defines none.
        parameter: Option<String>,
    },
    /// Shared reference data of a source, about nobody who is treated there.
    Directory {
        /// A resource with a reference to one of these types is no reference data after all, and is dropped.
        never_with: Vec<ResourceType>,
    },
    /// Kept by Chartgate itself; what a source holds of it is never served.
    Own,
    /// Never served.
    Refused,
}

/// How several values of one rule count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Several {
    /// One value that fits is enough; the others are redacted.
    Any,
    /// Each value must fit.
    All,
}

/// The rule for a resource that names no subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlternativeSubject {
    /// Reference elements of which one must be the patient.
    pub paths: Vec<CaptureId>,
    /// The search parameters that find such resources, in the order of `paths`.
    pub parameters: Vec<String>,
}

/// An element of an owner that points at the owned resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerEdge {
    /// The owner's type.
    pub owner: ResourceType,
    /// The element.
    pub by: EdgeElement,
}

/// The kind of element that makes an [`OwnerEdge`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EdgeElement {
    /// A Reference.
    Reference {
        /// Element path in the owner.
        path: String,
        /// The same in the owner's shape.
        capture: CaptureId,
        /// The owner's search parameter over it.
        parameter: String,
    },
    /// Any of the owner's attachment URLs ([`super::TypeFacts::attachments`]).
    Attachment,
}
