//! Large models, and many children of one instance, on a real store: what a bound says of ten thousand holds.
//!
//! The gate tries fewer children than ten thousand, enough to show what grows; `MANDATE_CHILDREN=10000` tries as many.

use mandate_bench::children::{MODEL, bytes_of_each};
use mandate_bench::database::Database;
use mandate_bench::deployment::{chain, instructions};
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
/// Statements to store them: hundreds of elements are one.
const MOST_STATEMENTS: u64 = 100;
/// Tasks of the smallest model whose check is counted; the largest has four times as many.
const CHECKED: usize = 1_250;
/// How much more twice as many of them may cost, in tenths. Whatever sorts them takes a little more than twice as long.
const MOST_TENTHS: u64 = 22;

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
async fn ten_thousand_elements_are_deployed() {
    let cluster = Cluster::start().expect("PostgreSQL starts");
    for url in databases(&cluster, "elements") {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let url = url.unwrap_or_else(|| format!("sqlite:{}", dir.path().join("mandate.db").display()));
        let host = Host::join(&Setup::new(url, dir.path().to_owned()), String::new()).await.expect("a host opens");
        let before = host.runtime.counters().statements;
        host.deploy("large", chain(TASKS), Vec::new(), "").await.expect("it is deployed");
        let statements = host.runtime.counters().statements - before;
        assert!(statements < MOST_STATEMENTS, "{statements} statements for {TASKS} tasks");
        host.close().await;
    }
}

/// Where each element is compared with all others, twice as many cost four times as much.
#[test]
fn what_a_check_of_a_model_costs_grows_as_the_model_does() {
    let [fewer, few, many] = [1, 2, 4].map(|times| instructions(times * CHECKED).expect("it is checked and counted"));
    // What any check costs is in all three.
    let (first, second) = (few - fewer, many - few);
    println!("{first} instructions for {CHECKED} tasks more, {second} for {} more", 2 * CHECKED);
    assert!(second * 10 <= first * MOST_TENTHS, "{CHECKED} tasks more took {first} instructions, twice as many behind them {second}");
}

/// One of each kind; none is SQLite's, whose file is in the test's own folder.
fn databases(cluster: &Cluster, name: &str) -> [Option<String>; 2] {
    [None, Some(cluster.create_database(name).expect("a database"))]
}
