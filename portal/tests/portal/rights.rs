//! Role × route × method (W1, P7). One table, which must name every route of `server.rs`.

use std::collections::BTreeSet;

use amphi_engine::protocol::Role;
use axum::body::Body;
use axum::http::{Method, Request, header};

use crate::scene::{amphi, setup};
use crate::site::{Answer, HTTPS, Site, fresh_id, intern, path, with_site};

/// Who comes: nobody, or somebody with one door.
type Visitor = (&'static str, Option<(u128, Role)>);

fn visitors() -> Vec<Visitor> {
    vec![
        ("anonymous", None),
        ("the intern", Some((1, intern(1)))),
        ("another rank", Some((1, intern(2)))),
        ("an intern of another amphi", Some((2, intern(1)))),
        ("the administrator", Some((1, Role::Administrator))),
        ("an administrator of another amphi", Some((2, Role::Administrator))),
        ("a spectator", Some((1, Role::Spectator))),
        ("a spectator of another amphi", Some((2, Role::Spectator))),
    ]
}

/// What each of the visitors gets, in their order; GET or POST, as the route says. HEAD is as GET.
struct Expected {
    route: &'static str,
    address: fn(&Site) -> String,
    method: Method,
    form: &'static [(&'static str, &'static str)],
    statuses: [u16; 8],
    /// What the holder of rank 3's proxy gets: what another rank gets, unless it is their own page.
    holder: u16,
}

impl Expected {
    fn by_holder(self, holder: u16) -> Self {
        Self { holder, ..self }
    }
}

const CHOOSE: &[(&str, &str)] = &[("action", "choose"), ("post", "1")];
const SUSPEND: &[(&str, &str)] = &[("action", "suspend"), ("reason", "Panne")];
const ADD: &[(&str, &str)] = &[
    ("nom", "Ajout"),
    ("prenom", "Ada"),
    ("email", "ada.ajout@exemple.fr"),
    ("semestres_valides", "2"),
    ("annee_concours", "2025"),
    ("rang_national", "12"),
    ("effectif_promotion", "9000"),
    ("reason", "Oubli de la liste"),
];
const GIVE: &[(&str, &str)] =
    &[("name", "Camille Roux"), ("email", "camille@exemple.fr"), ("phone", "06 12 34 56 78")];
/// The intern at that rank, and nobody else.
const OWN: [u16; 8] = [401, 200, 403, 404, 403, 404, 403, 404];
/// None of them: the holder alone.
const NOBODY: [u16; 8] = [401, 403, 403, 404, 403, 404, 403, 404];

/// What an act answers where a page answers 200.
fn done(status: u16) -> u16 {
    if status == 200 { 303 } else { status }
}

/// What lies below the page of the holder of rank 3's proxy.
fn mandate(below: &str) -> String {
    path(1, Role::Holder { rank: amphi_engine::core::CallRank(3), proxy: NO_PROXY }) + below
}

/// What lies below the control room.
fn control(below: &str) -> String {
    path(1, Role::Administrator) + below
}

/// Paths do not say which proxy.
const NO_PROXY: amphi_engine::core::ProxyId = amphi_engine::core::ProxyId(uuid::Uuid::nil());

const INTERN: Role = Role::Intern { rank: amphi_engine::core::CallRank(1) };
/// In the order of the visitors: none own rank amphi adm adm2 spec spec2.
const ADMINISTRATORS_ONLY: [u16; 8] = [401, 403, 403, 404, 200, 404, 403, 404];

/// Path of what is drawn up from the journal of amphi 1.
fn minutes(file: &str) -> String {
    format!("/amphi/{}{file}", amphi(1))
}

fn table() -> Vec<Expected> {
    let get = |route, address, statuses: [u16; 8]| Expected {
        route,
        address,
        method: Method::GET,
        form: &[],
        statuses,
        holder: statuses[2],
    };
    let post = |route, address, form, statuses: [u16; 8]| Expected {
        route,
        address,
        method: Method::POST,
        form,
        statuses,
        holder: statuses[2],
    };
    vec![
        get("/", |_| "/".to_owned(), [200; 8]),
        get("/sante", |_| "/sante".to_owned(), [200; 8]),
        get("/assets/{name}", |_| "/assets/base.css".to_owned(), [200; 8]),
        get("/recu", |_| "/recu".to_owned(), [200; 8]),
        get("/recu/{code}", |_| "/recu/rien".to_owned(), [200; 8]),
        get("/entrer/{token}", |site| format!("/entrer/{}", site.token(1, INTERN)), [303; 8]),
        post("/sortir", |_| "/sortir".to_owned(), &[], [303; 8]),
        //                                                   none own rank amphi adm adm2 spec spec2
        get("/amphi/{amphi}/rang/{rank}", |_| path(1, INTERN), [401, 200, 403, 404, 403, 404, 403, 404]),
        get(
            "/amphi/{amphi}/rang/{rank}/choisir/{post}",
            |_| path(1, INTERN) + "/choisir/2",
            [401, 200, 403, 404, 403, 404, 403, 404],
        ),
        post(
            "/amphi/{amphi}/rang/{rank}/commande",
            |_| path(1, INTERN) + "/commande",
            CHOOSE,
            [401, 303, 403, 404, 403, 404, 403, 404],
        ),
        get(
            "/amphi/{amphi}/rang/{rank}/recu",
            |_| path(1, INTERN) + "/recu",
            [401, 200, 403, 404, 403, 404, 403, 404],
        ),
        // A live amphi has no result page; a round without turns is in `rounds.rs`.
        get(
            "/amphi/{amphi}/rang/{rank}/resultat",
            |_| path(1, INTERN) + "/resultat",
            [401, 404, 403, 404, 403, 404, 403, 404],
        ),
        get(
            "/amphi/{amphi}/regie/resultat",
            |_| path(1, Role::Administrator) + "/resultat",
            [401, 403, 403, 404, 404, 404, 403, 404],
        ),
        get(
            "/amphi/{amphi}/regie",
            |_| path(1, Role::Administrator),
            [401, 403, 403, 404, 200, 404, 403, 404],
        ),
        post(
            "/amphi/{amphi}/regie/commande",
            |_| path(1, Role::Administrator) + "/commande",
            SUSPEND,
            [401, 403, 403, 404, 303, 404, 403, 404],
        ),
        get(
            "/amphi/{amphi}/regie/apercu",
            |_| path(1, Role::Administrator) + "/apercu?action=rewind&rank=1",
            [401, 403, 403, 404, 200, 404, 403, 404],
        ),
        get(
            "/amphi/{amphi}/regie/rang/{rank}",
            |_| path(1, Role::Administrator) + "/rang/2",
            [401, 403, 403, 404, 200, 404, 403, 404],
        ),
        get(
            "/amphi/{amphi}/regie/journal",
            |_| path(1, Role::Administrator) + "/journal",
            [401, 403, 403, 404, 200, 404, 403, 404],
        ),
        get(
            "/amphi/{amphi}/regie/nouveau",
            |_| path(1, Role::Administrator) + "/nouveau",
            [401, 403, 403, 404, 200, 404, 403, 404],
        ),
        post(
            "/amphi/{amphi}/regie/ajouter",
            |_| path(1, Role::Administrator) + "/ajouter",
            ADD,
            [401, 403, 403, 404, 303, 404, 403, 404],
        ),
        get(
            "/amphi/{amphi}/regie/courriels",
            |_| path(1, Role::Administrator) + "/courriels",
            [401, 403, 403, 404, 200, 404, 403, 404],
        ),
        get("/amphi/{amphi}/ecran", |_| path(1, Role::Spectator), [401, 403, 403, 404, 200, 404, 200, 404]),
        get("/amphi/{amphi}/pv", |_| minutes("/pv"), ADMINISTRATORS_ONLY),
        get("/amphi/{amphi}/pv.pdf", |_| minutes("/pv.pdf"), ADMINISTRATORS_ONLY),
        get("/amphi/{amphi}/pv.xlsx", |_| minutes("/pv.xlsx"), ADMINISTRATORS_ONLY),
        get("/amphi/{amphi}/pv.csv", |_| minutes("/pv.csv"), ADMINISTRATORS_ONLY),
        get("/amphi/{amphi}/journal.jsonl", |_| minutes("/journal.jsonl"), ADMINISTRATORS_ONLY),
        get("/amphi/{amphi}/rang/{rank}/voeux", |_| path(1, INTERN) + "/voeux", OWN),
        post(
            "/amphi/{amphi}/rang/{rank}/voeux/enregistrer",
            |_| path(1, INTERN) + "/voeux/enregistrer",
            &[],
            OWN.map(done),
        ),
        get("/amphi/{amphi}/rang/{rank}/procuration", |_| path(1, INTERN) + "/procuration", OWN),
        post(
            "/amphi/{amphi}/rang/{rank}/procuration/verifier",
            |_| path(1, INTERN) + "/procuration/verifier",
            GIVE,
            OWN,
        ),
        post(
            "/amphi/{amphi}/rang/{rank}/procuration/donner",
            |_| path(1, INTERN) + "/procuration/donner",
            GIVE,
            OWN.map(done),
        ),
        post(
            "/amphi/{amphi}/rang/{rank}/procuration/revoquer",
            |_| path(1, INTERN) + "/procuration/revoquer",
            &[],
            OWN.map(done),
        ),
        post(
            "/amphi/{amphi}/rang/{rank}/procuration/renvoyer",
            |_| path(1, INTERN) + "/procuration/renvoyer",
            &[],
            OWN.map(done),
        ),
        // What a good link does is in `proxies.rs`.
        get("/procuration/{secret}", |_| "/procuration/inconnu".to_owned(), [401; 8]),
        post("/procuration/{secret}/code", |_| "/procuration/inconnu/code".to_owned(), &[], [401; 8]),
        post(
            "/procuration/{secret}/confirmer",
            |_| "/procuration/inconnu/confirmer".to_owned(),
            &[],
            [401; 8],
        ),
        get("/amphi/{amphi}/mandat/{rank}", |_| mandate(""), NOBODY).by_holder(200),
        get("/amphi/{amphi}/mandat/{rank}/choisir/{post}", |_| mandate("/choisir/2"), NOBODY).by_holder(200),
        post("/amphi/{amphi}/mandat/{rank}/commande", |_| mandate("/commande"), CHOOSE, NOBODY)
            .by_holder(303),
        get("/amphi/{amphi}/mandat/{rank}/recu", |_| mandate("/recu"), NOBODY).by_holder(404),
        get("/amphi/{amphi}/mandat/{rank}/voeux", |_| mandate("/voeux"), NOBODY).by_holder(200),
        post(
            "/amphi/{amphi}/mandat/{rank}/voeux/enregistrer",
            |_| mandate("/voeux/enregistrer"),
            &[],
            NOBODY,
        )
        .by_holder(303),
        // Not a form with a file; those are in `proxies.rs`.
        post("/amphi/{amphi}/mandat/{rank}/document", |_| mandate("/document"), &[], NOBODY).by_holder(400),
        get("/amphi/{amphi}/regie/procuration/{rank}", |_| control("/procuration/3"), ADMINISTRATORS_ONLY),
        get(
            "/amphi/{amphi}/regie/procuration/{rank}/document",
            |_| control("/procuration/3/document"),
            // None was filed.
            ADMINISTRATORS_ONLY.map(|status| if status == 200 { 404 } else { status }),
        ),
        post(
            "/amphi/{amphi}/regie/procuration/{rank}/fin",
            |_| control("/procuration/2/fin"),
            SUSPEND,
            ADMINISTRATORS_ONLY.map(done),
        ),
        get("/amphi/{amphi}/mandat/{rank}/direct", |_| mandate("/direct"), [400; 8]),
        // Not an upgrade; who may upgrade is in `origins.rs`.
        get("/amphi/{amphi}/rang/{rank}/direct", |_| path(1, INTERN) + "/direct", [400; 8]),
        get("/amphi/{amphi}/regie/direct", |_| path(1, Role::Administrator) + "/direct", [400; 8]),
        get("/amphi/{amphi}/ecran/direct", |_| path(1, Role::Spectator) + "/direct", [400; 8]),
    ]
}

/// The routes as `server.rs` writes them, with their method.
fn routes_in_source() -> BTreeSet<(String, Method)> {
    let source = include_str!("../../src/server.rs");
    let source = &source[..source.find("#[cfg(test)]").unwrap()];
    let routes = source.split(".route(\"").skip(1).map(|rest| {
        let (route, rest) = rest.split_once("\", ").unwrap();
        let method = match rest.split_once('(').unwrap().0 {
            "get" => Method::GET,
            "post" => Method::POST,
            other => panic!("{route} is served by {other}, which this test does not know"),
        };
        (route.to_owned(), method)
    });
    routes.collect()
}

#[test]
fn w1_no_route_is_without_an_expectation() {
    let expected: BTreeSet<_> = table().into_iter().map(|e| (e.route.to_owned(), e.method)).collect();
    assert_eq!(expected, routes_in_source());
    assert!(
        !include_str!("../../src/server.rs").contains(".nest("),
        "a nested router would not be seen here"
    );
}

/// How a visitor shows which door is theirs.
#[derive(Clone, Copy, PartialEq)]
enum By {
    Token,
    Session,
}

async fn request(
    site: &Site,
    visitor: &Visitor,
    by: By,
    expected: &Expected,
    method: Method,
) -> Request<Body> {
    let mut request = Request::builder().method(&method).uri((expected.address)(site));
    if let Some((number, role)) = visitor.1 {
        request = match by {
            By::Token => {
                request.header(header::AUTHORIZATION, format!("Bearer {}", site.token(number, role)))
            }
            By::Session => {
                let browser = site.browser(&[(number, role)]).await;
                request.header(header::COOKIE, browser.cookie.unwrap())
            }
        };
    }
    if !matches!(method, Method::GET | Method::HEAD) {
        request = request.header(header::ORIGIN, HTTPS);
    }
    let mut fields = expected.form.to_vec();
    let id = fresh_id().to_string();
    fields.push(("command_id", &id));
    let body = serde_urlencoded::to_string(fields).unwrap();
    let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    request.body(Body::from(body)).unwrap()
}

async fn visits(site: &Site, visitor: &Visitor, by: By, expected: &Expected, method: Method) -> Answer {
    site.answers(request(site, visitor, by, expected, method).await).await
}

/// For each route that is served to anybody by a session: its name, and the request, made anew.
pub async fn each_request_that_is_served(site: &Site) -> Vec<(&'static str, Request<Body>)> {
    let mut requests = Vec::new();
    for expected in table() {
        let served = |(_, status): &(Visitor, u16)| matches!(status, 200 | 303);
        if let Some((visitor, _)) = visitors().into_iter().zip(expected.statuses).rfind(served) {
            let method = expected.method.clone();
            requests.push((expected.route, request(site, &visitor, By::Session, &expected, method).await));
        }
    }
    requests
}

#[tokio::test]
async fn w1_p7_each_role_on_each_route_by_each_method() {
    let mut setup = setup(3, &[2, 2]);
    setup.policies.proxies = amphi_engine::core::ProxyPolicy::On;
    with_site(HTTPS, setup, |site| async move {
        let proxy = crate::proxies::represented(&site, 3).await;
        let holder = Role::Holder { rank: amphi_engine::core::CallRank(3), proxy };
        site.until("09:00").await;
        let (table, mut wrong) = (table(), Vec::new());
        for by in [By::Token, By::Session] {
            for expected in &table {
                let mut cells: Vec<(Visitor, u16)> = visitors().into_iter().zip(expected.statuses).collect();
                // No token opens a proxy.
                if by == By::Session {
                    cells.push((("the holder", Some((1, holder))), expected.holder));
                }
                for (visitor, status) in &cells {
                    let status = *status;
                    for method in
                        [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE, Method::PATCH]
                    {
                        let reads = matches!(method, Method::GET | Method::HEAD);
                        let served = method == expected.method || (reads && expected.method == Method::GET);
                        // The upgrade takes GET itself, and nothing else.
                        let upgrade_head = method == Method::HEAD && expected.route.ends_with("/direct");
                        let due = if served && !upgrade_head { status } else { 405 };
                        let before = site.positions().await;
                        let answer = visits(&site, visitor, by, expected, method.clone()).await;
                        let cell = format!("{} {method} {}", visitor.0, expected.route);
                        if answer.status != due {
                            wrong.push(format!("{cell}: {} instead of {due}", answer.status));
                        }
                        let changes = method == Method::POST && due == 303;
                        if !changes && site.positions().await != before {
                            wrong.push(format!("{cell}: something changed"));
                        }
                        if due == 405 && !upgrade_head && answer.header(header::ALLOW).is_empty() {
                            wrong.push(format!("{cell}: 405 without Allow"));
                        }
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{} cells:\n{}", wrong.len(), wrong.join("\n"));
    })
    .await;
}

#[tokio::test]
async fn w2_ids_of_other_scopes_and_of_nothing_open_nothing() {
    with_site(HTTPS, setup(3, &[2, 2]), |site| async move {
        site.until("09:00").await;
        let before = site.positions().await;
        let doors = [(1, intern(1)), (1, Role::Administrator), (1, intern(99))];
        let mut browser = site.browser(&doors).await;
        let own = path(1, intern(1));
        let cases = [
            (path(2, intern(1)), 404, "another amphi"),
            (path(2, intern(99)), 404, "a rank that does not exist, of another amphi"),
            (path(2, Role::Administrator), 404, "another amphi’s control room"),
            (path(2, Role::Spectator), 404, "another amphi’s screen"),
            (path(1, intern(2)), 403, "another rank"),
            (path(1, intern(99)), 404, "a door to a rank that does not exist"),
            (path(9, intern(1)), 404, "an amphi that does not exist"),
            (format!("/entrer/{}", site.token(9, intern(1))), 404, "a link to an amphi that does not exist"),
            (own.clone() + "/choisir/3", 404, "a post that does not exist"),
            (own.clone() + "/choisir/0", 404, "post 0"),
            (own.clone() + "/choisir/65536", 400, "a post that cannot be"),
            (own.clone() + "/recu", 404, "a receipt before a choice"),
            (own.clone() + "/autre", 404, "nothing"),
            (own.replace("/rang/1", "/rang/-1"), 400, "a rank that cannot be"),
            ("/amphi/pas-un-amphi/ecran".to_owned(), 400, "an amphi that cannot be"),
            ("/amphi".to_owned(), 404, "nothing"),
            ("/assets/..%2f..%2fCargo.toml".to_owned(), 404, "a file outside the assets"),
            ("/assets/rien.css".to_owned(), 404, "an asset that does not exist"),
        ];
        for (address, status, case) in cases {
            assert_eq!(browser.get(&address).await.status, status, "{case}: {address}");
        }
        let id = fresh_id().to_string();
        let fields = [("command_id", id.as_str()), ("action", "pass")];
        let forms =
            [(path(2, intern(1)), 404), (path(1, intern(2)), 403), (path(2, Role::Administrator), 404)];
        for (address, status) in forms {
            assert_eq!(browser.post(&(address + "/commande"), &fields).await.status, status);
        }
        for role in [intern(1), intern(99), Role::Administrator, Role::Spectator] {
            let [closed, none] = [2, 9].map(|number| path(number, role));
            let [closed, none] = [browser.get(&closed).await, browser.get(&none).await];
            assert_eq!(
                without_request_id(&closed),
                without_request_id(&none),
                "which amphis there are shows"
            );
        }
        assert_eq!(site.positions().await, before);
    })
    .await;
}

/// The page as it is, but for what differs from one request to the next.
fn without_request_id(answer: &Answer) -> String {
    let is_id = |word: &str| uuid::Uuid::parse_str(word).is_ok();
    answer.text().split(|c: char| !(c.is_alphanumeric() || c == '-')).filter(|word| !is_id(word)).collect()
}

#[tokio::test]
async fn p7_a_form_cannot_ask_for_more_than_its_door() {
    with_site(HTTPS, setup(3, &[2, 2]), |site| async move {
        site.until("09:00").await;
        let before = site.positions().await;
        let mut browser = site.browser(&[(1, intern(2)), (1, Role::Administrator)]).await;
        let administrators = ["open", "suspend", "resume", "close", "annul", "end_turn", "withdraw"];
        for action in administrators {
            let id = fresh_id().to_string();
            let fields = [("command_id", id.as_str()), ("action", action), ("rank", "1"), ("reason", "x")];
            let answer = browser.post(&(path(1, intern(2)) + "/commande"), &fields).await;
            assert!(answer.header(header::LOCATION).contains("refus-forbidden"), "{action}");
        }
        // The control room has no such acts; that the core refuses them to administrators, too, is shown there.
        for action in ["choose", "pass", "release_held", "set_wishes", "exchange", "tick", "publish"] {
            let id = fresh_id().to_string();
            let fields = [("command_id", id.as_str()), ("action", action), ("rank", "1"), ("post", "1")];
            let answer = browser.post(&(path(1, Role::Administrator) + "/commande"), &fields).await;
            assert_eq!(answer.status, 400, "{action}");
        }
        let not_a_form: [&[(&str, &str)]; 5] = [
            &[],
            &[("action", "pass")],
            &[("command_id", "x"), ("action", "pass")],
            &[("command_id", "00000000-0000-0000-0000-000000000001"), ("action", "tick")],
            &[("command_id", "00000000-0000-0000-0000-000000000001"), ("action", "choose"), ("post", "x")],
        ];
        for fields in not_a_form {
            let answer = browser.post(&(path(1, intern(2)) + "/commande"), fields).await;
            assert!(answer.status.is_client_error(), "{fields:?}: {}", answer.status);
        }
        assert_eq!(site.positions().await, before);
    })
    .await;
}
