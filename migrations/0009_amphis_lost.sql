-- Owned by: engine (src/journal).

-- How often amphis of this server were taken over by another one; counted by whoever takes them, in the same
-- statement. While it stands still, a heartbeat need not ask which of its amphis are still its own.
ALTER TABLE servers ADD COLUMN taken_over bigint NOT NULL DEFAULT 0;
