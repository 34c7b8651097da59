-- Owned by: engine (src/journal).

-- What whoever owns an amphi was told to give back to the turn in progress (A10), for the case that it goes
-- before it has written anything: then its successor is told the same, and not only when it was last seen.
ALTER TABLE amphis ADD COLUMN unserved_since_ms bigint;
