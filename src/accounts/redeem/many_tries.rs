//! Somebody tries codes from many places.

use futures_util::FutureExt;

use super::Redemptions;
use crate::base::clock::Instant;
use crate::base::id::StaffTaskId;
use crate::storage::staff_tasks::{self, StaffTask, StaffTaskKind};
use crate::storage::{StorageError, organizations};

impl Redemptions {
    /// Staff of every practice find it in their queue, unless it is there already: whoever hands out codes has to know that
    /// they are guessed at (portal design, 2.2). Once an hour at most, whatever is tried.
    pub(super) async fn tell_of_many_tries(&self, now: Instant) -> Result<(), StorageError> {
        if !self.brakes.is_first_in_an_hour(now) {
            return Ok(());
        }
        tracing::warn!("activation codes are tried far more often than people do: nobody can try for a while");
        let mut tasks = Vec::new();
        for organization in organizations::all(&self.db).await? {
            let open = staff_tasks::open(&self.db, organization.id).await?;
            if open.iter().all(|task| task.kind != StaffTaskKind::ManyTries) {
                tasks.push(StaffTask {
                    id: StaffTaskId::mint(&*self.random),
                    organization: organization.id,
                    kind: StaffTaskKind::ManyTries,
                    object: format!("Organization/{}", organization.id),
                    person: None,
                    created: now,
                });
            }
        }
        let write = self.db.write::<_, StorageError>(move |tx| {
            async move {
                for task in &tasks {
                    staff_tasks::insert(tx, task).await?;
                }
                Ok(())
            }
            .boxed()
        });
        write.await
    }
}
