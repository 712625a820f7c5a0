//! Jobs whose instance somebody has locked in the database.

use super::*;

/// As if somebody had this instance locked, for whoever stores anything of it, until [`LET_GO`]. The sequence tells who has tried, for it
/// is not rolled back.
fn lock(id: InstanceId) -> String {
    format!(
        "CREATE SEQUENCE tried; CREATE FUNCTION lock() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval('tried'); \
         RAISE EXCEPTION 'it is locked' USING ERRCODE = '55P03'; END $$; \
         CREATE TRIGGER lock BEFORE UPDATE OR DELETE ON instance FOR EACH ROW WHEN (OLD.id = '{}') EXECUTE FUNCTION lock()",
        id.0
    )
}

const LET_GO: &str = "DROP TRIGGER lock ON instance";

async fn claimed(inner: &Inner, id: InstanceId) -> ClaimedJob {
    let wait = inner.store.instance_with_rows(id.0).await.expect("read").expect("there").1.jobs[0].wait;
    match inner.store.claim_one(id.0, wait).await.expect("claimed") {
        mandate_store::Claim::Locked(job) => job,
        claim => panic!("{claim:?}"),
    }
}

/// Runs its job, whenever that is due, as for an operator.
async fn run(inner: &Arc<Inner>, id: InstanceId) -> oneshot::Receiver<Result<(), Error>> {
    let (answer, done) = oneshot::channel();
    let job = claimed(inner, id).await;
    inner.enqueue(Queued { answer: Some(answer), ..inner.queued(&job, None) });
    done
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_waits_for_a_lock_keeps_no_worker() {
    let cluster = Cluster::start().expect("PostgreSQL starts");
    let host = Host::open(Some(cluster.create_database("host").expect("a database"))).await;
    let (inner, id, other) = (host.inner(), host.start("PT1H").await, host.start("PT1H").await);
    cluster.sql("host", &lock(id)).expect("locked");
    let workers = inner.executor.workers.clone();
    let _others = workers.clone().acquire_many_owned(u32::try_from(WORKERS).expect("few") - 1).await.expect("nobody closes it");
    let mut waits = run(inner, id).await;
    host.until("it has had the last worker", async || cluster.sql("host", "SELECT is_called FROM tried").expect("read") == "t").await;
    run(inner, other).await.await.expect("answered").expect("it runs");
    host.ended(other).await;
    assert!(waits.try_recv().is_err(), "it waits, and is not put back");
    cluster.sql("host", LET_GO).expect("let go");
    waits.await.expect("answered").expect("it runs");
    host.ended(id).await;
    assert_eq!(workers.available_permits(), 1, "there are no more of them");
    host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_has_waited_for_a_lock_in_vain_is_left_alone_for_a_while() {
    on_both(async |host| {
        let (inner, id) = (host.inner(), host.start("PT1H").await);
        let job = claimed(inner, id).await;
        let locked = mandate_store::Error::Database { code: Some("55P03".to_owned()), message: "it is locked".to_owned() };
        inner.put_back(id, wait_of(&job), &Error::Store(locked)).await;
        assert!(inner.store.locked().await.expect("read").is_empty(), "any host may have it");
        assert_eq!(inner.executor.held_back(Instant::now()).instances, [id.0]);
        host.close().await;
    })
    .await;
}
