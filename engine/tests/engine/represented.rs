//! Proxies, wishes and presence, as rooms tell them: who acts, who is told, who must go (A5, 3.4, 3.5).

use amphi_engine::core::{
    Actor, CallRank, ChoiceManner, Command, PostNumber, ProxyId, ProxyPolicy, Rejection, SafetyNet, Setup,
    Standing,
};
use amphi_engine::protocol::{CloseCode, Me, Outcome, Role, ServerMessage};
use uuid::Uuid;

use crate::scene::{ADMINISTRATOR, choose, intern, setup};
use crate::stage::{Stage, Viewer, comes, done, eventually, refused};

const FIRST: CallRank = CallRank(1);
const PROXY: ProxyId = ProxyId(Uuid::from_u128(0xAB));
const HOLDER: Actor = Actor::Holder { rank: FIRST, proxy: PROXY };
const HOLDERS_PAGE: Role = Role::Holder { rank: FIRST, proxy: PROXY };
const OWN_PAGE: Role = Role::Intern { rank: FIRST };

fn with_proxies() -> Setup {
    let mut setup = setup(3, &[1, 2, 2]);
    setup.policies.proxies = ProxyPolicy::On;
    setup.policies.safety_net = true;
    setup
}

async fn represented() -> Stage {
    let stage = Stage::opened(with_proxies()).await;
    done(stage.does(intern(1), Command::GiveProxy { rank: FIRST, proxy: PROXY }).await);
    stage
}

fn wishes(posts: &[u16], safety_net: SafetyNet) -> Command {
    let wishes = posts.iter().copied().map(PostNumber).collect();
    Command::SetWishes { rank: FIRST, wishes, safety_net }
}

fn last_me(viewer: &mut Viewer) -> Option<Me> {
    let mut told = viewer.reads().into_iter().filter_map(|message| match message {
        ServerMessage::Me(me) => Some(*me),
        _ => None,
    });
    told.next_back()
}

#[tokio::test]
async fn a5_holder_and_principal_are_told_the_same_and_one_choice_happens() {
    let stage = represented().await;
    let (mut own, mut holder) = (stage.watches(OWN_PAGE), stage.watches(HOLDERS_PAGE));
    let mut other = stage.watches(Role::Intern { rank: CallRank(2) });
    for viewer in [&mut own, &mut holder] {
        let me = last_me(viewer).unwrap();
        assert_eq!((me.rank, me.proxy.map(|proxy| proxy.document_filed)), (FIRST, Some(false)));
    }
    assert!(last_me(&mut other).unwrap().proxy.is_none(), "nobody else is told");
    stage.until("09:00").await;
    let mut asked = stage.sends(intern(1), choose(1, 1));
    let receipt = done(stage.does(HOLDER, choose(1, 2)).await).unwrap();
    assert_eq!(refused(asked.answer().unwrap()), Rejection::ProxyActive);
    for viewer in [&mut own, &mut holder] {
        let me = last_me(viewer).unwrap();
        assert_eq!((me.receipt, me.proxy), (Some(receipt.clone()), None), "the proxy is used up");
    }
    assert!(last_me(&mut other).is_none());
}

#[tokio::test]
async fn r3_4_a_revoked_holder_is_closed_out_at_once_and_does_not_come_back() {
    let stage = represented().await;
    let (mut own, mut holder) = (stage.watches(OWN_PAGE), stage.watches(HOLDERS_PAGE));
    done(stage.does(intern(1), Command::RevokeProxy { rank: FIRST }).await);
    holder.reads();
    assert_eq!(holder.closed, Some(CloseCode::NotAllowed));
    assert!(last_me(&mut own).unwrap().proxy.is_none());
    assert_eq!(own.closed, None);
    assert_eq!(comes(&stage.room, HOLDERS_PAGE), Some(CloseCode::NotAllowed));
    stage.until("09:00").await;
    assert_eq!(refused(stage.does(HOLDER, choose(1, 1)).await), Rejection::ProxyEnded);
    assert!(done(stage.does(intern(1), choose(1, 1)).await).is_some());
}

#[tokio::test]
async fn r3_4_who_holds_no_proxy_or_another_one_is_not_let_in() {
    let stage = Stage::opened(with_proxies()).await;
    assert_eq!(comes(&stage.room, HOLDERS_PAGE), Some(CloseCode::NotAllowed), "none was given");
    done(stage.does(intern(1), Command::GiveProxy { rank: FIRST, proxy: PROXY }).await);
    let forged = [
        Role::Holder { rank: FIRST, proxy: ProxyId(Uuid::from_u128(0xAC)) },
        Role::Holder { rank: CallRank(2), proxy: PROXY },
        Role::Holder { rank: CallRank(99), proxy: PROXY },
    ];
    for role in forged {
        assert_eq!(comes(&stage.room, role), Some(CloseCode::NotAllowed), "{role:?}");
    }
}

