-- Mandate's schema, SQLite 3.41 or newer. The PostgreSQL file beside it says the same in PostgreSQL's types.
--
-- Times are milliseconds since 1970. Tenants are never NULL: none is the empty text, so that a tenant can be part of a key.
--
-- Three kinds of tables, so that the schema can be spread over a distributed PostgreSQL unchanged:
--   reference tables  small, read everywhere, replicated;
--   instance tables   keyed first by the instance and stored with it;
--   claim tables      keyed by what is claimed.
-- A transaction may span keys; a constraint may not. So there are foreign keys between reference tables only.

-- ---------------------------------------------------------------- claim tables

-- Every process that had this database open. One process at a time owns the file, so the lease of its host lasts until the next
-- one opens the file, takes over what it left and raises its epoch.
CREATE TABLE host (
    id          BLOB    PRIMARY KEY,
    epoch       INTEGER NOT NULL,
    name        TEXT    NOT NULL,
    lease_until INTEGER NOT NULL,
    steady_since INTEGER NOT NULL,
    started_at  INTEGER NOT NULL,
    ended_at    INTEGER,
    -- As on PostgreSQL, where it decides which lock raising the epoch needs.
    UNIQUE (id, epoch)
) STRICT;

-- A start with an idempotency key happens once.
CREATE TABLE start_key (
    tenant         TEXT    NOT NULL,
    definition_key TEXT    NOT NULL,
    key            TEXT    NOT NULL,
    instance_id    BLOB    NOT NULL,
    -- What the instance runs and is called, for an answer when it and its definition are gone.
    definition_id  TEXT    NOT NULL,
    business_key   TEXT,
    created        INTEGER NOT NULL,
    PRIMARY KEY (definition_key, key, tenant)
) STRICT, WITHOUT ROWID;

-- The timer start events of the newest versions: each waits for one firing, which begins one instance. The unit of work that does puts the next firing
-- in its place.
CREATE TABLE start_timer (
    id            BLOB    PRIMARY KEY,
    firing        INTEGER NOT NULL,
    definition_id TEXT    NOT NULL,
    activity_id   TEXT    NOT NULL,
    due           INTEGER NOT NULL,
    -- When it fires again, as the engine reads it; NULL: this firing is the last one.
    cycle         TEXT,
    retries       INTEGER NOT NULL,
    priority      INTEGER NOT NULL,
    suspended     INTEGER NOT NULL,
    failures      INTEGER NOT NULL,
    failure       TEXT,
    -- Of the last failure: its code, the element that failed, and JSON that explains it to operators when it was given up.
    code          TEXT,
    failed_activity TEXT,
    detail        TEXT,
    -- When it was given up, and how often that has happened to any of its firings: the number of its incident.
    given_up_at   INTEGER,
    given_up      INTEGER NOT NULL,
    -- When it began to wait for this firing.
    created       INTEGER NOT NULL,
    -- The host that is at it, in which of its epochs; as long as that lasts.
    locked_by     BLOB,
    locked_epoch  INTEGER
) STRICT;
CREATE INDEX start_timer_claimable ON start_timer (due, id) WHERE retries > 0;
CREATE INDEX start_timer_definition ON start_timer (definition_id);

