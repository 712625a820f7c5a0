//! Large models, and many children of one instance, on a real store: what a bound says of ten thousand holds.
//!
//! The gate tries fewer children than ten thousand, enough to show what grows; `MANDATE_CHILDREN=10000` tries as many.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use mandate_bench::children::{MODEL, bytes_of_each};
use mandate_bench::database::Database;
use mandate_bench::host::{Host, Setup};
use mandate_tests::postgres::Cluster;

/// Children of one instance; more than are written with its snapshot.
const CHILDREN: u32 = 600;
/// Children of each of the instances that it is compared with.
const FEW: u32 = 10;
/// How much more one of many may write than one of few.
const MOST: f64 = 2.0;
/// Tasks in a row; with what leads from each to the next as many as a file may have.
const TASKS: usize = 9_990;
/// How long it may take to deploy them.
const PROMPT: Duration = Duration::from_secs(1);
/// Others may have the processor meanwhile: one deployment of these has to be prompt.
const DEPLOYMENTS: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_children_writes_at_most_twice_what_one_of_ten_does() {
    let cluster = Cluster::start().expect("PostgreSQL starts");
    let children = std::env::var("MANDATE_CHILDREN").map_or(CHILDREN, |text| text.parse().expect("a number"));
    for url in databases(&cluster, "children") {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let url = url.unwrap_or_else(|| format!("sqlite:{}", dir.path().join("mandate.db").display()));
        let host = Host::open(&Setup::new(url.clone(), dir.path().to_owned()), MODEL.to_owned(), false).await.expect("a host opens");
        let mut database = Database::connect(&url).await.expect("the database answers");
        // The first pages of each table are written by nobody's children.
        bytes_of_each(&host, &mut database, 10, FEW).await.expect("they end");
        let few = bytes_of_each(&host, &mut database, children.min(CHILDREN) / FEW, FEW).await.expect("they end");
        let many = bytes_of_each(&host, &mut database, 1, children).await.expect("they end");
        println!("{}: {few:.0} bytes for one of {FEW} children, {many:.0} for one of {children}", database.kind().name());
        assert!(
            many <= few * MOST,
            "{}: {many:.0} bytes for one of {children} children, {few:.0} for one of {FEW}",
            database.kind().name()
        );
        host.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_elements_are_deployed_in_a_second() {
    let cluster = Cluster::start().expect("PostgreSQL starts");
    let model = chain();
    for url in databases(&cluster, "elements") {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let url = url.unwrap_or_else(|| format!("sqlite:{}", dir.path().join("mandate.db").display()));
        let host = Host::join(&Setup::new(url, dir.path().to_owned()), String::new()).await.expect("a host opens");
        let mut took = Vec::new();
        for _ in 0..DEPLOYMENTS {
            let begun = Instant::now();
            host.deploy("large", model.clone(), Vec::new(), "").await.expect("it is deployed");
            took.push(begun.elapsed());
        }
        println!("{took:?}");
        assert!(took.iter().min().is_some_and(|least| *least < PROMPT), "{took:?}");
        host.close().await;
    }
}

/// One of each kind; none is SQLite's, whose file is in the test's own folder.
fn databases(cluster: &Cluster, name: &str) -> [Option<String>; 2] {
    [None, Some(cluster.create_database(name).expect("a database"))]
}

/// A process of user tasks in a row.
fn chain() -> String {
    let mut model =
        "<definitions xmlns='http://www.omg.org/spec/BPMN/20100524/MODEL' targetNamespace='large'><process id='large' isExecutable='true'>\
                     <startEvent id='t0'/>"
            .to_owned();
    for task in 1..=TASKS {
        let before = task - 1;
        write!(model, "<userTask id='t{task}'/><sequenceFlow id='f{task}' sourceRef='t{before}' targetRef='t{task}'/>")
            .expect("text grows");
    }
    model + "</process></definitions>"
}
