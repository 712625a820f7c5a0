//! How a host is set up: flags, then the environment, then `mandate-host.toml`, then defaults.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use mandate_runtime::{ClockSource, DEFAULT_SHARE, HistoryCleanup, HistoryExport, HistoryLevel, Migrate};
use serde::Deserialize;

/// The file that is read when none is named.
const FILE: &str = "mandate-host.toml";

/// Options of `mandate serve`.
#[derive(Args, Default)]
pub(crate) struct ServeArgs {
    /// Read settings from this file; mandate-host.toml is read when it exists.
    #[arg(long, env = "MANDATE_CONFIG")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

/// Everything that can be set. The keys of mandate-host.toml are the long flags without the dashes before them.
#[derive(Args, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Settings {
    /// Where to serve HTTP [default: 127.0.0.1:8080].
    #[arg(long, env = "MANDATE_LISTEN", value_parser = address)]
    listen: Option<SocketAddr>,
    /// Serve on an address that other machines reach, although there is no authentication.
    #[arg(long, env = "MANDATE_INSECURE", num_args = 0..=1, default_missing_value = "true")]
    insecure: Option<bool>,
    /// Names besides localhost and loopback addresses that clients may ask this host as, such as what a proxy sends as Host, and whose web
    /// pages may change things here; with --insecure and no names any name will do.
    #[arg(long, env = "MANDATE_ALLOWED_HOSTS", value_delimiter = ',')]
    allowed_hosts: Option<Vec<String>>,
    /// sqlite:FILE or postgres://USER@HOST/DATABASE [default: sqlite:mandate.db].
    #[arg(long, env = "MANDATE_DATABASE", hide_env_values = true)]
    database: Option<String>,
    /// The catalogue of domain commands [default: none, no delegate has any].
    #[arg(long, env = "MANDATE_CATALOGUE")]
    catalogue: Option<PathBuf>,
    /// Apply missing migrations at start, or refuse to start without them [default: auto].
    #[arg(long, env = "MANDATE_MIGRATE")]
    migrate: Option<MigrateArg>,
    /// What history keeps [default: audit].
    #[arg(long, env = "MANDATE_HISTORY")]
    history: Option<HistoryArg>,
    /// Whether this host removes history whose time to live is over [default: on].
    #[arg(long, env = "MANDATE_HISTORY_CLEANUP")]
    history_cleanup: Option<Switch>,
    /// The part of the time that removing history may take, in per cent, 1 to 100 [default: 2].
    #[arg(long, env = "MANDATE_HISTORY_CLEANUP_SHARE")]
    history_cleanup_share: Option<u32>,
    /// Write instances as JSON lines to files in this folder before their history is removed [default: none].
    #[arg(long, env = "MANDATE_HISTORY_EXPORT")]
    history_export: Option<PathBuf>,
    /// Lines for people, or JSON [default: text].
    #[arg(long, env = "MANDATE_LOG")]
    log: Option<LogFormat>,
    /// Whether this host runs jobs and timers [default: on].
    #[arg(long, env = "MANDATE_JOB_EXECUTOR")]
    job_executor: Option<Switch>,
    /// What processes take the time from: the system, or `PUT /api/v1/clock` and nothing else, on a database of its own [default: system].
    #[arg(long, env = "MANDATE_CLOCK")]
    clock: Option<ClockArg>,
    /// The compiled components' private folder [default: beside the database, or under the user's cache folder].
    #[arg(long, env = "MANDATE_CACHE")]
    cache: Option<PathBuf>,
    /// Seconds for which this host owns its jobs without a sign of life [default: 10].
    #[arg(long, env = "MANDATE_LEASE")]
    lease: Option<u64>,
    /// The largest deployment, in MiB [default: 64].
    #[arg(long, env = "MANDATE_UPLOAD_LIMIT")]
    upload_limit: Option<u64>,
    /// Memory for delegates that run at once, in MiB [default: 2048].
    #[arg(long, env = "MANDATE_DELEGATE_MEMORY")]
    delegate_memory: Option<u64>,
    /// Seconds from SIGTERM in which what is under way may end, requests and jobs [default: 30].
    #[arg(long, env = "MANDATE_DRAIN")]
    drain: Option<u64>,
}

#[derive(Clone, Copy, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum MigrateArg {
    Auto,
    Off,
}

#[derive(Clone, Copy, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum HistoryArg {
    None,
    Activity,
    Audit,
    Full,
}

#[derive(Clone, Copy, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Switch {
    On,
    Off,
}

#[derive(Clone, Copy, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ClockArg {
    System,
    Manual,
}

/// The settings that hold.
pub(crate) struct Resolved {
    pub(crate) listen: SocketAddr,
    pub(crate) insecure: bool,
    pub(crate) allowed_hosts: Vec<String>,
    pub(crate) database: String,
    pub(crate) catalogue: Option<PathBuf>,
    pub(crate) migrate: Migrate,
    pub(crate) history: HistoryLevel,
    /// None: this host removes none.
    pub(crate) cleanup: Option<HistoryCleanup>,
    pub(crate) log: LogFormat,
    pub(crate) execute_jobs: bool,
    pub(crate) clock: ClockSource,
    pub(crate) cache: PathBuf,
    pub(crate) lease: Duration,
    pub(crate) upload_limit: usize,
    pub(crate) delegate_memory: u64,
    pub(crate) drain: Duration,
}

