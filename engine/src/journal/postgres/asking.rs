//! Who is placed elsewhere: what all rooms want to know at the same moment is asked in one statement.

use amphi_core::{AmphiId, InternId, Period};
use sqlx::PgPool;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::super::JournalError;
use super::within;
use crate::limits::GROUP_COMMIT_MAX;

/// A room's question, and where its answer goes.
pub(super) struct Question {
    pub(super) amphi: AmphiId,
    pub(super) period: Period,
    pub(super) interns: Vec<InternId>,
    pub(super) done: oneshot::Sender<Result<Vec<InternId>, JournalError>>,
}

pub(super) async fn answer_all(pool: PgPool, mut questions: mpsc::Receiver<Question>) {
    let mut group = Vec::new();
    while questions.recv_many(&mut group, GROUP_COMMIT_MAX).await > 0 {
        let placed = within(placed_elsewhere(&pool, &group)).await;
        for (number, question) in group.drain(..).enumerate() {
            let of_this = |placed: &Vec<(usize, InternId)>| {
                placed.iter().filter(|(of, _)| *of == number).map(|(_, intern)| *intern).collect()
            };
            // A room that is gone waits for no answer.
            let _ = question.done.send(placed.as_ref().map(of_this).map_err(Clone::clone));
        }
    }
}

/// Who holds a live placement outside, by the number of the question.
async fn placed_elsewhere(
    pool: &PgPool,
    questions: &[Question],
) -> Result<Vec<(usize, InternId)>, JournalError> {
    let (mut number, mut amphi, mut period, mut intern) = (vec![], vec![], vec![], vec![]);
    for (index, question) in questions.iter().enumerate() {
        for asked in &question.interns {
            number.push(i32::try_from(index).unwrap_or(i32::MAX));
            amphi.push(question.amphi.0);
            period.push(String::from(question.period));
            intern.push(asked.0);
        }
    }
    let placed = sqlx::query!(
        r#"SELECT asked.number AS "number!", a.intern_id
           FROM UNNEST($1::integer[], $2::uuid[], $3::text[], $4::uuid[])
               AS asked (number, amphi_id, period, intern_id)
           JOIN assignments a ON a.period = asked.period AND a.intern_id = asked.intern_id
             AND a.released_seq IS NULL AND a.amphi_id <> asked.amphi_id"#,
        &number,
        &amphi as &[Uuid],
        &period,
        &intern as &[Uuid],
    )
    .fetch_all(pool)
    .await?;
    Ok(placed.into_iter().map(|row| (row.number.unsigned_abs() as usize, InternId(row.intern_id))).collect())
}
