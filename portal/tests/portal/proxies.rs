//! The whole life of a proxy through the routes (A5, 3.4): given, confirmed, documented, used, revoked,
//! reverted; and what a crash half way leaves.

use std::sync::Arc;

use amphi_engine::core::policies::ProxyPolicy;
use amphi_engine::core::{CallRank, Command, ProxyId, Setup};
use amphi_engine::journal::PostgresJournal;
use amphi_engine::protocol::Role;
use amphi_engine::registry::Registry;
use axum::body::Body;
use axum::http::{Method, header};
use uuid::Uuid;

use crate::scene::{self, NOVEMBER, amphi, at, setup};
use crate::site::{Answer, Browser, HTTP, Site, fresh_id, intern, path, with_site};

const HOLDER: [(&str, &str); 4] = [
    ("name", "Camille Roux"),
    ("email", "Camille.Roux@exemple.fr"),
    ("phone", "06 12 34 56 78"),
    ("instructions", "D’abord Lille.\nSinon <Douai>."),
];
pub const PDF: &[u8] = b"%PDF-1.7\n1 0 obj\n";

pub fn with_proxies(policy: ProxyPolicy) -> Setup {
    let mut setup = setup(3, &[2, 2]);
    setup.policies.proxies = policy;
    setup
}

fn mandate(rank: u16) -> String {
    format!("/amphi/{}/mandat/{rank}", amphi(1))
}

async fn mails(site: &Site, kind: &str) -> Vec<(String, String)> {
    sqlx::query_as("SELECT recipient, body_text FROM outbox WHERE kind = $1 ORDER BY id")
        .bind(kind)
        .fetch_all(&site.pool)
        .await
        .unwrap()
}

/// The path of the link in the last mail.
async fn link(site: &Site) -> String {
    let (_, text) = mails(site, "proxy_given").await.pop().unwrap();
    let from = text.find("/procuration/").unwrap();
    text[from..].split_whitespace().next().unwrap().to_owned()
}

/// The code in the last mail.
async fn code(site: &Site) -> String {
    let (_, text) = mails(site, "proxy_code").await.pop().unwrap();
    let is_code = |word: &&str| word.len() == 6 && word.bytes().all(|byte| byte.is_ascii_digit());
    text.split_whitespace().find(is_code).unwrap().to_owned()
}

pub async fn gives(browser: &mut Browser<'_>, rank: u16, id: Uuid) -> Answer {
    let id = id.to_string();
    let mut fields = vec![("command_id", id.as_str())];
    fields.extend(HOLDER);
    browser.post(&(path(1, intern(rank)) + "/procuration/donner"), &fields).await
}

async fn acts(browser: &mut Browser<'_>, address: &str, more: &[(&str, &str)]) -> Answer {
    let id = fresh_id().to_string();
    let mut fields = vec![("command_id", id.as_str())];
    fields.extend_from_slice(more);
    browser.post(address, &fields).await
}

/// As if a minute had gone by since the last mail.
async fn a_minute_later(site: &Site) {
    let statement = "UPDATE proxies SET code_sent_at = code_sent_at - interval '61 seconds',
                            link_sent_at = link_sent_at - interval '61 seconds',
                            created_at = created_at - interval '61 seconds'";
    sqlx::query(statement).execute(&site.pool).await.unwrap();
}

/// Opens the link of the last mail, asks for a code, shows it.
pub async fn enters(site: &Site, browser: &mut Browser<'_>) -> String {
    let link = link(site).await;
    assert_eq!(browser.post(&format!("{link}/code"), &[]).await.status, 303);
    let entered = browser.post(&format!("{link}/confirmer"), &[("code", &code(site).await)]).await;
    assert_eq!(entered.status, 303);
    entered.header(header::LOCATION).to_owned()
}

