//! 3.1 and 3.3: `Draft → Published → Open ⇄ Suspended → Closed`, and `Annulled` from any.

use amphi_core::{Amphi, AmphiId, CallRank, Command, Event, PostNumber, Rejection, Status};

use crate::scene::{Scene, at, choose, setup};

fn annul() -> Command {
    Command::Annul { reason: "Liste fausse".to_owned() }
}

fn draft() -> Command {
    Command::Draft(Box::new(setup(2, &[3])))
}

fn suspend() -> Command {
    Command::Suspend { reason: "Panne".to_owned() }
}

/// Both interns have chosen or passed; nobody's turn is left.
fn finished() -> Scene {
    let mut scene = Scene::published(setup(2, &[3]));
    scene.does(Command::Open, "09:10");
    scene.choose(1, 1, "09:11");
    scene.pass(2, "09:12");
    scene
}

#[test]
fn r3_1_states_follow_one_another() {
    let mut scene = Scene::drafted(setup(1, &[2]));
    assert_eq!(*scene.amphi.status(), Status::Draft);
    scene.does(Command::Publish, "08:00");
    assert_eq!(*scene.amphi.status(), Status::Published);
    scene.does(Command::Open, "08:30");
    assert_eq!(*scene.amphi.status(), Status::Open);
    scene.suspend("08:40");
    assert!(matches!(scene.amphi.status(), Status::Suspended { .. }));
    scene.resume("08:50");
    assert_eq!(*scene.amphi.status(), Status::Open);
    scene.choose(1, 1, "09:00");
    scene.does(Command::Close, "09:01");
    assert_eq!(*scene.amphi.status(), Status::Closed);
}

/// What each command is answered in each state: taken, or the code of the refusal.
const STATES: &str = "
    state      draft              publish            open           suspend        resume         close          annul
    draft      taken              taken              not_published  not_published  not_suspended  not_published  taken
    published  already_published  already_published  taken          not_open       not_suspended  not_open       taken
    open       already_published  already_published  already_open   taken          not_suspended  taken          taken
    suspended  already_published  already_published  already_open   suspended      taken          taken          taken
    closed     over               over               over           over           over           over           taken
    annulled   over               over               over           over           over           over           over";

fn scene_in(state: &str) -> Scene {
    let mut scene = match state {
        "draft" | "annulled" => Scene::drafted(setup(2, &[3])),
        "published" => Scene::published(setup(2, &[3])),
        _ => finished(),
    };
    match state {
        "suspended" => scene.does(suspend(), "09:13"),
        "closed" => scene.does(Command::Close, "09:13"),
        "annulled" => scene.does(annul(), "09:13"),
        _ => vec![],
    };
    scene
}

#[test]
fn r3_1_each_state_takes_its_own_commands_only() {
    for row in STATES.lines().skip(2) {
        let mut cells = row.split_whitespace();
        let state = cells.next().unwrap();
        let commands =
            [draft(), Command::Publish, Command::Open, suspend(), Command::Resume, Command::Close, annul()];
        for (command, answer) in commands.into_iter().zip(cells) {
            if answer == "taken" {
                assert!(!scene_in(state).does(command, "09:20").is_empty(), "{answer} when {state}");
            } else {
                let refusal = scene_in(state).refused(command, "09:20");
                assert_eq!(serde_json::to_value(refusal).unwrap()["code"], answer, "{state}");
            }
        }
    }
}

#[test]
fn r3_1_a_draft_may_be_set_again_until_it_is_published() {
    let mut scene = Scene::drafted(setup(2, &[3]));
    scene.does(Command::Draft(Box::new(setup(3, &[1, 2]))), "08:01");
    assert_eq!((scene.amphi.standings().len(), scene.amphi.seats_left()), (3, &[1, 2][..]));
    assert!(scene.amphi.planned_at().is_empty());
    let events = scene.does(Command::Publish, "08:02");
    assert_eq!(events, [Event::Published { planned_at: ["09:00", "09:03", "09:06"].map(at).to_vec() }]);
}

