//! Anyone with a receipt may check it (3.3): no sign-in, no names.
//!
//! A receipt names one entry of one journal by its hash. Whoever shows the hash has been given it; whoever
//! guesses gets one and the same answer for an unknown amphi, a wrong number and a wrong hash.

pub(crate) mod routes;

use amphi_engine::core::{AmphiId, PostNumber, Timestamp};
use amphi_engine::journal::{Entry, Hash};
use askama::Template;
use uuid::Uuid;

use crate::minutes::{
    ChoiceRecord, Names, RecordError, SessionRecord, SessionState, Undoing, UndoneBy, WishRecord,
};
use crate::pages::wording::{self, Zone};
use crate::pages::{PageContext, html};

/// Longest code worth reading: an identifier, a number and a hash, with room for what pasting adds.
const CODE_CHARS_MAX: usize = 200;
/// Path of the form; a code goes below it.
pub const PATH: &str = "/recu";

/// A receipt in one line: `AMPHI:ENTRY:HASH`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// Which amphi.
    pub amphi: AmphiId,
    /// Which entry of its journal.
    pub seq: u64,
    /// The hash up to it.
    pub hash: Hash,
}

impl Code {
    /// Reads a code as people paste it: spaces, line breaks and capitals do no harm.
    pub fn read(text: &str) -> Option<Self> {
        if text.len() > CODE_CHARS_MAX {
            return None;
        }
        let text: String = text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_lowercase();
        let parts: Vec<&str> = text.split(':').collect();
        let [amphi, seq, hash] = parts[..] else { return None };
        let amphi = AmphiId(Uuid::parse_str(amphi).ok()?);
        Some(Self { amphi, seq: seq.parse().ok()?, hash: hash.parse().ok()? })
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.amphi, self.seq, self.hash)
    }
}