#[tokio::test]
async fn r3_4_proxies_outlast_a_restart() {
    let stage = represented().await.restarts("08:40").await;
    let mut holder = stage.watches(HOLDERS_PAGE);
    assert!(last_me(&mut holder).unwrap().proxy.is_some());
    stage.until("09:00").await;
    assert!(done(stage.does(HOLDER, choose(1, 1)).await).is_some());
}

#[tokio::test]
async fn r3_5_a_list_of_wishes_has_its_receipt_for_owner_and_holder_alone() {
    let stage = represented().await;
    let (mut own, mut holder) = (stage.watches(OWN_PAGE), stage.watches(HOLDERS_PAGE));
    let mut control = stage.watches(Role::Administrator);
    let mut screen = stage.watches(Role::Spectator);
    control.reads();
    let outcome = stage.does(intern(1), wishes(&[2, 1], SafetyNet::AtExpiry)).await;
    let Outcome::Done { seq, wishes: Some(receipt), receipt: None } = outcome else { panic!("{outcome:?}") };
    assert_eq!((receipt.version, receipt.seq, receipt.wishes.len()), (1, seq, 2));
    let entry = stage.entries().await.pop().unwrap();
    assert_eq!(receipt.hash, entry.hash.to_string());
    for viewer in [&mut own, &mut holder] {
        assert_eq!(last_me(viewer).unwrap().wishes.as_ref(), Some(receipt.as_ref()));
    }
    let dossiers = control.reads().into_iter().find_map(|message| match message {
        ServerMessage::Dossiers { dossiers } => Some(dossiers),
        _ => None,
    });
    let dossier = dossiers.unwrap().pop().unwrap();
    assert_eq!((dossier.rank, dossier.first_wishes), (FIRST, vec![PostNumber(2), PostNumber(1)]));
    let told = serde_json::to_string(&screen.reads()).unwrap();
    assert!(!told.contains("wishes\":["), "the public screen is told nothing of it: {told}");
}

/// Who is connected, and what becomes of a turn that expires with wishes "if absent".
#[tokio::test]
async fn r3_5_if_absent_means_that_neither_the_intern_nor_the_holder_is_connected() {
    for (present, caught) in [(None, true), (Some(OWN_PAGE), false), (Some(HOLDERS_PAGE), false)] {
        let stage = represented().await;
        done(stage.does(intern(1), wishes(&[2, 1], SafetyNet::IfAbsent)).await);
        let viewer = present.map(|role| stage.watches(role));
        stage.until("09:00").await;
        stage.until("09:03:02").await;
        let placed = matches!(stage.standing(1), Standing::Placed { manner: ChoiceManner::SafetyNet, .. });
        assert_eq!(placed, caught, "{present:?}");
        drop(viewer);
    }
}

#[tokio::test]
async fn r3_5_whoever_left_before_the_end_of_the_turn_is_absent() {
    let stage = represented().await;
    done(stage.does(intern(1), wishes(&[2, 1], SafetyNet::IfAbsent)).await);
    let viewer = stage.watches(OWN_PAGE);
    stage.until("09:00").await;
    stage.until("09:02:59").await;
    viewer.leaves();
    stage.until("09:03:02").await;
    assert!(matches!(stage.standing(1), Standing::Placed { post: PostNumber(2), .. }));
    assert!(stage.receipt(1).is_some(), "with a receipt like any choice");
}

#[tokio::test]
async fn r3_7_whose_choice_is_undone_is_told_why_and_keeps_no_receipt() {
    let stage = Stage::begun(with_proxies()).await;
    let mut own = stage.watches(OWN_PAGE);
    done(stage.does(intern(1), choose(1, 1)).await);
    let reason = "Erreur de rang".to_owned();
    done(stage.does(ADMINISTRATOR, Command::AnnulChoice { rank: FIRST, reason: reason.clone() }).await);
    let me = last_me(&mut own).unwrap();
    assert_eq!(me.receipt, None);
    assert_eq!(me.undone.map(|undone| (undone.post, undone.reason)), Some((PostNumber(1), reason)));
    // The seat is free for others, in the journal's books too, and for oneself.
    stage.until("09:03").await;
    assert!(done(stage.does(intern(2), choose(2, 1)).await).is_some());
    assert!(done(stage.does(intern(1), choose(1, 2)).await).is_some());
    let stage = stage.crashes_and_returns("09:05").await;
    assert_eq!(stage.receipt(1).map(|receipt| receipt.post), Some(PostNumber(2)));
}

#[tokio::test]
async fn r3_7_a_rewind_gives_back_every_seat_taken_since_in_the_journal_too() {
    let stage = Stage::begun(setup(3, &[1, 1, 1])).await;
    done(stage.does(intern(1), choose(1, 1)).await);
    stage.until("09:03").await;
    done(stage.does(intern(2), choose(2, 2)).await);
    stage.until("09:06").await;
    let reason = "Interne appelé par erreur".to_owned();
    done(stage.does(ADMINISTRATOR, Command::Rewind { to: CallRank(2), reason }).await);
    assert!(matches!(stage.standing(1), Standing::Placed { .. }));
    assert_eq!((stage.standing(2), stage.standing(3)), (Standing::Waiting, Standing::Waiting));
    let stage = stage.crashes_and_returns("09:10").await;
    done(stage.does(ADMINISTRATOR, Command::Resume).await);
    done(stage.does(intern(2), choose(2, 3)).await);
    assert!(done(stage.does(intern(3), choose(3, 2)).await).is_some(), "the seat rank 2 gave back");
}

