//! Jobs that their host runs from memory: they stand in their instances' rows.

use mandate_store::query::{JobFilter, JobSort, Order, Page};
use mandate_store::{
    Claim, ClaimedJob, CommitError, Error, Except, HostRef, InstanceWrite, JobRow, LedgerOpened, Origin, RunningJob, Stood, Store,
};
use uuid::Uuid;

use crate::common::{Fixture, definition, end, job, locked, start, step, unit};
use crate::ledger::open;

fn running(store: &Store, wait: i64) -> RunningJob {
    RunningJob {
        wait,
        activity: 2,
        activity_id: "Task".into(),
        kind: "async-before".into(),
        due: 5,
        retries: 3,
        exclusive: true,
        priority: 7,
        suspended: false,
        created: 5,
        holder: store.host(),
    }
}

pub(crate) fn begin(store: &Store, write: &mut InstanceWrite, wait: i64) {
    write.running = Some(running(store, wait));
    write.running_stood = Stood::Nowhere;
}

async fn waits(store: &Store) -> Vec<i64> {
    let jobs = store.jobs(JobFilter::default(), Page::ALL, &[]).await.expect("read");
    assert_eq!(store.count_jobs(JobFilter::default()).await.expect("read"), i64::try_from(jobs.len()).expect("few"));
    jobs.iter().map(|job| job.row.wait).collect()
}

pub(crate) async fn a_running_job_stands_in_its_instances_row_until_a_unit_ends_it(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let id = Uuid::now_v7();
    let mut write = start(&process, id);
    begin(&store, &mut write, 1);
    write.put_jobs = vec![JobRow { exclusive: true, behind: true, ..job(&process, 2, 5) }, job(&process, 3, 50)];
    assert_eq!(locked(&store.commit(unit(write)).await.expect("stored")), [(id, 1)]);

    assert_eq!(store.load_instance(id).await.expect("read").expect("there").running, Some(running(&store, 1)));
    assert_eq!(waits(&store).await, [1, 2, 3]);
    let newest = [(JobSort::Due, Order::Desc)];
    let page = store.jobs(JobFilter::default(), Page { first: 2, max: 1 }, &newest).await.expect("read");
    assert_eq!(page.iter().map(|job| (job.row.wait, job.row.locked)).collect::<Vec<_>>(), [(1, true)]);
    assert_eq!(store.locked().await.expect("read"), [(id, 1)]);
    assert_eq!(store.job_holders(id).await.expect("read").len(), 1);
    let (_, rows) = store.instance_with_rows(id).await.expect("read").expect("there");
    assert_eq!(
        rows.jobs.iter().map(|job| (job.wait, job.locked, job.failures)).collect::<Vec<_>>(),
        [(1, true, 0), (2, false, 0), (3, false, 0)]
    );

    // It is held, and no exclusive job runs beside it.
    assert!(
        matches!(store.claim_one(id, 1).await.expect("answered"), Claim::Taken(holder) if holder.host == store.host().id && holder.alive)
    );
    let mut write = step(id, 1);
    write.running = Some(running(&store, 1));
    write.behind_jobs = vec![(2, false)];
    write.lock_jobs = vec![2];
    assert_eq!(locked(&store.commit(unit(write)).await.expect("stored")), [], "another unit of the instance leaves it where it is");
    assert_eq!(store.claim(10, 10, &Except::NOTHING).await.expect("claimed"), []);
    assert_eq!(store.ledger_open(open(id, Origin::Job(1), "k")).await.expect("answered"), LedgerOpened::Opened { attempt: 1 });

    // The unit that ends it makes the next one.
    let mut write = step(id, 2);
    begin(&store, &mut write, 4);
    write.remove_jobs = vec![2, 3];
    assert_eq!(locked(&store.commit(unit(write)).await.expect("stored")), [(id, 4)]);
    assert_eq!(waits(&store).await, [4]);
    assert_eq!(store.ledger_open(open(id, Origin::Job(1), "l")).await.expect("answered"), LedgerOpened::Gone);
    store.commit(unit(end(id, 3))).await.expect("stored");
    assert_eq!(waits(&store).await, [0; 0]);
}

