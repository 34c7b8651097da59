//! The intern's page: me and my time, the amphi now, the posts, choosing, the connection.
//!
//! Shows the truth of `now` without JavaScript; `assets/intern.js` keeps it true. Deliberately
//! absent: names. Everybody is a rank and a pseudonym here.

use amphi_engine::core::policies::ProxyPolicy;
use amphi_engine::core::{CommandId, Forecast, Snapshot, Standing, Status, Timestamp};
use amphi_engine::protocol::{Me, Position};
use askama::Template;
use serde_json::json;

use super::facts::{AmphiNow, Choosing, Who, choosing, late_rule, post_label};
use super::flash::{Flash, FlashView};
use super::mandate::Mandate;
use super::panel::{Panel, Situation};
use super::posts::{PostFilter, PostList};
use super::receipt::ReceiptView;
use super::wishes::WishPanel;
use super::wording::{self, Audience, Rule, Zone, late_code, rules, say, standing_code, template};
use super::{PageContext, html, island, rehearsal_line};

/// What the intern's page is made from.
pub struct InternPage<'a> {
    /// Addresses.
    pub page: PageContext<'a>,
    /// Public facts.
    pub snapshot: &'a Snapshot,
    /// Where in the journal they stand.
    pub position: Position,
    /// Whose page.
    pub me: &'a Me,
    /// For whom it is used, when it is not by the intern.
    pub mandate: Option<&'a Mandate>,
    /// Why a document was not filed, as a word of the address.
    pub document_refused: Option<&'a str>,
    /// Which act the flash is about.
    pub act: Option<&'a str>,
    /// Forecasts of all ranks, by index, at `now`.
    pub forecasts: &'a [Option<Forecast>],
    /// The server's clock (the rehearsal's, in a rehearsal).
    pub now: Timestamp,
    /// How fast it runs.
    pub speed: f64,
    /// What became of a command sent by a form.
    pub flash: Option<Flash>,
    /// What of the offer is shown.
    pub filter: PostFilter,
    /// Makes a new command id for each form.
    pub new_command_id: &'a dyn Fn() -> CommandId,
}

#[derive(Template)]
#[template(path = "intern.html")]
struct InternTemplate<'a> {
    page: PageContext<'a>,
    position: Position,
    title: &'a str,
    period: String,
    path: String,
    rank: String,
    pseudonym: &'a str,
    mandate: Option<&'a Mandate>,
    document_problem: &'static str,
    proxy_line: Option<&'static str>,
    has_turns: bool,
    undone: Option<UndoneView>,
    wishes: Option<WishPanel>,
    rank_explanation: Vec<String>,
    rules: Vec<Rule>,
    panel: Panel,
    receipt: Option<ReceiptView>,
    now_said: String,
    clock: String,
    zone_line: String,
    rehearsal: Option<String>,
    amphi: AmphiNow,
    posts: PostList<'a>,
    filter: &'a PostFilter,
    filters_set: usize,
    choosing: Choosing,
    extra_seat: &'static str,
    may_pass: bool,
    pass_said: String,
    may_release: bool,
    pass_id: CommandId,
    release_id: CommandId,
    document_id: CommandId,
    flash: Option<FlashView>,
    data: String,
    words: String,
}

/// A choice that was undone, said.
struct UndoneView {
    title: String,
    lines: [String; 2],
}

fn undone(snapshot: &Snapshot, who: Who<'_>, zone: &Zone, now: Timestamp) -> Option<UndoneView> {
    let undone = who.me.undone.as_ref()?;
    let standing = snapshot.participants.get(who.me.rank.index())?.standing;
    if matches!(standing, Standing::Placed { .. }) {
        return None;
    }
    let over = matches!(snapshot.now.status, Status::Closed | Status::Annulled { .. });
    let next = match standing {
        Standing::Late { .. } => format!("defait.late.{}", late_code(late_rule(snapshot, who))),
        _ => format!("defait.{}", standing_code(&standing)),
    };
    let next = if over || template(&next).is_none() { "defait.autre" } else { &next };
    Some(UndoneView {
        title: say("defait.titre", &[("poste", post_label(undone.post, snapshot).into())]),
        lines: [
            say(
                "defait.motif",
                &[("quand", zone.when(undone.at, now).into()), ("motif", undone.reason.clone().into())],
            ),
            say(next, &[]),
        ],
    })
}