/// A browser with the door of whoever holds the proxy of `rank`, given for it.
pub async fn represented(site: &Site, rank: u16) -> ProxyId {
    let proxy = ProxyId(Uuid::new_v4());
    sqlx::query(
        "INSERT INTO proxies (id, amphi_id, call_rank, holder_name, holder_email, holder_phone, instructions)
         VALUES ($1, $2, $3, 'Camille Roux', 'camille@exemple.fr', '0612345678', '')",
    )
    .bind(proxy.0)
    .bind(amphi(1).0)
    .bind(i32::from(rank))
    .execute(&site.pool)
    .await
    .unwrap();
    site.does(1, scene::intern(rank), Command::GiveProxy { rank: CallRank(rank), proxy }).await;
    proxy
}

fn form_with_file(browser: &Browser<'_>, address: &str, id: &str, bytes: &[u8]) -> axum::http::Request<Body> {
    let mut body = Vec::new();
    body.extend_from_slice(b"--limite\r\nContent-Disposition: form-data; name=\"command_id\"\r\n\r\n");
    body.extend_from_slice(id.as_bytes());
    body.extend_from_slice(
        b"\r\n--limite\r\nContent-Disposition: form-data; name=\"document\"; filename=\"x.exe\"\r\n\
          Content-Type: text/html\r\n\r\n",
    );
    body.extend_from_slice(bytes);
    body.extend_from_slice(b"\r\n--limite--\r\n");
    browser
        .request(Method::POST, address)
        .header(header::ORIGIN, HTTP)
        .header(header::CONTENT_TYPE, "multipart/form-data; boundary=limite")
        .body(Body::from(body))
        .unwrap()
}

pub async fn files(browser: &mut Browser<'_>, rank: u16, bytes: &[u8]) -> Answer {
    let request = form_with_file(browser, &(mandate(rank) + "/document"), &fresh_id().to_string(), bytes);
    browser.sends(request).await
}

