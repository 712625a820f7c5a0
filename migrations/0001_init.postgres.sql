-- Mandate's schema, PostgreSQL 13 or newer. The SQLite file beside it says the same in SQLite's types.
--
-- Texts are compared by their bytes (COLLATE "C"), as on SQLite, whatever the database's locale is: no index rests on collations of the system, which an upgrade of
-- it may change. Times are milliseconds since 1970. Tenants are never NULL: none is the empty text, so that a tenant can be part of a key.
--
-- Three kinds of tables, so that the schema can be spread over a distributed PostgreSQL unchanged:
--   reference tables  small, read everywhere, replicated;
--   instance tables   keyed first by the instance and stored with it;
--   claim tables      keyed by what is claimed.
-- A transaction may span keys; a constraint may not. So there are foreign keys between reference tables only.

-- ---------------------------------------------------------------- claim tables

-- Every process that has this database open. A host may write while its row has its epoch and its lease lasts by this
-- database's clock; whoever takes over its work raises the epoch.
CREATE TABLE host (
    id          UUID   PRIMARY KEY,
    epoch       BIGINT NOT NULL,
    name        TEXT COLLATE "C" NOT NULL,
    lease_until BIGINT NOT NULL,
    -- Since when it has been renewed each time before half of the lease had passed.
    steady_since BIGINT NOT NULL,
    started_at  BIGINT NOT NULL,
    ended_at    BIGINT,
    -- The epoch is part of a key, so that raising it needs the row's strongest lock. A committer holds the row FOR KEY SHARE:
    -- that stops a takeover until the commit, and does not stop the renewal of the lease.
    UNIQUE (id, epoch)
) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 50, autovacuum_vacuum_scale_factor = 0);

-- Which transactions of a host's committer were the last ones that were committed, by the host's own count: it asks when it did not hear the answer to a COMMIT. Not
-- a column of the host's own row, whose lease is renewed while a transaction is under way. On PostgreSQL only: a SQLite file is read anew by the process that lost it.
CREATE TABLE host_commit (
    host UUID     NOT NULL,
    -- They take turns: while somebody's snapshot keeps all versions of a row, as a backup does, one row would have one for each transaction.
    slot SMALLINT NOT NULL,
    nth  BIGINT   NOT NULL,
    PRIMARY KEY (host, slot)
    -- Most of a page is free for the next versions of its rows, which no index then knows of.
) WITH (fillfactor = 25, autovacuum_vacuum_scale_factor = 1);

-- A start with an idempotency key happens once.
CREATE TABLE start_key (
    tenant         TEXT COLLATE "C" NOT NULL,
    definition_key TEXT COLLATE "C" NOT NULL,
    key            TEXT COLLATE "C" NOT NULL,
    instance_id    UUID   NOT NULL,
    -- What the instance runs and is called, for an answer when it and its definition are gone.
    definition_id  TEXT COLLATE "C" NOT NULL,
    business_key   TEXT COLLATE "C",
    created        BIGINT NOT NULL,
    PRIMARY KEY (definition_key, key, tenant)
);

