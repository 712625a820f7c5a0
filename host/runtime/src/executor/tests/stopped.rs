//! A host that is stopped while jobs that it has locked wait for a worker.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_locked_and_not_begun_when_its_host_stops_is_given_back_as_it_was() {
    on_both(async |host| {
        let (inner, id) = (host.inner(), host.start("PT1H").await);
        let jobs = async || inner.store.instance_with_rows(id.0).await.expect("read").expect("there").1.jobs;
        let before = jobs().await;
        let claim = inner.store.claim_one(id.0, before[0].wait).await.expect("claimed");
        let mandate_store::Claim::Locked(job) = claim else { panic!("{claim:?}") };
        assert_eq!(inner.store.locked().await.expect("read"), [(id.0, job.wait)]);

        inner.executor.stop();
        let (answer, done) = oneshot::channel();
        inner.enqueue(Queued { answer: Some(answer), ..inner.queued(&job, None) });
        let outcome = done.await.expect("answered");
        assert!(matches!(outcome, Err(Error::NotActing(SHUTTING_DOWN))), "{outcome:?}");
        assert_eq!((inner.store.locked().await.expect("read"), jobs().await), (Vec::new(), before));
        // Any host may have it, for it has lost no attempt and was not taken over from anybody.
        let again = inner.store.claim_one(id.0, job.wait).await.expect("claimed");
        assert!(matches!(&again, mandate_store::Claim::Locked(found) if *found == job), "{again:?}");
        host.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_winds_down_takes_nothing_up_and_does_what_it_is_asked_for() {
    on_both(async |host| {
        let inner = host.inner();
        host.runtime.wind_down();
        host.until("nobody is left who would look for jobs", async || inner.tasks.is_empty()).await;
        let id = host.start("PT0S").await;
        let set = Variables::from([("more".to_owned(), mandate_engine::Variable::from_json(&1.into()))]);
        host.runtime.set_variables(id, None, set, Vec::new()).await.expect("it is set");
        let jobs = inner.store.instance_with_rows(id.0).await.expect("read").expect("it waits").1.jobs;
        assert_eq!((jobs.len(), inner.store.locked().await.expect("read"), inner.executor.is_idle()), (1, Vec::new(), true));
        let others = inner.store.claim_one(id.0, jobs[0].wait).await.expect("claimed");
        assert!(matches!(others, mandate_store::Claim::Locked(_)), "any host may have it: {others:?}");
        host.close().await;
    })
    .await;
}
