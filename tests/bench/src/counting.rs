//! Counts as a host does that is scraped by Prometheus, and tells when instances have ended, how often delegates were called, and whose
//! history was removed: no query, no polling.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::ensure;
use metrics::{Counter, CounterFn, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusRecorder};
use tokio::sync::Notify;

/// The runtime's counter of instances that have ended.
const ENDED: &str = "mandate_instances_ended_total";

/// The runtime's counter of calls of delegates.
const CALLED: &str = "mandate_delegate_calls_total";

/// The runtime's counter of instances whose history was removed, which is raised once for each batch.
const REMOVED: &str = "mandate_history_removed_total";

/// As many buckets as `mandate-http` has.
const SECONDS: &[f64] = &[0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0];

/// How often a host folds its samples when nobody scrapes.
const UPKEEP: Duration = Duration::from_secs(5);

/// When no instance has ended for so long, none will.
const STALLED: Duration = Duration::from_secs(120);

/// What the hosts of this process have done.
#[derive(Clone, Default)]
pub struct Counts {
    /// Instances that have ended.
    pub ended: Arc<Tally>,
    /// Calls of delegates.
    pub called: Arc<Tally>,
    /// Instances whose history was removed.
    pub removed: Arc<Tally>,
}

/// Something that is counted.
#[derive(Default)]
pub struct Tally {
    count: AtomicU64,
    times: AtomicU64,
    wanted: AtomicU64,
    reached: Notify,
}

/// Makes this process count. Further calls answer with the same counts. Needs a tokio runtime.
pub fn count() -> anyhow::Result<Counts> {
    static INSTALLED: Mutex<Option<Counts>> = Mutex::new(None);
    // Held until they count: a process has one recorder, and two tests of it may begin at once.
    let mut installed = INSTALLED.lock().expect("no holder of this lock panics");
    if let Some(counts) = &*installed {
        return Ok(counts.clone());
    }
    let prometheus = PrometheusBuilder::new().set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)?.build_recorder();
    let (counts, handle) = (Counts::default(), prometheus.handle());
    metrics::set_global_recorder(Tee { prometheus, counts: counts.clone() }).map_err(|error| anyhow::anyhow!("{error}"))?;
    *installed = Some(counts.clone());
    tokio::spawn(async move {
        let mut interval = tokio::time::interval(UPKEEP);
        loop {
            interval.tick().await;
            handle.run_upkeep();
        }
    });
    Ok(counts)
}

impl Tally {
    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// How often some were added.
    pub fn times(&self) -> u64 {
        self.times.load(Ordering::Acquire)
    }

    /// Waits until there are so many.
    pub async fn reach(&self, wanted: u64) -> anyhow::Result<()> {
        self.wanted.store(wanted, Ordering::Release);
        loop {
            let reached = self.reached.notified();
            let count = self.count();
            if count >= wanted {
                return Ok(());
            }
            if tokio::time::timeout(STALLED, reached).await.is_err() {
                ensure!(self.count() > count, "{count} of {wanted} have been counted, and none in the last {STALLED:?}");
            }
        }
    }

    fn add(&self, more: u64) {
        self.times.fetch_add(1, Ordering::AcqRel);
        let count = self.count.fetch_add(more, Ordering::AcqRel) + more;
        if count >= self.wanted.load(Ordering::Acquire) {
            self.reached.notify_waiters();
        }
    }
}

/// A recorder in front of Prometheus's.
struct Tee {
    prometheus: PrometheusRecorder,
    counts: Counts,
}

struct CountedTwice {
    prometheus: Counter,
    tally: Arc<Tally>,
}

impl CounterFn for CountedTwice {
    fn increment(&self, more: u64) {
        self.prometheus.increment(more);
        self.tally.add(more);
    }

    fn absolute(&self, value: u64) {
        self.prometheus.absolute(value);
    }
}

impl Recorder for Tee {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.prometheus.describe_counter(key, unit, description);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.prometheus.describe_gauge(key, unit, description);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.prometheus.describe_histogram(key, unit, description);
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        let prometheus = self.prometheus.register_counter(key, metadata);
        let tally = match key.name() {
            ENDED => self.counts.ended.clone(),
            CALLED => self.counts.called.clone(),
            REMOVED => self.counts.removed.clone(),
            _ => return prometheus,
        };
        Counter::from_arc(Arc::new(CountedTwice { prometheus, tally }))
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        self.prometheus.register_gauge(key, metadata)
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        self.prometheus.register_histogram(key, metadata)
    }
}
