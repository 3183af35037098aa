//! The demo's front desk: staff of the first practice, codes that were handed out, and a claim that waits.

use std::sync::Arc;
use std::time::Duration;

use super::CliError;
use super::state::{self, State};
use crate::accounts::NewClaim;
use crate::app::{App, Parts};
use crate::base::clock::{Clock, Instant};
use crate::base::hash::base32;
use crate::base::id::{AccountId, OrganizationId};
use crate::base::secret::Secret;
use crate::identity::{Channel, Document, StaffMember, StaffRole, Username};
use crate::practice::{self, Desk, Handed, NewAccount, NewInvitation, NewProofing};
use crate::storage::{accounts, organizations, sources};

/// Who works at the first practice.
const STAFF: [(&str, &[StaffRole]); 4] = [
    ("clerk", &[StaffRole::FrontDesk]),
    ("registrar", &[StaffRole::FrontDesk, StaffRole::ProxyRegistrar]),
    ("clinician", &[StaffRole::Clinician]),
    ("admin", &[StaffRole::Administrator, StaffRole::PrivacyOfficer]),
];

/// Somebody with an account and no record, who has said who they are.
const CLAIMANT: &str = "ruth";

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
    let mut clerk = None;
    for (username, roles) in STAFF {
        let account = sign_up(app, parts, state, username, "staff").await?;
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
    let before = Arc::new(Then(parts.clock.now().minus(LONG_AGO)));
    let then = app.desk_at(before, &parts.master_key, parts.random.clone());
    for (desk, patient, words) in [
        (&*app.desk, "pat-1010", "Daniel Okafor, born 1991-04-14: unused"),
        (&then, "pat-1009", "Amara Okafor, born 1993-09-27: ended, and can be exchanged"),
    ] {
        let code = issue(desk, &member, (&source, patient)).await?;
        state.codes.push(state::Code { code: code.expose().clone(), words: words.to_owned() });
    }
    claim(app, parts, state, organization.id).await
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
    role: &str,
) -> Result<AccountId, CliError> {
    let known = accounts::by_username(&app.db, &Username::new(username)?).await?;
    if let Some(known) = known {
        return Ok(known.id);
    }
    let password = Secret::new(base32(&parts.random.bytes::<10>()));
    let new = NewAccount { username, password: &password, person: None };
    let id = practice::account(&app.acts, &app.accounts, &*parts.random, parts.clock.now(), new).await?;
    state.accounts.push(state::Account {
        username: username.to_owned(),
        password: password.expose().clone(),
        role: role.to_owned(),
        name: username.to_owned(),
        person_id: String::new(),
        acts_for: Vec::new(),
    });
    Ok(id)
}

/// One claim goes to the queue: its number is another's. With the right one (`MRN-926650`) it would be accepted.
async fn claim(app: &App, parts: &Parts, state: &mut State, organization: OrganizationId) -> Result<(), CliError> {
    let account = sign_up(app, parts, state, CLAIMANT, "patient without a record").await?;
    let new = NewClaim {
        organization,
        given: "Ruth".to_owned(),
        family: "Abernathy".to_owned(),
        birth_date: "1956-02-23".to_owned(),
        number: "MRN-100000".to_owned(),
    };
    Ok(app.claims.make(account, None, new).await?)
}
