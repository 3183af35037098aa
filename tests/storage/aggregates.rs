//! Each aggregate: what goes in comes out, what is taken is named, what ended stays ended.

use chartgate::base::id::{AccountId, GrantId, LinkId, PersonId, SourceId};
use chartgate::base::random::SystemRandom;
use chartgate::base::secret::Secret;
use chartgate::identity::{AccountState, GrantState, LinkState, PersonState, StatusReason, Username};
use chartgate::organization::{Source, SourceState};
use chartgate::storage::{
    Db, StorageError, Taken, Tx, accounts, generations, grants, links, organizations, persons, source_tokens, sources,
};
use futures_util::future::BoxFuture;

use super::sample::{self, at};
use crate::support::database::{Database, on_both};
use chartgate::config::Brand;

on_both!(
    statements_are_understood,
    organizations_round_trip,
    sources_round_trip_and_keys_are_unique,
    persons_merge_reversibly_and_without_chains,
    accounts_are_unique_by_folded_name_and_person,
    links_are_ordered_and_one_is_active_per_chart,
    grants_work_in_their_period_only,
    source_tokens_are_refreshed_by_one_and_end_with_their_link,
    source_tokens_end_with_the_right_of_whoever_got_them,
    a_launch_is_taken_once,
    release_policies_are_kept,
    every_change_of_rights_moves_the_generation_on,
    foreign_rows_must_exist,
);

/// `Db::write` with the plain error, to keep the tests short.
async fn write<T: Send + 'static>(
    db: &Db,
    work: impl for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, StorageError>> + Send + 'static,
) -> Result<T, StorageError> {
    db.write(work).await
}

macro_rules! write {
    ($db:expr, $tx:ident => $work:expr) => {
        write(&$db, move |$tx| Box::pin(async move { $work.await })).await
    };
}

