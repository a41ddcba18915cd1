-- Lists of collections show their profiles, and how many problems they have.
UPDATE collection
SET record = (record::jsonb || jsonb_build_object('problemCount', jsonb_array_length(record::jsonb -> 'problems')))::text,
    summary = (
        summary::jsonb
        || jsonb_build_object(
            'profiles', record::jsonb -> 'profiles',
            'problemCount', jsonb_array_length(record::jsonb -> 'problems')
        )
    )::text;
