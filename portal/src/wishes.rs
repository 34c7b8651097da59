//! The forms of wishes and safety net (3.5), for people without JavaScript; with it, the same command
//! travels over the live socket.

use std::sync::Arc;

use amphi_engine::core::{AmphiId, CallRank, CommandId, LiveCommand, PostNumber, SafetyNet};
use amphi_engine::room::addressed;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::{Html, Redirect};
use axum_extra::extract::Form;

use crate::Portal;
use crate::acting::Acting;
use crate::amphi::{Look, answered, flash, new_command_id, pairs};
use crate::failure::Failure;
use crate::pages::wishes as pages;

/// Form fields: `p12=1` puts post 12 first.
type Fields = Vec<(String, String)>;

/// The intern's own wishes.
pub async fn own(
    State(portal): State<Arc<Portal>>,
    Path((amphi, rank)): Path<(AmphiId, CallRank)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Html<String>, Failure> {
    let acting = portal.in_person(&headers, amphi, rank).await?;
    show(&portal, &acting, query.as_deref())
}

/// The principal's wishes.
pub async fn of_principal(
    State(portal): State<Arc<Portal>>,
    Path((amphi, rank)): Path<(AmphiId, CallRank)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Html<String>, Failure> {
    let acting = portal.by_proxy(&headers, amphi, rank).await?;
    show(&portal, &acting, query.as_deref())
}

fn show(portal: &Portal, acting: &Acting, query: Option<&str>) -> Result<Html<String>, Failure> {
    let look = Look::at(&acting.room)?;
    Ok(Html(pages::render(&pages::WishesPage {
        page: portal.page(),
        snapshot: &look.snapshot,
        me: &acting.me()?,
        mandate: acting.mandate.as_ref(),
        now: look.now,
        flash: flash(&pairs(query)),
        command_id: new_command_id(),
    })))
}

/// Sets the intern's own wishes.
pub async fn set_own(
    State(portal): State<Arc<Portal>>,
    Path((amphi, rank)): Path<(AmphiId, CallRank)>,
    headers: HeaderMap,
    Form(fields): Form<Fields>,
) -> Result<Redirect, Failure> {
    set(&portal.in_person(&headers, amphi, rank).await?, &fields).await
}

/// Sets the principal's wishes.
pub async fn set_of_principal(
    State(portal): State<Arc<Portal>>,
    Path((amphi, rank)): Path<(AmphiId, CallRank)>,
    headers: HeaderMap,
    Form(fields): Form<Fields>,
) -> Result<Redirect, Failure> {
    set(&portal.by_proxy(&headers, amphi, rank).await?, &fields).await
}

async fn set(acting: &Acting, fields: &Fields) -> Result<Redirect, Failure> {
    let (command_id, wishes, safety_net) = read(fields).ok_or(Failure::BadRequest)?;
    let (actor, command) = addressed(acting.role, LiveCommand::SetWishes { wishes, safety_net });
    let outcome = acting.room.ask(actor, command, command_id).await;
    Ok(answered(outcome, &format!("{}/voeux", acting.path())))
}

/// The command in a form. Positions need not follow one another: their order counts, and between equal ones
/// the number of the post.
fn read(fields: &Fields) -> Option<(CommandId, Vec<PostNumber>, SafetyNet)> {
    let value = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let command_id = CommandId(value("command_id")?.parse().ok()?);
    let safety_net = match value("safety_net") {
        Some(value) => pages::net_from_form(value)?,
        None => SafetyNet::Never,
    };
    let mut placed = Vec::new();
    for (name, value) in fields {
        let Some(number) = name.strip_prefix('p') else { continue };
        let position = value.trim();
        if !position.is_empty() {
            placed.push((position.parse::<u16>().ok()?, PostNumber(number.parse().ok()?)));
        }
    }
    placed.sort_unstable();
    Some((command_id, placed.into_iter().map(|(_, post)| post).collect(), safety_net))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        let id = ("command_id", "01934e5a-7b00-7000-8000-0000000000ff");
        std::iter::once(&id)
            .chain(pairs)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn order(pairs: &[(&str, &str)]) -> Option<Vec<u16>> {
        read(&fields(pairs)).map(|(_, wishes, _)| wishes.into_iter().map(|post| post.0).collect())
    }

    #[test]
    fn r3_5_positions_make_an_order() {
        assert_eq!(order(&[("p3", "2"), ("p1", ""), ("p7", "1")]), Some(vec![7, 3]));
        assert_eq!(order(&[("p3", "10"), ("p7", " 2 "), ("p5", "2")]), Some(vec![5, 7, 3]));
        assert_eq!(order(&[]), Some(vec![]));
        assert_eq!(order(&[("p3", "premier")]), None);
        assert_eq!(order(&[("px", "1")]), None);
        assert_eq!(order(&[("safety_net", "toujours")]), None);
        let net = read(&fields(&[("safety_net", "if_absent")])).map(|(.., net)| net);
        assert_eq!(net, Some(SafetyNet::IfAbsent));
    }
}
