//! Measures the journal as a whole day uses it: rooms of a registry over Postgres.
//!
//! `recovery [amphis] [interns]`: fills a database, loses the server, and times how long its successor
//! takes to have every amphi in service (F10).
//! `commands [amphis]`: every amphi submits its next command as soon as the last one is durable, by group
//! commit and by one commit each, alternately (F8).
//!
//! `AMPHI_TEST_DATABASE_URL` names a Postgres with `fsync` on, as for the tests; a database of its own is
//! made there, and dropped. Deliberately absent: sockets, which `amphi-loadtest` measures.

#[path = "journal/commands.rs"]
mod commands;
#[path = "../tests/support/postgres.rs"]
mod postgres;
#[path = "journal/recovery.rs"]
mod recovery;
#[path = "../tests/support/scene.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod scene;
#[path = "journal/season.rs"]
mod season;

/// The server's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The size of F8 and F10.
const AMPHIS: usize = 2_500;
/// Of a usual amphi; the largest one has 490.
const INTERNS: u16 = 20;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize| arguments.get(index).map(|text| text.parse().expect("a number"));
    let amphis = number(1).unwrap_or(AMPHIS);
    match arguments.first().map(String::as_str) {
        Some("recovery") => {
            let interns = number(2).map_or(INTERNS, |interns| u16::try_from(interns).expect("a rank"));
            postgres::with_database(|pool| recovery::measure(pool, amphis, interns)).await;
        }
        Some("commands") => postgres::with_database(|pool| commands::measure(pool, amphis)).await,
        _ => eprintln!("journal recovery [amphis] [interns] | journal commands [amphis]"),
    }
}
