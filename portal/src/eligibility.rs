//! Who may take part in a session, as far as accounts say (3.1).
//!
//! Whoever is not known any more may not: an intern whose account is gone stays on the list of an amphi,
//! and must be found before the first turn like any other.

use amphi_engine::core::{Ineligibility, InternId};
use amphi_engine::eligibility::Eligibility;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use sqlx::PgPool;
use uuid::Uuid;

/// The states of the interns' accounts.
#[derive(Debug, Clone)]
pub struct AccountStates {
    pool: PgPool,
}

impl AccountStates {
    /// Those of this database.
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    async fn found(&self, interns: &[InternId]) -> Result<Vec<(InternId, Ineligibility)>, sqlx::Error> {
        let ids: Vec<Uuid> = interns.iter().map(|intern| intern.0).collect();
        let rows = sqlx::query!(
            r#"SELECT asked.id AS "id!", i.account_state AS "account_state?"
               FROM UNNEST($1::uuid[]) AS asked (id) LEFT JOIN interns i ON i.id = asked.id
               WHERE i.account_state IS DISTINCT FROM 'validated'"#,
            &ids,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|row| (InternId(row.id), spoken(row.account_state.as_deref()))).collect())
    }
}

/// What an account state that is not `validated` says against its holder.
fn spoken(account_state: Option<&str>) -> Ineligibility {
    match account_state {
        Some("blocked") => Ineligibility::Blocked,
        Some("training_ended") => Ineligibility::TrainingEnded,
        _ => Ineligibility::NotValidated,
    }
}

impl Eligibility for AccountStates {
    fn check<'a>(
        &'a self,
        interns: &'a [InternId],
    ) -> BoxFuture<'a, Result<Vec<(InternId, Ineligibility)>, String>> {
        self.found(interns).map(|found| found.map_err(|error| error.to_string())).boxed()
    }
}
