//! The host under measurement, in this process, and the clients that use it.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use mandate_runtime::deploy::{MANIFEST, Upload};
use mandate_runtime::engine::{Variable, Variables};
use mandate_runtime::{ClockSource, Config, HistoryCleanup, Runtime, Start, Started, StoreConfig, wasm};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::counting::{self, Counts, Tally};

/// Clients that use the host at once.
pub const CLIENTS: u32 = 4;

/// Requests that each of them keeps under way: it asks for the next as soon as one is answered.
pub const IN_FLIGHT: usize = 16;

/// How long units of work may take to end at the shutdown.
const DRAIN: Duration = Duration::from_secs(30);

/// The component.
const COMPONENT: &str = "test_bench.wasm";

/// Its name in the models.
pub const DELEGATE: &str = "bench";

/// The command of the catalogue.
pub const COMMAND: &str = "bench.do@1";

/// How large the long scenarios are.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Size {
    /// Instances that are in the store beforehand.
    pub stock: u32,
    /// Seconds for which load lasts.
    pub seconds: u32,
}

impl Default for Size {
    fn default() -> Self {
        Self { stock: 1_000_000, seconds: 600 }
    }
}

/// How a host is opened.
#[derive(Clone)]
pub struct Setup {
    /// Its database.
    pub url: String,
    /// A folder for compiled components and the catalogue.
    pub dir: PathBuf,
    /// Where commands go; none: there is no catalogue.
    pub stub: Option<String>,
    /// Where components are compiled.
    pub compiler: wasm::Compiler,
    /// Of the scenarios that ask for it.
    pub size: Size,
    /// How the host removes history; none: it does not.
    pub history_cleanup: Option<HistoryCleanup>,
}

impl Setup {
    /// Without commands, and with components compiled in this process.
    pub fn new(url: String, dir: PathBuf) -> Self {
        Self { url, dir, stub: None, compiler: wasm::Compiler::InProcess, size: Size::default(), history_cleanup: None }
    }
}

/// Some instances of one run.
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    /// Tells their business keys from others'.
    pub name: &'static str,
    /// How many.
    pub count: u32,
}

impl Batch {
    /// The business key of one of them.
    pub fn key(&self, number: u32) -> String {
        format!("{}-{number}", self.name)
    }
}

/// A component that is deployed under a name.
pub struct Component {
    /// As models refer to it.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A host.
pub struct Host {
    /// The host.
    pub runtime: Runtime,
    /// How it was opened.
    pub setup: Setup,
    /// The key of the process that clients start.
    pub process: String,
    /// What the hosts of this process have done.
    counts: Counts,
}

impl Host {
    /// Opens a host and deploys a model. With `commands` its delegate may issue [`COMMAND`].
    pub async fn open(setup: &Setup, model: String, commands: bool) -> anyhow::Result<Self> {
        let mut host = Self::join(setup, String::new()).await?;
        let asks = if commands { format!("commands = [\"{COMMAND}\"]\n") } else { String::new() };
        let keys = host.deploy("bench", model, vec![Component { name: DELEGATE.to_owned(), bytes: component()? }], &asks).await?;
        host.process = keys.into_iter().next().context("the model has a process")?;
        Ok(host)
    }

    /// Opens a host on a database in which a process is deployed already.
    pub async fn join(setup: &Setup, process: String) -> anyhow::Result<Self> {
        let counts = counting::count()?;
        std::fs::create_dir_all(&setup.dir)?;
        let catalogue = setup.stub.as_deref().map(|stub| write_catalogue(&setup.dir, stub)).transpose()?;
        let sandbox = wasm::Config::new(setup.dir.join("components"), setup.compiler.clone());
        let config = Config {
            store: StoreConfig::new(&setup.url),
            sandbox,
            catalogue,
            execute_jobs: true,
            clock: ClockSource::System,
            history_cleanup: setup.history_cleanup.clone(),
        };
        let runtime = Runtime::open(config).await.map_err(|error| anyhow::Error::msg(error.to_string()))?;
        Ok(Self { runtime, setup: setup.clone(), process, counts })
    }

    /// Deploys a model with its components, each with `asks` in its section of the manifest. Answers the keys of its processes.
    pub async fn deploy(&self, name: &str, model: String, components: Vec<Component>, asks: &str) -> anyhow::Result<Vec<String>> {
        let mut manifest = String::new();
        let mut resources = vec![(format!("{name}.bpmn"), model.into_bytes())];
        for Component { name, bytes } in components {
            writeln!(manifest, "[delegates.{name}]\nfile = \"{name}.wasm\"\nversion = \"1.0.0\"\n{asks}")?;
            resources.push((format!("{name}.wasm"), bytes));
        }
        resources.push((MANIFEST.to_owned(), manifest.into_bytes()));
        match self.runtime.deploy(Upload { resources, ..Upload::default() }).await {
            Ok(report) => Ok(report.definitions.into_iter().map(|definition| definition.key).collect()),
            Err(mandate_runtime::Error::Deployment(problems)) => bail!("the deployment is refused: {problems:#?}"),
            Err(error) => Err(error.into()),
        }
    }

