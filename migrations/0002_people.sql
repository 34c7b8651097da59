-- Owned by: portal (src/people.rs, src/sessions.rs). Everything that names a person; the journal does not.

CREATE TABLE interns (
    id          uuid PRIMARY KEY,
    email       text NOT NULL UNIQUE,
    last_name   text NOT NULL,
    first_name  text NOT NULL,
    phone       text,
    created_at  timestamptz NOT NULL DEFAULT now()
);

-- Who stands at which rank of which amphi; written with the draft, frozen with it.
CREATE TABLE roster (
    amphi_id    uuid NOT NULL REFERENCES amphis (id),
    call_rank   integer NOT NULL CHECK (call_rank > 0),
    intern_id   uuid NOT NULL REFERENCES interns (id),
    PRIMARY KEY (amphi_id, call_rank),
    UNIQUE (amphi_id, intern_id)
);

-- What this site is: the key that signs personal links, made at the first start, and the address under
-- which the server that started last is reached. One row.
CREATE TABLE site (
    id          integer PRIMARY KEY CHECK (id = 1),
    link_key    bytea NOT NULL CHECK (octet_length(link_key) = 32),
    public_url  text
);

-- One row per browser that has opened a link. The cookie holds the secret, this table its hash.
CREATE TABLE sessions (
    id          uuid PRIMARY KEY,
    secret_hash bytea NOT NULL UNIQUE,
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz NOT NULL
);

-- The doors this browser has opened. Several per browser: a person may hold several.
CREATE TABLE session_doors (
    session_id  uuid NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    amphi_id    uuid NOT NULL REFERENCES amphis (id),
    role        text NOT NULL CHECK (role IN ('intern', 'administrator', 'spectator')),
    -- The intern's rank; 0 for the other roles.
    call_rank   integer NOT NULL DEFAULT 0,
    PRIMARY KEY (session_id, amphi_id, role, call_rank)
);