#[test]
fn r3_1_nothing_can_be_published_before_there_is_a_list() {
    let refusal = Scene::empty().refused(Command::Publish, "08:00");
    assert!(matches!(refusal, Rejection::UnusableSetup { .. }));
    assert!(Amphi::new(AmphiId(uuid::Uuid::nil())).check().is_ok());
}

#[test]
fn r3_1_annulled_from_any_state_nothing_goes_on() {
    let mut scene = Scene::empty();
    scene.does(annul(), "08:00");
    assert_eq!(*scene.amphi.status(), Status::Annulled { reason: "Liste fausse".to_owned() });
    // In the middle of a turn, with a choice held.
    let mut scene = Scene::published(setup(3, &[1, 2]));
    scene.does(Command::Open, "09:10");
    scene.pass(1, "09:11");
    scene.choose(1, 1, "09:12");
    assert_eq!(scene.amphi.held().len(), 1);
    scene.does(annul(), "09:12");
    assert_eq!((scene.turn(), scene.amphi.held().len(), scene.amphi.next_deadline()), (None, 0, None));
    assert!(scene.tick("09:30").is_empty());
    assert_eq!(scene.refused(choose(2, 1), "09:30"), Rejection::Over);
    assert_eq!(scene.refused(choose(1, 1), "09:30"), Rejection::Over);
    // After its end: that the list was wrong may be found then.
    let mut scene = finished();
    scene.does(Command::Close, "09:13");
    assert_eq!(scene.does(annul(), "+1 11:00"), [Event::Annulled { reason: "Liste fausse".to_owned() }]);
    assert_eq!(scene.refused(annul(), "+1 11:00"), Rejection::Over);
}

#[test]
fn r3_3_closing_needs_every_turn_to_be_over() {
    let mut scene = Scene::begun(setup(3, &[4]));
    assert_eq!(scene.refused(Command::Close, "09:01"), Rejection::TurnsRemain { remaining: 3 });
    scene.choose(1, 1, "09:01");
    assert_eq!(scene.refused(Command::Close, "09:01"), Rejection::TurnsRemain { remaining: 2 });
    scene.withdraw(2, "09:01");
    scene.elsewhere(3, "09:01");
    scene.does(Command::Close, "09:01");
    assert_eq!(scene.refused(Command::Close, "09:01"), Rejection::Over);
}

#[test]
fn r3_3_closing_lists_who_never_chose_and_assigns_nobody() {
    let mut scene = Scene::published(setup(5, &[9]));
    scene.does(Command::Open, "09:20");
    scene.choose(1, 1, "09:20");
    scene.pass(2, "09:20");
    scene.withdraw(3, "09:20");
    scene.elsewhere(4, "09:20");
    // The last turn runs out just now: no tick is needed for it to be over.
    let events = scene.does(Command::Close, "09:23:02");
    assert_eq!(*events.last().unwrap(), Event::Closed { unplaced: vec![CallRank(2), CallRank(5)] });
    assert_eq!((scene.outcome(2).as_str(), scene.outcome(5).as_str()), ("late", "late"));
    assert_eq!(scene.refused(choose(2, 1), "09:24"), Rejection::Over);
    let chosen = Rejection::AlreadyChosen { post: PostNumber(1) };
    assert_eq!(scene.refused(choose(1, 1), "09:24"), chosen);
}

#[test]
fn r3_3_a_late_intern_may_choose_until_the_session_closes() {
    let mut scene = finished();
    assert_eq!(scene.amphi.next_deadline(), None);
    scene.choose(2, 1, "+1 11:00");
    assert_eq!(scene.outcome(2), "1 late");
    assert_eq!(scene.does(Command::Close, "+1 11:01"), [Event::Closed { unplaced: vec![] }]);
}
