//! The rounds without turns, through their pages (3.8).

use amphi_engine::core::{Actor, CallRank, Command, PostNumber, Round, SafetyNet, Setup};
use amphi_engine::protocol::Role;
use axum::http::StatusCode;

use crate::scene::{ADMINISTRATOR, setup};
use crate::site::{HTTPS, Site, intern, path, with_site};

fn round(round: Round) -> Setup {
    let mut setup = setup(3, &[1, 1, 1]);
    setup.round = round;
    for (index, post) in setup.posts.iter_mut().enumerate() {
        post.service = format!("Service {}", index + 1);
    }
    setup
}

/// Ranks 1 and 2 want post 1 first; rank 3 has set no wishes.
async fn everybody_wishes(site: &Site) {
    for (rank, wishes) in [(1, vec![1, 2]), (2, vec![1, 3])] {
        let rank = CallRank(rank);
        let wishes = wishes.into_iter().map(PostNumber).collect();
        let command = Command::SetWishes { rank, wishes, safety_net: SafetyNet::Never };
        site.does(1, Actor::Intern { rank }, command).await;
    }
}

async fn own_result(site: &Site, rank: u16) -> String {
    let mut browser = site.browser(&[(1, intern(rank))]).await;
    let answer = browser.get(&(path(1, intern(rank)) + "/resultat")).await;
    assert_eq!(answer.status, StatusCode::OK);
    let text = answer.text();
    let (_, rest) = text.split_once("id=\"mon-resultat\"").expect("the own result");
    let (_, rest) = rest.split_once('>').expect("the end of the tag");
    rest.split_once("</p>").expect("the end of the sentence").0.to_owned()
}

async fn all_results(site: &Site) -> String {
    let mut browser = site.browser(&[(1, Role::Administrator)]).await;
    browser.get(&(path(1, Role::Administrator) + "/resultat")).await.text()
}

#[tokio::test]
async fn r3_8_a_rehearsal_shows_what_the_wishes_would_give_and_places_nobody() {
    with_site(HTTPS, round(Round::Rehearsal), |site| async move {
        everybody_wishes(&site).await;
        assert!(own_result(&site, 2).await.contains("à la clôture"), "not before it is closed");
        assert!(all_results(&site).await.contains("obtiendrait CHU, Service 3"));
        site.does(1, ADMINISTRATOR, Command::Close).await;
        assert_eq!(own_result(&site, 1).await, "Rang 1 : obtiendrait CHU, Service 1.");
        assert_eq!(own_result(&site, 2).await, "Rang 2 : obtiendrait CHU, Service 3.");
        assert!(own_result(&site, 3).await.contains("aucun vœu"));
        let left = site.room(1).await.read(|ledger| ledger.amphi().seats_left().to_vec());
        assert_eq!(left, [1, 1, 1]);
    })
    .await;
}

#[tokio::test]
async fn r3_8_a_choice_by_wishes_places_by_rank_when_it_is_closed() {
    with_site(HTTPS, round(Round::ByWishes), |site| async move {
        everybody_wishes(&site).await;
        site.does(1, ADMINISTRATOR, Command::Close).await;
        assert_eq!(own_result(&site, 2).await, "Rang 2 : CHU, Service 3.");
        assert_eq!(own_result(&site, 3).await, "Rang 3 : aucun vœu n’était encore libre.");
        let receipt = site.room(1).await.read(|ledger| ledger.receipt(CallRank(2)).cloned());
        assert_eq!(
            receipt.map(|receipt| receipt.post),
            Some(PostNumber(3)),
            "with a receipt like any choice"
        );
        let text = all_results(&site).await;
        assert!(text.contains("data-rang=\"3\""), "{text}");
    })
    .await;
}

#[tokio::test]
async fn r3_8_free_wishes_show_what_is_wished_for_and_nothing_else() {
    with_site(HTTPS, round(Round::FreeWishes), |site| async move {
        everybody_wishes(&site).await;
        site.does(1, ADMINISTRATOR, Command::Close).await;
        assert!(own_result(&site, 1).await.contains("ne placent personne"));
        let text = all_results(&site).await;
        assert!(
            text.contains("2 listes de vœux pour 3 internes") && !text.contains("resultat-rangs"),
            "{text}"
        );
    })
    .await;
}

#[tokio::test]
async fn r3_8_the_page_of_a_round_asks_for_wishes_and_calls_nobody() {
    with_site(HTTPS, round(Round::Rehearsal), |site| async move {
        let mut browser = site.browser(&[(1, intern(1))]).await;
        let page = browser.get(&path(1, intern(1))).await.text();
        assert!(page.contains("data-etat=\"voeux\"") && page.contains("Classez vos vœux"), "{page}");
        let links = [format!("{}/voeux\"", path(1, intern(1))), format!("{}/resultat\"", path(1, intern(1)))];
        assert!(links.iter().all(|link| page.contains(link.as_str())));
        site.does(1, ADMINISTRATOR, Command::Close).await;
        let page = browser.get(&path(1, intern(1))).await.text();
        assert!(page.contains("La session est close"), "{page}");
        let mut control = site.browser(&[(1, Role::Administrator)]).await;
        let room = control.get(&path(1, Role::Administrator)).await.text();
        assert!(room.contains(&format!("{}/resultat\"", path(1, Role::Administrator))));
    })
    .await;
}
