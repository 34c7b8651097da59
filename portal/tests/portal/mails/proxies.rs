//! What holders of a proxy are told (3.4).

use amphi_engine::core::{CallRank, Command, Millis, ProxyId};
use amphi_portal::mail::proxies::ProxyMail;
use amphi_portal::mail::{Recipient, Setting, outbox};
use uuid::Uuid;

use super::office::{each, with_office, yesterday};
use crate::scene::{ADMINISTRATOR, amphi, at, setup};

#[tokio::test]
async fn r3_4_the_holder_is_told_for_whom_when_how_and_how_to_refuse() {
    with_office(setup(2, &[2, 2]), |office| async move {
        office.does(ADMINISTRATOR, Command::Publish).await;
        let snapshot = office.room().await.read(|ledger| ledger.amphi().snapshot().unwrap());
        let setting = Setting::new(&snapshot, &office.announcer.site, yesterday());
        let holder = Recipient { name: "Ana Durand".to_owned(), address: "ana@exemple.fr".to_owned() };
        let proxy = ProxyId(Uuid::new_v4());
        sqlx::query(
            "INSERT INTO proxies (id, amphi_id, call_rank, holder_name, holder_email, holder_phone, instructions)
             VALUES ($1, $2, 2, 'Ana Durand', 'ana@exemple.fr', '0612345678', '')",
        )
        .bind(proxy.0)
        .bind(amphi(1).0)
        .execute(&office.pool)
        .await
        .unwrap();
        let mail = ProxyMail {
            setting: &setting,
            rank: CallRank(2),
            proxy,
            principal: "Zoé L’Héritier",
            holder: &holder,
            occasion: "7",
        };
        let given =
            mail.given("https://amphi.test/procuration/x", "La <cardiologie> d’abord.", Some(at("09:03")));
        let text = given.message.text.replace('\u{a0}', " ");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "Zoé L’Héritier vous demande de choisir un stage à sa place.");
        assert_eq!(
            lines[1],
            "Son tour : lundi 3 mai 2027 à 11 h 03 (heure de Paris) ; cette heure peut être repoussée"
        );
        assert_eq!(lines[2], "Ses consignes : La <cardiologie> d’abord.");
        assert_eq!(lines[3], "Votre page de mandataire : https://amphi.test/procuration/x");
        assert!(lines[4].contains("Pour refuser, ne l’ouvrez pas"), "{}", lines[4]);
        assert!(given.message.html.contains("La &#60;cardiologie&#62; d’abord."), "{}", given.message.html);

        let code = mail.code("123 456", Millis::from_minutes(15));
        assert!(
            code.message
                .text
                .starts_with("Votre code : 123 456\nValable : 15\u{a0}min à partir de l’envoi\n")
        );
        assert!(!code.message.subject.contains("123"), "a locked telephone shows subjects");
        let ended = mail.ended("Zoé L’Héritier a retiré sa procuration.");
        assert!(ended.message.text.starts_with("Vous ne choisissez plus à la place de Zoé L’Héritier.\n"));

        let mut transaction = office.pool.begin().await.unwrap();
        let new = outbox::enqueue(&mut transaction, &[given.clone(), given.clone(), code], yesterday()).await;
        assert_eq!(new.unwrap(), 2);
        assert_eq!(outbox::enqueue(&mut transaction, &[given, ended], yesterday()).await.unwrap(), 1);
        transaction.commit().await.unwrap();
        let kinds: Vec<_> =
            ["proxy_given", "proxy_code", "proxy_ended"].iter().flat_map(|kind| each(kind, [2])).collect();
        assert_eq!(office.told().await, kinds, "the same mail twice is once");
        // Without the cause, no mail.
        let mut transaction = office.pool.begin().await.unwrap();
        let again = ProxyMail { occasion: "8", ..mail };
        outbox::enqueue(&mut transaction, &[again.ended("Essai.")], yesterday()).await.unwrap();
        transaction.rollback().await.unwrap();
        assert_eq!(office.told().await, kinds);
    })
    .await;
}
