-- Lists of collections show their profiles, and how many problems they have.
UPDATE collection
SET summary = json_set(
        summary,
        '$.profiles', json_extract(record, '$.profiles'),
        '$.problemCount', json_array_length(record, '$.problems')
    );
