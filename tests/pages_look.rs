//! What every page owes to everybody, on the largest sample (490 interns): no sideways scrolling on a
//! phone, names for assistive technology, targets for fingers, contrast in light and dark, a focus that
//! stays. A smoke test: it replaces no review with a screen reader.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod support;

use serde_json::{Value, json};
use support::browser::{Browser, FOCUSED};
use support::client::Client;
use support::house::{Amphi, House, LATE_START, OPENING};
use support::server::Server;

const SAMPLE: &str = "idf-medecine-generale";
/// WCAG 2.2, 2.5.5; `screens.md` asks for it everywhere.
const TARGET_MIN_PX: f64 = 44.0;
/// What assistive technology announces as something to act on; these roles need a name.
const NAMED_ROLES: [&str; 9] = [
    "button",
    "link",
    "textbox",
    "searchbox",
    "checkbox",
    "combobox",
    "DisclosureTriangle",
    "dialog",
    "spinbutton",
];

/// A session under way: rank 1 has chosen, rank 2 let the turn pass, it is the turn of rank 3.
async fn session(house: &House) -> (Server, Amphi) {
    let server = house.serve(&LATE_START).await;
    let flags = ["--opening", OPENING, "--proxies", "document", "--safety-net"];
    let amphi = house.import_with(SAMPLE, &flags).await;
    assert_eq!(amphi.len(), 490);
    Client::administrator(&amphi).await.done(json!({ "action": "open" })).await;
    Client::intern(&amphi, 1).await.choose_in_turn(1).await;
    Client::intern(&amphi, 2).await.pass_in_turn().await;
    (server, amphi)
}

/// A session without turns that is over: rank 1 has what was wished for, and the others have wished for nothing.
async fn choice_by_wishes(house: &House) -> Amphi {
    let flags = ["--opening", OPENING, "--round", "by-wishes"];
    let amphi = house.import_with("lille-pediatrie", &flags).await;
    let mut administrator = Client::administrator(&amphi).await;
    administrator.done(json!({ "action": "open" })).await;
    let wishes = json!({ "action": "set_wishes", "wishes": [1, 2], "safety_net": "never" });
    Client::intern(&amphi, 1).await.done(wishes).await;
    administrator.done(json!({ "action": "close" })).await;
    amphi
}

/// The pages in their states, and what has to be done to see them.
fn views(amphi: &Amphi, by_wishes: &Amphi) -> Vec<(&'static str, String, Option<&'static str>)> {
    let control = || amphi.administrator.clone();
    vec![
        ("an intern who waits", amphi.intern(40).to_owned(), None),
        ("a wish", amphi.intern(40).to_owned(), Some("[data-poste='2'] .voeu")),
        ("wishes, without scripts", amphi.path("rang/40/voeux"), None),
        ("giving a proxy", amphi.path("rang/40/procuration"), None),
        ("a proxy with faults", amphi.path("rang/40/procuration"), Some(SENDS_A_FORM)),
        ("all filters", amphi.intern(40).to_owned(), Some("#plus-de-filtres summary")),
        ("an intern in turn", amphi.intern(3).to_owned(), None),
        ("a choice to confirm", amphi.intern(3).to_owned(), Some("[data-poste='2'] .choisir")),
        ("an intern who is late", amphi.intern(2).to_owned(), None),
        ("an intern who is placed", amphi.intern(1).to_owned(), None),
        ("a receipt", format!("{}/recu", amphi.path("rang/1")), None),
        ("the control room", control(), None),
        ("an act of the control room", control(), Some("#actes-tour a[data-acte=end_turn]")),
        ("a dossier of the control room", control(), Some("#internes tr[data-rang='1'] a[data-dossier]")),
        ("a choice by telephone", format!("{}/apercu?action=choose_for&rank=3", amphi.path("regie")), None),
        ("what a rewind undoes", format!("{}/apercu?action=rewind&rank=1", amphi.path("regie")), None),
        ("somebody to be added", format!("{}/nouveau", amphi.path("regie")), None),
        ("the journal in words", format!("{}/journal", amphi.path("regie")), None),
        ("a proxy in the control room", amphi.path("regie/procuration/40"), None),
        ("the public screen", amphi.spectator.clone(), None),
        ("an intern of a choice by wishes", by_wishes.intern(1).to_owned(), None),
        ("their result", by_wishes.path("rang/1/resultat"), None),
        ("the control room of a choice by wishes", by_wishes.administrator.clone(), None),
        ("the result of a choice by wishes", by_wishes.path("regie/resultat"), None),
        ("the entrance", "/".to_owned(), None),
        ("an address that does not exist", "/nulle-part".to_owned(), None),
    ]
}

