//! Wishes, safety net, extra seats, exchange and undone choices through the routes, without JavaScript
//! (3.3, 3.5, 3.6, 3.7).

use amphi_engine::core::{CallRank, Command, LatePolicy, PostNumber, Supernumerary};
use axum::http::header;

use crate::scene::{self, ADMINISTRATOR, setup};
use crate::site::{Answer, Browser, HTTP, fresh_id, intern, path, with_site};

async fn acts(browser: &mut Browser<'_>, address: &str, more: &[(&str, &str)]) -> Answer {
    let id = fresh_id().to_string();
    let mut fields = vec![("command_id", id.as_str())];
    fields.extend_from_slice(more);
    browser.post(address, &fields).await
}

#[tokio::test]
async fn r3_5_wishes_are_set_with_a_form_and_committed_by_the_net() {
    let mut setup = setup(3, &[1, 1, 2]);
    setup.policies.safety_net = true;
    with_site(HTTP, setup, |site| async move {
        let mut browser = site.browser(&[(1, intern(2))]).await;
        let own = path(1, intern(2));
        let form = browser.get(&format!("{own}/voeux")).await.text();
        assert!(form.contains("Rien n’est encore enregistré.") && form.contains("2 secondes de tolérance"));
        let save = format!("{own}/voeux/enregistrer");
        let twice = [("p1", "1"), ("p2", "2"), ("safety_net", "if_absent"), ("p3", "")];
        let saved = acts(&mut browser, &save, &twice).await;
        assert_eq!(saved.header(header::LOCATION), format!("{own}/voeux?resultat=fait"));
        let other_order = [("p1", "2"), ("p2", "1"), ("safety_net", "at_expiry")];
        acts(&mut browser, &save, &other_order).await;
        let page = browser.get(&format!("{own}/voeux?resultat=fait")).await.text();
        assert!(
            page.contains("Version 2 enregistrée") && page.contains("Vos vœux sont enregistrés."),
            "{page}"
        );
        let receipt = site.room(1).await.read(|ledger| ledger.me(CallRank(2))).unwrap().wishes.unwrap();
        assert_eq!(receipt.wishes, [PostNumber(2), PostNumber(1)]);
        let main = browser.get(&own).await.text();
        assert!(main.contains(&receipt.code()) && main.contains("data-version=\"2\""));
        let place = |post: u16| main.find(&format!("<li data-poste=\"{post}\"")).unwrap();
        assert!(place(2) < place(1) && place(1) < place(3), "my wishes come first");
        for wrong in [[("p9", "1")], [("p1", "un")]] {
            let refused = acts(&mut browser, &save, &wrong).await;
            assert!(refused.status == 400 || refused.header(header::LOCATION).contains("refus-unknown_post"));
        }

        // The first wish is taken; the turn of rank 2 expires; the net takes the second.
        site.until("09:00").await;
        site.does(1, scene::intern(1), scene::choose(1, 2)).await;
        site.until("09:03").await;
        site.until("09:06:01").await;
        assert!(browser.get(&own).await.text().contains("data-etat=\"tour\""), "not in the grace");
        site.until("09:06:03").await;
        let placed = browser.get(&own).await.text().replace('\u{a0}', " ");
        assert!(placed.contains("filet de sécurité a retenu votre vœu n° 2"), "{placed}");
        assert!(!placed.contains("id=\"voeux\""), "nothing to wish for any more");
        let over = browser.get(&format!("{own}/voeux")).await.text();
        assert!(over.contains("ne peuvent plus être changés"));
    })
    .await;
}

#[tokio::test]
async fn r3_5_an_amphi_without_a_net_offers_none() {
    with_site(HTTP, setup(2, &[2, 2]), |site| async move {
        let mut browser = site.browser(&[(1, intern(2))]).await;
        let own = path(1, intern(2));
        assert!(!browser.get(&own).await.text().contains("id=\"filet\""));
        let net = [("p1", "1"), ("safety_net", "at_expiry")];
        let refused = acts(&mut browser, &format!("{own}/voeux/enregistrer"), &net).await;
        assert!(refused.header(header::LOCATION).ends_with("resultat=refus-safety_net_off"));
        assert!(
            browser.get(refused.header(header::LOCATION)).await.text().contains("pas de filet de sécurité")
        );
    })
    .await;
}

