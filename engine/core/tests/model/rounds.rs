//! 3.8 against brute force: of all ways to hand out the seats, the one that the first of the list likes best, of
//! those the one that the second likes best, and so on.

use amphi_core::{
    Actor, Amphi, AmphiId, CallRank, ChoiceManner, Command, PostNumber, Round, SafetyNet, Standing, Timestamp,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use uuid::Uuid;

use crate::config;
use crate::steps::with_right;
use crate::worlds::{MORNING, setups};

/// Wishes of up to four interns among up to four posts, best first; a post may be named twice here, once there.
fn wishes() -> impl Strategy<Value = Vec<Vec<u16>>> {
    vec(vec(1_u16..=4, 0..=4), 1..=4)
}

/// Every way to give each intern nothing or one of their wishes, as positions in their lists (`len` = nothing).
fn every_way(wishes: &[Vec<u16>]) -> Vec<Vec<usize>> {
    wishes.iter().fold(vec![vec![]], |ways, list| {
        let extended = |way: Vec<usize>| {
            (0..=list.len()).map(move |position| way.iter().copied().chain([position]).collect())
        };
        ways.into_iter().flat_map(extended).collect()
    })
}

/// What each intern gets in the best way that gives no post more often than it has seats.
fn brute_force(wishes: &[Vec<u16>], seats: &[u16]) -> Vec<Option<u16>> {
    let granted = |way: &[usize]| -> Vec<Option<u16>> {
        way.iter().zip(wishes).map(|(position, list)| list.get(*position).copied()).collect()
    };
    let fits = |way: &Vec<usize>| {
        let given = granted(way);
        (1..=4).all(|post| {
            let times = given.iter().filter(|given| **given == Some(post)).count();
            times <= usize::from(seats[usize::from(post) - 1])
        })
    };
    // Positions compare in call order: the first rank's comes first, and a better wish is a smaller number.
    let best = every_way(wishes).into_iter().filter(fits).min().expect("nothing for anybody always fits");
    granted(&best)
}

#[test]
fn r3_8_serial_dictatorship_in_call_order_is_the_best_of_all_ways() {
    let mut runner = TestRunner::new(config(400));
    let worlds = (setups(), wishes(), vec(0_u16..=2, 4), prop::bool::ANY, 0_usize..4);
    let result = runner.run(&worlds, |(setup, mut wishes, seats, rehearsal, leaver)| {
        for list in &mut wishes {
            let mut seen = std::collections::BTreeSet::new();
            list.retain(|post| seen.insert(*post));
        }
        let round = if rehearsal { Round::Rehearsal } else { Round::ByWishes };
        let mut amphi = of_round(setup, round, wishes.len(), &seats);
        for (index, list) in wishes.iter().enumerate() {
            let (rank, wishes) =
                (CallRank::from_index(index), list.iter().copied().map(PostNumber).collect());
            go(&mut amphi, &Command::SetWishes { rank, wishes, safety_net: SafetyNet::Never });
        }
        // Whoever leaves gets nothing, and leaves theirs to the others.
        if leaver < wishes.len() {
            go(&mut amphi, &Command::NotePlacedElsewhere { rank: CallRank::from_index(leaver) });
            wishes[leaver].clear();
        }
        let best = brute_force(&wishes, &seats);
        let told: Vec<_> = amphi.resolved_wishes().iter().map(|post| post.map(|post| post.0)).collect();
        prop_assert_eq!(&told, &best);
        go(&mut amphi, &Command::Close);
        let placed: Vec<Option<u16>> = amphi
            .standings()
            .iter()
            .map(|standing| match standing {
                Standing::Placed { post, manner: ChoiceManner::ByWishes, .. } => Some(post.0),
                _ => None,
            })
            .collect();
        let expected = if rehearsal { vec![None; wishes.len()] } else { best };
        prop_assert_eq!(placed, expected);
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}

fn of_round(mut setup: amphi_core::Setup, round: Round, interns: usize, seats: &[u16]) -> Amphi {
    let (participant, post) = (setup.participants[0].clone(), setup.posts[0].clone());
    let numbered = |index: usize| {
        let mut participant = participant.clone();
        participant.intern = amphi_core::InternId(Uuid::from_u128(index as u128));
        participant
    };
    setup.participants = (0..interns).map(numbered).collect();
    setup.posts = seats.iter().map(|seats| amphi_core::Post { seats: *seats, ..post.clone() }).collect();
    setup.round = round;
    let mut amphi = Amphi::new(AmphiId(Uuid::nil()));
    for command in [Command::Draft(Box::new(setup)), Command::Publish, Command::Open] {
        go(&mut amphi, &command);
    }
    amphi
}

fn go(amphi: &mut Amphi, command: &Command) {
    let actor: Actor = with_right(command);
    let now = Timestamp(MORNING);
    for event in amphi.decide(actor, command, now).unwrap() {
        amphi.apply(now, &event);
    }
    amphi.check().unwrap();
}
