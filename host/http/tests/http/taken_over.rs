//! What clients of a host hear while another one takes over its work: come again, for nothing was stored.

use mandate_tests::domain::Domain;
use mandate_tests::program::root;
use serde_json::{Value, json};

use crate::common::{Answer, Host, model_with, new_database, sql};

/// The ways into a unit of work, as the waits that they begin from are called in the model.
const WAYS: [&str; 4] = ["task", "message", "worker", "job"];

const MANIFEST: &str = "[delegates.worker]\nfile = \"test_scripted.wasm\"\ncommands = [\"test.ok@1\", \"test.held@1\"]\n";

/// A host, its database, and an instance that sends a command behind each of four waits.
struct Situation {
    host: Host,
    domain: Domain,
    database: String,
    instance: String,
}

impl Situation {
    /// With these commands behind each wait.
    async fn new(commands: &[&str]) -> Self {
        let (domain, database) = (Domain::start().expect("a free port"), new_database());
        let host = Host::open_on_postgres_before(&domain, &database).await;
        let branch = |way: &str, wait: &str| {
            format!(
                "{wait}<bpmn:serviceTask id='after-{way}' camunda:class='worker'/><bpmn:sequenceFlow id='{way}1' sourceRef='s' targetRef='{way}'/>\
                 <bpmn:sequenceFlow id='{way}2' sourceRef='{way}' targetRef='after-{way}'/>"
            )
        };
        let branches = [
            branch("task", "<bpmn:userTask id='task'/>"),
            branch("message", "<bpmn:receiveTask id='message' messageRef='m'/>"),
            branch("worker", "<bpmn:serviceTask id='worker' camunda:type='external' camunda:topic='t'/>"),
            branch("job", "<bpmn:task id='job' camunda:asyncBefore='true'/>"),
        ];
        let process = format!("<bpmn:process id='p' isExecutable='true'><bpmn:startEvent id='s'/>{}</bpmn:process>", branches.concat());
        let model = model_with("<bpmn:message id='m' name='go'/>", &process);
        let guest = root().join("delegates/target/wasm32-wasip2/release/test_scripted.wasm");
        let guest = std::fs::read(&guest).unwrap_or_else(|error| panic!("{}: {error}; run `make guests`", guest.display()));
        let files = [("p.bpmn", model.as_bytes()), ("test_scripted.wasm", &guest), ("mandate.toml", MANIFEST.as_bytes())];
        host.upload("/engine-rest/deployment/create", &[("deployment-name", "p")], &files).await.ok();
        let sends = |way| commands.iter().map(|name| json!({"name": name, "body": {"by": way}})).collect::<Vec<_>>();
        let script: Value = WAYS.iter().map(|way| (format!("after-{way}"), json!({"commands": sends(way)}))).collect();
        let instance = host.start("p", json!({"variables": {"script": {"type": "Json", "value": script.to_string()}}})).await;
        let topic = json!({"workerId": "w", "maxTasks": 1, "topics": [{"topicName": "t", "lockDuration": 600_000}]});
        host.post("/engine-rest/external-task/fetchAndLock", topic).await.ok();
        Self { host, domain, database, instance }
    }

    /// The request that goes on from one of the waits, which are looked up as long as the host can.
    async fn request(&self, way: &str) -> (String, Value) {
        let of = format!("processInstanceId={}", self.instance);
        match way {
            "task" => (format!("/engine-rest/task/{}/complete", self.host.only_id(&format!("/engine-rest/task?{of}")).await), json!({})),
            "message" => ("/engine-rest/message".to_owned(), json!({"messageName": "go", "processInstanceId": self.instance})),
            "worker" => {
                let task = self.host.only_id(&format!("/engine-rest/external-task?{of}")).await;
                (format!("/engine-rest/external-task/{task}/complete"), json!({"workerId": "w"}))
            }
            _ => (format!("/engine-rest/job/{}/execute", self.host.only_id(&format!("/engine-rest/job?{of}")).await), json!({})),
        }
    }

    /// As a host that takes over does it. This one does not know before it writes.
    fn take_over(&self) {
        sql(&self.database, "UPDATE host SET epoch = epoch + 1");
    }

    async fn stays(self, ledger: &[&str]) {
        let states = sql(&self.database, "SELECT state FROM ledger ORDER BY opened_at");
        assert_eq!(states.split_whitespace().collect::<Vec<_>>(), ledger);
        let waits = ["task", "external-task", "job"].map(|what| format!("/engine-rest/{what}/count?processInstanceId={}", self.instance));
        for path in waits {
            assert_eq!(self.host.count(&path).await, 1, "{path}");
        }
        self.host.close().await;
    }
}

/// 503, when to come again, and what else to do.
fn is_to_come_again(answer: &Answer, way: &str, why: &str) {
    let message = answer.error(503, "ProcessEngineException");
    assert!(message.contains(why) && message.ends_with("repeat the request, on another host or later on this one"), "{way}: {message}");
    assert!(answer.headers.contains_key("retry-after"), "{way}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_command_the_ledger_does_not_take_any_more_is_to_come_again() {
    for way in WAYS {
        let situation = Situation::new(&["test.ok@1"]).await;
        let (path, body) = situation.request(way).await;
        // The ledger is the first to know; of a job the claim is.
        situation.take_over();
        is_to_come_again(&situation.host.post(&path, body).await, way, "");
        assert!(situation.domain.calls().is_empty(), "{way}");
        situation.stays(&[]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_outcome_cannot_be_recorded_any_more_is_to_come_again() {
    // Whether or not the delegate would send another one.
    let commands: [&[&str]; 2] = [&["test.held@1"], &["test.held@1", "test.ok@1"]];
    for (way, commands) in WAYS.iter().flat_map(|way| commands.map(|commands| (*way, commands))) {
        let situation = Situation::new(commands).await;
        let (path, body) = situation.request(way).await;
        let fenced = async {
            while situation.domain.held() == 0 {
                tokio::task::yield_now().await;
            }
            situation.take_over();
            // The first that hears of it is one that would start another instance.
            let other = situation.host.post("/engine-rest/process-definition/key/p/start", json!({})).await;
            is_to_come_again(&other, way, "another host has taken over its work");
            situation.domain.let_go(1);
        };
        let (answer, ()) = tokio::join!(situation.host.post(&path, body), fenced);
        is_to_come_again(&answer, way, "another host has taken over its work");
        assert_eq!(situation.domain.applied().len(), 1, "{way}");
        // Whoever takes over finds out what became of it, when the client has come again.
        situation.stays(&["open"]).await;
    }
}
