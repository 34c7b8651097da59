//! Taking amphis over and reading what was written in them, many at a time.

use std::collections::HashMap;

use amphi_core::{AmphiId, CommandId, Timestamp};
use futures_util::TryStreamExt as _;
use sqlx::PgPool;
use uuid::Uuid;

use super::super::chain::check_chain;
use super::super::{Entry, Hash, JournalError, Lease, Taken};
use super::PostgresJournal;
use super::guard::LOCK_CLASS;

impl PostgresJournal {
    /// Lets go of a draft that a live server has in service, so that whoever wants to publish it can take it: nothing
    /// runs in a draft. That server learns it with its next heartbeat; what is published is left alone.
    ///
    /// # Errors
    /// [`JournalError::Unavailable`]
    pub async fn free_draft(pool: &PgPool, amphi: AmphiId) -> Result<(), JournalError> {
        sqlx::query!(
            r#"
            WITH draft AS MATERIALIZED (
                SELECT a.id, a.owner FROM amphis a
                WHERE a.id = $1 AND a.owner IS NOT NULL AND NOT EXISTS (
                    SELECT 1 FROM events e WHERE e.amphi_id = $1 AND e.payload LIKE '{"type":"published"%')
                FOR NO KEY UPDATE OF a
            ), freed AS (
                UPDATE amphis a SET owner = NULL FROM draft WHERE a.id = draft.id
            )
            UPDATE servers s SET taken_over = s.taken_over + 1 FROM draft WHERE s.key = draft.owner
            "#,
            amphi.0,
        )
        .execute(pool)
        .await?;
        Ok(())
    }

    pub(super) async fn acquire_now(&self, amphi: AmphiId) -> Result<Lease, JournalError> {
        let acquired = self.acquire_all(&[amphi]).await?.remove(&amphi);
        acquired.unwrap_or(Err(JournalError::NotFound))
    }

    /// Takes ownership of whichever of `amphis` are nobody's who lives; says of each that there is.
    async fn acquire_all(
        &self,
        amphis: &[AmphiId],
    ) -> Result<HashMap<AmphiId, Result<Lease, JournalError>>, JournalError> {
        let ids: Vec<Uuid> = amphis.iter().map(|amphi| amphi.0).collect();
        let rows = sqlx::query!(
            r#"
            WITH held AS MATERIALIZED (
                -- In one order, so that two who take the same amphis do not wait for one another.
                SELECT id, epoch, owner, unserved_since_ms FROM amphis WHERE id = ANY($1)
                ORDER BY id FOR NO KEY UPDATE
            ), alive AS MATERIALIZED (
                -- Looked at once every row is held: until then somebody else may take one.
                SELECT l.objid::bigint AS key FROM pg_locks l
                JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()
                WHERE (SELECT count(*) FROM held) > 0
                  AND l.locktype = 'advisory' AND l.objsubid = 2 AND l.classid::bigint = $3
            ), before AS (
                SELECT held.id, held.owner, CASE
                    -- The last owner has given back what it was told to.
                    WHEN held.epoch = (SELECT e.epoch FROM events e WHERE e.amphi_id = held.id
                                       ORDER BY e.seq DESC LIMIT 1)
                        THEN s.seen_at_ms
                    ELSE LEAST(held.unserved_since_ms, s.seen_at_ms)
                END AS seen_at_ms
                FROM held LEFT JOIN servers s ON s.key = held.owner
                WHERE held.owner IS NULL OR held.owner = $2 OR held.owner NOT IN (SELECT key FROM alive)
            ), taken AS (
                UPDATE amphis a SET epoch = a.epoch + 1, owner = $2, unserved_since_ms = before.seen_at_ms
                FROM before WHERE a.id = before.id
                RETURNING a.id, a.epoch, before.seen_at_ms, before.owner
            ), counted AS (
                -- Should the last owner live after all, its next heartbeat asks what it has lost.
                UPDATE servers s SET taken_over = taken_over + 1
                WHERE s.key <> $2 AND s.key IN (SELECT owner FROM taken)
            )
            SELECT held.id, taken.epoch AS "epoch?", taken.seen_at_ms AS "seen_at_ms?"
            FROM held LEFT JOIN taken USING (id)
            "#,
            &ids,
            self.server,
            i64::from(LOCK_CLASS),
        )
        .fetch_all(&self.pool)
        .await?;
        let answer = |epoch: Option<i64>, seen_at_ms: Option<i64>| {
            let epoch = epoch.ok_or(JournalError::OwnedByAnother)?.unsigned_abs();
            Ok(Lease { epoch, previous_seen_at: seen_at_ms.map(Timestamp) })
        };
        Ok(rows.into_iter().map(|row| (AmphiId(row.id), answer(row.epoch, row.seen_at_ms))).collect())
    }