-- Every sending of a domain command, written before it leaves. Outlives its instance.
CREATE TABLE ledger (
    tenant         TEXT    NOT NULL,
    command        TEXT    NOT NULL,
    key            TEXT    NOT NULL,
    attempt        INTEGER NOT NULL,
    generation     INTEGER NOT NULL,
    instance_id    BLOB    NOT NULL,
    -- The wait that its unit of work resumed: job, task, external_task or subscription.
    origin_kind    TEXT    NOT NULL,
    origin_wait    INTEGER NOT NULL,
    -- Which report of an escalation it was for; NULL: its unit ended the wait.
    origin_report  INTEGER,
    -- Digest that names the activity's entry.
    entry_key      TEXT    NOT NULL,
    activity_id    TEXT    NOT NULL,
    definition_id  TEXT    NOT NULL,
    request_digest TEXT    NOT NULL,
    -- Redacted.
    request        TEXT    NOT NULL,
    state          TEXT    NOT NULL CHECK (state IN ('open', 'applied', 'rejected', 'unavailable', 'unknown')),
    reply          TEXT,
    code           TEXT,
    message        TEXT,
    host           BLOB    NOT NULL,
    epoch          INTEGER NOT NULL,
    opened_at      INTEGER NOT NULL,
    closed_at      INTEGER,
    -- Its wait was gone when its outcome was written: nobody in the instance has taken it up.
    cancelled      INTEGER NOT NULL,
    -- A person has decided what was unknown: who, how they know, when. State and reply are theirs then, message and closed_at are not.
    verdict_by     TEXT,
    verdict_reason TEXT,
    verdict_at     INTEGER,
    PRIMARY KEY (tenant, command, key, attempt)
) STRICT;
-- What units that resume one wait have sent; no index may name a column that changes when an attempt is closed, or every index of the row is written again.
CREATE INDEX ledger_origin ON ledger (instance_id, origin_wait);
-- What a host that is gone may have left open.
CREATE INDEX ledger_host ON ledger (host, opened_at);

-- Its one row is held by the process that removes history, as on PostgreSQL.
CREATE TABLE history_cleanup (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    host  BLOB,
    epoch INTEGER
) STRICT;
INSERT INTO history_cleanup (id) VALUES (1);

-- How often somebody has changed job definitions: whoever makes jobs must know of all changes. Its one row is read in every transaction of a committer;
-- who counts a change up waits for those under way.
CREATE TABLE job_definition_changes (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    count INTEGER NOT NULL
) STRICT;
INSERT INTO job_definition_changes (id, count) VALUES (1, 0);

-- Where the clock stands that is set instead of the systems' clocks; no row: this database has never run under one.
CREATE TABLE set_clock (
    id  INTEGER PRIMARY KEY CHECK (id = 1),
    now INTEGER NOT NULL
) STRICT;

-- What operators have planned for a later date; gone when it is done. Reference: definitions are suspended and activated by it.
CREATE TABLE planned (
    id         BLOB PRIMARY KEY,
    -- The date that was asked for: the order of plans. It never changes.
    due        INTEGER NOT NULL,
    -- JSON of the runtime.
    change     TEXT NOT NULL,
    -- Of this definition only: the plan goes with it.
    definition_id TEXT,
    user_id    TEXT,
    annotation TEXT,
    created    INTEGER NOT NULL,
    -- When it is tried, at first the date; NULL when it was given up.
    next       INTEGER,
    attempts   INTEGER NOT NULL DEFAULT 0,
    failure    TEXT,
    -- The host that is at it; counts while its lease lasts in that epoch.
    locked_by    BLOB,
    locked_epoch INTEGER
) STRICT;
CREATE INDEX planned_due ON planned (due, created, id);
CREATE INDEX planned_next ON planned (next);

-- Signals on their way: a row for each receiver that there was when the signal was thrown, written with the throw. The unit of work that receives it
-- removes it, so that each gets it once; whoever finds nobody there any more removes it, too. And messages for which a receiver was found.
CREATE TABLE delivery (
    signal        BLOB    NOT NULL,
    n             INTEGER NOT NULL,
    -- signal or message
    kind          TEXT    NOT NULL,
    name          TEXT    NOT NULL,
    -- The wait that it is for, with its activity instance; none: it starts an instance of the definition.
    instance_id   BLOB,
    wait          INTEGER,
    activity      INTEGER,
    definition_id TEXT    NOT NULL,
    activity_id   TEXT    NOT NULL,
    -- JSON, and the business key of an instance that is started.
    variables     TEXT    NOT NULL,
    business_key  TEXT,
    -- How many throws led to it, each in the unit of work that took up the one before it.
    hops          INTEGER NOT NULL,
    -- Not tried before; without retries it is not tried.
    due           INTEGER NOT NULL,
    retries       INTEGER NOT NULL,
    failures      INTEGER NOT NULL,
    failure       TEXT,
    -- The element that failed.
    failed_activity TEXT,
    -- JSON that explains it to operators when it is given up.
    detail        TEXT,
    -- When its attempts came to an end the last time: since then, without retries, it is an incident.
    given_up_at   INTEGER,
    created       INTEGER NOT NULL,
    -- The host that is at it, in which of its epochs; as long as that lasts.
    locked_by     BLOB,
    locked_epoch  INTEGER,
    -- Whoever is to get it is suspended, and nobody looks at it until that is over.
    parked        INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (signal, n)
) STRICT, WITHOUT ROWID;
CREATE INDEX delivery_claimable ON delivery (due, signal, n) WHERE retries > 0 AND NOT parked;
CREATE INDEX delivery_parked ON delivery (instance_id, definition_id) WHERE parked;
-- What waits for an operator.
CREATE INDEX delivery_given_up ON delivery (definition_id) WHERE failures > 0 AND retries = 0;
CREATE INDEX delivery_failed ON delivery (COALESCE(instance_id, signal), n) WHERE failures > 0;

