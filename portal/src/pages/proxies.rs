//! The pages of a proxy's life: giving it, its link and its code, and what administrators see.

use amphi_engine::core::policies::ProxyPolicy;
use amphi_engine::core::{CallRank, CommandId, Snapshot, Standing, Status, Timestamp};
use amphi_engine::protocol::Me;
use askama::Template;

use super::flash::{Flash, FlashView};
use super::wording::{self, Audience, Zone};
use super::{PageContext, control_path, html, intern_path};
use crate::proxies::{CODE_VALID_MINUTES, Holder, KEPT_MONTHS, Record};

/// What somebody typed, and what is wrong with it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Entered {
    pub holder: Holder,
    pub instructions: String,
    pub problems: Problems,
}

/// One sentence per field; empty where all is well.
#[derive(Debug, Clone, Default)]
pub(crate) struct Problems {
    pub name: String,
    pub email: String,
    pub phone: String,
    pub instructions: String,
}

impl Problems {
    pub fn any(&self) -> bool {
        [&self.name, &self.email, &self.phone, &self.instructions].into_iter().any(|said| !said.is_empty())
    }
}

/// One step of a proxy's life, and whether it is behind.
struct Step {
    said: String,
    done: bool,
}

/// A proxy, said.
struct ProxyView<'a> {
    holder: &'a Holder,
    instructions: &'a str,
    /// "à 10 h 47", "le lundi 29 mars à 10 h 47"; empty once it is not in force any more.
    since: String,
    steps: Vec<Step>,
}

fn view<'a>(record: &'a Record, me: &Me, snapshot: &Snapshot, now: Timestamp) -> ProxyView<'a> {
    let zone = Zone::named(&snapshot.time_zone);
    let step =
        |done: bool, yes: &str, no: &str| Step { said: (if done { yes } else { no }).to_owned(), done };
    let mut steps = vec![
        step(record.links_sent > 0, "Lien envoyé par courriel", "Lien en cours d’envoi"),
        step(
            record.confirmed,
            "Procuration confirmée par le mandataire",
            "Pas encore confirmée par le mandataire",
        ),
    ];
    if snapshot.policies.proxies == ProxyPolicy::WithDocument {
        let filed = me.proxy.is_some_and(|proxy| proxy.document_filed);
        steps.push(step(filed, "Document signé déposé", "Document signé pas encore déposé"));
    }
    ProxyView {
        holder: &record.holder,
        instructions: &record.instructions,
        since: me.proxy.map_or_else(String::new, |proxy| zone.when(proxy.since, now)),
        steps,
    }
}

/// Where the giving of a proxy stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Giving {
    /// This amphi has none.
    Off,
    /// Nothing is to be given any more: placed, withdrawn, over.
    Pointless,
    /// One's own turn is open.
    TooLate,
    /// The form.
    Possible,
    /// Given, and it can be taken back.
    Revocable,
    /// Given, and only the holder chooses.
    Active,
    /// Given, and used.
    Used,
}

fn giving(snapshot: &Snapshot, me: &Me, given: bool) -> Giving {
    let standing = snapshot.participants.get(me.rank.index()).map(|p| p.standing);
    let running = matches!(snapshot.now.status, Status::Published | Status::Open | Status::Suspended { .. });
    match standing {
        _ if snapshot.policies.proxies == ProxyPolicy::Off || !snapshot.round.has_turns() => Giving::Off,
        Some(Standing::Placed { .. }) if given => Giving::Used,
        Some(Standing::Waiting) if running && me.proxy.is_some() => Giving::Revocable,
        _ if running && me.proxy.is_some() => Giving::Active,
        Some(Standing::InTurn) if running => Giving::TooLate,
        Some(Standing::Waiting | Standing::Late { .. }) if running => Giving::Possible,
        _ => Giving::Pointless,
    }
}

/// What the intern's page of their proxy is made from.
pub(crate) struct GivePage<'a> {
    pub page: PageContext<'a>,
    pub snapshot: &'a Snapshot,
    pub me: &'a Me,
    pub now: Timestamp,
    pub record: Option<&'a Record>,
    pub entered: &'a Entered,
    pub flash: Option<Flash>,
    /// Which act the flash is about.
    pub act: Option<&'a str>,
    pub new_command_id: &'a dyn Fn() -> CommandId,
}

#[derive(Template)]
#[template(path = "procuration.html")]
struct GiveTemplate<'a> {
    page: PageContext<'a>,
    title: &'a str,
    path: String,
    rank: CallRank,
    giving: Giving,
    proxy: Option<ProxyView<'a>>,
    entered: &'a Entered,
    flash: Option<FlashView>,
    ids: [CommandId; 3],
    kept_months: i32,
}

/// Where one's proxy stands, or the form that gives one.
pub(crate) fn give(input: &GivePage<'_>) -> String {
    let (snapshot, me) = (input.snapshot, input.me);
    let done = match input.act {
        Some("revoquer") => "fait.revoke_proxy",
        Some("renvoyer") => "fait.proxy_link",
        _ => "fait.give_proxy",
    };
    html(&GiveTemplate {
        page: input.page,
        title: &snapshot.title,
        path: intern_path(snapshot.amphi, me.rank),
        rank: me.rank,
        giving: giving(snapshot, me, input.record.is_some()),
        proxy: input.record.map(|record| view(record, me, snapshot, input.now)),
        entered: input.entered,
        flash: input.flash.as_ref().map(|flash| flash.view(Audience::Intern, snapshot, done)),
        ids: [(input.new_command_id)(), (input.new_command_id)(), (input.new_command_id)()],
        kept_months: KEPT_MONTHS,
    })
}