pub(crate) async fn a_running_job_that_is_put_down_is_a_change_of_its_instance(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let (id, other) = (Uuid::now_v7(), Uuid::now_v7());
    for id in [id, other] {
        let mut write = start(&process, id);
        begin(&store, &mut write, 1);
        store.commit(unit(write)).await.expect("stored");
    }
    assert_eq!(store.release(&[(id, 2)]).await.expect("answered"), 0, "it has another job");
    assert_eq!(store.release(&[(id, 1)]).await.expect("answered"), 1);
    assert_eq!(store.release(&[(id, 1)]).await.expect("answered"), 0);
    let row = store.load_instance(id).await.expect("read").expect("there");
    assert_eq!((row.revision, row.running), (2, None));
    assert!(store.commit(unit(step(id, 1))).await.is_err(), "who remembers it with its job is told");
    assert_eq!(store.locked().await.expect("read"), [(other, 1)]);

    let claimed = store.claim(10, 10, &Except::NOTHING).await.expect("claimed");
    assert_eq!(claimed.iter().map(|job| (job.instance, job.wait, job.exclusive, job.takeovers)).collect::<Vec<_>>(), [(id, 1, true, 0)]);
    let listed = store.jobs(JobFilter { instances: vec![id], ..JobFilter::default() }, Page::ALL, &[]).await.expect("read");
    let row = JobRow { exclusive: true, priority: 7, created: 5, locked: true, ..job(&process, 1, 5) };
    assert_eq!(listed.iter().map(|job| job.row.clone()).collect::<Vec<_>>(), [row]);

    // A host that leaves in good order leaves its jobs to the next.
    store.close().await;
    let next = fixture.open().await;
    let claimed = next.claim(10, 10, &Except::NOTHING).await.expect("claimed");
    assert_eq!(claimed.len(), 2);
    assert!(claimed.iter().all(|job| job.takeovers == 0), "{claimed:?}");
}

pub(crate) async fn a_turn_is_handed_on_in_the_instances_row(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let id = Uuid::now_v7();
    let behind = |wait| JobRow { exclusive: true, behind: true, ..job(&process, wait, 5) };
    let mut write = start(&process, id);
    begin(&store, &mut write, 1);
    write.put_jobs = vec![behind(2), behind(3), behind(4)];
    store.commit(unit(write)).await.expect("stored");
    let hand_on = |revision, wait| {
        let mut write = step(id, revision);
        (write.running, write.running_stood) = (Some(running(&store, wait)), Stood::InARow);
        write.behind_jobs = vec![(wait, false)];
        unit(write)
    };
    let stored = store.commit(hand_on(1, 2)).await.expect("stored");
    assert_eq!(stored.locked_jobs, [ClaimedJob { instance: id, wait: 2, exclusive: true, takeovers: 0, due: 5 }]);
    assert_eq!(waits(&store).await, [2, 3, 4]);
    assert_eq!(store.load_instance(id).await.expect("read").expect("there").running, Some(running(&store, 2)));
    assert_eq!(fixture.count("job").await, 2);

    // One that may not run now stays in its row, as the next.
    assert!(store.set_definition_suspended(&process.id, true, |_| Vec::new()).await.expect("written"));
    assert_eq!(locked(&store.commit(hand_on(2, 3)).await.expect("stored")), []);
    assert_eq!(waits(&store).await, [3, 4]);
    assert_eq!(store.load_instance(id).await.expect("read").expect("there").running, None);
    assert!(store.set_definition_suspended(&process.id, false, |_| Vec::new()).await.expect("written"));
    let claimed = store.claim(10, 10, &Except::NOTHING).await.expect("claimed");
    assert_eq!(claimed.iter().map(|job| job.wait).collect::<Vec<_>>(), [3]);
    // Nor does one move beside another that is under way.
    assert_eq!(locked(&store.commit(hand_on(3, 4)).await.expect("stored")), []);
    assert_eq!(store.locked().await.expect("read"), [(id, 3)]);
}

