//! What organizations become, in the database: what goes along, what ends, and what a frozen link holds up.

use chartgate::base::id::{ClaimId, OrganizationId, ProxyRequestId, StaffTaskId};
use chartgate::base::random::SystemRandom;
use chartgate::consent::{GrantScope, Level};
use chartgate::identity::{
    Claim, ClaimState, Invitation, LinkState, ProxyDraft, ProxyRequest, RequestOrigin, RequestState, Said, StatusReason,
};
use chartgate::organization::{Mapping, OrganizationState, SourceKey};
use chartgate::storage::mergers::Merger;
use chartgate::storage::staff_tasks::{StaffTask, StaffTaskKind};
use chartgate::storage::{
    Db, StorageError, Tx, claims, consent, grants, invitations, links, mergers, organizations, persons, proxy_requests,
    staff_tasks,
};
use futures_util::future::BoxFuture;

use super::invitations::{Place, account, demographics, invitation, place, store};
use super::sample::{self, at};
use crate::support::database::{Database, on_both};

on_both!(what_waits_goes_along_or_ends, a_frozen_link_is_found_at_the_chart_that_its_own_became);

async fn write<T: Send + 'static>(
    db: &Db,
    work: impl for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, StorageError>> + Send + 'static,
) -> Result<T, StorageError> {
    db.write(work).await
}

fn draft(named: OrganizationId) -> ProxyDraft {
    let scope = GrantScope { organizations: Some([named].into()), ..GrantScope::whole(Level::View) };
    ProxyDraft {
        basis: "patient-consent".to_owned(),
        family: "Cole".to_owned(),
        given: "Sam".to_owned(),
        birth_date: None,
        until: None,
        scope: Some(serde_json::to_string(&scope).unwrap()),
        person: None,
        is_own_word: true,
        sources: None,
    }
}

fn request(place: &Place, asked_by: chartgate::base::id::AccountId) -> ProxyRequest {
    ProxyRequest {
        id: ProxyRequestId::mint(&SystemRandom::default()),
        organization: place.organization,
        origin: RequestOrigin::Patient,
        asked_by,
        asked: at(0),
        person: None,
        chart: Some((place.source, "p1".to_owned())),
        said: demographics(),
        draft: draft(place.organization),
        document: None,
        proofing: None,
        silent: None,
        approved: None,
        state: RequestState::Waiting,
        decided: None,
        reason: None,
        note: None,
        invitation: None,
    }
}

fn claim(place: &Place, account: chartgate::base::id::AccountId) -> Claim {
    Claim {
        id: ClaimId::mint(&SystemRandom::default()),
        account,
        organization: place.organization,
        said: Said {
            given: "Daniel".to_owned(),
            family: "Okafor".to_owned(),
            birth_date: "1991-04-14".to_owned(),
            number: "1".to_owned(),
        },
        made: at(0),
        chart: None,
        reasons: Vec::new(),
        wrong_codes: 0,
        state: ClaimState::Open,
    }
}

