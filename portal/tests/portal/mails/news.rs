//! Who is told what: from the journal, once, whatever happens in between.

use std::sync::Arc;

use amphi_engine::clock::ManualClock;
use amphi_engine::core::opening::{Opening, OpeningRange};
use amphi_engine::core::{CallRank, Command, LatePolicy, PostNumber, ProxyPolicy, Round};
use amphi_engine::journal::PostgresJournal;
use amphi_engine::registry::Registry;
use icalendar::{Calendar, CalendarComponent, Component as _};

use super::office::{Office, each, with_office};
use crate::postgres::with_database;
use crate::scene::{ADMINISTRATOR, at, choose, intern, pass, setup};

fn suspend() -> Command {
    Command::Suspend { reason: "Panne de réseau".to_owned() }
}

/// The SEQUENCE, METHOD and start of a calendar entry.
fn entry(text: &str) -> (u32, String, String) {
    let calendar: Calendar = text.parse().unwrap();
    let CalendarComponent::Event(event) = &calendar.components[0] else { panic!("{text}") };
    (
        event.get_sequence().unwrap(),
        calendar.property_value("METHOD").unwrap().to_owned(),
        event.property_value("DTSTART").unwrap().to_owned(),
    )
}

#[tokio::test]
async fn a1_publishing_convokes_each_once_and_only_once() {
    with_office(setup(3, &[2, 2]), |office| async move {
        assert_eq!(office.tells().await, 0, "a draft is nobody's business yet");
        office.does(ADMINISTRATOR, Command::Publish).await;
        assert_eq!(office.tells().await, 3);
        assert_eq!(office.tells().await, 0);
        assert_eq!(office.told().await, each("convocation", 1..=3));
        let second = &office.outbox().await[1];
        assert_eq!(second.recipient, "interne2@exemple.fr");
        // 09:03 UTC in May is 11:03 in Paris.
        let lines: Vec<&str> = second.text.lines().collect();
        assert_eq!(lines[0], "Vous passez le lundi 3 mai 2027 à 11 h 03 (heure de Paris).");
        assert_eq!(lines[1], "Durée de votre tour : 3 min (rang d’appel 2)");
        assert!(lines[2].starts_with("Votre page personnelle : https://amphi.test/entrer/"), "{}", lines[2]);
        assert!(lines[3].starts_with("Si vous ne pouvez pas être là à l’heure : "), "{}", lines[3]);
    })
    .await;
}

#[tokio::test]
async fn a11_extra_time_is_in_the_convocation_and_in_the_calendar() {
    let mut setup = setup(2, &[2, 2]);
    setup.participants[0].extra_time_percent = 33;
    with_office(setup, |office| async move {
        office.does(ADMINISTRATOR, Command::Publish).await;
        office.tells().await;
        let outbox = office.outbox().await;
        let said = "Durée de votre tour : 3 min 59 s, majoration de temps comprise (rang d’appel 1)";
        assert!(outbox[0].text.contains(said), "{}", outbox[0].text);
        let calendar = outbox[0].calendar.as_ref().unwrap();
        assert!(calendar.contains("DTSTART:20270503T090000Z\r\n"), "{calendar}");
        assert!(calendar.contains("DTEND:20270503T090359Z\r\n"), "{calendar}");
        assert!(outbox[1].text.contains("à 11 h 03 (heure de Paris)"), "{}", outbox[1].text);
    })
    .await;
}

