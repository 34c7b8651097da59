-- Owned by: engine (src/journal).

-- A supernumerary choice uses no seat, and there is at most one per site and period, across amphis (3.3).
ALTER TABLE assignments ALTER COLUMN seat DROP NOT NULL;
ALTER TABLE assignments ADD COLUMN supernumerary_site text;
ALTER TABLE assignments ADD CONSTRAINT assignments_seat_or_site
    CHECK ((seat IS NULL) = (supernumerary_site IS NOT NULL));
CREATE UNIQUE INDEX assignments_one_supernumerary_per_site
    ON assignments (period, supernumerary_site) WHERE released_seq IS NULL;
