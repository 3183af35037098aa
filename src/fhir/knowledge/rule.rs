//! From rows of `authorization.json` to rules, each checked against the facts about the elements it reads.

use super::KnowledgeError;
use super::authorization::{AlternativeSubject, AuthorizationKind, EdgeElement, OwnerEdge, Several};
use super::compile::Draft;
use super::table::{AlternativeRow, AuthorizationRow, KindName, OwnerRow};
use crate::fhir::ResourceType;
use crate::fhir::shape::CaptureId;

/// The rule of each type, in the order of the drafts.
pub(super) fn kinds(
    rows: Vec<AuthorizationRow>,
    drafts: &mut [Draft],
) -> Result<Vec<AuthorizationKind>, KnowledgeError> {
    let words: Vec<KindName> = rows.iter().map(|row| row.kind).collect();
    let mut kinds = Vec::with_capacity(rows.len());
    for (index, row) in rows.into_iter().enumerate() {
        let Some(draft) = drafts.get_mut(index) else { continue };
        let fault = draft.fault(format!("its {:?} rule", row.kind));
        check_members(&row).ok_or(fault)?;
        kinds.push(match row.kind {
            KindName::Subject => subject(row, draft)?,
            KindName::Via => via(row, index, drafts, &words)?,
            KindName::Directory => AuthorizationKind::Directory { never_with: row.never_with.unwrap_or_default().0 },
            KindName::Own => AuthorizationKind::Own,
            KindName::Refused => AuthorizationKind::Refused,
        });
    }
    Ok(kinds)
}

/// A row has the members of its kind, and no others.
fn check_members(row: &AuthorizationRow) -> Option<()> {
    let subject = row.paths.is_some() && row.parameter.is_some() && row.several.is_some();
    let via = row.owners.is_some() != row.targets.is_some() && row.several.is_some();
    let fits = match row.kind {
        KindName::Subject => subject && row.owners.is_none() && row.targets.is_none() && row.never_with.is_none(),
        KindName::Via => via && !row.itself && row.paths.is_none() && row.alternative.is_none(),
        KindName::Directory | KindName::Own | KindName::Refused => {
            let bare = row.paths.is_none() && row.parameter.is_none() && row.several.is_none() && !row.itself;
            bare && row.owners.is_none() && row.targets.is_none() && row.alternative.is_none()
        }
    };
    let only_directories_refuse = row.never_with.is_none() || row.kind == KindName::Directory;
    (fits && only_directories_refuse && !row.reason.is_empty()).then_some(())
}

fn subject(row: AuthorizationRow, draft: &mut Draft) -> Result<AuthorizationKind, KnowledgeError> {
    let (paths, parameter) = (row.paths.unwrap_or_default(), row.parameter.unwrap_or_default());
    let of_itself = draft.facts.resource_type == ResourceType::Patient && parameter == "_id";
    if row.itself != paths.is_empty() || row.itself != of_itself {
        return Err(draft.fault("a subject rule reads the patient, and Patient alone is its own".to_owned()));
    }
    let alternative = row.alternative.map(|rows| alternative(&rows, draft)).transpose()?;
    Ok(AuthorizationKind::Subject {
        itself: row.itself,
        paths: paths.iter().map(|path| patient(path, &parameter, draft)).collect::<Result<_, _>>()?,
        several: row.several.unwrap_or(Several::All),
        parameter,
        alternative,
    })
}

fn alternative(rows: &[AlternativeRow], draft: &mut Draft) -> Result<AlternativeSubject, KnowledgeError> {
    let paths = rows.iter().map(|row| patient(&row.path, &row.parameter, draft)).collect::<Result<_, _>>()?;
    Ok(AlternativeSubject { paths, parameters: rows.iter().map(|row| row.parameter.clone()).collect() })
}

/// A Reference that may name a patient and that the parameter searches.
fn patient(path: &str, parameter: &str, draft: &mut Draft) -> Result<CaptureId, KnowledgeError> {
    let names = draft.reference(path).is_some_and(|element| element.targets.contains(&ResourceType::Patient));
    if !names || !draft.reads(parameter, path, ResourceType::Patient) {
        return Err(draft.fault(format!("{path} names no patient that {parameter} searches")));
    }
    Ok(draft.capture(path))
}

fn via(
    row: AuthorizationRow,
    index: usize,
    drafts: &mut [Draft],
    words: &[KindName],
) -> Result<AuthorizationKind, KnowledgeError> {
    let Some(own) = drafts.get(index).map(|draft| draft.facts.resource_type) else {
        return Ok(AuthorizationKind::Refused);
    };
    let owners = row.owners.unwrap_or_default();
    let attached = owners.iter().any(|owner| owner.by == "attachment");
    let mut edges = Vec::with_capacity(owners.len());
    for owner in owners {
        edges.push(edge(owner, own, drafts, words)?);
    }
    // An attachment of a served type that no edge covers could be shown, and its bytes never.
    let covered = |draft: &Draft| edges.iter().any(|edge| edge.owner == draft.facts.resource_type);
    let uncovered = drafts.iter().zip(words).find(|(draft, word)| {
        let served = matches!(word, KindName::Subject | KindName::Via | KindName::Directory);
        attached && served && !draft.facts.attachments.is_empty() && !covered(draft)
    });
    if let Some((draft, _)) = uncovered {
        return Err(draft.fault(format!("its attachments own no {own}")));
    }
    let Some(draft) = drafts.get_mut(index) else { return Ok(AuthorizationKind::Refused) };
    let mut targets = Vec::new();
    let mut items = None;
    for path in row.targets.unwrap_or_default() {
        let target = draft.reference(&path).and_then(|element| element.targets.first().copied());
        let searched = match (target, &row.parameter) {
            (Some(target), Some(parameter)) => draft.reads(parameter, &path, target),
            (target, None) => target.is_some(),
            (None, Some(_)) => false,
        };
        if !searched {
            return Err(draft.fault(format!("{path} points at no owner")));
        }
        targets.push(draft.capture(&path));
        items = path.rsplit_once('.').map(|(list, _)| list.to_owned()).or(items);
    }
    if edges.is_empty() == targets.is_empty() || (!edges.is_empty() && row.parameter.is_some()) {
        return Err(draft.fault("an owner points here, or this points at its owner".to_owned()));
    }
    Ok(AuthorizationKind::Via {
        owners: edges,
        targets,
        items,
        several: row.several.unwrap_or(Several::All),
        parameter: row.parameter,
    })
}

fn edge(
    row: OwnerRow,
    own: ResourceType,
    drafts: &mut [Draft],
    words: &[KindName],
) -> Result<OwnerEdge, KnowledgeError> {
    let owner = row.owner.0;
    let visible = matches!(words.get(owner as usize), Some(KindName::Subject | KindName::Directory));
    let Some(draft) = drafts.get_mut(owner as usize).filter(|_| visible) else {
        return Err(KnowledgeError::Row { resource_type: own, what: format!("{owner} owns nothing") });
    };
    let points = draft.reference(&row.by).is_some_and(|element| element.targets.contains(&own));
    let by = match row.parameter {
        None if row.by == "attachment" && !draft.facts.attachments.is_empty() => EdgeElement::Attachment,
        Some(parameter) if points && draft.reads(&parameter, &row.by, own) => {
            EdgeElement::Reference { capture: draft.capture(&row.by), path: row.by, parameter }
        }
        _ => return Err(draft.fault(format!("{} points at no {own}", row.by))),
    };
    Ok(OwnerEdge { owner, by })
}
