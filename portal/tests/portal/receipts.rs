//! Receipts that anyone may check (3.3): what is shown, what is not, and that guessing teaches nothing.

use amphi_engine::core::{CallRank, Command, Policies, PostNumber, SafetyNet, Setup};
use amphi_engine::protocol::Outcome;
use axum::http::header;

use crate::scene::{self, ADMINISTRATOR, amphi, choose, setup};
use crate::site::{HTTPS, Site, with_site};

/// A session in which everything that undoes a choice may happen.
fn everything() -> Setup {
    let policies = Policies { vacancy_round: true, safety_net: true, ..Policies::default() };
    Setup { policies, ..setup(3, &[2, 2, 1]) }
}

/// Chooses, and gives the code of the receipt.
async fn chosen(site: &Site, rank: u16, post: u16) -> String {
    match site.does(1, scene::intern(rank), choose(rank, post)).await {
        Outcome::Done { receipt: Some(receipt), .. } => receipt.code(),
        other => panic!("no receipt: {other:?}"),
    }
}

async fn wishes(site: &Site, rank: u16, posts: &[u16]) -> String {
    let wishes = posts.iter().map(|post| PostNumber(*post)).collect();
    let command = Command::SetWishes { rank: CallRank(rank), wishes, safety_net: SafetyNet::Never };
    match site.does(1, scene::intern(rank), command).await {
        Outcome::Done { wishes: Some(receipt), .. } => receipt.code(),
        other => panic!("no receipt: {other:?}"),
    }
}

/// What anybody gets to see, without any session.
async fn checked(site: &Site, code: &str) -> String {
    let answer = site.browser(&[]).await.get(&format!("/recu/{code}")).await;
    assert_eq!(answer.status, 200);
    answer.text()
}

#[tokio::test]
async fn r3_3_anyone_may_check_a_receipt() {
    with_site(HTTPS, everything(), |site| async move {
        site.until("09:00").await;
        let code = chosen(&site, 1, 2).await;
        let page = checked(&site, &code).await;
        for said in
            ["Ce choix est enregistré, et il compte", "rang 1, P1", "n° 2, CHU, Cardiologie", "place 1"]
        {
            assert!(page.contains(said), "{said} in {page}");
        }
        assert!(page.contains("11:00:00 (heure de Paris), pendant le tour"), "{page}");
        let pasted = format!("/recu?code=%20{}%0A", code.to_uppercase().replace(':', "%3A"));
        let answer = site.browser(&[]).await.get(&pasted).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header(header::LOCATION)),
            (303, format!("/recu/{code}").as_str())
        );
    })
    .await;
}

#[tokio::test]
async fn r3_3_whatever_is_unknown_gets_one_answer() {
    with_site(HTTPS, everything(), |site| async move {
        site.until("09:00").await;
        let code = chosen(&site, 1, 2).await;
        let parts: Vec<&str> = code.split(':').collect();
        let (seq, hash) = (parts[1], parts[2]);
        let other_hash = hash.replace(&hash[..1], if &hash[..1] == "0" { "1" } else { "0" });
        let unknown = [
            format!("{}:{seq}:{other_hash}", amphi(1)),
            format!("{}:{seq}:{hash}", amphi(2)),
            format!("{}:{seq}:{hash}", amphi(9)),
            format!("{}:1:{hash}", amphi(1)),
            format!("{}:0:{hash}", amphi(1)),
            format!("{}:{}:{hash}", amphi(1), u64::MAX),
            format!("{}:{seq}", amphi(1)),
            format!("{code}:{hash}"),
            "n’importe%20quoi".to_owned(),
            "%3Cscript%3E".to_owned(),
            "x".repeat(5_000),
        ];
        let mut answers = Vec::new();
        for code in &unknown {
            let page = checked(&site, code).await;
            assert!(page.contains("data-verdict=\"inconnu\""), "{page}");
            let (before, rest) = page.split_once("autocomplete=\"off\">").unwrap();
            let (echoed, after) = rest.split_once("</textarea>").unwrap();
            assert!(echoed.chars().count() <= 250 && !echoed.contains('<'), "{echoed}");
            answers.push(format!("{before}{after}"));
        }
        assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
        let empty = site.browser(&[]).await.get("/recu").await.text();
        assert!(!empty.contains("id=\"verdict\""));
    })
    .await;
}

