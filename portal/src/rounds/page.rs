//! The result of a round, said.

use amphi_engine::core::{CallRank, PostNumber, Round, Snapshot, Status};
use askama::Template;

use super::{RoundResult, is_over};
use crate::pages::{PageContext, control_path, html, intern_path};

/// Who reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    /// The intern at this rank: their own result, once the round is closed.
    Intern(CallRank),
    /// An administrator: everybody's, at any time.
    Administrator,
}

/// What the page is made from.
pub(crate) struct ResultPage<'a> {
    pub page: PageContext<'a>,
    pub snapshot: &'a Snapshot,
    pub result: &'a RoundResult,
    pub reader: Reader,
}

/// One post, and how much it is wished for.
struct PostRow {
    number: PostNumber,
    label: String,
    seats: u16,
    wished: usize,
    first: usize,
    last_rank: String,
}

/// One rank, and what it gets.
struct RankRow {
    rank: CallRank,
    pseudonym: String,
    outcome: String,
}

#[derive(Template)]
#[template(path = "round_result.html")]
struct ResultTemplate<'a> {
    page: PageContext<'a>,
    title: &'a str,
    back: String,
    period: String,
    kind: &'static str,
    promise: &'static str,
    own: Option<String>,
    shows_ranks: bool,
    with_wishes: usize,
    interns: usize,
    posts: Vec<PostRow>,
    ranks: Vec<RankRow>,
}

/// What the round is called, and what its result is worth.
fn said(round: Round) -> (&'static str, &'static str) {
    match round {
        Round::Live => ("Amphi", ""),
        Round::FreeWishes => {
            ("Vœux libres", "Ces vœux ne placent personne : ils montrent ce que chacun souhaite.")
        }
        Round::Rehearsal => (
            "Préchoix",
            "C’est une répétition : les vœux sont résolus par rang, comme le jour du choix, et personne n’est affecté.",
        ),
        Round::ByWishes => (
            "Choix définitif par vœux",
            "À la clôture, chacun reçoit, dans l’ordre des rangs, le premier de ses vœux encore libre.",
        ),
    }
}

/// What one rank gets, in a sentence.
fn outcome(snapshot: &Snapshot, granted: Option<PostNumber>) -> String {
    let certain = snapshot.round == Round::ByWishes && is_over(&snapshot.now.status);
    match granted.and_then(|post| snapshot.posts.get(post.index())) {
        Some(view) if certain => format!("{}, {}", view.post.establishment, view.post.service),
        Some(view) => format!("obtiendrait {}, {}", view.post.establishment, view.post.service),
        None if certain => "aucun vœu n’était encore libre".to_owned(),
        None => "aucun vœu libre, ou aucun vœu classé".to_owned(),
    }
}

fn own_result(snapshot: &Snapshot, result: &RoundResult, rank: CallRank) -> String {
    if let Status::Annulled { reason } = &snapshot.now.status {
        return format!("Cette session est annulée ; son résultat ne compte pas. Motif : {reason}");
    }
    if snapshot.round == Round::FreeWishes {
        return "Vos vœux sont enregistrés ; ils ne placent personne.".to_owned();
    }
    if !is_over(&snapshot.now.status) {
        return "Le résultat paraîtra ici à la clôture. D’ici là, vous pouvez changer vos vœux.".to_owned();
    }
    let granted = result.granted.get(rank.index()).copied().flatten();
    format!("Rang {rank} : {}.", outcome(snapshot, granted))
}

/// The page.
pub(crate) fn render(input: &ResultPage<'_>) -> String {
    let ResultPage { snapshot, result, .. } = input;
    let (kind, promise) = said(snapshot.round);
    let over = is_over(&snapshot.now.status);
    let administrator = input.reader == Reader::Administrator;
    let shows_ranks = administrator && snapshot.round != Round::FreeWishes;
    let posts = snapshot.posts.iter().zip(&result.demand).map(|(view, demand)| PostRow {
        number: view.number,
        label: format!("{}, {}", view.post.establishment, view.post.service),
        seats: view.post.seats,
        wished: demand.wished,
        first: demand.first,
        last_rank: match demand.last_rank {
            Some(rank) if administrator || over => rank.to_string(),
            _ => "–".to_owned(),
        },
    });
    let mut posts: Vec<PostRow> = posts.collect();
    posts.sort_by_key(|row| (std::cmp::Reverse((row.first, row.wished)), row.number));
    let ranks = snapshot.participants.iter().zip(&result.granted).map(|(participant, granted)| RankRow {
        rank: participant.rank,
        pseudonym: participant.pseudonym.clone(),
        outcome: outcome(snapshot, *granted),
    });
    let (back, own) = match input.reader {
        Reader::Intern(rank) => (intern_path(snapshot.amphi, rank), Some(own_result(snapshot, result, rank))),
        Reader::Administrator => (control_path(snapshot.amphi), None),
    };
    html(&ResultTemplate {
        page: input.page,
        title: &snapshot.title,
        back,
        period: crate::pages::wording::period(snapshot.period),
        kind,
        promise,
        own,
        shows_ranks,
        with_wishes: result.with_wishes,
        interns: snapshot.participants.len(),
        posts,
        ranks: ranks.filter(|_| shows_ranks).collect(),
    })
}
