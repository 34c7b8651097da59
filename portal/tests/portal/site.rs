//! A site with two amphis and the people who come to it.

use std::sync::Arc;

use amphi_engine::arrivals::Arrivals;
use amphi_engine::clock::{ManualClock, wall_clock_now};
use amphi_engine::core::{Actor, AmphiId, CallRank, Command, ProxyId, Setup};
use amphi_engine::journal::PostgresJournal;
use amphi_engine::protocol::{Outcome, Position, Role};
use amphi_engine::registry::Registry;
use amphi_engine::room::Room;
use amphi_portal::doors::Door;
use amphi_portal::eligibility::AccountStates;
use amphi_portal::links::LinkKey;
use amphi_portal::{Portal, people, router};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use sqlx::{AssertSqlSafe, PgPool};
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::postgres::with_database;
use crate::scene::{ADMINISTRATOR, amphi, at};

pub const HTTPS: &str = "https://amphi.test";
pub const HTTP: &str = "http://127.0.0.1:8080";

/// A site, and hold of what is behind it.
pub struct Site {
    pub clock: ManualClock,
    pub registry: Arc<Registry>,
    pub pool: PgPool,
    pub portal: Arc<Portal>,
    pub router: Router,
    links: LinkKey,
    public_url: &'static str,
}

/// Runs `test` on a site of its own; `setup` is that of amphi 1, and amphi 2 has the same posts.
pub async fn with_site<F: Future<Output = ()>>(
    public_url: &'static str,
    setup: Setup,
    test: impl FnOnce(Site) -> F,
) {
    with_database(|pool| async move {
        // As the program's own pool is made.
        let pool = amphi_portal::pool::options().connect_with(pool.connect_options().as_ref().clone());
        let pool = pool.await.unwrap();
        let clock = ManualClock::at(at("08:00"));
        let journal = PostgresJournal::start(pool.clone(), at("08:00")).await.unwrap();
        let eligibility = Arc::new(AccountStates::new(pool.clone()));
        let registry = Registry::asking(journal, Arc::new(clock.clone()), eligibility);
        let links = LinkKey::load(&pool).await.unwrap();
        let portal = Portal {
            registry: Arc::clone(&registry),
            pool: pool.clone(),
            links: links.clone(),
            public_url: public_url.to_owned(),
            arrivals: Arrivals::new(20),
            passes: Arc::default(),
        };
        let portal = Arc::new(portal);
        let router = router(Arc::clone(&portal));
        let site = Site { clock, registry: Arc::clone(&registry), pool, portal, router, links, public_url };
        for number in [1, 2] {
            let mut setup = setup.clone();
            // Other people: nobody is on both lists.
            let offset = u128::from(number == 2) << 64;
            for participant in &mut setup.participants {
                participant.intern.0 = Uuid::from_u128(participant.intern.0.as_u128() + offset);
            }
            site.publishes(number, setup).await;
            site.does(number, ADMINISTRATOR, Command::Open).await;
        }
        test(site).await;
        registry.stop().await.unwrap();
    })
    .await;
}

impl Site {
    /// Makes one more amphi, with the people of its list, and publishes it.
    pub async fn publishes(&self, number: u128, setup: Setup) {
        let ids: Vec<Uuid> = setup.participants.iter().map(|participant| participant.intern.0).collect();
        sqlx::query(
            "INSERT INTO interns (id, email, last_name, first_name, phone)
             SELECT id, 'p' || id || '@exemple.fr', 'NOM' || position, 'Prénom', '06 00 00 00 0' || position
             FROM UNNEST($1::uuid[]) WITH ORDINALITY AS t (id, position) ON CONFLICT DO NOTHING",
        )
        .bind(&ids)
        .execute(&self.pool)
        .await
        .unwrap();
        self.registry.create(amphi(number), &setup.title, setup.period).await.unwrap();
        people::seat(
            &self.pool,
            amphi(number),
            &setup.participants.iter().map(|p| p.intern).collect::<Vec<_>>(),
        )
        .await
        .unwrap();
        self.drafts(number, setup).await;
        self.does(number, ADMINISTRATOR, Command::Publish).await;
    }

    /// The same as a draft, without the people.
    pub async fn drafts(&self, number: u128, setup: Setup) {
        self.registry.create(amphi(number), &setup.title, setup.period).await.unwrap();
        self.does(number, ADMINISTRATOR, Command::Draft(Box::new(setup))).await;
    }

    pub async fn room(&self, number: u128) -> Arc<Room> {
        self.registry.room(amphi(number)).await.unwrap()
    }

    pub async fn does(&self, number: u128, actor: Actor, command: Command) -> Outcome {
        let outcome = self.room(number).await.ask(actor, command, fresh_id()).await.unwrap();
        assert!(!matches!(outcome, Outcome::Refused { .. }), "{outcome:?}");
        outcome
    }

    /// Moves the clock, and waits until both rooms have done what was due.
    pub async fn until(&self, when: &str) {
        self.clock.set(at(when));
        for number in [1, 2] {
            let nobody = Actor::Intern { rank: CallRank(0) };
            self.room(number).await.ask(nobody, Command::Resume, fresh_id()).await.unwrap();
        }
    }

    /// Where both journals stand: what a refused request must not move.
    pub async fn positions(&self) -> [Position; 2] {
        let of = |room: Arc<Room>| room.read(|ledger| ledger.position());
        [of(self.room(1).await), of(self.room(2).await)]
    }

