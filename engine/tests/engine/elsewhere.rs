//! One person, several amphis (P2, A8): a placement in one is known in the others, and when it is not
//! yet, the journal is the last line.

use std::sync::Arc;

use amphi_engine::core::{CallRank, Command, PostNumber, Rejection, Standing, Supernumerary};
use amphi_engine::limits::MAILBOX_COMMANDS_MAX;
use amphi_engine::protocol::{Role, ServerMessage};
use amphi_engine::registry::Registry;
use amphi_engine::room::Room;

use crate::faulty::Fault;
use crate::scene::{ADMINISTRATOR, NOVEMBER, amphi, at, choose, intern, pass, person, setup};
use crate::stage::{Stage, Viewer, done, fresh_id, id, publish, refused, settle, suspend};

/// The same people are on the list of a second amphi, on the server `registry`.
async fn second_amphi(registry: &Registry) -> Arc<Room> {
    let room = publish(registry, 2, setup(3, &[1, 1, 1])).await;
    done(room.ask(ADMINISTRATOR, Command::Open, fresh_id()).await.unwrap());
    settle(&room).await;
    room
}

/// A second server on the same store, which hears of nothing but the journal.
async fn second_server(stage: &Stage) -> (Arc<Registry>, Arc<Room>) {
    let store = Arc::new(stage.journal.store.another_server());
    let registry = Registry::new(store, Arc::new(stage.clock.clone()));
    let room = second_amphi(&registry).await;
    (registry, room)
}

fn standing(room: &Room, rank: u16) -> Standing {
    room.read(|ledger| ledger.amphi().standing(amphi_engine::core::CallRank(rank))).unwrap()
}

fn turn(room: &Room) -> Option<u16> {
    room.read(|ledger| ledger.amphi().turn().map(|turn| turn.rank.0))
}

#[tokio::test]
async fn a8_a_choice_in_one_amphi_is_known_at_once_in_the_others_of_this_server() {
    let stage = Stage::begun(setup(3, &[1, 1, 1])).await;
    let other = second_amphi(&stage.registry).await;
    assert_eq!((stage.turn().unwrap().0, turn(&other)), (1, Some(1)));
    done(stage.does(intern(1), choose(1, 1)).await);
    settle(&other).await;
    assert_eq!(standing(&other, 1), Standing::PlacedElsewhere);
    assert_eq!(turn(&other), None, "their turn there is over, and the next one is not called early");
    let refusal = refused(other.ask(intern(1), choose(1, 2), fresh_id()).await.unwrap());
    assert_eq!(refusal, Rejection::PlacedElsewhere);
}

#[tokio::test]
async fn p2_two_servers_and_one_person_who_chooses_on_both() {
    let stage = Stage::begun(setup(3, &[1, 1, 1])).await;
    let (_registry, other) = second_server(&stage).await;
    let here = stage.sends_as(intern(1), choose(1, 1), id(1));
    let there = other.ask(intern(1), choose(1, 2), id(2));
    let (here, there) = (here.answered().await, there.await.unwrap());
    assert!(done(here).is_some());
    assert_eq!(refused(there.clone()), Rejection::PlacedElsewhere);
    assert_eq!(standing(&other, 1), Standing::PlacedElsewhere);
    let again = other.ask(intern(1), choose(1, 2), id(2)).await.unwrap();
    assert_eq!(again, there, "sent again, answered the same");
    assert_eq!(other.read(|ledger| ledger.amphi().seats_left().to_vec()), [1, 1, 1], "no seat was used up");
}

#[tokio::test]
async fn p2_a_conflict_of_somebody_else_does_not_refuse_the_choice_that_found_it() {
    // Rank 1 is late and holds the last seat of post 1; meanwhile they are placed in the other amphi,
    // on another server. The choice of rank 2 ends the turn, and so would commit what was held.
    let stage = Stage::begun(setup(3, &[1, 1, 1])).await;
    let (_registry, other) = second_server(&stage).await;
    done(stage.does(intern(1), pass(1)).await);
    stage.until("09:03").await;
    stage.does(intern(1), choose(1, 1)).await;
    assert_eq!(stage.snapshot().now.held.len(), 1);
    done(other.ask(intern(1), choose(1, 3), fresh_id()).await.unwrap());
    let receipt = done(stage.does(intern(2), choose(2, 2)).await);
    assert!(receipt.is_some());
    assert_eq!(stage.standing(1), Standing::PlacedElsewhere);
    assert_eq!(stage.snapshot().now.held, []);
    assert_eq!(stage.snapshot().posts[0].seats_left, 1, "the seat they held is free");
}