const TAKEN: fn(Taken) -> Result<(), StorageError> = |taken| Err(StorageError::AlreadyTaken(taken));
const MISSING: fn(&'static str) -> Result<(), StorageError> = |table| Err(StorageError::NotFound { table });

async fn statements_are_understood(database: Database) {
    assert!(database.db.prepare_all().await.unwrap() > 30);
}

async fn organizations_round_trip(database: Database) {
    let db = &database.db;
    let organization = sample::organization();
    let (id, copy) = (organization.id, organization.clone());
    write!(db, tx => organizations::insert(tx, &copy)).unwrap();
    assert_eq!(organizations::all(db).await.unwrap(), std::slice::from_ref(&organization));
    let copy = organization.clone();
    assert_eq!(write!(db, tx => organizations::insert(tx, &copy)), TAKEN(Taken::Key));

    write!(db, tx => organizations::rename(tx, id, "Riverside Health", at(5))).unwrap();
    let renamed = organizations::by_id(db, id).await.unwrap().unwrap();
    assert_eq!((renamed.name.as_str(), renamed.former_names), ("Riverside Health", vec![organization.name]));
    assert_eq!(renamed.changed, Some(at(5)));

    let brand = Brand { city: Some("Southfield".to_owned()), phone: Some("1".to_owned()), ..Brand::default() };
    let copy = brand.clone();
    write!(db, tx => organizations::set_brand(tx, id, &copy, at(6))).unwrap();
    let shown = organizations::by_id(db, id).await.unwrap().unwrap();
    assert_eq!((shown.brand, shown.changed), (brand, Some(at(6))));
}

async fn sources_round_trip_and_keys_are_unique(database: Database) {
    let db = &database.db;
    let organization = sample::organization();
    let first = sample::source(organization.id);
    let mut second = sample::source(organization.id);
    second.key = first.key;
    let copy = first.clone();
    write(db, move |tx| {
        Box::pin(async move {
            organizations::insert(tx, &organization).await?;
            sources::insert(tx, &copy).await
        })
    })
    .await
    .unwrap();
    assert_eq!(sources::all(db).await.unwrap(), std::slice::from_ref(&first));
    let copy = second.clone();
    assert_eq!(write!(db, tx => sources::insert(tx, &copy)), TAKEN(Taken::SourceKey));

    // An alias takes its key as a source does.
    let alias = "zz77".parse().unwrap();
    write!(db, tx => sources::insert_alias(tx, alias, first.key, at(9))).unwrap();
    assert_eq!(sources::aliases(db).await.unwrap(), [(alias, first.key)]);
    assert_eq!(write!(db, tx => sources::insert_alias(tx, alias, first.key, at(9))), TAKEN(Taken::SourceKey));
    assert_eq!(write!(db, tx => sources::insert_alias(tx, first.key, first.key, at(9))), TAKEN(Taken::SourceKey));
    second.key = alias;
    assert_eq!(write!(db, tx => sources::insert(tx, &second)), TAKEN(Taken::SourceKey));

    let mut moved = first.clone();
    moved.base_url = "https://new.example/r4".to_owned();
    let copy = moved.clone();
    write!(db, tx => sources::update(tx, &copy)).unwrap();
    assert_eq!(sources::by_key(db, first.key).await.unwrap(), Some(moved.clone()));
    write!(db, tx => sources::retire(tx, moved.id, at(10))).unwrap();
    let retired = sources::by_key(db, first.key).await.unwrap().unwrap();
    assert_eq!(retired.state, SourceState::Retired { at: at(10) });
    assert_eq!(write!(db, tx => sources::retire(tx, retired.id, at(11))), MISSING("sources"));
}

async fn persons_merge_reversibly_and_without_chains(database: Database) {
    let db = &database.db;
    let [a, b, c] = write(db, |tx| {
        Box::pin(async move {
            Ok([sample::stored_person(tx).await?, sample::stored_person(tx).await?, sample::stored_person(tx).await?])
        })
    })
    .await
    .unwrap();
    write!(db, tx => persons::merge(tx, b, a, at(1))).unwrap();
    let merged = persons::by_id(db, b).await.unwrap().unwrap();
    assert_eq!(merged.state, PersonState::MergedInto { person: a, at: at(1) });
    assert_eq!(persons::aliases_of(db, a).await.unwrap(), [b]);

    // b is taken; nothing goes into b, which is an alias; a has aliases and must not become one.
    for (alias, person) in [(b, c), (c, b), (a, c)] {
        assert_eq!(write!(db, tx => persons::merge(tx, alias, person, at(2))), TAKEN(Taken::MergedPerson));
    }
    write!(db, tx => persons::unmerge(tx, b, at(3))).unwrap();
    assert_eq!(persons::by_id(db, b).await.unwrap().unwrap().state, PersonState::Current);
    assert_eq!(write!(db, tx => persons::unmerge(tx, b, at(4))), MISSING("person_aliases"));
    write!(db, tx => persons::merge(tx, b, c, at(5))).unwrap();
    assert_eq!(persons::aliases_of(db, a).await.unwrap(), []);
    assert_eq!(persons::aliases_of(db, c).await.unwrap(), [b]);
}

async fn accounts_are_unique_by_folded_name_and_person(database: Database) {
    let db = &database.db;
    let person = write!(db, tx => sample::stored_person(tx)).unwrap();
    let account = sample::account("Örjan@Example.org", Some(person));
    let id = account.id;
    write!(db, tx => accounts::insert(tx, &account)).unwrap();

    let found = accounts::by_username(db, &Username::new("öRJAN@example.ORG").unwrap()).await.unwrap().unwrap();
    assert_eq!((found.id, found.username.typed(), found.person), (id, "Örjan@Example.org", Some(person)));
    assert_eq!((found.created, found.state), (at(2), AccountState::Active));
    assert!(found.password_hash.unwrap().expose().starts_with("$argon2id$"));
    assert_eq!(accounts::by_person(db, person).await.unwrap().unwrap().id, id);

    let same_name = sample::account("örjan@example.org", None);
    assert_eq!(write!(db, tx => accounts::insert(tx, &same_name)), TAKEN(Taken::Username));
    let same_person = sample::account("other", Some(person));
    assert_eq!(write!(db, tx => accounts::insert(tx, &same_person)), TAKEN(Taken::PersonOfAccount));
    let mut same_id = sample::account("third", None);
    same_id.id = id;
    assert_eq!(write!(db, tx => accounts::insert(tx, &same_id)), TAKEN(Taken::Key));

    write!(db, tx => accounts::set_password(tx, id, &Secret::new("new".to_owned()))).unwrap();
    assert_eq!(accounts::by_id(db, id).await.unwrap().unwrap().password_hash.unwrap().expose(), "new");
    write!(db, tx => accounts::close(tx, id, at(7))).unwrap();
    let closed = accounts::by_id(db, id).await.unwrap().unwrap();
    assert_eq!(closed.state, AccountState::Closed { at: at(7) });
    assert!(closed.password_hash.is_none() && !closed.is_active());
    assert_eq!(write!(db, tx => accounts::close(tx, id, at(8))), MISSING("accounts"));
    let late = write!(db, tx => accounts::set_password(tx, id, &Secret::new("x".to_owned())));
    assert_eq!(late, MISSING("accounts"));

    // The name stays taken; the person may have an account again.
    let same_name = sample::account("örjan@example.org", None);
    assert_eq!(write!(db, tx => accounts::insert(tx, &same_name)), TAKEN(Taken::Username));
    let again = sample::account("again", Some(person));
    write!(db, tx => accounts::insert(tx, &again)).unwrap();
}

async fn links_are_ordered_and_one_is_active_per_chart(database: Database) {
    let db = &database.db;
    let (person, other, source) = write(db, |tx| {
        Box::pin(async move {
            Ok((sample::stored_person(tx).await?, sample::stored_person(tx).await?, sample::stored_source(tx).await?))
        })
    })
    .await
    .unwrap();
    let first = sample::link(person, source, "p-1");
    let mut second = sample::link(person, source, "p-2");
    second.rank = 1;
    second.demographics = None;
    for link in [second.clone(), first.clone()] {
        write!(db, tx => links::insert(tx, &link)).unwrap();
    }
    assert_eq!(links::active_of_person(db, person).await.unwrap(), [first.clone(), second.clone()]);
    assert_eq!(links::by_id(db, second.id).await.unwrap(), Some(second.clone()));
    let same = first.clone();
    assert_eq!(write!(db, tx => links::insert(tx, &same)), TAKEN(Taken::Key));
    let rival = sample::link(other, source, "p-1");
    let copy = rival.clone();
    assert_eq!(write!(db, tx => links::insert(tx, &copy)), TAKEN(Taken::Chart));

    write!(db, tx => links::make_primary(tx, person, second.id)).unwrap();
    let ids: Vec<_> = links::active_of_person(db, person).await.unwrap().iter().map(|link| link.id).collect();
    assert_eq!(ids, [second.id, first.id]);
    assert_eq!(write!(db, tx => links::make_primary(tx, other, second.id)), MISSING("links"));

    // A frozen chart is free for another; while that is active the first cannot thaw.
    let frozen = LinkState::Frozen { at: at(5), reason: "two-accounts".to_owned() };
    let copy = frozen.clone();
    write!(db, tx => links::set_state(tx, first.id, &copy)).unwrap();
    assert_eq!(links::by_id(db, first.id).await.unwrap().unwrap().state, frozen);
    assert_eq!(links::active_of_person(db, person).await.unwrap().len(), 1);
    write!(db, tx => links::insert(tx, &rival)).unwrap();
    assert_eq!(write!(db, tx => links::set_state(tx, first.id, &LinkState::Active)), TAKEN(Taken::Key));

    write!(db, tx => links::end(tx, first.id, at(6), "not-me")).unwrap();
    assert_eq!(write!(db, tx => links::set_state(tx, first.id, &LinkState::Active)), MISSING("links"));
    assert_eq!(links::of_person(db, person).await.unwrap().len(), 2);
}

async fn grants_work_in_their_period_only(database: Database) {
    let db = &database.db;
    let (account, person) = write(db, |tx| {
        Box::pin(async move {
            let account = sample::account("parent", None);
            accounts::insert(tx, &account).await?;
            Ok((account.id, sample::stored_person(tx).await?))
        })
    })
    .await
    .unwrap();
    let grant = sample::grant(account, person);
    let mut endless = sample::grant(account, person);
    endless.period.until = None;
    endless.created = at(5);
    for grant in [grant.clone(), endless.clone()] {
        write!(db, tx => grants::insert(tx, &grant)).unwrap();
    }
    // The query and the entity must agree at every edge.
    for now in [at(-1), at(0), at(999), at(1_000)] {
        let expected: Vec<_> = [&grant, &endless].into_iter().filter(|g| g.is_active(now)).cloned().collect();
        assert_eq!(grants::active_for_account(db, account, now).await.unwrap(), expected);
    }
    assert_eq!(grants::active_for_account(db, account, at(999)).await.unwrap().len(), 2);
    assert_eq!(grants::active_for_account(db, account, at(1_000)).await.unwrap().len(), 1);

    let suspended = GrantState::Suspended { at: at(6), reason: StatusReason::SuspendedPendingReview, by: None };
    let copy = suspended.clone();
    write!(db, tx => grants::set_state(tx, grant.id, &copy)).unwrap();
    assert_eq!(grants::by_id(db, grant.id).await.unwrap().unwrap().state, suspended);
    assert_eq!(grants::active_for_account(db, account, at(6)).await.unwrap().len(), 1);
    write!(db, tx => grants::set_state(tx, grant.id, &GrantState::Active)).unwrap();
    assert_eq!(grants::active_for_account(db, account, at(6)).await.unwrap().len(), 2);
    write!(db, tx => grants::end(tx, grant.id, at(7), StatusReason::PatientRequest)).unwrap();
    assert_eq!(write!(db, tx => grants::set_state(tx, grant.id, &GrantState::Active)), MISSING("grants"));
    assert_eq!(grants::of_person(db, person).await.unwrap().len(), 2);
}

async fn every_change_of_rights_moves_the_generation_on(database: Database) {
    let db = &database.db;
    let (account, person, alias, source) = write(db, |tx| {
        Box::pin(async move {
            let account = sample::account("a", None);
            accounts::insert(tx, &account).await?;
            let (person, alias) = (sample::stored_person(tx).await?, sample::stored_person(tx).await?);
            Ok((account.id, person, alias, sample::stored_source(tx).await?))
        })
    })
    .await
    .unwrap();
    let (link, grant) = (sample::link(person, source, "p"), sample::grant(account, person));
    let (link_id, grant_id) = (link.id, grant.id);
    let seen = db.generation();
    let mut before = generations::current(db).await.unwrap();
    macro_rules! moves {
        ($tx:ident => $work:expr) => {
            write!(db, $tx => $work).unwrap();
            let after = generations::current(db).await.unwrap();
            assert_eq!((after, *seen.borrow()), (before + 1, before + 1), "{}", stringify!($work));
            before = after;
        };
    }
    moves!(tx => links::insert(tx, &link));
    moves!(tx => links::make_primary(tx, person, link_id));
    moves!(tx => links::end(tx, link_id, at(1), "x"));
    moves!(tx => grants::insert(tx, &grant));
    moves!(tx => grants::end(tx, grant_id, at(1), StatusReason::PatientRequest));
    moves!(tx => persons::merge(tx, alias, person, at(1)));
    moves!(tx => persons::unmerge(tx, alias, at(2)));
    moves!(tx => accounts::close(tx, account, at(3)));
    let known = sources::by_key(db, source).await.unwrap().unwrap();
    let another =
        Source { id: SourceId::mint(&SystemRandom::default()), key: "zzz9".parse().unwrap(), ..known.clone() };
    moves!(tx => sources::insert(tx, &another));
    let id = known.id;
    moves!(tx => sources::update(tx, &known));
    moves!(tx => sources::retire(tx, id, at(5)));

    // What failed moves nothing, and neither does what changes no rights.
    write!(db, tx => accounts::close(tx, account, at(4))).unwrap_err();
    write!(db, tx => sample::stored_person(tx)).unwrap();
    assert_eq!(generations::current(db).await.unwrap(), before);
}

async fn foreign_rows_must_exist(database: Database) {
    let db = &database.db;
    let random = SystemRandom::default();
    let nobody = PersonId::mint(&random);
    let link = sample::link(nobody, "0000".parse().unwrap(), "p");
    assert_eq!(write!(db, tx => links::insert(tx, &link)), Err(StorageError::ReferenceMissing));
    let grant = sample::grant(AccountId::mint(&random), nobody);
    assert_eq!(write!(db, tx => grants::insert(tx, &grant)), Err(StorageError::ReferenceMissing));
    let account = sample::account("a", Some(nobody));
    assert_eq!(write!(db, tx => accounts::insert(tx, &account)), Err(StorageError::ReferenceMissing));
    let (link, grant) = (LinkId::mint(&random), GrantId::mint(&random));
    assert_eq!(write!(db, tx => links::end(tx, link, at(0), "x")), MISSING("links"));
    assert_eq!(write!(db, tx => grants::end(tx, grant, at(0), StatusReason::PatientRequest)), MISSING("grants"));
}

async fn source_tokens_are_refreshed_by_one_and_end_with_their_link(database: Database) {
    let db = &database.db;
    let (link, account) = write(db, |tx| {
        Box::pin(async move {
            let (person, source) = (sample::stored_person(tx).await?, sample::stored_source(tx).await?);
            let (link, account) = (sample::link(person, source, "p-1"), sample::account("dana", Some(person)));
            links::insert(tx, &link).await?;
            accounts::insert(tx, &account).await?;
            Ok((link, account.id))
        })
    })
    .await
    .unwrap();
    let tokens = source_tokens::StoredTokens {
        link: link.id,
        account,
        access: vec![1, 2, 0],
        refresh: Some(vec![3]),
        expires: at(60),
        version: 1,
        connected: at(5),
        refused: None,
    };
    let copy = tokens.clone();
    write!(db, tx => source_tokens::put(tx, &copy)).unwrap();
    assert_eq!(source_tokens::by_link(db, link.id).await.unwrap(), Some(tokens.clone()));
    let usable = source_tokens::UsableTokens {
        tokens: tokens.clone(),
        source: link.source,
        patient: "p-1".to_owned(),
        person: link.person,
    };
    assert_eq!(source_tokens::usable(db, link.id).await.unwrap(), Some(usable));

    // One refreshes; another may when its time is over.
    let id = link.id;
    assert!(write!(db, tx => source_tokens::claim(tx, id, 1, at(10), at(40))).unwrap());
    assert!(!write!(db, tx => source_tokens::claim(tx, id, 1, at(39), at(70))).unwrap());
    assert!(write!(db, tx => source_tokens::claim(tx, id, 1, at(40), at(70))).unwrap());
    write!(db, tx => source_tokens::release(tx, id, 1)).unwrap();
    assert!(write!(db, tx => source_tokens::claim(tx, id, 1, at(41), at(70))).unwrap());
    let renewed = source_tokens::StoredTokens { access: vec![4], refresh: None, expires: at(99), ..tokens.clone() };
    let copy = renewed.clone();
    assert!(write!(db, tx => source_tokens::rotate(tx, &copy)).unwrap());
    let copy = renewed.clone();
    assert!(!write!(db, tx => source_tokens::rotate(tx, &copy)).unwrap(), "no longer the version");
    let now = source_tokens::by_link(db, id).await.unwrap().unwrap();
    assert_eq!(now, source_tokens::StoredTokens { version: 2, ..renewed });
    assert!(!write!(db, tx => source_tokens::claim(tx, id, 1, at(100), at(130))).unwrap());

    // Refused until the person signs in again.
    assert!(!write!(db, tx => source_tokens::refuse(tx, id, 1, at(100))).unwrap());
    assert!(write!(db, tx => source_tokens::refuse(tx, id, 2, at(100))).unwrap());
    assert_eq!(source_tokens::by_link(db, id).await.unwrap().unwrap().refused, Some(at(100)));
    assert_eq!(source_tokens::usable(db, id).await.unwrap(), None);
    assert!(!write!(db, tx => source_tokens::claim(tx, id, 3, at(200), at(230))).unwrap());
    let copy = tokens.clone();
    write!(db, tx => source_tokens::put(tx, &copy)).unwrap();
    let again = source_tokens::by_link(db, id).await.unwrap().unwrap();
    assert_eq!(again, source_tokens::StoredTokens { version: 4, ..tokens });

    // Frozen: kept, not used. Ended: gone.
    let frozen = LinkState::Frozen { at: at(6), reason: "two-accounts".to_owned() };
    write!(db, tx => links::set_state(tx, id, &frozen)).unwrap();
    assert_eq!(source_tokens::usable(db, id).await.unwrap(), None);
    assert!(source_tokens::by_link(db, id).await.unwrap().is_some());
    write!(db, tx => links::end(tx, id, at(7), "not-me")).unwrap();
    assert_eq!(source_tokens::by_link(db, id).await.unwrap(), None);
}

async fn source_tokens_end_with_the_right_of_whoever_got_them(database: Database) {
    let db = &database.db;
    let (link, own, proxy, grant) = write(db, |tx| {
        Box::pin(async move {
            let (person, source) = (sample::stored_person(tx).await?, sample::stored_source(tx).await?);
            let link = sample::link(person, source, "p-1");
            let (own, proxy) = (sample::account("dana", Some(person)), sample::account("maria", None));
            let grant = sample::grant(proxy.id, person);
            links::insert(tx, &link).await?;
            accounts::insert(tx, &own).await?;
            accounts::insert(tx, &proxy).await?;
            grants::insert(tx, &grant).await?;
            Ok((link.id, own.id, proxy.id, grant.id))
        })
    })
    .await
    .unwrap();
    let by = move |account| source_tokens::StoredTokens {
        link,
        account,
        access: vec![1],
        refresh: None,
        expires: at(60),
        version: 1,
        connected: at(5),
        refused: None,
    };
    let is_there = async || source_tokens::by_link(db, link).await.unwrap().is_some();
    let moved_on = async |before: i64| {
        let now = generations::current(db).await.unwrap();
        assert!(now > before);
        now
    };
    let mut generation = generations::current(db).await.unwrap();
    write!(db, tx => async { source_tokens::put(tx, &by(own)).await }).unwrap();
    generation = moved_on(generation).await;
    let gone = write!(db, tx => source_tokens::delete(tx, link)).unwrap();
    assert_eq!(gone, Some(by(own)));
    generation = moved_on(generation).await;
    assert_eq!(write!(db, tx => source_tokens::delete(tx, link)).unwrap(), None);
    write!(db, tx => async { source_tokens::put(tx, &by(own)).await }).unwrap();
    let suspended = GrantState::Suspended { at: at(6), reason: StatusReason::SuspendedPendingReview, by: None };
    write!(db, tx => grants::set_state(tx, grant, &suspended)).unwrap();
    assert!(is_there().await);
    generation = moved_on(generation).await;
    assert!(write!(db, tx => source_tokens::refuse(tx, link, 1, at(7))).unwrap());
    moved_on(generation).await;

    write!(db, tx => async { source_tokens::put(tx, &by(proxy)).await }).unwrap();
    write!(db, tx => grants::end(tx, grant, at(8), StatusReason::PatientRequest)).unwrap();
    assert!(!is_there().await, "with the grant");
    write!(db, tx => async { source_tokens::put(tx, &by(proxy)).await }).unwrap();
    write!(db, tx => accounts::close(tx, own, at(9))).unwrap();
    assert!(is_there().await, "another account's");
    write!(db, tx => accounts::close(tx, proxy, at(9))).unwrap();
    assert!(!is_there().await, "with the account");
}

async fn a_launch_is_taken_once(database: Database) {
    let db = &database.db;
    let (link, account) = write(db, |tx| {
        Box::pin(async move {
            let (person, source) = (sample::stored_person(tx).await?, sample::stored_source(tx).await?);
            let (link, account) = (sample::link(person, source, "p-1"), sample::account("dana", Some(person)));
            links::insert(tx, &link).await?;
            accounts::insert(tx, &account).await?;
            Ok((link.id, account.id))
        })
    })
    .await
    .unwrap();
    let launch = |state: u8, expires| source_tokens::StoredLaunch {
        state_hash: [state; 32],
        session_hash: [9; 32],
        account,
        link,
        sealed: vec![1, 2, 3],
        expires: at(expires),
    };
    for one in [launch(1, 10), launch(2, 30)] {
        write!(db, tx => source_tokens::insert_launch(tx, &one, at(5))).unwrap();
    }
    assert_eq!(write!(db, tx => source_tokens::take_launch(tx, &[2; 32])).unwrap(), Some(launch(2, 30)));
    assert_eq!(write!(db, tx => source_tokens::take_launch(tx, &[2; 32])).unwrap(), None);
    // What came too late is forgotten when the next begins.
    let next = launch(3, 60);
    write!(db, tx => source_tokens::insert_launch(tx, &next, at(20))).unwrap();
    assert_eq!(write!(db, tx => source_tokens::take_launch(tx, &[1; 32])).unwrap(), None);
}

async fn release_policies_are_kept(database: Database) {
    let db = &database.db;
    let organization = sample::organization();
    let (id, copy) = (organization.id, organization.clone());
    write!(db, tx => organizations::insert(tx, &copy)).unwrap();
    let before = generations::current(db).await.unwrap();
    write!(db, tx => organizations::set_release_policy(tx, id, "after-three-days")).unwrap();
    assert_eq!(organizations::by_id(db, id).await.unwrap().unwrap().release_policy, "after-three-days");
    assert!(generations::current(db).await.unwrap() > before, "sources are taken over anew");
    let nobody = sample::organization().id;
    assert_eq!(write!(db, tx => organizations::set_release_policy(tx, nobody, "standard")), MISSING("organizations"));
}
