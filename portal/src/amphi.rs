//! The pages of one amphi: the intern's, the control room, the public screen, and their forms.
//!
//! Each handler first asks for its door ([`Portal::admit`]); what a command may do is decided again by
//! the core, from the same role.

use std::sync::Arc;

use amphi_engine::core::{
    AmphiId, CallRank, CommandId, Forecast, LiveCommand, NamesPolicy, PostNumber, Rejection, Snapshot,
    Status, Timestamp,
};
use amphi_engine::protocol::{Me, Outcome, Position, Role};
use amphi_engine::room::{Busy, Room, addressed};
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::{Html, Redirect};
use axum_extra::extract::Form;
use serde::Deserialize;
use uuid::Uuid;

use crate::Portal;
use crate::acting::Acting;
use crate::audit;
use crate::failure::Failure;
use crate::pages::{self, Flash, PostFilter};
use crate::people;

/// What one look at a room gives the pages.
pub(crate) struct Look {
    pub snapshot: Snapshot,
    pub position: Position,
    pub forecasts: Vec<Option<Forecast>>,
    pub now: Timestamp,
    pub speed: f64,
}

impl Look {
    /// A draft is shown like any other amphi, to whoever has a link to it; one without a list has nothing to show.
    pub fn at(room: &Room) -> Result<Self, Failure> {
        let now = room.now();
        room.read(|ledger| {
            let amphi = ledger.amphi();
            Some(Self {
                snapshot: amphi.snapshot()?,
                position: ledger.position(),
                forecasts: amphi.forecasts(now),
                now,
                speed: room.speed(),
            })
        })
        .ok_or(Failure::NotFound)
    }

    /// As participants see one another: by name where the policy says so (3.6), else by pseudonym.
    ///
    /// The name takes the place of the pseudonym, on the page and in what it hands to its scripts; what
    /// travels live afterwards holds pseudonyms only.
    pub async fn named(mut self, portal: &Portal) -> Result<Self, Failure> {
        if self.snapshot.policies.names == NamesPolicy::Names {
            for entry in people::roster(&portal.pool, self.snapshot.amphi).await? {
                if let Some(participant) = self.snapshot.participants.get_mut(entry.rank.index()) {
                    participant.pseudonym = format!("{} {}", entry.first_name, entry.last_name);
                }
            }
        }
        Ok(self)
    }

    /// What the intern at `rank` is told about themselves; called as the others see them.
    fn me(&self, room: &Room, rank: CallRank) -> Result<Me, Failure> {
        let mut me = room.read(|ledger| ledger.me(rank)).ok_or(Failure::NotFound)?;
        let participant = self.snapshot.participants.get(rank.index()).ok_or(Failure::NotFound)?;
        me.pseudonym.clone_from(&participant.pseudonym);
        Ok(me)
    }
}

pub(crate) fn new_command_id() -> CommandId {
    CommandId(Uuid::new_v4())
}

pub(crate) fn pairs(query: Option<&str>) -> Vec<(String, String)> {
    let query = query.unwrap_or_default();
    serde_urlencoded::from_str(query).unwrap_or_default()
}

pub(crate) fn flash(pairs: &[(String, String)]) -> Option<Flash> {
    let value = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let number = |name: &str| value(name).and_then(|value| value.parse().ok());
    Flash::from_query(value("resultat")?, number("poste"), number("rang"))
}

