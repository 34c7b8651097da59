//! A visitor of ordinary pages, beside everything else: signs in by links, then asks page after page.
//!
//! One connection a page, as a browser that comes anew. Latencies count from the intended instant to the last byte.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::clock::{self, micros_between};
use crate::door::{Doors, Role};
use crate::timing::Latencies;
use crate::wire;

/// A page that takes longer is an error.
const PAGE_WITHIN: Duration = Duration::from_secs(10);

/// A page, and the cookie of whoever asks for it.
#[derive(Debug, Clone)]
struct Visit {
    path: String,
    cookie: String,
}

/// See the [module](self).
pub struct Visitor {
    authority: String,
    visits: Vec<Visit>,
    /// From the intended instant to the last byte.
    pub latencies: RefCell<Latencies>,
    /// Bytes of all answers.
    bytes: Cell<u64>,
    errors: RefCell<Vec<String>>,
    /// The server is away, and we know: nothing counts.
    pub unmeasured: Cell<bool>,
}

impl Visitor {
    /// Signs in once by each door of `amphis`, the first intern's and the spectator's and the administrator's.
    ///
    /// # Errors
    /// When a link does not open its door.
    pub async fn sign_in(authority: &str, amphis: &[(&str, &Doors)]) -> Result<Rc<Self>> {
        let mut visits = vec![Visit { path: "/".to_owned(), cookie: String::new() }];
        for (amphi, doors) in amphis {
            for door in [&doors.interns[0], &doors.spectator, &doors.administrator] {
                let link = Visit { path: format!("/entrer/{}", door.token), cookie: String::new() };
                let (head, _) = get(authority, &link).await?;
                let cookie = wire::header(&head, "set-cookie").context("a link without a cookie")?;
                let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
                let path = page_of(door.role, amphi);
                visits.push(Visit { path, cookie });
            }
        }
        Ok(Rc::new(Self {
            authority: authority.to_owned(),
            visits,
            latencies: RefCell::default(),
            bytes: Cell::new(0),
            errors: RefCell::default(),
            unmeasured: Cell::new(false),
        }))
    }

    /// Asks for `rate` pages a second until `until`.
    pub async fn visit_until(self: &Rc<Self>, until: Instant, rate: f64) {
        let begin = clock::now();
        let mut visiting = tokio::task::JoinSet::new();
        for number in 0_u32.. {
            let intended = begin + Duration::from_secs_f64(f64::from(number) / rate.max(1e-9));
            if intended >= until {
                break;
            }
            clock::sleep_precisely(intended).await;
            let (visitor, index) = (Rc::clone(self), number as usize % self.visits.len());
            visiting.spawn_local(async move { visitor.visit(index, intended).await });
            while visiting.try_join_next().is_some() {}
        }
        while visiting.join_next().await.is_some() {}
    }

    async fn visit(&self, index: usize, intended: Instant) {
        let visit = &self.visits[index];
        let answer = tokio::time::timeout(PAGE_WITHIN, get(&self.authority, visit)).await;
        if self.unmeasured.get() {
            return;
        }
        let answer = answer.context("no answer in time").and_then(|answer| answer);
        let checked = answer.and_then(|(head, body)| {
            let status = wire::status_of(&head)?;
            ensure!(status == 200, "answered {status}");
            ensure!(
                body.ends_with(b"</html>\n") || body.windows(7).any(|end| end == b"</html>"),
                "cut short"
            );
            Ok(body.len())
        });
        match checked {
            Ok(length) => {
                self.latencies.borrow_mut().record(micros_between(intended, clock::now()));
                self.bytes.set(self.bytes.get() + length as u64);
            }
            Err(problem) => self.errors.borrow_mut().push(format!("{}: {problem:#}", visit.path)),
        }
    }

    /// What went wrong.
    pub fn errors(&self) -> Vec<String> {
        self.errors.borrow().clone()
    }

    /// For the report.
    pub fn to_json(&self) -> Value {
        json!({
            "pages": self.visits.len(), "latency": self.latencies.borrow().to_json(),
            "bytes": self.bytes.get(), "errors": self.errors.borrow().len(),
        })
    }
}

fn page_of(role: Role, amphi: &str) -> String {
    let socket = role.socket_path(amphi);
    socket.trim_end_matches("/direct").to_owned()
}

async fn get(authority: &str, visit: &Visit) -> Result<(String, Vec<u8>)> {
    let cookie = match visit.cookie.as_str() {
        "" => String::new(),
        cookie => format!("Cookie: {cookie}\r\n"),
    };
    wire::get(authority, &visit.path, &format!("Accept: text/html\r\n{cookie}")).await
}
