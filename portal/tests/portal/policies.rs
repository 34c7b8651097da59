//! What the policies of an amphi let people see (3.6): who may watch, and who sees names.

use amphi_engine::core::{NamesPolicy, Setup, WatchingPolicy};
use amphi_engine::protocol::Role;

use crate::scene::setup;
use crate::site::{HTTPS, Site, intern, path, with_site};

const SCREEN: Role = Role::Spectator;

fn watched_by(watching: WatchingPolicy) -> Setup {
    let mut setup = setup(3, &[2, 2]);
    setup.policies.watching = watching;
    setup
}

/// What the public screen of amphi 1 answers to nobody in particular, to whoever has its link, to a
/// participant, and to its administrator.
async fn answers(site: &Site) -> [u16; 4] {
    let mut statuses = [0; 4];
    let doors: [&[(u128, Role)]; 4] = [&[], &[(1, SCREEN)], &[(1, intern(1))], &[(1, Role::Administrator)]];
    for (status, doors) in statuses.iter_mut().zip(doors) {
        *status = site.browser(doors).await.get(&path(1, SCREEN)).await.status.as_u16();
    }
    statuses
}

#[tokio::test]
async fn r3_6_watching_is_for_whoever_has_the_link() {
    with_site(HTTPS, watched_by(WatchingPolicy::WithLink), |site| async move {
        assert_eq!(answers(&site).await, [401, 200, 403, 200]);
    })
    .await;
}

#[tokio::test]
async fn r3_6_nobody_watches_where_the_policy_says_so() {
    with_site(HTTPS, watched_by(WatchingPolicy::Nobody), |site| async move {
        assert_eq!(answers(&site).await, [401, 403, 403, 200]);
    })
    .await;
}

#[tokio::test]
async fn r3_6_everybody_watches_where_the_policy_says_so_and_nothing_else_opens() {
    with_site(HTTPS, watched_by(WatchingPolicy::Everybody), |site| async move {
        assert_eq!(answers(&site).await, [200; 4]);
        let mut nobody = site.browser(&[]).await;
        for role in [intern(1), Role::Administrator] {
            assert_eq!(nobody.get(&path(1, role)).await.status, 401);
        }
        assert_eq!(nobody.get(&path(9, SCREEN)).await.status, 401, "an amphi that does not exist");
        // Not an upgrade, but admitted as far as that.
        assert_eq!(nobody.get(&(path(1, SCREEN) + "/direct")).await.status, 400);
        // A draft is shown to nobody by this policy.
        let draft = watched_by(WatchingPolicy::Everybody);
        site.drafts(3, draft).await;
        assert_eq!(nobody.get(&path(3, SCREEN)).await.status, 401);
    })
    .await;
}

#[tokio::test]
async fn r3_6_names_are_seen_only_where_the_policy_says_so() {
    for (names, seen) in [(NamesPolicy::Pseudonyms, false), (NamesPolicy::Names, true)] {
        let mut setup = setup(3, &[2, 2]);
        setup.policies.names = names;
        with_site(HTTPS, setup, |site| async move {
            site.until("09:00").await;
            for role in [intern(2), SCREEN] {
                let page = site.browser(&[(1, role)]).await.get(&path(1, role)).await.text();
                // Rank 1 is in turn: everybody is told who.
                assert_eq!(page.contains("NOM1"), seen, "{role:?}, {names:?}");
                assert_eq!(page.contains("P1"), !seen, "{role:?}, {names:?}");
                for private in ["@exemple.fr", "06 00 00 00"] {
                    assert!(!page.contains(private), "{role:?}: {private}");
                }
            }
            let administrator = site.browser(&[(1, Role::Administrator)]).await;
            let page = { administrator }.get(&path(1, Role::Administrator)).await.text();
            assert!(page.contains("NOM1"));
            // What travels live is the same for everybody, and holds no name.
            let room = site.room(1).await;
            let snapshot = room.read(|ledger| ledger.amphi().snapshot()).unwrap();
            assert!(!serde_json::to_string(&snapshot).unwrap().contains("NOM"));
        })
        .await;
    }
}

#[tokio::test]
async fn r3_6_the_rules_are_shown_to_participants_spectators_and_administrators_before_the_session() {
    with_site(HTTPS, setup(3, &[2, 2]), |site| async move {
        for role in [intern(2), SCREEN, Role::Administrator] {
            let page = site.browser(&[(1, role)]).await.get(&path(1, role)).await.text();
            let rules = page.split("id=\"regles\"").nth(1).unwrap().split("</details>").next().unwrap();
            for rule in ["Personne n’est appelé avant son heure", "Il n’y a pas de procuration"] {
                assert!(rules.contains(rule), "{role:?}: {rules}");
            }
        }
    })
    .await;
}