async fn what_waits_goes_along_or_ends(database: Database) {
    let db = &database.db;
    let (old, new) = (place(db).await, place(db).await);
    let holder = account(db, "holder").await;
    let (asked, said) = (request(&old, holder), claim(&old, holder));
    let code = Invitation { proxy: Some(draft(old.organization)), ..invitation(&old) };
    store(db, [1; 32], &code).await;
    let about_code = StaffTask {
        id: StaffTaskId::mint(&SystemRandom::default()),
        organization: old.organization,
        kind: StaffTaskKind::CodeLocked,
        object: format!("Invitation/{}", code.id),
        person: None,
        created: at(0),
    };
    let other = StaffTask {
        id: StaffTaskId::mint(&SystemRandom::default()),
        object: format!("Invitation/{}", ProxyRequestId::mint(&SystemRandom::default())),
        ..about_code.clone()
    };
    let (stored, made, task, kept) = (asked.clone(), said.clone(), about_code.clone(), other.clone());
    write(db, move |tx| {
        Box::pin(async move {
            proxy_requests::insert(tx, &stored).await?;
            claims::insert(tx, &made).await?;
            claims::queue(tx, made.id, Some((stored.chart.as_ref().unwrap().0, "p1")), &[]).await?;
            staff_tasks::insert(tx, &task).await?;
            staff_tasks::insert(tx, &kept).await
        })
    })
    .await
    .unwrap();

    // Drafts are found by whom they name, each kind on its own.
    let named = old.organization.to_string();
    let drafts = invitations::drafts(db, new.organization, &named).await.unwrap();
    assert_eq!(drafts, [(code.id, old.organization, draft(old.organization))]);
    assert_eq!(proxy_requests::drafts(db, &named).await.unwrap(), [(asked.id, draft(old.organization))]);
    assert!(invitations::drafts(db, new.organization, &new.organization.to_string()).await.unwrap().is_empty());
    assert_eq!(invitations::drafts_of_chart(db, old.source, "p1").await.unwrap().len(), 1);
    let (id, request_id, changed) = (code.id, asked.id, draft(new.organization));
    let expected = changed.clone();
    write(db, move |tx| {
        Box::pin(async move {
            invitations::set_draft(tx, id, &changed).await?;
            proxy_requests::set_draft(tx, request_id, &changed).await
        })
    })
    .await
    .unwrap();
    assert_eq!(invitations::by_id(db, code.id).await.unwrap().unwrap().proxy.as_ref(), Some(&expected));
    assert_eq!(proxy_requests::by_id(db, asked.id).await.unwrap().unwrap().draft, expected);

    // A source goes to another organization: what is about it goes along, and the rest stays.
    let (source, into) = (old.source, new.organization);
    write(db, move |tx| {
        Box::pin(async move {
            proxy_requests::hand_over_of_source(tx, source, into).await?;
            claims::hand_over_of_source(tx, source, into).await?;
            staff_tasks::hand_over_of_source(tx, source, into).await
        })
    })
    .await
    .unwrap();
    assert_eq!(proxy_requests::queued(db, into).await.unwrap().len(), 1);
    assert_eq!(claims::queued(db, into).await.unwrap().len(), 1);
    let tasks = |organization| staff_tasks::open(db, organization);
    assert_eq!(tasks(into).await.unwrap()[0].id, about_code.id);
    assert_eq!(tasks(old.organization).await.unwrap()[0].id, other.id);
    // A chart that became another one: what waits for it is about that one.
    let (from, to) = ((old.source, "p1"), (new.source, "q1"));
    write(db, move |tx| {
        Box::pin(async move {
            proxy_requests::move_chart(tx, from, to).await?;
            claims::move_chart(tx, from, to).await
        })
    })
    .await
    .unwrap();
    let chart = Some((new.source, "q1".to_owned()));
    assert_eq!(proxy_requests::by_id(db, asked.id).await.unwrap().unwrap().chart, chart);
    assert_eq!(claims::by_id(db, said.id).await.unwrap().unwrap().chart, chart);

    // It closes: what waits ends, and nothing new comes in. The other one is open.
    write(db, move |tx| {
        Box::pin(async move {
            organizations::set_state(tx, into, OrganizationState::Closed { at: at(5) }).await?;
            proxy_requests::end_of_organization(tx, into, at(5), StatusReason::PracticeClosed).await?;
            claims::end_of_organization(tx, into, at(5)).await?;
            staff_tasks::end_of_organization(tx, into, at(5), "closed").await
        })
    })
    .await
    .unwrap();
    let decided = proxy_requests::by_id(db, asked.id).await.unwrap().unwrap();
    assert_eq!((decided.state, decided.reason), (RequestState::Refused, Some(StatusReason::PracticeClosed)));
    assert_eq!(claims::by_id(db, said.id).await.unwrap().unwrap().state, ClaimState::Withdrawn { at: at(5) });
    assert!(tasks(into).await.unwrap().is_empty());
    for (place, expected) in [(&new, Err(StorageError::ReferenceMissing)), (&old, Ok(()))] {
        let (asked, said, code) = (request(place, holder), claim(place, holder), invitation(place));
        assert_eq!(
            write(db, move |tx| Box::pin(async move { proxy_requests::insert(tx, &asked).await })).await,
            expected
        );
        assert_eq!(write(db, move |tx| Box::pin(async move { claims::insert(tx, &said).await })).await, expected);
        let hash = [7; 32];
        let stored = write(db, move |tx| Box::pin(async move { invitations::insert(tx, &hash, &code, false).await }));
        assert_eq!(stored.await, expected);
    }
}

async fn merged(db: &Db, from: &Place, into: &Place, rows: &[(&str, &str)]) {
    let merger = Merger {
        source: from.source,
        into: into.source,
        from_organization: from.organization,
        into_organization: into.organization,
        effective: at(1),
    };
    let rows = rows.iter().map(|(old, new)| ((*old).to_owned(), (*new).to_owned())).collect();
    let mapping = Mapping { from: from.source, into: into.source, rows, digest: [1; 32] };
    write(db, move |tx| Box::pin(async move { mergers::insert(tx, &merger, &mapping).await })).await.unwrap();
}