/// Found by the simulator: the end of the turn would commit what was held, the journal refuses it, and
/// noting why must not wait for the end of the turn.
#[tokio::test]
async fn p2_a_turn_runs_out_although_what_was_held_for_it_cannot_be_given() {
    let stage = Stage::begun(setup(4, &[1, 1, 1, 1])).await;
    let registry =
        Registry::new(Arc::new(stage.journal.store.another_server()), Arc::new(stage.clock.clone()));
    let other = publish(&registry, 2, setup(4, &[2, 2])).await;
    done(other.ask(ADMINISTRATOR, Command::Open, fresh_id()).await.unwrap());
    for (rank, next) in [(1, "09:03"), (2, "09:06")] {
        done(stage.does(intern(rank), pass(rank)).await);
        stage.until(next).await;
    }
    for rank in [1, 2] {
        stage.does(intern(rank), choose(rank, rank)).await;
    }
    assert_eq!((stage.turn().unwrap().0, stage.snapshot().now.held.len()), (3, 2));
    for rank in [1, 2] {
        done(other.ask(intern(rank), choose(rank, rank), fresh_id()).await.unwrap());
    }
    stage.until("09:09:02").await;
    assert_eq!([stage.standing(1), stage.standing(2)], [Standing::PlacedElsewhere; 2]);
    assert_eq!((stage.turn().unwrap().0, stage.snapshot().now.held), (4, vec![]));
    assert_eq!(stage.snapshot().posts[0].seats_left, 1);
    assert!(stage.room.is_in_service());
}

/// Found by the simulator: the room went round in circles.
#[tokio::test]
async fn p2_whoever_is_placed_elsewhere_is_not_assigned_after_the_session_either() {
    let stage = Stage::begun(setup(1, &[1])).await;
    let other = second_amphi(&stage.registry).await;
    done(stage.does(intern(1), pass(1)).await);
    done(stage.does(ADMINISTRATOR, Command::Close).await);
    done(other.ask(intern(1), choose(1, 1), fresh_id()).await.unwrap());
    let (rank, post, reason) = (CallRank(1), PostNumber(1), "Sans choix".to_owned());
    let assigned = stage.does(ADMINISTRATOR, Command::Assign { rank, post, reason }).await;
    assert_eq!(refused(assigned), Rejection::PlacedElsewhere);
}

#[tokio::test]
async fn r3_1_who_is_placed_elsewhere_is_found_before_the_first_turn() {
    let stage = Stage::begun(setup(3, &[1, 1, 1])).await;
    done(stage.does(intern(1), choose(1, 1)).await);
    let store = Arc::new(stage.journal.store.another_server());
    let registry = Registry::new(store, Arc::new(stage.clock.clone()));
    let other = publish(&registry, 2, setup(3, &[1, 1, 1])).await;
    let mut control = Viewer::joins(&other, Role::Administrator, None);
    control.reads();
    done(other.ask(ADMINISTRATOR, Command::Open, fresh_id()).await.unwrap());
    assert_eq!(standing(&other, 1), Standing::PlacedElsewhere);
    let told = control.reads();
    let first = told.iter().find_map(|message| match message {
        ServerMessage::Change { change, .. } => change.participants.first().cloned(),
        _ => None,
    });
    assert_eq!(first.map(|change| change.standing), Some(Standing::PlacedElsewhere), "before any turn");
    stage.clock.set(at("09:03"));
    settle(&other).await;
    assert_eq!(turn(&other), Some(2), "skipped without using time");
}

#[tokio::test]
async fn who_was_placed_while_a_server_was_away_is_noted_when_it_returns() {
    let stage = Stage::begun(setup(3, &[1, 1, 1])).await;
    let (registry, other) = second_server(&stage).await;
    drop(other);
    registry.stop().await.unwrap();
    done(stage.does(intern(1), choose(1, 1)).await);
    let store = Arc::new(stage.journal.store.another_server());
    let registry = Registry::new(store, Arc::new(stage.clock.clone()));
    let other = registry.room(amphi(2)).await.unwrap();
    settle(&other).await;
    assert_eq!(standing(&other, 1), Standing::PlacedElsewhere);
    assert_eq!(turn(&other), None);
}

