-- Owned by: portal (src/passes.rs). Which sessions may have lost something, whoever took it, so that a server asks
-- about these and not about everybody whose sockets are open. Rows stay: a few per browser that signs out.

CREATE TABLE session_losses (
    session_id  uuid NOT NULL,
    -- The transaction that took it. Of a sequence, a number may become visible after a later one has been seen,
    -- and be passed over; of transactions a snapshot says which it does not see yet.
    lost_by     bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint
);
CREATE INDEX session_losses_in_order ON session_losses (lost_by);

-- Finds the sessions that have expired since the last question; time tells nobody.
CREATE INDEX sessions_expiring ON sessions (expires_at);

CREATE FUNCTION note_session_loss() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        INSERT INTO session_losses (session_id) SELECT DISTINCT session_id FROM session_doors;
    ELSIF TG_TABLE_NAME = 'sessions' THEN
        INSERT INTO session_losses (session_id) VALUES (OLD.id);
    ELSE
        INSERT INTO session_losses (session_id) VALUES (OLD.session_id);
    END IF;
    RETURN NULL;
END $$;

-- A session that is deleted takes its doors along, and so does a proxy.
CREATE TRIGGER doors_closed_are_noted AFTER DELETE OR UPDATE OF session_id, amphi_id, role, call_rank
    ON session_doors FOR EACH ROW EXECUTE FUNCTION note_session_loss();
CREATE TRIGGER doors_emptied_are_noted BEFORE TRUNCATE
    ON session_doors FOR EACH STATEMENT EXECUTE FUNCTION note_session_loss();
CREATE TRIGGER sessions_shortened_are_noted AFTER UPDATE OF expires_at
    ON sessions FOR EACH ROW EXECUTE FUNCTION note_session_loss();
