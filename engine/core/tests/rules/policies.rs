//! 3.6: rules are data, frozen and shown with the list. Late policy: `late_policy.rs`; proxies: `proxies.rs`;
//! safety net: `safety_net.rs`.

use amphi_core::{
    CallRank, Command, Event, LatePolicy, Millis, NamesPolicy, Policies, PostNumber, ProxyPolicy, Rejection,
    Setup, Standing, WatchingPolicy,
};
use serde_json::json;

use crate::asks::{
    add, annul_choice, assign, elsewhere, exchange, extend, holder, no_longer_elsewhere, rewind,
    supernumerary, with, withdraw,
};
use crate::scene::{Scene, at, choose, intern, setup};

#[test]
fn r3_6_policies_have_the_defaults_of_the_domain() {
    let told = json!({
        "late": "now", "early_opening": false, "proxies": "off", "safety_net": false,
        "names": "pseudonyms", "watching": "with_link",
        "extension_steps": [60_000, 120_000, 300_000], "vacancy_round": false
    });
    assert_eq!(serde_json::to_value(Policies::default()).unwrap(), told);
    assert_eq!(serde_json::from_value::<Policies>(json!({})).unwrap(), Policies::default());
    assert!(serde_json::from_value::<Policies>(json!({ "later": true })).is_err());
}

#[test]
fn r3_6_policies_are_shown_before_the_session_and_frozen_by_publishing() {
    let strict = |p: &mut Policies| {
        *p = Policies {
            late: LatePolicy::Forfeit,
            early_opening: true,
            proxies: ProxyPolicy::WithDocument,
            safety_net: true,
            names: NamesPolicy::Names,
            watching: WatchingPolicy::Nobody,
            extension_steps: vec![Millis::from_secs(30)],
            vacancy_round: true,
        };
    };
    let setup = with(setup(2, &[3]), strict);
    let mut scene = Scene::drafted(setup.clone());
    scene.does(Command::Draft(Box::new(with(setup.clone(), |p| p.safety_net = false))), "08:01");
    assert!(!scene.amphi.snapshot().unwrap().policies.safety_net);
    scene.does(Command::Draft(Box::new(setup.clone())), "08:02");
    scene.does(Command::Publish, "08:03");
    assert_eq!(scene.amphi.snapshot().unwrap().policies, setup.policies);
    let refusal = scene.refused(Command::Draft(Box::new(setup)), "08:04");
    assert_eq!(refusal, Rejection::AlreadyPublished);
}

#[test]
fn r3_6_names_and_watching_travel_with_the_snapshot_in_each_of_their_forms() {
    // Who may see a name, and who may watch, is settled at the edge; the amphi says what was decided.
    for (names, watching, told) in [
        (NamesPolicy::Pseudonyms, WatchingPolicy::Nobody, ["pseudonyms", "nobody"]),
        (NamesPolicy::Names, WatchingPolicy::WithLink, ["names", "with_link"]),
        (NamesPolicy::Names, WatchingPolicy::Everybody, ["names", "everybody"]),
    ] {
        let scene = Scene::published(with(setup(1, &[2]), |p| (p.names, p.watching) = (names, watching)));
        let shown = serde_json::to_value(scene.amphi.snapshot()).unwrap();
        let policies = &shown["policies"];
        assert_eq!([&policies["names"], &policies["watching"]], [&json!(told[0]), &json!(told[1])]);
        assert_eq!(shown["participants"][0]["pseudonym"], "P1");
    }
}

#[test]
fn r3_6_extension_steps_go_up_and_have_bounds() {
    let secs = |steps: &[i64]| -> Vec<Millis> { steps.iter().copied().map(Millis::from_secs).collect() };
    let drafted = |steps: Vec<Millis>| {
        let setup = with(setup(1, &[2]), |p| p.extension_steps.clone_from(&steps));
        Scene::empty().play(crate::scene::ADMINISTRATOR, &Command::Draft(Box::new(setup)), at("08:00"))
    };
    for good in [&[][..], &[10], &[1_800], &[10, 11, 12, 13, 14, 1_800]] {
        assert!(drafted(secs(good)).is_ok(), "{good:?}");
    }
    for bad in [&[9][..], &[1_801], &[0], &[-60], &[60, 60], &[120, 60], &[10, 20, 30, 40, 50, 60, 70]] {
        assert!(matches!(drafted(secs(bad)), Err(Rejection::UnusableSetup { .. })), "{bad:?}");
    }
    assert!(matches!(drafted(vec![Millis(9_999)]), Err(Rejection::UnusableSetup { .. })));
}

