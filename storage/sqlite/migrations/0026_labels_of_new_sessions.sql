-- The statements that insert sessions write their labels, too: with a trigger, SQLite copies each page that an insert
-- changes, for sessions without labels as well.
DROP TRIGGER session_inserted_with_labels;
