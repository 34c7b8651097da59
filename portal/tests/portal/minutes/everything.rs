//! One session in which everything happens that can: each kind of event must be told.

use std::collections::BTreeSet;

use amphi_engine::core::{
    Actor, CallRank, Command, Digest, Ineligibility, Millis, Participant, Policies, PostNumber, ProxyId,
    ProxyPolicy, SafetyNet, Setup, Standing,
};
use amphi_portal::minutes::tables::{self, Cell, Table};
use amphi_portal::minutes::{
    Act, FinalStanding, Format, HeldEnd, MadeBy, Names, SessionRecord, SessionState, UndoneBy, write,
};
use uuid::Uuid;

use super::forms::assert_workbook;
use super::session::{Session, choice};
use crate::scene::{self, ADMINISTRATOR, at, intern, pass};

/// Every kind of event, as the journal writes it.
const EVENTS: [&str; 29] = [
    "admitted",
    "annulled",
    "choice_annulled",
    "choice_committed",
    "choice_held",
    "closed",
    "drafted",
    "eligibility_checked",
    "held_choice_refused",
    "held_choice_released",
    "no_longer_placed_elsewhere",
    "opened",
    "participant_added",
    "placed_elsewhere",
    "proxy_document_filed",
    "proxy_given",
    "proxy_revoked",
    "published",
    "resumed",
    "rewound",
    "seat_exchanged",
    "service_interrupted",
    "suspended",
    "suspension_explained",
    "turn_closed",
    "turn_extended",
    "turn_opened",
    "turn_skipped",
    "wishes_set",
];
const WITHDRAWN: &str = "withdrawn";

fn proxy(number: u128) -> ProxyId {
    ProxyId(Uuid::from_u128(number))
}

fn setup() -> Setup {
    let policies = Policies {
        proxies: ProxyPolicy::WithDocument,
        safety_net: true,
        vacancy_round: true,
        ..Policies::default()
    };
    Setup { policies, ..scene::setup(8, &[2, 2, 1, 3, 3]) }
}

fn because(reason: &str) -> String {
    reason.to_owned()
}

/// Before the first turn: eligibility, wishes, proxies, somebody added.
fn before(session: &mut Session) {
    let found = vec![(CallRank(7), Ineligibility::Blocked)];
    session.does(Actor::Engine, &Command::NoteIneligible { found });
    let reason = because("Compte rétabli");
    session.does(ADMINISTRATOR, &Command::Admit { rank: CallRank(7), reason });
    for wishes in [vec![5, 4], vec![4, 5]] {
        let wishes = wishes.into_iter().map(PostNumber).collect();
        let safety_net = SafetyNet::AtExpiry;
        session.does(intern(3), &Command::SetWishes { rank: CallRank(3), wishes, safety_net });
    }
    for (rank, number) in [(2, 2), (5, 5), (6, 6)] {
        session.does(intern(rank), &Command::GiveProxy { rank: CallRank(rank), proxy: proxy(number) });
    }
    let holder = Actor::Holder { rank: CallRank(2), proxy: proxy(2) };
    session.does(holder, &Command::FileProxyDocument { rank: CallRank(2), document: Digest([7; 32]) });
    session.does(intern(5), &Command::RevokeProxy { rank: CallRank(5) });
    let reason = because("Erreur de personne");
    session.does(ADMINISTRATOR, &Command::RevertProxy { rank: CallRank(6), reason });
    let added = scene::setup(9, &[1]).participants.remove(8);
    let participant = Box::new(Participant { extra_time_percent: 33, ..added });
    session.does(ADMINISTRATOR, &Command::Add { participant, reason: because("Oublié à l’import") });
    session.does(ADMINISTRATOR, &Command::Open);
}