/// The intern's page.
pub async fn intern(
    State(portal): State<Arc<Portal>>,
    Path((amphi, rank)): Path<(AmphiId, CallRank)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Html<String>, Failure> {
    show(&portal, &portal.in_person(&headers, amphi, rank).await?, query.as_deref()).await
}

/// The same, for the holder of their proxy.
pub async fn holder(
    State(portal): State<Arc<Portal>>,
    Path((amphi, rank)): Path<(AmphiId, CallRank)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Html<String>, Failure> {
    show(&portal, &portal.by_proxy(&headers, amphi, rank).await?, query.as_deref()).await
}

async fn show(portal: &Portal, acting: &Acting, query: Option<&str>) -> Result<Html<String>, Failure> {
    let look = Look::at(&acting.room)?.named(portal).await?;
    let query = pairs(query);
    let value = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    Ok(Html(pages::intern::render(&pages::intern::InternPage {
        page: portal.page(),
        snapshot: &look.snapshot,
        position: look.position,
        me: &look.me(&acting.room, acting.rank)?,
        mandate: acting.mandate.as_ref(),
        document_refused: value("document"),
        act: value("acte"),
        forecasts: &look.forecasts,
        now: look.now,
        speed: look.speed,
        flash: flash(&query),
        filter: PostFilter::from_pairs(query.iter().map(|(name, value)| (name.as_str(), value.as_str()))),
        new_command_id: &new_command_id,
    })))
}

/// The confirmation of a choice, for people without JavaScript.
pub async fn choose(
    State(portal): State<Arc<Portal>>,
    Path((amphi, rank, post)): Path<(AmphiId, CallRank, PostNumber)>,
    headers: HeaderMap,
) -> Result<Html<String>, Failure> {
    confirmation(&portal, &portal.in_person(&headers, amphi, rank).await?, post).await
}

/// The same, for the holder of a proxy.
pub async fn choose_by_proxy(
    State(portal): State<Arc<Portal>>,
    Path((amphi, rank, post)): Path<(AmphiId, CallRank, PostNumber)>,
    headers: HeaderMap,
) -> Result<Html<String>, Failure> {
    confirmation(&portal, &portal.by_proxy(&headers, amphi, rank).await?, post).await
}

async fn confirmation(portal: &Portal, acting: &Acting, post: PostNumber) -> Result<Html<String>, Failure> {
    let look = Look::at(&acting.room)?.named(portal).await?;
    let page = pages::choose::render(&pages::choose::ChoosePage {
        page: portal.page(),
        snapshot: &look.snapshot,
        me: &look.me(&acting.room, acting.rank)?,
        mandate: acting.mandate.as_ref(),
        post,
        now: look.now,
        command_id: new_command_id(),
    });
    page.map(Html).ok_or(Failure::NotFound)
}

/// The intern's receipt.
pub async fn receipt(
    State(portal): State<Arc<Portal>>,
    Path((amphi, rank)): Path<(AmphiId, CallRank)>,
    headers: HeaderMap,
) -> Result<Html<String>, Failure> {
    proof(&portal, &portal.in_person(&headers, amphi, rank).await?).await
}

/// The same, for the holder of their proxy.
pub async fn receipt_by_proxy(
    State(portal): State<Arc<Portal>>,
    Path((amphi, rank)): Path<(AmphiId, CallRank)>,
    headers: HeaderMap,
) -> Result<Html<String>, Failure> {
    proof(&portal, &portal.by_proxy(&headers, amphi, rank).await?).await
}

async fn proof(portal: &Portal, acting: &Acting) -> Result<Html<String>, Failure> {
    let look = Look::at(&acting.room)?.named(portal).await?;
    let me = look.me(&acting.room, acting.rank)?;
    let receipt = me.receipt.as_ref().ok_or(Failure::NotFound)?;
    let (amphi, rank, by_proxy) = (look.snapshot.amphi, acting.rank, acting.mandate.is_some());
    tracing::info!(target: audit::TARGET, %amphi, %rank, by_proxy, seq = receipt.seq, "a receipt was shown");
    let annulled = match &look.snapshot.now.status {
        Status::Annulled { reason } => Some(reason.as_str()),
        _ => None,
    };
    Ok(Html(pages::receipt::render(&pages::receipt::ReceiptPage {
        page: portal.page(),
        receipt,
        pseudonym: &me.pseudonym,
        time_zone: &look.snapshot.time_zone,
        back: acting.path(),
        annulled,
        now: look.now,
    })))
}

/// The public screen.
pub async fn screen(
    State(portal): State<Arc<Portal>>,
    Path(amphi): Path<AmphiId>,
    headers: HeaderMap,
) -> Result<Html<String>, Failure> {
    let (room, _) = portal.admit_to_screen(&headers, amphi).await?;
    let look = Look::at(&room)?.named(&portal).await?;
    Ok(Html(pages::screen::render(&pages::screen::ScreenPage {
        page: portal.page(),
        snapshot: &look.snapshot,
        position: look.position,
        forecasts: &look.forecasts,
        now: look.now,
        speed: look.speed,
    })))
}

/// A command as a form sends it.
#[derive(Debug, Deserialize)]
pub struct CommandForm {
    command_id: CommandId,
    action: String,
    post: Option<PostNumber>,
    rank: Option<CallRank>,
    #[serde(default)]
    supernumerary: bool,
    #[serde(default)]
    reason: String,
}

impl CommandForm {
    fn command(&self) -> Option<LiveCommand> {
        let reason = self.reason.clone();
        Some(match self.action.as_str() {
            "choose" => LiveCommand::Choose { post: self.post?, supernumerary: self.supernumerary },
            "exchange" => LiveCommand::Exchange { post: self.post? },
            "release_held" => LiveCommand::ReleaseHeld,
            "pass" => LiveCommand::Pass,
            "open" => LiveCommand::Open,
            "suspend" => LiveCommand::Suspend { reason },
            "resume" => LiveCommand::Resume,
            "close" => LiveCommand::Close,
            "annul" => LiveCommand::Annul { reason },
            "end_turn" => LiveCommand::EndTurn { rank: self.rank?, reason },
            "withdraw" => LiveCommand::Withdraw { rank: self.rank?, reason },
            _ => return None,
        })
    }
}

/// A command of an intern, sent by a form.
pub async fn intern_command(
    State(portal): State<Arc<Portal>>,
    Path((amphi, rank)): Path<(AmphiId, CallRank)>,
    headers: HeaderMap,
    Form(form): Form<CommandForm>,
) -> Result<Redirect, Failure> {
    let acting = portal.in_person(&headers, amphi, rank).await?;
    carry_out(&acting.room, acting.role, &form, &acting.path()).await
}

/// A command of the holder of a proxy, sent by a form.
pub async fn holder_command(
    State(portal): State<Arc<Portal>>,
    Path((amphi, rank)): Path<(AmphiId, CallRank)>,
    headers: HeaderMap,
    Form(form): Form<CommandForm>,
) -> Result<Redirect, Failure> {
    let acting = portal.by_proxy(&headers, amphi, rank).await?;
    carry_out(&acting.room, acting.role, &form, &acting.path()).await
}

/// Carries the command out and leads back to the page, which says what became of it.
async fn carry_out(room: &Room, role: Role, form: &CommandForm, page: &str) -> Result<Redirect, Failure> {
    let command = form.command().ok_or(Failure::BadRequest)?;
    let (actor, command) = addressed(role, command);
    let (flash, post, rank) = match room.ask(actor, command, form.command_id).await {
        Ok(Outcome::Done { .. }) => (Flash::Done, form.post, form.rank),
        Ok(Outcome::Held { post, .. }) => (Flash::Held, Some(post), None),
        Ok(Outcome::Refused { rejection }) => {
            let (post, rank) = subject(&rejection, form.post, form.rank);
            (Flash::Refused(rejection), post, rank)
        }
        Err(_) => (Flash::Busy, form.post, form.rank),
    };
    let mut address = format!("{page}?resultat={}", flash.to_query());
    if form.action == "exchange" {
        address.push_str("&acte=exchange");
    }
    if let Some(post) = post {
        address.push_str(&format!("&poste={post}"));
    }
    if let Some(rank) = rank {
        address.push_str(&format!("&rang={rank}"));
    }
    Ok(Redirect::to(&address))
}

/// Leads back to `page`, which says what became of a command that is about no post of the form.
pub(crate) fn answered(outcome: Result<Outcome, Busy>, page: &str) -> Redirect {
    let (flash, post) = match outcome {
        Ok(Outcome::Refused { rejection }) => {
            let post = match rejection {
                Rejection::WishTwice { post } | Rejection::UnknownPost { post } => Some(post),
                _ => None,
            };
            (Flash::Refused(rejection), post)
        }
        Ok(_) => (Flash::Done, None),
        Err(Busy) => (Flash::Busy, None),
    };
    let about = post.map_or_else(String::new, |post| format!("&poste={post}"));
    Redirect::to(&format!("{page}?resultat={}{about}", flash.to_query()))
}

/// The post and the rank that a refusal is about.
pub(crate) fn subject(
    rejection: &Rejection,
    post: Option<PostNumber>,
    rank: Option<CallRank>,
) -> (Option<PostNumber>, Option<CallRank>) {
    match rejection {
        Rejection::PostTaken { post, by } => (Some(*post), *by),
        Rejection::AlreadyChosen { post }
        | Rejection::UnknownPost { post }
        | Rejection::WishTwice { post }
        | Rejection::SupernumeraryTaken { post } => (Some(*post), rank),
        Rejection::TurnNotInProgress { rank }
        | Rejection::UnknownRank { rank }
        | Rejection::NothingToRewind { to: rank }
        | Rejection::NotPlaced { rank }
        | Rejection::NotIneligible { rank }
        | Rejection::AlreadyListed { rank } => (post, Some(*rank)),
        Rejection::TurnsRemain { remaining } => (post, Some(CallRank(*remaining))),
        _ => (post, rank),
    }
}
