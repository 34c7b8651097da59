//! The minutes over HTTP: the right kinds of files, and a journal that anyone entitled can check.

use amphi_engine::core::Command;
use amphi_engine::protocol::Role;
use amphi_engine::verify::{check_receipt, verify};
use axum::http::header;

use crate::scene::{self, ADMINISTRATOR, amphi, choose, pass, setup};
use crate::site::{HTTPS, with_site};

#[tokio::test]
async fn r3_7_administrators_get_page_files_and_a_journal_that_verifies() {
    with_site(HTTPS, setup(2, &[2, 2]), |site| async move {
        site.until("09:00").await;
        site.does(1, scene::intern(1), choose(1, 2)).await;
        site.until("09:03").await;
        site.does(1, scene::intern(2), pass(2)).await;
        let mut browser = site.browser(&[(1, Role::Administrator)]).await;
        let at = |file: &str| format!("/amphi/{}/{file}", amphi(1));
        let control = browser.get(&at("regie")).await.text();
        assert!(control.contains("<a href=\"pv\">Procès-verbal</a>"));
        let provisional = browser.get(&at("pv")).await.text();
        assert!(provisional.contains("Procès-verbal provisoire"));
        site.does(1, ADMINISTRATOR, Command::Close).await;
        let page = browser.get(&at("pv")).await.text();
        assert!(!page.contains("provisoire") && page.contains("Sans affectation"), "{page}");
        for file in ["pv.pdf", "pv.xlsx", "pv.csv", "journal.jsonl"] {
            assert!(page.contains(&format!("href=\"{}\"", at(file))), "{file}");
        }
        for (file, kind, name, begins) in [
            ("pv.pdf", "application/pdf", "pv-cardiologie-paris-2027-11.pdf", &b"%PDF-1.7"[..]),
            (
                "pv.xlsx",
                "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
                "pv-cardiologie-paris-2027-11.xlsx",
                b"PK",
            ),
            ("pv.csv", "text/csv; charset=utf-8", "pv-cardiologie-paris-2027-11.csv", b"\xef\xbb\xbfRang;"),
        ] {
            let answer = browser.get(&at(file)).await;
            assert_eq!(answer.header(header::CONTENT_TYPE), kind);
            let disposition = format!("attachment; filename=\"{name}\"");
            assert_eq!(answer.header(header::CONTENT_DISPOSITION), disposition);
            assert!(answer.body.starts_with(begins), "{file}");
        }
        let journal = browser.get(&at("journal.jsonl")).await;
        let verified = verify(&journal.body).unwrap();
        assert!(verified.closed && page.contains(&verified.hash), "the minutes end where the journal does");
        let receipt =
            site.room(1).await.read(|ledger| ledger.receipt(amphi_engine::core::CallRank(1)).cloned());
        assert!(check_receipt(&verified, &receipt.unwrap().code()).is_ok());
    })
    .await;
}