/// What is known of a receipt.
struct Known {
    /// Whether what it proves still counts: for the mark, and the word beside it.
    sense: &'static str,
    verdict: &'static str,
    /// In a sentence or two: since when, and why.
    explained: Option<String>,
    title: String,
    period: String,
    facts: Vec<(&'static str, String)>,
}

/// What the journal of an amphi says of `code`, whose hash was found to be right.
fn look_up(code: Code, entries: &[Entry], now: Timestamp) -> Result<Known, RecordError> {
    let record = SessionRecord::read(code.amphi, entries, &Names::new(), now)?;
    let zone = Zone::named(&record.time_zone);
    let mut known = if let Some(choice) = record.choices.iter().find(|choice| choice.seq == code.seq) {
        of_choice(&record, choice, &zone)
    } else if let Some(wishes) = record.wishes.iter().find(|wishes| wishes.seq == code.seq) {
        of_wishes(&record, wishes, &zone)
    } else {
        Known {
            sense: "calme",
            verdict: "Écriture authentique, sans choix",
            explained: Some(
                "Cette écriture est bien dans le journal, mais ce n’est ni un choix ni une liste de vœux."
                    .to_owned(),
            ),
            title: String::new(),
            period: String::new(),
            facts: Vec::new(),
        }
    };
    known.title.clone_from(&record.title);
    known.period = wording::period(record.period);
    known.facts.push((
        "Écriture",
        format!("n° {} du journal, qui en a {} à cet instant", code.seq, record.journal.seq),
    ));
    Ok(known)
}

fn of_choice(record: &SessionRecord, choice: &ChoiceRecord, zone: &Zone) -> Known {
    let (sense, verdict, explained) = match &choice.undone {
        None if record.state == SessionState::Closed => ("fait", "Ce choix est définitif", None),
        None => ("fait", "Ce choix est enregistré, et il compte", None),
        Some(undoing) => ("arret", "Ce choix ne compte plus", Some(undone(record, choice, undoing, zone))),
    };
    let seat = choice.seat.map_or_else(|| "en surnombre".to_owned(), |seat| format!("place {seat}"));
    let facts = vec![
        ("Interne", person(record, choice.rank)),
        ("Poste", format!("{}, {seat}", post(record, choice.post))),
        (
            "Choisi",
            format!(
                "{} à {} ({}), {}",
                zone.date(choice.at),
                zone.time_to_the_second(choice.at),
                zone.label(),
                wording::manner(choice.manner)
            ),
        ),
    ];
    Known { sense, verdict, explained, title: String::new(), period: String::new(), facts }
}

/// Since when a choice does not count, and why.
fn undone(record: &SessionRecord, choice: &ChoiceRecord, undoing: &Undoing, zone: &Zone) -> String {
    let when = format!("le {} à {}", zone.date(undoing.at), zone.time(undoing.at));
    let what = match undoing.how {
        UndoneBy::Annulled => "L’administration a annulé ce choix".to_owned(),
        UndoneBy::Rewound => "La séance est revenue à un tour antérieur".to_owned(),
        UndoneBy::SessionAnnulled => "La séance a été annulée".to_owned(),
        UndoneBy::Exchanged => {
            let next = record.choices.iter().find(|next| next.rank == choice.rank && next.seq > choice.seq);
            let against = next.map(|next| format!(" contre : {}", post(record, next.post)));
            format!("Cette place a été échangée{}", against.unwrap_or_default())
        }
    };
    match &undoing.reason {
        Some(reason) => format!("{what}, {when}. Motif : {reason}"),
        None => format!("{what}, {when}."),
    }
}

fn of_wishes(record: &SessionRecord, wishes: &WishRecord, zone: &Zone) -> Known {
    let last = record.last_wishes().into_iter().find(|last| last.rank == wishes.rank);
    let (sense, verdict, explained) = match last {
        Some(last) if last.seq > wishes.seq => (
            "retard",
            "Cette liste de vœux a été remplacée",
            Some(format!(
                "La version {} l’a remplacée, le {} à {}.",
                last.version,
                zone.date(last.at),
                zone.time(last.at)
            )),
        ),
        _ => ("fait", "Cette liste de vœux est la dernière enregistrée", None),
    };
    let list: Vec<String> = (wishes.wishes.iter().enumerate())
        .map(|(index, wish)| format!("{}. {}", index + 1, post(record, *wish)))
        .collect();
    let facts = vec![
        ("Interne", person(record, wishes.rank)),
        ("Version", wishes.version.to_string()),
        (
            "Enregistrée",
            format!("{} à {} ({})", zone.date(wishes.at), zone.time_to_the_second(wishes.at), zone.label()),
        ),
        ("Vœux", if list.is_empty() { "aucun".to_owned() } else { list.join("\n") }),
    ];
    Known { sense, verdict, explained, title: String::new(), period: String::new(), facts }
}

/// Rank and pseudonym: what every participant sees.
fn person(record: &SessionRecord, rank: amphi_engine::core::CallRank) -> String {
    match record.participant(rank) {
        Some(participant) => format!("rang {rank}, {}", participant.pseudonym),
        None => format!("rang {rank}"),
    }
}

fn post(record: &SessionRecord, number: PostNumber) -> String {
    match record.post(number) {
        Some(post) => {
            format!("n° {number}, {}, {} (IMOTEP {})", post.establishment, post.service, post.imotep)
        }
        None => format!("n° {number}"),
    }
}

#[derive(Template)]
#[template(path = "receipt_check.html")]
struct CheckTemplate<'a> {
    page: PageContext<'a>,
    /// What was asked for, as it was written; empty on the plain form.
    asked: String,
    known: Option<Known>,
}

/// The form, with the answer above it when something was asked.
fn render(page: PageContext<'_>, asked: &str, known: Option<Known>) -> String {
    let asked = asked.chars().take(CODE_CHARS_MAX).collect();
    html(&CheckTemplate { page, asked, known })
}