/// The turns, with all that may go on in them.
fn turns(session: &mut Session) {
    session.until(at("09:00"));
    let reason = because("Micro en panne");
    session.does(ADMINISTRATOR, &Command::Extend { rank: CallRank(1), by: Millis::from_minutes(1), reason });
    session.does(ADMINISTRATOR, &Command::Suspend { reason: because("Coupure") });
    session.after(20);
    session.does(ADMINISTRATOR, &Command::ExplainSuspension { reason: because("disjoncteur") });
    session.after(40);
    session.does(ADMINISTRATOR, &Command::Resume);
    session.after(30);
    session.does(intern(1), &scene::choose(1, 1));
    session.until(at("09:03"));
    session.does(Actor::Holder { rank: CallRank(2), proxy: proxy(2) }, &scene::choose(2, 2));
    // Rank 3 is not there: the safety net takes the first wish.
    session.until(at("09:09:30"));
    session.does(ADMINISTRATOR, &Command::EndTurn { rank: CallRank(4), reason: because("Absent") });
    session.until(at("09:12:30"));
    session.does(intern(5), &pass(5));
    session.until(at("09:15:30"));
    session.does(intern(5), &scene::choose(5, 3));
    session.does(intern(5), &Command::ReleaseHeld { rank: CallRank(5) });
    session.does(intern(5), &scene::choose(5, 3));
    session.does(intern(6), &scene::choose(6, 3));
    session.until(at("09:18:30"));
    session.crashes(30);
    let reason = because("Par téléphone");
    let by_phone =
        Command::ChooseFor { rank: CallRank(7), post: PostNumber(5), supernumerary: false, reason };
    session.does(ADMINISTRATOR, &by_phone);
    session.does(ADMINISTRATOR, &Command::Withdraw { rank: CallRank(8), reason: because("Démission") });
    session.does(Actor::Engine, &Command::NotePlacedElsewhere { rank: CallRank(4) });
    session.does(Actor::Engine, &Command::NoteNoLongerPlacedElsewhere { rank: CallRank(4) });
    let reason = because("Mauvais numéro");
    session.does(ADMINISTRATOR, &Command::AnnulChoice { rank: CallRank(7), reason });
    session.until(at("09:26"));
    session.does(intern(9), &choice(CallRank(9), PostNumber(2)));
}

/// After the last turn: back, again, and the end.
fn after(session: &mut Session) {
    session.does(ADMINISTRATOR, &Command::Rewind { to: CallRank(9), reason: because("Mauvaise liste") });
    session.after(60);
    session.does(ADMINISTRATOR, &Command::Resume);
    session.after(10);
    session.does(intern(9), &choice(CallRank(9), PostNumber(4)));
    session.does(intern(1), &Command::Exchange { rank: CallRank(1), post: PostNumber(2) });
    let reason = because("Faute de choix");
    session.does(ADMINISTRATOR, &Command::Assign { rank: CallRank(4), post: PostNumber(1), reason });
    session.does(ADMINISTRATOR, &Command::Close);
}

fn played() -> Session {
    let mut session = Session::published(setup(), Names::new());
    before(&mut session);
    turns(&mut session);
    after(&mut session);
    session
}

fn kinds(session: &Session) -> BTreeSet<String> {
    let kind = |payload: &str| -> String {
        serde_json::from_str::<serde_json::Value>(payload).unwrap()["type"].as_str().unwrap().to_owned()
    };
    session.entries.iter().map(|entry| kind(&entry.payload)).collect()
}

/// The rows of a table, as people read them.
fn read(record: &SessionRecord, table: &Table) -> Vec<Vec<String>> {
    let zone = amphi_portal::pages::wording::Zone::named(&record.time_zone);
    let said = |cell: &Cell| cell.said(&zone).replace('\u{a0}', " ");
    table.rows.iter().map(|row| row.iter().map(said).collect()).collect()
}

