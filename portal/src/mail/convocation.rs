//! What interns are told by mail about their turn: convocation, another time, that they will not pass.
//!
//! Pure: public facts, the person and the instant go in, a [`Mail`] comes out. Invariant: every time is
//! said in the amphi's own zone, with the zone's name; overseas, the hour of Paris stands beside it,
//! because people may be in either place, and it may be the eve in one of them.

use amphi_engine::core::{
    CallRank, Forecast, LatePolicy, Millis, ParticipantView, PostNumber, ProxyPolicy, Round, Snapshot,
    Standing, Status, Timestamp,
};

use super::MailSite;
use super::calendar::Appointment;
use super::message::{CalendarEntry, CalendarMethod, Letter, Mail, MailKind, Recipient};
use crate::pages::wording::{self, Zone, duration};

/// From here on a difference of time is worth a word.
const SAID_FROM: Millis = Millis::from_minutes(1);

/// One amphi as its mails need it.
pub struct Setting<'a> {
    /// Public facts.
    pub snapshot: &'a Snapshot,
    /// The site that sends.
    pub site: &'a MailSite,
    /// The wall clock, for how long links are good and when a calendar entry was written.
    pub written_at: Timestamp,
    pub(super) zone: Zone,
}

/// Whom a mail of this module is for.
#[derive(Debug, Clone)]
pub struct Person {
    /// Where they stand.
    pub rank: CallRank,
    /// Name and address.
    pub recipient: Recipient,
}

impl<'a> Setting<'a> {
    /// The amphi of `snapshot`, written about at `written_at` (wall clock).
    pub fn new(snapshot: &'a Snapshot, site: &'a MailSite, written_at: Timestamp) -> Self {
        Self { snapshot, site, written_at, zone: Zone::named(&snapshot.time_zone) }
    }

    /// "dimanche 31 octobre 2027 à 9 h 00 (heure de Paris)".
    pub(super) fn said(&self, at: Timestamp) -> String {
        format!("{} à {}", self.zone.date(at), self.zone.time_with_zone(at))
    }

    /// "Soit samedi 30 octobre à 20 h 00 (heure de Paris).", overseas.
    pub(super) fn in_paris(&self, at: Timestamp) -> Option<String> {
        (!self.zone.is_paris()).then(|| format!("Soit {}.", Zone::named("Europe/Paris").full(at)))
    }

    /// "Psychiatrie, Lille ; semestre de mai à octobre 2027 ; rang d’appel 12."
    pub(super) fn about(&self, rank: CallRank) -> String {
        let period = wording::period(self.snapshot.period);
        format!("{} ; semestre de {period} ; rang d’appel {rank}.", self.snapshot.title)
    }

