//! One host alone: no order service, no catalogue, any flags.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use reqwest::Method;
use serde_json::Value;
use tokio::process::Command;

use crate::program::{Program, built, root};
use crate::system::{free_port, get, http_client, until};

/// A host in a folder of its own. Its port stays the same over restarts.
pub struct Lone {
    dir: PathBuf,
    arguments: Vec<String>,
    url: String,
    http: reqwest::Client,
    program: Option<Program>,
}

impl Lone {
    /// Starts it; no database is SQLite in the folder. Flags are those of `mandate serve`.
    pub async fn start(dir: &Path, database: Option<&str>, flags: &[&str]) -> anyhow::Result<Self> {
        let port = free_port()?;
        let sqlite = format!("sqlite:{}/mandate.db", dir.display());
        let mut arguments = vec![
            "serve".to_owned(),
            format!("--listen=127.0.0.1:{port}"),
            format!("--database={}", database.unwrap_or(&sqlite)),
            format!("--cache={}/components", dir.display()),
        ];
        arguments.extend(flags.iter().map(|&flag| flag.to_owned()));
        let url = format!("http://127.0.0.1:{port}");
        let mut host = Self { dir: dir.to_owned(), arguments, url, http: http_client()?, program: None };
        host.start_again().await?;
        Ok(host)
    }

    /// Starts it when it is not running.
    pub async fn start_again(&mut self) -> anyhow::Result<()> {
        self.program = Some(Program::start("mandate", &self.arguments, &self.log_path()).await?);
        Ok(())
    }

    /// SIGKILL.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.program.take().context("the host is running")?.kill().await
    }

    /// SIGTERM.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.program.take().context("the host is running")?.stop().await
    }

    /// The process's id.
    pub fn pid(&self) -> anyhow::Result<u32> {
        self.program.as_ref().context("the host is running")?.pid()
    }

    /// Where it serves.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A client for it.
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// What it has logged so far, over all its starts.
    pub fn log(&self) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(self.log_path())?)
    }

    fn log_path(&self) -> PathBuf {
        self.dir.join("host.log")
    }

    /// Deploys files as a bundle, with the command a user would type.
    pub async fn deploy(&self, files: &[(&str, &[u8])]) -> anyhow::Result<()> {
        let bundle = self.dir.join("bundle");
        std::fs::create_dir_all(&bundle)?;
        for (name, bytes) in files {
            std::fs::write(bundle.join(name), bytes)?;
        }
        let deploy = Command::new(built("mandate")?).arg("deploy").arg(&bundle).args(["--server", &self.url]).output().await?;
        ensure!(deploy.status.success(), "deploy: {}", String::from_utf8_lossy(&deploy.stderr));
        Ok(())
    }

    /// GET with a JSON answer.
    pub async fn ask(&self, path: &str) -> anyhow::Result<Value> {
        get(&self.http, &format!("{}{path}", self.url)).await
    }

    /// Asks until the answer is as it should be.
    pub async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> anyhow::Result<()> {
        until(&self.http, &format!("{}{path}", self.url), wanted).await.map(drop)
    }

    /// POST with a JSON answer, or none.
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.send(Method::POST, path, body).await
    }

    /// PUT with a JSON answer, or none.
    pub async fn put(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.send(Method::PUT, path, body).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> anyhow::Result<()> {
        self.send(Method::DELETE, path, &Value::Null).await.map(drop)
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> anyhow::Result<Value> {
        let answer = self.http.request(method.clone(), format!("{}{path}", self.url)).json(body).send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        ensure!(status.is_success(), "{method} {path} answered {status}: {text}");
        if text.is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_str(&text)?) }
    }

    /// Proves that its store agrees with itself.
    pub async fn check_store(&self) -> anyhow::Result<()> {
        let report = self.post("/api/v1/check-store", &Value::Null).await?;
        let findings = report["findings"].as_array().context("a report has findings")?;
        ensure!(findings.is_empty(), "the store does not agree with itself: {findings:#?}");
        Ok(())
    }
}

/// A built guest.
pub fn guest(name: &str) -> anyhow::Result<Vec<u8>> {
    let path = root().join("delegates/target/wasm32-wasip2/release").join(name);
    std::fs::read(&path).with_context(|| format!("read {}: build it with `make guests`", path.display()))
}
