//! Activation codes and claims: used once, whoever comes at the same time.

use chartgate::base::id::{AccountId, ClaimId, InvitationId, LinkId, PersonId, ProofingId, StaffTaskId};
use chartgate::base::random::SystemRandom;
use chartgate::identity::{
    Assurance, Channel, Claim, ClaimState, Demographics, Document, Invitation, InvitationState, Link, LinkMethod,
    LinkState, Proofing, ProxyDraft, Said, StaffRole,
};
use chartgate::organization::SourceKey;
use chartgate::storage::staff::StaffRow;
use chartgate::storage::staff_tasks::{StaffTask, StaffTaskKind};
use chartgate::storage::{
    Db, StorageError, Taken, accounts, claims, invitations, links, organizations, persons, proofings, sources, staff,
    staff_tasks,
};

use sqlx::{Connection as _, SqliteConnection};

use super::sample::{self, at};
use crate::support::database::{Database, on_both};

on_both!(
    fifty_redemptions_make_one_link,
    wrong_answers_count_one_by_one_and_lock,
    an_invitation_comes_back_as_it_went_in,
    a_one_time_code_is_good_once,
    roles_begin_and_end,
    a_task_is_closed_once_at_its_own_organization,
);

pub(super) struct Place {
    pub(super) organization: chartgate::base::id::OrganizationId,
    pub(super) source: SourceKey,
}

pub(super) async fn place(db: &Db) -> Place {
    let organization = sample::organization();
    let source = sample::source(organization.id);
    let place = Place { organization: organization.id, source: source.key };
    db.write(move |tx| {
        Box::pin(async move {
            organizations::insert(tx, &organization).await?;
            sources::insert(tx, &source).await
        })
    })
    .await
    .unwrap();
    place
}

pub(super) async fn account(db: &Db, name: &str) -> AccountId {
    let account = sample::account(name, None);
    let id = account.id;
    db.write(move |tx| Box::pin(async move { accounts::insert(tx, &account).await })).await.unwrap();
    id
}

pub(super) fn demographics() -> Demographics {
    Demographics { family: "Okafor".to_owned(), given: vec!["Daniel".to_owned()], birth_date: "1991-04-14".to_owned() }
}

pub(super) fn invitation(place: &Place) -> Invitation {
    let id = InvitationId::mint(&SystemRandom::default());
    Invitation {
        id,
        handle: "AB12".to_owned(),
        organization: place.organization,
        source: place.source,
        patient: "p1".to_owned(),
        demographics: demographics(),
        proxy: None,
        channel: Channel::Slip,
        contact: Some("d@mail.example".to_owned()),
        proofing: None,
        assurance: Assurance::Ial2,
        issued_by: None,
        issued: at(0),
        expires: at(1_000_000),
        root: id,
        wrong_answers: 0,
        state: InvitationState::Issued,
    }
}

pub(super) async fn store(db: &Db, hash: [u8; 32], invitation: &Invitation) {
    let invitation = invitation.clone();
    db.write(move |tx| Box::pin(async move { invitations::insert(tx, &hash, &invitation, false).await }))
        .await
        .unwrap();
}

async fn fifty_redemptions_make_one_link(database: Database) {
    let db = &database.db;
    let place = place(db).await;
    let invitation = invitation(&place);
    store(db, [1; 32], &invitation).await;
    let mut tries = Vec::new();
    for n in 0..50 {
        let account = account(db, &format!("someone{n}")).await;
        let (db, id, source) = (db.clone(), invitation.id, place.source);
        tries.push(tokio::spawn(async move {
            let random = SystemRandom::default();
            let (person, link) = (PersonId::mint(&random), LinkId::mint(&random));
            let made = Link {
                id: link,
                person,
                source,
                patient: "p1".to_owned(),
                rank: 0,
                method: LinkMethod::ActivationCode,
                assurance: Assurance::Ial2,
                demographics: Some(demographics()),
                linked: at(10),
                state: LinkState::Active,
            };
            db.write(move |tx| {
                Box::pin(async move {
                    persons::insert(tx, person, at(10)).await?;
                    accounts::set_person(tx, account, person).await?;
                    links::insert(tx, &made).await?;
                    let won = invitations::redeem(tx, id, at(10), account, Some(link)).await?;
                    if won { Ok(account) } else { Err(StorageError::AlreadyTaken(Taken::Key)) }
                })
            })
            .await
        }));
    }
    let mut winners = Vec::new();
    for one in tries {
        match one.await.unwrap() {
            Ok(account) => winners.push(account),
            Err(error) => assert!(matches!(error, StorageError::AlreadyTaken(_)), "{error}"),
        }
    }
    assert_eq!(winners.len(), 1);
    let link = links::active_at(db, place.source, "p1").await.unwrap().unwrap();
    let stored = invitations::by_id(db, invitation.id).await.unwrap().unwrap();
    let expected = InvitationState::Redeemed { at: at(10), account: winners[0], link: Some(link.id) };
    assert_eq!(stored.state, expected);
    assert_eq!(accounts::by_id(db, winners[0]).await.unwrap().unwrap().person, Some(link.person));
}