async fn show(browser: &Browser, server: &Server, address: &str, tap: Option<&str>) {
    let address =
        if address.starts_with('/') { format!("{}{address}", server.url) } else { address.to_owned() };
    browser.goto(&address).await;
    if browser.js("return Boolean(document.getElementById('connexion'))").await == json!(true) {
        browser.sees("#connexion[data-etat=connecte]").await;
    }
    if let Some(selector) = tap {
        browser.tap(selector).await;
        if selector == SENDS_A_FORM {
            // Its answer is another page: what is asked next must not be overtaken by it.
            browser.sees("#e-nom").await;
        }
    }
}

/// The button of the form that gives a proxy, left empty.
const SENDS_A_FORM: &str = "#donner button";

#[tokio::test]
async fn every_page_fits_a_phone_and_has_names_and_targets() {
    let house = House::new();
    let (server, amphi) = session(&house).await;
    let by_wishes = choice_by_wishes(&house).await;
    let phone = Browser::open().await;
    phone.be_a_phone(360, 780).await;
    let mut faults = Vec::new();
    for (view, address, tap) in views(&amphi, &by_wishes) {
        show(&phone, &server, &address, tap).await;
        let wide = phone.js(SIDEWAYS).await;
        if wide != json!([]) {
            faults.push(format!("{view}: wider than the screen: {wide}"));
        }
        let small = phone.js_with(SMALL_TARGETS, vec![json!(TARGET_MIN_PX)]).await;
        if small != json!([]) {
            faults.push(format!("{view}: targets under {TARGET_MIN_PX} px: {small}"));
        }
        let structure = phone.js(STRUCTURE).await;
        if structure != json!([]) {
            faults.push(format!("{view}: {structure}"));
        }
        faults.extend(nameless(&phone).await.into_iter().map(|node| format!("{view}: no name: {node}")));
        let missing = "Failed to load resource: the server responded with a status of 404";
        let expected = |line: &String| view == "an address that does not exist" && line.contains(missing);
        let console = phone.console().await;
        faults.extend(console.into_iter().filter(|l| !expected(l)).map(|l| format!("{view}: console: {l}")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    phone.close().await;
    house.close(server).await;
}

#[tokio::test]
async fn every_page_can_be_read_in_light_and_in_dark() {
    let house = House::new();
    let (server, amphi) = session(&house).await;
    let by_wishes = choice_by_wishes(&house).await;
    let browser = Browser::open().await;
    let mut faults = Vec::new();
    for scheme in ["light", "dark"] {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" }]);
        browser.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await;
        for (view, address, tap) in views(&amphi, &by_wishes) {
            show(&browser, &server, &address, tap).await;
            let light = browser.js(BACKGROUND_LUMINANCE).await.as_f64().unwrap();
            if (light > 0.5) != (scheme == "light") {
                faults.push(format!("{view}, {scheme}: the page has luminance {light}"));
            }
            let pale = browser.js(PALE_TEXTS).await;
            if pale != json!([]) {
                faults.push(format!("{view}, {scheme}: too little contrast: {pale}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    browser.close().await;
    house.close(server).await;
}

/// The looks above find what they look for: otherwise an empty list would prove nothing.
#[tokio::test]
async fn planted_faults_are_found() {
    let house = House::new();
    let server = house.serve(&[]).await;
    let browser = Browser::open().await;
    browser.be_a_phone(360, 780).await;
    show(&browser, &server, "/", None).await;
    browser.js(PLANTS).await;
    assert_ne!(browser.js(SIDEWAYS).await, json!([]));
    let small = browser.js_with(SMALL_TARGETS, vec![json!(TARGET_MIN_PX)]).await;
    assert_eq!(small.as_array().unwrap().len(), 1, "{small}");
    assert_eq!(browser.js(STRUCTURE).await, json!(["not one h1", "id contenu twice"]));
    assert_eq!(nameless(&browser).await.len(), 1);
    assert_eq!(browser.js(PALE_TEXTS).await.as_array().unwrap().len(), 1);
    assert_eq!(browser.console().await.len(), 1);
    browser.close().await;
    house.close(server).await;
}

/// A page full of faults.
const PLANTS: &str = "
    const plant = (tag, text, style = {}) => {
        const element = document.createElement(tag);
        element.textContent = text;
        Object.assign(element.style, style);
        document.querySelector('main').append(element);
        return element;
    };
    plant('p', 'wide', { width: '700px' });
    plant('button', '', { width: '30px', height: '30px' });
    plant('h1', 'a second one').id = 'contenu';
    plant('p', 'pale', { color: '#999', background: '#fff' });
    console.error('a complaint');";

#[tokio::test]
async fn focus_text_and_place_stay_when_others_choose() {
    let house = House::new();
    let (server, amphi) = session(&house).await;
    let browser = Browser::open().await;
    browser.goto(amphi.intern(2)).await;
    browser.sees("#connexion[data-etat=connecte]").await;

    // Typing in the search field: neither text nor cursor move.
    browser.fill("#recherche", "urgences").await;
    browser.js("document.getElementById('recherche').setSelectionRange(3, 3)").await;
    let shown =
        "return [...document.querySelectorAll('#postes > li:not([hidden])')].map((li) => li.dataset.poste)";
    let listed = browser.js(shown).await;
    Client::intern(&amphi, 3).await.choose_in_turn(2).await;
    browser.sees("#qui-passe[data-rang='4']").await;
    let cursor =
        browser.js("return [document.activeElement.id, document.activeElement.selectionStart]").await;
    assert_eq!(cursor, json!(["recherche", 3]));
    assert_eq!(browser.js(shown).await, listed);

    // On a post that somebody else takes: the focus stays on it, and the page does not scroll.
    let last = listed.as_array().unwrap().last().unwrap().as_str().unwrap().to_owned();
    let seats = browser.attribute(&format!("[data-poste='{last}']"), "data-places").await.unwrap();
    let link = format!("[data-poste='{last}'] .choisir");
    browser.tab_to(&link).await;
    let top = "return document.activeElement.getBoundingClientRect().top";
    let before = browser.js(top).await;
    Client::intern(&amphi, 4).await.choose_in_turn(last.parse().unwrap()).await;
    browser.sees(&format!("[data-poste='{last}']:not([data-places='{seats}'])")).await;
    let stays = browser.js(&format!("return document.activeElement.matches({link:?})")).await;
    assert_eq!(stays, json!(true), "the focus went to {}", browser.js(FOCUSED).await);
    assert_eq!(browser.js(top).await, before);
    browser.close().await;
    house.close(server).await;
}

/// Things to act on that assistive technology cannot name, as the browser's own tree has them.
async fn nameless(browser: &Browser) -> Vec<String> {
    let tree = browser.devtools("Accessibility.getFullAXTree", json!({})).await;
    let nodes = tree["nodes"].as_array().unwrap();
    let role = |node: &Value| node["role"]["value"].as_str().unwrap_or_default().to_owned();
    let acts = |node: &&Value| node["ignored"] == false && NAMED_ROLES.contains(&role(node).as_str());
    let found: Vec<&Value> = nodes.iter().filter(acts).collect();
    let named = |node: &Value| node["name"]["value"].as_str().is_some_and(|name| !name.trim().is_empty());
    found.iter().filter(|node| !named(node)).map(|node| node.to_string()).collect()
}

/// What makes the page scroll sideways.
const SIDEWAYS: &str = "
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return [];
    return [...document.querySelectorAll('body *')]
        .filter((element) => element.getBoundingClientRect().right > width + 1)
        .map((element) => element.outerHTML.slice(0, 120)).slice(0, 3);";

/// Buttons, and links that look like buttons, which a finger would miss.
const SMALL_TARGETS: &str = "
    const [least] = arguments;
    return [...document.querySelectorAll('button, .bouton, .choisir, select, summary, label:has([type=radio]), input:not([type=hidden], [type=checkbox], [type=radio])')]
        .filter((element) => element.checkVisibility({ visibilityProperty: true }))
        .map((element) => [element.getBoundingClientRect(), element])
        .filter(([box]) => box.height < least - 0.5 || box.width < least - 0.5)
        .map(([box, element]) => `${Math.round(box.width)}x${Math.round(box.height)} ${element.outerHTML.slice(0, 120)}`)
        .slice(0, 5);";

/// Language, title, one main heading, landmarks, zoom.
const STRUCTURE: &str = "
    const faults = [];
    const one = (selector) => document.querySelectorAll(selector).length === 1 || faults.push(`not one ${selector}`);
    if (document.documentElement.lang !== 'fr') faults.push('lang');
    if (!document.title.trim()) faults.push('title');
    ['h1', 'main', 'header[role=banner]'].forEach(one);
    if (/user-scalable|maximum-scale/.test(document.querySelector('meta[name=viewport]')?.content ?? 'user-scalable')) faults.push('zoom');
    const ids = [...document.querySelectorAll('[id]')].map((element) => element.id);
    for (const id of new Set(ids.filter((id, index) => ids.indexOf(id) !== index))) faults.push(`id ${id} twice`);
    for (const image of document.querySelectorAll('img:not([alt])')) faults.push(image.outerHTML);
    return faults;";

const BACKGROUND_LUMINANCE: &str = "
    const canvas = document.createElement('canvas').getContext('2d');
    const behind = [document.body, document.documentElement].map((element) => getComputedStyle(element).backgroundColor);
    canvas.fillStyle = behind.find((colour) => !/, 0\\)$|transparent/.test(colour)) ?? 'white';
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((part) => part / 255);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;";

/// Texts with less contrast than WCAG AA asks for: 4.5, or 3 where they are large.
const PALE_TEXTS: &str = "
    const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    const known = new Map();
    const rgba = (colour) => {
        if (!known.has(colour)) {
            canvas.clearRect(0, 0, 1, 1);
            canvas.fillStyle = colour;
            canvas.fillRect(0, 0, 1, 1);
            const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
            known.set(colour, [r, g, b, a / 255]);
        }
        return known.get(colour);
    };
    const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a)];
    const ground = (element) => {
        if (!element) return matchMedia('(prefers-color-scheme: dark)').matches ? [18, 18, 18] : [255, 255, 255];
        const own = rgba(getComputedStyle(element).backgroundColor);
        return own[3] === 1 ? own.slice(0, 3) : over(own, ground(element.parentElement));
    };
    const linear = (part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4);
    const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    const pale = new Map();
    for (const element of document.querySelectorAll('body *')) {
        const speaks = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
        if (!speaks || !element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
        if (element.closest('script, noscript, .hors-vue, .evitement, [aria-hidden=true], [aria-disabled=true], :disabled')) continue;
        const style = getComputedStyle(element);
        const size = parseFloat(style.fontSize);
        const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
        const back = ground(element);
        const [one, other] = [luminance(over(rgba(style.color), back)), luminance(back)].sort((a, b) => b - a);
        const contrast = (one + 0.05) / (other + 0.05);
        if (contrast < (large ? 3 : 4.5)) pale.set(element.className + style.color, `${contrast.toFixed(2)} ${element.outerHTML.slice(0, 120)}`);
    }
    return [...pale.values()].slice(0, 6);";