impl ServeArgs {
    /// Flags and environment (clap has merged them) over the file over defaults.
    pub(crate) fn resolve(self) -> anyhow::Result<Resolved> {
        let file = match &self.config {
            Some(path) => read(path)?,
            None if Path::new(FILE).exists() => read(Path::new(FILE))?,
            None => Settings::default(),
        };
        let given = self.settings;
        let database = given.database.or(file.database).unwrap_or_else(|| "sqlite:mandate.db".to_owned());
        if let Some(folder) = sqlite_file(&database).and_then(Path::parent).filter(|folder| !folder.as_os_str().is_empty()) {
            anyhow::ensure!(
                folder.is_dir(),
                "there is no folder {} for the database: make it, or name another database by --database",
                folder.display()
            );
        }
        let lease = given.lease.or(file.lease).unwrap_or(10);
        anyhow::ensure!(lease >= 2, "a lease of {lease} s is too short: a host must be able to renew it several times; give at least 2");
        Ok(Resolved {
            listen: given.listen.or(file.listen).unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080))),
            insecure: given.insecure.or(file.insecure).unwrap_or(false),
            allowed_hosts: names(given.allowed_hosts.or(file.allowed_hosts)),
            catalogue: given.catalogue.or(file.catalogue),
            migrate: match given.migrate.or(file.migrate) {
                Some(MigrateArg::Off) => Migrate::Off,
                _ => Migrate::Auto,
            },
            history: match given.history.or(file.history).unwrap_or(HistoryArg::Audit) {
                HistoryArg::None => HistoryLevel::None,
                HistoryArg::Activity => HistoryLevel::Activity,
                HistoryArg::Audit => HistoryLevel::Audit,
                HistoryArg::Full => HistoryLevel::Full,
            },
            cleanup: cleanup(
                given.history_cleanup.or(file.history_cleanup).unwrap_or(Switch::On),
                given.history_cleanup_share.or(file.history_cleanup_share),
                given.history_export.or(file.history_export),
            )?,
            log: given.log.or(file.log).unwrap_or(LogFormat::Text),
            execute_jobs: given.job_executor.or(file.job_executor) != Some(Switch::Off),
            clock: match given.clock.or(file.clock) {
                Some(ClockArg::Manual) => ClockSource::Manual,
                _ => ClockSource::System,
            },
            cache: given.cache.or(file.cache).unwrap_or_else(|| default_cache(&database)),
            lease: Duration::from_secs(lease),
            upload_limit: usize::try_from(mebibytes("upload-limit", given.upload_limit.or(file.upload_limit).unwrap_or(64))?)?,
            delegate_memory: mebibytes("delegate-memory", given.delegate_memory.or(file.delegate_memory).unwrap_or(2048))?,
            drain: given.drain.or(file.drain).map_or(mandate_http::DEFAULT_DRAIN, Duration::from_secs),
            database,
        })
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "write an IP address and a port, such as 127.0.0.1:8080; names are not looked up".to_owned())
}

/// Without what an empty variable of the environment leaves.
fn names(given: Option<Vec<String>>) -> Vec<String> {
    given.unwrap_or_default().iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

/// So many MiB in bytes.
fn mebibytes(setting: &str, given: u64) -> anyhow::Result<u64> {
    let most = u64::from(u32::MAX);
    anyhow::ensure!((1..=most).contains(&given), "{setting} is {given} MiB: give between 1 and {most}");
    Ok(given << 20)
}

fn cleanup(switch: Switch, share: Option<u32>, export: Option<PathBuf>) -> anyhow::Result<Option<HistoryCleanup>> {
    let share = share.unwrap_or(DEFAULT_SHARE);
    anyhow::ensure!((1..=100).contains(&share), "a share of {share} % of the time is not between 1 and 100");
    if let Some(dir) = &export {
        std::fs::create_dir_all(dir).with_context(|| format!("make the folder {} for removed history", dir.display()))?;
    }
    let export = export.map(|dir| HistoryExport { dir, line: mandate_http::history_line });
    Ok((switch == Switch::On).then_some(HistoryCleanup { share, export }))
}

fn read(path: &Path) -> anyhow::Result<Settings> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("read {}", path.display()))
}

/// The file of an embedded database, if the URL names one.
pub(crate) fn sqlite_file(database: &str) -> Option<&Path> {
    let file = database.strip_prefix("sqlite:")?.trim_start_matches("//");
    Some(Path::new(file)).filter(|_| !file.is_empty())
}

/// Compiled code belongs beside an embedded database; a host on PostgreSQL keeps it where its user keeps caches.
fn default_cache(database: &str) -> PathBuf {
    if let Some(file) = sqlite_file(database) {
        return PathBuf::from(format!("{}-components", file.display()));
    }
    let home = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    home.unwrap_or_else(std::env::temp_dir).join("mandate/components")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_list_of_names_names_nobody() {
        assert_eq!(names(Some(vec![String::new()])), [""; 0]);
        assert_eq!(names(Some(vec!["a".to_owned(), " b ".to_owned()])), ["a", "b"]);
    }

    #[test]
    fn sizes_that_cannot_be_counted_in_bytes_are_refused() {
        assert_eq!(mebibytes("upload-limit", 64).unwrap(), 64 << 20);
        // Shifted, it would be none.
        for given in [0, 1 << 32, 1 << 44, u64::MAX] {
            let refused = mebibytes("upload-limit", given).unwrap_err().to_string();
            assert!(refused.contains("upload-limit") && refused.contains(&given.to_string()), "{refused}");
        }
    }
}