#[tokio::test]
async fn a5_r3_4_a_proxy_from_the_form_to_the_receipt() {
    with_site(HTTP, with_proxies(ProxyPolicy::WithDocument), |site| async move {
        site.until("09:00").await;
        let (mut principal, mut holder) = (site.browser(&[(1, intern(2))]).await, site.browser(&[]).await);
        let own = path(1, intern(2));
        assert!(principal.get(&own).await.text().contains("donner procuration"));
        let form = principal.get(&format!("{own}/procuration")).await.text();
        assert!(form.contains("recueille ces renseignements") && form.contains("12 mois"), "{form}");

        // What is wrong is said at each field; nothing is given by looking.
        let wrong = [("name", " "), ("email", "camille"), ("phone", "demain"), ("instructions", "")];
        let wrong = acts(&mut principal, &format!("{own}/procuration/verifier"), &wrong).await.text();
        assert_eq!(wrong.matches("class=\"erreur\"").count(), 3, "{wrong}");
        let preview = acts(&mut principal, &format!("{own}/procuration/verifier"), &HOLDER).await.text();
        assert!(preview.contains("Ce qui va se passer") && preview.contains("signée de votre main"));
        assert!(
            preview.contains("Sinon &#60;Douai&#62;") || preview.contains("Sinon &lt;Douai&gt;"),
            "{preview}"
        );
        assert!(mails(&site, "proxy_given").await.is_empty());

        // Given once, whatever the number of times the form is sent.
        let id = Uuid::new_v4();
        for _ in 0..2 {
            let given = gives(&mut principal, 2, id).await;
            assert!(given.header(header::LOCATION).ends_with("resultat=fait&acte=donner"), "{given:?}");
        }
        let sent = mails(&site, "proxy_given").await;
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].0, "camille.roux@exemple.fr");
        assert!(sent[0].1.contains("D’abord Lille."));
        let again = gives(&mut principal, 2, Uuid::new_v4()).await;
        assert!(again.header(header::LOCATION).contains("refus-proxy_already_given"), "one at a time");
        let state = principal.get(&format!("{own}/procuration")).await.text();
        for said in ["data-etat=\"revocable\"", "Lien envoyé par courriel", "Pas encore confirmée"] {
            assert!(state.contains(said), "{said} is not in {state}");
        }

        // The link asks for a code; opening it sends nothing.
        let address = link(&site).await;
        let asks = holder.get(&address).await.text();
        assert!(asks.contains("c•••@exemple.fr") && !asks.contains("Se déconnecter"), "{asks}");
        assert!(mails(&site, "proxy_code").await.is_empty());
        assert_eq!(holder.get(&mandate(2)).await.status, 401, "the link alone opens nothing");
        let page = enters(&site, &mut holder).await;
        assert_eq!(page, mandate(2));
        let home = holder.get("/").await.text();
        assert!(home.contains("procuration de") && home.contains(&format!("href=\"{page}\"")), "{home}");

        // The document first, and only a real one.
        site.until("09:03:02").await;
        assert!(holder.get(&page).await.text().contains("D’abord, le document signé"));
        let choose = [("action", "choose"), ("post", "1")];
        let refused = acts(&mut holder, &format!("{page}/commande"), &choose).await;
        assert!(refused.header(header::LOCATION).contains("refus-document_missing"));
        let not_it = files(&mut holder, 2, b"<html><script>alert(1)</script>").await;
        assert_eq!(not_it.header(header::LOCATION), format!("{page}?document=nature"));
        let filed = files(&mut holder, 2, PDF).await;
        assert_eq!(filed.header(header::LOCATION), format!("{page}?resultat=fait&acte=document"));

        // From the opening of the turn on, the holder alone acts; both see it.
        let watching = principal.get(&own).await.text();
        assert!(watching.contains("data-etat=\"represente\"") && watching.contains("data-choix=\"non\""));
        let kept_out = acts(&mut principal, &format!("{own}/commande"), &choose).await;
        assert!(kept_out.header(header::LOCATION).contains("refus-proxy_active"));
        let late = acts(&mut principal, &format!("{own}/procuration/revoquer"), &[]).await;
        assert!(late.header(header::LOCATION).contains("refus-proxy_too_late"));
        let ready = holder.get(&page).await.text();
        assert!(ready.contains("data-choix=\"oui\"") && ready.contains("Vous choisissez pour"), "{ready}");
        let chosen = acts(&mut holder, &format!("{page}/commande"), &choose).await;
        assert!(chosen.header(header::LOCATION).contains("resultat=fait"));
        for (browser, own) in [(&mut principal, &own), (&mut holder, &page)] {
            let text = browser.get(own).await.text();
            assert!(text.contains("data-etat=\"place\""));
            assert_eq!(browser.get(&format!("{own}/recu")).await.status, 200);
        }
        assert_eq!(site.browser(&[]).await.get(&address).await.status, 410, "the link has served");
        assert!(mails(&site, "proxy_ended").await.is_empty(), "who has chosen knows");

        // What administrators see; the document is saved, never shown.
        let mut administrator = site.browser(&[(1, Role::Administrator)]).await;
        let dossier = path(1, Role::Administrator) + "/procuration/2";
        let text = administrator.get(&dossier).await.text();
        assert!(text.contains("Camille Roux") && text.contains("06 12 34 56 78") && text.contains("PDF"));
        let document = administrator.get(&format!("{dossier}/document")).await;
        assert_eq!(document.body, PDF);
        assert_eq!(document.header(header::CONTENT_TYPE), "application/pdf");
        assert!(document.header(header::CONTENT_DISPOSITION).starts_with("attachment; filename="));
        assert!(document.header(header::CONTENT_SECURITY_POLICY).contains("sandbox"));
        assert_eq!(document.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
    })
    .await;
}

