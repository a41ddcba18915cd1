-- The fingerprint of the modules of packages with which its modules were last looked up; empty if there were none.
ALTER TABLE profile
    ADD COLUMN installed TEXT NOT NULL DEFAULT '';
