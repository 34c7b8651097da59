-- Owned by: portal (src/mail). Mails on their way, and what people were last told.

-- One row per mail, written with whatever causes it, sent afterwards. The key says what the mail is
-- about ("convocation:AMPHI:RANK"): whoever writes it twice has written it once.
CREATE TABLE outbox (
    id              uuid PRIMARY KEY,
    amphi_id        uuid NOT NULL REFERENCES amphis (id),
    -- Whose turn it is about, if it is about one.
    call_rank       integer CHECK (call_rank > 0),
    kind            text NOT NULL,
    recipient       text NOT NULL,
    recipient_name  text NOT NULL,
    subject         text NOT NULL,
    -- Emptied once the mail is sent: links and codes open doors, and are nobody's business here any more.
    body_text       text NOT NULL,
    body_html       text NOT NULL,
    calendar        text,
    calendar_method text CHECK (calendar_method IN ('REQUEST', 'CANCEL')),
    dedupe_key      text NOT NULL UNIQUE,
    created_at      timestamptz NOT NULL,
    -- How often a server has refused this mail.
    attempts        integer NOT NULL DEFAULT 0,
    -- Null once it is sent, or given up.
    next_attempt_at timestamptz,
    sent_at         timestamptz,
    last_error      text,
    CHECK (sent_at IS NULL OR next_attempt_at IS NULL),
    CHECK ((calendar IS NULL) = (calendar_method IS NULL) OR sent_at IS NOT NULL)
);
CREATE INDEX outbox_due ON outbox (next_attempt_at, id) WHERE next_attempt_at IS NOT NULL;
CREATE INDEX outbox_of_amphi ON outbox (amphi_id);

-- How far the journal of each amphi has been read for mails; moved on in the transaction that writes them.
CREATE TABLE mail_cursor (
    amphi_id    uuid PRIMARY KEY REFERENCES amphis (id),
    seq         bigint NOT NULL CHECK (seq >= 0),
    -- Published and not over: somebody may have to be told that their time has moved.
    watched     boolean NOT NULL
);
CREATE INDEX mail_cursor_watched ON mail_cursor (amphi_id) WHERE watched;

-- The passage time that each person was last told, in the amphi's own clock (ms since 1970).
CREATE TABLE announced_times (
    amphi_id    uuid NOT NULL REFERENCES amphis (id),
    call_rank   integer NOT NULL CHECK (call_rank > 0),
    at_ms       bigint NOT NULL,
    told_at_ms  bigint NOT NULL,
    -- SEQUENCE of the calendar entry: each update of it counts one more.
    sequence    integer NOT NULL CHECK (sequence >= 0),
    PRIMARY KEY (amphi_id, call_rank)
);