#[tokio::test]
async fn a_placement_concerns_its_own_period_only() {
    let stage = Stage::begun(setup(3, &[1, 1, 1])).await;
    let mut next_semester = setup(3, &[1, 1, 1]);
    next_semester.period.year += 1;
    let other = publish(&stage.registry, 2, next_semester).await;
    done(other.ask(ADMINISTRATOR, Command::Open, fresh_id()).await.unwrap());
    done(stage.does(intern(1), choose(1, 1)).await);
    settle(&other).await;
    assert_eq!(standing(&other, 1), Standing::InTurn);
    assert!(done(other.ask(intern(1), choose(1, 1), fresh_id()).await.unwrap()).is_some());
}

#[tokio::test]
async fn r3_7_whose_choice_was_undone_is_concerned_again_in_their_other_amphis() {
    let stage = Stage::begun(setup(3, &[1, 1, 1])).await;
    let other = second_amphi(&stage.registry).await;
    done(stage.does(intern(1), choose(1, 1)).await);
    settle(&other).await;
    assert_eq!(standing(&other, 1), Standing::PlacedElsewhere);
    let undo = Command::AnnulChoice { rank: CallRank(1), reason: "Erreur".to_owned() };
    done(stage.does(ADMINISTRATOR, undo).await);
    settle(&other).await;
    assert!(matches!(standing(&other, 1), Standing::Late { .. }), "their turn there had been called");
    assert!(done(other.ask(intern(1), choose(1, 2), fresh_id()).await.unwrap()).is_some());
    settle(&stage.room).await;
    assert_eq!(stage.standing(1), Standing::PlacedElsewhere, "and here no more");
}

#[tokio::test]
async fn r3_7_an_undoing_that_a_server_did_not_hear_of_is_found_when_it_returns() {
    let stage = Stage::begun(setup(3, &[1, 1, 1])).await;
    let (registry, other) = second_server(&stage).await;
    done(stage.does(intern(1), choose(1, 1)).await);
    assert_eq!(
        refused(other.ask(intern(1), choose(1, 2), fresh_id()).await.unwrap()),
        Rejection::PlacedElsewhere
    );
    registry.stop().await.unwrap();
    let undo = Command::AnnulChoice { rank: CallRank(1), reason: "Erreur".to_owned() };
    done(stage.does(ADMINISTRATOR, undo).await);
    let store = Arc::new(stage.journal.store.another_server());
    let registry = Registry::new(store, Arc::new(stage.clock.clone()));
    let other = registry.room(amphi(2)).await.unwrap();
    settle(&other).await;
    assert!(matches!(standing(&other, 1), Standing::Late { .. }));
}

#[tokio::test]
async fn r3_3_a_site_has_one_supernumerary_a_period_in_all_amphis() {
    let with_right = |interns| {
        let mut setup = setup(interns, &[1, 1, 1]);
        for participant in &mut setup.participants {
            participant.supernumerary = Some(Supernumerary::NonValidating);
        }
        setup
    };
    let supernumerary = |rank: u16, post: u16| Command::Choose {
        rank: CallRank(rank),
        post: PostNumber(post),
        supernumerary: true,
    };
    let stage = Stage::begun(with_right(3)).await;
    // The second amphi's first rank is somebody else.
    let mut elsewhere = with_right(1);
    elsewhere.participants[0].intern = person(99);
    let other = publish(&stage.registry, 2, elsewhere).await;
    done(other.ask(ADMINISTRATOR, Command::Open, fresh_id()).await.unwrap());
    settle(&other).await;
    let receipt = done(stage.does(intern(1), supernumerary(1, 1)).await).unwrap();
    assert_eq!(receipt.seat, None);
    let refusal = refused(other.ask(intern(1), supernumerary(1, 2), fresh_id()).await.unwrap());
    assert_eq!(refusal, Rejection::SupernumeraryTaken { post: PostNumber(2) }, "the same site");
    assert!(done(other.ask(intern(1), choose(1, 2), fresh_id()).await.unwrap()).is_some());
}

