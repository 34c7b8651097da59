-- Owned by: portal (src/retention.rs), which forgets what these columns date.

-- A session that lasts longer than before has lost nothing (src/passes.rs).
CREATE OR REPLACE TRIGGER sessions_shortened_are_noted AFTER UPDATE OF expires_at
    ON sessions FOR EACH ROW WHEN (NEW.expires_at < OLD.expires_at) EXECUTE FUNCTION note_session_loss();

-- Rows stay no longer: after a day each server has heard of them, or asks about everybody. No index by this: what
-- one day leaves is read in a moment.
ALTER TABLE session_losses ADD COLUMN noted_at timestamptz NOT NULL DEFAULT now();

-- What was written about a proxy goes when the proxy does, as its form says. Mails of proxies that are gone already
-- go with this migration.
ALTER TABLE outbox ADD COLUMN proxy_id uuid REFERENCES proxies (id) ON DELETE CASCADE;
UPDATE outbox SET proxy_id = proxies.id FROM proxies
    WHERE kind IN ('proxy_given', 'proxy_code', 'proxy_ended')
      AND proxies.id::text = split_part(dedupe_key, ':', 4);
DELETE FROM outbox WHERE kind IN ('proxy_given', 'proxy_code', 'proxy_ended') AND proxy_id IS NULL;
CREATE INDEX outbox_of_proxy ON outbox (proxy_id) WHERE proxy_id IS NOT NULL;

-- When it was given up last; says nothing while it waits, or once it is sent. Of those that are given up already
-- nobody knows when: their time begins now.
ALTER TABLE outbox ADD COLUMN given_up_at timestamptz;
UPDATE outbox SET given_up_at = now() WHERE next_attempt_at IS NULL AND sent_at IS NULL;
CREATE INDEX outbox_given_up_with_body ON outbox (given_up_at)
    WHERE next_attempt_at IS NULL AND sent_at IS NULL AND body_text <> '';

-- Finds the mails that still say to whom; of the others the row stays, for the counts and for its key.
CREATE INDEX outbox_named ON outbox (created_at) WHERE recipient <> '';