async fn wrong_answers_count_one_by_one_and_lock(database: Database) {
    let db = &database.db;
    let place = place(db).await;
    let known = invitation(&place);
    store(db, [2; 32], &known).await;
    let wrong = async |hash: [u8; 32]| {
        let wrong = db.write::<_, StorageError>(move |tx| {
            Box::pin(async move {
                let held = invitations::hold_nearest(&mut *tx, &hash).await?.unwrap();
                assert_eq!(held.is_it, hash == [2; 32]);
                invitations::wrong_answer(tx, &held, at(5)).await
            })
        });
        wrong.await.unwrap()
    };
    for nobody in [[1; 32], [3; 32]] {
        assert!(!wrong(nobody).await, "a code that nobody has");
    }
    let mut at_once = Vec::new();
    for _ in 0..12 {
        at_once.push(wrong([2; 32]));
    }
    let locked = futures_util::future::join_all(at_once).await;
    assert_eq!(locked.iter().filter(|locked| **locked).count(), 1, "told once: {locked:?}");
    let stored = invitations::by_code(db, &[2; 32]).await.unwrap().unwrap();
    assert_eq!((stored.wrong_answers, stored.state), (5, InvitationState::Locked { at: at(5) }));
    let redeemed = account(db, "late").await;
    let id = known.id;
    let late = db
        .write(move |tx| Box::pin(async move { invitations::redeem(tx, id, at(6), redeemed, None).await }))
        .await
        .unwrap();
    assert!(!late);
}

async fn an_invitation_comes_back_as_it_went_in(database: Database) {
    let db = &database.db;
    let place = place(db).await;
    let random = SystemRandom::default();
    let proofing = Proofing {
        id: ProofingId::mint(&random),
        organization: place.organization,
        source: place.source,
        patient: "p1".to_owned(),
        demographics: demographics(),
        verified_by: Some(account(db, "clerk").await),
        attested_by: None,
        document: Document::Passport,
        issuer: Some("MA".to_owned()),
        document_expires: Some("2030-06".to_owned()),
        photo_compared: true,
        recorded: at(0),
    };
    let copy = proofing.clone();
    db.write(move |tx| Box::pin(async move { proofings::insert(tx, &copy).await })).await.unwrap();
    let newest = proofings::by_id(db, proofing.id).await.unwrap().unwrap();
    assert_eq!(format!("{newest:?}"), format!("{proofing:?}"));
    let proxy = ProxyDraft {
        scope: None,
        person: None,
        is_own_word: false,
        sources: None,
        basis: "parent".to_owned(),
        family: "Reed".to_owned(),
        given: "Marcus".to_owned(),
        birth_date: Some("1982-01-30".to_owned()),
        until: Some(7),
    };
    let known = Invitation { proxy: Some(proxy), proofing: Some(proofing.id), ..invitation(&place) };
    store(db, [4; 32], &known).await;
    let stored = invitations::by_code(db, &[4; 32]).await.unwrap().unwrap();
    assert_eq!(format!("{stored:?}"), format!("{known:?}"));
    assert_eq!(stored.proxy, known.proxy);
    // Before its end it can be redeemed, and not at it.
    let (id, holder) = (known.id, account(db, "holder").await);
    for (now, won) in [(known.expires, false), (at(999_999), true), (at(999_999), false)] {
        let redeemed =
            db.write(move |tx| Box::pin(async move { invitations::redeem(tx, id, now, holder, None).await }));
        assert_eq!(redeemed.await.unwrap(), won);
    }
}