    pub(super) async fn load_now(&self, amphi: AmphiId) -> Result<Vec<Entry>, JournalError> {
        let entries = self.load_all(&[amphi]).await?.pop().unwrap_or(Ok(Vec::new()))?;
        if entries.is_empty() && !self.knows(amphi).await? {
            return Err(JournalError::NotFound);
        }
        Ok(entries)
    }

    async fn knows(&self, amphi: AmphiId) -> Result<bool, JournalError> {
        let known = sqlx::query_scalar!("SELECT 1 FROM amphis WHERE id = $1", amphi.0);
        Ok(known.fetch_optional(&self.pool).await?.is_some())
    }

    /// What was written in each of `amphis`, in their order, each with its chain checked.
    async fn load_all(
        &self,
        amphis: &[AmphiId],
    ) -> Result<Vec<Result<Vec<Entry>, JournalError>>, JournalError> {
        let ids: Vec<Uuid> = amphis.iter().map(|amphi| amphi.0).collect();
        // One after the other by the index, so that nothing is sorted that is not sorted already.
        let mut rows = sqlx::query!(
            r#"SELECT asked.number AS "number!", e.seq, e.epoch, e.command_id, e.at_ms, e.actor, e.payload, e.hash
               FROM UNNEST($1::uuid[]) WITH ORDINALITY AS asked (id, number)
               CROSS JOIN LATERAL (SELECT * FROM events WHERE amphi_id = asked.id ORDER BY seq) e"#,
            &ids
        )
        .fetch(&self.pool);
        let mut journals: Vec<Result<Vec<Entry>, JournalError>> = vec![Ok(Vec::new()); amphis.len()];
        while let Some(row) = rows.try_next().await? {
            // Numbered from 1.
            let Some(journal) = journals.get_mut(row.number.unsigned_abs() as usize - 1) else { continue };
            match (row.hash.try_into(), &mut *journal) {
                (Ok(hash), Ok(entries)) => entries.push(Entry {
                    seq: row.seq.unsigned_abs(),
                    epoch: row.epoch.unsigned_abs(),
                    command_id: row.command_id.map(CommandId),
                    at: Timestamp(row.at_ms),
                    actor: row.actor,
                    payload: row.payload,
                    hash: Hash(hash),
                }),
                (Err(_), Ok(_)) => {
                    *journal = Err(JournalError::Damaged(format!("the hash of entry {}", row.seq)));
                }
                (_, Err(_)) => {}
            }
        }
        let checked = |(amphi, journal): (&AmphiId, Result<Vec<Entry>, JournalError>)| {
            let entries = journal?;
            check_chain(*amphi, &entries).map_err(|error| JournalError::Damaged(error.to_string()))?;
            Ok(entries)
        };
        Ok(amphis.iter().zip(journals).map(checked).collect())
    }

    /// Takes ownership of `amphis`, and reads those that it got.
    pub(super) async fn take_now(
        &self,
        amphis: &[AmphiId],
    ) -> Result<Vec<Result<Taken, JournalError>>, JournalError> {
        let leases = self.acquire_all(amphis).await?;
        let got = |amphi: &&AmphiId| matches!(leases.get(amphi), Some(Ok(_)));
        let own: Vec<AmphiId> = amphis.iter().filter(got).copied().collect();
        let mut journals = self.load_all(&own).await?.into_iter();
        let mut taken = |amphi: &AmphiId| {
            let lease = leases.get(amphi).cloned().unwrap_or(Err(JournalError::NotFound))?;
            let entries = journals.next().unwrap_or(Ok(Vec::new()))?;
            Ok(Taken { lease, entries })
        };
        Ok(amphis.iter().map(&mut taken).collect())
    }
}