/// What the intern is told of their proxy, with the way to its page; nothing where there are none.
fn proxy_line(snapshot: &Snapshot, me: &Me) -> Option<&'static str> {
    let standing = snapshot.participants.get(me.rank.index())?.standing;
    let to_choose = matches!(standing, Standing::Waiting | Standing::Late { .. });
    let running = matches!(snapshot.now.status, Status::Published | Status::Open | Status::Suspended { .. });
    match me.proxy {
        _ if snapshot.policies.proxies == ProxyPolicy::Off || !snapshot.round.has_turns() || !running => None,
        Some(_) => Some("Vous avez donné procuration : voir où elle en est"),
        None if to_choose => Some("Je ne pourrai pas me connecter : donner procuration"),
        None => None,
    }
}

fn document_problem(refused: Option<&str>) -> &'static str {
    match refused {
        Some("vide") => "Aucun fichier n’a été joint. Choisissez le document, puis déposez-le.",
        Some("nature") => {
            "Ce fichier n’est ni un PDF, ni une image JPEG ou PNG. Rien n’a été enregistré : déposez un autre fichier."
        }
        Some("trop") => {
            "Cinq documents ont déjà été déposés. Appelez l’administration si aucun n’est le bon."
        }
        _ => "",
    }
}

/// The page of one intern, or of the holder of their proxy.
pub fn render(input: &InternPage<'_>) -> String {
    let (snapshot, me, rank) = (input.snapshot, input.me, input.me.rank);
    let who = Who { me, mandate: input.mandate };
    let zone = Zone::named(&snapshot.time_zone);
    let standing = snapshot.participants.get(rank.index()).map(|p| p.standing);
    let forecast = input.forecasts.get(rank.index()).copied().flatten();
    let situation = Situation { snapshot, who, forecast, now: input.now, zone: &zone };
    let placed = matches!(standing, Some(Standing::Placed { .. }));
    let done = match input.act {
        Some("document") => "fait.proxy_document",
        Some("exchange") => "fait.exchange",
        _ if placed => "fait.choose",
        _ => "fait",
    };
    let open = snapshot.now.status == Status::Open;
    let acts = !who.is_represented(snapshot);
    let path = who.path(snapshot);
    html(&InternTemplate {
        page: input.page,
        position: input.position,
        title: &snapshot.title,
        period: wording::period(snapshot.period),
        rank: rank.to_string(),
        pseudonym: &me.pseudonym,
        mandate: input.mandate,
        document_problem: document_problem(input.document_refused),
        has_turns: snapshot.round.has_turns(),
        proxy_line: proxy_line(snapshot, me).filter(|_| input.mandate.is_none()),
        undone: undone(snapshot, who, &zone, input.now),
        wishes: WishPanel::of(snapshot, who, &zone, input.now),
        rank_explanation: wording::rank_explanation(&me.rank_basis),
        rules: rules(snapshot.round, &snapshot.policies, snapshot.turn_duration),
        panel: Panel::of(&situation),
        receipt: me.receipt.as_ref().map(|receipt| ReceiptView::of(receipt, &zone)),
        now_said: zone.full(input.now),
        clock: zone.time_to_the_second(input.now),
        zone_line: wording::say("amphi.zone", &[("zone", zone.label().into())]),
        rehearsal: rehearsal_line(input.speed),
        amphi: AmphiNow::of(snapshot, &zone, input.forecasts, input.now),
        posts: PostList::of(snapshot, &input.filter, me),
        filter: &input.filter,
        filters_set: input.filter.count(),
        choosing: choosing(snapshot, who),
        extra_seat: super::extra_seat_code(me),
        may_pass: open && acts && standing == Some(Standing::InTurn),
        pass_said: wording::say_by_late("passer.consequence", snapshot.policies.late),
        may_release: open && acts && snapshot.now.held.iter().any(|held| held.rank == rank),
        pass_id: (input.new_command_id)(),
        release_id: (input.new_command_id)(),
        document_id: (input.new_command_id)(),
        flash: input.flash.as_ref().map(|flash| flash.view(Audience::Intern, snapshot, done)),
        data: island(&json!({
            "path": path,
            "zone_label": zone.label(),
            "snapshot": snapshot,
            "position": input.position,
            "me": me,
            "mandate": input.mandate.map(|mandate| json!({
                "principal": mandate.principal,
                "document_missing": mandate.document_is_missing(),
            })),
            "now": input.now,
            "speed": input.speed,
        })),
        words: island(&wording::dictionary()),
        path,
    })
}
