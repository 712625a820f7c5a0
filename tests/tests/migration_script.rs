//! The schema as operators apply it who run migrations by hand: with the database's own shell, before the first host.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use mandate_tests::postgres::Cluster;
use mandate_tests::program::{Program, built};
use mandate_tests::system::{get, http_client};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// What `mandate migration-script` prints.
async fn script(dialect: &str) -> anyhow::Result<String> {
    let output = Command::new(built("mandate")?).args(["migration-script", dialect]).output().await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

fn serve(dir: &Path, database: &str) -> Vec<String> {
    let arguments = ["serve", "--migrate=off", "--listen=127.0.0.1:0"].map(str::to_owned);
    arguments.into_iter().chain([format!("--database={database}"), format!("--cache={}", dir.join("components").display())]).collect()
}

/// A host that may not migrate refuses the empty database and names what it lacks.
async fn refuses(dir: &Path, database: &str, file: &str) -> anyhow::Result<()> {
    let output = Command::new(built("mandate")?).args(serve(dir, database)).kill_on_drop(true).output().await?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(!output.status.success() && said.contains(file) && said.contains("mandate migration-script"), "{said}");
    Ok(())
}

/// A host that may not migrate takes the database as it is, and works on it.
async fn serves(dir: &Path, database: &str) -> anyhow::Result<()> {
    let host = Program::start("mandate", &serve(dir, database), &dir.join("host.log")).await?;
    let http = http_client()?;
    ensure!(get(&http, &format!("{}/api/v1/readiness", host.url())).await?["ready"] == true, "it is not ready");
    let report: serde_json::Value =
        http.post(format!("{}/api/v1/check-store", host.url())).send().await?.error_for_status()?.json().await?;
    ensure!(report["findings"] == serde_json::json!([]), "{report:#}");
    host.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_psql_has_applied_is_enough_to_serve() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let cluster = Cluster::start()?;
    let url = cluster.create_database("by_hand")?;
    refuses(dir.path(), &url, "migrations/0001_init.postgres.sql").await?;
    cluster.script("by_hand", &script("postgres").await?)?;
    serves(dir.path(), &url).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_shell_of_sqlite_has_applied_is_enough_to_serve() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("by-hand.db");
    let url = format!("sqlite:{}", file.display());
    refuses(dir.path(), &url, "migrations/0001_init.sqlite.sql").await?;
    let mut shell = Command::new("sqlite3")
        .arg("-bail")
        .arg(&file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("start sqlite3: `make databases` installs it, or says how")?;
    shell.stdin.take().context("its input is piped")?.write_all(script("sqlite").await?.as_bytes()).await?;
    let done = shell.wait_with_output().await?;
    ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    serves(dir.path(), &url).await
}
