//! How mails travel: over SMTP, to a server that takes them, refuses them, hangs, or is not there.

use std::sync::Arc;

use amphi_engine::clock::Clock as _;
use amphi_engine::core::{CallRank, Command, Millis, Timestamp};
use amphi_engine::protocol::Role;
use amphi_portal::mail::outbox;
use amphi_portal::mail::retry::{Retried, retry};
use amphi_portal::mail::sender::{REFUSALS_MAX, Round, Sender, mailbox};
use amphi_portal::mail::server::{MailServer, MailServerError};
use amphi_portal::mail::sink::MailSink;
use amphi_portal::mail::sink_pages;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use mail_parser::{MessageParser, MimeHeaders as _};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tower::ServiceExt as _;

use super::office::{Office, with_office, yesterday};
use crate::scene::{ADMINISTRATOR, amphi, setup};
use crate::site::{HTTPS, path, with_site};

fn sender(office: &Office, url: &str) -> Sender {
    Sender {
        pool: office.pool.clone(),
        server: MailServer::from_url(url).unwrap(),
        from: office.announcer.site.from.clone(),
        clock: Arc::new(office.wall.clone()),
    }
}

/// Real time, `ms` from now.
fn later(office: &Office, ms: i64) -> Timestamp {
    office.wall.now() + Millis(ms)
}

/// A published amphi of `interns`, their convocations in the outbox.
async fn convoked<F: Future<Output = ()>>(interns: u16, test: impl FnOnce(Office) -> F) {
    with_office(setup(interns, &[9, 9]), |office| async move {
        office.does(ADMINISTRATOR, Command::Publish).await;
        assert_eq!(office.tells().await, usize::from(interns));
        test(office).await;
    })
    .await;
}

/// A sink that listens, and its address.
async fn sink() -> (Arc<MailSink>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    let sink = Arc::new(MailSink::default());
    tokio::spawn(Arc::clone(&sink).serve(listener));
    (sink, url)
}

/// A server that answers RCPT with `reply`, or never when there is none; it says when it was asked.
async fn grudging(reply: Option<&'static str>) -> (mpsc::UnboundedReceiver<()>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    let (asked, asking) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let asked = asked.clone();
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                stream.write_all(b"220 grudging\r\n").await.unwrap();
                let mut line = String::new();
                while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
                    let answer = match line.split(' ').next().unwrap().trim() {
                        "RCPT" => {
                            asked.send(()).unwrap();
                            match reply {
                                Some(reply) => reply,
                                None => std::future::pending().await,
                            }
                        }
                        "QUIT" => "221 bye",
                        _ => "250 ok",
                    };
                    if stream.write_all(format!("{answer}\r\n").as_bytes()).await.is_err() {
                        return;
                    }
                    line.clear();
                }
            });
        }
    });
    (asking, url)
}

/// A server that takes mails, but for the lines to which `refuses` has an answer; the greeting and the dot that ends
/// a mail are such lines, too.
async fn choosy(refuses: fn(&str) -> Option<&'static str>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                let (mut reply, mut line) = (refuses("greeting").unwrap_or("220 choosy"), String::new());
                while stream.write_all(format!("{reply}\r\n").as_bytes()).await.is_ok() {
                    let in_mail = reply.starts_with("354");
                    loop {
                        line.clear();
                        if !stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
                            return;
                        }
                        if !in_mail || line.trim_end() == "." {
                            break;
                        }
                    }
                    let taken = if line.trim_end() == "DATA" { "354 go on" } else { "250 ok" };
                    reply = refuses(line.trim_end()).unwrap_or(taken);
                }
            });
        }
    });
    url
}

/// How many mails wait, are sent, and are given up.
async fn standing(office: &Office) -> (i64, i64, i64) {
    let standing = outbox::standing(&office.pool, amphi(1)).await.unwrap();
    (standing.waiting, standing.sent, standing.given_up)
}