#[test]
fn r3_7_every_kind_of_event_happens_here() {
    let session = played();
    let mut found = kinds(&session);
    let mut annulled = Session::published(setup(), Names::new());
    annulled.does(ADMINISTRATOR, &Command::Annul { reason: because("Grève") });
    found.extend(kinds(&annulled));
    let known: BTreeSet<String> = EVENTS.iter().chain([&WITHDRAWN]).map(|kind| (*kind).to_owned()).collect();
    assert_eq!(found, known);
    assert_eq!(annulled.record().state, SessionState::Annulled { reason: because("Grève") });
}

#[test]
fn r3_7_a_choice_that_stands_again_is_told_as_it_was_made() {
    let mut session = Session::published(setup(), Names::new());
    before(&mut session);
    turns(&mut session);
    session.does(intern(1), &Command::Exchange { rank: CallRank(1), post: PostNumber(4) });
    session.does(ADMINISTRATOR, &Command::Rewind { to: CallRank(9), reason: because("Mauvaise liste") });
    assert!(kinds(&session).contains("choice_restored"));
    let record = session.record();
    let choices: Vec<_> = record.choices.iter().filter(|choice| choice.rank == CallRank(1)).collect();
    let [made, exchanged, restored] = choices[..] else { panic!("{choices:#?}") };
    assert!(made.undone.is_some() && exchanged.undone.is_some() && restored.undone.is_none());
    assert_eq!((restored.post, restored.seat), (made.post, made.seat));
    assert_eq!((restored.manner, restored.at, restored.made_by), (made.manner, made.at, made.made_by));
    assert!(restored.seq > exchanged.seq, "its receipt is that of the entry by which it stands again");
}

#[test]
fn r3_7_the_final_allocation_is_the_amphis() {
    let session = played();
    let record = session.record();
    assert_eq!(record.state, SessionState::Closed);
    for (participant, standing) in record.participants.iter().zip(session.amphi.standings()) {
        let held = record.choice_of(participant).map(|choice| (choice.post, choice.seat, choice.manner));
        let due = match standing {
            Standing::Placed { post, seat, manner, .. } => Some((*post, *seat, *manner)),
            _ => None,
        };
        assert_eq!(held, due, "rank {}", participant.rank);
    }
    for (index, left) in session.amphi.seats_left().iter().enumerate() {
        assert_eq!(record.seats_left(PostNumber::from_index(index)), *left);
    }
    assert_eq!(record.participants[7].standing, FinalStanding::Withdrawn { reason: because("Démission") });
    assert_workbook(&record);
    for format in [Format::Pdf, Format::Csv, Format::Html, Format::Json] {
        assert!(!write(&record, format).unwrap().is_empty());
    }
}

#[test]
fn r3_7_choices_say_who_made_them_and_what_undid_them() {
    let record = played().record();
    let told: Vec<_> = record
        .choices
        .iter()
        .map(|choice| (choice.rank.0, choice.post.0, choice.made_by, choice.undone.as_ref().map(|u| u.how)))
        .collect();
    let Actor::Administrator { id } = ADMINISTRATOR else { panic!("an administrator") };
    let administrator = MadeBy::Administrator { id };
    assert_eq!(
        told,
        [
            (1, 1, MadeBy::Intern, Some(UndoneBy::Exchanged)),
            (2, 2, MadeBy::Holder { proxy: proxy(2) }, None),
            (3, 4, MadeBy::Wishes, None),
            (6, 3, MadeBy::Intern, None),
            (7, 5, administrator, Some(UndoneBy::Annulled)),
            (9, 2, MadeBy::Intern, Some(UndoneBy::Rewound)),
            (9, 4, MadeBy::Intern, None),
            (1, 2, MadeBy::Intern, None),
            (4, 1, administrator, None),
        ]
    );
    let ends: Vec<_> = record.held.iter().map(|held| held.end.map(|(_, how)| how)).collect();
    assert_eq!(ends, [Some(HeldEnd::Released), Some(HeldEnd::Refused)]);
    let undone = read(&record, &tables::undone(&record));
    assert_eq!(undone[1][6], "choix annulé : Mauvais numéro");
    assert_eq!(undone[2][6], "retour à un tour antérieur : Mauvaise liste");
}