    pub fn token(&self, number: u128, role: Role) -> String {
        self.token_until(number, role, wall_clock_now().0 / 1_000 + 3_600)
    }

    pub fn token_until(&self, number: u128, role: Role, expires_at: i64) -> String {
        self.links.sign(Door { amphi: amphi(number), role }, expires_at)
    }

    /// A browser that has opened the links of these doors, one after the other.
    pub async fn browser(&self, doors: &[(u128, Role)]) -> Browser<'_> {
        let mut browser = Browser { site: self, cookie: None };
        for (number, role) in doors {
            if let Role::Holder { rank, proxy } = role {
                browser.cookie = Some(self.holder_session(*number, *rank, *proxy).await);
                continue;
            }
            let address = format!("/entrer/{}", self.token(*number, *role));
            assert_eq!(browser.get(&address).await.status, StatusCode::SEE_OTHER);
        }
        browser
    }

    /// The cookie of a session with the door of a proxy, as after its link and its code.
    async fn holder_session(&self, number: u128, rank: CallRank, proxy: ProxyId) -> String {
        let (session, secret) = (Uuid::new_v4(), Uuid::new_v4().to_string());
        sqlx::query(
            "WITH session AS (
                 INSERT INTO sessions (id, secret_hash, expires_at)
                 VALUES ($1, sha256($2::text::bytea), now() + interval '1 day') RETURNING id
             )
             INSERT INTO session_doors (session_id, amphi_id, role, call_rank, proxy_id)
             SELECT id, $3, 'holder', $4, $5 FROM session",
        )
        .bind(session)
        .bind(&secret)
        .bind(amphi(number).0)
        .bind(i32::from(rank.0))
        .bind(proxy.0)
        .execute(&self.pool)
        .await
        .unwrap();
        let name = if self.public_url.starts_with("https") { "__Host-amphi" } else { "amphi" };
        format!("{name}={secret}")
    }

    /// The same site as another server serves it: other sockets, the same database.
    pub fn elsewhere(&self) -> Router {
        router(Arc::new(Portal {
            registry: Arc::clone(&self.registry),
            pool: self.pool.clone(),
            links: self.links.clone(),
            public_url: self.public_url.to_owned(),
            arrivals: Arrivals::new(20),
            passes: Arc::default(),
        }))
    }

    pub async fn answers(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }
}

/// The database as it is seen so much later ("2 days"): whatever is asked there by the time of Postgres.
pub async fn seen_in(pool: &PgPool, ahead: &str) -> PgPool {
    let schema = format!("seen_later_{}", Uuid::new_v4().simple());
    let clock = format!(
        "CREATE SCHEMA {schema};
         CREATE FUNCTION {schema}.now() RETURNS timestamptz STABLE LANGUAGE sql
             AS $$ SELECT pg_catalog.now() + interval '{ahead}' $$"
    );
    sqlx::raw_sql(AssertSqlSafe(clock)).execute(pool).await.unwrap();
    // What stands in the path before `pg_catalog` is found before it.
    let path = [("search_path", format!("{schema},public,pg_catalog"))];
    let options = pool.connect_options().as_ref().clone().options(path);
    amphi_portal::pool::options().connect_with(options).await.unwrap()
}

pub fn fresh_id() -> amphi_engine::core::CommandId {
    amphi_engine::core::CommandId(Uuid::new_v4())
}

pub fn intern(rank: u16) -> Role {
    Role::Intern { rank: CallRank(rank) }
}

/// Path of what lies behind a door.
pub fn path(number: u128, role: Role) -> String {
    Door { amphi: AmphiId(amphi(number).0), role }.path()
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub fn header(&self, name: impl header::AsHeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// A browser without JavaScript: keeps its cookie, says its origin with forms, asks for pages.
pub struct Browser<'a> {
    site: &'a Site,
    pub cookie: Option<String>,
}

impl Browser<'_> {
    pub fn request(&self, method: Method, address: &str) -> axum::http::request::Builder {
        let mut request = Request::builder().method(method).uri(address);
        request = request.header(header::ACCEPT, "text/html,application/xhtml+xml,*/*;q=0.8");
        if let Some(cookie) = &self.cookie {
            request = request.header(header::COOKIE, cookie);
        }
        request
    }

    pub async fn get(&mut self, address: &str) -> Answer {
        let request = self.request(Method::GET, address).body(Body::empty()).unwrap();
        self.sends(request).await
    }

    /// Sends a form as one of our own pages does.
    pub async fn post(&mut self, address: &str, fields: &[(&str, &str)]) -> Answer {
        let body = serde_urlencoded::to_string(fields).unwrap();
        let request = self
            .request(Method::POST, address)
            .header(header::ORIGIN, self.site.public_url)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(body))
            .unwrap();
        self.sends(request).await
    }

    pub async fn sends(&mut self, request: Request<Body>) -> Answer {
        let answer = self.site.answers(request).await;
        if let Some(cookie) = answer.headers.get(header::SET_COOKIE) {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
            self.cookie = (!pair.ends_with('=')).then_some(pair);
        }
        answer
    }
}

/// The fields of a form that sends this command.
pub fn command<'a>(id: &'a str, action: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut fields = vec![("command_id", id), ("action", action)];
    fields.extend_from_slice(more);
    fields
}