-- Messages along message flows, written with the unit of work that sends. Who gets one is looked for; then a delivery of its id stands beside it, and
-- both are removed by the unit that receives it. Without a delivery it waits until somebody does.
CREATE TABLE message (
    id            BLOB    PRIMARY KEY,
    name          TEXT    NOT NULL,
    sender_id     BLOB    NOT NULL,
    -- The process that gets it, by the definition that was deployed with the sender's: any version of it by what waits, this one if it starts.
    definition_id TEXT    NOT NULL,
    -- What waits there or starts; empty: whatever does.
    activity_id   TEXT    NOT NULL,
    -- Of who gets it; empty: of an instance without.
    business_key  TEXT    NOT NULL,
    -- Of who gets it, if he waits under one; NULL: none.
    correlation_key TEXT,
    variables     TEXT    NOT NULL,
    -- How many throws and sends led to it.
    hops          INTEGER NOT NULL,
    created       INTEGER NOT NULL,
    -- Nobody is looked for before; who begins to wait for it makes it due, and counts.
    due           INTEGER NOT NULL,
    woken         INTEGER NOT NULL,
    -- Why nobody was found.
    reason        TEXT
) STRICT;
CREATE INDEX message_due ON message (due, id);
CREATE INDEX message_address ON message (name, business_key);
CREATE INDEX message_correlation ON message (name, correlation_key) WHERE correlation_key IS NOT NULL;
CREATE INDEX message_definition ON message (definition_id);

-- ---------------------------------------------------------------- reference tables

CREATE TABLE deployment (
    id             TEXT    PRIMARY KEY,
    name           TEXT,
    source         TEXT,
    tenant         TEXT    NOT NULL,
    deployed_at    INTEGER NOT NULL,
    content_digest TEXT    NOT NULL,
    metadata       TEXT    NOT NULL
) STRICT;
CREATE INDEX deployment_newest ON deployment (tenant, name, deployed_at);

-- Components by the digest of their bytes.
CREATE TABLE artifact (
    digest  TEXT    PRIMARY KEY,
    created INTEGER NOT NULL,
    bytes   BLOB    NOT NULL
) STRICT;

CREATE TABLE resource (
    id            TEXT    PRIMARY KEY,
    deployment_id TEXT    NOT NULL REFERENCES deployment (id),
    name          TEXT    NOT NULL,
    size          INTEGER NOT NULL,
    -- One of these two: a component's bytes are kept once, as an artifact.
    bytes         BLOB,
    artifact      TEXT    REFERENCES artifact (digest),
    UNIQUE (deployment_id, name)
) STRICT;
CREATE INDEX resource_artifact ON resource (artifact) WHERE artifact IS NOT NULL;

CREATE TABLE delegate (
    deployment_id TEXT NOT NULL REFERENCES deployment (id),
    name          TEXT NOT NULL,
    version       TEXT NOT NULL,
    digest        TEXT NOT NULL REFERENCES artifact (digest),
    mandate       TEXT NOT NULL,
    -- JSON list of external-task topics.
    topics        TEXT NOT NULL,
    PRIMARY KEY (deployment_id, name)
) STRICT;
CREATE INDEX delegate_digest ON delegate (digest);