#[tokio::test]
async fn mails_reach_a_real_server_whole_and_once() {
    convoked(30, |office| async move {
        let (sink, url) = sink().await;
        let sender = sender(&office, &url);
        let mut sent = 0;
        loop {
            let round = sender.send_due().await.unwrap();
            if round == Round::default() {
                break;
            }
            sent += round.sent;
        }
        assert_eq!((sent, sink.received()), (30, 30));
        let kept = sink.mails().into_iter().find(|mail| mail.recipients == ["interne2@exemple.fr"]).unwrap();
        let message = MessageParser::default().parse(&*kept.raw).unwrap();
        assert_eq!(message.from().unwrap().first().unwrap().address(), Some("amphi@amphi.test"));
        assert_eq!(message.to().unwrap().first().unwrap().name(), Some("Zoé 2 L’Héritier, \"dit\" <Émile>"));
        assert!(message.message_id().unwrap().ends_with("@amphi.test"));
        assert_eq!(message.header("Auto-Submitted").unwrap().as_text(), Some("auto-generated"));
        assert_eq!(message.date().unwrap().to_timestamp(), yesterday().0 / 1_000);
        let text = message.body_text(0).unwrap();
        assert!(
            text.starts_with("Vous passez le lundi\u{a0}3\u{a0}mai\u{a0}2027 à 11\u{a0}h\u{a0}03"),
            "{text}"
        );
        assert!(message.body_html(0).unwrap().contains("<h1"));
        let calendar = message.parts.iter().find(|part| part.is_content_type("text", "calendar")).unwrap();
        assert_eq!(calendar.content_type().unwrap().attribute("method"), Some("REQUEST"));
        let file =
            message.attachments().find(|part| part.attachment_name() == Some("convocation.ics")).unwrap();
        assert_eq!(file.text_contents(), calendar.text_contents());
        assert!(calendar.text_contents().unwrap().contains("DTSTART:20270503T090300Z\r\n"));
        // Links open doors: what was sent is not kept.
        assert!(office.outbox().await.iter().all(|row| row.text.is_empty() && row.html.is_empty()));
        let standing = outbox::standing(&office.pool, amphi(1)).await.unwrap();
        assert_eq!((standing.waiting, standing.sent, standing.given_up), (0, 30, 0));
    })
    .await;
}

#[tokio::test]
async fn a_mail_that_is_refused_for_now_is_tried_again_ever_later_and_then_given_up() {
    convoked(1, |office| async move {
        let (_asked, url) = grudging(Some("451 later")).await;
        let sender = sender(&office, &url);
        let (refused, nothing) = (Round { refused: 1, ..Round::default() }, Round::default());
        let mut pauses = vec![15_000, 60_000, 240_000, 960_000];
        pauses.resize(usize::try_from(REFUSALS_MAX).unwrap() - 1, 3_600_000);
        for pause in pauses {
            assert_eq!(sender.send_due().await.unwrap(), refused);
            let again = later(&office, pause);
            office.wall.set(again - Millis(1));
            assert_eq!(sender.send_due().await.unwrap(), nothing, "not yet");
            office.wall.set(again);
        }
        let standing = outbox::standing(&office.pool, amphi(1)).await.unwrap();
        assert_eq!((standing.waiting, standing.sent, standing.given_up), (1, 0, 0));
        assert_eq!(sender.send_due().await.unwrap(), Round { given_up: 1, ..Round::default() });
        office.wall.set(later(&office, 1_000 * 3_600_000));
        assert_eq!(sender.send_due().await.unwrap(), nothing);
        let standing = outbox::standing(&office.pool, amphi(1)).await.unwrap();
        assert_eq!((standing.waiting, standing.sent, standing.given_up), (0, 0, 1));
    })
    .await;
}

#[tokio::test]
async fn a_mail_that_is_refused_for_good_is_given_up_and_seen_and_holds_up_nobody() {
    convoked(1, |office| async move {
        let (_asked, url) = grudging(Some("550 no such mailbox")).await;
        assert_eq!(
            sender(&office, &url).send_due().await.unwrap(),
            Round { given_up: 1, ..Round::default() }
        );
        let failed = outbox::standing(&office.pool, amphi(1)).await.unwrap().failures.pop().unwrap();
        assert_eq!(failed.rank, Some(CallRank(1)));
        assert_eq!((failed.kind.as_str(), failed.recipient.as_str()), ("convocation", "interne1@exemple.fr"));
        assert!(failed.error.contains("no such mailbox"), "{}", failed.error);
    })
    .await;
}

