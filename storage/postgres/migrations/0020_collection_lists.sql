-- Lists of collections show their profiles, and how many problems they have. JSON functions refuse \u0000, which the
-- texts of problems may contain.
UPDATE collection
SET summary = left(summary, -1)
    || ',"profiles":' || (CAST(replace(record, '\u0000', '\ufffd') AS JSON) -> 'profiles')
    || ',"problemCount":' || json_array_length(CAST(replace(record, '\u0000', '\ufffd') AS JSON) -> 'problems')
    || '}';
