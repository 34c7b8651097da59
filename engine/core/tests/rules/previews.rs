//! 3.7: acts that destroy preview whom they touch. That a preview always says what the command then does is a
//! property of `model/`; here, what some of them say.

use amphi_core::{Command, Millis, Preview, Rejection, Standing, Status};

use crate::asks::{annul_choice, extend, reason, rewind, withdraw};
use crate::scene::{Scene, at, intern, rightful, setup};

#[allow(clippy::needless_pass_by_value, reason = "reads better where it is called")]
fn preview(scene: &Scene, command: Command, when: &str) -> Preview {
    scene.amphi.preview(rightful(&command), &command, at(when).into()).unwrap()
}

fn ranks(preview: &Preview) -> Vec<u16> {
    preview.touched.iter().map(|(rank, ..)| rank.0).collect()
}

/// Ranks 1 and 2 have chosen, rank 3 is in turn until 09:18; 4 and 5 wait.
fn two_chosen() -> Scene {
    let mut scene = Scene::published(setup(5, &[9]));
    scene.does(Command::Open, "09:15");
    scene.choose(1, 1, "09:15");
    scene.choose(2, 1, "09:15");
    scene
}

#[test]
fn r3_7_a_preview_names_whom_a_rewind_touches_and_changes_nothing() {
    let scene = two_chosen();
    let before = scene.amphi.clone();
    let told = preview(&scene, rewind(2), "09:16");
    assert_eq!(ranks(&told), [2, 3]);
    assert!(matches!(told.touched[0].1, Standing::Placed { .. }) && told.touched[0].2.is_waiting());
    assert_eq!(told.status, Status::Suspended { reason: reason(), since: at("09:16") });
    // Ranks 4 and 5 now wait for ranks 2 and 3 first.
    assert!(told.moves_others_by > Millis::ZERO);
    assert_eq!(scene.amphi, before);
}

#[test]
fn r3_7_a_preview_says_by_how_much_the_others_are_moved() {
    let scene = two_chosen();
    assert_eq!(preview(&scene, extend(3, 5), "09:16").touched, []);
    let slower = preview(&scene, extend(3, 5), "09:16").moves_others_by;
    assert!(slower > Millis::ZERO && slower <= Millis::from_minutes(5), "{slower:?}");
    let sooner = preview(&scene, withdraw(4), "09:16");
    assert_eq!(ranks(&sooner), [4]);
    assert!(sooner.moves_others_by < Millis::ZERO);
    assert_eq!(preview(&scene, annul_choice(1), "09:16").moves_others_by, Millis::ZERO);
}

#[test]
fn r3_7_a_preview_is_refused_like_the_command() {
    let scene = two_chosen();
    let refused = |actor, command| scene.amphi.preview(actor, &command, at("09:16").into()).unwrap_err();
    assert_eq!(refused(intern(1), rewind(1)), Rejection::Forbidden);
    let rank = amphi_core::CallRank(3);
    assert_eq!(refused(crate::scene::ADMINISTRATOR, annul_choice(3)), Rejection::NotPlaced { rank });
}
