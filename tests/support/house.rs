//! One data directory, and all that is done on it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use super::journal::Journal;
use super::processes;
use super::server::{Said, Server, amphi};

/// Opening hours and a clock that starts after them: every planned time has passed, so that each turn
/// opens as soon as the one before ends, and no test has to wait for a time of day.
pub const OPENING: &str = "2027-03-29 09:00-10:00";
/// The instant at which such a clock starts.
pub const LATE_START: [&str; 2] = ["--clock-start", "2027-03-29T15:00:00+02:00"];

/// The path of a sample's file.
pub fn sample(name: &str, file: &str) -> String {
    format!("{}/tests/samples/{name}/{file}", env!("CARGO_MANIFEST_DIR"))
}

/// A data directory that is removed at the end.
pub struct House {
    directory: TempDir,
}

impl House {
    /// An empty one, which the account of the private Postgres can enter.
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        Self { directory }
    }

    /// A path for a file of the test's own.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A directory of the test's own, which everybody can enter.
    pub fn directory(&self, name: &str) -> PathBuf {
        let path = self.file(name);
        std::fs::create_dir(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.file("house")
    }

    fn data_argument(&self) -> String {
        format!("--data-directory={}", self.data().display())
    }

    /// Starts a server on a free port.
    pub async fn serve(&self, more: &[&str]) -> Server {
        self.serve_at("127.0.0.1:0", more).await
    }

    /// Starts a server at `address`.
    pub async fn serve_at(&self, address: &str, more: &[&str]) -> Server {
        let data = self.data_argument();
        let arguments = [&[data.as_str(), "--listen", address], more].concat();
        Server::serve(&arguments, &self.file("server.log")).await
    }

    /// Runs another command of `amphi` on this data directory.
    pub async fn command(&self, words: &[&str]) -> Said {
        let data = self.data_argument();
        amphi(&[words, &[data.as_str()]].concat()).await
    }

    /// Runs `amphi import` on two files.
    pub async fn import_files(&self, interns: &Path, posts: &Path, more: &[&str]) -> Said {
        let data = self.data_argument();
        let (interns, posts) = (interns.to_str().unwrap(), posts.to_str().unwrap());
        let fixed = ["import", &data, "--interns", interns, "--posts", posts, "--title", "Un amphi"];
        amphi(&[&fixed, &["--period", "2027-05"][..], more].concat()).await
    }

    /// Imports and publishes the lists of a sample.
    pub async fn import(&self, name: &str) -> Amphi {
        self.import_open(name, OPENING).await
    }

    /// Imports and publishes the lists of a sample, with these opening hours.
    pub async fn import_open(&self, name: &str, opening: &str) -> Amphi {
        self.import_with(name, &["--opening", opening]).await
    }

    /// Imports and publishes the lists of a sample, as these flags say.
    pub async fn import_with(&self, name: &str, flags: &[&str]) -> Amphi {
        let (interns, posts) = (sample(name, "interns.csv"), sample(name, "posts.csv"));
        self.import_lists(Path::new(&interns), Path::new(&posts), flags).await
    }

    /// Imports and publishes two lists, as these flags say.
    pub async fn import_lists(&self, interns: &Path, posts: &Path, flags: &[&str]) -> Amphi {
        let more = [flags, &["--publish"]].concat();
        let said = self.import_files(interns, posts, &more).await.success();
        let id = said.trim().strip_prefix("amphi ").unwrap().to_owned();
        self.links(&id).await
    }

    /// The amphi `id` and its personal links.
    pub async fn links(&self, id: &str) -> Amphi {
        let data = self.data_argument();
        let lines = amphi(&["links", &data, id, "--json"]).await.success();
        let links: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let of = |role: &str| {
            let link = links.iter().find(|link| link["role"] == role).unwrap();
            link["url"].as_str().unwrap().to_owned()
        };
        let mut interns: Vec<(u64, String)> = links
            .iter()
            .filter_map(|link| Some((link["rank"].as_u64()?, link["url"].as_str()?.to_owned())))
            .collect();
        interns.sort();
        let named = amphi(&["links", &data, id]).await.success();
        let names = named.lines().skip(2).map(|line| line.split('\t').nth(1).unwrap().to_owned());
        Amphi {
            id: id.to_owned(),
            administrator: of("administrator"),
            spectator: of("spectator"),
            interns: interns.into_iter().map(|(_, url)| url).collect(),
            names: names.collect(),
        }
    }

    /// Exports the journal of an amphi.
    pub async fn export(&self, id: &str) -> Journal {
        let path = self.file("journal.jsonl");
        let data = self.data_argument();
        amphi(&["export", &data, id, "--output", path.to_str().unwrap()]).await.success();
        Journal::read(path)
    }

    /// The directory in which the private Postgres works.
    pub fn cluster(&self) -> PathBuf {
        self.data().join("data")
    }

    /// Ends a story: the server stops, and nothing of it stays behind.
    pub async fn close(self, server: Server) {
        server.stop().await;
        assert_eq!(processes::working_in(&self.cluster()), [0; 0], "a Postgres outlived its server");
    }
}

/// An amphi and its personal links.
pub struct Amphi {
    pub id: String,
    pub administrator: String,
    pub spectator: String,
    interns: Vec<String>,
    names: Vec<String>,
}

impl Amphi {
    /// The link of the intern at `rank`.
    pub fn intern(&self, rank: usize) -> &str {
        &self.interns[rank - 1]
    }

    /// Last and first name of the intern at `rank`.
    pub fn name(&self, rank: usize) -> &str {
        &self.names[rank - 1]
    }

    /// How many interns are on the list.
    pub fn len(&self) -> usize {
        self.interns.len()
    }

    /// The path of a page: `rang/4`, `regie` or `ecran`.
    pub fn path(&self, page: &str) -> String {
        format!("/amphi/{}/{page}", self.id)
    }
}
