//! The whole example system: order service and hosts, each with its database, in a folder of their own.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Once;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use reqwest::Method;
use serde_json::Value;
use tokio::process::Command;

use crate::program::{Program, built, root};

/// How long something that happens by itself may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// How often is asked whether it has happened.
const LOOK: Duration = Duration::from_millis(50);

/// What a system is made of.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Where databases and logs go.
    pub dir: PathBuf,
    /// The hosts' database URL; none is SQLite in the folder.
    pub host_database: Option<String>,
    /// The service's database URL; none is SQLite in the folder.
    pub service_database: Option<String>,
    /// The service's misbehaviour, as its `--faults` takes it.
    pub faults: Value,
    /// Seconds of a host's lease.
    pub lease: u64,
    /// How long a process waits for fulfilment, ISO 8601.
    pub fulfillment_timeout: String,
    /// More flags of `mandate serve`.
    pub flags: Vec<String>,
}

impl Setup {
    /// Everything on SQLite, nothing goes wrong.
    pub fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            host_database: None,
            service_database: None,
            faults: serde_json::json!({}),
            lease: 4,
            fulfillment_timeout: "PT5S".to_owned(),
            flags: Vec::new(),
        }
    }
}

/// The running system. Ports stay the same over restarts.
pub struct System {
    setup: Setup,
    http: reqwest::Client,
    service_port: u16,
    host_ports: Vec<u16>,
    service: Option<Program>,
    hosts: Vec<Option<Program>>,
}

/// An HTTP client for loopback.
pub fn http_client() -> anyhow::Result<reqwest::Client> {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    Ok(reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build()?)
}

/// A port of loopback that nobody listens on.
pub fn free_port() -> anyhow::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

impl System {
    /// Starts the order service and so many hosts.
    pub async fn start(setup: Setup, hosts: usize) -> anyhow::Result<Self> {
        Self::start_at(setup, hosts, free_port()?, None).await
    }