CREATE TABLE definition (
    id            TEXT    PRIMARY KEY,
    key           TEXT    NOT NULL,
    version       INTEGER NOT NULL,
    tenant        TEXT    NOT NULL,
    name          TEXT,
    version_tag   TEXT,
    -- Days for which the history of its ended instances is kept.
    history_ttl   INTEGER,
    -- What the model says of it besides: its file's namespace, whether task lists offer it, and who is to start it, between commas.
    category      TEXT,
    startable_in_tasklist INTEGER NOT NULL,
    starters      TEXT NOT NULL,
    deployment_id TEXT    NOT NULL REFERENCES deployment (id),
    resource_name TEXT    NOT NULL,
    identity      TEXT    NOT NULL,
    -- Where the ids of its elements begin.
    first_element INTEGER NOT NULL,
    suspended     INTEGER NOT NULL,
    UNIQUE (tenant, key, version)
) STRICT;
CREATE INDEX definition_deployment ON definition (deployment_id);
CREATE INDEX definition_key ON definition (key);

-- What history says of a definition's elements, once for all that happens at them. It stays when the definition is deleted and its history is not.
CREATE TABLE element (
    id            INTEGER PRIMARY KEY,
    definition_id TEXT    NOT NULL,
    activity_id   TEXT    NOT NULL,
    -- In the model.
    name          TEXT,
    kind          TEXT    NOT NULL,
    -- Which component does its work, by its digest.
    delegate      TEXT,
    digest        TEXT
) STRICT;
CREATE INDEX element_definition ON element (definition_id);

-- Definitions that are deleted and whose elements are not. History may have an instance of one that ended then, with this id, or later; none that ended
-- before, and none is added. The elements go when none is found any more, and that history goes first where it was deleted with the definition.
CREATE TABLE deleted_definition (
    definition_id TEXT    PRIMARY KEY,
    ended_at      INTEGER NOT NULL,
    instance_id   BLOB    NOT NULL,
    with_history  INTEGER NOT NULL
) STRICT;

-- The first id that no element has ever had, in its one row.
CREATE TABLE next_element (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    next INTEGER NOT NULL
) STRICT;
INSERT INTO next_element (id, next) VALUES (1, 1);

-- What a definition's references resolve to, for ever. It keeps the artifact when the delegate's deployment is deleted.
CREATE TABLE binding (
    definition_id TEXT NOT NULL REFERENCES definition (id),
    reference     TEXT NOT NULL,
    delegate      TEXT NOT NULL,
    version       TEXT NOT NULL,
    digest        TEXT NOT NULL REFERENCES artifact (digest),
    mandate       TEXT NOT NULL,
    PRIMARY KEY (definition_id, reference)
) STRICT;
CREATE INDEX binding_digest ON binding (digest);

-- What operators have said of the places of a model that make jobs: that their new jobs are suspended, or have another priority than the model says.
CREATE TABLE job_definition (
    definition_id TEXT    NOT NULL REFERENCES definition (id),
    activity_id   TEXT    NOT NULL,
    -- async-before, async-after or timer.
    kind          TEXT    NOT NULL,
    suspended     INTEGER NOT NULL,
    priority      INTEGER,
    PRIMARY KEY (definition_id, activity_id, kind)
) STRICT, WITHOUT ROWID;

-- What starts a process, besides its name: messages and signals by theirs, and conditions, which have none. Of the newest version of a key only, as
-- long as it is there: what an older one started by comes back when the newer is deleted.
CREATE TABLE start_event (
    definition_id TEXT NOT NULL REFERENCES definition (id),
    kind          TEXT NOT NULL,
    name          TEXT NOT NULL,
    activity_id   TEXT NOT NULL,
    PRIMARY KEY (definition_id, activity_id, kind, name)
) STRICT;
CREATE INDEX start_event_name ON start_event (name, kind);

-- ---------------------------------------------------------------- instance tables

