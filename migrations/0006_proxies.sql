-- Owned by: portal (src/proxies). Who holds a proxy (A5, 3.4), and what they have shown. Whether a proxy is
-- in force is not here: the journal says so, and this table follows it.

CREATE TABLE proxies (
    -- The proxy of the journal, and the command by which the intern gave it: a form sent twice is one proxy.
    id              uuid PRIMARY KEY,
    amphi_id        uuid NOT NULL REFERENCES amphis (id),
    -- The principal's rank.
    call_rank       integer NOT NULL CHECK (call_rank > 0),
    holder_name     text NOT NULL,
    holder_email    text NOT NULL,
    holder_phone    text NOT NULL,
    instructions    text NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    -- SHA-256 of the secret in the link that was sent last; null before the first and after the end.
    secret_hash     bytea UNIQUE CHECK (octet_length(secret_hash) = 32),
    links_sent      integer NOT NULL DEFAULT 0,
    link_sent_at    timestamptz,
    -- SHA-256 of the code that was sent last, bound to this proxy; null once it has served.
    code_hash       bytea CHECK (octet_length(code_hash) = 32),
    code_sent_at    timestamptz,
    code_expires_at timestamptz,
    code_attempts   integer NOT NULL DEFAULT 0,
    -- Since the last link.
    codes_sent      integer NOT NULL DEFAULT 0,
    -- When the holder first showed a code.
    confirmed_at    timestamptz,
    -- When the table learned that the journal has ended it.
    ended_at        timestamptz,
    CHECK (ended_at IS NULL OR (secret_hash IS NULL AND code_hash IS NULL))
);
CREATE INDEX proxies_of_rank ON proxies (amphi_id, call_rank, created_at);
CREATE INDEX proxies_alive ON proxies (amphi_id) WHERE ended_at IS NULL;

-- The signed documents; the journal names the one that counts by its SHA-256.
CREATE TABLE proxy_documents (
    proxy_id        uuid NOT NULL REFERENCES proxies (id) ON DELETE CASCADE,
    sha256          bytea NOT NULL CHECK (octet_length(sha256) = 32),
    kind            text NOT NULL CHECK (kind IN ('application/pdf', 'image/jpeg', 'image/png')),
    bytes           bytea NOT NULL CHECK (octet_length(bytes) BETWEEN 1 AND 5 * 1024 * 1024),
    filed_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (proxy_id, sha256)
);

-- A browser may hold several proxies: one per rank, the one opened last.
ALTER TABLE session_doors DROP CONSTRAINT session_doors_role_check;
ALTER TABLE session_doors ADD CONSTRAINT session_doors_role_check
    CHECK (role IN ('intern', 'holder', 'administrator', 'spectator'));
ALTER TABLE session_doors ADD COLUMN proxy_id uuid REFERENCES proxies (id) ON DELETE CASCADE;
ALTER TABLE session_doors ADD CONSTRAINT session_doors_holder_has_proxy
    CHECK ((role = 'holder') = (proxy_id IS NOT NULL));
CREATE INDEX session_doors_of_proxy ON session_doors (proxy_id) WHERE proxy_id IS NOT NULL;
