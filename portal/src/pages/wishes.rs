//! Wishes and safety net (3.5): the list on the page of posts, and a page of its own that needs no
//! JavaScript.

use std::borrow::Cow;

use amphi_engine::core::policies::LatePolicy;
use amphi_engine::core::{CommandId, PostNumber, PostView, SafetyNet, Snapshot, Standing, Status, Timestamp};
use amphi_engine::protocol::{Me, WishReceipt};
use askama::Template;

use super::facts::{Who, post_label};
use super::flash::{Flash, FlashView};
use super::mandate::Mandate;
use super::posts::{fold, seats_line};
use super::wording::{Audience, Zone, say};
use super::{PageContext, html};

/// The three answers.
const NETS: [(SafetyNet, &str, &str); 3] = [
    (SafetyNet::Never, "never", "Jamais"),
    (SafetyNet::AtExpiry, "at_expiry", "À l’expiration de mon tour"),
    (SafetyNet::IfAbsent, "if_absent", "Seulement si je ne suis pas là"),
];

/// What an answer does, said exactly (3.5); without a net, the late policy says what comes after the turn.
fn net_says(net: SafetyNet, late: LatePolicy) -> &'static str {
    match (net, late) {
        (SafetyNet::Never, LatePolicy::Now) => {
            "Rien n’est choisi sans vous. Si votre tour s’achève sans choix, vous choisissez ensuite parmi ce qui reste."
        }
        (SafetyNet::Never, LatePolicy::AfterCurrentTurn) => {
            "Rien n’est choisi sans vous. Si votre tour s’achève sans choix, vous choisissez ensuite parmi ce qui reste ; \
             votre choix attend la fin du tour alors en cours."
        }
        (SafetyNet::Never, LatePolicy::EndOfSession) => {
            "Rien n’est choisi sans vous. Si votre tour s’achève sans choix, vous choisissez après le dernier tour, \
             parmi ce qui reste."
        }
        (SafetyNet::Never, LatePolicy::Forfeit) => {
            "Rien n’est choisi sans vous. Si votre tour s’achève sans choix, vous ne pourrez plus choisir : dans cette \
             séance, un tour passé ne se rattrape pas."
        }
        (SafetyNet::AtExpiry, _) => {
            "Si le temps de votre tour s’écoule sans choix, le premier de vos vœux encore libre est choisi pour vous, \
             définitivement, que vous soyez connecté ou non."
        }
        (SafetyNet::IfAbsent, _) => {
            "Si le temps de votre tour s’écoule sans choix et que ni vous ni votre mandataire n’êtes connectés à cet \
             instant, le premier de vos vœux encore libre est choisi pour vous, définitivement."
        }
    }
}

/// Said with the three: when nothing of it happens yet.
const GRACE_SAID: &str = "Cela n’arrive qu’après la fin du temps et les 2 secondes de tolérance, jamais avant : tant que \
    votre tour est ouvert, vous seul choisissez. Passer votre tour ne déclenche rien.";

/// One answer about the safety net.
pub(super) struct NetView {
    pub value: &'static str,
    pub label: &'static str,
    pub said: &'static str,
    pub chosen: bool,
}

fn nets(chosen: SafetyNet, late: LatePolicy) -> Vec<NetView> {
    let view = |(net, value, label): (SafetyNet, _, _)| NetView {
        value,
        label,
        said: net_says(net, late),
        chosen: net == chosen,
    };
    NETS.map(view).into()
}

/// The answer that `value` means in a form.
pub fn net_from_form(value: &str) -> Option<SafetyNet> {
    NETS.iter().find(|(_, known, ..)| *known == value).map(|(net, ..)| *net)
}

/// One wish, said.
pub(super) struct WishItem {
    pub number: PostNumber,
    pub position: usize,
    pub label: String,
    pub seats: String,
    pub gone: bool,
}

/// "My wishes", as they were last saved.
pub(super) struct WishPanel {
    pub version: u32,
    pub items: Vec<WishItem>,
    pub count: String,
    pub state: String,
    pub receipt: String,
    pub nets: Option<Vec<NetView>>,
    pub grace: &'static str,
    /// Nothing else matters yet: the list is open.
    pub open: bool,
}

/// Whether wishes may be set now; the core decides again.
fn may_wish(snapshot: &Snapshot, who: Who<'_>) -> bool {
    let running = matches!(snapshot.now.status, Status::Published | Status::Open | Status::Suspended { .. });
    let standing = snapshot.participants.get(who.me.rank.index()).map(|p| p.standing);
    let to_choose = matches!(standing, Some(Standing::Waiting | Standing::InTurn | Standing::Late { .. }));
    running && to_choose && !who.is_represented(snapshot)
}