#[tokio::test]
async fn r3_4_a_revoked_proxy_opens_nothing_any_more() {
    with_site(HTTP, with_proxies(ProxyPolicy::On), |site| async move {
        site.until("09:00").await;
        let (mut principal, mut holder) = (site.browser(&[(1, intern(2))]).await, site.browser(&[]).await);
        gives(&mut principal, 2, Uuid::new_v4()).await;
        let page = enters(&site, &mut holder).await;
        let address = link(&site).await;
        let revoke = path(1, intern(2)) + "/procuration/revoquer";
        let revoked = acts(&mut principal, &revoke, &[]).await;
        assert!(revoked.header(header::LOCATION).ends_with("resultat=fait&acte=revoquer"), "{revoked:?}");
        assert_eq!(holder.get(&page).await.status, 410);
        assert_eq!(acts(&mut holder, &format!("{page}/commande"), &[("action", "pass")]).await.status, 410);
        assert_eq!(holder.get(&address).await.status, 401, "the link is forgotten");
        assert!(!holder.get("/").await.text().contains("procuration de"));
        let ended = mails(&site, "proxy_ended").await;
        assert_eq!(ended.len(), 1);
        assert!(ended[0].1.contains("a repris sa procuration"));
        site.portal.follow_proxies().await.unwrap();
        assert_eq!(mails(&site, "proxy_ended").await.len(), 1, "told once");

        // A new one is another one: the old door stays shut, the new link opens.
        gives(&mut principal, 2, Uuid::new_v4()).await;
        assert_eq!(holder.get(&page).await.status, 410);
        assert_eq!(enters(&site, &mut holder).await, page);
        assert_eq!(holder.get(&page).await.status, 200);

        // An administrator ends it at any time, with a reason that the holder is told.
        site.until("09:03:02").await;
        let mut administrator = site.browser(&[(1, Role::Administrator)]).await;
        let end = path(1, Role::Administrator) + "/procuration/2/fin";
        let mute = acts(&mut administrator, &end, &[("reason", " ")]).await;
        assert!(mute.header(header::LOCATION).ends_with("refus-reason_needed"));
        let reverted = acts(&mut administrator, &end, &[("reason", "L’interne est présente")]).await;
        assert!(reverted.header(header::LOCATION).ends_with("resultat=fait"), "{reverted:?}");
        assert_eq!(holder.get(&page).await.status, 410);
        let ended = mails(&site, "proxy_ended").await;
        assert!(ended[1].1.contains("L’interne est présente"), "{ended:?}");
        let own = acts(&mut principal, &(path(1, intern(2)) + "/commande"), &[("action", "pass")]).await;
        assert!(own.header(header::LOCATION).contains("resultat=fait"), "the intern acts again");
    })
    .await;
}

#[tokio::test]
async fn r3_4_a_crash_half_way_leaves_nothing_wrong() {
    with_site(HTTP, with_proxies(ProxyPolicy::On), |site| async move {
        let insert = |id: Uuid, rank: i32| {
            sqlx::query(
                "INSERT INTO proxies (id, amphi_id, call_rank, holder_name, holder_email, holder_phone, instructions)
                 VALUES ($1, $2, $3, 'Camille Roux', 'camille@exemple.fr', '0612345678', '')",
            )
            .bind(id)
            .bind(amphi(1).0)
            .bind(rank)
            .execute(&site.pool)
        };
        let count = || async {
            sqlx::query_scalar::<_, i64>("SELECT count(*) FROM proxies").fetch_one(&site.pool).await.unwrap()
        };
        // After the row: nobody was told, and it is forgotten once nobody can be at it any more.
        insert(Uuid::new_v4(), 2).await.unwrap();
        site.portal.follow_proxies().await.unwrap();
        assert_eq!(count().await, 1, "whoever wrote it may still be at it");
        a_minute_later(&site).await;
        site.portal.follow_proxies().await.unwrap();
        assert_eq!(count().await, 0);
        assert!(mails(&site, "proxy_given").await.is_empty() && mails(&site, "proxy_ended").await.is_empty());

        // After the room: the link is made and sent then, once.
        let id = Uuid::new_v4();
        insert(id, 2).await.unwrap();
        site.does(1, scene::intern(2), Command::GiveProxy { rank: CallRank(2), proxy: ProxyId(id) }).await;
        for _ in 0..2 {
            site.portal.follow_proxies().await.unwrap();
        }
        assert_eq!(mails(&site, "proxy_given").await.len(), 1);
        assert_eq!(enters(&site, &mut site.browser(&[]).await).await, mandate(2));
        // The form, sent again after the crash, finds everything done.
        let mut principal = site.browser(&[(1, intern(2))]).await;
        let again = gives(&mut principal, 2, id).await;
        assert!(again.status == 303 && mails(&site, "proxy_given").await.len() == 1);
        // The end of the session ends it in the table, too.
        site.does(1, scene::ADMINISTRATOR, Command::Annul { reason: "Panne".to_owned() }).await;
        site.portal.follow_proxies().await.unwrap();
        assert!(mails(&site, "proxy_ended").await[0].1.contains("La séance est annulée."));
    })
    .await;
}

