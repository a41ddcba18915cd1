-- Ids that came with an import need not sort by time.
CREATE INDEX session_by_creation
    ON session (workspace, created_at, id);
