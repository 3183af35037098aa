use crate::audit::{Act, ActKind, Acts};
use crate::base::clock::SharedClock;
use crate::base::id::{OrganizationId, SourceId};
use crate::base::random::SharedRandom;
use crate::config::{Brand, Config, SourceEntry};
use crate::mapping::STANDARD_RELEASE_POLICY;
use crate::organization::{Organization, OrganizationState, Source, SourceKey, SourceState};
use crate::storage::{StorageError, Taken, organizations, sources};

/// A practice or source that cannot be connected.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The database.
    #[error("storage: {0}")]
    Storage(#[from] StorageError),
    /// The configuration names an organization that does not exist.
    #[error("no organization has the key {0}")]
    NoOrganization(String),
    /// The base URL belongs to another organization.
    #[error("{0} is a source of another organization")]
    OtherOrganization(String),
}

/// Brings the stored organizations and sources to what the configuration names. An organization is known by its name,
/// a source by its base URL: both keep their ids and keys from one start to the next. What the configuration does not
/// name is left alone, as it may have been connected by command.
///
/// # Errors
/// [`ConnectError`].
pub async fn connect(
    acts: &Acts,
    config: &Config,
    clock: &SharedClock,
    random: &SharedRandom,
) -> Result<(), ConnectError> {
    for entry in &config.organizations {
        let id = connect_organization(acts, &entry.name, &[], clock, random).await?;
        adopt_release_policy(acts, id, &entry.release_policy, (clock, random)).await?;
        if entry.brand != Brand::default() {
            adopt_brand(acts, id, &entry.brand, (clock, random)).await?;
        }
    }
    for entry in &config.sources {
        let named = config.organizations.iter().find(|organization| organization.key == entry.organization);
        let named = named.ok_or_else(|| ConnectError::NoOrganization(entry.organization.clone()))?;
        let organization = connect_organization(acts, &named.name, &[], clock, random).await?;
        connect_source(acts, organization, entry, clock, random).await?;
    }
    Ok(())
}

/// The active organization of this name, entered if it is new.
///
/// # Errors
/// [`ConnectError::Storage`].
pub async fn connect_organization(
    acts: &Acts,
    name: &str,
    alias: &[String],
    clock: &SharedClock,
    random: &SharedRandom,
) -> Result<OrganizationId, ConnectError> {
    let known = organizations::all(acts.db()).await?;
    let active = known.iter().find(|o| o.name == name && o.state == OrganizationState::Active);
    if let Some(organization) = active {
        return Ok(organization.id);
    }
    let organization = Organization {
        id: OrganizationId::mint(&**random),
        name: name.to_owned(),
        alias: alias.to_vec(),
        former_names: Vec::new(),
        release_policy: STANDARD_RELEASE_POLICY.to_owned(),
        brand: Brand::default(),
        created: clock.now(),
        changed: None,
        state: OrganizationState::Active,
    };
    let id = organization.id;
    let act = Act::new(ActKind::Organization, clock.now(), &**random).by_way_of("add").under("operator");
    let act = act.on("Organization", id);
    acts.write(move |tx| {
        Box::pin(async move {
            organizations::insert(tx, &organization).await?;
            Ok::<_, StorageError>(((), Some(act)))
        })
    })
    .await?;
    Ok(id)
}

/// Lets an organization follow another policy of release, if it does not already.
///
/// # Errors
/// [`ConnectError::Storage`].
pub async fn adopt_release_policy(
    acts: &Acts,
    id: OrganizationId,
    policy: &str,
    (clock, random): (&SharedClock, &SharedRandom),
) -> Result<(), ConnectError> {
    let known = organizations::by_id(acts.db(), id).await?;
    if known.is_some_and(|known| known.release_policy == policy) {
        return Ok(());
    }
    let act = Act::new(ActKind::Organization, clock.now(), &**random).by_way_of("release-policy").under("operator");
    let (act, policy) = (act.on("Organization", id), policy.to_owned());
    acts.write(move |tx| {
        Box::pin(async move {
            organizations::set_release_policy(tx, id, &policy).await?;
            Ok::<_, StorageError>(((), Some(act)))
        })
    })
    .await?;
    Ok(())
}

/// Lets an organization show itself as `brand` says, if it does not already.
///
/// # Errors
/// [`ConnectError::Storage`].
pub async fn adopt_brand(
    acts: &Acts,
    id: OrganizationId,
    brand: &Brand,
    (clock, random): (&SharedClock, &SharedRandom),
) -> Result<(), ConnectError> {
    let known = organizations::by_id(acts.db(), id).await?;
    if known.is_some_and(|known| known.brand == *brand) {
        return Ok(());
    }
    let now = clock.now();
    let act = Act::new(ActKind::Organization, now, &**random).by_way_of("brand").under("operator");
    let (act, brand) = (act.on("Organization", id), brand.clone());
    acts.write(move |tx| {
        Box::pin(async move {
            organizations::set_brand(tx, id, &brand, now).await?;
            Ok::<_, StorageError>(((), Some(act)))
        })
    })
    .await?;
    Ok(())
}

/// Connects an EHR endpoint, or brings a known one to what `entry` says.
///
/// # Errors
/// [`ConnectError`].
pub async fn connect_source(
    acts: &Acts,
    organization: OrganizationId,
    entry: &SourceEntry,
    clock: &SharedClock,
    random: &SharedRandom,
) -> Result<SourceKey, ConnectError> {
    let known = sources::all(acts.db()).await?;
    let active = known.into_iter().find(|s| s.base_url == entry.base_url && s.state == SourceState::Active);
    if let Some(known) = active {
        if known.organization != organization {
            return Err(ConnectError::OtherOrganization(entry.base_url.clone()));
        }
        let changed = described(entry, known.clone());
        if changed != known {
            let act = connected("update", known.key, clock, random);
            acts.write(move |tx| {
                Box::pin(async move {
                    sources::update(tx, &changed).await?;
                    Ok::<_, StorageError>(((), Some(act)))
                })
            })
            .await?;
        }
        return Ok(known.key);
    }
    loop {
        let source = described(
            entry,
            Source {
                id: SourceId::mint(&**random),
                key: SourceKey::mint(&**random),
                organization,
                name: String::new(),
                base_url: entry.base_url.clone(),
                vendor: String::new(),
                authentication: entry.authentication.clone(),
                view: entry.view,
                private_addresses: Vec::new(),
                ca_file: None,
                created: clock.now(),
                state: SourceState::Active,
            },
        );
        let key = source.key;
        let act = connected("add", key, clock, random);
        let stored = acts
            .write(move |tx| {
                Box::pin(async move {
                    sources::insert(tx, &source).await?;
                    Ok(((), Some(act)))
                })
            })
            .await;
        match stored {
            Ok(()) => return Ok(key),
            // 20 random bits: another key is minted when this one is taken.
            Err(StorageError::AlreadyTaken(Taken::SourceKey)) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn connected(step: &str, key: SourceKey, clock: &SharedClock, random: &SharedRandom) -> Act {
    Act::new(ActKind::Source, clock.now(), &**random).by_way_of(step).under("operator").on("Source", key)
}

fn described(entry: &SourceEntry, source: Source) -> Source {
    Source {
        name: entry.name.clone(),
        vendor: entry.vendor.clone(),
        authentication: entry.authentication.clone(),
        view: entry.view,
        private_addresses: entry.private_addresses.clone(),
        ca_file: entry.ca_file.clone(),
        ..source
    }
}
