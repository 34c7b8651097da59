//! Parents killed with `kill -9`, at any moment: no orphan, no half-made cluster, no directory left for ever.
//!
//! The process to be killed is this test binary again, told by `PARENT_VARIABLE` to run `parent_to_kill` alone.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::*;

const PARENT_VARIABLE: &str = "AMPHI_TEST_PARENT_DIRECTORY";
const EPHEMERAL_VARIABLE: &str = "AMPHI_TEST_PARENT_EPHEMERAL";

/// Another process that calls `start` on this directory.
fn spawn_parent(directory: &Path, ephemeral: bool) -> Child {
    let (_, module) = module_path!().split_once("::").unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg(format!("{module}::parent_to_kill"));
    command.args(["--exact", "--ignored", "--nocapture"]);
    command.env(PARENT_VARIABLE, directory);
    if ephemeral {
        command.env(EPHEMERAL_VARIABLE, "yes");
    }
    command.stdout(Stdio::piped()).kill_on_drop(true);
    command.spawn().unwrap()
}

/// The server and the directory that such a process reports.
async fn reported(parent: &mut Child) -> (u32, PathBuf) {
    let mut lines = BufReader::new(parent.stdout.take().unwrap()).lines();
    loop {
        let line = lines.next_line().await.unwrap().expect("the parent ended");
        if let Some((_, report)) = line.split_once("STARTED ") {
            let (pid, directory) = report.split_once(' ').unwrap();
            return (pid.parse().unwrap(), directory.into());
        }
    }
}

#[tokio::test]
#[ignore = "not a test: the process that other tests kill"]
async fn parent_to_kill() {
    let Some(directory) = std::env::var_os(PARENT_VARIABLE) else {
        return;
    };
    let settings = PrivatePostgresSettings {
        ephemeral: std::env::var_os(EPHEMERAL_VARIABLE).is_some(),
        ..settings(Path::new(&directory))
    };
    let postgres = PrivatePostgres::start(settings, |_| {}).await.unwrap();
    println!("STARTED {} {}", postgres.postmaster_pid(), postgres.data_directory().display());
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_killed_parent_leaves_no_orphan_and_the_next_start_waits_for_its_server() {
    let place = place();
    let mut parent = spawn_parent(place.path(), false);
    let (postmaster, _) = reported(&mut parent).await;
    assert!(!has_ended(postmaster));
    kill_9(parent.id().unwrap());
    // At once, while the old server is still stopping.
    let next = start(place.path()).await;
    assert!(has_ended(postmaster));
    write_row(&next).await;
    next.stop().await.unwrap();

    let mut parent = spawn_parent(place.path(), false);
    let (postmaster, _) = reported(&mut parent).await;
    kill_9(parent.id().unwrap());
    becomes_true("the server of a killed parent ends", || has_ended(postmaster)).await;
    let data = place.path().join("data");
    becomes_true("nothing is left", || survivors::of(&data).is_empty()).await;
}

#[tokio::test]
async fn a_server_whose_watchdog_was_killed_too_is_stopped_by_the_next_start() {
    let place = place();
    let mut parent = spawn_parent(place.path(), false);
    let (postmaster, _) = reported(&mut parent).await;
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let arguments = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let arguments = String::from_utf8_lossy(&arguments).into_owned();
        if arguments.contains("amphi-watchdog") && arguments.contains(place.path().to_str().unwrap()) {
            kill_9(entry.file_name().to_str().unwrap().parse().unwrap());
        }
    }
    kill_9(parent.id().unwrap());
    let next = start(place.path()).await;
    assert!(has_ended(postmaster));
    next.stop().await.unwrap();
}

#[tokio::test]
async fn an_interrupted_creation_is_made_again() {
    let place = place();
    let partial = || {
        let entries = std::fs::read_dir(place.path()).into_iter().flatten().flatten();
        let mut paths = entries.map(|entry| entry.path());
        paths.find(|path| path.join("global").is_dir() && !path.ends_with("data"))
    };
    let parent = spawn_parent(place.path(), false);
    becomes_true("initdb is in the middle", || partial().is_some()).await;
    kill_9(parent.id().unwrap());
    assert!(!place.path().join("data").exists(), "killed too late to prove anything");

    let postgres = start(place.path()).await;
    write_row(&postgres).await;
    postgres.stop().await.unwrap();
    becomes_true("the interrupted initdb leaves nothing", || partial().is_none()).await;
}

#[tokio::test]
async fn a_second_owner_is_refused_with_the_first_ones_pid() {
    let place = place();
    let mut parent = spawn_parent(place.path(), false);
    reported(&mut parent).await;
    let message = refusal(settings(place.path())).await;
    assert!(message.contains(&format!("processus {}", parent.id().unwrap())), "{message}");
}

#[tokio::test]
async fn an_ephemeral_directory_goes_at_the_stop_or_at_the_next_start() {
    let place = place();
    let ephemeral = PrivatePostgresSettings { ephemeral: true, ..settings(place.path()) };
    let mut parent = spawn_parent(place.path(), true);
    let (postmaster, abandoned) = reported(&mut parent).await;
    kill_9(parent.id().unwrap());
    becomes_true("the server ends", || has_ended(postmaster)).await;
    becomes_true("nothing is left", || survivors::of(&abandoned.join("data")).is_empty()).await;
    assert!(abandoned.exists());

    let postgres = PrivatePostgres::start(ephemeral, |_| {}).await.unwrap();
    assert!(!abandoned.exists());
    let directory = postgres.data_directory().to_path_buf();
    assert!(directory.exists());
    // Dropped without a stop: the same end, only later.
    drop(postgres);
    becomes_true("a dropped server goes with its directory", || !directory.exists()).await;
}
