"""SQL that puts two versions of the same person's `quote_data` into one, for a statement that has both at hand."""

# Anybody who has the quote's link can send details for a phone, so their number is limited.
MOST_EARLIER = 50


def has_details(row: str) -> str:
    """Return a condition: whether the quote_data of a row has details of a person, as this site writes them."""
    return f"jsonb_typeof({row}.quote_data::jsonb->'privacy') = 'object'"


def is_late(row: str) -> str:
    """Return a condition: whether a lead was kept by a customer's device and sent later."""
    return f"{row}.quote_data->'flags' ? 'late'"


def merged(held: str, arrived: str, *, is_newer: str) -> str:
    """Return an expression: the newer of two rows' quote_data, with what it must not lose of the older.

    That is a consent, and under `earlier` the details that differ. held, arrived: rows with quote_data and
    submitted_at; is_newer: whether `arrived` is the newer one. The order in which versions arrive does not matter.
    """
    return f"""(
    SELECT newer || jsonb_build_object('privacy', (older->'privacy') || (
        jsonb_strip_nulls(newer->'privacy')
        - CASE newer->'privacy'->>'notice_version' WHEN '' THEN 'notice_version' ELSE '' END
    )) || CASE
        WHEN newer->'customer' <> older->'customer' AND NOT earlier @> version
            AND jsonb_array_length(earlier) < {MOST_EARLIER} THEN jsonb_build_object('earlier', earlier || version)
        WHEN earlier <> '[]' THEN jsonb_build_object('earlier', earlier)
        ELSE '{{}}'
    END
    FROM (SELECT {held}.quote_data::jsonb, {arrived}.quote_data::jsonb, {is_newer}) AS v (held, arrived, is_newer),
    LATERAL (SELECT
        CASE WHEN is_newer THEN arrived ELSE held END,
        CASE WHEN is_newer THEN held ELSE arrived END,
        CASE WHEN is_newer THEN {held}.submitted_at ELSE {arrived}.submitted_at END,
        CASE jsonb_typeof(held->'earlier') WHEN 'array' THEN held->'earlier' ELSE '[]' END
    ) AS ordered (newer, older, older_at, earlier),
    LATERAL (SELECT jsonb_build_array(jsonb_build_object(
        'submitted_at', to_char(older_at::timestamptz AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'),
        'customer', older->'customer',
        'privacy', older->'privacy'
    ))) AS other (version)
)"""