#[test]
fn r3_6_a_turn_is_lengthened_by_one_of_the_announced_steps_only() {
    let steps = vec![Millis::from_minutes(2), Millis::from_minutes(4)];
    let mut scene = Scene::begun(with(setup(2, &[3]), |p| p.extension_steps.clone_from(&steps)));
    for minutes in [0, 1, 3, 5, -2] {
        let refusal = scene.refused(extend(1, minutes), "09:01");
        assert_eq!(refusal, Rejection::NoSuchExtension { steps: steps.clone() });
    }
    scene.does(extend(1, 4), "09:01");
    assert_eq!(scene.turn(), Some((1, at("09:07"))));
    // No steps: no turn is lengthened.
    let mut scene = Scene::begun(with(setup(2, &[3]), |p| p.extension_steps.clear()));
    assert_eq!(scene.refused(extend(1, 1), "09:01"), Rejection::NoSuchExtension { steps: vec![] });
}

// --- early opening -------------------------------------------------------------------------------

fn early(interns: u16, seats: &[u16]) -> Setup {
    with(setup(interns, seats), |p| p.early_opening = true)
}

#[test]
fn r3_6_early_opening_calls_the_next_as_soon_as_the_turn_before_is_over() {
    let mut scene = Scene::begun(early(4, &[9]));
    scene.choose(1, 1, "09:00:20");
    // Convoked at 09:03 and called at once, rank 2 has until the end of the turn convoked.
    assert_eq!(scene.turn(), Some((2, at("09:06"))));
    assert_eq!(scene.amphi.delay(), Millis::ZERO);
    scene.choose(2, 1, "09:00:40");
    assert_eq!(scene.turn(), Some((3, at("09:09"))));
    // In time or behind, a turn lasts as long as ever.
    scene.tick("09:09:02");
    assert_eq!(scene.turn(), Some((4, at("09:12:02"))));
    // Off, nobody is called before the convoked time.
    let mut scene = Scene::begun(setup(4, &[9]));
    scene.choose(1, 1, "09:00:20");
    assert_eq!((scene.turn(), scene.amphi.next_deadline()), (None, Some(at("09:03"))));
}

#[test]
fn r3_6_early_opening_never_comes_before_the_session_nor_in_a_break() {
    // Whoever left leaves no gap; the first of the others is called when the session begins.
    let mut scene = Scene::opened(early(3, &[9]));
    scene.withdraw(1, "08:40");
    assert_eq!(scene.amphi.next_deadline(), Some(at("09:00")));
    scene.tick("09:00");
    assert_eq!(scene.turn(), Some((2, at("09:06"))));
    // The morning ends at 09:10 here, and rank 5 is convoked for the afternoon.
    let mut setup = early(5, &[9]);
    setup.opening = crate::scene::ranges(&[("09:00", "09:10"), ("14:00", "18:00")]);
    let mut scene = Scene::begun(setup);
    assert_eq!(scene.amphi.planned_at()[4], at("14:00"));
    for rank in 1..=3 {
        scene.choose(rank, 1, "09:01");
    }
    scene.choose(4, 1, "09:10");
    assert_eq!((scene.turn(), scene.amphi.next_deadline()), (None, Some(at("14:00"))));
}

#[test]
fn r3_6_early_opening_of_an_afternoon_turn_in_the_morning_keeps_its_end() {
    let mut setup = early(5, &[9]);
    setup.opening = crate::scene::ranges(&[("09:00", "09:10"), ("14:00", "18:00")]);
    let mut scene = Scene::begun(setup);
    for rank in 1..=4 {
        scene.choose(rank, 1, "09:01");
    }
    assert_eq!(scene.turn(), Some((5, at("14:03"))));
    // The forecast counted on it.
    scene.tick("14:03:02");
    assert_eq!(scene.outcome(5), "late");
}

#[test]
fn r3_6_early_opening_keeps_extra_time_and_suspensions_whole() {
    let mut setup = early(3, &[9]);
    setup.participants[1].extra_time_percent = 100;
    let mut scene = Scene::begun(setup);
    scene.choose(1, 1, "09:01");
    assert_eq!(scene.turn(), Some((2, at("09:09"))));
    scene.suspend("09:02");
    scene.resume("09:12");
    assert_eq!(scene.turn(), Some((2, at("09:19"))));
}

#[test]
fn r3_6_early_opening_shows_in_the_forecast() {
    let scene = Scene::begun(early(3, &[9]));
    let forecasts = scene.amphi.forecasts(at("09:00"));
    let second = forecasts[1].unwrap();
    // At once if rank 1 is quick; by the announced end and the grace if not.
    assert_eq!((second.earliest, second.latest), (at("09:00"), at("09:03:02")));
    let third = forecasts[2].unwrap();
    assert_eq!((third.earliest, third.latest), (at("09:00"), at("09:06:04")));
}