impl WishPanel {
    /// `None` when wishes can no longer be set.
    pub fn of(snapshot: &Snapshot, who: Who<'_>, zone: &Zone, now: Timestamp) -> Option<Self> {
        if !may_wish(snapshot, who) {
            return None;
        }
        let set = who.me.wishes.as_ref();
        let wishes = set.map_or(&[][..], |set| &set.wishes);
        let waiting = snapshot.participants.get(who.me.rank.index()).is_some_and(|p| p.standing.is_waiting());
        let net = set.map_or(SafetyNet::Never, |set| set.safety_net);
        let has_net = snapshot.policies.safety_net && snapshot.round.has_turns();
        Some(Self {
            version: set.map_or(0, |set| set.version),
            items: wishes.iter().enumerate().map(|(index, wish)| item(index, *wish, snapshot)).collect(),
            count: say("voeux.compte", &[("n", Cow::from(wishes.len().to_string()))]),
            state: saved_said(set, zone, now),
            receipt: set.map_or_else(String::new, WishReceipt::code),
            nets: has_net.then(|| nets(net, snapshot.policies.late)),
            grace: GRACE_SAID,
            open: waiting,
        })
    }
}

/// "Version 3 enregistrée à 14 h 02."
fn saved_said(set: Option<&WishReceipt>, zone: &Zone, now: Timestamp) -> String {
    set.map_or_else(
        || say("voeux.jamais", &[]),
        |set| {
            let when = zone.when(set.at, now);
            say("voeux.enregistres", &[("n", Cow::from(set.version.to_string())), ("quand", when.into())])
        },
    )
}

fn item(index: usize, wish: PostNumber, snapshot: &Snapshot) -> WishItem {
    let post = snapshot.posts.get(wish.index());
    WishItem {
        number: wish,
        position: index + 1,
        label: post_label(wish, snapshot),
        seats: post.map_or_else(String::new, seats_line),
        gone: post.is_some_and(|post| post.seats_left == 0),
    }
}

/// What the page of wishes is made from.
pub struct WishesPage<'a> {
    /// Addresses.
    pub page: PageContext<'a>,
    /// Public facts.
    pub snapshot: &'a Snapshot,
    /// Whose.
    pub me: &'a Me,
    /// For whom, when it is not for oneself.
    pub mandate: Option<&'a Mandate>,
    /// The server's clock.
    pub now: Timestamp,
    /// What became of the form.
    pub flash: Option<Flash>,
    /// Id of the command the form sends.
    pub command_id: CommandId,
}

struct Line<'a> {
    view: &'a PostView,
    position: String,
    seats: String,
}

#[derive(Template)]
#[template(path = "voeux.html")]
struct WishesTemplate<'a> {
    page: PageContext<'a>,
    title: &'a str,
    path: String,
    rank: String,
    mandate: Option<&'a Mandate>,
    panel: Option<WishPanel>,
    lines: Vec<Line<'a>>,
    flash: Option<FlashView>,
    command_id: CommandId,
}

/// The page of wishes: a number beside each post.
pub fn render(input: &WishesPage<'_>) -> String {
    let (snapshot, me) = (input.snapshot, input.me);
    let who = Who { me, mandate: input.mandate };
    let zone = Zone::named(&snapshot.time_zone);
    let wishes = me.wishes.as_ref().map_or(&[][..], |set| &set.wishes);
    let position = |view: &PostView| wishes.iter().position(|wish| *wish == view.number);
    let mut posts: Vec<&PostView> = snapshot.posts.iter().collect();
    posts.sort_by_cached_key(|view| {
        let place = position(view).unwrap_or(usize::MAX);
        (place, fold(&view.post.establishment), fold(&view.post.service), view.number)
    });
    let line = |view| Line {
        view,
        position: position(view).map_or_else(String::new, |index| (index + 1).to_string()),
        seats: seats_line(view),
    };
    html(&WishesTemplate {
        page: input.page,
        title: &snapshot.title,
        path: who.path(snapshot),
        rank: me.rank.to_string(),
        mandate: input.mandate,
        panel: WishPanel::of(snapshot, who, &zone, input.now),
        lines: posts.into_iter().map(line).collect(),
        flash: input.flash.as_ref().map(|flash| flash.view(Audience::Intern, snapshot, "fait.set_wishes")),
        command_id: input.command_id,
    })
}