-- One row per live instance. Every unit of work rewrites it, and changes no indexed column; an operator who suspends it does.
CREATE TABLE instance (
    id            BLOB    PRIMARY KEY,
    tenant        TEXT    NOT NULL,
    definition_id TEXT    NOT NULL,
    business_key  TEXT,
    started_at    INTEGER NOT NULL,
    revision      INTEGER NOT NULL,
    last_unit     BLOB    NOT NULL,
    suspended     INTEGER NOT NULL,
    snapshot      BLOB    NOT NULL,
    -- How many rows of instance_part belong to it.
    parts         INTEGER NOT NULL,
    -- The instance that called it, the call activity where that waits for it, by id and by number, and the instance at the root of all calls; NULL if
    -- nobody called it. None of them ever changes: so this row is also the row of its caller's wait.
    super_instance  BLOB,
    super_activity  TEXT,
    super_n         INTEGER,
    root_instance   BLOB,
    -- The job that a host runs from memory, as the columns of the table job have it. It was locked by the unit that made it and is as a rule gone
    -- with the next one, so that it costs no row of its own. It changes with the revision only.
    job_wait        INTEGER,
    job_activity    INTEGER,
    job_activity_id TEXT,
    job_kind        TEXT,
    job_due         INTEGER,
    job_retries     INTEGER,
    job_exclusive   INTEGER,
    -- NULL is 0, and active.
    job_priority    INTEGER,
    job_suspended   INTEGER,
    job_created     INTEGER,
    job_host        BLOB,
    job_epoch       INTEGER
) STRICT;
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
    instance_id BLOB    NOT NULL,
    activity    INTEGER NOT NULL,
    -- Empty for the activity itself with its waits.
    variable    TEXT    NOT NULL,
    bytes       BLOB    NOT NULL,
    PRIMARY KEY (instance_id, activity, variable)
) STRICT, WITHOUT ROWID;

CREATE TABLE job (
    instance_id     BLOB    NOT NULL,
    wait            INTEGER NOT NULL,
    -- The activity instance it belongs to, as in the tables below: Camunda's execution.
    activity        INTEGER NOT NULL,
    activity_id     TEXT    NOT NULL,
    kind            TEXT    NOT NULL,
    definition_id   TEXT    NOT NULL,
    due             INTEGER NOT NULL,
    retries         INTEGER NOT NULL,
    failures        INTEGER NOT NULL,
    exclusive       INTEGER NOT NULL,
    -- The higher, the sooner it is claimed.
    priority        INTEGER NOT NULL,
    -- An exclusive job that is not its instance's next: nobody claims it before a unit of work makes it the next one.
    behind          INTEGER NOT NULL,
    created         INTEGER NOT NULL,
    failure         TEXT,
    failed_activity TEXT,
    suspended       INTEGER NOT NULL,
    -- The host that runs it, in which of its epochs.
    locked_by       BLOB,
    locked_epoch    INTEGER,
    -- Hosts that died while they had it locked, since its last outcome.
    takeovers       INTEGER NOT NULL,
    PRIMARY KEY (instance_id, wait)
) STRICT, WITHOUT ROWID;
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
    instance_id      BLOB    NOT NULL,
    wait             INTEGER NOT NULL,
    activity         INTEGER NOT NULL,
    activity_id      TEXT    NOT NULL,
    name             TEXT,
    definition_id    TEXT    NOT NULL,
    assignee         TEXT,
    owner            TEXT,
    delegation       TEXT,
    -- JSON lists, as task_candidate has them for queries.
    candidate_users  TEXT    NOT NULL,
    candidate_groups TEXT    NOT NULL,
    due              INTEGER,
    follow_up        INTEGER,
    priority         INTEGER NOT NULL,
    created          INTEGER NOT NULL,
    -- When somebody changed it last; NULL: nobody has.
    updated          INTEGER,
    form_key         TEXT,
    description      TEXT,
    suspended        INTEGER NOT NULL,
    PRIMARY KEY (instance_id, wait)
) STRICT;
CREATE INDEX task_assignee ON task (assignee) WHERE assignee IS NOT NULL;
CREATE INDEX task_owner ON task (owner) WHERE owner IS NOT NULL;
CREATE INDEX task_created ON task (created);
CREATE INDEX task_updated ON task (updated) WHERE updated IS NOT NULL;
CREATE INDEX task_due ON task (due) WHERE due IS NOT NULL;

