//! The demo's front desk: staff of the first practice, codes that were handed out, and a claim that waits.

use std::sync::Arc;
use std::time::Duration;

use super::CliError;
use super::state::{self, State};
use crate::accounts::NewClaim;
use crate::app::{App, Parts};
use crate::base::clock::{Clock, Instant};
use crate::base::hash::base32;
use crate::base::id::{AccountId, OrganizationId, PersonId};
use crate::base::secret::Secret;
use crate::identity::{Channel, Document, StaffMember, StaffRole, Username};
use crate::practice::{self, Desk, Handed, NewAccount, NewInvitation, NewProofing};
use crate::storage::{accounts, links, organizations, sources};

/// Who works at the first practice.
const STAFF: [(&str, &[StaffRole]); 4] = [
    ("clerk", &[StaffRole::FrontDesk]),
    ("registrar", &[StaffRole::FrontDesk, StaffRole::ProxyRegistrar]),
    ("clinician", &[StaffRole::Clinician]),
    ("admin", &[StaffRole::Administrator, StaffRole::PrivacyOfficer]),
];

/// Who works at the second practice.
const OTHER_STAFF: &str = "lakeside-clerk";

/// Somebody who has the first practice, and a code for the second.
const SEEN_AT_BOTH: &str = "carlos";

/// How long ago the code that has ended was handed out.
const LONG_AGO: Duration = Duration::from_secs(40 * 86_400);

/// A clock that stands still: what was done long ago was done then.
#[derive(Debug)]
struct Then(Instant);

impl Clock for Then {
    fn now(&self) -> Instant {
        self.0
    }
}

/// Enters the staff, hands out the codes, and puts a claim into the queue: once.
pub(super) async fn open(app: &App, parts: &Parts, state: &mut State) -> Result<(), CliError> {
    if !state.codes.is_empty() {
        return Ok(());
    }
    let organization = organizations::all(&app.db).await?.into_iter().next().ok_or("the demo has no practice")?;
    let other = organizations::all(&app.db).await?.into_iter().nth(1).ok_or("the demo has one practice")?;
    let mut clerk = None;
    for (username, roles) in STAFF {
        let account = sign_up(app, parts, state, username, ("staff", None)).await?;
        for role in roles {
            let now = parts.clock.now();
            practice::appoint(&app.acts, &*parts.random, now, (account, organization.id, *role)).await?;
        }
        clerk = clerk.or(Some(account));
    }
    let account = clerk.ok_or("the demo has no clerk")?;
    let member = StaffMember { account, organization: organization.id, roles: vec![StaffRole::FrontDesk] };
    let source = sources::all(&app.db).await?.into_iter().find(|source| source.organization == organization.id);
    let source = source.ok_or("the demo's practice has no EHR")?.key.to_string();
    second_practice(app, parts, state, other.id).await?;
    let before = Arc::new(Then(parts.clock.now().minus(LONG_AGO)));
    let then = app.desk_at(before, &parts.master_key, parts.random.clone());
    for (desk, patient, words) in [
        (&*app.desk, "pat-1010", "Daniel Okafor, born 1991-04-14: unused"),
        (&then, "pat-1009", "Amara Okafor, born 1993-09-27: ended, and can be exchanged"),
    ] {
        let code = issue(desk, &member, (&source, patient)).await?;
        state.codes.push(state::Code { code: code.expose().clone(), words: words.to_owned() });
    }
    claims(app, parts, state, (organization.id, other.id)).await
}

async fn issue(desk: &Desk, member: &StaffMember, chart: (&str, &str)) -> Result<Secret<String>, CliError> {
    let seen = NewProofing {
        document: Document::DriversLicence,
        issuer: Some("MA".to_owned()),
        expires: None,
        photo_compared: true,
        attested_by: None,
    };
    let new = NewInvitation { channel: Channel::Slip, proxy: None };
    let Handed::Code(issued) = desk.verify_and_issue(member, chart, seen, new).await? else {
        return Err("a code for one's own record takes no second".into());
    };
    Ok(issued.code.ok_or("a slip has a code")?)
}

async fn sign_up(
    app: &App,
    parts: &Parts,
    state: &mut State,
    username: &str,
    (role, person): (&str, Option<PersonId>),
) -> Result<AccountId, CliError> {
    let known = accounts::by_username(&app.db, &Username::new(username)?).await?;
    if let Some(known) = known {
        return Ok(known.id);
    }
    let password = Secret::new(base32(&parts.random.bytes::<10>()));
    let new = NewAccount { username, password: &password, person };
    let id = practice::account(&app.acts, &app.accounts, &*parts.random, parts.clock.now(), new).await?;
    state.accounts.push(state::Account {
        username: username.to_owned(),
        password: password.expose().clone(),
        role: role.to_owned(),
        name: username.to_owned(),
        person_id: person.map(|person| person.to_string()).unwrap_or_default(),
        acts_for: Vec::new(),
    });
    Ok(id)
}

/// A code of the second practice for somebody who has the first one: no other account is needed for it.
async fn second_practice(
    app: &App,
    parts: &Parts,
    state: &mut State,
    organization: OrganizationId,
) -> Result<(), CliError> {
    let all = sources::all(&app.db).await?;
    let key_of = |is_it: bool| all.iter().find(|source| (source.organization == organization) == is_it);
    let (first, second) = key_of(false).zip(key_of(true)).ok_or("the demo has no EHRs")?;
    let link = links::active_at(&app.db, first.key, "pat-1002").await?.ok_or("nobody has the chart of Carlos")?;
    sign_up(app, parts, state, SEEN_AT_BOTH, ("patient of one practice", Some(link.person))).await?;
    let account = sign_up(app, parts, state, OTHER_STAFF, ("staff", None)).await?;
    let now = parts.clock.now();
    practice::appoint(&app.acts, &*parts.random, now, (account, organization, StaffRole::FrontDesk)).await?;
    let member = StaffMember { account, organization, roles: vec![StaffRole::FrontDesk] };
    let chart = "etvshRQvUS-zNsyJQH-qlY7fk-Ilh67VPRyfLAkWrx.bS";
    let code = issue(&app.desk, &member, (second.key.as_str(), chart)).await?;
    let words = "Carlos Alvarez Medina, born 1961-11-02: the second practice of carlos".to_owned();
    state.codes.push(state::Code { code: code.expose().clone(), words });
    Ok(())
}

/// Two without a code say who they are: what one says matches the record, so that a code goes to the number on file; the
/// other one's number is another's, and the practice looks. With the right one (`MRN-926650`) it would match, too.
async fn claims(
    app: &App,
    parts: &Parts,
    state: &mut State,
    (first, second): (OrganizationId, OrganizationId),
) -> Result<(), CliError> {
    for (username, organization, who, words) in [
        ("priya", second, ["Priya", "Raman", "1988-10-05", "LKS-998371"], "matches: the code is among what is mailed"),
        ("ruth", first, ["Ruth", "Abernathy", "1956-02-23", "MRN-100000"], "waits in the queue of the practice"),
    ] {
        let account = sign_up(app, parts, state, username, ("patient without a record", None)).await?;
        let [given, family, birth_date, number] = who.map(str::to_owned);
        let words = format!("{given} {family}, born {birth_date}, number {number}: {words}");
        app.claims.make(account, None, NewClaim { organization, given, family, birth_date, number }).await?;
        state.claims.push(state::Claim { username: username.to_owned(), words });
    }
    Ok(())
}