// --- final vacancy round -------------------------------------------------------------------------

/// Ranks 1 to 3 hold a seat of posts 1, 2 and 3; every turn is over; one seat of posts 3 and 4 is free.
fn vacancies() -> Scene {
    let mut scene = Scene::published(with(setup(4, &[1, 1, 2, 1]), |p| p.vacancy_round = true));
    scene.does(Command::Open, "09:15");
    for rank in 1..=3 {
        scene.choose(rank, rank, "09:15");
    }
    scene.pass(4, "09:16");
    scene
}

#[test]
fn r3_6_vacancy_round_exchanges_ones_seat_for_a_free_one() {
    let mut scene = vacancies();
    let events = scene.does(exchange(1, 3), "09:20");
    let exchanged = Event::SeatExchanged {
        rank: CallRank(1),
        from_post: PostNumber(1),
        from_seat: Some(1),
        post: PostNumber(3),
        seat: 2,
    };
    assert_eq!(events, [exchanged]);
    // The old seat is free for the next one, and exchanging goes on.
    assert_eq!((scene.outcome(1).as_str(), scene.amphi.seats_left()), ("3 exchanged", &[1, 0, 0, 1][..]));
    scene.does(exchange(2, 1), "09:21");
    scene.does(exchange(1, 2), "09:22");
    scene.choose(4, 3, "09:23");
    assert!(matches!(scene.standing(4), Standing::Placed { seat: Some(2), .. }));
    assert_eq!(scene.does(Command::Close, "09:24"), [Event::Closed { unplaced: vec![] }]);
}

#[test]
fn r3_6_vacancy_round_takes_free_seats_only() {
    let mut scene = vacancies();
    let taken = Rejection::PostTaken { post: PostNumber(2), by: Some(CallRank(2)) };
    assert_eq!(scene.refused(exchange(1, 2), "09:20"), taken);
    let own = Rejection::AlreadyChosen { post: PostNumber(1) };
    assert_eq!(scene.refused(exchange(1, 1), "09:20"), own);
    let unknown = Rejection::UnknownPost { post: PostNumber(9) };
    assert_eq!(scene.refused(exchange(1, 9), "09:20"), unknown);
    // Of three seats, one of one's own post that is free is no exchange either.
    let own = Rejection::AlreadyChosen { post: PostNumber(3) };
    assert_eq!(scene.refused(exchange(3, 3), "09:20"), own);
}

#[test]
fn r3_6_vacancy_round_is_for_those_who_are_placed() {
    let mut scene = vacancies();
    let not_placed = |rank| Rejection::NotPlaced { rank: CallRank(rank) };
    assert_eq!(scene.refused(exchange(4, 4), "09:20"), not_placed(4));
    assert_eq!(scene.refused(exchange(9, 4), "09:20"), Rejection::UnknownRank { rank: CallRank(9) });
    scene.elsewhere(4, "09:21");
    assert_eq!(scene.refused(exchange(4, 4), "09:21"), not_placed(4));
    // By themselves: neither a holder, whose proxy ended with the choice, nor an administrator.
    for actor in [holder(1), crate::scene::ADMINISTRATOR, intern(2)] {
        assert_eq!(scene.refused_as(actor, exchange(1, 4), "09:22"), Rejection::Forbidden);
    }
    // Whoever was assigned is placed.
    let mut scene = vacancies();
    scene.does(assign(4, 3), "09:20");
    scene.does(exchange(4, 4), "09:21");
    assert_eq!(scene.outcome(4), "4 exchanged");
}

#[test]
fn r3_6_vacancy_round_comes_after_the_last_turn_and_only_where_there_is_one() {
    let mut scene = Scene::begun(with(setup(2, &[2, 2]), |p| p.vacancy_round = true));
    scene.choose(1, 1, "09:01");
    assert_eq!(scene.refused(exchange(1, 2), "09:02"), Rejection::NoExchangeNow);
    scene.tick("09:03");
    // The last turn is over at 09:06:02, to the millisecond and without a tick.
    assert_eq!(scene.refused(exchange(1, 2), "09:06:01.999"), Rejection::NoExchangeNow);
    scene.does(exchange(1, 2), "09:06:02");
    // Somebody added has a turn to come.
    scene.does(add(3), "09:07");
    assert_eq!(scene.refused(exchange(1, 1), "09:07"), Rejection::NoExchangeNow);
    let mut off = Scene::begun(setup(1, &[2, 2]));
    off.choose(1, 1, "09:01");
    assert_eq!(off.refused(exchange(1, 2), "09:02"), Rejection::NoExchangeNow);
}

