-- What the guard can't tell from a long query: only the deadline stops it.

-- title: a recursive query without an end
-- verdict: passes
-- stopped: timeout
WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n