    fn participant(&self, rank: CallRank) -> Option<&'a ParticipantView> {
        self.snapshot.participants.get(rank.index())
    }

    fn turn_duration(&self, rank: CallRank) -> Millis {
        self.participant(rank).map_or(self.snapshot.turn_duration, |participant| participant.turn_duration)
    }

    fn duration_fact(&self, rank: CallRank) -> (&'static str, String) {
        let of = self.turn_duration(rank);
        let extra = if of > self.snapshot.turn_duration { ", majoration de temps comprise" } else { "" };
        ("Durée de votre tour", format!("{}{extra} (rang d’appel {rank})", duration(of)))
    }

    fn range_fact(&self, forecast: &Forecast) -> Option<(&'static str, String)> {
        let Forecast { earliest, expected, latest } = *forecast;
        (latest - earliest >= SAID_FROM).then(|| {
            let (from, to) = (self.zone.moment(earliest, expected), self.zone.moment(latest, expected));
            ("Fourchette", format!("de {from} au plus tôt à {to} si chacun prend tout son temps"))
        })
    }

    pub(super) fn link(&self, person: &Person, turn: Option<Timestamp>) -> String {
        self.site.link(self.snapshot.amphi, person.rank, self.written_at, turn)
    }

    fn key(&self, kind: MailKind, rank: CallRank, occasion: &str) -> String {
        format!("{}:{}:{rank}{occasion}", kind.code(), self.snapshot.amphi)
    }

    pub(super) fn mail(&self, person: &Person, kind: MailKind, occasion: &str, letter: &Letter) -> Mail {
        Mail {
            amphi: self.snapshot.amphi,
            rank: Some(person.rank),
            proxy: None,
            kind,
            recipient: person.recipient.clone(),
            dedupe_key: self.key(kind, person.rank, occasion),
            message: letter.message(),
            calendar: None,
        }
    }

    fn entry(
        &self,
        person: &Person,
        starts_at: Timestamp,
        sequence: u32,
        method: CalendarMethod,
        description: &str,
    ) -> CalendarEntry {
        let link = self.link(person, Some(starts_at));
        Appointment {
            amphi: self.snapshot.amphi,
            rank: person.rank,
            sequence,
            starts_at,
            duration: self.turn_duration(person.rank),
            summary: format!("Votre tour : {}", self.snapshot.title),
            description: format!("{description}\n{link}"),
            link: &link,
            organizer: &self.site.from,
            attendee: &person.recipient,
            written_at: self.written_at,
        }
        .entry(method)
    }

    /// Date, time and duration of somebody's turn (A1). `sequence` is more than 0 for whoever is convoked
    /// again, after having been told that they will not pass.
    pub(super) fn convocation(
        &self,
        person: &Person,
        forecast: &Forecast,
        sequence: u32,
        over: Millis,
    ) -> Mail {
        let at = forecast.expected;
        let (rank, title) = (person.rank, &self.snapshot.title);
        let headline = format!("Vous passez le {}.", self.said(at));
        let letter = Letter {
            subject: format!("Convocation : {}, {title}", self.zone.full(at)),
            headline: headline.clone(),
            also: self.in_paris(at),
            facts: [Some(self.duration_fact(rank)), self.range_fact(forecast)]
                .into_iter()
                .flatten()
                .collect(),
            code: None,
            way: Some(("Votre page personnelle", self.link(person, Some(at)))),
            advice: self.if_absent(),
            details: self.what_to_expect(rank, at, over),
            about: self.about(rank),
        };
        let occasion = if sequence == 0 { String::new() } else { format!(":{sequence}") };
        let mut mail = self.mail(person, MailKind::Convocation, &occasion, &letter);
        mail.calendar = Some(self.entry(person, at, sequence, CalendarMethod::Request, &headline));
        mail
    }

    /// What whoever cannot be there may do, under the policies of this amphi (A4, A5, 3.6).
    fn if_absent(&self) -> String {
        let policies = &self.snapshot.policies;
        let proxy = match policies.proxies {
            ProxyPolicy::Off => "",
            ProxyPolicy::On | ProxyPolicy::WithDocument => {
                "donnez procuration depuis votre page ; à défaut, "
            }
        };
        let late = match policies.late {
            LatePolicy::Now | LatePolicy::AfterCurrentTurn => {
                "connectez-vous dès que possible : vous pourrez encore choisir, parmi les postes restants, sans le bénéfice \
                 de votre rang."
            }
            LatePolicy::EndOfSession => {
                "connectez-vous après le dernier tour : vous pourrez alors choisir, parmi les postes restants."
            }
            LatePolicy::Forfeit => {
                "prévenez l’administration : après votre tour vous ne pourrez plus choisir vous-même."
            }
        };
        format!("Si vous ne pouvez pas être là à l’heure : {proxy}{late}")
    }

    fn what_to_expect(&self, rank: CallRank, at: Timestamp, over: Millis) -> Vec<String> {
        let planned = self.participant(rank).and_then(|participant| participant.planned_at);
        let off = planned.filter(|planned| (at - *planned).0.abs() >= SAID_FROM.0);
        let planned = off.map(|planned| format!("Heure de convocation au plan : {}.", self.said(planned)));
        let moves = if self.snapshot.policies.early_opening {
            "Dans cette séance, un tour peut s’ouvrir plus tôt que prévu ; un retard peut aussi le repousser."
        } else {
            "Personne n’est appelé avant l’heure de sa convocation ; un retard peut la repousser."
        };
        let moves = format!(
            "{moves} Votre page montre l’heure attendue à chaque instant, et vous recevez un nouveau courriel si elle change \
             de plus de {}. L’entrée d’agenda jointe est mise à jour par ces courriels.",
            duration(over)
        );
        let page =
            "Avant la séance, votre page montre les postes offerts et comment votre rang a été calculé.";
        planned.into_iter().chain([moves, page.to_owned()]).collect()
    }

    /// A session without turns is published: wishes may be ranked (3.8).
    pub(super) fn invitation(&self, person: &Person) -> Mail {
        let title = &self.snapshot.title;
        let until = self.snapshot.opening.last().map(|range| range.closes_at);
        let purpose = match self.snapshot.round {
            Round::FreeWishes => "vœux libres : ils n’attribuent aucun poste",
            Round::Rehearsal => "préchoix : une répétition, qui n’attribue aucun poste",
            Round::Live | Round::ByWishes => {
                "choix définitif : les postes sont attribués par rang à la clôture"
            }
        };
        let until_fact = until.map(|until| ("Clôture prévue", self.said(until)));
        let letter = Letter {
            subject: format!("Classez vos vœux : {title}"),
            headline: format!("Classez vos vœux pour « {title} »."),
            also: until.and_then(|until| self.in_paris(until)),
            facts: until_fact.into_iter().chain([("Nature", purpose.to_owned())]).collect(),
            code: None,
            way: Some(("Votre page personnelle", self.link(person, until))),
            advice: "Il n’y a pas d’heure de passage : votre classement compte tel qu’il est à la clôture."
                .to_owned(),
            details: Vec::new(),
            about: self.about(person.rank),
        };
        self.mail(person, MailKind::Convocation, "", &letter)
    }

    /// Somebody's turn has moved by more than `over` since they were last told (A2).
    pub(super) fn moved(
        &self,
        person: &Person,
        before: Timestamp,
        forecast: &Forecast,
        sequence: u32,
        over: Millis,
    ) -> Mail {
        let at = forecast.expected;
        let old = if self.zone.same_day(before, at) {
            self.zone.time(before)
        } else {
            format!("{} à {}", self.zone.day(before), self.zone.time(before))
        };
        let standstill = match &self.snapshot.now.status {
            Status::Suspended { reason, .. } => Some(format!("La séance est suspendue. Motif : {reason}")),
            Status::Published => Some("La séance n’est pas encore ouverte.".to_owned()),
            _ => None,
        };
        let headline = match standstill {
            None => format!("Votre passage est maintenant attendu le {}, au lieu de {old}.", self.said(at)),
            Some(_) => format!(
                "Votre passage, attendu {}, n’aura pas lieu avant le {}.",
                self.zone.when(before, at),
                self.said(at)
            ),
        };
        // While nothing goes on there is no honest latest time.
        let range = if standstill.is_none() { self.range_fact(forecast) } else { None };
        let why = standstill.map(|why| ("Pourquoi", why));
        let advice = if why.is_some() {
            format!(
                "Votre page montre la nouvelle heure dès que la séance reprend ; un courriel vous la donne si elle \
                 s’écarte de celle-ci de plus de {}.",
                duration(over)
            )
        } else {
            self.be_ready(forecast, over)
        };
        let letter = Letter {
            subject: format!("Votre heure a changé : {}, {}", self.zone.full(at), self.snapshot.title),
            headline: headline.clone(),
            also: self.in_paris(at),
            facts: [why, Some(self.duration_fact(person.rank)), range].into_iter().flatten().collect(),
            code: None,
            way: Some(("Votre page personnelle", self.link(person, Some(at)))),
            advice,
            details: vec![
                "Cette heure remplace celle du courriel précédent. L’entrée d’agenda est mise à jour."
                    .to_owned(),
            ],
            about: self.about(person.rank),
        };
        let mut mail = self.mail(person, MailKind::Moved, &format!(":{sequence}"), &letter);
        mail.calendar = Some(self.entry(person, at, sequence, CalendarMethod::Request, &headline));
        mail
    }

    fn be_ready(&self, forecast: &Forecast, over: Millis) -> String {
        let at = forecast.expected;
        let ready = forecast.earliest.max(at - over).min(at);
        format!(
            "Soyez connecté dès {} : l’heure peut encore bouger de {} sans nouveau courriel.",
            self.zone.moment(ready, at),
            duration(over)
        )
    }

    /// Somebody's turn, which had come, comes again: the session was rewound to before it (3.7).
    pub(super) fn called_again(
        &self,
        person: &Person,
        forecast: &Forecast,
        sequence: u32,
        over: Millis,
        reason: &str,
    ) -> Mail {
        let at = forecast.expected;
        let suspended = matches!(self.snapshot.now.status, Status::Suspended { .. });
        let (headline, advice) = if suspended {
            let advice = "Soyez connecté avant la reprise : votre tour peut alors venir aussitôt. Votre page montre l’heure \
                          attendue à chaque instant.";
            (
                format!("Votre tour revient : il n’aura pas lieu avant le {}.", self.said(at)),
                advice.to_owned(),
            )
        } else {
            let headline = format!("Votre tour revient : il est attendu le {}.", self.said(at));
            (headline, self.be_ready(forecast, over))
        };
        let why = format!("La séance est revenue à un tour antérieur. Motif : {reason}");
        let letter = Letter {
            subject: format!("Votre tour revient : {}, {}", self.zone.full(at), self.snapshot.title),
            headline: headline.clone(),
            also: self.in_paris(at),
            facts: vec![("Pourquoi", why), self.duration_fact(person.rank)],
            code: None,
            way: Some(("Votre page personnelle", self.link(person, Some(at)))),
            advice,
            details: vec![
                "Ce que vous aviez fait à votre tour, ou laissé passer, ne compte plus. L’entrée d’agenda est mise à jour."
                    .to_owned(),
            ],
            about: self.about(person.rank),
        };
        let mut mail = self.mail(person, MailKind::Moved, &format!(":{sequence}"), &letter);
        mail.calendar = Some(self.entry(person, at, sequence, CalendarMethod::Request, &headline));
        mail
    }

    /// The session is annulled; `announced` is what they were last told, with its sequence.
    pub(super) fn annulled(
        &self,
        person: &Person,
        reason: &str,
        announced: Option<(Timestamp, u32)>,
    ) -> Mail {
        let title = &self.snapshot.title;
        let placed = match self.participant(person.rank).map(|participant| participant.standing) {
            Some(Standing::Placed { post, .. }) => Some(self.post(post)),
            _ => None,
        };
        let effect = match (placed, announced) {
            (Some(post), _) => ("Votre choix", format!("{post} : il ne compte plus")),
            (None, Some((at, _))) => ("Votre passage", format!("{} : il n’aura pas lieu", self.said(at))),
            (None, None) => ("Votre passage", "il n’aura pas lieu".to_owned()),
        };
        let letter = Letter {
            subject: format!("Séance annulée : {title}"),
            headline: format!("La séance « {title} » est annulée."),
            also: None,
            facts: vec![("Motif", reason.to_owned()), effect],
            code: None,
            way: Some(("Votre page personnelle", self.link(person, None))),
            advice:
                "Vous n’avez rien à faire. Si une nouvelle séance a lieu, vous y serez convoqué par courriel."
                    .to_owned(),
            details: Vec::new(),
            about: self.about(person.rank),
        };
        let mut mail = self.mail(person, MailKind::Annulled, "", &letter);
        mail.calendar = self.struck_out(person, announced, &letter.headline);
        mail
    }

    /// Somebody will not be called, because they were withdrawn or hold a placement elsewhere (A8).
    pub(super) fn not_called(
        &self,
        person: &Person,
        reason: &str,
        announced: Option<(Timestamp, u32)>,
        seq: u64,
    ) -> Mail {
        let letter = Letter {
            subject: format!("Vous ne passerez pas : {}", self.snapshot.title),
            headline: format!("Vous ne passerez pas dans la séance « {} ».", self.snapshot.title),
            also: None,
            facts: vec![("Motif", reason.to_owned())],
            code: None,
            way: Some(("Votre page personnelle", self.link(person, None))),
            advice: "Si c’est une erreur, prévenez l’administration de la séance dès maintenant.".to_owned(),
            details: Vec::new(),
            about: self.about(person.rank),
        };
        let mut mail = self.mail(person, MailKind::NotCalled, &format!(":{seq}"), &letter);
        mail.calendar = self.struck_out(person, announced, &letter.headline);
        mail
    }

    /// Strikes out the entry of a turn that was still to come.
    fn struck_out(
        &self,
        person: &Person,
        announced: Option<(Timestamp, u32)>,
        headline: &str,
    ) -> Option<CalendarEntry> {
        let (at, sequence) = announced?;
        Some(self.entry(person, at, sequence + 1, CalendarMethod::Cancel, headline))
    }

    pub(super) fn post(&self, number: PostNumber) -> String {
        self.snapshot.posts.get(number.index()).map_or_else(
            || format!("poste n° {number}"),
            |view| format!("{}, {}", view.post.establishment, view.post.service),
        )
    }
}
