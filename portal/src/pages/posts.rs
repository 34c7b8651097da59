//! The offer as a list: search, filters and order, as the browser does them too (`assets/posts.js`).

use std::borrow::Cow;

use amphi_engine::core::{PostView, Snapshot, Standing};
use amphi_engine::protocol::Me;

use super::wording::say;

/// What of the offer is to be shown, and in which order. Comes with the address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PostFilter {
    /// Words that must all occur, accents and capitals aside (`q`).
    pub words: String,
    /// Specialty, or empty (`specialite`).
    pub specialty: String,
    /// Phase, or empty (`phase`).
    pub phase: String,
    /// Criteria that must all be met (`critere`, any number).
    pub criteria: Vec<String>,
    /// Only posts with a seat left (`libres`).
    pub free_only: bool,
    /// `etablissement` (default), `service`, `places` or `numero` (`tri`).
    pub order: String,
}

impl PostFilter {
    /// The filter in the pairs of a query string; what is unknown is left alone.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut filter = Self::default();
        for (name, value) in pairs {
            match name {
                "q" => value.clone_into(&mut filter.words),
                "specialite" => value.clone_into(&mut filter.specialty),
                "phase" => value.clone_into(&mut filter.phase),
                "critere" if !value.is_empty() => filter.criteria.push(value.to_owned()),
                "libres" => filter.free_only = true,
                "tri" => value.clone_into(&mut filter.order),
                _ => {}
            }
        }
        filter
    }

    /// Whether `view` is to be shown.
    pub fn matches(&self, view: &PostView) -> bool {
        let post = &view.post;
        let text = fold(&format!(
            "{} {} {} {} {} {}",
            post.establishment,
            post.service,
            post.specialty,
            post.phase,
            post.criteria.join(" "),
            post.imotep
        ));
        (self.specialty.is_empty() || self.specialty == post.specialty)
            && (self.phase.is_empty() || self.phase == post.phase)
            && self.criteria.iter().all(|criterion| post.criteria.contains(criterion))
            && (!self.free_only || view.seats_left > 0)
            && fold(&self.words).split_whitespace().all(|word| text.contains(word))
    }

    /// Whether `criterion` is asked for.
    pub(super) fn has_criterion(&self, criterion: &str) -> bool {
        self.criteria.iter().any(|asked| asked == criterion)
    }

    /// How many filters besides the search are set.
    pub(super) fn count(&self) -> usize {
        usize::from(!self.specialty.is_empty()) + usize::from(!self.phase.is_empty()) + self.criteria.len()
    }
}

/// One post of the list.
pub(super) struct PostItem<'a> {
    pub view: &'a PostView,
    pub hidden: bool,
    pub seats: String,
    pub label: String,
    pub mine: String,
    /// "Vœu 2", or empty.
    pub wish: String,
}

/// The list and what can be asked of it.
pub(super) struct PostList<'a> {
    pub items: Vec<PostItem<'a>>,
    pub specialties: Vec<&'a str>,
    pub phases: Vec<&'a str>,
    pub criteria: Vec<&'a str>,
    pub count: String,
    pub none_shown: bool,
}

