//! Whole sessions of the samples, from the draft to the minutes.

use std::path::Path;

use amphi_engine::core::Standing;
use amphi_portal::minutes::{FinalStanding, Format, SessionRecord, write};

use super::forms::assert_workbook;
use super::paper::{pages_and_rows, rows_due};
use super::session::{Session, sample};

/// Writes the minutes where whoever wants to look at them finds them, and gives them back.
fn drawn_up(record: &SessionRecord, name: &str, format: Format) -> Vec<u8> {
    let bytes = write(record, format).unwrap();
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.{}", format.ending()));
    std::fs::write(path, &bytes).unwrap();
    bytes
}

fn idf() -> Session {
    let (mut setup, names) = sample(
        "idf-medecine-generale",
        "Europe/Paris",
        &[
            ("2027-10-04 09:00", "2027-10-04 12:30"),
            ("2027-10-04 14:00", "2027-10-04 19:00"),
            ("2027-10-05 09:00", "2027-10-05 12:30"),
            ("2027-10-05 14:00", "2027-10-05 19:00"),
        ],
    );
    setup.turn_duration = amphi_engine::core::Millis::from_minutes(2);
    setup.title = "Médecine générale, Île-de-France".to_owned();
    let mut session = Session::opened(setup, names);
    session.plays_to_the_end();
    session
}

#[test]
fn the_minutes_of_490_interns_say_what_the_amphi_says() {
    let session = idf();
    let record = session.record();
    assert_eq!(record.participants.len(), 490);
    for (participant, standing) in record.participants.iter().zip(session.amphi.standings()) {
        let said = match standing {
            Standing::Placed { post, seat, .. } => {
                let choice = record.choice_of(participant).expect("who is placed has a choice");
                assert_eq!((choice.post, choice.seat), (*post, *seat));
                continue;
            }
            Standing::PlacedElsewhere => FinalStanding::PlacedElsewhere,
            Standing::Withdrawn => {
                let reason = "=Désistement reçu par courrier".to_owned();
                FinalStanding::Withdrawn { reason }
            }
            Standing::Waiting | Standing::InTurn | Standing::Late { .. } => FinalStanding::Unplaced,
        };
        assert_eq!(participant.standing, said, "rank {}", participant.rank);
    }
    assert_workbook(&record);
    for format in [Format::Xlsx, Format::Csv, Format::Html, Format::Json] {
        assert!(!drawn_up(&record, "idf", format).is_empty());
    }
    let (pages, rows) = pages_and_rows(&drawn_up(&record, "idf", Format::Pdf));
    assert!((30..=70).contains(&pages), "{pages} pages");
    assert_eq!(rows, rows_due(&record));
    // One turn each, but for whoever was withdrawn, who is skipped; and everybody's name beside their rank.
    assert_eq!(record.statistics.turns, 489);
    assert_eq!(record.turns.len(), 490);
    assert!(record.participants.iter().all(|participant| participant.name.is_some()));
}