pub(crate) async fn a_unit_takes_no_job_along_that_it_could_not_have_locked(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let id = Uuid::now_v7();
    let mut write = start(&process, id);
    begin(&store, &mut write, 1);
    write.put_jobs = [2, 3].map(|wait| JobRow { exclusive: true, behind: true, ..job(&process, wait, 5) }).into();
    store.commit(unit(write)).await.expect("stored");
    let along = |revision, waits: &[i64]| {
        let mut write = step(id, revision);
        (write.taken_jobs, write.remove_jobs) = (waits.to_vec(), waits.to_vec());
        unit(write)
    };
    // While its unit ran an operator has locked one of them.
    store.release(&[(id, 1)]).await.expect("released");
    assert!(matches!(store.claim_one(id, 2).await.expect("answered"), Claim::Locked(_)));
    let refused = store.commit(along(2, &[2, 3])).await;
    assert!(matches!(refused, Err(CommitError::Conflict)), "{refused:?}");
    store.release(&[(id, 2)]).await.expect("released");
    // Or their definition is suspended.
    assert!(store.set_definition_suspended(&process.id, true, |_| Vec::new()).await.expect("written"));
    let refused = store.commit(along(2, &[3])).await;
    assert!(matches!(refused, Err(CommitError::Conflict)), "{refused:?}");
    assert!(store.set_definition_suspended(&process.id, false, |_| Vec::new()).await.expect("written"));
    // Or it may be what has killed a host.
    fixture.raw("UPDATE job SET takeovers = 1 WHERE wait = 3").await;
    let refused = store.commit(along(2, &[2, 3])).await;
    assert!(matches!(refused, Err(CommitError::Conflict)), "{refused:?}");
    // Others of the same transaction are none of its business.
    let other = Uuid::now_v7();
    let (refused, stored, begun) =
        tokio::join!(store.commit(along(2, &[3])), store.commit(along(2, &[2])), store.commit(unit(start(&process, other))));
    assert!(matches!(refused, Err(CommitError::Conflict)), "{refused:?}");
    stored.expect("stored");
    begun.expect("stored");
    let left: Vec<_> = waits(&store).await.into_iter().filter(|wait| *wait > 1).collect();
    assert_eq!(left, [3]);
}

/// Without it nothing is stored any more: a host that went on would look well to everybody but its callers.
pub(crate) async fn a_host_whose_committer_meets_a_bug_is_over(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let (id, bad) = (Uuid::now_v7(), Uuid::now_v7());
    store.commit(unit(start(&process, id))).await.expect("stored");
    // Nobody begins a job for another host; the committer takes it for granted.
    let mut write = start(&process, bad);
    begin(&store, &mut write, 1);
    let holder = HostRef { id: Uuid::now_v7(), ..store.host() };
    write.running = Some(RunningJob { holder, ..running(&store, 1) });
    let (asked, other) = tokio::join!(store.commit(unit(write)), store.commit(unit(step(id, 1))));
    assert!(matches!(asked, Err(CommitError::Database(Error::Unclear(_)))), "{asked:?}");
    match other {
        // It was in the same transaction, or behind it.
        Err(CommitError::Database(Error::Unclear(_) | Error::Closed) | CommitError::Fenced) => {}
        other => panic!("{other:?}"),
    }
    while !store.is_fenced() {
        tokio::task::yield_now().await;
    }
    assert!(!store.may_act());
    assert!(matches!(store.commit(unit(step(id, 1))).await, Err(CommitError::Fenced)));
    assert!(matches!(store.ledger_open(open(id, Origin::Job(1), "k")).await, Err(Error::Closed)));
    store.close().await;
    let next = fixture.open().await;
    assert!(next.load_instance(bad).await.expect("read").is_none());
    next.commit(unit(step(id, 1))).await.expect("the next host goes on");
    next.close().await;
}
