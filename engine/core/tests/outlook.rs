//! How honest "probably available" is: many amphis with people who have tastes, some of whom set wishes and
//! mostly follow them; what was foretold is compared with what was left when their turn came.
//!
//! `AMPHI_CASES=20` plays twenty times as many; `--nocapture` prints the table that the README quotes.

#![allow(clippy::unwrap_used)]

#[path = "rules/scene.rs"]
#[allow(dead_code)]
mod scene;

use std::collections::BTreeMap;

use amphi_core::{CallRank, Chance, Command, Millis, PostNumber, SafetyNet};

use crate::scene::{Scene, setup};

/// Numbers that only look random (a 64-bit linear congruential generator): the same on every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn permille(&mut self, chance: u64) -> bool {
        self.below(1_000) < chance
    }
}

/// What one population is like.
#[derive(Clone, Copy)]
struct Tastes {
    /// How much people agree: 0, each their own; 1000, all the same.
    shared: u64,
    /// How many set wishes, in thousandths.
    with_wishes: u64,
    /// How many of those take the best wish left, in thousandths; the others what they like at that moment.
    faithful: u64,
}

/// Foretold → how many, and how many of them had a seat left.
type Table = BTreeMap<Chance, (u32, u32)>;

/// Plays one amphi; notes what everybody was told when `seen_before` turns lay before theirs.
fn play(dice: &mut Dice, tastes: Tastes, interns: u16, seen_before: u16, table: &mut Table) {
    let posts = usize::from(interns) * 2 / 3;
    let seats: Vec<u16> = (0..posts).map(|_| 1 + u16::try_from(dice.below(3)).unwrap()).collect();
    let liked: Vec<u64> = (0..posts).map(|_| dice.below(1_000)).collect();
    let likes: Vec<Vec<u64>> = (0..interns)
        .map(|_| {
            let own = |liked: &u64, dice: &mut Dice| {
                (liked * tastes.shared + dice.below(1_000) * (1_000 - tastes.shared)) / 1_000
            };
            liked.iter().map(|liked| own(liked, dice)).collect()
        })
        .collect();
    let mut drafted = setup(interns, &seats);
    drafted.turn_duration = Millis::from_secs(60);
    let mut scene = Scene::opened(drafted);
    for rank in (1..=interns).filter(|_| dice.permille(tastes.with_wishes)).collect::<Vec<_>>() {
        let mut wishes: Vec<usize> = (0..posts).collect();
        wishes.sort_by_key(|post| std::cmp::Reverse(likes[usize::from(rank) - 1][*post]));
        let wishes = wishes.into_iter().take(8).map(PostNumber::from_index).collect();
        scene
            .does(Command::SetWishes { rank: CallRank(rank), wishes, safety_net: SafetyNet::Never }, "08:31");
    }
    let mut told: BTreeMap<u16, Vec<(PostNumber, Chance)>> = BTreeMap::new();
    for rank in 1..=interns {
        let watched = rank + seen_before;
        if watched <= interns
            && let Some(list) = scene.amphi.wishes(CallRank(watched))
            && let Some(chances) = &scene.amphi.outlook()[usize::from(watched) - 1]
        {
            told.insert(watched, list.wishes.iter().copied().zip(chances.iter().copied()).collect());
        }
        let due = scene.amphi.next_deadline().unwrap();
        scene.play(amphi_core::Actor::Engine, &Command::Tick, due).unwrap();
        for (post, chance) in told.remove(&rank).unwrap_or_default() {
            let (all, left) = table.entry(chance).or_default();
            *all += 1;
            *left += u32::from(scene.amphi.seats_left()[post.index()] > 0);
        }
        let free = |post: &PostNumber| scene.amphi.seats_left()[post.index()] > 0;
        let wished = scene.amphi.wishes(CallRank(rank)).filter(|_| dice.permille(tastes.faithful));
        let wished = wished.and_then(|list| list.wishes.iter().copied().find(free));
        let liked = || {
            let all = (0..posts).map(PostNumber::from_index).filter(free);
            all.max_by_key(|post| likes[usize::from(rank) - 1][post.index()])
        };
        let Some(post) = wished.or_else(liked) else { continue };
        let choice = Command::Choose { rank: CallRank(rank), post, supernumerary: false };
        scene.play(scene::intern(rank), &choice, due + Millis::from_secs(20)).unwrap();
    }
}

#[test]
fn r3_8_what_will_probably_remain_is_foretold_honestly() {
    let times: u64 = std::env::var("AMPHI_CASES").ok().and_then(|times| times.parse().ok()).unwrap_or(1);
    println!("| agree | with wishes | turns before | probable: left | uncertain: left | unlikely: left |");
    for (shared, with_wishes) in [(200, 900), (200, 300), (600, 900), (600, 300), (850, 900), (850, 300)] {
        let tastes = Tastes { shared, with_wishes, faithful: 900 };
        for seen_before in [3, 20] {
            let mut table = Table::new();
            let mut dice = Dice(7 * shared + with_wishes + u64::from(seen_before));
            for _ in 0..4 * times {
                play(&mut dice, tastes, 45, seen_before, &mut table);
            }
            let share = |chance| {
                let (all, left) = table.get(&chance).copied().unwrap_or_default();
                (f64::from(left) / f64::from(all.max(1)), all)
            };
            let [probable, uncertain, unlikely] =
                [Chance::Probable, Chance::Uncertain, Chance::Unlikely].map(share);
            let said = |(share, of): (f64, u32)| format!("{:.0} % of {of}", share * 100.0);
            println!(
                "| {} % | {} % | {seen_before} | {} | {} | {} |",
                shared / 10,
                with_wishes / 10,
                said(probable),
                said(uncertain),
                said(unlikely)
            );
            let few = |of: u32| u64::from(of) < 20 * times;
            assert!(
                few(probable.1) || probable.0 >= 0.9,
                "told probable: {:.2} of {}",
                probable.0,
                probable.1
            );
            assert!(
                few(unlikely.1) || unlikely.0 <= 0.1,
                "told unlikely: {:.2} of {}",
                unlikely.0,
                unlikely.1
            );
            // Three turns before, when it matters most, it mostly says something.
            assert!(seen_before > 3 || probable.1 + unlikely.1 > uncertain.1, "mostly it does not know");
        }
    }
}
