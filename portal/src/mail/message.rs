//! What a mail is: text first, HTML that looks like the site, perhaps a calendar entry.
//!
//! Pure: a [`Letter`] says what is to be told, in the order in which it matters; one pair of templates
//! makes every mail of it. The first lines of the text hold everything important (`screens.md`).

use amphi_engine::core::{AmphiId, CallRank, ProxyId};
use askama::Template;

/// A mail, ready for the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// Which amphi it is about.
    pub amphi: AmphiId,
    /// Whose turn it is about, if it is about one.
    pub rank: Option<CallRank>,
    /// With which proxy it is to be forgotten, if it is about one.
    pub proxy: Option<ProxyId>,
    /// What kind of mail, for the control room and the log.
    pub kind: MailKind,
    /// To whom.
    pub recipient: Recipient,
    /// What it is about, once: a second mail with the same key is the same mail.
    pub dedupe_key: String,
    /// What it says.
    pub message: Message,
    /// The calendar entry that goes with it.
    pub calendar: Option<CalendarEntry>,
}

/// Somebody with an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// First and last name.
    pub name: String,
    /// E-mail address.
    pub address: String,
}

/// Why somebody gets a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailKind {
    /// Date, time and duration of their turn (A1).
    Convocation,
    /// Their turn has moved (A2).
    Moved,
    /// They have chosen; the receipt.
    Chosen,
    /// Their choice no longer stands.
    Undone,
    /// They will not be called.
    NotCalled,
    /// The session is annulled.
    Annulled,
    /// They may choose for somebody (3.4).
    ProxyGiven,
    /// The code that confirms the first opening of a proxy's link (3.4).
    ProxyCode,
    /// They may no longer choose for somebody (3.4).
    ProxyEnded,
}

impl MailKind {
    /// The stable word in the outbox.
    pub fn code(self) -> &'static str {
        match self {
            Self::Convocation => "convocation",
            Self::Moved => "moved",
            Self::Chosen => "chosen",
            Self::Undone => "undone",
            Self::NotCalled => "not_called",
            Self::Annulled => "annulled",
            Self::ProxyGiven => "proxy_given",
            Self::ProxyCode => "proxy_code",
            Self::ProxyEnded => "proxy_ended",
        }
    }

    /// "convocation", "changement d’heure"…, for administrators.
    pub fn said(code: &str) -> &str {
        match code {
            "moved" => "changement d’heure",
            "chosen" => "reçu du choix",
            "undone" => "choix annulé",
            "not_called" => "ne passe plus",
            "annulled" => "séance annulée",
            "proxy_given" => "procuration donnée",
            "proxy_code" => "code de procuration",
            "proxy_ended" => "fin de procuration",
            other => other,
        }
    }
}

/// A calendar entry as text, and what the reader's calendar is to do with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalendarEntry {
    /// `REQUEST`: enter or update it; `CANCEL`: strike it out.
    pub method: CalendarMethod,
    /// RFC 5545.
    pub text: String,
}

/// What a calendar is to do with an entry (RFC 5546).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CalendarMethod {
    /// Enter it, or update the one with the same UID.
    Request,
    /// Strike it out.
    Cancel,
}

impl CalendarMethod {
    /// As in `METHOD:` and in the outbox.
    pub fn code(self) -> &'static str {
        match self {
            Self::Request => "REQUEST",
            Self::Cancel => "CANCEL",
        }
    }
}

/// Subject and both forms of what is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Subject line.
    pub subject: String,
    /// For everybody.
    pub text: String,
    /// For those whose mail program shows it.
    pub html: String,
}

/// What is to be told, in the order in which it matters.
#[derive(Debug, Clone)]
pub struct Letter {
    /// Subject line.
    pub subject: String,
    /// The sentence that must be read if only one is.
    pub headline: String,
    /// The same time elsewhere, when people may be elsewhere.
    pub also: Option<String>,
    /// What belongs to it: label and value, two at most.
    pub facts: Vec<(&'static str, String)>,
    /// Something to copy, shown large: a receipt, a code.
    pub code: Option<String>,
    /// Where to go, and what the way is called.
    pub way: Option<(&'static str, String)>,
    /// What to do in the case that needs doing something.
    pub advice: String,
    /// Everything else, a paragraph each.
    pub details: Vec<String>,
    /// The amphi's title; why the reader gets this stands below it.
    pub about: String,
}

#[derive(Template)]
#[template(path = "mail/letter.txt")]
struct LetterText<'a> {
    letter: &'a Letter,
}

#[derive(Template)]
#[template(path = "mail/letter.html")]
struct LetterHtml<'a> {
    letter: &'a Letter,
}

impl Letter {
    /// Both forms.
    pub fn message(&self) -> Message {
        let why = "writing to a string does not fail";
        Message {
            // A subject is searched for as people type: with plain spaces.
            subject: one_line(&self.subject).replace('\u{a0}', " "),
            text: LetterText { letter: self }.render().expect(why),
            html: LetterHtml { letter: self }.render().expect(why),
        }
    }
}

/// Without what would break a header or a line: titles and names come from files.
pub(super) fn one_line(text: &str) -> String {
    text.split(|character: char| character.is_control()).collect::<Vec<_>>().join(" ").trim().to_owned()
}