CREATE TABLE task_candidate (
    instance_id BLOB    NOT NULL,
    wait        INTEGER NOT NULL,
    is_group    INTEGER NOT NULL,
    name        TEXT    NOT NULL,
    PRIMARY KEY (instance_id, wait, is_group, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX task_candidate_name ON task_candidate (name, is_group);

-- Work that workers fetch over REST. Fetching writes the last two columns and nothing else: no unit of work, no snapshot.
CREATE TABLE external_task (
    instance_id   BLOB    NOT NULL,
    wait          INTEGER NOT NULL,
    activity      INTEGER NOT NULL,
    activity_id   TEXT    NOT NULL,
    topic         TEXT    NOT NULL,
    definition_id TEXT    NOT NULL,
    priority      INTEGER NOT NULL,
    -- Attempts left, as the last failure said; NULL: it has never failed.
    retries       INTEGER,
    failures      INTEGER NOT NULL,
    failure       TEXT,
    details       TEXT,
    created       INTEGER NOT NULL,
    -- The instance's, which never change: workers ask for them.
    tenant        TEXT    NOT NULL,
    business_key  TEXT,
    suspended     INTEGER NOT NULL,
    -- Who fetched it last.
    worker_id     TEXT,
    -- Nobody fetches it before: until then it is locked, or rests after a failure. Of one that nobody has: when it was created or given back.
    lock_until    INTEGER NOT NULL,
    PRIMARY KEY (instance_id, wait)
) STRICT, WITHOUT ROWID;
-- What workers fetch from, in its order.
CREATE INDEX external_task_fetchable ON external_task (topic, priority DESC, lock_until) WHERE NOT suspended AND (retries IS NULL OR retries > 0);
-- What waits for an operator.
CREATE INDEX external_task_failed ON external_task (definition_id) WHERE retries = 0;

CREATE TABLE subscription (
    instance_id   BLOB    NOT NULL,
    wait          INTEGER NOT NULL,
    activity      INTEGER NOT NULL,
    activity_id   TEXT    NOT NULL,
    -- message, signal or conditional; and the name, which a condition does not have.
    kind          TEXT    NOT NULL,
    name          TEXT    NOT NULL,
    -- A boundary event's or an event sub-process's: not what its activity itself waits for.
    of_event      INTEGER NOT NULL,
    definition_id TEXT    NOT NULL,
    created       INTEGER NOT NULL,
    -- The instance's, which never change: a message finds its receiver by one index.
    tenant        TEXT    NOT NULL,
    business_key  TEXT,
    -- What tells it from other waits for the message; NULL: nothing.
    correlation_key TEXT,
    PRIMARY KEY (instance_id, wait)
) STRICT, WITHOUT ROWID;
-- The last column is for those without one: a message that has a key of its own looks past any number of waits that are told apart by theirs.
CREATE INDEX subscription_name ON subscription (name, kind, business_key, correlation_key);
-- The few that are told apart by a key of their own.
CREATE INDEX subscription_correlation ON subscription (name, correlation_key) WHERE correlation_key IS NOT NULL;

-- Open incidents; history_incident has the resolved ones too.
CREATE TABLE incident (
    instance_id   BLOB    NOT NULL,
    n             INTEGER NOT NULL,
    wait          INTEGER,
    activity      INTEGER NOT NULL,
    -- Where it stands: of the job, the external task or the join.
    activity_id   TEXT    NOT NULL,
    -- What failed, if anything has.
    failed_activity_id TEXT,
    -- Of the job, if a model asks for it.
    job_definition_id TEXT,
    definition_id TEXT    NOT NULL,
    code          TEXT    NOT NULL,
    message       TEXT    NOT NULL,
    attempt       INTEGER NOT NULL,
    created       INTEGER NOT NULL,
    detail        TEXT    NOT NULL,
    PRIMARY KEY (instance_id, n)
) STRICT;
CREATE INDEX incident_definition ON incident (definition_id, instance_id, n);
CREATE INDEX incident_created ON incident (created, instance_id, n);

-- Timer start events without attempts left: of no instance, and so at no activity instance.
CREATE VIEW start_timer_incident AS
    SELECT t.id AS instance_id, t.given_up AS n, t.firing AS wait, CAST(0 AS INTEGER) AS activity, t.activity_id, t.failed_activity AS failed_activity_id,
        t.definition_id || ':' || t.activity_id || ':timer' AS job_definition_id, t.definition_id, COALESCE(t.code, 'INTERNAL_ERROR') AS code,
        COALESCE(t.failure, 'its retries were set to 0') AS message, t.failures AS attempt, COALESCE(t.given_up_at, t.created) AS created,
        COALESCE(t.detail, '') AS detail FROM start_timer t WHERE t.retries = 0;

-- Signals that could not be delivered, as long as their receivers are there. An instance that is to be started has no activity instance yet: 0.
CREATE VIEW undelivered_incident AS
    SELECT COALESCE(t.instance_id, t.signal) AS instance_id, t.n, t.n AS wait, COALESCE(t.activity, 0) AS activity, t.activity_id,
        COALESCE(t.failed_activity, t.activity_id) AS failed_activity_id, NULL AS job_definition_id, t.definition_id, 'UNDELIVERED' AS code,
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
    instance_id    BLOB    PRIMARY KEY,
    tenant         TEXT    NOT NULL,
    definition_id  TEXT    NOT NULL,
    -- Kept apart from the definition, which may be deleted before its history.
    definition_key TEXT    NOT NULL,
    business_key   TEXT,
    start_activity TEXT,
    started_at     INTEGER NOT NULL,
    ended_at       INTEGER,
    state          TEXT    NOT NULL,
    reason         TEXT,
    -- When its history is to be removed, known since it ended; none: never.
    removal_at     INTEGER,
    -- As the table instance has them.
    super_instance BLOB,
    super_activity TEXT,
    super_n        INTEGER,
    root_instance  BLOB,
    -- Who started it, as they said; nobody checks it.
    started_by     TEXT
) STRICT;
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
    instance_id BLOB    NOT NULL,
    n           INTEGER NOT NULL,
    parent      INTEGER NOT NULL,
    element     INTEGER NOT NULL,
    started_at  INTEGER NOT NULL,
    ended_at    INTEGER,
    canceled    INTEGER NOT NULL,
    -- No flow led on from it: its token's way in its scope was over.
    complete_scope INTEGER NOT NULL,
    -- Which attempt of its element's delegate did it; NULL: none.
    attempt     INTEGER,
    -- The instance that a call activity called.
    called      BLOB,
    PRIMARY KEY (instance_id, n)
) STRICT, WITHOUT ROWID;
-- What lists of many instances' activities are made by. Whoever filters them by what is rare reads more than a page of an index.
CREATE INDEX history_activity_started ON history_activity (started_at);
CREATE INDEX history_activity_ended ON history_activity (ended_at);
-- What stands at an element: few among any number of instances, or very many.
CREATE INDEX history_activity_open ON history_activity (element, instance_id, n) WHERE ended_at IS NULL;
CREATE INDEX history_activity_canceled ON history_activity (instance_id, n) WHERE canceled;