/// What the preview is made from.
pub(crate) struct VerifyPage<'a> {
    pub page: PageContext<'a>,
    pub snapshot: &'a Snapshot,
    pub rank: CallRank,
    pub entered: &'a Entered,
    pub command_id: CommandId,
}

#[derive(Template)]
#[template(path = "procuration_verifier.html")]
struct VerifyTemplate<'a> {
    page: PageContext<'a>,
    title: &'a str,
    path: String,
    with_document: bool,
    entered: &'a Entered,
    command_id: CommandId,
}

/// What would happen, before it does.
pub(crate) fn verify(input: &VerifyPage<'_>) -> String {
    html(&VerifyTemplate {
        page: input.page,
        title: &input.snapshot.title,
        path: intern_path(input.snapshot.amphi, input.rank),
        with_document: input.snapshot.policies.proxies == ProxyPolicy::WithDocument,
        entered: input.entered,
        command_id: input.command_id,
    })
}

/// Where the holder stands with their code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CodeState {
    /// None was asked for, or the last one is too old.
    ToSend,
    /// One is on its way.
    Sent,
    /// One is on its way, and another one cannot be sent yet.
    SentJustNow,
    /// That was not it.
    Wrong { left: i32 },
    /// Another one has to be sent.
    Exhausted,
    /// None can be sent now.
    NoMore,
}

/// What the page of a link is made from.
pub(crate) struct LinkPage<'a> {
    pub page: PageContext<'a>,
    pub snapshot: &'a Snapshot,
    pub principal: &'a str,
    pub holder: &'a Holder,
    pub path: &'a str,
    pub state: CodeState,
}

#[derive(Template)]
#[template(path = "mandat_lien.html")]
struct LinkTemplate<'a> {
    page: PageContext<'a>,
    title: &'a str,
    period: String,
    principal: &'a str,
    holder: &'a Holder,
    address: String,
    path: &'a str,
    state: CodeState,
    asks_code: bool,
    valid_minutes: i32,
    kept_months: i32,
}

/// The page a link opens: who asks for what, and the code.
pub(crate) fn link(input: &LinkPage<'_>) -> String {
    let asks_code = matches!(input.state, CodeState::Sent | CodeState::SentJustNow | CodeState::Wrong { .. });
    html(&LinkTemplate {
        page: input.page,
        title: &input.snapshot.title,
        period: wording::period(input.snapshot.period),
        principal: input.principal,
        holder: input.holder,
        address: hinted(&input.holder.email),
        path: input.path,
        state: input.state,
        asks_code,
        valid_minutes: CODE_VALID_MINUTES,
        kept_months: KEPT_MONTHS,
    })
}

/// "c•••@exemple.fr": enough for whoever owns it to know which it is.
fn hinted(email: &str) -> String {
    match email.split_once('@') {
        Some((local, domain)) => {
            let first: String = local.chars().take(1).collect();
            format!("{first}•••@{domain}")
        }
        None => "•••".to_owned(),
    }
}

/// What an administrator's page of a proxy is made from.
pub(crate) struct OverseePage<'a> {
    pub page: PageContext<'a>,
    pub snapshot: &'a Snapshot,
    pub me: &'a Me,
    pub now: Timestamp,
    pub principal: &'a str,
    pub record: Option<&'a Record>,
    /// SHA-256, kind and size in bytes.
    pub document: Option<(String, &'a str, usize)>,
    pub flash: Option<Flash>,
    pub command_id: CommandId,
}

struct DocumentView {
    sha256: String,
    kind: &'static str,
    size: String,
}

#[derive(Template)]
#[template(path = "regie_procuration.html")]
struct OverseeTemplate<'a> {
    page: PageContext<'a>,
    title: &'a str,
    control: String,
    rank: CallRank,
    principal: &'a str,
    proxy: Option<ProxyView<'a>>,
    in_force: bool,
    document: Option<DocumentView>,
    flash: Option<FlashView>,
    command_id: CommandId,
}

/// Who holds a rank's proxy, what they have shown, and the form that ends it.
pub(crate) fn oversee(input: &OverseePage<'_>) -> String {
    let (snapshot, me) = (input.snapshot, input.me);
    let document = input.document.as_ref().map(|(sha256, kind, bytes)| DocumentView {
        sha256: sha256.clone(),
        kind: match *kind {
            "application/pdf" => "PDF",
            "image/png" => "image PNG",
            _ => "image JPEG",
        },
        size: format!("{} Ko", bytes.div_ceil(1024)),
    });
    html(&OverseeTemplate {
        page: input.page,
        title: &snapshot.title,
        control: control_path(snapshot.amphi),
        rank: me.rank,
        principal: input.principal,
        proxy: input.record.map(|record| view(record, me, snapshot, input.now)),
        in_force: me.proxy.is_some(),
        document,
        flash: input
            .flash
            .as_ref()
            .map(|flash| flash.view(Audience::Administrator, snapshot, "fait.revert_proxy")),
        command_id: input.command_id,
    })
}

#[cfg(test)]
mod tests {
    use super::hinted;

    #[test]
    fn an_address_is_hinted_at() {
        assert_eq!(hinted("camille@exemple.fr"), "c•••@exemple.fr");
        assert_eq!(hinted("nothing"), "•••");
    }
}
