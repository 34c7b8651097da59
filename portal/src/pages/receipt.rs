//! The receipt: the proof of a choice, to be kept, printed and checked.

use amphi_engine::core::Timestamp;
use amphi_engine::protocol::Receipt;
use askama::Template;

use super::wording::{self, Zone};
use super::{PageContext, html};

/// What the receipt page is made from.
pub struct ReceiptPage<'a> {
    /// Addresses.
    pub page: PageContext<'a>,
    /// The receipt.
    pub receipt: &'a Receipt,
    /// How the others see the intern.
    pub pseudonym: &'a str,
    /// IANA zone of the amphi.
    pub time_zone: &'a str,
    /// The page it belongs to: the intern's, or their holder's.
    pub back: String,
    /// Why the session was annulled, when it was: then the receipt proves a choice without effect.
    pub annulled: Option<&'a str>,
    /// The server's clock.
    pub now: Timestamp,
}

/// A receipt, said; shared with the intern's page.
pub(super) struct ReceiptView {
    pub code: String,
    pub establishment: String,
    pub service: String,
    pub imotep: String,
    /// Empty for a supernumerary choice, which uses no seat.
    pub seat: String,
    pub post: u16,
    pub period: String,
    pub when_exactly: String,
    pub machine_time: String,
    pub manner: String,
    pub seq: u64,
    pub hash: String,
    pub amphi: String,
    pub title: String,
    pub rank: String,
}

impl ReceiptView {
    pub fn of(receipt: &Receipt, zone: &Zone) -> Self {
        Self {
            code: receipt.code(),
            establishment: receipt.establishment.clone(),
            service: receipt.service.clone(),
            imotep: receipt.imotep.clone(),
            seat: receipt.seat.map(|seat| seat.to_string()).unwrap_or_default(),
            post: receipt.post.0,
            period: wording::period(receipt.period),
            when_exactly: format!(
                "{} à {} ({})",
                zone.date(receipt.at),
                zone.time_to_the_second(receipt.at),
                zone.label()
            ),
            machine_time: zone.machine(receipt.at),
            manner: wording::manner(receipt.manner),
            seq: receipt.seq,
            hash: receipt.hash.clone(),
            amphi: receipt.amphi.to_string(),
            title: receipt.title.clone(),
            rank: receipt.rank.to_string(),
        }
    }
}

#[derive(Template)]
#[template(path = "receipt.html")]
struct ReceiptTemplate<'a> {
    page: PageContext<'a>,
    receipt: ReceiptView,
    pseudonym: &'a str,
    annulled: Option<&'a str>,
    path: String,
    printed: String,
}

/// The receipt page.
pub fn render(input: &ReceiptPage<'_>) -> String {
    let zone = Zone::named(input.time_zone);
    html(&ReceiptTemplate {
        page: input.page,
        receipt: ReceiptView::of(input.receipt, &zone),
        pseudonym: input.pseudonym,
        annulled: input.annulled,
        path: input.back.clone(),
        printed: zone.full(input.now),
    })
}