async fn a_one_time_code_is_good_once(database: Database) {
    let db = &database.db;
    let place = place(db).await;
    let holder = account(db, "holder").await;
    let claim = Claim {
        id: ClaimId::mint(&SystemRandom::default()),
        account: holder,
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
    };
    let (id, copy, source) = (claim.id, claim.clone(), place.source);
    db.write(move |tx| {
        Box::pin(async move {
            claims::insert(tx, &copy).await?;
            claims::send_code(tx, id, (source, "p1"), (&[7; 32], at(100))).await
        })
    })
    .await
    .unwrap();
    let prove = async |hash: [u8; 32], now: i64| {
        db.write(move |tx| Box::pin(async move { claims::prove(tx, id, holder, &hash, at(now)).await })).await.unwrap()
    };
    assert!(!prove([8; 32], 10).await);
    assert!(!prove([7; 32], 100).await, "at its end it is over");
    assert!(prove([7; 32], 99).await);
    assert!(!prove([7; 32], 99).await);
    for _ in 0..2 {
        prove([9; 32], 10).await;
    }
    let stored = claims::by_id(db, id).await.unwrap().unwrap();
    assert_eq!((stored.state, stored.reasons.as_slice()), (ClaimState::Queued, &["wrong-codes".to_owned()][..]));
    assert_eq!(claims::queued(db, place.organization).await.unwrap().len(), 1);
    assert_eq!(claims::made_for(db, &claim, at(-1)).await.unwrap(), 1);
}

async fn roles_begin_and_end(database: Database) {
    let db = &database.db;
    let place = place(db).await;
    let clerk = account(db, "clerk").await;
    let row = StaffRow { account: clerk, organization: place.organization, role: StaffRole::FrontDesk, since: at(0) };
    let add = async || db.write(move |tx| Box::pin(async move { staff::insert(tx, &row).await })).await;
    assert_eq!(add().await, Ok(()));
    assert_eq!(add().await, Err(StorageError::AlreadyTaken(Taken::Key)));
    assert_eq!(staff::of_account(db, clerk).await.unwrap(), [row]);
    assert_eq!(staff::of_organization(db, place.organization).await.unwrap(), [row]);
    let organization = place.organization;
    let end = async || {
        db.write(move |tx| {
            Box::pin(async move { staff::end(tx, clerk, organization, StaffRole::FrontDesk, at(1)).await })
        })
        .await
    };
    assert_eq!(end().await, Ok(()));
    assert_eq!(end().await, Err(StorageError::NotFound { table: "staff" }));
    assert!(staff::of_account(db, clerk).await.unwrap().is_empty());
}

async fn a_task_is_closed_once_at_its_own_organization(database: Database) {
    let db = &database.db;
    let (here, elsewhere) = (place(db).await, place(db).await);
    let clerk = account(db, "clerk").await;
    let task = StaffTask {
        id: StaffTaskId::mint(&SystemRandom::default()),
        organization: here.organization,
        kind: StaffTaskKind::NotMe,
        object: "Invitation/x".to_owned(),
        person: None,
        created: at(0),
    };
    let (id, copy) = (task.id, task.clone());
    db.write(move |tx| Box::pin(async move { staff_tasks::insert(tx, &copy).await })).await.unwrap();
    assert_eq!(staff_tasks::open(db, here.organization).await.unwrap().len(), 1);
    assert!(staff_tasks::open(db, elsewhere.organization).await.unwrap().is_empty());
    let close = async |organization| {
        db.write(move |tx| {
            Box::pin(async move { staff_tasks::close(tx, id, organization, (at(1), clerk, "done")).await })
        })
        .await
    };
    assert_eq!(close(elsewhere.organization).await, Err(StorageError::NotFound { table: "staff_tasks" }));
    assert_eq!(close(here.organization).await, Ok(()));
    assert_eq!(close(here.organization).await, Err(StorageError::NotFound { table: "staff_tasks" }));
}

/// A code that nobody has is held against the row next to it. That this one cannot be read is said to whoever has its code
/// alone.
#[test]
fn a_row_that_cannot_be_read_is_no_error_of_codes_next_to_it() {
    crate::support::database::with_sqlite(|database| async move {
        let db = &database.db;
        let place = place(db).await;
        store(db, [2; 32], &invitation(&place)).await;
        let url = format!("sqlite:{}", database.file().display());
        let mut raw = SqliteConnection::connect(&url).await.unwrap();
        sqlx::query("UPDATE invitations SET demographics = 'canary'").execute(&mut raw).await.unwrap();
        let held = async |hash: [u8; 32]| {
            let held = db.write::<_, StorageError>(move |tx| {
                Box::pin(async move { Ok(invitations::hold_nearest(&mut *tx, &hash).await?.is_some()) })
            });
            held.await
        };
        for nobody in [[1; 32], [3; 32]] {
            assert!(!held(nobody).await.unwrap());
        }
        assert!(matches!(held([2; 32]).await, Err(StorageError::Inconsistent(_))));
    });
}
