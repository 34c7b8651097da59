-- Owned by: engine (src/journal). Emptying the journal is a change of it, too.
CREATE TRIGGER events_are_never_emptied BEFORE TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_journal();
