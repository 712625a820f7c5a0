//! How a store is opened and closed.

use mandate_store::query::InstanceFilter;
use mandate_store::{CommitError, Config, Error, Except, Migrate, Store, migration_script};
use uuid::Uuid;

use crate::common::{Fixture, definition, job, start, started_with, unit};

pub(crate) async fn a_schema_applied_by_hand_is_accepted(fixture: Fixture) {
    fixture.raw(&migration_script(fixture.is_postgres())).await;
    let store = Store::open(Config { migrate: Migrate::Off, ..fixture.config() }).await.expect("the store opens");
    definition(&store, "p").await;
    store.close().await;
    // And one that is there already has nothing to do.
    fixture.open().await.close().await;
}

pub(crate) async fn a_newer_database_is_refused(fixture: Fixture) {
    fixture.open().await.close().await;
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 SELECT 9999, 'later', success, checksum, 0 FROM _sqlx_migrations LIMIT 1";
    fixture.raw(newer).await;
    for migrate in [Migrate::Auto, Migrate::Off] {
        let refused = Store::open(Config { migrate, ..fixture.config() }).await;
        assert!(matches!(refused, Err(Error::NewerDatabase(9999))), "{refused:?}");
    }
}

pub(crate) async fn missing_migrations_are_named_when_they_may_not_be_applied(fixture: Fixture) {
    match Store::open(Config { migrate: Migrate::Off, ..fixture.config() }).await {
        Err(Error::MigrationsMissing(files)) => {
            let dialect = if fixture.is_postgres() { "postgres" } else { "sqlite" };
            assert_eq!(files, [format!("migrations/0001_init.{dialect}.sql")]);
        }
        other => panic!("{other:?}"),
    }
    fixture.open().await.close().await;
}

pub(crate) async fn a_closed_store_gives_everything_back(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    started_with(&store, &process, vec![job(&process, 1, 5)]).await;
    assert_eq!(store.claim(100, 10, &Except::NOTHING).await.expect("claimed").len(), 1);
    let late = (0..20).map(|_| {
        let (store, process) = (store.clone(), process.clone());
        tokio::spawn(async move { store.commit(unit(start(&process, Uuid::now_v7()))).await })
    });
    let late: Vec<_> = late.collect();
    store.close().await;
    assert!(!store.may_act());
    let mut stored = 1;
    for answer in late {
        match answer.await.expect("a task") {
            Ok(_) => stored += 1,
            Err(CommitError::Database(Error::Closed)) => {}
            other => panic!("{other:?}"),
        }
    }
    store.close().await;
    let again = fixture.open().await;
    assert_eq!(again.count_instances(InstanceFilter::default()).await.expect("read"), stored, "what was answered is what is there");
    let claimed = again.claim(100, 10, &Except::NOTHING).await.expect("claimed");
    assert_eq!((claimed.len(), claimed[0].takeovers), (1, 0), "given back, not taken over");
}

#[tokio::test]
async fn one_process_has_a_sqlite_file() {
    let fixture = Fixture::sqlite();
    let first = fixture.open().await;
    match Store::open(fixture.config()).await {
        Err(Error::Locked { holder, .. }) => assert_eq!(holder, format!("pid {}", std::process::id())),
        other => panic!("{other:?}"),
    }
    first.close().await;
    fixture.open().await;
}

#[cfg(unix)]
#[tokio::test]
async fn one_process_has_a_sqlite_file_whatever_links_lead_to_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let in_folder = |name: &str| folder.path().join(name);
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, in_folder(name)).expect("a link");
    std::fs::create_dir(in_folder("data")).expect("a folder");
    link("data", "same");
    link("data/a.db", "a.db");
    let open = async |name: &str| Store::open(Config::new(format!("sqlite:{}", in_folder(name).display()))).await;
    let first = open("data/a.db").await.expect("the store opens");
    for name in ["data/a.db", "same/a.db", "data/../same/a.db", "a.db"] {
        let second = open(name).await;
        assert!(matches!(second, Err(Error::Locked { .. })), "{name}: {second:?}");
    }
    first.close().await;
    let through = open("a.db").await.expect("the store opens");
    let second = open("data/a.db").await;
    assert!(matches!(second, Err(Error::Locked { .. })), "{second:?}");
    through.close().await;
    // Made through a folder that is a link.
    let made = open("same/b.db").await.expect("the store opens");
    let second = open("data/b.db").await;
    assert!(matches!(second, Err(Error::Locked { .. })), "{second:?}");
    made.close().await;
    link("data/c.db", "c.db");
    let nowhere = open("c.db").await;
    assert!(matches!(&nowhere, Err(Error::File { message, .. }) if message.contains("not there")), "{nowhere:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_that_open_an_empty_postgres_at_once_are_fine() {
    let fixture = Fixture::postgres("at_once");
    let opened = futures_util::future::join_all((0..4).map(|_| Store::open(fixture.config()))).await;
    for store in &opened {
        store.as_ref().expect("the store opens").ping().await.expect("an answer");
    }
    let hosts = opened[0].as_ref().expect("open").hosts().await.expect("read");
    assert_eq!(hosts.iter().filter(|host| host.alive).count(), 4);
}

#[tokio::test]
async fn what_is_no_database_is_refused_without_its_password() {
    for url in ["mysql://me:secret@host/db", "sqlite::memory:", "sqlite:a.db?mode=ro", "nonsense"] {
        let error = Store::open(Config::new(url)).await.expect_err(url);
        assert!(matches!(error, Error::Url(_)), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