#[tokio::test]
async fn a_crash_before_the_commit_leaves_nothing_and_loses_nothing() {
    with_office(setup(3, &[2, 2]), |office| async move {
        office.does(ADMINISTRATOR, Command::Publish).await;
        // The database dies under the third mail, after two were written.
        let break_it =
            "CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'broken'; END $$;
                        CREATE TRIGGER broken BEFORE INSERT ON outbox FOR EACH ROW WHEN (NEW.call_rank = 3)
                        EXECUTE FUNCTION broken()";
        sqlx::raw_sql(break_it).execute(&office.pool).await.unwrap();
        assert_eq!(office.tells().await, 0);
        assert_eq!(office.told().await, [], "all of it or nothing");
        sqlx::raw_sql("DROP TRIGGER broken ON outbox").execute(&office.pool).await.unwrap();
        assert_eq!(office.tells().await, 3);
        assert_eq!(office.told().await, each("convocation", 1..=3));
        // A cursor set back by hand, or from a backup, sends nothing twice either.
        sqlx::query("UPDATE mail_cursor SET seq = 0").execute(&office.pool).await.unwrap();
        assert_eq!(office.tells().await, 0);
        assert_eq!(office.told().await, each("convocation", 1..=3));
    })
    .await;
}

#[tokio::test]
async fn two_who_tell_at_once_tell_once() {
    with_office(setup(3, &[2, 2]), |office| async move {
        office.does(ADMINISTRATOR, Command::Publish).await;
        let (one, other) = tokio::join!(office.announcer.round(), office.announcer.round());
        assert_eq!(one.unwrap() + other.unwrap(), 3);
        assert_eq!(office.told().await, each("convocation", 1..=3));
    })
    .await;
}

