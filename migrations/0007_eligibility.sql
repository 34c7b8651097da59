-- Owned by: portal (src/eligibility.rs). Whether an intern may take part in a session (3.1), as far as their
-- account says; asked again when a session opens. Interns who came with an imported list were checked by
-- whoever made the list.
ALTER TABLE interns ADD COLUMN account_state text NOT NULL DEFAULT 'validated'
    CHECK (account_state IN ('validated', 'to_validate', 'blocked', 'training_ended'));