impl<'a> PostList<'a> {
    pub fn of(snapshot: &'a Snapshot, filter: &PostFilter, me: &Me) -> Self {
        let mut items: Vec<PostItem<'a>> =
            snapshot.posts.iter().map(|view| item(view, snapshot, filter, me)).collect();
        items.sort_by_cached_key(|item| (wish_index(me, item.view), sort_key(item.view, &filter.order)));
        let shown = items.iter().filter(|item| !item.hidden).count();
        let distinct = |of: &dyn Fn(&'a PostView) -> Vec<&'a str>| {
            let mut values: Vec<&str> =
                snapshot.posts.iter().flat_map(of).filter(|v| !v.is_empty()).collect();
            values.sort_by_cached_key(|value| fold(value));
            values.dedup();
            values
        };
        Self {
            count: count_line(shown, snapshot),
            none_shown: shown == 0,
            specialties: distinct(&|view| vec![view.post.specialty.as_str()]),
            phases: distinct(&|view| vec![view.post.phase.as_str()]),
            criteria: distinct(&|view| view.post.criteria.iter().map(String::as_str).collect()),
            items,
        }
    }
}

/// Its place among somebody's wishes, from 0; after all of them when it is none. Wishes come first.
fn wish_index(me: &Me, view: &PostView) -> usize {
    let wishes = me.wishes.iter().flat_map(|wishes| &wishes.wishes);
    wishes.enumerate().find(|(_, wish)| **wish == view.number).map_or(usize::MAX, |(index, _)| index)
}

fn item<'a>(view: &'a PostView, snapshot: &Snapshot, filter: &PostFilter, me: &Me) -> PostItem<'a> {
    let wish = wish_index(me, view);
    let me = me.rank;
    let standing = snapshot.participants.get(me.index()).map(|p| p.standing);
    let mine = matches!(standing, Some(Standing::Placed { post, .. }) if post == view.number);
    let held = snapshot.now.held.iter().any(|held| held.rank == me && held.post == view.number);
    let label = format!("{}, {}", view.post.establishment, view.post.service);
    PostItem {
        view,
        hidden: !filter.matches(view),
        seats: seats_line(view),
        mine: match (mine, held) {
            (true, _) => say("poste.mon_choix", &[]),
            (_, true) => say("poste.mon_attente", &[]),
            _ => String::new(),
        },
        wish: if wish == usize::MAX {
            String::new()
        } else {
            say("poste.voeu", &[("n", Cow::from((wish + 1).to_string()))])
        },
        label,
    }
}

/// "2 places sur 4", "Complet · 4 places".
pub(super) fn seats_line(view: &PostView) -> String {
    let total = Cow::from(view.post.seats.to_string());
    if view.seats_left == 0 {
        say("poste.complet.sur", &[("total", total)])
    } else {
        say("poste.places", &[("n", Cow::from(view.seats_left.to_string())), ("total", total)])
    }
}

fn count_line(shown: usize, snapshot: &Snapshot) -> String {
    let (n, total) = (Cow::from(shown.to_string()), snapshot.posts.len());
    if shown == total {
        let seats: u32 = snapshot.posts.iter().map(|view| u32::from(view.seats_left)).sum();
        say("poste.compte.tous", &[("n", n), ("places", Cow::from(seats.to_string()))])
    } else {
        say("poste.compte", &[("n", n), ("total", Cow::from(total.to_string()))])
    }
}

/// Same order as `assets/posts.js`.
fn sort_key(view: &PostView, order: &str) -> (u16, String, u16) {
    let post = &view.post;
    let (first, second) = (fold(&post.establishment), fold(&post.service));
    match order {
        "service" => (0, format!("{second}\u{1}{first}"), view.number.0),
        "places" => (u16::MAX - view.seats_left, format!("{first}\u{1}{second}"), view.number.0),
        "numero" => (0, String::new(), view.number.0),
        _ => (0, format!("{first}\u{1}{second}"), view.number.0),
    }
}

/// Lower case without accents, so that "hemato" finds "Hématologie".
pub(super) fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for character in text.chars().flat_map(char::to_lowercase) {
        match character {
            'à' | 'á' | 'â' | 'ä' | 'ã' | 'å' => folded.push('a'),
            'ç' => folded.push('c'),
            'é' | 'è' | 'ê' | 'ë' => folded.push('e'),
            'î' | 'ï' | 'í' | 'ì' => folded.push('i'),
            'ñ' => folded.push('n'),
            'ô' | 'ö' | 'ó' | 'ò' | 'õ' => folded.push('o'),
            'ù' | 'û' | 'ü' | 'ú' => folded.push('u'),
            'ÿ' | 'ý' => folded.push('y'),
            'œ' => folded.push_str("oe"),
            'æ' => folded.push_str("ae"),
            '’' => folded.push('\''),
            '\u{300}'..='\u{36f}' => {}
            other => folded.push(other),
        }
    }
    folded
}