-- The latest value of every variable.
CREATE TABLE history_variable (
    instance_id BLOB    NOT NULL,
    scope       INTEGER NOT NULL,
    name        TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    json        TEXT    NOT NULL,
    removed     INTEGER NOT NULL,
    created     INTEGER NOT NULL,
    updated     INTEGER NOT NULL,
    PRIMARY KEY (instance_id, scope, name)
) STRICT;

-- Every change of a variable: history level full.
CREATE TABLE history_variable_update (
    instance_id BLOB    NOT NULL,
    -- The revision that the unit made, and the change's place in it.
    revision    INTEGER NOT NULL,
    ordinal     INTEGER NOT NULL,
    scope       INTEGER NOT NULL,
    name        TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    json        TEXT    NOT NULL,
    removed     INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    PRIMARY KEY (instance_id, revision, ordinal)
) STRICT;

CREATE TABLE history_task (
    instance_id   BLOB    NOT NULL,
    wait          INTEGER NOT NULL,
    activity      INTEGER NOT NULL,
    activity_id   TEXT    NOT NULL,
    name          TEXT,
    definition_id TEXT    NOT NULL,
    assignee      TEXT,
    owner         TEXT,
    description   TEXT,
    due           INTEGER,
    follow_up     INTEGER,
    priority      INTEGER NOT NULL,
    created       INTEGER NOT NULL,
    -- As the table task has it.
    updated       INTEGER,
    ended_at      INTEGER,
    PRIMARY KEY (instance_id, wait)
) STRICT;