#[tokio::test]
async fn r3_3_an_extra_seat_is_offered_to_whoever_has_the_right() {
    let mut setup = setup(3, &[1, 2]);
    setup.participants[1].supernumerary = Some(Supernumerary::NonValidating);
    setup.participants[2].supernumerary = Some(Supernumerary::Validating);
    setup.posts[1].imotep = "750000002".to_owned();
    with_site(HTTP, setup, |site| async move {
        site.until("09:00").await;
        site.does(1, scene::intern(1), scene::choose(1, 1)).await;
        site.until("09:03").await;
        let mut browser = site.browser(&[(1, intern(2))]).await;
        let own = path(1, intern(2));
        let full = browser.get(&format!("{own}/choisir/1")).await.text();
        assert!(
            full.contains("name=\"supernumerary\" value=\"true\"") && full.contains("non validant"),
            "{full}"
        );
        let choice = [("action", "choose"), ("post", "1"), ("supernumerary", "true")];
        let chosen = acts(&mut browser, &format!("{own}/commande"), &choice).await;
        assert!(chosen.header(header::LOCATION).contains("resultat=fait"), "{chosen:?}");
        assert!(browser.get(&own).await.text().contains("Choix définitif en surnombre"));
        assert!(browser.get(&format!("{own}/recu")).await.text().contains("en surnombre"));

        site.until("09:06").await;
        let mut browser = site.browser(&[(1, intern(3))]).await;
        let own = path(1, intern(3));
        let full = browser.get(&format!("{own}/choisir/1")).await.text();
        assert!(full.contains("Ce choix n’est pas possible"), "a validating one needs a free post");
        let free = browser.get(&format!("{own}/choisir/2")).await.text();
        assert!(free.contains("id=\"surnombre\"") && free.contains("le semestre compte"));
    })
    .await;
}

#[tokio::test]
async fn r3_6_in_the_vacancy_round_seats_are_exchanged() {
    let mut setup = setup(1, &[1, 2]);
    setup.policies.vacancy_round = true;
    with_site(HTTP, setup, |site| async move {
        site.until("09:00").await;
        site.does(1, scene::intern(1), scene::choose(1, 1)).await;
        let mut browser = site.browser(&[(1, intern(1))]).await;
        let own = path(1, intern(1));
        let page = browser.get(&own).await.text();
        assert!(page.contains("data-choix=\"echange\"") && page.contains("Vous pouvez échanger votre poste"));
        let confirmation = browser.get(&format!("{own}/choisir/2")).await.text();
        assert!(
            confirmation.contains("Vous quittez votre poste actuel")
                && confirmation.contains("value=\"exchange\"")
        );
        let done =
            acts(&mut browser, &format!("{own}/commande"), &[("action", "exchange"), ("post", "2")]).await;
        let page = browser.get(done.header(header::LOCATION)).await.text();
        assert!(page.contains("L’échange est enregistré") && page.contains("par échange"), "{page}");
    })
    .await;
}

#[tokio::test]
async fn r3_7_whoever_loses_a_choice_is_told_why_and_what_to_do() {
    with_site(HTTP, setup(2, &[1, 2]), |site| async move {
        site.until("09:00").await;
        site.does(1, scene::intern(1), scene::choose(1, 1)).await;
        let reason = "Erreur de <poste>".to_owned();
        site.does(1, ADMINISTRATOR, Command::AnnulChoice { rank: CallRank(1), reason }).await;
        let page = site.browser(&[(1, intern(1))]).await.get(&path(1, intern(1))).await.text();
        let notice = page.split("id=\"defait\"").nth(1).unwrap().split("</div>").next().unwrap();
        assert!(!notice.contains("hidden"), "{notice}");
        for said in ["Votre choix ne compte plus", "Erreur de &#60;poste&#62;", "postes qui restent"] {
            assert!(notice.contains(said), "{said} is not in {notice}");
        }
    })
    .await;
}

#[tokio::test]
async fn r3_6_r3_7_under_forfeit_a_choice_undone_is_made_again_and_a_turn_let_go_by_is_lost() {
    let mut setup = setup(3, &[2, 2]);
    setup.policies.late = LatePolicy::Forfeit;
    with_site(HTTP, setup, |site| async move {
        site.until("09:00").await;
        site.does(1, scene::intern(1), scene::choose(1, 1)).await;
        site.until("09:03").await;
        site.does(1, scene::intern(2), scene::pass(2)).await;
        let reason = "Erreur de saisie".to_owned();
        site.does(1, ADMINISTRATOR, Command::AnnulChoice { rank: CallRank(1), reason }).await;
        let choice = [("action", "choose"), ("post", "1")];

        let (mut passed, own) = (site.browser(&[(1, intern(2))]).await, path(1, intern(2)));
        assert!(passed.get(&own).await.text().contains("data-choix=\"non\""));
        let refused = acts(&mut passed, &format!("{own}/commande"), &choice).await;
        let page = passed.get(refused.header(header::LOCATION)).await.text();
        assert!(page.contains("data-code=\"turn_forfeited\""), "{page}");

        let (mut undone, own) = (site.browser(&[(1, intern(1))]).await, path(1, intern(1)));
        assert!(undone.get(&own).await.text().contains("data-choix=\"oui\""));
        let confirmation = undone.get(&format!("{own}/choisir/1")).await.text();
        assert!(confirmation.contains("name=\"action\" value=\"choose\""), "{confirmation}");
        let chosen = acts(&mut undone, &format!("{own}/commande"), &choice).await;
        let page = undone.get(chosen.header(header::LOCATION)).await.text();
        assert!(page.contains("data-resultat=\"fait\"") && page.contains("data-etat=\"place\""), "{page}");
    })
    .await;
}
