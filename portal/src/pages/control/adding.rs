//! The form by which somebody is added to a published list.

use amphi_engine::core::{CommandId, Snapshot};
use askama::Template;

use super::acts::Asked;
use crate::import::Problem;
use crate::pages::{PageContext, control_path, html};

/// One field; its name is that of the column of an imported list.
pub struct Field {
    /// As in the list.
    pub name: &'static str,
    label: &'static str,
    hint: &'static str,
    /// Type of the input.
    kind: &'static str,
    required: bool,
}

const fn field(name: &'static str, label: &'static str, kind: &'static str, required: bool) -> Field {
    Field { name, label, hint: "", kind, required }
}

/// What is asked of somebody who is added: what an imported list says of everybody.
pub const FIELDS: [Field; 10] = [
    field("nom", "Nom", "text", true),
    field("prenom", "Prénom", "text", true),
    field("email", "Adresse électronique", "email", true),
    field("telephone", "Téléphone", "tel", false),
    field("semestres_valides", "Semestres validés", "number", true),
    field("annee_concours", "Année du concours", "number", true),
    field("rang_national", "Rang au concours", "number", true),
    field("effectif_promotion", "Nombre de classés de ce concours", "number", true),
    Field { hint: "Par exemple 33 %", ..field("majoration_temps", "Temps majoré", "text", false) },
    Field { hint: "Validant, ou non validant", ..field("surnombre", "Surnombre", "text", false) },
];

/// What the page is made from.
pub struct AddingPage<'a> {
    /// Addresses.
    pub page: PageContext<'a>,
    /// Public facts.
    pub snapshot: &'a Snapshot,
    /// What was sent, when it comes back.
    pub fields: &'a [(String, String)],
    /// What is wrong with it.
    pub problems: &'a [Problem],
    /// Id of the command, if it is sent.
    pub command_id: CommandId,
}

struct Input<'a> {
    field: &'static Field,
    value: &'a str,
    problem: Option<String>,
}

#[derive(Template)]
#[template(path = "ajouter.html")]
struct AddingTemplate<'a> {
    page: PageContext<'a>,
    title: &'a str,
    path: String,
    next_rank: usize,
    inputs: Vec<Input<'a>>,
    others: Vec<String>,
    reason: String,
    command_id: CommandId,
}

/// The page.
pub fn render(input: &AddingPage<'_>) -> String {
    let value = |name: &str| {
        input.fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
    };
    let said = |problem: &Problem| format!("{}. {}", capitalised(&problem.message), problem.remedy);
    let of = |name: &str| input.problems.iter().find(|p| p.column.as_deref() == Some(name)).map(said);
    let known = |problem: &&Problem| FIELDS.iter().any(|f| problem.column.as_deref() == Some(f.name));
    html(&AddingTemplate {
        page: input.page,
        title: &input.snapshot.title,
        path: control_path(input.snapshot.amphi),
        next_rank: input.snapshot.participants.len() + 1,
        inputs: FIELDS
            .iter()
            .map(|field| Input { field, value: value(field.name), problem: of(field.name) })
            .collect(),
        others: input.problems.iter().filter(|problem| !known(problem)).map(said).collect(),
        reason: Asked::from_pairs(input.fields).map(|asked| asked.reason).unwrap_or_default(),
        command_id: input.command_id,
    })
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