/// Where somebody was placed before an exchange, another has been placed since: the rewind is refused, and the session goes on.
#[tokio::test]
async fn r3_7_a_rewind_does_not_lead_back_to_a_supernumerary_placement_that_another_amphi_has_given() {
    let mut vacancies = setup(2, &[1, 1, 1]);
    vacancies.policies.vacancy_round = true;
    vacancies.participants[0].supernumerary = Some(Supernumerary::NonValidating);
    let supernumerary = |rank: u16, post: u16| Command::Choose {
        rank: CallRank(rank),
        post: PostNumber(post),
        supernumerary: true,
    };
    let stage = Stage::begun(vacancies).await;
    done(stage.does(intern(1), supernumerary(1, 1)).await);
    stage.until("09:03").await;
    done(stage.does(intern(2), choose(2, 2)).await);
    let exchange = Command::Exchange { rank: CallRank(1), post: PostNumber(3) };
    done(stage.does(intern(1), exchange).await);
    let mut elsewhere = setup(1, &[1]);
    elsewhere.participants[0].intern = person(99);
    elsewhere.participants[0].supernumerary = Some(Supernumerary::NonValidating);
    let other = publish(&stage.registry, 2, elsewhere).await;
    done(other.ask(ADMINISTRATOR, Command::Open, fresh_id()).await.unwrap());
    settle(&other).await;
    done(other.ask(intern(1), supernumerary(1, 1), fresh_id()).await.unwrap());
    let rewind = Command::Rewind { to: CallRank(2), reason: "Erreur d’appel".to_owned() };
    let refusal = refused(stage.does(ADMINISTRATOR, rewind).await);
    assert_eq!(refusal, Rejection::SupernumeraryTaken { post: PostNumber(1) });
    assert!(stage.room.is_in_service());
    assert_eq!(stage.snapshot().posts.iter().map(|post| post.seats_left).collect::<Vec<_>>(), [1, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn r3_1_once_what_a_lost_answer_hid_is_told_to_the_other_amphis() {
    let stage = Stage::begun(setup(3, &[1, 1, 1])).await;
    let other = second_amphi(&stage.registry).await;
    stage.journal.plan(Fault::AnswerLost);
    done(stage.does(intern(1), choose(1, 1)).await);
    settle(&other).await;
    assert_eq!(standing(&other, 1), Standing::PlacedElsewhere);
    stage.journal.plan(Fault::AnswerLost);
    let undo = Command::AnnulChoice { rank: CallRank(1), reason: "Erreur".to_owned() };
    done(stage.does(ADMINISTRATOR, undo).await);
    settle(&other).await;
    assert!(matches!(standing(&other, 1), Standing::Late { .. }), "concerned again");
}

#[tokio::test]
async fn r3_1_once_an_amphi_that_had_no_room_for_a_note_asks_for_itself() {
    let stage = Stage::begun(setup(3, &[1, 1, 1])).await;
    let other = second_amphi(&stage.registry).await;
    done(other.ask(intern(1), choose(1, 1), fresh_id()).await.unwrap());
    settle(&stage.room).await;
    assert_eq!(stage.standing(1), Standing::PlacedElsewhere);
    let mut gate = stage.journal.holds(Fault::None);
    let first = stage.sends(ADMINISTRATOR, suspend());
    gate.reached().await;
    let waiting: Vec<_> =
        (0..MAILBOX_COMMANDS_MAX).map(|_| stage.sends(intern(0), Command::Resume)).collect();
    done(
        other
            .ask(ADMINISTRATOR, Command::Annul { reason: "Liste fausse".to_owned() }, fresh_id())
            .await
            .unwrap(),
    );
    gate.open();
    done(first.answered().await);
    for asked in waiting {
        asked.answered().await;
    }
    settle(&stage.room).await;
    assert!(matches!(stage.standing(1), Standing::Late { .. }), "concerned again: {:?}", stage.standing(1));
}

/// What the room notes for itself must not make time run out for somebody whose command was in time, and waits.
#[tokio::test]
async fn a9_a_note_about_somebody_else_does_not_make_a_waiting_choice_late() {
    let stage = Stage::begun(setup(3, &[2, 2, 2])).await;
    let (_registry, other) = second_server(&stage).await;
    done(stage.does(intern(1), pass(1)).await);
    stage.until("09:03").await;
    done(other.ask(intern(1), choose(1, 3), fresh_id()).await.unwrap());
    stage.until("09:05:59").await;
    let mut gate = stage.journal.holds(Fault::None);
    let late = stage.sends(intern(1), choose(1, 3));
    gate.reached().await;
    let in_time = stage.sends(intern(2), choose(2, 2));
    // The answer of the journal comes after the end of the turn.
    stage.clock.set(at("09:06:03"));
    gate.open();
    assert_eq!(refused(late.answered().await), Rejection::PlacedElsewhere);
    let receipt = done(in_time.answered().await).unwrap();
    assert_eq!(serde_json::to_value(receipt.manner).unwrap(), "in_turn");
}

#[tokio::test]
async fn r3_7_whoever_is_added_and_placed_elsewhere_is_found_out_before_their_turn() {
    let stage = Stage::begun(setup(2, &[1, 1, 1])).await;
    let mut elsewhere = setup(1, &[1]);
    elsewhere.participants[0].intern = person(99);
    let newcomer = elsewhere.participants[0].clone();
    let other = publish(&stage.registry, 2, elsewhere).await;
    done(other.ask(ADMINISTRATOR, Command::Open, fresh_id()).await.unwrap());
    settle(&other).await;
    done(other.ask(intern(1), choose(1, 1), fresh_id()).await.unwrap());
    let add = Command::Add { participant: Box::new(newcomer), reason: "Oubli".to_owned() };
    done(stage.does(ADMINISTRATOR, add).await);
    settle(&stage.room).await;
    assert_eq!(stage.standing(3), Standing::PlacedElsewhere);
}

/// Who stood in a draft and does not any more leaves no trace: whoever has their rank now is somebody else.
#[tokio::test]
async fn r3_1_once_a_draft_that_was_set_again_concerns_its_own_people_only() {
    let stage = Stage::begun(setup(1, &[1])).await;
    let id = amphi(2);
    let other = stage.registry.create(id, "Brouillon", NOVEMBER).await.unwrap();
    let mut of_another = setup(1, &[1]);
    of_another.participants[0].intern = person(99);
    for draft in [setup(1, &[1]), of_another] {
        done(other.ask(ADMINISTRATOR, Command::Draft(Box::new(draft)), fresh_id()).await.unwrap());
    }
    done(other.ask(ADMINISTRATOR, Command::Publish, fresh_id()).await.unwrap());
    done(stage.does(intern(1), choose(1, 1)).await);
    settle(&other).await;
    assert_eq!(standing(&other, 1), Standing::Waiting);
}

#[tokio::test]
async fn r3_1_a_closed_session_that_is_annulled_binds_nobody() {
    let stage = Stage::begun(setup(1, &[1])).await;
    let here = second_amphi(&stage.registry).await;
    done(stage.does(intern(1), choose(1, 1)).await);
    done(stage.does(ADMINISTRATOR, Command::Close).await);
    settle(&here).await;
    assert_eq!(standing(&here, 1), Standing::PlacedElsewhere);
    done(stage.does(ADMINISTRATOR, Command::Annul { reason: "Liste fausse".to_owned() }).await);
    settle(&here).await;
    assert!(matches!(standing(&here, 1), Standing::Late { .. }));
    assert!(done(here.ask(intern(1), choose(1, 1), fresh_id()).await.unwrap()).is_some());
}

#[tokio::test]
async fn r3_1_an_annulled_session_binds_nobody() {
    let stage = Stage::begun(setup(3, &[1, 1, 1])).await;
    let here = second_amphi(&stage.registry).await;
    done(stage.does(intern(1), choose(1, 1)).await);
    settle(&here).await;
    assert_eq!(standing(&here, 1), Standing::PlacedElsewhere);
    done(stage.does(ADMINISTRATOR, Command::Annul { reason: "Liste fausse".to_owned() }).await);
    settle(&here).await;
    assert!(matches!(standing(&here, 1), Standing::Late { .. }), "concerned again, at once");
    assert!(stage.receipt(1).is_some(), "the receipt goes on proving what was chosen");
    // The session that replaces it, on a server that hears of nothing but the journal.
    let store = Arc::new(stage.journal.store.another_server());
    let registry = Registry::new(store, Arc::new(stage.clock.clone()));
    let again = publish(&registry, 3, setup(3, &[1, 1, 1])).await;
    done(again.ask(ADMINISTRATOR, Command::Open, fresh_id()).await.unwrap());
    settle(&again).await;
    assert!(done(again.ask(intern(1), choose(1, 1), fresh_id()).await.unwrap()).is_some());
}
