//! 3.3: a refusal names its reason. One test per reason, what it carries, and who may ask for what.

use amphi_core::{
    Actor, AdministratorId, CallRank, Command, PostNumber, REASON_CHARS_MAX, Rejection, SafetyNet, Timestamp,
};

use crate::asks::{
    add, admit, annul_choice, assign, choose_for, elsewhere, end_turn, exchange, extend, file, give, holder,
    ineligible, no_longer_elsewhere, pass, reason, release_held, revert, revoke, rewind, wishes, withdraw,
};
use crate::scene::{ADMINISTRATOR, Scene, at, choose, intern, setup};

/// Every kind of command about rank 2, by who may give it.
fn commands_of_the_intern_or_holder() -> Vec<Command> {
    vec![choose(2, 1), release_held(2), pass(2), wishes(2, &[1], SafetyNet::Never)]
}

fn commands_of_the_intern_alone() -> Vec<Command> {
    vec![exchange(2, 1), give(2), revoke(2)]
}

fn commands_of_administrators() -> Vec<Command> {
    vec![
        Command::Draft(Box::new(setup(2, &[3]))),
        Command::Publish,
        Command::Open,
        Command::Suspend { reason: reason() },
        Command::ExplainSuspension { reason: reason() },
        Command::Resume,
        Command::Close,
        Command::Annul { reason: reason() },
        end_turn(2),
        extend(2, 1),
        choose_for(2, 1),
        withdraw(2),
        add(3),
        annul_choice(2),
        rewind(1),
        assign(2, 1),
        revert(2),
        admit(2),
    ]
}

fn commands_of_the_engine() -> Vec<Command> {
    let recover = Command::Recover { down_since: Timestamp(0) };
    vec![ineligible(&[]), elsewhere(2), no_longer_elsewhere(2), Command::Tick, recover]
}

#[test]
fn p7_only_the_rightful_actor_may_issue_a_command() {
    let other_administrator = Actor::Administrator { id: AdministratorId(uuid::Uuid::nil()) };
    let interns = [intern(2), intern(1), intern(0)];
    let others = [holder(2), holder(1), ADMINISTRATOR, other_administrator, Actor::Engine];
    let actors: Vec<Actor> = interns.into_iter().chain(others).collect();
    let table = [
        (commands_of_the_intern_or_holder(), [true, false, false, true, false, false, false, false]),
        (commands_of_the_intern_alone(), [true, false, false, false, false, false, false, false]),
        (vec![file(2)], [false, false, false, true, false, false, false, false]),
        (commands_of_administrators(), [false, false, false, false, false, true, true, false]),
        (commands_of_the_engine(), [false, false, false, false, false, false, false, true]),
    ];
    // In every state: the right to ask is looked at before anything else.
    let mut annulled = Scene::begun(setup(2, &[3]));
    annulled.does(Command::Annul { reason: reason() }, "09:01");
    let scenes = [Scene::empty(), Scene::published(setup(2, &[3])), Scene::begun(setup(2, &[3])), annulled];
    for (commands, allowed) in table {
        for (command, scene) in commands.iter().flat_map(|command| scenes.iter().map(move |s| (command, s))) {
            for (actor, allowed) in actors.iter().zip(allowed) {
                let forbidden = scene.amphi.decide(*actor, command, at("09:02")) == Err(Rejection::Forbidden);
                assert_eq!(forbidden, !allowed, "{actor:?} {command:?}");
            }
        }
    }
}

#[test]
fn r3_3_refused_already_chosen_names_the_post() {
    let mut scene = Scene::begun(setup(2, &[1, 3]));
    scene.choose(1, 2, "09:01");
    let refusal = Rejection::AlreadyChosen { post: PostNumber(2) };
    assert_eq!(scene.refused(choose(1, 2), "09:02"), refusal);
    assert_eq!(scene.refused(choose(1, 1), "09:02"), refusal);
    let withdraw = Command::Withdraw { rank: CallRank(1), reason: reason() };
    assert_eq!(scene.refused(withdraw, "09:02"), refusal);
}

#[test]
fn r3_3_refused_not_your_turn() {
    let mut scene = Scene::begun(setup(2, &[3]));
    assert_eq!(scene.refused(choose(2, 1), "09:01"), Rejection::NotYourTurn);
}

#[test]
fn r3_3_refused_suspended() {
    let mut scene = Scene::begun(setup(1, &[2]));
    scene.suspend("09:01");
    assert_eq!(scene.refused(choose(1, 1), "09:01"), Rejection::Suspended);
}

