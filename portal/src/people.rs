//! People: the names behind the ranks. Kept apart from the journal, which holds none.

use amphi_engine::core::{AmphiId, CallRank, InternId};
use sqlx::PgPool;
use uuid::Uuid;

use amphi_engine::room::Room;

use crate::import::ImportedIntern;
use crate::pages::control::RosterEntry;

/// The names of one amphi, in call order. For its administrators only.
///
/// # Errors
/// When the database does not answer.
pub async fn roster(pool: &PgPool, amphi: AmphiId) -> Result<Vec<RosterEntry>, sqlx::Error> {
    let rows = sqlx::query!(
        "SELECT r.call_rank, i.last_name, i.first_name, i.email, i.phone
         FROM roster r JOIN interns i ON i.id = r.intern_id WHERE r.amphi_id = $1 ORDER BY r.call_rank",
        amphi.0
    )
    .fetch_all(pool)
    .await?;
    let entries = rows.into_iter().filter_map(|row| {
        Some(RosterEntry {
            rank: CallRank(u16::try_from(row.call_rank).ok()?),
            last_name: row.last_name,
            first_name: row.first_name,
            email: row.email,
            phone: row.phone,
        })
    });
    Ok(entries.collect())
}

/// The names of one amphi, with those of people who were added and are not on the roster yet: the journal
/// says who takes part, and the roster follows it (`control/adding.rs`).
///
/// # Errors
/// When the database does not answer; then nothing is changed.
pub(crate) async fn completed_roster(pool: &PgPool, room: &Room) -> Result<Vec<RosterEntry>, sqlx::Error> {
    let known = roster(pool, room.id()).await?;
    let listed: Vec<Uuid> = room.read(|ledger| {
        let setup = ledger.amphi().setup();
        setup.map(|setup| setup.participants.iter().map(|one| one.intern.0).collect()).unwrap_or_default()
    });
    if known.len() >= listed.len() {
        return Ok(known);
    }
    // Whoever is not known any more has no name to give.
    sqlx::query!(
        "INSERT INTO roster (amphi_id, call_rank, intern_id)
             SELECT $1, position::integer, t.id FROM UNNEST($2::uuid[]) WITH ORDINALITY AS t (id, position)
             JOIN interns i ON i.id = t.id
             ON CONFLICT DO NOTHING",
        room.id().0,
        &listed,
    )
    .execute(pool)
    .await?;
    roster(pool, room.id()).await
}

/// Writes down who these people are, and gives each their identifier; people already known by their
/// address keep theirs, and get the newer spelling of their name.
///
/// # Errors
/// When the database does not answer; then nobody is written down.
pub async fn register(pool: &PgPool, people: &[ImportedIntern]) -> Result<Vec<InternId>, sqlx::Error> {
    let ids: Vec<Uuid> = people.iter().map(|_| Uuid::now_v7()).collect();
    let column =
        |of: fn(&ImportedIntern) -> &str| people.iter().map(|p| of(p).to_owned()).collect::<Vec<_>>();
    let phones: Vec<Option<String>> = people.iter().map(|person| person.phone.clone()).collect();
    let emails = column(|person| &person.email);
    let rows = sqlx::query!(
        "INSERT INTO interns (id, email, last_name, first_name, phone)
         SELECT * FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[])
         ON CONFLICT (email) DO UPDATE
         SET last_name = excluded.last_name, first_name = excluded.first_name,
             phone = coalesce(excluded.phone, interns.phone)
         RETURNING id, email",
        &ids,
        &emails,
        &column(|person| &person.last_name),
        &column(|person| &person.first_name),
        &phones as &[Option<String>],
    )
    .fetch_all(pool)
    .await?;
    let known: std::collections::HashMap<String, Uuid> =
        rows.into_iter().map(|row| (row.email, row.id)).collect();
    Ok(emails.iter().filter_map(|email| known.get(email).copied().map(InternId)).collect())
}

/// Writes down who this is and gives them an identifier, unless they are known by their address: then they keep
/// theirs, and their name and telephone with it. Whoever runs one amphi says who comes to it, not what people of
/// others are called (P7); that is left to who imports lists.
///
/// # Errors
/// When the database does not answer.
pub async fn known_or_registered(pool: &PgPool, person: &ImportedIntern) -> Result<InternId, sqlx::Error> {
    sqlx::query!(
        "INSERT INTO interns (id, email, last_name, first_name, phone) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (email) DO NOTHING",
        Uuid::now_v7(),
        person.email,
        person.last_name,
        person.first_name,
        person.phone.as_deref(),
    )
    .execute(pool)
    .await?;
    let id = sqlx::query_scalar!("SELECT id FROM interns WHERE email = $1", person.email);
    id.fetch_one(pool).await.map(InternId)
}

/// Says who stands at which rank of a new amphi.
///
/// # Errors
/// When the database does not answer, or the amphi has its list already; then nothing is changed.
pub async fn seat(pool: &PgPool, amphi: AmphiId, in_call_order: &[InternId]) -> Result<(), sqlx::Error> {
    let ids: Vec<Uuid> = in_call_order.iter().map(|intern| intern.0).collect();
    sqlx::query!(
        "INSERT INTO roster (amphi_id, call_rank, intern_id)
         SELECT $1, position::integer, id FROM UNNEST($2::uuid[]) WITH ORDINALITY AS t (id, position)",
        amphi.0,
        &ids,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Takes back who stands where in a draft, which is about to get another list.
///
/// # Errors
/// When the database does not answer; then nothing is changed.
pub async fn unseat(pool: &PgPool, amphi: AmphiId) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM roster WHERE amphi_id = $1", amphi.0).execute(pool).await?;
    Ok(())
}

/// First and last name of whoever stands at `rank`; the rank itself when nobody is written down there.
///
/// # Errors
/// When the database does not answer.
pub async fn name(pool: &PgPool, amphi: AmphiId, rank: CallRank) -> Result<String, sqlx::Error> {
    let row = sqlx::query!(
        "SELECT i.first_name, i.last_name FROM roster r JOIN interns i ON i.id = r.intern_id
         WHERE r.amphi_id = $1 AND r.call_rank = $2",
        amphi.0,
        i32::from(rank.0),
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map_or_else(|| format!("le rang {rank}"), |row| format!("{} {}", row.first_name, row.last_name)))
}