-- The timer start events of the newest versions: each waits for one firing, which begins one instance. The unit of work that does puts the next firing
-- in its place.
CREATE TABLE start_timer (
    id            UUID    PRIMARY KEY,
    firing        BIGINT  NOT NULL,
    definition_id TEXT COLLATE "C" NOT NULL,
    activity_id   TEXT COLLATE "C" NOT NULL,
    due           BIGINT  NOT NULL,
    -- When it fires again, as the engine reads it; NULL: this firing is the last one.
    cycle         TEXT COLLATE "C",
    retries       BIGINT  NOT NULL,
    priority      BIGINT  NOT NULL,
    suspended     BOOLEAN NOT NULL,
    failures      BIGINT  NOT NULL,
    failure       TEXT COLLATE "C",
    -- Of the last failure: its code, the element that failed, and JSON that explains it to operators when it was given up.
    code          TEXT COLLATE "C",
    failed_activity TEXT COLLATE "C",
    detail        TEXT COLLATE "C",
    -- When it was given up, and how often that has happened to any of its firings: the number of its incident.
    given_up_at   BIGINT,
    given_up      BIGINT  NOT NULL,
    -- When it began to wait for this firing.
    created       BIGINT  NOT NULL,
    -- The host that is at it, in which of its epochs; as long as that lasts.
    locked_by     UUID,
    locked_epoch  BIGINT
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX start_timer_claimable ON start_timer (due, id) WHERE retries > 0;
CREATE INDEX start_timer_definition ON start_timer (definition_id);

-- Every sending of a domain command, written before it leaves. Outlives its instance.
CREATE TABLE ledger (
    tenant         TEXT COLLATE "C" NOT NULL,
    command        TEXT COLLATE "C" NOT NULL,
    key            TEXT COLLATE "C" NOT NULL,
    attempt        BIGINT  NOT NULL,
    generation     BIGINT  NOT NULL,
    instance_id    UUID    NOT NULL,
    -- The wait that its unit of work resumed: job, task, external_task or subscription.
    origin_kind    TEXT COLLATE "C" NOT NULL,
    origin_wait    BIGINT  NOT NULL,
    -- Which report of an escalation it was for; NULL: its unit ended the wait.
    origin_report  BIGINT,
    -- Digest that names the activity's entry.
    entry_key      TEXT COLLATE "C" NOT NULL,
    activity_id    TEXT COLLATE "C" NOT NULL,
    definition_id  TEXT COLLATE "C" NOT NULL,
    request_digest TEXT COLLATE "C" NOT NULL,
    -- Redacted.
    request        TEXT COLLATE "C" NOT NULL,
    state          TEXT COLLATE "C" NOT NULL CHECK (state IN ('open', 'applied', 'rejected', 'unavailable', 'unknown')),
    reply          TEXT COLLATE "C",
    code           TEXT COLLATE "C",
    message        TEXT COLLATE "C",
    host           UUID    NOT NULL,
    epoch          BIGINT  NOT NULL,
    opened_at      BIGINT  NOT NULL,
    closed_at      BIGINT,
    -- Its wait was gone when its outcome was written: nobody in the instance has taken it up.
    cancelled      BOOLEAN NOT NULL,
    -- A person has decided what was unknown: who, how they know, when. State and reply are theirs then, message and closed_at are not.
    verdict_by     TEXT COLLATE "C",
    verdict_reason TEXT COLLATE "C",
    verdict_at     BIGINT,
    PRIMARY KEY (tenant, command, key, attempt)
) WITH (fillfactor = 80);
-- What units that resume one wait have sent; no index may name a column that changes when an attempt is closed, or every index of the row is written again.
CREATE INDEX ledger_origin ON ledger (instance_id, origin_wait);
-- What a host that is gone may have left open.
CREATE INDEX ledger_host ON ledger (host, opened_at);

-- Its one row is held by the host that removes history: one at a time, for as long as it lives.
CREATE TABLE history_cleanup (
    id    BIGINT PRIMARY KEY CHECK (id = 1),
    host  UUID,
    epoch BIGINT
);
INSERT INTO history_cleanup (id) VALUES (1);

-- How often somebody has changed job definitions: whoever makes jobs must know of all changes. Its one row is read in every transaction of a committer;
-- who counts a change up waits for those under way.
CREATE TABLE job_definition_changes (
    id    BIGINT PRIMARY KEY CHECK (id = 1),
    count BIGINT NOT NULL
);
INSERT INTO job_definition_changes (id, count) VALUES (1, 0);

-- Where the clock stands that is set instead of the systems' clocks; no row: this database has never run under one.
CREATE TABLE set_clock (
    id  BIGINT  PRIMARY KEY CHECK (id = 1),
    now BIGINT  NOT NULL
);

-- What operators have planned for a later date; gone when it is done. Reference: definitions are suspended and activated by it.
CREATE TABLE planned (
    id         UUID PRIMARY KEY,
    -- The date that was asked for: the order of plans. It never changes.
    due        BIGINT NOT NULL,
    -- JSON of the runtime.
    change     TEXT COLLATE "C" NOT NULL,
    -- Of this definition only: the plan goes with it.
    definition_id TEXT COLLATE "C",
    user_id    TEXT COLLATE "C",
    annotation TEXT COLLATE "C",
    created    BIGINT NOT NULL,
    -- When it is tried, at first the date; NULL when it was given up.
    next       BIGINT,
    attempts   BIGINT NOT NULL DEFAULT 0,
    failure    TEXT COLLATE "C",
    -- The host that is at it; counts while its lease lasts in that epoch.
    locked_by    UUID,
    locked_epoch BIGINT
);
CREATE INDEX planned_due ON planned (due, created, id);
CREATE INDEX planned_next ON planned (next);

-- Signals on their way: a row for each receiver that there was when the signal was thrown, written with the throw. The unit of work that receives it
-- removes it, so that each gets it once; whoever finds nobody there any more removes it, too. And messages for which a receiver was found.
CREATE TABLE delivery (
    signal        UUID    NOT NULL,
    n             BIGINT  NOT NULL,
    -- signal or message
    kind          TEXT COLLATE "C" NOT NULL,
    name          TEXT COLLATE "C" NOT NULL,
    -- The wait that it is for, with its activity instance; none: it starts an instance of the definition.
    instance_id   UUID,
    wait          BIGINT,
    activity      BIGINT,
    definition_id TEXT COLLATE "C" NOT NULL,
    activity_id   TEXT COLLATE "C" NOT NULL,
    -- JSON, and the business key of an instance that is started.
    variables     TEXT COLLATE "C" NOT NULL,
    business_key  TEXT COLLATE "C",
    -- How many throws led to it, each in the unit of work that took up the one before it.
    hops          BIGINT  NOT NULL,
    -- Not tried before; without retries it is not tried.
    due           BIGINT  NOT NULL,
    retries       BIGINT  NOT NULL,
    failures      BIGINT  NOT NULL,
    failure       TEXT COLLATE "C",
    -- The element that failed.
    failed_activity TEXT COLLATE "C",
    -- JSON that explains it to operators when it is given up.
    detail        TEXT COLLATE "C",
    -- When its attempts came to an end the last time: since then, without retries, it is an incident.
    given_up_at   BIGINT,
    created       BIGINT  NOT NULL,
    -- The host that is at it, in which of its epochs; as long as that lasts.
    locked_by     UUID,
    locked_epoch  BIGINT,
    -- Whoever is to get it is suspended, and nobody looks at it until that is over.
    parked        BOOLEAN NOT NULL DEFAULT FALSE,
    PRIMARY KEY (signal, n)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX delivery_claimable ON delivery (due, signal, n) WHERE retries > 0 AND NOT parked;
CREATE INDEX delivery_parked ON delivery (instance_id, definition_id) WHERE parked;
-- What waits for an operator.
CREATE INDEX delivery_given_up ON delivery (definition_id) WHERE failures > 0 AND retries = 0;
CREATE INDEX delivery_failed ON delivery (COALESCE(instance_id, signal), n) WHERE failures > 0;

-- Messages along message flows, written with the unit of work that sends. Who gets one is looked for; then a delivery of its id stands beside it, and
-- both are removed by the unit that receives it. Without a delivery it waits until somebody does.
CREATE TABLE message (
    id            UUID    PRIMARY KEY,
    name          TEXT COLLATE "C" NOT NULL,
    sender_id     UUID    NOT NULL,
    -- The process that gets it, by the definition that was deployed with the sender's: any version of it by what waits, this one if it starts.
    definition_id TEXT COLLATE "C" NOT NULL,
    -- What waits there or starts; empty: whatever does.
    activity_id   TEXT COLLATE "C" NOT NULL,
    -- Of who gets it; empty: of an instance without.
    business_key  TEXT COLLATE "C" NOT NULL,
    -- Of who gets it, if he waits under one; NULL: none.
    correlation_key TEXT COLLATE "C",
    variables     TEXT COLLATE "C" NOT NULL,
    -- How many throws and sends led to it.
    hops          BIGINT  NOT NULL,
    created       BIGINT  NOT NULL,
    -- Nobody is looked for before; who begins to wait for it makes it due, and counts.
    due           BIGINT  NOT NULL,
    woken         BIGINT  NOT NULL,
    -- Why nobody was found.
    reason        TEXT COLLATE "C"
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX message_due ON message (due, id);
CREATE INDEX message_address ON message (name, business_key);
CREATE INDEX message_correlation ON message (name, correlation_key) WHERE correlation_key IS NOT NULL;
CREATE INDEX message_definition ON message (definition_id);

-- ---------------------------------------------------------------- reference tables

CREATE TABLE deployment (
    id             TEXT COLLATE "C" PRIMARY KEY,
    name           TEXT COLLATE "C",
    source         TEXT COLLATE "C",
    tenant         TEXT COLLATE "C" NOT NULL,
    deployed_at    BIGINT NOT NULL,
    content_digest TEXT COLLATE "C" NOT NULL,
    metadata       TEXT COLLATE "C" NOT NULL
);
CREATE INDEX deployment_newest ON deployment (tenant, name, deployed_at);

-- Components by the digest of their bytes.
CREATE TABLE artifact (
    digest  TEXT COLLATE "C" PRIMARY KEY,
    created BIGINT NOT NULL,
    bytes   BYTEA  NOT NULL
);
-- Wasm hardly compresses and is read whole.
ALTER TABLE artifact ALTER COLUMN bytes SET STORAGE EXTERNAL;

CREATE TABLE resource (
    id            TEXT COLLATE "C" PRIMARY KEY,
    deployment_id TEXT COLLATE "C" NOT NULL REFERENCES deployment (id),
    name          TEXT COLLATE "C" NOT NULL,
    size          BIGINT NOT NULL,
    -- One of these two: a component's bytes are kept once, as an artifact.
    bytes         BYTEA,
    artifact      TEXT COLLATE "C" REFERENCES artifact (digest),
    UNIQUE (deployment_id, name)
);
CREATE INDEX resource_artifact ON resource (artifact) WHERE artifact IS NOT NULL;

CREATE TABLE delegate (
    deployment_id TEXT COLLATE "C" NOT NULL REFERENCES deployment (id),
    name          TEXT COLLATE "C" NOT NULL,
    version       TEXT COLLATE "C" NOT NULL,
    digest        TEXT COLLATE "C" NOT NULL REFERENCES artifact (digest),
    mandate       TEXT COLLATE "C" NOT NULL,
    -- JSON list of external-task topics.
    topics        TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (deployment_id, name)
);
CREATE INDEX delegate_digest ON delegate (digest);

CREATE TABLE definition (
    id            TEXT COLLATE "C" PRIMARY KEY,
    key           TEXT COLLATE "C" NOT NULL,
    version       BIGINT  NOT NULL,
    tenant        TEXT COLLATE "C" NOT NULL,
    name          TEXT COLLATE "C",
    version_tag   TEXT COLLATE "C",
    -- Days for which the history of its ended instances is kept.
    history_ttl   BIGINT,
    -- What the model says of it besides: its file's namespace, whether task lists offer it, and who is to start it, between commas.
    category      TEXT COLLATE "C",
    startable_in_tasklist BOOLEAN NOT NULL,
    starters      TEXT COLLATE "C" NOT NULL,
    deployment_id TEXT COLLATE "C" NOT NULL REFERENCES deployment (id),
    resource_name TEXT COLLATE "C" NOT NULL,
    identity      TEXT COLLATE "C" NOT NULL,
    -- Where the ids of its elements begin.
    first_element BIGINT  NOT NULL,
    suspended     BOOLEAN NOT NULL,
    UNIQUE (tenant, key, version)
);
CREATE INDEX definition_deployment ON definition (deployment_id);
CREATE INDEX definition_key ON definition (key);

-- What history says of a definition's elements, once for all that happens at them. It stays when the definition is deleted and its history is not.
CREATE TABLE element (
    id            BIGINT  PRIMARY KEY,
    definition_id TEXT COLLATE "C" NOT NULL,
    activity_id   TEXT COLLATE "C" NOT NULL,
    -- In the model.
    name          TEXT COLLATE "C",
    kind          TEXT COLLATE "C" NOT NULL,
    -- Which component does its work, by its digest.
    delegate      TEXT COLLATE "C",
    digest        TEXT COLLATE "C"
);
CREATE INDEX element_definition ON element (definition_id);

-- Definitions that are deleted and whose elements are not. History may have an instance of one that ended then, with this id, or later; none that ended
-- before, and none is added. The elements go when none is found any more, and that history goes first where it was deleted with the definition.
CREATE TABLE deleted_definition (
    definition_id TEXT COLLATE "C" PRIMARY KEY,
    ended_at      BIGINT  NOT NULL,
    instance_id   UUID    NOT NULL,
    with_history  BOOLEAN NOT NULL
);

-- The first id that no element has ever had, in its one row.
CREATE TABLE next_element (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    next BIGINT NOT NULL
);
INSERT INTO next_element (id, next) VALUES (1, 1);

-- What a definition's references resolve to, for ever. It keeps the artifact when the delegate's deployment is deleted.
CREATE TABLE binding (
    definition_id TEXT COLLATE "C" NOT NULL REFERENCES definition (id),
    reference     TEXT COLLATE "C" NOT NULL,
    delegate      TEXT COLLATE "C" NOT NULL,
    version       TEXT COLLATE "C" NOT NULL,
    digest        TEXT COLLATE "C" NOT NULL REFERENCES artifact (digest),
    mandate       TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (definition_id, reference)
);
CREATE INDEX binding_digest ON binding (digest);

-- What operators have said of the places of a model that make jobs: that their new jobs are suspended, or have another priority than the model says.
CREATE TABLE job_definition (
    definition_id TEXT COLLATE "C" NOT NULL REFERENCES definition (id),
    activity_id   TEXT COLLATE "C" NOT NULL,
    -- async-before, async-after or timer.
    kind          TEXT COLLATE "C" NOT NULL,
    suspended     BOOLEAN NOT NULL,
    priority      BIGINT,
    PRIMARY KEY (definition_id, activity_id, kind)
);

-- What starts a process, besides its name: messages and signals by theirs, and conditions, which have none. Of the newest version of a key only, as
-- long as it is there: what an older one started by comes back when the newer is deleted.
CREATE TABLE start_event (
    definition_id TEXT COLLATE "C" NOT NULL REFERENCES definition (id),
    kind          TEXT COLLATE "C" NOT NULL,
    name          TEXT COLLATE "C" NOT NULL,
    activity_id   TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (definition_id, activity_id, kind, name)
);
CREATE INDEX start_event_name ON start_event (name, kind);

-- ---------------------------------------------------------------- instance tables

-- One row per live instance. Every unit of work rewrites it in place: room in the page keeps that off the indexes, none of
-- whose columns it changes.
CREATE TABLE instance (
    id            UUID    PRIMARY KEY,
    tenant        TEXT COLLATE "C" NOT NULL,
    definition_id TEXT COLLATE "C" NOT NULL,
    business_key  TEXT COLLATE "C",
    started_at    BIGINT  NOT NULL,
    revision      BIGINT  NOT NULL,
    last_unit     UUID    NOT NULL,
    suspended     BOOLEAN NOT NULL,
    snapshot      BYTEA   NOT NULL,
    -- How many rows of instance_part belong to it.
    parts         BIGINT  NOT NULL,
    -- The instance that called it, the call activity where that waits for it, by id and by number, and the instance at the root of all calls; NULL if
    -- nobody called it. None of them ever changes: so this row is also the row of its caller's wait.
    super_instance  UUID,
    super_activity  TEXT COLLATE "C",
    super_n         BIGINT,
    root_instance   UUID,
    -- The job that a host runs from memory, as the columns of the table job have it. It was locked by the unit that made it and is as a rule gone
    -- with the next one, so that it costs no row of its own. It changes with the revision only.
    job_wait        BIGINT,
    job_activity    BIGINT,
    job_activity_id TEXT COLLATE "C",
    job_kind        TEXT COLLATE "C",
    job_due         BIGINT,
    job_retries     BIGINT,
    job_exclusive   BOOLEAN,
    -- NULL is 0, and active.
    job_priority    BIGINT,
    job_suspended   BOOLEAN,
    job_created     BIGINT,
    job_host        UUID,
    job_epoch       BIGINT
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
-- Of all columns of indexes only this one changes, and not from one job of a chain to the next.
CREATE INDEX instance_job ON instance (job_host) WHERE job_host IS NOT NULL;
-- What lists are made by, each in its order.
CREATE INDEX instance_definition ON instance (definition_id, started_at, id);
CREATE INDEX instance_started ON instance (started_at, id);
CREATE INDEX instance_business_key ON instance (business_key, id);
CREATE INDEX instance_suspended ON instance (id) WHERE suspended;
CREATE INDEX instance_super ON instance (super_instance, id) WHERE super_instance IS NOT NULL;
CREATE INDEX instance_root ON instance (root_instance, id) WHERE root_instance IS NOT NULL;

-- What an instance has in great number or size: activities beyond the first, and large variables. Written only when they change.
CREATE TABLE instance_part (
    instance_id UUID   NOT NULL,
    activity    BIGINT NOT NULL,
    -- Empty for the activity itself with its waits.
    variable    TEXT COLLATE "C" NOT NULL,
    bytes       BYTEA  NOT NULL,
    PRIMARY KEY (instance_id, activity, variable)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

CREATE TABLE job (
    instance_id     UUID    NOT NULL,
    wait            BIGINT  NOT NULL,
    -- The activity instance it belongs to, as in the tables below: Camunda's execution.
    activity        BIGINT  NOT NULL,
    activity_id     TEXT COLLATE "C" NOT NULL,
    kind            TEXT COLLATE "C" NOT NULL,
    definition_id   TEXT COLLATE "C" NOT NULL,
    due             BIGINT  NOT NULL,
    retries         BIGINT  NOT NULL,
    failures        BIGINT  NOT NULL,
    exclusive       BOOLEAN NOT NULL,
    -- The higher, the sooner it is claimed.
    priority        BIGINT  NOT NULL,
    -- An exclusive job that is not its instance's next: nobody claims it before a unit of work makes it the next one.
    behind          BOOLEAN NOT NULL,
    created         BIGINT  NOT NULL,
    failure         TEXT COLLATE "C",
    failed_activity TEXT COLLATE "C",
    suspended       BOOLEAN NOT NULL,
    -- The host that runs it, in which of its epochs.
    locked_by       UUID,
    locked_epoch    BIGINT,
    -- Hosts that died while they had it locked, since its last outcome.
    takeovers       BIGINT  NOT NULL,
    PRIMARY KEY (instance_id, wait)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
-- What a host claims from, in its order: a thousand jobs that are due at one moment are not sorted for every claim. A job that is born
-- locked never enters it, and of an instance's exclusive jobs there is one in it, however many wait.
CREATE INDEX job_claimable ON job (due, instance_id, wait) WHERE locked_by IS NULL AND retries > 0 AND NOT suspended AND NOT behind AND priority = 0;
-- The same of jobs that have a priority, by priority and by due date. Others are in neither. Both predicates mean the same in other words:
-- whoever asks for one priority is not to read the jobs of all, which a plan would be free to do that was made when there were none.
CREATE INDEX job_prioritized ON job (priority, due, instance_id, wait)
    WHERE locked_by IS NULL AND retries > 0 AND NOT suspended AND NOT behind AND priority <> 0;
CREATE INDEX job_prioritized_due ON job (due, instance_id, wait)
    WHERE locked_by IS NULL AND retries >= 1 AND NOT suspended AND NOT behind AND priority <> 0;
-- What runs now: few rows. Tells whether an instance has an exclusive job under way.
CREATE INDEX job_locked ON job (instance_id, locked_by) WHERE locked_by IS NOT NULL;
-- What waits for an operator, and what has failed or is suspended: nothing that goes its way enters these.
CREATE INDEX job_failed ON job (definition_id, due, instance_id, wait) WHERE retries = 0;
CREATE INDEX job_failed_due ON job (due, instance_id, wait) WHERE retries = 0;
CREATE INDEX job_failure ON job (due, instance_id, wait) WHERE failure IS NOT NULL;
CREATE INDEX job_suspended ON job (due, instance_id, wait) WHERE suspended;

-- All jobs of an instance, wherever they stand. Lists of many instances ask both places by themselves, each in its order.
CREATE VIEW any_job AS
    SELECT instance_id, wait, activity, activity_id, kind, definition_id, due, retries, failures, exclusive, priority, behind, created,
        failure, failed_activity, suspended, locked_by, locked_epoch, takeovers FROM job
    UNION ALL
    SELECT id, job_wait, job_activity, job_activity_id, job_kind, definition_id, job_due, job_retries, 0, job_exclusive,
        COALESCE(job_priority, 0), FALSE, job_created, NULL, NULL,
        suspended OR COALESCE(job_suspended, FALSE), job_host, job_epoch, 0 FROM instance WHERE job_host IS NOT NULL;

CREATE TABLE task (
    instance_id      UUID    NOT NULL,
    wait             BIGINT  NOT NULL,
    activity         BIGINT  NOT NULL,
    activity_id      TEXT COLLATE "C" NOT NULL,
    name             TEXT COLLATE "C",
    definition_id    TEXT COLLATE "C" NOT NULL,
    assignee         TEXT COLLATE "C",
    owner            TEXT COLLATE "C",
    delegation       TEXT COLLATE "C",
    -- JSON lists, as task_candidate has them for queries.
    candidate_users  TEXT COLLATE "C" NOT NULL,
    candidate_groups TEXT COLLATE "C" NOT NULL,
    due              BIGINT,
    follow_up        BIGINT,
    priority         BIGINT  NOT NULL,
    created          BIGINT  NOT NULL,
    -- When somebody changed it last; NULL: nobody has.
    updated          BIGINT,
    form_key         TEXT COLLATE "C",
    description      TEXT COLLATE "C",
    suspended        BOOLEAN NOT NULL,
    PRIMARY KEY (instance_id, wait)
) WITH (autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX task_assignee ON task (assignee) WHERE assignee IS NOT NULL;
CREATE INDEX task_owner ON task (owner) WHERE owner IS NOT NULL;
CREATE INDEX task_created ON task (created);
CREATE INDEX task_updated ON task (updated) WHERE updated IS NOT NULL;
CREATE INDEX task_due ON task (due) WHERE due IS NOT NULL;

CREATE TABLE task_candidate (
    instance_id UUID    NOT NULL,
    wait        BIGINT  NOT NULL,
    is_group    BOOLEAN NOT NULL,
    name        TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (instance_id, wait, is_group, name)
) WITH (autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX task_candidate_name ON task_candidate (name, is_group);

-- Work that workers fetch over REST. Fetching writes the last two columns and nothing else: no unit of work, no snapshot.
CREATE TABLE external_task (
    instance_id   UUID    NOT NULL,
    wait          BIGINT  NOT NULL,
    activity      BIGINT  NOT NULL,
    activity_id   TEXT COLLATE "C" NOT NULL,
    topic         TEXT COLLATE "C" NOT NULL,
    definition_id TEXT COLLATE "C" NOT NULL,
    priority      BIGINT  NOT NULL,
    -- Attempts left, as the last failure said; NULL: it has never failed.
    retries       BIGINT ,
    failures      BIGINT  NOT NULL,
    failure       TEXT COLLATE "C",
    details       TEXT COLLATE "C",
    created       BIGINT  NOT NULL,
    -- The instance's, which never change: workers ask for them.
    tenant        TEXT COLLATE "C" NOT NULL,
    business_key  TEXT COLLATE "C",
    suspended     BOOLEAN NOT NULL,
    -- Who fetched it last.
    worker_id     TEXT COLLATE "C",
    -- Nobody fetches it before: until then it is locked, or rests after a failure. Of one that nobody has: when it was created or given back.
    lock_until    BIGINT  NOT NULL,
    PRIMARY KEY (instance_id, wait)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
-- What workers fetch from, in its order.
CREATE INDEX external_task_fetchable ON external_task (topic, priority DESC, lock_until) WHERE NOT suspended AND (retries IS NULL OR retries > 0);
-- What waits for an operator.
CREATE INDEX external_task_failed ON external_task (definition_id) WHERE retries = 0;

CREATE TABLE subscription (
    instance_id   UUID   NOT NULL,
    wait          BIGINT NOT NULL,
    activity      BIGINT NOT NULL,
    activity_id   TEXT COLLATE "C" NOT NULL,
    -- message, signal or conditional; and the name, which a condition does not have.
    kind          TEXT COLLATE "C" NOT NULL,
    name          TEXT COLLATE "C" NOT NULL,
    -- A boundary event's or an event sub-process's: not what its activity itself waits for.
    of_event      BOOLEAN NOT NULL,
    definition_id TEXT COLLATE "C" NOT NULL,
    created       BIGINT NOT NULL,
    -- The instance's, which never change: a message finds its receiver by one index.
    tenant        TEXT COLLATE "C" NOT NULL,
    business_key  TEXT COLLATE "C",
    -- What tells it from other waits for the message; NULL: nothing.
    correlation_key TEXT COLLATE "C",
    PRIMARY KEY (instance_id, wait)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
-- The last column is for those without one: a message that has a key of its own looks past any number of waits that are told apart by theirs.
CREATE INDEX subscription_name ON subscription (name, kind, business_key, correlation_key);
-- The few that are told apart by a key of their own.
CREATE INDEX subscription_correlation ON subscription (name, correlation_key) WHERE correlation_key IS NOT NULL;

-- Open incidents; history_incident has the resolved ones too.
CREATE TABLE incident (
    instance_id   UUID   NOT NULL,
    n             BIGINT NOT NULL,
    wait          BIGINT,
    activity      BIGINT NOT NULL,
    -- Where it stands: of the job, the external task or the join.
    activity_id   TEXT COLLATE "C" NOT NULL,
    -- What failed, if anything has.
    failed_activity_id TEXT COLLATE "C",
    -- Of the job, if a model asks for it.
    job_definition_id TEXT COLLATE "C",
    definition_id TEXT COLLATE "C" NOT NULL,
    code          TEXT COLLATE "C" NOT NULL,
    message       TEXT COLLATE "C" NOT NULL,
    attempt       BIGINT NOT NULL,
    created       BIGINT NOT NULL,
    detail        TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (instance_id, n)
);
CREATE INDEX incident_definition ON incident (definition_id, instance_id, n);
CREATE INDEX incident_created ON incident (created, instance_id, n);

-- Timer start events without attempts left: of no instance, and so at no activity instance.
CREATE VIEW start_timer_incident AS
    SELECT t.id AS instance_id, t.given_up AS n, t.firing AS wait, CAST(0 AS BIGINT) AS activity, t.activity_id, t.failed_activity AS failed_activity_id,
        t.definition_id || ':' || t.activity_id || ':timer' AS job_definition_id, t.definition_id, COALESCE(t.code, 'INTERNAL_ERROR') AS code,
        COALESCE(t.failure, 'its retries were set to 0') AS message, t.failures AS attempt, COALESCE(t.given_up_at, t.created) AS created,
        COALESCE(t.detail, '') AS detail FROM start_timer t WHERE t.retries = 0;

-- Signals that could not be delivered, as long as their receivers are there. An instance that is to be started has no activity instance yet: 0.
CREATE VIEW undelivered_incident AS
    SELECT COALESCE(t.instance_id, t.signal) AS instance_id, t.n, t.n AS wait, COALESCE(t.activity, 0) AS activity, t.activity_id,
        COALESCE(t.failed_activity, t.activity_id) AS failed_activity_id, NULL::text AS job_definition_id, t.definition_id, 'UNDELIVERED' AS code,
        t.failure AS message, t.failures AS attempt, COALESCE(t.given_up_at, t.created) AS created, COALESCE(t.detail, '') AS detail FROM delivery t
    WHERE t.failures > 0 AND t.retries = 0 AND CASE WHEN t.instance_id IS NULL
        THEN EXISTS (SELECT 1 FROM definition d WHERE d.id = t.definition_id)
        ELSE t.wait IS NULL OR t.activity IS NULL OR EXISTS (SELECT 1 FROM subscription s WHERE s.instance_id = t.instance_id
            AND s.activity = t.activity AND s.activity_id = t.activity_id AND s.name = t.name) END;

-- Incidents, and what has become one.
CREATE VIEW any_incident AS
    SELECT instance_id, n, wait, activity, activity_id, failed_activity_id, job_definition_id, definition_id, code, message, attempt, created, detail
    FROM incident
    UNION ALL
    SELECT * FROM undelivered_incident
    UNION ALL
    SELECT * FROM start_timer_incident;

-- History is written with what it tells of, in the same transaction.
CREATE TABLE history_instance (
    instance_id    UUID   PRIMARY KEY,
    tenant         TEXT COLLATE "C" NOT NULL,
    definition_id  TEXT COLLATE "C" NOT NULL,
    -- Kept apart from the definition, which may be deleted before its history.
    definition_key TEXT COLLATE "C" NOT NULL,
    business_key   TEXT COLLATE "C",
    start_activity TEXT COLLATE "C",
    started_at     BIGINT NOT NULL,
    ended_at       BIGINT,
    state          TEXT COLLATE "C" NOT NULL,
    reason         TEXT COLLATE "C",
    -- When its history is to be removed, known since it ended; none: never.
    removal_at     BIGINT,
    -- As the table instance has them.
    super_instance UUID,
    super_activity TEXT COLLATE "C",
    super_n        BIGINT,
    root_instance  UUID,
    -- Who started it, as they said; nobody checks it.
    started_by     TEXT COLLATE "C"
) WITH (fillfactor = 70);
-- What lists of ended instances are made by, each in its order. One that lives is in none of them: it is found by its own row, and the unit that ends
-- it enters them all.
CREATE INDEX history_instance_started ON history_instance (started_at, instance_id) WHERE ended_at IS NOT NULL;
CREATE INDEX history_instance_ended ON history_instance (ended_at, instance_id) WHERE ended_at IS NOT NULL;
CREATE INDEX history_instance_key_started ON history_instance (definition_key, started_at, instance_id) WHERE ended_at IS NOT NULL;
CREATE INDEX history_instance_key_ended ON history_instance (definition_key, ended_at, instance_id) WHERE ended_at IS NOT NULL;
CREATE INDEX history_instance_business_key ON history_instance (business_key, instance_id) WHERE ended_at IS NOT NULL;
CREATE INDEX history_instance_started_by ON history_instance (started_by, instance_id) WHERE ended_at IS NOT NULL AND started_by IS NOT NULL;
CREATE INDEX history_instance_super ON history_instance (super_instance, instance_id) WHERE super_instance IS NOT NULL;
CREATE INDEX history_instance_root ON history_instance (root_instance, instance_id) WHERE root_instance IS NOT NULL;
-- What the cleanup takes from, in its order. An instance that is kept for ever, or has not ended, never enters it.
CREATE INDEX history_instance_removal ON history_instance (removal_at, instance_id) WHERE removal_at IS NOT NULL;

CREATE TABLE history_activity (
    instance_id UUID    NOT NULL,
    n           BIGINT  NOT NULL,
    parent      BIGINT  NOT NULL,
    element     BIGINT  NOT NULL,
    started_at  BIGINT  NOT NULL,
    ended_at    BIGINT,
    canceled    BOOLEAN NOT NULL,
    -- No flow led on from it: its token's way in its scope was over.
    complete_scope BOOLEAN NOT NULL,
    -- Which attempt of its element's delegate did it; NULL: none.
    attempt     BIGINT,
    -- The instance that a call activity called.
    called      UUID,
    PRIMARY KEY (instance_id, n)
) WITH (fillfactor = 90);
-- What lists of many instances' activities are made by. Whoever filters them by what is rare reads more than a page of an index.
CREATE INDEX history_activity_started ON history_activity (started_at);
CREATE INDEX history_activity_ended ON history_activity (ended_at);
-- What stands at an element: few among any number of instances, or very many.
CREATE INDEX history_activity_open ON history_activity (element, instance_id, n) WHERE ended_at IS NULL;
CREATE INDEX history_activity_canceled ON history_activity (instance_id, n) WHERE canceled;

-- The latest value of every variable.
CREATE TABLE history_variable (
    instance_id UUID    NOT NULL,
    scope       BIGINT  NOT NULL,
    name        TEXT COLLATE "C" NOT NULL,
    kind        TEXT COLLATE "C" NOT NULL,
    json        TEXT COLLATE "C" NOT NULL,
    removed     BOOLEAN NOT NULL,
    created     BIGINT  NOT NULL,
    updated     BIGINT  NOT NULL,
    PRIMARY KEY (instance_id, scope, name)
) WITH (fillfactor = 80);

-- Every change of a variable: history level full.
CREATE TABLE history_variable_update (
    instance_id UUID    NOT NULL,
    -- The revision that the unit made, and the change's place in it.
    revision    BIGINT  NOT NULL,
    ordinal     BIGINT  NOT NULL,
    scope       BIGINT  NOT NULL,
    name        TEXT COLLATE "C" NOT NULL,
    kind        TEXT COLLATE "C" NOT NULL,
    json        TEXT COLLATE "C" NOT NULL,
    removed     BOOLEAN NOT NULL,
    at          BIGINT  NOT NULL,
    PRIMARY KEY (instance_id, revision, ordinal)
);

CREATE TABLE history_task (
    instance_id   UUID   NOT NULL,
    wait          BIGINT NOT NULL,
    activity      BIGINT NOT NULL,
    activity_id   TEXT COLLATE "C" NOT NULL,
    name          TEXT COLLATE "C",
    definition_id TEXT COLLATE "C" NOT NULL,
    assignee      TEXT COLLATE "C",
    owner         TEXT COLLATE "C",
    description   TEXT COLLATE "C",
    due           BIGINT,
    follow_up     BIGINT,
    priority      BIGINT NOT NULL,
    created       BIGINT NOT NULL,
    -- As the table task has it.
    updated       BIGINT,
    ended_at      BIGINT,
    PRIMARY KEY (instance_id, wait)
);

-- Everybody who ever had to do with a user task: its assignees, its owners, and the users and groups that could claim it.
CREATE TABLE history_task_link (
    instance_id UUID   NOT NULL,
    wait        BIGINT NOT NULL,
    -- assignee or owner; user or group of a candidate.
    kind        TEXT COLLATE "C" NOT NULL,
    name        TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (instance_id, wait, kind, name)
);
CREATE INDEX history_task_link_name ON history_task_link (name, kind);

CREATE TABLE history_incident (
    instance_id   UUID   NOT NULL,
    n             BIGINT NOT NULL,
    wait          BIGINT,
    activity      BIGINT NOT NULL,
    activity_id   TEXT COLLATE "C" NOT NULL,
    failed_activity_id TEXT COLLATE "C",
    job_definition_id TEXT COLLATE "C",
    definition_id TEXT COLLATE "C" NOT NULL,
    code          TEXT COLLATE "C" NOT NULL,
    message       TEXT COLLATE "C" NOT NULL,
    attempt       BIGINT NOT NULL,
    created       BIGINT NOT NULL,
    detail        TEXT COLLATE "C" NOT NULL,
    ended_at      BIGINT,
    -- What had failed was cancelled; else it was resolved.
    deleted       BOOLEAN NOT NULL,
    -- Of one that is of no instance: when it is to be removed, known since it ended; none: never.
    removal_at    BIGINT,
    PRIMARY KEY (instance_id, n)
);
CREATE INDEX history_incident_definition ON history_incident (definition_id, instance_id, n);
CREATE INDEX history_incident_created ON history_incident (created, instance_id, n);
CREATE INDEX history_incident_resolved ON history_incident (instance_id, n) WHERE ended_at IS NOT NULL AND NOT deleted;
-- Of signals and messages that were to start an instance: there is none.
CREATE INDEX history_incident_start ON history_incident (instance_id, n) WHERE activity = 0;
CREATE INDEX history_incident_removal ON history_incident (removal_at, instance_id, n) WHERE removal_at IS NOT NULL;

-- Whoever has called the instance of an incident, or has called who has, has it as well: at its call activity.
CREATE TABLE history_incident_caller (
    instance_id   UUID   NOT NULL,
    -- The incident, and who of those that this one has called has it, too.
    root          UUID   NOT NULL,
    n             BIGINT NOT NULL,
    called        UUID   NOT NULL,
    activity      BIGINT NOT NULL,
    activity_id   TEXT COLLATE "C" NOT NULL,
    definition_id TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (instance_id, root, n)
);
CREATE INDEX history_incident_caller_definition ON history_incident_caller (definition_id, instance_id, root, n);
CREATE INDEX history_incident_caller_root ON history_incident_caller (root, n);

-- Instances whose history is being removed: they are not in history_instance any more, and what was beside that row is not all gone yet.
CREATE TABLE history_remains (
    instance_id UUID   PRIMARY KEY,
    -- The longest first.
    since       BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX history_remains_since ON history_remains (since, instance_id);

-- What operators did, one row for every property that they changed; the rows of one operation share its id. They go with their instance's history.
-- Those of no instance (its id is all ones), and the one that says that a history was deleted, stay.
CREATE TABLE history_operation (
    instance_id    UUID    NOT NULL,
    operation      UUID    NOT NULL,
    ordinal        BIGINT  NOT NULL,
    at             BIGINT  NOT NULL,
    -- Who they said they were; nobody checks it.
    user_id        TEXT COLLATE "C",
    annotation     TEXT COLLATE "C",
    operation_type TEXT COLLATE "C" NOT NULL,
    entity_type    TEXT COLLATE "C" NOT NULL,
    category       TEXT COLLATE "C" NOT NULL,
    property       TEXT COLLATE "C",
    org_value      TEXT COLLATE "C",
    new_value      TEXT COLLATE "C",
    tenant         TEXT COLLATE "C" NOT NULL,
    definition_id  TEXT COLLATE "C",
    definition_key TEXT COLLATE "C",
    deployment_id  TEXT COLLATE "C",
    activity       BIGINT,
    -- The task, job or external task, as the type of the entity says.
    wait           BIGINT,
    -- Of the job, or what it is.
    job_definition_id TEXT COLLATE "C",
    PRIMARY KEY (instance_id, operation, ordinal)
);
CREATE INDEX history_operation_at ON history_operation (at);
CREATE INDEX history_operation_job_definition ON history_operation (job_definition_id, at) WHERE job_definition_id IS NOT NULL;
CREATE INDEX history_operation_id ON history_operation (operation);