async fn a_frozen_link_is_found_at_the_chart_that_its_own_became(database: Database) {
    let db = &database.db;
    let (old, new) = (place(db).await, place(db).await);
    merged(db, &old, &new, &[("p1", "q1"), ("p2", "q2")]).await;
    let (person, holder) =
        (write(db, |tx| Box::pin(sample::stored_person(tx))).await.unwrap(), account(db, "who").await);
    let (link, fine) = (sample::link(person, old.source, "p1"), sample::link(person, old.source, "p2"));
    let (stored, flows) = (link.clone(), fine.clone());
    write(db, move |tx| {
        Box::pin(async move {
            links::insert(tx, &stored).await?;
            links::insert(tx, &flows).await?;
            let frozen = LinkState::Frozen { at: at(9), reason: "staff".to_owned() };
            links::set_state(tx, stored.id, &frozen).await
        })
    })
    .await
    .unwrap();
    let at_chart = async |source: SourceKey, patient: &str| links::frozen_at(db, (source, patient)).await.unwrap();
    assert_eq!(at_chart(old.source, "p1").await.map(|found| found.id), Some(link.id));
    assert_eq!(at_chart(new.source, "q1").await.map(|found| found.id), Some(link.id), "the same record by its new id");
    assert!(at_chart(old.source, "p2").await.is_none() && at_chart(new.source, "q2").await.is_none());
    assert!(at_chart(new.source, "p1").await.is_none());
    let waiting = mergers::waiting(db, at(100), 10).await.unwrap();
    assert_eq!(waiting.len(), 2, "a frozen link goes along: {waiting:?}");
    // A row that turned out to be another human's says nothing of that record.
    let source = old.source;
    write(db, move |tx| Box::pin(async move { mergers::refuse(tx, source, "p1", "kept-from-proxies").await }))
        .await
        .unwrap();
    assert!(at_chart(new.source, "q1").await.is_some());
    write(db, move |tx| Box::pin(async move { mergers::refuse(tx, source, "p1", "another-human").await }))
        .await
        .unwrap();
    assert!(at_chart(new.source, "q1").await.is_none());
    // Brought over, it is frozen there.
    let to = new.source;
    write(db, move |tx| Box::pin(async move { links::bring_to(tx, link.id, (to, "q1"), at(10)).await })).await.unwrap();
    assert_eq!(at_chart(new.source, "q1").await.map(|found| found.id), Some(link.id));
    assert!(!links::by_id(db, link.id).await.unwrap().unwrap().state.is_active());
    // What is stopped is listed, what ended as wrong for a while, and what somebody did not want not at all.
    let ended = write(db, move |tx| {
        Box::pin(async move {
            links::end(tx, fine.id, at(20), "unwanted").await?;
            let wrong = sample::link(person, source, "p3");
            links::insert(tx, &wrong).await?;
            links::end(tx, wrong.id, at(21), "wrong-record").await?;
            Ok(wrong.id)
        })
    });
    let wrong = ended.await.unwrap();
    let listed = async |key, since| {
        let found = links::stopped_at_source(db, key, since).await.unwrap();
        found.into_iter().map(|link| link.id).collect::<Vec<_>>()
    };
    assert_eq!(listed(new.source, at(0)).await, [link.id]);
    assert_eq!(listed(old.source, at(0)).await, [wrong]);
    assert!(listed(old.source, at(21)).await.is_empty());

    // Leave by what it names, and by whose record it is for, merges of persons followed.
    let alias = write(db, |tx| Box::pin(sample::stored_person(tx))).await.unwrap();
    let (grant, ended) = (sample::grant(holder, alias), sample::grant(holder, alias));
    let scope = GrantScope { without_organizations: [old.organization].into(), ..GrantScope::whole(Level::View) };
    let (kept, gone, named) = (grant.clone(), ended, scope.clone());
    write(db, move |tx| {
        Box::pin(async move {
            grants::insert(tx, &kept).await?;
            grants::insert(tx, &gone).await?;
            consent::set_scope(tx, kept.id, &named).await?;
            consent::set_scope(tx, gone.id, &named).await?;
            grants::end(tx, gone.id, at(30), StatusReason::InactiveRole).await?;
            persons::merge(tx, alias, person, at(31)).await
        })
    })
    .await
    .unwrap();
    let expected = [(grant.id, alias, scope)];
    let id = old.organization.to_string();
    assert_eq!(consent::scopes_naming(db, ["nothing", &id, "nothing"]).await.unwrap(), expected);
    assert!(consent::scopes_naming(db, [&new.organization.to_string(), "nothing", "none"]).await.unwrap().is_empty());
    assert_eq!(consent::scopes_of(db, person).await.unwrap(), expected);
    assert_eq!(consent::policy(db, old.organization).await.unwrap(), None);
}