    /// Starts an instance by its process's key, as clients do. Answers when it is durable.
    pub async fn start(&self, business_key: String, variables: Variables) -> anyhow::Result<Started> {
        self.start_of(&self.process, business_key, variables).await
    }

    /// The same for a process that is named by its key.
    pub async fn start_of(&self, process: &str, business_key: String, variables: Variables) -> anyhow::Result<Started> {
        let start = Start { business_key: Some(business_key), ..Start::of_key(process, variables) };
        Ok(self.runtime.start(start).await?)
    }

    /// Starts instances from all clients, each as soon as an earlier one is accepted. Answers how long each start took.
    pub async fn start_all(&self, batch: Batch, variables: impl Fn(u32) -> Variables) -> anyhow::Result<Vec<Duration>> {
        self.from_clients(batch.count, |number| {
            let (key, variables) = (batch.key(number), variables(number));
            async move { self.start(key, variables).await.map(drop) }
        })
        .await
    }

    /// Does something so many times, from [`CLIENTS`] with [`IN_FLIGHT`] each. Answers how long each took.
    pub async fn from_clients<F>(&self, count: u32, each: impl Fn(u32) -> F) -> anyhow::Result<Vec<Duration>>
    where
        F: Future<Output = anyhow::Result<()>>,
    {
        let each = &each;
        let timed = move |number| async move {
            let begun = Instant::now();
            each(number).await?;
            anyhow::Ok(begun.elapsed())
        };
        let clients = (0..CLIENTS).map(|client| {
            let numbers = (client..count).step_by(CLIENTS as usize);
            stream::iter(numbers).map(timed).buffer_unordered(IN_FLIGHT).try_collect::<Vec<_>>()
        });
        let took = futures_util::future::try_join_all(clients).await?;
        Ok(took.into_iter().flatten().collect())
    }

    /// How many instances of this process have ended so far.
    pub fn ended(&self) -> u64 {
        self.counts.ended.count()
    }

    /// How often delegates were called in this process so far.
    pub fn called(&self) -> u64 {
        self.counts.called.count()
    }

    /// Instances whose history the hosts of this process have removed so far.
    pub fn removed(&self) -> &Tally {
        &self.counts.removed
    }

    /// Waits until so many instances have ended.
    pub async fn until_ended(&self, count: u64) -> anyhow::Result<()> {
        self.counts.ended.reach(count).await
    }

    /// Serves HTTP until what this answers is dropped. The host goes on: it is not told to end, which it would wind down for.
    pub async fn serve(&self) -> anyhow::Result<Served> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let serving = mandate_http::serve(self.runtime.clone(), listener, mandate_http::Options::default(), std::future::pending());
        Ok(Served { address, serving: tokio::spawn(serving) })
    }

    /// Closes it: everything is given back.
    pub async fn close(self) {
        self.runtime.shut_down(DRAIN).await;
    }
}

/// A host's HTTP.
pub struct Served {
    /// Where.
    pub address: SocketAddr,
    serving: JoinHandle<Duration>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// The variables that every instance starts with.
pub fn order(id: &str) -> Variables {
    variables(&order_json(id))
}

/// The same as JSON.
pub fn order_json(id: &str) -> Value {
    json!({
        "orderId": id,
        "express": true,
        "items": [
            { "sku": "router-ax3000", "quantity": 1, "price": 129.0 },
            { "sku": "cable-cat6-2m", "quantity": 4, "price": 7.5 },
            { "sku": "installation", "quantity": 1, "price": 59.9 },
        ],
    })
}

/// Variables of a JSON object.
pub fn variables(object: &Value) -> Variables {
    let fields = object.as_object().into_iter().flatten();
    fields.map(|(name, value)| (name.clone(), Variable::from_json(value))).collect()
}

/// The bytes of the delegate.
pub fn component() -> anyhow::Result<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../delegates/target/wasm32-wasip2/release").join(COMPONENT);
    std::fs::read(&path).with_context(|| format!("read {}: build it with `make guests`", path.display()))
}

/// One command at a target that answers at once and keeps its connections.
fn write_catalogue(dir: &Path, stub: &str) -> anyhow::Result<PathBuf> {
    let in_flight = CLIENTS as usize * IN_FLIGHT;
    let text = format!(
        "[targets.stub]\nurl = \"{stub}\"\nin-flight = {in_flight}\narrives-within = \"0s\"\nreuse-connections = true\n\n\
         [commands.\"{COMMAND}\"]\ntarget = \"stub\"\npath = \"/do\"\napplied = [200]\nhonours-key = true\nundo = \"nothing\"\n\
         grants = [{{ tenants = [\"*\"], delegates = [\"{DELEGATE}\"] }}]\n"
    );
    let path = dir.join("catalogue.toml");
    std::fs::write(&path, text)?;
    Ok(path)
}
