//! The control room without JavaScript: previews, forms, dossiers, the journal, somebody added (3.7).

use amphi_engine::core::{CallRank, Command, Millis, Standing, Status};
use amphi_engine::protocol::Role;
use amphi_portal::pages::wording::duration;
use axum::http::header;

use crate::scene::{ADMINISTRATOR, amphi, at, choose, intern as by_intern, pass, setup};
use crate::site::{Browser, HTTPS, Site, command, fresh_id, path, with_site};

const CONTROL: Role = Role::Administrator;

async fn administrator(site: &Site) -> Browser<'_> {
    site.browser(&[(1, CONTROL)]).await
}

async fn looks(browser: &mut Browser<'_>, below: &str) -> String {
    let page = browser.get(&(path(1, CONTROL) + below)).await;
    assert_eq!(page.status, 200, "{below}");
    page.text()
}

/// Sends the form of the preview at `query` with this reason; gives where it leads.
async fn confirms(browser: &mut Browser<'_>, query: &str, reason: &str) -> String {
    let page = looks(browser, &format!("/apercu?{query}")).await;
    assert!(page.contains("id=\"acte-confirmer\""), "{query} cannot be confirmed: {page}");
    let id = page.split("name=\"command_id\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let mut fields: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap();
    fields.extend([("command_id".to_owned(), id), ("reason".to_owned(), reason.to_owned())]);
    let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let answer = browser.post(&(path(1, CONTROL) + "/commande"), &fields).await;
    assert_eq!(answer.status, 303);
    answer.header(header::LOCATION).to_owned()
}

async fn standing(site: &Site, rank: u16) -> Standing {
    site.room(1).await.read(|ledger| ledger.amphi().standing(CallRank(rank)).unwrap())
}

/// Ranks 1 and 2 have chosen, rank 3 is in turn.
async fn under_way(site: &Site) {
    site.until("09:00").await;
    site.does(1, by_intern(1), choose(1, 1)).await;
    site.until("09:03").await;
    site.does(1, by_intern(2), choose(2, 2)).await;
    site.until("09:06").await;
}

#[tokio::test]
async fn r3_7_a_preview_says_whom_an_act_touches_and_changes_nothing() {
    with_site(HTTPS, setup(5, &[2, 2, 2]), |site| async move {
        under_way(&site).await;
        let before = site.positions().await;
        let mut browser = administrator(&site).await;
        let rewind = looks(&mut browser, "/apercu?action=rewind&rank=2").await;
        for said in [
            "NOM2",
            "NOM3",
            "Un choix est défait.",
            "Séance : En cours, puis Suspendue.",
            "cela ne se défait pas",
        ] {
            assert!(rewind.contains(said), "« {said} » is not in: {rewind}");
        }
        assert!(!rewind.contains("NOM1") && !rewind.contains("NOM4"), "they are not touched: {rewind}");
        let later = looks(&mut browser, "/apercu?action=rewind&rank=5").await;
        assert!(later.contains("n’a pas encore été appelé") && !later.contains("acte-confirmer"));
        let telephone = looks(&mut browser, "/apercu?action=choose_for&rank=3").await;
        assert!(telephone.contains("Choisissez d’abord le poste") && !telephone.contains("acte-confirmer"));
        for (query, status) in [("action=rewind&rank=x", 400), ("action=tick", 404), ("", 404)] {
            let answer = browser.get(&format!("{}/apercu?{query}", path(1, CONTROL))).await;
            assert_eq!(answer.status, status, "{query}");
        }
        assert_eq!(site.positions().await, before);
    })
    .await;
}

#[tokio::test]
async fn a7_a_preview_says_how_the_expected_times_move() {
    with_site(HTTPS, setup(5, &[2, 2, 2]), |site| async move {
        // Two turns that used their whole time: so will the next, as far as anybody knows.
        for when in ["09:00", "09:03:02", "09:06:04"] {
            site.until(when).await;
        }
        let mut browser = administrator(&site).await;
        let extended = looks(&mut browser, "/apercu?action=extend&rank=3&by=120000").await;
        let extend =
            Command::Extend { rank: CallRank(3), by: Millis::from_minutes(2), reason: "aperçu".to_owned() };
        let amphi = site.room(1).await.read(|ledger| ledger.amphi().clone());
        let moves = amphi.preview(ADMINISTRATOR, &extend, at("09:06:04").into()).unwrap().moves_others_by;
        assert!(moves > Millis::from_secs(30));
        let said = format!("reculent de {} au plus", duration(moves));
        assert!(extended.contains(&said), "{said}: {extended}");
        let suspended = looks(&mut browser, "/apercu?action=suspend").await;
        assert!(
            suspended.contains("ne bougent pas") && suspended.contains("Personne ne change de situation.")
        );
    })
    .await;
}

#[tokio::test]
async fn r3_7_every_act_of_a_session_goes_by_form_with_its_reason() {
    with_site(HTTPS, setup(5, &[2, 2, 2]), |site| async move {
        under_way(&site).await;
        let mut browser = administrator(&site).await;
        let done = "resultat=fait";
        assert!(
            confirms(&mut browser, "action=extend&rank=3&by=60000", "Panne de son poste")
                .await
                .contains(done)
        );
        let longer = site.room(1).await.read(|ledger| ledger.amphi().turn().unwrap().extended_by);
        assert_eq!(longer.0, 60_000);
        assert!(
            confirms(&mut browser, "action=choose_for&rank=3&post=3", "Au téléphone").await.contains(done)
        );
        assert!(matches!(standing(&site, 3).await, Standing::Placed { .. }));
        assert!(
            confirms(&mut browser, "action=annul_choice&rank=1", "Erreur de saisie").await.contains(done)
        );
        assert!(matches!(standing(&site, 1).await, Standing::Late { .. }));
        assert!(confirms(&mut browser, "action=rewind&rank=2", "Rang 2 mal placé").await.contains(done));
        assert_eq!(standing(&site, 2).await, Standing::Waiting);
        assert!(
            confirms(&mut browser, "action=explain_suspension", "Vérification en cours").await.contains(done)
        );
        assert!(confirms(&mut browser, "action=withdraw&rank=5", "Démission").await.contains(done));
        // Without a reason nothing is done.
        let refused = confirms(&mut browser, "action=withdraw&rank=4", " ").await;
        assert!(refused.contains("refus-reason_needed"), "{refused}");
        let journal = looks(&mut browser, "/journal").await;
        for reason in
            ["Panne de son poste", "Au téléphone", "Erreur de saisie", "Rang 2 mal placé", "Démission"]
        {
            assert!(journal.contains(reason), "{reason} is not in the journal");
        }
        let dossier = looks(&mut browser, "/rang/3").await;
        for said in ["NOM3", "06 00 00 00 03", "Au téléphone", "choix défait à", "Retour au tour du rang 2"]
        {
            assert!(dossier.contains(said), "« {said} » is not in: {dossier}");
        }
        let newest = journal.split("data-seq=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        let since = looks(&mut browser, &format!("/journal?depuis={newest}")).await;
        assert_eq!(since.matches("data-seq").count(), 0, "nothing is new");
    })
    .await;
}

#[tokio::test]
async fn r3_3_who_never_chose_is_listed_and_assigned_before_and_after_the_end() {
    with_site(HTTPS, setup(3, &[1, 2]), |site| async move {
        for (rank, when) in [(1, "09:00"), (2, "09:03"), (3, "09:06")] {
            site.until(when).await;
            site.does(1, by_intern(rank), pass(rank)).await;
        }
        let mut browser = administrator(&site).await;
        let listed = |page: &str| {
            let list =
                page.split("id=\"non-choisis\"").nth(1).unwrap().split("</ul>").next().unwrap().to_owned();
            list.matches("data-acte=\"assign\"").count()
        };
        assert_eq!(listed(&looks(&mut browser, "").await), 3);
        let assigned =
            confirms(&mut browser, "action=assign&rank=2&post=1", "Seul poste restant à Cardiologie").await;
        assert!(assigned.contains("resultat=fait"));
        assert!(confirms(&mut browser, "action=close", "").await.contains("resultat=fait"));
        assert_eq!(listed(&looks(&mut browser, "").await), 2, "after the end, too");
        assert!(
            confirms(&mut browser, "action=assign&rank=3&post=2", "Sans réponse")
                .await
                .contains("resultat=fait")
        );
        let status = site.room(1).await.read(|ledger| ledger.amphi().status().clone());
        assert_eq!(status, Status::Closed);
        assert!(matches!(standing(&site, 3).await, Standing::Placed { .. }));
        assert!(matches!(standing(&site, 1).await, Standing::Late { .. }), "nobody is assigned silently");
    })
    .await;
}

fn added<'a>(id: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut fields = command(id, "add", more);
    fields.extend([
        ("prenom", "Ada"),
        ("email", "ada.ajout@exemple.fr"),
        ("telephone", "06 11 11 11 11"),
        ("semestres_valides", "2"),
        ("annee_concours", "2025"),
        ("rang_national", "12"),
        ("effectif_promotion", "9000"),
        ("surnombre", "non validant"),
        ("reason", "Oubli de la liste"),
    ]);
    fields
}

#[tokio::test]
async fn r3_7_somebody_is_added_once_and_their_name_survives_a_crash_in_between() {
    with_site(HTTPS, setup(3, &[2, 2]), |site| async move {
        site.until("09:00").await;
        let mut browser = administrator(&site).await;
        let form = path(1, CONTROL) + "/ajouter";
        let before = site.positions().await;
        let id = fresh_id().to_string();
        // What is wrong is said beside the field, and what was typed is kept.
        let wrong = browser.post(&form, &added(&id, &[("nom", "1234")])).await;
        assert_eq!((wrong.status.as_u16(), site.positions().await), (200, before));
        let wrong = wrong.text();
        assert!(wrong.contains("faute-nom") && wrong.contains("ada.ajout@exemple.fr"), "{wrong}");

        // Sent twice, they are added once.
        for _ in 0..2 {
            let answer = browser.post(&form, &added(&id, &[("nom", "AJOUT")])).await;
            assert!(answer.header(header::LOCATION).contains("resultat=fait"), "{answer:?}");
        }
        let room = site.room(1).await;
        let listed = room.read(|ledger| ledger.amphi().setup().unwrap().participants.clone());
        assert_eq!(listed.len(), 4);
        assert!(listed[3].supernumerary.is_some());
        assert_eq!(standing(&site, 4).await, Standing::Waiting);
        assert!(looks(&mut browser, "").await.contains("AJOUT"));
        // Again by another form: they are on the list.
        let again = fresh_id().to_string();
        let answer = browser.post(&form, &added(&again, &[("nom", "AJOUT")])).await;
        assert!(answer.header(header::LOCATION).contains("refus-already_listed"));

        // A crash after the journal and before the roster: the next look puts the name back.
        sqlx::query("DELETE FROM roster WHERE call_rank = 4").execute(&site.pool).await.unwrap();
        assert!(looks(&mut browser, "").await.contains("AJOUT"));
        let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM roster WHERE call_rank = 4")
            .fetch_one(&site.pool)
            .await
            .unwrap();
        assert_eq!(kept, 1);
        // The rank is theirs: a link to it opens their page.
        let mut ada = site.browser(&[(1, crate::site::intern(4))]).await;
        assert_eq!(ada.get(&path(1, crate::site::intern(4))).await.status, 200);
        site.does(1, ADMINISTRATOR, Command::Suspend { reason: "Fin".to_owned() }).await;
    })
    .await;
}

#[tokio::test]
async fn p7_who_adds_somebody_of_another_amphi_does_not_rename_them() {
    with_site(HTTPS, setup(3, &[2, 2]), |site| async move {
        let person = async || -> (uuid::Uuid, String, String, String, Option<String>) {
            sqlx::query_as(
                "SELECT i.id, i.email, i.last_name, i.first_name, i.phone FROM interns i
                 JOIN roster r ON r.intern_id = i.id WHERE r.amphi_id = $1 AND r.call_rank = 1",
            )
            .bind(amphi(2).0)
            .fetch_one(&site.pool)
            .await
            .unwrap()
        };
        let before = person().await;
        let mut browser = administrator(&site).await;
        let form = path(1, CONTROL) + "/ajouter";
        let fields = [("email", before.1.as_str()), ("nom", "AUTRE"), ("telephone", "07 00 00 00 00")];
        let mute = [&fields[..], &[("reason", " ")][..]].concat();
        let refused = browser.post(&form, &added(&fresh_id().to_string(), &mute)).await;
        assert!(refused.header(header::LOCATION).contains("refus-reason_needed"), "{refused:?}");
        assert_eq!(person().await, before);
        let done = browser.post(&form, &added(&fresh_id().to_string(), &fields)).await;
        assert!(done.header(header::LOCATION).contains("resultat=fait"), "{done:?}");
        assert_eq!(person().await, before);
        // It is they who were added, under the name they have.
        let listed = site.room(1).await.read(|ledger| ledger.amphi().setup().unwrap().participants[3].intern);
        assert_eq!(listed.0, before.0);
        assert!(!looks(&mut browser, "").await.contains("AUTRE"));
    })
    .await;
}