#[tokio::test]
async fn r3_7_a_rewind_leads_back_to_the_seats_exchanged_in_the_journal_too() {
    let mut setup = setup(3, &[1, 1, 1, 1]);
    setup.policies.vacancy_round = true;
    let stage = Stage::begun(setup).await;
    let mut own = stage.watches(OWN_PAGE);
    done(stage.does(intern(1), choose(1, 1)).await);
    let made = stage.receipt(1).unwrap();
    stage.until("09:03").await;
    done(stage.does(intern(2), choose(2, 2)).await);
    stage.until("09:06").await;
    done(stage.does(intern(3), choose(3, 3)).await);
    // Rank 1 goes to the free post, rank 2 to the seat that rank 1 left.
    for (rank, post) in [(1, 4), (2, 1)] {
        let exchange = Command::Exchange { rank: CallRank(rank), post: PostNumber(post) };
        assert!(done(stage.does(intern(rank), exchange).await).is_some());
    }
    let reason = "Interne appelé par erreur".to_owned();
    done(stage.does(ADMINISTRATOR, Command::Rewind { to: CallRank(3), reason }).await);
    // Each has a receipt again for what they had chosen, and rank 1 is told so.
    let again = stage.receipt(1).unwrap();
    assert_eq!((again.post, again.seat, again.manner), (made.post, made.seat, made.manner));
    assert!(again.seq > made.seq);
    assert_eq!(last_me(&mut own).unwrap().receipt.map(|receipt| receipt.seq), Some(again.seq));
    let stage = stage.crashes_and_returns("09:10").await;
    assert_eq!(
        [1, 2, 3].map(|rank| stage.receipt(rank).map(|receipt| receipt.post.0)),
        [Some(1), Some(2), None]
    );
    done(stage.does(ADMINISTRATOR, Command::Resume).await);
    let taken = Rejection::PostTaken { post: PostNumber(1), by: Some(FIRST) };
    assert_eq!(refused(stage.does(intern(3), choose(3, 1)).await), taken);
    assert!(
        done(stage.does(intern(3), choose(3, 4)).await).is_some(),
        "what rank 1 had exchanged for is free"
    );
}

/// The wishes of which an outlook is among these messages.
fn foretold(messages: Vec<ServerMessage>) -> Option<Vec<u16>> {
    messages.into_iter().find_map(|message| match message {
        ServerMessage::Outlook { wishes } => Some(wishes.iter().map(|wish| wish.post.0).collect()),
        _ => None,
    })
}

/// Waits for an outlook.
async fn is_foretold(viewer: &mut Viewer) -> Vec<u16> {
    let mut outlook = None;
    eventually("an outlook comes", || {
        outlook = foretold(viewer.reads());
        outlook.is_some()
    })
    .await;
    outlook.unwrap()
}

#[tokio::test]
async fn r3_8_another_list_is_another_outlook_even_with_the_same_chances() {
    let stage = represented().await;
    let mut own = stage.watches(OWN_PAGE);
    for posts in [[2, 3], [3, 2]] {
        own.reads();
        done(stage.does(intern(1), wishes(&posts, SafetyNet::Never)).await);
        assert_eq!(is_foretold(&mut own).await, posts);
    }
}

#[tokio::test]
async fn r3_8_who_arrives_is_told_what_is_foretold_though_nobody_was_here_to_work_it_out_for() {
    let stage = represented().await;
    done(stage.does(intern(1), wishes(&[2, 3], SafetyNet::Never)).await);
    assert_eq!(is_foretold(&mut stage.watches(OWN_PAGE)).await, [2, 3]);
    let messages = stage.watches(OWN_PAGE).reads();
    assert_eq!(foretold(messages), Some(vec![2, 3]), "worked out already: it comes with the welcome");
}

#[tokio::test]
async fn r3_8_who_comes_back_is_told_what_is_foretold_though_it_is_what_they_were_told_before() {
    let stage = represented().await;
    let mut own = stage.watches(OWN_PAGE);
    done(stage.does(intern(1), wishes(&[2, 3], SafetyNet::Never)).await);
    assert_eq!(is_foretold(&mut own).await, [2, 3]);
    own.leaves();
    // Something that changes nothing of it happens while nobody is here who has wishes.
    let (rank, proxy) = (CallRank(2), ProxyId(Uuid::from_u128(0xCD)));
    done(stage.does(intern(2), Command::GiveProxy { rank, proxy }).await);
    assert_eq!(is_foretold(&mut stage.watches(OWN_PAGE)).await, [2, 3]);
}
