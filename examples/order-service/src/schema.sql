-- The order service's tables, one text for SQLite and PostgreSQL. {identity} is the dialect's ever growing key.
-- Flags are 0 or 1, instants are milliseconds since 1970 UTC, JSON is text: the three types both databases share.

CREATE TABLE IF NOT EXISTS orders (
    order_id            TEXT PRIMARY KEY,
    tenant_id           TEXT NOT NULL,
    customer_id         TEXT NOT NULL,
    correlation_id      TEXT NOT NULL,
    request_digest      TEXT NOT NULL,   -- of the request that created it, to recognise a repeated one
    version             BIGINT NOT NULL, -- the optimistic lock
    state               TEXT NOT NULL,
    needs_review        BIGINT NOT NULL,
    priority            BIGINT NOT NULL,
    handling            TEXT NOT NULL,   -- WHOLE, BY_LINE or CANCELLABLE
    quote               TEXT,            -- JSON; none: nothing to approve
    items               TEXT NOT NULL,
    approved            BIGINT NOT NULL,
    validated           BIGINT NOT NULL,
    decomposed          BIGINT NOT NULL,
    submitted           BIGINT NOT NULL,
    billing_active      BIGINT NOT NULL,
    told                BIGINT NOT NULL,
    notified            BIGINT NOT NULL,
    completed           BIGINT NOT NULL,
    cancelled           BIGINT NOT NULL,
    process_instance_id TEXT,
    created_ms          BIGINT NOT NULL
);
CREATE INDEX IF NOT EXISTS orders_state ON orders (state, order_id);

CREATE TABLE IF NOT EXISTS order_line (
    order_id  TEXT NOT NULL,
    line_id   TEXT NOT NULL,
    position  BIGINT NOT NULL,
    product   TEXT NOT NULL,
    quantity  BIGINT NOT NULL,
    reserved  BIGINT NOT NULL,
    mandatory BIGINT NOT NULL,
    state     TEXT NOT NULL,
    site      TEXT,
    submitted BIGINT NOT NULL,
    told      BIGINT NOT NULL,
    PRIMARY KEY (order_id, line_id)
);

CREATE TABLE IF NOT EXISTS fallout (
    order_id   TEXT NOT NULL,
    fallout_id TEXT NOT NULL,
    position   BIGINT NOT NULL,
    reason     TEXT NOT NULL,
    line_id    TEXT,
    blocking   BIGINT NOT NULL,
    is_open    BIGINT NOT NULL,
    PRIMARY KEY (order_id, fallout_id)
);

-- What changed from what to what, by which command.
CREATE TABLE IF NOT EXISTS transition_log (
    seq           {identity},
    order_id      TEXT NOT NULL,
    order_version BIGINT NOT NULL,
    line_id       TEXT,
    from_state    TEXT NOT NULL,
    to_state      TEXT NOT NULL,
    command       TEXT NOT NULL,
    command_key   TEXT NOT NULL,
    at_ms         BIGINT NOT NULL
);
CREATE INDEX IF NOT EXISTS transition_log_order ON transition_log (order_id, seq);

-- What an auditor asks for: which decision was taken, on what grounds.
CREATE TABLE IF NOT EXISTS evidence (
    seq           {identity},
    order_id      TEXT NOT NULL,
    order_version BIGINT NOT NULL,
    kind          TEXT NOT NULL,
    data          TEXT NOT NULL,
    command       TEXT NOT NULL,
    command_key   TEXT NOT NULL,
    at_ms         BIGINT NOT NULL
);
CREATE INDEX IF NOT EXISTS evidence_order ON evidence (order_id, seq);

-- The outbox of business facts: other systems read it as a feed (GET /facts), each at its own pace.
CREATE TABLE IF NOT EXISTS fact (
    seq           {identity},
    kind          TEXT NOT NULL,
    order_id      TEXT NOT NULL,
    order_version BIGINT NOT NULL,
    data          TEXT NOT NULL,
    at_ms         BIGINT NOT NULL
);

-- One row for each key: what makes a command idempotent.
CREATE TABLE IF NOT EXISTS command_log (
    tenant_id   TEXT NOT NULL,
    command     TEXT NOT NULL,
    command_key TEXT NOT NULL,
    order_id    TEXT NOT NULL,
    digest      TEXT NOT NULL,
    outcome     TEXT NOT NULL,   -- APPLIED or REJECTED; PENDING only within the transaction that decides
    reply       TEXT NOT NULL,
    calls       BIGINT NOT NULL,
    first_ms    BIGINT NOT NULL,
    last_ms     BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, command, command_key)
);
CREATE INDEX IF NOT EXISTS command_log_key ON command_log (command_key);

-- One row for each real application. It has no unique key on purpose: were a command applied twice, it would show.
CREATE TABLE IF NOT EXISTS effect (
    seq         {identity},
    tenant_id   TEXT NOT NULL,
    command     TEXT NOT NULL,
    command_key TEXT NOT NULL,
    order_id    TEXT NOT NULL,
    subject     TEXT NOT NULL,   -- the line, or the order itself
    origin      TEXT NOT NULL,   -- HTTP, or SERVICE for the service's own fulfilment
    at_ms       BIGINT NOT NULL
);
CREATE INDEX IF NOT EXISTS effect_key ON effect (command, command_key);

-- What the service still has to do outside, written in the transaction that decided it.
CREATE TABLE IF NOT EXISTS outbox (
    id         TEXT PRIMARY KEY,
    kind       TEXT NOT NULL,    -- START, FULFILL, CALLBACK, FULFILL_LINE, TELL_LINE or REQUEST_CANCELLATION
    order_id   TEXT NOT NULL,
    payload    TEXT NOT NULL,
    state      TEXT NOT NULL,    -- PENDING, DONE or DROPPED
    due_ms     BIGINT NOT NULL,
    attempts   BIGINT NOT NULL,
    last_error TEXT,
    created_ms BIGINT NOT NULL
);
CREATE INDEX IF NOT EXISTS outbox_due ON outbox (state, due_ms);
CREATE INDEX IF NOT EXISTS outbox_order ON outbox (order_id, state);
