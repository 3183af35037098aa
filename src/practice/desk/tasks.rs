use super::{Desk, DeskError, StaffMember, covered};
use crate::audit::ActKind;
use crate::authorization::active_links;
use crate::base::id::StaffTaskId;
use crate::identity::{Demographics, Link, StaffAct};
use crate::storage::staff_tasks::{self, StaffTask, StaffTaskKind};
use crate::storage::{StorageError, invitations, links};

/// The longest outcome that staff write, in bytes.
const LONGEST_OUTCOME: usize = 200;

/// Something that waits, as staff read it.
#[derive(Clone, Debug)]
pub struct TaskLine {
    /// Its record.
    pub task: StaffTask,
    /// The patient that it is about, for those who may know.
    pub patient: Option<String>,
}

impl TaskLine {
    /// Whether words in a record wait for somebody to look at them.
    #[must_use]
    pub fn is_about_words(&self) -> bool {
        self.task.kind == StaffTaskKind::WordsToReview
    }
}

impl Desk {
    /// What waits for the organization, the oldest first.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn tasks(&self, member: &StaffMember) -> Result<Vec<TaskLine>, DeskError> {
        covered(member, StaffAct::SeeTasks)?;
        let knows = member.may(StaffAct::FindPatient);
        let mut lines = Vec::new();
        for task in staff_tasks::open(&self.db, member.organization).await? {
            let patient = if knows { self.patient_of(&task).await? } else { None };
            lines.push(TaskLine { task, patient });
        }
        Ok(lines)
    }

    async fn patient_of(&self, task: &StaffTask) -> Result<Option<String>, StorageError> {
        let known = match task.object.split_once('/') {
            Some(("Invitation", id)) => match id.parse() {
                Ok(id) => invitations::by_id(&self.db, id).await?.map(|invitation| invitation.demographics),
                Err(_) => None,
            },
            Some(("Link", id)) => match id.parse() {
                Ok(id) => links::by_id(&self.db, id).await?.and_then(|link| link.demographics),
                Err(_) => None,
            },
            Some(("Grant" | "Person", _)) => self.chart_here(task).await?,
            _ => None,
        };
        Ok(known.map(|known| {
            let given = known.given.join(" ");
            format!("{given} {}, born {}", known.family, known.birth_date)
        }))
    }

    /// Who the person of a task is in this practice's own chart.
    async fn chart_here(&self, task: &StaffTask) -> Result<Option<Demographics>, StorageError> {
        let Some(person) = task.person else { return Ok(None) };
        let sources = self.sources.all();
        let is_here = |link: &Link| {
            sources.get(&link.source).is_some_and(|source| source.source.organization == task.organization)
        };
        Ok(active_links(&self.db, person).await?.into_iter().find(is_here).and_then(|link| link.demographics))
    }

    /// Closes something that waits, with what came of it.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn close_task(&self, member: &StaffMember, id: StaffTaskId, outcome: &str) -> Result<(), DeskError> {
        covered(member, StaffAct::SeeTasks)?;
        let outcome = outcome.trim().to_owned();
        if outcome.is_empty() || outcome.len() > LONGEST_OUTCOME {
            return Err(DeskError::Refused("outcome", "say in a few words what came of it".to_owned()));
        }
        let (organization, by, now) = (member.organization, member.account, self.clock.now());
        let act = self.act(ActKind::Staff, member).by_way_of("close-task").on("StaffTask", id);
        let done = self.acts.write(move |tx| {
            Box::pin(async move {
                staff_tasks::close(tx, id, organization, (now, by, &outcome)).await?;
                Ok::<_, StorageError>(((), Some(act)))
            })
        });
        match done.await {
            Err(StorageError::NotFound { .. }) => Err(DeskError::NotFound),
            other => Ok(other?),
        }
    }
}