#[test]
fn r3_6_vacancy_round_waits_while_suspended_and_ends_with_the_session() {
    let mut scene = vacancies();
    scene.suspend("09:20");
    assert_eq!(scene.refused(exchange(1, 3), "09:21"), Rejection::Suspended);
    scene.resume("09:22");
    scene.does(Command::Close, "09:23");
    assert_eq!(scene.refused(exchange(1, 3), "09:24"), Rejection::Over);
    assert_eq!(Scene::published(setup(1, &[1])).refused(exchange(1, 1), "08:10"), Rejection::NotOpen);
}

#[test]
fn r3_6_vacancy_round_a_supernumerary_may_take_a_seat_instead() {
    let mut setup = with(setup(2, &[1, 2]), |p| p.vacancy_round = true);
    setup.participants[1].supernumerary = Some(amphi_core::Supernumerary::NonValidating);
    let mut scene = Scene::published(setup);
    scene.does(Command::Open, "09:15");
    scene.choose(1, 1, "09:15");
    scene.does(supernumerary(2, 1), "09:16");
    let events = scene.does(exchange(2, 2), "09:17");
    assert!(matches!(events[..], [Event::SeatExchanged { from_seat: None, seat: 1, .. }]));
    assert_eq!(scene.amphi.seats_left(), [0, 1]);
}

#[test]
fn r3_6_vacancy_round_an_exchange_annulled_leaves_its_intern_to_choose_again() {
    let mut scene = vacancies();
    scene.does(exchange(1, 3), "09:20");
    scene.does(annul_choice(1), "09:21");
    assert_eq!((scene.outcome(1).as_str(), scene.amphi.seats_left()), ("late", &[1, 0, 1, 1][..]));
    assert_eq!(scene.refused(exchange(1, 1), "09:21"), Rejection::NotPlaced { rank: CallRank(1) });
    scene.choose(1, 1, "09:22");
}

#[test]
fn r3_6_vacancy_round_is_undone_by_a_rewind_which_leads_back_to_the_seats_exchanged() {
    let mut scene = vacancies();
    // A chain: 1 goes to 3, 2 to the seat 1 left, 3 to the seat 2 left; then 1 once more.
    scene.does(exchange(1, 3), "09:20");
    scene.does(exchange(2, 1), "09:21");
    scene.does(exchange(3, 2), "09:22");
    scene.does(exchange(1, 4), "09:23");
    let before = ["1 in_turn", "2 in_turn", "waiting", "waiting"];
    scene.does(rewind(3), "09:24");
    assert_eq!([1, 2, 3, 4].map(|rank| scene.outcome(rank)), before);
    // As they were made: instant and manner are those of the turn.
    assert!(matches!(scene.standing(1), Standing::Placed { at: t, seat: Some(1), .. } if t == at("09:15")));
    assert_eq!(scene.amphi.seats_left(), [0, 0, 2, 1]);
    // Gone back further, those choices are undone too: each keeps its place in the order.
    let mut further = scene.clone();
    further.does(rewind(2), "09:25");
    assert_eq!([1, 2].map(|rank| further.outcome(rank)), ["1 in_turn", "waiting"]);
    further.does(rewind(1), "09:26");
    assert_eq!(further.outcome(1), "waiting");
    // And going on, they exchange again.
    scene.resume("09:30");
    scene.choose(3, 3, "09:31");
    scene.does(withdraw(4), "09:31");
    scene.does(exchange(1, 4), "09:32");
    assert_eq!(scene.refused(choose(1, 4), "09:33"), Rejection::AlreadyChosen { post: PostNumber(4) });
}

#[test]
fn r3_6_vacancy_round_a_rewind_to_a_later_turn_keeps_earlier_exchanges() {
    let mut scene = vacancies();
    scene.does(exchange(1, 3), "09:20");
    scene.does(add(5), "09:21");
    scene.pass(5, "09:22");
    scene.does(exchange(1, 4), "09:23");
    scene.does(exchange(2, 1), "09:23");
    scene.does(rewind(5), "09:24");
    assert_eq!([1, 2].map(|rank| scene.outcome(rank)), ["3 exchanged", "2 in_turn"]);
    // Their first choices are still known: a rewind further back finds them.
    scene.does(rewind(4), "09:25");
    assert_eq!([1, 2, 3].map(|rank| scene.outcome(rank)), ["1 in_turn", "2 in_turn", "3 in_turn"]);
    scene.does(elsewhere(4), "09:25");
    scene.does(no_longer_elsewhere(4), "09:25");
}