#[test]
fn r3_3_refused_not_open_and_not_published() {
    assert_eq!(Scene::drafted(setup(1, &[2])).refused(choose(1, 1), "09:00"), Rejection::NotPublished);
    assert_eq!(Scene::published(setup(1, &[2])).refused(choose(1, 1), "09:00"), Rejection::NotOpen);
    let withdraw = Command::Withdraw { rank: CallRank(1), reason: reason() };
    assert_eq!(Scene::drafted(setup(1, &[2])).refused(withdraw, "09:00"), Rejection::NotPublished);
    let note = Command::NotePlacedElsewhere { rank: CallRank(1) };
    assert_eq!(Scene::drafted(setup(1, &[2])).refused(note, "09:00"), Rejection::NotPublished);
}

#[test]
fn r3_3_refused_post_taken_names_who_took_the_last_seat() {
    let mut scene = Scene::published(setup(4, &[2, 0, 9]));
    scene.does(Command::Open, "09:20");
    scene.choose(1, 1, "09:20");
    scene.choose(2, 1, "09:21");
    let taken = Rejection::PostTaken { post: PostNumber(1), by: Some(CallRank(2)) };
    assert_eq!(scene.refused(choose(3, 1), "09:21"), taken);
    // A post without any seat was taken by nobody.
    let never = Rejection::PostTaken { post: PostNumber(2), by: None };
    assert_eq!(scene.refused(choose(3, 2), "09:21"), never);
}

#[test]
fn r3_3_refused_unknown_post_and_unknown_rank() {
    let mut scene = Scene::begun(setup(1, &[2]));
    for post in [0, 2, u16::MAX] {
        let unknown = Rejection::UnknownPost { post: PostNumber(post) };
        assert_eq!(scene.refused(choose(1, post), "09:01"), unknown);
    }
    for rank in [0, 2, u16::MAX].map(CallRank) {
        let unknown = Rejection::UnknownRank { rank };
        for command in [
            choose(rank.0, 1),
            Command::Pass { rank },
            Command::ReleaseHeld { rank },
            Command::EndTurn { rank, reason: reason() },
            Command::Withdraw { rank, reason: reason() },
            Command::NotePlacedElsewhere { rank },
        ] {
            assert_eq!(scene.refused(command, "09:01"), unknown);
        }
    }
}

#[test]
fn r3_3_refused_turn_not_in_progress_names_the_rank_meant() {
    let mut scene = Scene::begun(setup(3, &[4]));
    for rank in [2, 3].map(CallRank) {
        let refusal = Rejection::TurnNotInProgress { rank };
        assert_eq!(scene.refused(Command::Pass { rank }, "09:01"), refusal);
        assert_eq!(scene.refused(Command::EndTurn { rank, reason: reason() }, "09:01"), refusal);
    }
    scene.pass(1, "09:01");
    let refusal = Rejection::TurnNotInProgress { rank: CallRank(1) };
    assert_eq!(scene.refused(Command::Pass { rank: CallRank(1) }, "09:01"), refusal);
}

#[test]
fn r3_3_refused_placed_elsewhere_and_withdrawn() {
    let mut scene = Scene::begun(setup(3, &[4]));
    scene.elsewhere(1, "09:01");
    scene.withdraw(2, "09:01");
    assert_eq!(scene.refused(choose(1, 1), "09:02"), Rejection::PlacedElsewhere);
    assert_eq!(scene.refused(choose(2, 1), "09:02"), Rejection::Withdrawn);
    let again = Command::Withdraw { rank: CallRank(2), reason: reason() };
    assert_eq!(scene.refused(again, "09:02"), Rejection::Withdrawn);
    // Somebody placed elsewhere may still be taken off the list.
    scene.withdraw(1, "09:02");
    assert_eq!(scene.outcome(1), "withdrawn");
}

#[test]
fn r3_3_refused_nothing_held() {
    let mut scene = Scene::begun(setup(1, &[2]));
    let release = Command::ReleaseHeld { rank: CallRank(1) };
    assert_eq!(scene.refused(release, "09:01"), Rejection::NothingHeld);
}

#[test]
fn r3_7_acts_need_a_reason_of_1_to_500_characters() {
    let long = "é".repeat(REASON_CHARS_MAX);
    let wordy = format!("{long}é");
    let acts: [fn(&str) -> Command; 4] = [
        |r| Command::Suspend { reason: r.to_owned() },
        |r| Command::Annul { reason: r.to_owned() },
        |r| Command::EndTurn { rank: CallRank(1), reason: r.to_owned() },
        |r| Command::Withdraw { rank: CallRank(1), reason: r.to_owned() },
    ];
    for act in acts {
        for bad in ["", "  \n\t", wordy.as_str()] {
            let refusal = Scene::begun(setup(1, &[2])).refused(act(bad), "09:01");
            assert_eq!(refusal, Rejection::ReasonNeeded);
        }
        for good in ["x", "  x  ", long.as_str()] {
            let events = Scene::begun(setup(1, &[2])).does(act(good), "09:01");
            let journaled = serde_json::to_value(&events[0]).unwrap();
            assert_eq!(journaled["reason"], good.trim());
        }
    }
}
