//! The one Postgres: the one named by `DATABASE_URL`, a private one of ours, or the private one that a
//! running `amphi serve` already has.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use sqlx::PgPool;

use crate::private_postgres::{PrivatePostgres, PrivatePostgresSettings, ensure_durable};

/// Which database to use.
#[derive(Debug, Clone, Args)]
pub struct DatabaseSettings {
    /// Base Postgres à utiliser (15 ou plus) ; sans elle, amphi démarre une base privée
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// Dossier de la base privée
    #[arg(long, env = "AMPHI_DATA_DIRECTORY", value_name = "DOSSIER")]
    pub data_directory: Option<PathBuf>,
}

/// An open database, and the private server under it if we started it.
pub struct Database {
    /// For pages and people.
    pub pool: PgPool,
    url: String,
    private: Option<PrivatePostgres>,
}

impl Database {
    /// Opens the database of the settings, ready to be used: durable, and with the current schema.
    pub async fn open(settings: &DatabaseSettings) -> anyhow::Result<Self> {
        if let Some(url) = &settings.database_url {
            return Self::connect(url, None).await;
        }
        if let Some(url) = PrivatePostgres::url_of_running(settings.data_directory.as_deref())? {
            return Self::connect(&url, None).await;
        }
        Self::start(settings.data_directory.as_deref(), false).await
    }

    /// Opens the database for a server: one private Postgres serves one server at a time.
    pub async fn open_for_server(settings: &DatabaseSettings) -> anyhow::Result<Self> {
        match &settings.database_url {
            Some(url) => Self::connect(url, None).await,
            None => Self::start(settings.data_directory.as_deref(), false).await,
        }
    }

    /// Opens a database that is thrown away at the end.
    pub async fn open_ephemeral() -> anyhow::Result<Self> {
        Self::start(None, true).await
    }

    async fn start(directory: Option<&Path>, ephemeral: bool) -> anyhow::Result<Self> {
        let settings = PrivatePostgresSettings {
            data_directory: directory.map(Path::to_path_buf),
            ephemeral,
            ..PrivatePostgresSettings::default()
        };
        let private = PrivatePostgres::start(settings, |step| eprintln!("{step}…")).await?;
        let directory = private.data_directory().display().to_string();
        tracing::info!(directory, postmaster_pid = private.postmaster_pid(), "the private Postgres is up");
        let url = private.database_url().to_owned();
        Self::connect(&url, Some(private)).await
    }

    /// Opens the database at an address.
    pub async fn connect(url: &str, private: Option<PrivatePostgres>) -> anyhow::Result<Self> {
        let pool = amphi_portal::pool::options()
            .connect(url)
            .await
            .context("la base Postgres ne répond pas à l’adresse donnée")?;
        ensure_durable(&pool).await?;
        sqlx::migrate!().run(&pool).await.context("le schéma de la base n’a pas pu être mis à jour")?;
        Ok(Self { pool, url: url.to_owned(), private })
    }

    /// Where it is, password included: not for logs.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Completes if the private Postgres ends unasked; never, when there is none.
    pub async fn lost(&self) {
        match &self.private {
            Some(private) => private.wait_for_exit().await,
            None => std::future::pending().await,
        }
    }

    /// Closes the pool, and stops the private Postgres if we started it.
    pub async fn close(self) -> anyhow::Result<()> {
        self.pool.close().await;
        match self.private {
            Some(private) => private.stop().await,
            None => Ok(()),
        }
    }
}
