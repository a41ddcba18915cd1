-- The sources that are set for modules in place of their locations; of a module that is gone, in case it comes back.
CREATE TABLE module_source (
    workspace TEXT COLLATE "C" NOT NULL,
    module    TEXT COLLATE "C" NOT NULL,
    scope     TEXT NOT NULL,
    source    TEXT NOT NULL,
    PRIMARY KEY (workspace, module, scope)
);
