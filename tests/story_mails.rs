//! Mails as people get them: everybody's convocation, once, whatever dies when; and a warning in the browser
//! for whoever asked for one.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod support;

use serde_json::json;
use support::browser::Browser;
use support::client::Client;
use support::house::{House, LATE_START};
use support::mail_server::MailServer;
use support::waiting::until;

/// Mails that the server may have in hand when it is killed; the next one leaves them alone for a while.
const IN_HAND_MAX: usize = 4;

#[tokio::test]
async fn everybody_is_convoked_once_although_the_server_is_killed_while_it_sends() {
    let house = House::new();
    let mails = MailServer::start().await;
    let settings = ["--smtp-url", &mails.url, "--mail-from", "Amphi <amphi@exemple.fr>"];
    // A server has been there once, so that there is an address for links; none is there at publication.
    house.serve(&[]).await.stop().await;
    let amphi = house.import_open("lille-psychiatrie", "2030-03-28 09:00-18:00").await;
    let server = house.serve(&settings).await;
    until("the first mails come", async || (mails.received().len() >= 10).then_some(())).await;
    server.kill_9().await;
    let server = house.serve(&settings).await;
    let everybody = amphi.len() - IN_HAND_MAX;
    until("the others follow", async || (mails.received().len() >= everybody).then_some(())).await;
    let received = mails.received();
    assert!(received.values().all(|ids| ids.len() == 1), "somebody got two different mails: {received:?}");

    // No address, no name, no link in what the servers wrote.
    let log = server.complaints();
    for secret in received.keys().map(String::as_str).chain((1..=amphi.len()).map(|rank| amphi.name(rank))) {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
    assert!(!log.contains("/entrer/"), "{log}");
    house.close(server).await;
}

#[tokio::test]
async fn a_rehearsal_keeps_its_mails_and_shows_them_on_this_machine_only() {
    let house = House::new();
    let server =
        house.serve(&["--mail-sink", "--speed", "20", "--clock-start", "2027-03-29T08:00:00+02:00"]).await;
    let amphi = house.import("lille-psychiatrie").await;
    let phone = Browser::open().await;
    phone.be_a_phone(360, 780).await;
    let list = format!("{}/courriels?q=convocation", server.url);
    until("the convocations are there", async || {
        phone.goto(&list).await;
        (phone.count("#courriels li").await == amphi.len()).then_some(())
    })
    .await;
    let wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth";
    assert_eq!(phone.js(&format!("return {wide}")).await, json!(false), "the list fits the screen");
    phone.tap("#courriels li:last-child a").await;
    phone.sees("#texte a[href*='/entrer/']").await;
    assert_eq!(phone.js(&format!("return {wide}")).await, json!(false), "the mail fits the screen");
    assert!(phone.text("#texte").await.contains("(heure de Paris)"));
    phone.sees("#agenda[href$='/agenda.ics']").await;
    // The frame shows the mail, and its styles; a script in it could do nothing.
    let frame = phone.sees("#html").await;
    frame.enter_frame().await.unwrap();
    assert!(phone.text("h1").await.starts_with("Vous passez le "));
    phone.driver().enter_default_frame().await.unwrap();
    assert_eq!(phone.console().await, [""; 0]);
    phone.close().await;
    house.close(server).await;
}

/// Counts notifications and tones instead of showing and sounding them.
const COUNTED: &str = "
    window.shown = []; window.tones = 0;
    window.Notification = class {
        static get permission() { return sessionStorage.getItem('allowed') ?? 'default'; }
        static requestPermission() { sessionStorage.setItem('allowed', 'granted'); return Promise.resolve('granted'); }
        constructor(title) { window.shown.push(title); }
        close() {}
    };
    const create = AudioContext.prototype.createOscillator;
    AudioContext.prototype.createOscillator = function () { window.tones += 1; return create.call(this); };
    document.hasFocus = () => false;";

#[tokio::test]
async fn whoever_asked_is_warned_three_turns_before_and_at_their_turn() {
    let house = House::new();
    let server = house.serve(&LATE_START).await;
    let amphi = house.import("lille-psychiatrie").await;
    let mut robots = Vec::new();
    for rank in 1..=5 {
        robots.push(Client::intern(&amphi, rank).await);
    }
    let (phone, silent) = (Browser::open().await, Browser::open().await);
    for browser in [&phone, &silent] {
        browser.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": COUNTED })).await;
        browser.goto(amphi.intern(6)).await;
        browser.sees("#connexion[data-etat=connecte]").await;
    }
    phone.tap("#prevenir").await;
    phone.sees("#prevenir[data-etat=oui][aria-pressed=true]").await;
    // The page goes on as it was asked to, also when it loads again.
    phone.driver().refresh().await.unwrap();
    phone.sees("#prevenir[data-etat=oui]").await;
    phone.sees("#connexion[data-etat=connecte]").await;
    phone.tap("#mon-tour-titre").await;
    Client::administrator(&amphi).await.done(json!({ "action": "open" })).await;
    robots[0].choose_in_turn(1).await;
    phone.sees("#qui-passe[data-rang='2']").await;
    assert_eq!(phone.js("return window.shown").await, json!([]), "four turns before");
    robots[1].choose_in_turn(3).await;
    phone.sees("#prevenir[data-prevenu=trois_tours]").await;
    assert_eq!(phone.js("return window.shown").await, json!(["Encore trois tours avant le vôtre."]));
    for robot in &mut robots[2..] {
        robot.pass_in_turn().await;
    }
    phone.sees("#prevenir[data-prevenu=tour]").await;
    let shown = json!(["Encore trois tours avant le vôtre.", "C’est votre tour."]);
    assert_eq!(phone.js("return window.shown").await, shown);
    assert_eq!(phone.js("return window.tones").await, json!(5), "two tones, then three");
    // Whoever did not ask is left alone, and was asked nothing.
    silent.sees_shown("#mon-tour[data-etat=tour]").await;
    assert_eq!(
        silent.js("return [window.shown, window.tones, Notification.permission]").await,
        json!([[], 0, "default"])
    );
    assert_eq!(phone.console().await, [""; 0]);
    for browser in [phone, silent] {
        browser.close().await;
    }
    house.close(server).await;
}