-- Everybody who ever had to do with a user task: its assignees, its owners, and the users and groups that could claim it.
CREATE TABLE history_task_link (
    instance_id BLOB    NOT NULL,
    wait        INTEGER NOT NULL,
    -- assignee or owner; user or group of a candidate.
    kind        TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    PRIMARY KEY (instance_id, wait, kind, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX history_task_link_name ON history_task_link (name, kind);

CREATE TABLE history_incident (
    instance_id   BLOB    NOT NULL,
    n             INTEGER NOT NULL,
    wait          INTEGER,
    activity      INTEGER NOT NULL,
    activity_id   TEXT    NOT NULL,
    failed_activity_id TEXT,
    job_definition_id TEXT,
    definition_id TEXT    NOT NULL,
    code          TEXT    NOT NULL,
    message       TEXT    NOT NULL,
    attempt       INTEGER NOT NULL,
    created       INTEGER NOT NULL,
    detail        TEXT    NOT NULL,
    ended_at      INTEGER,
    -- What had failed was cancelled; else it was resolved.
    deleted       INTEGER NOT NULL,
    -- Of one that is of no instance: when it is to be removed, known since it ended; none: never.
    removal_at    INTEGER,
    PRIMARY KEY (instance_id, n)
) STRICT;
CREATE INDEX history_incident_definition ON history_incident (definition_id, instance_id, n);
CREATE INDEX history_incident_created ON history_incident (created, instance_id, n);
CREATE INDEX history_incident_resolved ON history_incident (instance_id, n) WHERE ended_at IS NOT NULL AND NOT deleted;
-- Of signals and messages that were to start an instance: there is none.
CREATE INDEX history_incident_start ON history_incident (instance_id, n) WHERE activity = 0;
CREATE INDEX history_incident_removal ON history_incident (removal_at, instance_id, n) WHERE removal_at IS NOT NULL;

-- Whoever has called the instance of an incident, or has called who has, has it as well: at its call activity.
CREATE TABLE history_incident_caller (
    instance_id   BLOB    NOT NULL,
    -- The incident, and who of those that this one has called has it, too.
    root          BLOB    NOT NULL,
    n             INTEGER NOT NULL,
    called        BLOB    NOT NULL,
    activity      INTEGER NOT NULL,
    activity_id   TEXT    NOT NULL,
    definition_id TEXT    NOT NULL,
    PRIMARY KEY (instance_id, root, n)
) STRICT;
CREATE INDEX history_incident_caller_definition ON history_incident_caller (definition_id, instance_id, root, n);
CREATE INDEX history_incident_caller_root ON history_incident_caller (root, n);

-- Instances whose history is being removed: they are not in history_instance any more, and what was beside that row is not all gone yet.
CREATE TABLE history_remains (
    instance_id BLOB    PRIMARY KEY,
    -- The longest first.
    since       INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX history_remains_since ON history_remains (since, instance_id);

-- What operators did, one row for every property that they changed; the rows of one operation share its id. They go with their instance's history.
-- Those of no instance (its id is all ones), and the one that says that a history was deleted, stay.
CREATE TABLE history_operation (
    instance_id    BLOB    NOT NULL,
    operation      BLOB    NOT NULL,
    ordinal        INTEGER NOT NULL,
    at             INTEGER NOT NULL,
    -- Who they said they were; nobody checks it.
    user_id        TEXT,
    annotation     TEXT,
    operation_type TEXT    NOT NULL,
    entity_type    TEXT    NOT NULL,
    category       TEXT    NOT NULL,
    property       TEXT,
    org_value      TEXT,
    new_value      TEXT,
    tenant         TEXT    NOT NULL,
    definition_id  TEXT,
    definition_key TEXT,
    deployment_id  TEXT,
    activity       INTEGER,
    -- The task, job or external task, as the type of the entity says.
    wait           INTEGER,
    -- Of the job, or what it is.
    job_definition_id TEXT,
    PRIMARY KEY (instance_id, operation, ordinal)
) STRICT, WITHOUT ROWID;
CREATE INDEX history_operation_at ON history_operation (at);
CREATE INDEX history_operation_job_definition ON history_operation (job_definition_id, at) WHERE job_definition_id IS NOT NULL;
CREATE INDEX history_operation_id ON history_operation (operation);