#[tokio::test]
async fn r3_7_a_receipt_of_a_choice_that_was_undone_says_when_and_why() {
    with_site(HTTPS, everything(), |site| async move {
        site.until("09:00").await;
        let first = chosen(&site, 1, 1).await;
        let reason = "Erreur de saisie".to_owned();
        site.does(1, ADMINISTRATOR, Command::AnnulChoice { rank: CallRank(1), reason }).await;
        let page = checked(&site, &first).await;
        assert!(page.contains("Ce choix ne compte plus") && page.contains("data-verdict=\"arret\""));
        assert!(page.contains("a annulé ce choix") && page.contains("Motif : Erreur de saisie"), "{page}");

        let again = chosen(&site, 1, 1).await;
        let reason = "Liste erronée".to_owned();
        site.does(1, ADMINISTRATOR, Command::Rewind { to: CallRank(1), reason }).await;
        let page = checked(&site, &again).await;
        assert!(
            page.contains("revenue à un tour antérieur") && page.contains("Motif : Liste erronée"),
            "{page}"
        );

        site.does(1, ADMINISTRATOR, Command::Resume).await;
        let third = chosen(&site, 1, 1).await;
        site.does(1, ADMINISTRATOR, Command::Annul { reason: "Grève".to_owned() }).await;
        let page = checked(&site, &third).await;
        assert!(page.contains("La séance a été annulée") && page.contains("Motif : Grève"), "{page}");
        assert!(checked(&site, &first).await.contains("Motif : Erreur de saisie"), "the first reason stays");
    })
    .await;
}

#[tokio::test]
async fn r3_6_a_receipt_of_a_seat_that_was_exchanged_says_against_which() {
    with_site(HTTPS, everything(), |site| async move {
        site.until("09:00").await;
        let first = chosen(&site, 1, 1).await;
        for (when, rank) in [("09:03", 2), ("09:06", 3)] {
            site.until(when).await;
            site.does(1, scene::intern(rank), scene::pass(rank)).await;
        }
        let exchange = Command::Exchange { rank: CallRank(1), post: PostNumber(3) };
        let second = match site.does(1, scene::intern(1), exchange).await {
            Outcome::Done { receipt: Some(receipt), .. } => receipt.code(),
            other => panic!("no receipt: {other:?}"),
        };
        let page = checked(&site, &first).await;
        assert!(page.contains("a été échangée contre : n° 3") && page.contains("ne compte plus"), "{page}");
        let page = checked(&site, &second).await;
        assert!(page.contains("et il compte") && page.contains("n° 3, CHU"), "{page}");
        site.does(1, ADMINISTRATOR, Command::Close).await;
        assert!(checked(&site, &second).await.contains("Ce choix est définitif"));
    })
    .await;
}

#[tokio::test]
async fn r3_5_a_receipt_of_wishes_shows_that_version_and_whether_it_is_the_last() {
    with_site(HTTPS, everything(), |site| async move {
        let first = wishes(&site, 2, &[3, 1]).await;
        let page = checked(&site, &first).await;
        assert!(page.contains("la dernière enregistrée") && page.contains("rang 2, P2"), "{page}");
        assert!(page.contains("1. n° 3, CHU") && page.contains("2. n° 1, CHU"), "{page}");
        let second = wishes(&site, 2, &[]).await;
        assert!(checked(&site, &first).await.contains("La version 2 l’a remplacée"));
        assert!(checked(&site, &second).await.contains("la dernière enregistrée"));
    })
    .await;
}

#[tokio::test]
async fn an_entry_that_is_no_choice_is_said_to_be_one_and_nothing_more() {
    with_site(HTTPS, everything(), |site| async move {
        let entries = site.registry.journal().load(amphi(1)).await.unwrap();
        let opened = &entries[2];
        let page = checked(&site, &format!("{}:{}:{}", amphi(1), opened.seq, opened.hash)).await;
        assert!(page.contains("Écriture authentique, sans choix"), "{page}");
    })
    .await;
}
