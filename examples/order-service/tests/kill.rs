//! The program itself, killed with SIGKILL at moments a seed decides, loses nothing and doubles nothing.

mod common;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::{Client, Engine, PATIENCE, TestDb, databases};
use serde_json::json;

const ORDERS: usize = 40;
const KILLS: u64 = 4;

/// The program, ended when this is dropped.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        // Either it is gone already, or it goes now.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the program and waits for the line that says where it listens.
fn start(db: &TestDb, engine: &str) -> (Program, Client) {
    let faults = json!({
        "seed": 5, "fulfillmentMillis": 20, "unavailable": 0.1, "errorAfterApply": 0.1, "callbackRepeated": 0.3,
    });
    let mut child = Command::new(env!("CARGO_BIN_EXE_order-service"))
        .args(["--listen", "127.0.0.1:0", "--database", &db.url, "--engine", engine])
        .args(["--faults", &faults.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let stdout = child.stdout.take().expect("it is piped");
    let program = Program(child);
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).expect("a line");
    let address = line.trim().strip_prefix("order-service listening on ").expect("the ready line");
    (program, Client::new(address))
}

/// What a process would do with an order, each command under one key until it is answered.
async fn drive(client: &Client, order: &str) -> Result<(), String> {
    let body = json!({
        "orderId": order, "tenantId": "acme", "customerId": "c",
        "items": [{ "product": "FIBER+ROUTER" }, { "product": "TV", "mandatory": false }],
    });
    let created = client.try_post("/orders", &body).await.map_err(|error| error.to_string())?;
    if !matches!(created.0, 200 | 201) {
        return Err(format!("{created:?}"));
    }
    let mut steps = vec![("validate-readiness", json!({})), ("decompose", json!({}))];
    steps.extend(["L1", "L2", "L3"].map(|line| ("reserve-line", json!({ "lineId": line }))));
    steps.push(("submit-fulfillment", json!({})));
    for (step, more) in steps {
        let key = format!("{step}:{order}:{more}");
        // A fault passes when the call is repeated; a service that is gone does not come back by itself.
        loop {
            let (status, answer) = client.try_command(step, &key, order, more.clone()).await.map_err(|error| error.to_string())?;
            match status {
                200 => break,
                500 | 503 => {}
                _ => panic!("{step} of {order} was answered {status}: {answer}"),
            }
        }
    }
    Ok(())
}

/// One pass over all orders, eight at a time; true if every step of all was answered.
async fn drive_all(client: &Client) -> bool {
    let mut all = true;
    for chunk in (0..ORDERS).collect::<Vec<_>>().chunks(8) {
        let mut orders = tokio::task::JoinSet::new();
        for n in chunk {
            let (client, order) = (client.clone(), format!("o-{n}"));
            orders.spawn(async move { drive(&client, &order).await.is_ok() });
        }
        all &= orders.join_all().await.into_iter().all(|done| done);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_random_moments_it_loses_and_doubles_nothing() {
    for db in databases().await {
        let engine = Engine::start().await;
        for n in 0..ORDERS {
            engine.waits(&format!("o-{n}"));
        }
        for kill in 0..KILLS {
            let (mut program, client) = start(&db, &engine.url);
            // The moment of the kill is the test's input: 20 to 220 ms after the start, by the number of the kill.
            let moment = Duration::from_millis(20 + kill * 7919 % 200);
            let driving = tokio::spawn(async move { drive_all(&client).await });
            tokio::time::sleep(moment).await;
            program.0.kill().expect("SIGKILL");
            program.0.wait().expect("it is gone");
            driving.await.expect("no panic");
        }
        let (mut program, client) = start(&db, &engine.url);
        let begun = std::time::Instant::now();
        while !drive_all(&client).await {
            assert!(begun.elapsed() < PATIENCE, "the orders are never driven to their end");
        }
        client
            .until("/stats", |stats| {
                let told = engine.seen.lock().expect("no panic").waiting.is_empty();
                stats["orders"]["FULFILLED"] == ORDERS && told
            })
            .await;
        // A callback that was accepted just before a kill is sent again, and nobody waits for it any more: it ends with
        // its order, at the latest.
        for n in 0..ORDERS {
            let order = format!("o-{n}");
            while client.command("complete-order", &format!("complete:{order}"), &order, json!({})).await.0 != 200 {}
        }
        let stats = client
            .until("/stats", |stats| {
                let outbox = stats["outbox"].as_object().expect("an object");
                outbox.keys().all(|row| !row.ends_with("PENDING"))
            })
            .await;
        assert_eq!(stats["keysAppliedMoreThanOnce"], 0, "{stats}");
        // Seven commands and three fulfilled lines each.
        assert_eq!(stats["keysApplied"], 10 * ORDERS, "{stats}");
        assert_eq!(stats["effectsDoubledUnderOtherKeys"], 0, "{stats}");
        assert_eq!(stats["linesOverReserved"], 0, "{stats}");
        assert_eq!(stats["applied"]["reserve-line"], 3 * ORDERS, "{stats}");
        assert_eq!(stats["applied"]["submit-fulfillment"], ORDERS, "{stats}");
        assert_eq!(stats["appliedByService"]["mark-line-fulfilled"], 3 * ORDERS, "{stats}");
        assert_eq!(stats["outbox"]["START DONE"], ORDERS, "{stats}");

        {
            let seen = engine.seen.lock().expect("no panic");
            assert!(seen.waiting.is_empty(), "every process was told: {:?}", seen.waiting);
            let mut keys: Vec<_> = seen.starts.iter().map(|(key, _)| key.clone()).collect();
            keys.sort();
            keys.dedup();
            assert_eq!(keys.len(), ORDERS, "every order has its process");
        }
        // SIGTERM, on the other hand, is a polite request.
        let id = program.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill runs").success());
        let status = tokio::task::spawn_blocking(move || program.0.wait()).await.expect("no panic");
        assert!(status.expect("it ends").success());
    }
}