#[tokio::test]
async fn an_address_that_is_none_is_given_up_and_the_others_go() {
    convoked(3, |office| async move {
        sqlx::query("UPDATE outbox SET recipient = 'pas une adresse' WHERE call_rank = 2")
            .execute(&office.pool)
            .await
            .unwrap();
        let (sink, url) = sink().await;
        let round = sender(&office, &url).send_due().await.unwrap();
        assert_eq!(round, Round { sent: 2, given_up: 1, ..Round::default() });
        assert_eq!(sink.received(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_server_that_cannot_be_asked_costs_no_mail_an_attempt() {
    convoked(2, |office| async move {
        let put_back = Round { put_back: 2, ..Round::default() };
        // Nobody listens there; the second one wants us to sign in.
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        assert_eq!(sender(&office, &format!("smtp://{free}")).send_due().await.unwrap(), put_back);
        let (_asked, url) = grudging(Some("530 sign in first")).await;
        for _ in 0..=REFUSALS_MAX {
            assert_eq!(sender(&office, &url).send_due().await.unwrap(), put_back);
        }
        let (sink, url) = sink().await;
        assert_eq!(sender(&office, &url).send_due().await.unwrap(), Round { sent: 2, ..Round::default() });
        assert_eq!(sink.received(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_server_that_refuses_us_costs_no_mail_an_attempt_however_often_it_does() {
    fn greeting(line: &str) -> Option<&'static str> {
        (line == "greeting").then_some("554 you again")
    }
    fn sender_refused(line: &str) -> Option<&'static str> {
        line.starts_with("MAIL FROM").then_some("553 sender not allowed")
    }
    fn sender_refused_late(line: &str) -> Option<&'static str> {
        line.starts_with("RCPT").then_some("553 5.7.1 <amphi@amphi.test>: Sender address rejected: not owned")
    }
    fn relaying_refused(line: &str) -> Option<&'static str> {
        line.starts_with("RCPT").then_some("550 relay not permitted")
    }
    fn too_many_today(line: &str) -> Option<&'static str> {
        (line == ".").then_some("550 5.4.5 Daily user sending quota exceeded")
    }
    // One mail, and more than one round of them.
    for interns in [1, 6] {
        convoked(interns, |office| async move {
            for refuses in [greeting, sender_refused, sender_refused_late, relaying_refused, too_many_today] {
                let sender = sender(&office, &choosy(refuses).await);
                for _ in 0..=REFUSALS_MAX {
                    let round = sender.send_due().await.unwrap();
                    let put_back = usize::from(interns).min(4);
                    assert_eq!(round, Round { put_back, ..Round::default() });
                }
            }
            assert_eq!(standing(&office).await, (i64::from(interns), 0, 0));
            let (sink, url) = sink().await;
            let sender = sender(&office, &url);
            while sender.send_due().await.unwrap() != Round::default() {}
            assert_eq!(sink.received(), u64::from(interns));
        })
        .await;
    }
}

#[tokio::test]
async fn a_server_that_refuses_every_recipient_is_doubted_and_one_that_takes_others_is_believed() {
    fn everybody(line: &str) -> Option<&'static str> {
        line.starts_with("RCPT").then_some("550 Administrative prohibition")
    }
    fn the_second(line: &str) -> Option<&'static str> {
        line.starts_with("RCPT TO:<interne2@").then_some("550 Administrative prohibition")
    }
    fn the_third_for_a_policy(line: &str) -> Option<&'static str> {
        line.starts_with("RCPT TO:<interne3@").then_some("554 5.7.1 blocked")
    }
    convoked(4, |office| async move {
        let round = sender(&office, &choosy(everybody).await).send_due().await.unwrap();
        assert_eq!(round, Round { doubted: 4, ..Round::default() });
        assert_eq!(standing(&office).await, (4, 0, 0), "nobody is given up for it");
        office.wall.set(later(&office, 15_000));
        // Others are taken: then it is the mail, and what may be mended is tried again.
        let round = sender(&office, &choosy(the_third_for_a_policy).await).send_due().await.unwrap();
        assert_eq!(round, Round { sent: 3, refused: 1, ..Round::default() });
    })
    .await;
    convoked(4, |office| async move {
        let round = sender(&office, &choosy(the_second).await).send_due().await.unwrap();
        assert_eq!(round, Round { sent: 3, given_up: 1, ..Round::default() });
    })
    .await;
}

#[tokio::test]
async fn given_up_mails_are_sent_again_when_somebody_says_so() {
    convoked(3, |office| async move {
        let given_up = "UPDATE outbox SET next_attempt_at = NULL, attempts = 12, last_error = '550 no'";
        sqlx::raw_sql(given_up).execute(&office.pool).await.unwrap();
        assert_eq!(standing(&office).await, (0, 0, 3));
        // What has no text any more, and a code that nobody could type now, stay where they are.
        let past = "UPDATE outbox SET body_text = '' WHERE call_rank = 2;
                    UPDATE outbox SET kind = 'proxy_code' WHERE call_rank = 3";
        sqlx::raw_sql(past).execute(&office.pool).await.unwrap();
        let elsewhere = retry(&office.pool, Some(amphi(2)), office.wall.now()).await.unwrap();
        assert_eq!(elsewhere, Retried { waiting: 0, left: 0 });
        let retried = retry(&office.pool, None, office.wall.now()).await.unwrap();
        assert_eq!(retried, Retried { waiting: 1, left: 2 });
        // All attempts are before it again.
        let (_asked, url) = grudging(Some("451 later")).await;
        assert_eq!(sender(&office, &url).send_due().await.unwrap(), Round { refused: 1, ..Round::default() });
        office.wall.set(later(&office, 15_000));
        let (sink, url) = sink().await;
        assert_eq!(sender(&office, &url).send_due().await.unwrap(), Round { sent: 1, ..Round::default() });
        assert_eq!(sink.mails()[0].recipients, ["interne1@exemple.fr"]);
        let nothing_left = retry(&office.pool, Some(amphi(1)), office.wall.now()).await.unwrap();
        assert_eq!(nothing_left, Retried { waiting: 0, left: 2 });
    })
    .await;
}

#[tokio::test]
async fn a_sender_that_dies_with_a_mail_in_hand_leaves_the_same_mail_to_the_next() {
    convoked(1, |office| async move {
        let (mut asked, url) = grudging(None).await;
        let dying = sender(&office, &url);
        let sending = tokio::spawn(async move { dying.send_due().await });
        asked.recv().await.unwrap();
        sending.abort();
        assert!(sending.await.unwrap_err().is_cancelled());
        let (sink, url) = sink().await;
        let next = sender(&office, &url);
        assert_eq!(next.send_due().await.unwrap(), Round::default(), "it may still be on its way");
        office.wall.set(later(&office, 3 * 60_000));
        assert_eq!(next.send_due().await.unwrap(), Round { sent: 1, ..Round::default() });
        assert_eq!(sink.received(), 1);
    })
    .await;
}

#[tokio::test]
async fn an_address_of_a_server_asks_for_tls_unless_it_is_this_machine() {
    let tls = |url: &str| format!("{:?}", MailServer::from_url(url).map(|_| ()));
    assert_eq!(tls("smtps://u:p@mail.exemple.fr"), "Ok(())");
    assert_eq!(tls("smtp://u:p@mail.exemple.fr:587"), "Ok(())");
    for wrong in ["", "mail.exemple.fr", "http://mail.exemple.fr", "smtp://u:geheim@"] {
        assert_eq!(MailServer::from_url(wrong).err(), Some(MailServerError), "{wrong}");
    }
    assert!(!MailServerError.to_string().contains("geheim"));
    let from = mailbox("Amphi <amphi@exemple.fr>").unwrap();
    assert_eq!((from.name.as_str(), from.address.as_str()), ("Amphi", "amphi@exemple.fr"));
    assert!(mailbox("amphi").is_err());
}

#[tokio::test]
async fn without_tls_nothing_goes_to_another_machine() {
    convoked(1, |office| async move {
        // A server in the clear, reached under a name that is not this machine's: refused before anything is said.
        let (mut asked, url) = grudging(Some("250 ok")).await;
        let elsewhere = url.replace("127.0.0.1", "0.0.0.0");
        let round = sender(&office, &elsewhere).send_due().await.unwrap();
        assert_eq!(round, Round { put_back: 1, ..Round::default() });
        assert!(asked.try_recv().is_err());
    })
    .await;
}

struct Looker(axum::Router);

impl Looker {
    async fn get(&self, address: &str) -> (StatusCode, axum::http::HeaderMap, String) {
        let request = Request::get(address).body(Body::empty()).unwrap();
        let response = self.0.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        (parts.status, parts.headers, String::from_utf8(body).unwrap().replace('\u{a0}', " "))
    }
}

#[tokio::test]
async fn what_the_sink_keeps_can_be_looked_at_and_does_nothing() {
    convoked(3, |office| async move {
        sqlx::query("UPDATE outbox SET subject = '<script>alert(1)</script>' WHERE call_rank = 3")
            .execute(&office.pool)
            .await
            .unwrap();
        let (sink, url) = sink().await;
        sender(&office, &url).send_due().await.unwrap();
        let pages = Looker(sink_pages::router(Arc::clone(&sink), "https://amphi.test"));
        let (status, headers, list) = pages.get("/courriels").await;
        assert_eq!(status, StatusCode::OK);
        assert!(list.contains("data-recus=\"3\"") && list.matches("<li data-numero=").count() == 3, "{list}");
        assert!(!list.contains("<script>alert"), "{list}");
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'self'; "), "{policy}");
        let (_, _, found) = pages.get("/courriels?q=INTERNE2@").await;
        assert_eq!(found.matches("<li data-numero=").count(), 1, "{found}");
        let number =
            sink.mails().iter().find(|mail| mail.recipients == ["interne2@exemple.fr"]).unwrap().number;
        let (_, _, mail) = pages.get(&format!("/courriels/{number}")).await;
        assert!(mail.contains("Vous passez le lundi 3 mai 2027 à 11 h 03 (heure de Paris)."), "{mail}");
        assert!(mail.contains("sandbox=\"allow-popups allow-popups-to-escape-sandbox\""), "{mail}");
        assert!(mail.contains("<a href=\"https://amphi.test/entrer/"), "{mail}");
        let (_, headers, html) = pages.get(&format!("/courriels/{number}/html")).await;
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(
            policy.contains("sandbox")
                && policy.contains("default-src 'none'")
                && !policy.contains("allow-scripts")
        );
        assert!(html.contains("<base target=\"_blank\">") && html.contains("Vous passez le"), "{html}");
        let (_, headers, calendar) = pages.get(&format!("/courriels/{number}/agenda.ics")).await;
        assert_eq!(headers[header::CONTENT_TYPE], "text/calendar; charset=utf-8");
        assert!(calendar.starts_with("BEGIN:VCALENDAR\r\n"), "{calendar}");
        assert_eq!(pages.get("/courriels/99").await.0, StatusCode::NOT_FOUND);
        assert_eq!(pages.get("/courriels/99/agenda.ics").await.0, StatusCode::NOT_FOUND);
    })
    .await;
}

#[tokio::test]
async fn administrators_see_what_waits_and_what_was_given_up() {
    with_site(HTTPS, setup(2, &[2, 2]), |site| async move {
        let row = "INSERT INTO outbox (id, amphi_id, call_rank, kind, recipient, recipient_name, subject, body_text,
                                       body_html, dedupe_key, created_at, next_attempt_at, sent_at, last_error)
                   SELECT gen_random_uuid(), id, rank, kind, 'a@exemple.fr', '', '', '', '', kind || id, now(), due, sent, error
                   FROM amphis, (VALUES (1, 'convocation', NULL, NULL, '550 <b>no such mailbox</b>'),
                                        (1, 'moved', now(), NULL, '421 come back later'),
                                        (2, 'chosen', NULL, now(), NULL)) AS t (rank, kind, due, sent, error)";
        sqlx::raw_sql(row).execute(&site.pool).await.unwrap();
        let mut browser = site.browser(&[(1, Role::Administrator)]).await;
        let page = browser.get(&(path(1, Role::Administrator) + "/courriels")).await.text();
        assert!(page.contains("data-attente=\"1\" data-remis=\"1\" data-abandonnes=\"1\""), "{page}");
        assert!(page.contains("Dernière réponse du serveur de courriel : 421 come back later"), "{page}");
        assert!(page.contains("Rang 1, convocation"), "{page}");
        assert!(page.contains("550 &#60;b&#62;no such mailbox"), "{page}");
        let control = browser.get(&path(1, Role::Administrator)).await.text();
        assert!(control.contains("/regie/courriels\""), "{control}");
    })
    .await;
}