    /// The same on given ports.
    pub async fn start_at(setup: Setup, hosts: usize, service_port: u16, host_port: Option<u16>) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&setup.dir)?;
        let mut host_ports = Vec::new();
        for index in 0..hosts {
            host_ports.push(match host_port {
                Some(port) => port + u16::try_from(index)?,
                None => free_port()?,
            });
        }
        let mut system =
            Self { http: http_client()?, service_port, host_ports, service: None, hosts: (0..hosts).map(|_| None).collect(), setup };
        for index in 0..hosts {
            system.start_host(index).await?;
        }
        system.start_service().await?;
        Ok(system)
    }

    /// Starts a host that is not running.
    pub async fn start_host(&mut self, index: usize) -> anyhow::Result<()> {
        let catalogue = self.catalogue()?;
        let dir = &self.setup.dir;
        let database = self.setup.host_database.clone().unwrap_or_else(|| format!("sqlite:{}/mandate.db", dir.display()));
        let mut arguments = vec![
            "serve".to_owned(),
            format!("--listen=127.0.0.1:{}", self.host_ports[index]),
            format!("--database={database}"),
            format!("--catalogue={}", catalogue.display()),
            format!("--lease={}", self.setup.lease),
            format!("--cache={}/components-{index}", dir.display()),
        ];
        arguments.extend_from_slice(&self.setup.flags);
        let log = dir.join(format!("host-{index}.log"));
        self.hosts[index] = Some(Program::start("mandate", &arguments, &log).await?);
        Ok(())
    }

    /// Starts the service, when it is not running.
    pub async fn start_service(&mut self) -> anyhow::Result<()> {
        let dir = &self.setup.dir;
        let database = self.setup.service_database.clone().unwrap_or_else(|| format!("sqlite:{}/orders.db", dir.display()));
        let arguments = [
            format!("--listen=127.0.0.1:{}", self.service_port),
            format!("--database={database}"),
            format!("--engine={}/engine-rest", self.host_url(0)),
            format!("--faults={}", self.setup.faults),
            format!("--fulfillment-timeout={}", self.setup.fulfillment_timeout),
        ];
        self.service = Some(Program::start("order-service", &arguments, &dir.join("order-service.log")).await?);
        Ok(())
    }

    /// The example's catalogue with this system's port.
    fn catalogue(&self) -> anyhow::Result<PathBuf> {
        let text = std::fs::read_to_string(root().join("examples/order-service/catalogue.toml"))?;
        ensure!(text.contains("http://127.0.0.1:8090"), "the example's catalogue names the service's default address");
        let path = self.setup.dir.join("catalogue.toml");
        std::fs::write(&path, text.replace("http://127.0.0.1:8090", &self.service_url()))?;
        Ok(path)
    }

    /// SIGKILL to a host.
    pub async fn kill_host(&mut self, index: usize) -> anyhow::Result<()> {
        self.hosts[index].take().context("the host is running")?.kill().await
    }

    /// Waits until a host ends by itself, and says how.
    pub async fn host_ended(&mut self, index: usize, within: Duration) -> anyhow::Result<ExitStatus> {
        self.hosts[index].take().context("the host is running")?.ended(within).await
    }

    /// SIGKILL to the service, its relay included.
    pub async fn kill_service(&mut self) -> anyhow::Result<()> {
        self.service.take().context("the service is running")?.kill().await
    }

    /// SIGTERM to everything.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        if let Some(service) = self.service.take() {
            service.stop().await?;
        }
        for host in self.hosts.iter_mut().filter_map(Option::take) {
            host.stop().await?;
        }
        Ok(())
    }

    /// A running host.
    pub fn host(&self, index: usize) -> anyhow::Result<&Program> {
        self.hosts[index].as_ref().context("the host is running")
    }

    /// Where a host serves.
    pub fn host_url(&self, index: usize) -> String {
        format!("http://127.0.0.1:{}", self.host_ports[index])
    }

    /// Where the service serves.
    pub fn service_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.service_port)
    }

    /// The folder of logs and databases.
    pub fn dir(&self) -> &Path {
        &self.setup.dir
    }

    /// The HTTP client.
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// Deploys a bundle with the command a user would type.
    pub async fn deploy(&self, bundle: &Path) -> anyhow::Result<Value> {
        let output =
            Command::new(built("mandate")?).arg("deploy").arg(bundle).args(["--json", "--server", &self.host_url(0)]).output().await?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "deploy {}: {errors}", bundle.display());
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Asks a host.
    pub async fn ask(&self, path: &str) -> anyhow::Result<Value> {
        get(&self.http, &format!("{}{path}", self.host_url(0))).await
    }

    /// Proves that the host's store agrees with itself.
    pub async fn check_store(&self) -> anyhow::Result<()> {
        let url = format!("{}/api/v1/check-store", self.host_url(0));
        let report: Value = self.http.request(Method::POST, url).send().await?.error_for_status()?.json().await?;
        let findings = report["findings"].as_array().context("a report has findings")?;
        ensure!(findings.is_empty(), "the store does not agree with itself: {findings:#?}");
        Ok(())
    }
}

/// GET with a JSON answer.
pub async fn get(http: &reqwest::Client, url: &str) -> anyhow::Result<Value> {
    let answer = http.get(url).send().await?;
    let status = answer.status();
    let text = answer.text().await?;
    ensure!(status.is_success(), "GET {url} answered {status}: {text}");
    serde_json::from_str(&text).with_context(|| format!("GET {url} answered no JSON: {text}"))
}

/// Asks until the answer is as it should be, and answers it.
pub async fn until(http: &reqwest::Client, url: &str, wanted: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
    let begun = Instant::now();
    loop {
        let answer = get(http, url).await?;
        if wanted(&answer) {
            return Ok(answer);
        }
        ensure!(begun.elapsed() < PATIENCE, "GET {url} still answers {answer}");
        tokio::time::sleep(LOOK).await;
    }
}