#[tokio::test]
async fn what_another_process_published_is_told_by_the_server() {
    with_database(|pool| async move {
        // As `amphi import --publish` does: creates, publishes, ends.
        let import = Office::open(pool.clone()).await;
        import.draft(setup(2, &[2, 2])).await;
        import.does(ADMINISTRATOR, Command::Publish).await;
        import.registry.stop().await.unwrap();
        let server = Office::open(pool).await;
        assert_eq!(server.tells().await, 2);
        assert_eq!(server.told().await, each("convocation", 1..=2));
        server.registry.stop().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn r3_3_a_choice_brings_its_receipt_once() {
    with_office(setup(3, &[2, 2]), |office| async move {
        office.does(ADMINISTRATOR, Command::Publish).await;
        office.does(ADMINISTRATOR, Command::Open).await;
        office.until("09:00").await;
        office.does(intern(1), choose(1, 2)).await;
        office.tells().await;
        office.tells().await;
        let outbox = office.outbox().await;
        let chosen: Vec<_> = outbox.iter().filter(|row| row.kind == "chosen").collect();
        assert_eq!(chosen.len(), 1);
        let code = office.room().await.read(|ledger| ledger.receipt(CallRank(1)).unwrap().code());
        assert_eq!(chosen[0].rank, 1);
        assert!(chosen[0].text.contains("le vérifier : https://amphi.test/recu\n"), "{}", chosen[0].text);
        assert!(chosen[0].text.contains(&format!("\n{code}\n")), "{}", chosen[0].text);
        assert!(chosen[0].html.contains(&code), "{}", chosen[0].html);
        assert!(
            chosen[0].text.starts_with(
                "Vous avez choisi : CHU, Cardiologie.\nEnregistré : lundi 3 mai 2027 à 11:00:00"
            )
        );
    })
    .await;
}

#[tokio::test]
async fn a2_a_time_that_moved_is_told_once_and_the_calendar_follows() {
    with_office(setup(4, &[4, 4]), |office| async move {
        office.does(ADMINISTRATOR, Command::Publish).await;
        office.does(ADMINISTRATOR, Command::Open).await;
        office.until("09:00").await;
        office.tells().await;
        office.does(ADMINISTRATOR, suspend()).await;
        // 15 minutes are not more than 15 minutes.
        office.until("09:14").await;
        assert_eq!(office.tells().await, 0);
        office.until("09:30").await;
        assert_eq!(office.tells().await, 3, "everybody who still waits");
        office.until("09:55").await;
        assert_eq!(office.tells().await, 0, "while nothing goes on, the time recedes and is no promise");
        office.does(ADMINISTRATOR, Command::Resume).await;
        assert_eq!(office.tells().await, 3, "it goes on: now there is a time again");
        assert_eq!(office.tells().await, 0);
        let outbox = office.outbox().await;
        let second: Vec<_> = outbox.iter().filter(|row| row.rank == 2).collect();
        let entries: Vec<_> = second.iter().map(|row| entry(row.calendar.as_ref().unwrap())).collect();
        let sequences: Vec<u32> = entries.iter().map(|(sequence, ..)| *sequence).collect();
        assert_eq!(sequences, [0, 1, 2]);
        assert!(entries.iter().all(|(_, method, _)| method == "REQUEST"));
        let uids: std::collections::BTreeSet<_> = second
            .iter()
            .flat_map(|row| row.calendar.as_ref().unwrap().lines())
            .filter(|line| line.starts_with("UID:") && !line.starts_with("UID:rappel"))
            .collect();
        assert_eq!(uids.len(), 1, "the same entry each time");
        let while_suspended = &second[1].text;
        assert!(
            while_suspended.starts_with("Votre passage, attendu à 11 h 03, n’aura pas lieu avant le "),
            "{while_suspended}"
        );
        assert!(
            while_suspended.contains("Pourquoi : La séance est suspendue. Motif : Panne de réseau"),
            "{while_suspended}"
        );
        let after = &second[2].text;
        assert!(
            after.starts_with("Votre passage est maintenant attendu le lundi 3 mai 2027 à 11 h 5"),
            "{after}"
        );
        assert!(after.contains(", au lieu de 11 h 3"), "{after}");
        assert!(after.contains("Soyez connecté dès "), "{after}");
    })
    .await;
}

#[tokio::test]
async fn a2_a_time_that_was_on_another_day_is_told_with_its_day() {
    let mut setup = setup(2, &[2, 2]);
    let range = |from, to| OpeningRange { opens_at: at(from), closes_at: at(to) };
    setup.opening = Opening::new(vec![range("09:00", "12:00"), range("33:00", "36:00")]).unwrap();
    with_office(setup, |office| async move {
        office.does(ADMINISTRATOR, Command::Publish).await;
        office.does(ADMINISTRATOR, Command::Open).await;
        office.tells().await;
        office.does(ADMINISTRATOR, suspend()).await;
        office.until("12:30").await;
        office.tells().await;
        let outbox = office.outbox().await;
        let text = &outbox.iter().rfind(|row| row.rank == 2).unwrap().text;
        let said = "Votre passage, attendu le lundi 3 mai à 11 h 03, n’aura pas lieu avant le mardi 4 mai ";
        assert!(text.starts_with(said), "{text}");
    })
    .await;
}

#[tokio::test]
async fn a2_whoever_passes_earlier_than_they_were_told_is_told_at_once() {
    with_office(setup(20, &[20, 20]), |office| async move {
        office.does(ADMINISTRATOR, Command::Publish).await;
        office.tells().await;
        office.does(ADMINISTRATOR, Command::Open).await;
        office.until("09:00").await;
        office.does(ADMINISTRATOR, suspend()).await;
        office.until("09:40").await;
        office.does(ADMINISTRATOR, Command::Resume).await;
        let later = office.tells().await;
        assert!(later > 10, "{later} are told that they pass later");
        // Quick turns make up for it: at 09:40, everybody planned until then has passed.
        while let Some(rank) = office.in_turn().await {
            office.does(intern(rank), pass(rank)).await;
        }
        let earlier = office.tells().await;
        assert!((1..later).contains(&earlier), "{earlier} are told that they pass earlier after all");
        assert_eq!(office.tells().await, 0);
        let last = office.outbox().await.pop().unwrap();
        assert!(last.text.contains("est maintenant attendu le lundi 3 mai 2027 à 11 h 5"), "{}", last.text);
        assert!(last.text.contains(", au lieu de 12 h "), "{}", last.text);
    })
    .await;
}

#[tokio::test]
async fn an_annulled_session_is_told_to_all_and_struck_out() {
    with_office(setup(3, &[2, 2]), |office| async move {
        office.does(ADMINISTRATOR, Command::Publish).await;
        office.does(ADMINISTRATOR, Command::Open).await;
        office.until("09:00").await;
        office.does(intern(1), choose(1, 1)).await;
        office.tells().await;
        let before = office.outbox().await.len();
        let reason = "La liste comprenait une erreur.".to_owned();
        office.does(ADMINISTRATOR, Command::Annul { reason }).await;
        assert_eq!(office.tells().await, 3);
        assert_eq!(office.tells().await, 0);
        let outbox = &office.outbox().await[before..];
        assert!(outbox.iter().all(|row| row.kind == "annulled"));
        assert!(outbox[0].text.contains("CHU, Cardiologie : il ne compte plus"), "{}", outbox[0].text);
        assert_eq!(outbox[0].calendar, None, "that turn has been");
        let (sequence, method, _) = entry(outbox[2].calendar.as_ref().unwrap());
        assert_eq!((sequence, method.as_str()), (1, "CANCEL"));
        // Rank 2's turn had begun; rank 3 was still to come.
        assert!(outbox[2].text.contains("Motif : La liste comprenait une erreur."), "{}", outbox[2].text);
    })
    .await;
}

#[tokio::test]
async fn a_session_annulled_before_anybody_was_told_is_told_to_nobody() {
    with_office(setup(2, &[2, 2]), |office| async move {
        office.does(ADMINISTRATOR, Command::Publish).await;
        office.does(ADMINISTRATOR, Command::Annul { reason: "Essai".to_owned() }).await;
        assert_eq!(office.tells().await, 0);
        assert_eq!(office.told().await, []);
    })
    .await;
}

#[tokio::test]
async fn a8_whoever_is_withdrawn_is_told_and_not_again_when_it_is_annulled() {
    with_office(setup(3, &[2, 2]), |office| async move {
        office.does(ADMINISTRATOR, Command::Publish).await;
        office.tells().await;
        let withdraw = Command::Withdraw { rank: CallRank(2), reason: "Démission".to_owned() };
        office.does(ADMINISTRATOR, withdraw).await;
        assert_eq!(office.tells().await, 1);
        let last = office.outbox().await.pop().unwrap();
        assert_eq!((last.kind.as_str(), last.rank), ("not_called", 2));
        assert!(last.text.contains("Motif : Démission"), "{}", last.text);
        assert_eq!(entry(last.calendar.as_ref().unwrap()).1, "CANCEL");
        office.does(ADMINISTRATOR, Command::Annul { reason: "Essai".to_owned() }).await;
        assert_eq!(office.tells().await, 2);
    })
    .await;
}

#[tokio::test]
async fn a_server_that_comes_back_tells_what_happened_before_it_died() {
    with_database(|pool| async move {
        let first = Office::open(pool.clone()).await;
        first.draft(setup(2, &[2, 2])).await;
        first.does(ADMINISTRATOR, Command::Publish).await;
        first.tells().await;
        first.does(ADMINISTRATOR, Command::Open).await;
        first.until("09:00").await;
        first.does(intern(1), choose(1, 1)).await;
        // It dies before telling. Its successor has another clock, later.
        first.registry.stop().await.unwrap();
        let mut second = Office::open(pool.clone()).await;
        second.clock = ManualClock::at(at("09:02"));
        let journal = PostgresJournal::start(pool, at("09:02")).await.unwrap();
        let empty =
            std::mem::replace(&mut second.registry, Registry::new(journal, Arc::new(second.clock.clone())));
        empty.stop().await.unwrap();
        second.announcer.registry = Arc::clone(&second.registry);
        assert_eq!(second.tells().await, 1);
        assert_eq!(second.told().await.pop().unwrap(), ("chosen".to_owned(), 1));
        second.registry.stop().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn r3_7_those_whose_choice_is_undone_are_told_and_then_their_new_time() {
    with_office(setup(4, &[4, 4]), |office| async move {
        office.does(ADMINISTRATOR, Command::Publish).await;
        office.tells().await;
        office.does(ADMINISTRATOR, Command::Open).await;
        for (rank, when) in [(1, "09:00"), (2, "09:03"), (3, "09:06")] {
            office.until(when).await;
            office.does(intern(rank), choose(rank, 1)).await;
        }
        assert_eq!(office.tells().await, 3);
        let annul = Command::AnnulChoice { rank: CallRank(1), reason: "Dossier incomplet".to_owned() };
        office.does(ADMINISTRATOR, annul).await;
        assert_eq!(office.tells().await, 1);
        office.until("09:25").await;
        let reason = "Liste fausse".to_owned();
        office.does(ADMINISTRATOR, Command::Rewind { to: CallRank(2), reason }).await;
        office.until("09:26").await;
        // Ranks 2 and 3 lose their seats, and pass again; rank 4's turn has been.
        let told = office.tells().await;
        let mails = office.outbox().await;
        let undone: Vec<_> = mails.iter().filter(|row| row.kind == "undone").map(|row| row.rank).collect();
        assert_eq!(undone, [1, 2, 3], "{told} told");
        let second = mails.iter().find(|row| row.kind == "undone" && row.rank == 2).unwrap();
        assert!(
            second.text.starts_with("Votre choix ne compte plus : CHU, Cardiologie.\nMotif : Liste fausse\n")
        );
        office.does(ADMINISTRATOR, Command::Resume).await;
        office.tells().await;
        assert_eq!(office.in_turn().await, Some(2));
        let again = office.outbox().await;
        for rank in [3, 4] {
            let last = again.iter().rfind(|row| row.rank == rank).unwrap();
            assert_eq!(last.kind, "moved", "rank {rank}");
        }
    })
    .await;
}

#[tokio::test]
async fn r3_7_whoever_had_been_called_is_told_that_their_turn_comes_again_however_near_the_hours_are() {
    let rewind = || Command::Rewind { to: CallRank(2), reason: "Liste fausse".to_owned() };
    with_office(setup(5, &[5, 5]), |office| async move {
        office.does(ADMINISTRATOR, Command::Publish).await;
        office.tells().await;
        office.does(ADMINISTRATOR, Command::Open).await;
        office.until("09:00").await;
        office.does(intern(1), choose(1, 1)).await;
        // Ranks 2 and 3 let their turns go by.
        for when in ["09:03", "09:06:03", "09:09:06", "09:10"] {
            office.until(when).await;
        }
        assert_eq!(office.in_turn().await, Some(4));
        office.tells().await;
        let before = office.outbox().await.len();
        office.does(ADMINISTRATOR, rewind()).await;
        assert_eq!(office.tells().await, 3);
        assert_eq!(office.tells().await, 0);
        assert_eq!(office.told().await[before..], each("moved", 2..=4), "rank 5 had not been called");
        let second = &office.outbox().await[before];
        assert!(
            second.text.starts_with(
                "Votre tour revient : il n’aura pas lieu avant le lundi 3 mai 2027 à 11 h 10 (heure de Paris).\n"
            ),
            "{}",
            second.text
        );
        assert!(second.text.contains("tour antérieur. Motif : Liste fausse\n"), "{}", second.text);
        let entry = entry(second.calendar.as_ref().unwrap());
        assert_eq!((entry.0, entry.1.as_str(), entry.2.as_str()), (1, "REQUEST", "20270503T091000Z"));

        // Once it goes on, nobody is told the same again; gone back and resumed at once, the hour is that of the turn.
        office.until("09:11").await;
        office.does(ADMINISTRATOR, Command::Resume).await;
        assert_eq!(office.tells().await, 0);
        office.until("09:12").await;
        office.does(ADMINISTRATOR, rewind()).await;
        office.does(ADMINISTRATOR, Command::Resume).await;
        assert_eq!(office.tells().await, 1);
        let last = office.outbox().await.pop().unwrap();
        let said = "Votre tour revient : il est attendu le lundi 3 mai 2027 à 11 h 12 (heure de Paris).\n";
        assert!(last.rank == 2 && last.text.starts_with(said), "{}", last.text);
    })
    .await;
}

#[tokio::test]
async fn r3_3_a_choice_undone_before_it_was_told_is_told_as_undone_only() {
    with_office(setup(2, &[2, 2]), |office| async move {
        office.does(ADMINISTRATOR, Command::Publish).await;
        office.does(ADMINISTRATOR, Command::Open).await;
        office.until("09:00").await;
        office.does(intern(1), choose(1, 1)).await;
        let annul = Command::AnnulChoice { rank: CallRank(1), reason: "Dossier incomplet".to_owned() };
        office.does(ADMINISTRATOR, annul).await;
        office.tells().await;
        let about_choice: Vec<_> =
            office.told().await.into_iter().filter(|(kind, _)| kind != "convocation").collect();
        assert_eq!(about_choice, each("undone", [1]));
    })
    .await;
}

#[tokio::test]
async fn r3_8_a_session_without_turns_invites_to_rank_wishes() {
    let mut setup = setup(2, &[2, 2]);
    setup.round = Round::FreeWishes;
    with_office(setup, |office| async move {
        office.does(ADMINISTRATOR, Command::Publish).await;
        assert_eq!(office.tells().await, 2);
        assert_eq!(office.tells().await, 0);
        let first = &office.outbox().await[0];
        assert!(first.text.starts_with(
            "Classez vos vœux pour « Cardiologie, Paris ».\nClôture prévue : lundi 3 mai 2027 à 20 h 00"
        ));
        assert!(first.text.contains("Nature : vœux libres"), "{}", first.text);
        assert_eq!(first.calendar, None);
    })
    .await;
}

#[tokio::test]
async fn r3_6_what_whoever_cannot_come_may_do_follows_the_policies() {
    let said = [
        (LatePolicy::Now, ProxyPolicy::Off, "à l’heure : connectez-vous dès que possible"),
        (
            LatePolicy::Now,
            ProxyPolicy::On,
            "à l’heure : donnez procuration depuis votre page ; à défaut, connectez-vous",
        ),
        (LatePolicy::EndOfSession, ProxyPolicy::Off, "connectez-vous après le dernier tour"),
        (LatePolicy::Forfeit, ProxyPolicy::Off, "après votre tour vous ne pourrez plus choisir vous-même"),
    ];
    for (late, proxies, expected) in said {
        let mut setup = setup(1, &[2]);
        setup.policies.late = late;
        setup.policies.proxies = proxies;
        with_office(setup, |office| async move {
            office.does(ADMINISTRATOR, Command::Publish).await;
            office.tells().await;
            let text = &office.outbox().await[0].text;
            assert!(text.lines().nth(3).unwrap().contains(expected), "{text}");
        })
        .await;
    }
}

#[tokio::test]
async fn r3_6_an_exchange_brings_a_new_receipt() {
    let mut setup = setup(1, &[1, 1]);
    setup.policies.vacancy_round = true;
    with_office(setup, |office| async move {
        office.does(ADMINISTRATOR, Command::Publish).await;
        office.does(ADMINISTRATOR, Command::Open).await;
        office.until("09:00").await;
        office.does(intern(1), choose(1, 1)).await;
        office.tells().await;
        office.does(intern(1), Command::Exchange { rank: CallRank(1), post: PostNumber(2) }).await;
        office.tells().await;
        let last = office.outbox().await.pop().unwrap();
        assert!(last.text.starts_with("Vous avez échangé votre poste contre : CHU"), "{}", last.text);
        assert!(last.text.contains("poste n° 2, place 1."), "{}", last.text);
    })
    .await;
}
