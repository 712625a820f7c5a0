//! Starting and stopping the whole service, and taking in orders.

use std::net::SocketAddr;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::commands::digest;
use crate::db::{self, Db};
use crate::engine::{self, Engine};
use crate::faults::{Faults, Injector};
use crate::order::{Handling, Item, Order, Quote};
use crate::relay::{self, Delivery, Relay, Work, now_ms};
use crate::repository::{self, Cause};

/// The longest order, tenant or customer id. An order id is also a business key and a header's value.
const MAX_ID: usize = 64;
/// The longest product name.
const MAX_PRODUCT: usize = 200;

/// Why the service could not start, or not take an order in.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database could not be opened.
    #[error(transparent)]
    Database(#[from] db::Error),
    /// The address could not be listened on.
    #[error("listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The engine's client could not be set up.
    #[error(transparent)]
    Engine(#[from] engine::Error),
    /// The order could not be stored.
    #[error(transparent)]
    Repository(#[from] repository::Error),
    /// The request for an order makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// There is another order with this id.
    #[error("there is another order {0}")]
    OrderIdTaken(String),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Repository(error.into())
    }
}

/// How the service is to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// `sqlite:FILE` or `postgres://…`.
    pub database: String,
    /// The engine's REST API, e.g. `http://127.0.0.1:8080/engine-rest`.
    pub engine: String,
    /// What is to go wrong.
    pub faults: Faults,
    /// The ISO 8601 duration that processes wait for fulfilment before they ask.
    pub fulfillment_timeout: String,
}

/// What requests work with.
#[derive(Debug, Clone)]
pub struct App {
    /// The database.
    pub db: Db,
    /// Deliveries.
    pub relay: Arc<Relay>,
    /// Misbehaviour.
    pub injector: Arc<Injector>,
    /// True once the service is to stop.
    pub stopping: watch::Receiver<bool>,
}

/// A running service. Dropping it leaves its tasks running; stop it with [`Service::stop`].
#[derive(Debug)]
pub struct Service {
    app: App,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Service {
    /// Opens the database, listens, and begins to deliver what the outbox holds.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let db = Db::open(&options.database).await?;
        let listener = TcpListener::bind(options.listen).await.map_err(|source| Error::Listen { address: options.listen, source })?;
        let address = listener.local_addr().map_err(|source| Error::Listen { address: options.listen, source })?;
        let (stop, stopping) = watch::channel(false);
        let engine = Engine::new(&options.engine, &options.fulfillment_timeout)?;
        let relay = Arc::new(Relay::new(db.clone(), engine));
        let app = App { db, relay: Arc::clone(&relay), injector: Arc::new(Injector::new(options.faults)), stopping };
        let mut until = app.stopping.clone();
        let server = axum::serve(listener, crate::http::router(app.clone())).with_graceful_shutdown(async move {
            // The sender lives as long as the service; should it be gone, it is time to stop as well.
            let _ = until.wait_for(|stop| *stop).await;
        });
        let serving = tokio::spawn(async move {
            if let Err(error) = server.await {
                tracing::error!(%error, "the server ended");
            }
        });
        let relaying = tokio::spawn(relay.run(app.stopping.clone()));
        Ok(Self { app, address, stop, tasks: vec![serving, relaying] })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What its requests work with.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Stops taking requests, finishes those under way, and closes the database.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a task ended badly");
            }
        }
        self.app.db.close().await;
    }
}

/// The body of `POST /orders`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewOrder {
    /// The order's id; made up if absent. The same id with the same content is the same order.
    #[serde(default)]
    pub order_id: Option<String>,
    /// Whose order it is.
    pub tenant_id: String,
    /// Who orders.
    pub customer_id: String,
    /// Ties the order to its cause; the order's id if absent.
    #[serde(default)]
    pub correlation_id: Option<String>,
    /// What is ordered. Whether it makes sense is decided by validate-readiness.
    pub items: Vec<Item>,
    /// A person must look at the order before it is worked on.
    #[serde(default)]
    pub needs_review: bool,
    /// The customer pays for speed.
    #[serde(default)]
    pub priority: bool,
    /// By which process it is worked on.
    #[serde(default)]
    pub handling: Handling,
    /// A price that somebody must approve first.
    #[serde(default)]
    pub quote: Option<Quote>,
}

/// Stores an order together with the request to start its process. The flag is false if the order was there already.
pub async fn take_in(app: &App, body: Value) -> Result<(Order, bool), Error> {
    let digest = digest(&body);
    let new: NewOrder = serde_json::from_value(body).map_err(|error| Error::Invalid(error.to_string()))?;
    let order_id = new.order_id.clone().unwrap_or_else(|| uuid::Uuid::now_v7().to_string());
    let correlation_id = new.correlation_id.as_deref().unwrap_or(&order_id);
    for (what, id) in [("orderId", &order_id), ("tenantId", &new.tenant_id), ("customerId", &new.customer_id)] {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._:-".contains(c);
        if id.is_empty() || id.len() > MAX_ID || !id.chars().all(allowed) {
            return Err(Error::Invalid(format!("{what} must be 1 to {MAX_ID} of A-Z a-z 0-9 . _ : -")));
        }
    }
    if correlation_id.len() > MAX_PRODUCT || correlation_id.contains('\0') {
        return Err(Error::Invalid(format!("correlationId must not be longer than {MAX_PRODUCT} bytes")));
    }
    if let Some(item) =
        new.items.iter().find(|item| item.product.is_empty() || item.product.len() > MAX_PRODUCT || item.product.contains('\0'))
    {
        return Err(Error::Invalid(format!("product {:?} must be 1 to {MAX_PRODUCT} bytes", item.product)));
    }
    if new.quote.is_some_and(|quote| quote.amount < 0 || !(0..=100).contains(&quote.discount_percent)) {
        return Err(Error::Invalid("a quote has an amount from 0 and a discountPercent of 0 to 100".to_owned()));
    }
    let mut order = Order::new(&order_id, &new.tenant_id, &new.customer_id, correlation_id, new.items);
    order.needs_review = new.needs_review || app.injector.faults().order_needs_review(&order_id);
    order.priority = new.priority;
    (order.handling, order.quote) = (new.handling, new.quote);

    let now_ms = now_ms();
    let cause = Cause { command: "create", key: &order_id, now_ms };
    let mut tx = app.db.begin().await?;
    if !repository::insert(&mut tx, &order, &digest, cause).await? {
        let known = repository::request_digest(&mut tx, &order_id).await?;
        let stored = repository::load_locked(&app.db, &mut tx, &order_id).await?;
        return match stored {
            Some(order) if known.as_deref() == Some(&digest) => Ok((order, false)),
            _ => Err(Error::OrderIdTaken(order_id)),
        };
    }
    relay::enqueue(&mut tx, &order_id, &Delivery { work: Work::Start, due_ms: now_ms }, now_ms).await?;
    tx.commit().await?;
    app.relay.wake();
    Ok((order, true))
}

/// Has the order's process told that the customer wants to cancel. Asked again, it is told again.
pub async fn request_cancellation(app: &App, order: &Order) -> Result<(), Error> {
    let now_ms = now_ms();
    let mut tx = app.db.begin().await?;
    relay::enqueue(&mut tx, &order.order_id, &Delivery { work: Work::RequestCancellation, due_ms: now_ms }, now_ms).await?;
    tx.commit().await?;
    app.relay.wake();
    Ok(())
}
