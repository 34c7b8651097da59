-- Owned by: engine (src/journal). The journal of every amphi, its ownership, and the last line of
-- defence: no seat and no person is ever assigned twice, whatever the server believes.

-- One server process. Its session holds the advisory lock (lock_class, key) as long as it lives, so
-- that a successor knows at once, without waiting for a lease to run out, that it is gone.
CREATE TABLE servers (
    key         bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    started_at  timestamptz NOT NULL DEFAULT now(),
    -- Last heartbeat, in the server's own clock (ms since 1970): "certainly in service until then" (A10).
    seen_at_ms  bigint NOT NULL
);

CREATE TABLE amphis (
    id          uuid PRIMARY KEY,
    title       text NOT NULL,
    period      text NOT NULL CHECK (period ~ '^[0-9]{4}-(05|11)$'),
    created_at  timestamptz NOT NULL DEFAULT now(),
    -- Ownership: a write that carries another epoch than this one fails.
    epoch       bigint NOT NULL DEFAULT 0,
    owner       bigint REFERENCES servers (key)
);

-- What has happened, chained by SHA-256. Never updated, never deleted.
CREATE TABLE events (
    amphi_id    uuid NOT NULL REFERENCES amphis (id),
    seq         bigint NOT NULL CHECK (seq > 0),
    epoch       bigint NOT NULL,
    -- Null for the later events of one command, and for what the engine does by itself.
    command_id  uuid,
    at_ms       bigint NOT NULL,
    actor       text NOT NULL,
    -- Text, not jsonb: the hash is over these very bytes.
    payload     text NOT NULL,
    hash        bytea NOT NULL CHECK (octet_length(hash) = 32),
    PRIMARY KEY (amphi_id, seq)
);
CREATE UNIQUE INDEX events_command_id ON events (amphi_id, command_id) WHERE command_id IS NOT NULL;

-- Finds the amphis that have ended without reading every entry.
CREATE INDEX events_ending ON events (amphi_id)
    WHERE payload LIKE '{"type":"closed"%' OR payload LIKE '{"type":"annulled"%';

CREATE FUNCTION refuse_change_of_journal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the journal is never changed';
END $$;
CREATE TRIGGER events_are_final BEFORE UPDATE OR DELETE ON events
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_journal();

-- Who holds what, now. `released_seq` is set when a choice is annulled; the row stays readable.
CREATE TABLE assignments (
    amphi_id     uuid NOT NULL,
    seq          bigint NOT NULL,
    post         integer NOT NULL,
    seat         integer NOT NULL,
    period       text NOT NULL,
    intern_id    uuid NOT NULL,
    released_seq bigint,
    PRIMARY KEY (amphi_id, seq),
    FOREIGN KEY (amphi_id, seq) REFERENCES events (amphi_id, seq)
);
CREATE UNIQUE INDEX assignments_one_per_seat ON assignments (amphi_id, post, seat) WHERE released_seq IS NULL;
-- Spans amphis: nobody holds two placements for one period (3.1).
CREATE UNIQUE INDEX assignments_one_per_person ON assignments (period, intern_id) WHERE released_seq IS NULL;
