use super::*;

#[test]
fn pauses_double_and_then_stay() {
    let pauses: Vec<_> = (1..=8).map(pause_ms).collect();
    assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    assert_eq!(pause_ms(PATIENCE), PAUSE_MS);
    assert_eq!(pause_ms(PATIENCE + 1), LONG_PAUSE_MS);
}

#[tokio::test]
async fn nothing_comes_of_a_row_that_is_given_up_while_it_is_worked_on() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let db = Db::open(&format!("sqlite:{}", directory.path().join("orders.db").display())).await.expect("a database");
    let engine = Engine::new("http://127.0.0.1:9/engine-rest", "PT5S").expect("a client");
    let relay = Relay::new(db.clone(), engine);
    let order = Order::new("o-1", "acme", "c-1", "o-1", Vec::new());
    let fault = FulfillmentFault::LineFails;
    let again = Command::SubmitLine { line_id: "L1".to_owned() };
    let rows = async || {
        let rows = sqlx::query("SELECT kind, state FROM outbox ORDER BY id").fetch_all(db.readers()).await.expect("rows");
        rows.iter().map(|row| format!("{} {}", row.get::<String, _>(0), row.get::<String, _>(1))).collect::<Vec<_>>()
    };
    // The order of events is that of a line which is ordered again when the relay has read the row and not yet begun to write.
    for (given_up, after) in [(true, vec!["FULFILL_LINE DROPPED"]), (false, vec!["FULFILL_LINE DONE", "TELL_LINE PENDING"])] {
        let mut tx = db.begin().await.expect("a transaction");
        sqlx::query("DELETE FROM outbox").execute(&mut *tx).await.expect("it is emptied");
        let work = Work::FulfillLine { line_id: "L1".to_owned(), fault };
        enqueue(&mut tx, "o-1", &Delivery { work, due_ms: 0 }, 0).await.expect("a row");
        tx.commit().await.expect("it is written");
        let (ids, _) = relay.due(0, 1).await.expect("it can be read");
        if given_up {
            let mut tx = db.begin().await.expect("a transaction");
            give_up_stale(&mut tx, "o-1", &again).await.expect("it is given up");
            tx.commit().await.expect("it is written");
        }
        relay.fulfill_line(&ids[0], &order, "L1", fault, 0).await.expect("no error");
        assert_eq!(rows().await, after);
    }
}