#[tokio::test]
async fn r3_4_an_amphi_or_a_proxy_that_cannot_be_followed_holds_up_no_other() {
    with_site(HTTP, with_proxies(ProxyPolicy::On), |site| async move {
        let (foreign, damaged, sound) = (7, 8, 9);
        // In the order of their amphis: one that another server has, one whose journal cannot be read, one in service.
        let journal = PostgresJournal::start(site.pool.clone(), at("08:00")).await.unwrap();
        let elsewhere = Registry::new(journal, Arc::new(site.clock.clone()));
        elsewhere.create(amphi(foreign), "Ailleurs", NOVEMBER).await.unwrap();
        sqlx::query(
            "WITH amphi AS (INSERT INTO amphis (id, title, period) VALUES ($1, 'Illisible', '2027-11') RETURNING id)
             INSERT INTO events (amphi_id, seq, epoch, at_ms, actor, payload, hash)
             SELECT id, 1, 1, 0, 'engine', '{}', sha256('') FROM amphi",
        )
        .bind(amphi(damaged).0)
        .execute(&site.pool)
        .await
        .unwrap();
        site.publishes(sound, with_proxies(ProxyPolicy::On)).await;
        for (number, rank) in [(foreign, 2), (damaged, 2), (sound, 2), (sound, 3)] {
            let proxy = Uuid::new_v4();
            sqlx::query(
                "INSERT INTO proxies (id, amphi_id, call_rank, holder_name, holder_email, holder_phone, instructions)
                 VALUES ($1, $2, $3, 'Camille Roux', $4, '0612345678', '')",
            )
            .bind(proxy)
            .bind(amphi(number).0)
            .bind(i32::from(rank))
            .bind(format!("rang{rank}@exemple.fr"))
            .execute(&site.pool)
            .await
            .unwrap();
            if number == sound {
                let give = Command::GiveProxy { rank: CallRank(rank), proxy: ProxyId(proxy) };
                site.does(number, scene::intern(rank), give).await;
            }
        }
        // Of the sound one, one cannot be told yet.
        sqlx::raw_sql(
            "CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'broken'; END $$;
             CREATE TRIGGER broken BEFORE INSERT ON outbox FOR EACH ROW WHEN (NEW.call_rank = 2)
             EXECUTE FUNCTION broken()",
        )
        .execute(&site.pool)
        .await
        .unwrap();
        let told = async || -> Vec<String> {
            mails(&site, "proxy_given").await.into_iter().map(|(recipient, _)| recipient).collect()
        };
        site.portal.follow_proxies().await.unwrap();
        assert_eq!(told().await, ["rang3@exemple.fr"]);
        sqlx::raw_sql("DROP TRIGGER broken ON outbox").execute(&site.pool).await.unwrap();
        site.portal.follow_proxies().await.unwrap();
        assert_eq!(told().await, ["rang3@exemple.fr", "rang2@exemple.fr"]);
        elsewhere.stop().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn r3_4_codes_are_few_short_lived_and_nowhere_to_be_read() {
    with_site(HTTP, with_proxies(ProxyPolicy::On), |site| async move {
        gives(&mut site.browser(&[(1, intern(2))]).await, 2, Uuid::new_v4()).await;
        let (address, mut holder) = (link(&site).await, site.browser(&[]).await);
        let ask = format!("{address}/code");
        let confirm = format!("{address}/confirmer");
        let none = holder.post(&confirm, &[("code", "000000")]).await.text();
        assert!(none.contains("data-resultat=\"code_perime\""), "none was sent");
        assert_eq!(holder.post(&ask, &[]).await.status, 303);
        assert!(holder.post(&ask, &[]).await.text().contains("data-resultat=\"code_trop_tot\""));
        assert_eq!(mails(&site, "proxy_code").await.len(), 1);

        let right = code(&site).await;
        let wrong = if right == "123456" { "654321" } else { "123456" };
        for left in [4, 3, 2, 1] {
            let said = holder.post(&confirm, &[("code", wrong)]).await.text();
            assert!(said.contains(&format!("Il vous reste {left} essai")), "{said}");
        }
        for _ in 0..2 {
            let said = holder.post(&confirm, &[("code", wrong)]).await.text();
            assert!(said.contains("data-resultat=\"code_perime\""));
        }
        let said = holder.post(&confirm, &[("code", &right)]).await.text();
        assert!(said.contains("data-resultat=\"code_perime\""), "the right one comes too late");

        a_minute_later(&site).await;
        assert_eq!(holder.post(&ask, &[]).await.status, 303);
        let expire = "UPDATE proxies SET code_expires_at = now()";
        sqlx::query(expire).execute(&site.pool).await.unwrap();
        let said = holder.post(&confirm, &[("code", &code(&site).await)]).await.text();
        assert!(said.contains("data-resultat=\"code_perime\""), "older than ten minutes");

        a_minute_later(&site).await;
        holder.post(&ask, &[]).await;
        let current = code(&site).await;
        let spaced = format!(" {} {}", &current[..3], &current[3..]);
        assert_eq!(holder.post(&confirm, &[("code", &spaced)]).await.status, 303);
        let mut other = site.browser(&[]).await;
        let said = other.post(&confirm, &[("code", &current)]).await.text();
        assert!(said.contains("data-resultat=\"code_perime\""), "a code serves once");
        let known = holder.get(&address).await;
        assert_eq!(known.status, 303, "this browser has shown one");
        assert!(known.header(header::SET_COOKIE).contains("; Max-Age=2592000"), "and is known as long again");

        // Ten codes per link, and no more.
        for _ in 0..12 {
            a_minute_later(&site).await;
            other.post(&ask, &[]).await;
        }
        assert_eq!(mails(&site, "proxy_code").await.len(), 10);
        let rows: Vec<String> = sqlx::query_scalar("SELECT row_to_json(proxies)::text FROM proxies")
            .fetch_all(&site.pool)
            .await
            .unwrap();
        let secret = address.rsplit('/').next().unwrap();
        assert!(!rows[0].contains(secret) && !rows[0].contains(&current));

        // A new link puts the old one out of use.
        a_minute_later(&site).await;
        let mut principal = site.browser(&[(1, intern(2))]).await;
        let again = path(1, intern(2)) + "/procuration/renvoyer";
        assert!(acts(&mut principal, &again, &[]).await.header(header::LOCATION).contains("resultat=fait"));
        assert_eq!(other.get(&address).await.status, 401);
        let too_soon = acts(&mut principal, &again, &[]).await;
        assert!(too_soon.header(header::LOCATION).contains("resultat=trop_tot"));
        assert_eq!(other.get(&link(&site).await).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn r3_4_several_proxies_in_one_hand_act_each_for_its_own() {
    with_site(HTTP, with_proxies(ProxyPolicy::On), |site| async move {
        let mut holder = site.browser(&[(1, intern(1))]).await;
        for rank in [2, 3] {
            gives(&mut site.browser(&[(1, intern(rank))]).await, rank, Uuid::new_v4()).await;
            assert_eq!(enters(&site, &mut holder).await, mandate(rank));
        }
        let home = holder.get("/").await.text();
        for page in [mandate(2), mandate(3), path(1, intern(1))] {
            assert!(home.contains(&format!("href=\"{page}\"")), "{page} is not in {home}");
        }
        site.until("09:00").await;
        site.does(1, scene::intern(1), scene::pass(1)).await;
        site.until("09:03:02").await;
        // The turn of rank 2: the page of rank 3, which the same browser has, is not in it.
        let choose = [("action", "choose"), ("post", "1"), ("rank", "2")];
        let not_theirs = acts(&mut holder, &(mandate(3) + "/commande"), &choose).await;
        assert!(not_theirs.header(header::LOCATION).contains("refus-not_your_turn"));
        let theirs = acts(&mut holder, &(mandate(2) + "/commande"), &choose).await;
        assert!(theirs.header(header::LOCATION).contains("resultat=fait"));
        assert!(holder.get(&mandate(3)).await.text().contains("data-choix=\"non\""));
        assert_eq!(holder.get(&path(1, intern(2))).await.status, 403, "the intern's own page is not theirs");
        assert_eq!(holder.get(&(mandate(2) + "/procuration")).await.status, 404, "nor giving it on");
    })
    .await;
}

#[tokio::test]
async fn r3_4_documents_are_bounded_in_size_and_number() {
    with_site(HTTP, with_proxies(ProxyPolicy::WithDocument), |site| async move {
        gives(&mut site.browser(&[(1, intern(2))]).await, 2, Uuid::new_v4()).await;
        let mut holder = site.browser(&[]).await;
        let page = enters(&site, &mut holder).await;
        let pdf = |filler: usize| [PDF, &vec![b' '; filler]].concat();
        assert_eq!(files(&mut holder, 2, &pdf(5 * 1024 * 1024)).await.status, 413);
        assert_eq!(
            files(&mut holder, 2, &[]).await.header(header::LOCATION),
            format!("{page}?document=vide")
        );
        let largest = pdf(5 * 1024 * 1024 - PDF.len());
        assert!(files(&mut holder, 2, &largest).await.header(header::LOCATION).contains("resultat=fait"));
        for filler in 0..4 {
            let filed = files(&mut holder, 2, &pdf(filler)).await;
            assert!(filed.header(header::LOCATION).contains("resultat=fait"), "{filed:?}");
        }
        let sixth = files(&mut holder, 2, &pdf(9)).await;
        assert_eq!(sixth.header(header::LOCATION), format!("{page}?document=trop"));
        let same = files(&mut holder, 2, &pdf(0)).await;
        assert!(same.header(header::LOCATION).contains("resultat=fait"), "the same one is there already");
        let not_a_form = acts(&mut holder, &format!("{page}/document"), &[]).await;
        assert_eq!(not_a_form.status, 400);
        let mut stranger = site.browser(&[(1, intern(3))]).await;
        assert_eq!(files(&mut stranger, 2, PDF).await.status, 403);
    })
    .await;
}

#[tokio::test]
async fn r3_6_an_amphi_without_proxies_gives_none() {
    with_site(HTTP, with_proxies(ProxyPolicy::Off), |site| async move {
        let mut principal = site.browser(&[(1, intern(2))]).await;
        let own = path(1, intern(2));
        assert!(!principal.get(&own).await.text().contains(&format!("{own}/procuration")));
        let page = principal.get(&format!("{own}/procuration")).await.text();
        assert!(page.contains("n’accepte pas de procuration") && !page.contains("id=\"donner\""));
        let refused = gives(&mut principal, 2, Uuid::new_v4()).await;
        assert!(refused.header(header::LOCATION).contains("refus-proxies_off"));
        let rows: i64 =
            sqlx::query_scalar("SELECT count(*) FROM proxies").fetch_one(&site.pool).await.unwrap();
        assert_eq!((rows, mails(&site, "proxy_given").await.len()), (0, 0), "nothing stays of it");
    })
    .await;
}