#[test]
fn r3_7_every_act_is_there_with_its_reason() {
    let record = played().record();
    let told: Vec<_> = record
        .acts
        .iter()
        .map(|act| (act.act, act.rank.map(|rank| rank.0), act.reason.as_deref().unwrap_or_default()))
        .collect();
    assert_eq!(
        told,
        [
            (Act::Drafted, None, ""),
            (Act::Published, None, ""),
            (Act::Admitted, Some(7), "Compte rétabli"),
            (Act::EndedProxy, Some(6), "Erreur de personne"),
            (Act::AddedParticipant, Some(9), "Oublié à l’import"),
            (Act::Opened, None, ""),
            (Act::ExtendedTurn, Some(1), "Micro en panne"),
            (Act::Suspended, None, "Coupure"),
            (Act::Explained, None, "disjoncteur"),
            (Act::Resumed, None, ""),
            (Act::EndedTurn, Some(4), "Absent"),
            (Act::ChoseOnBehalf, Some(7), "Par téléphone"),
            (Act::Withdrew, Some(8), "Démission"),
            (Act::AnnulledChoice, Some(7), "Mauvais numéro"),
            (Act::Rewound, Some(9), "Mauvaise liste"),
            (Act::Resumed, None, ""),
            (Act::Assigned, Some(4), "Faute de choix"),
            (Act::Closed, None, ""),
        ]
    );
    let stops = read(&record, &tables::incidents(&record));
    let told: Vec<(&str, &str, &str)> =
        stops.iter().map(|row| (row[0].as_str(), row[3].as_str(), row[4].as_str())).collect();
    assert_eq!(
        told,
        [
            ("Suspension", "0:01:00", "Coupure ; puis : disjoncteur"),
            ("Interruption du service", "0:00:30", "Le temps du tour en cours a été rendu."),
            ("Suspension", "0:01:00", "retour au tour du rang 9 : Mauvaise liste"),
        ]
    );
}

#[test]
fn r3_7_turns_proxies_wishes_and_the_check_are_told() {
    let record = played().record();
    let first = &record.turns[0];
    assert_eq!((first.stopped, first.extended_by), (Millis::from_minutes(1), Millis::from_minutes(1)));
    assert_eq!(first.duration(), Some(Millis::from_secs(30)), "the suspension does not count");
    let turns = read(&record, &tables::turns(&record));
    assert_eq!(turns[0][7], "prolongé de 1 min");
    assert!(turns.iter().any(|row| row[0] == "8" && row[8].starts_with("non appelé")));
    assert!(turns.iter().any(|row| row[0] == "9" && row[8].contains("la séance est revenue avant ce tour")));
    assert!(turns.iter().any(|row| row[0] == "4" && row[8] == "tour arrêté par l’administration : Absent"));
    let proxies: Vec<String> =
        read(&record, &tables::proxies(&record)).into_iter().map(|mut row| row.remove(6)).collect();
    assert_eq!(
        proxies,
        [
            "le mandataire a choisi",
            "révoquée par l’interne",
            "arrêtée par l’administration : Erreur de personne"
        ]
    );
    let wishes = read(&record, &tables::wishes(&record));
    assert_eq!(wishes.len(), 1);
    assert_eq!((wishes[0][2].as_str(), wishes[0][5].as_str()), ("2", "4, 5"));
    let check = read(&record, &tables::eligibility(&record));
    assert_eq!((check[0][2].as_str(), check[0][4].as_str()), ("compte bloqué", "admis : Compte rétabli"));
    let list = read(&record, &tables::call_list(&record));
    assert_eq!(list[8][8], "temps majoré de 33 %, ajouté après le dépôt de la liste");
}
