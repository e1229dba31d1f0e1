-- What reaches files, the network or extensions.

-- title: reads a file as CSV
-- verdict: refused function
-- engine: refuses
SELECT * FROM read_csv('/etc/passwd')

-- title: reads a file as text
-- verdict: refused function
-- engine: refuses
SELECT content FROM read_text('/etc/passwd')

-- title: reads a file as bytes
-- verdict: refused function
-- engine: refuses
SELECT * FROM read_blob('/etc/passwd')

-- title: reads a file as JSON
-- verdict: refused function
-- engine: refuses
SELECT * FROM read_json_auto('/etc/passwd')

-- title: reads a Parquet file
-- verdict: refused function
-- engine: refuses
SELECT * FROM read_parquet('/tmp/secret.parquet')

-- title: lists files
-- verdict: refused function
-- engine: refuses
SELECT * FROM glob('/home/*')

-- title: a file name in place of a table
-- verdict: refused table
-- engine: refuses
SELECT * FROM '/etc/passwd'

-- title: a file name in place of a table, quoted as a name
-- verdict: refused table
-- engine: refuses
SELECT * FROM "/etc/hosts.csv"

-- title: a URL in place of a table
-- verdict: refused table
-- engine: refuses
SELECT * FROM 'https://example.org/data.parquet'

-- title: reads a file in a subquery in a condition
-- verdict: refused function
-- engine: refuses
SELECT * FROM flights WHERE tailnum IN (SELECT content FROM read_text('/etc/passwd'))

-- title: reads a file in a common table expression
-- verdict: refused function
-- engine: refuses
WITH f AS (SELECT * FROM read_csv('/etc/passwd')) SELECT count(*) FROM f

-- title: copies a query to a file
-- verdict: refused query_only
-- engine: refuses
COPY (SELECT * FROM flights) TO '/tmp/flights.csv'

-- title: copies a file into a table
-- verdict: refused query_only
-- engine: refuses
COPY flights FROM '/tmp/flights.csv'

-- title: exports the database
-- verdict: refused not_understood
-- engine: refuses
EXPORT DATABASE '/tmp/everything'

-- title: attaches another database
-- verdict: refused query_only
-- engine: refuses
ATTACH '/tmp/other.duckdb' AS other

-- title: installs an extension
-- verdict: refused query_only
-- engine: refuses
INSTALL httpfs

-- title: loads an extension
-- verdict: refused query_only
-- engine: refuses
LOAD httpfs

-- title: makes a secret for cloud storage
-- verdict: refused query_only
-- engine: refuses
CREATE SECRET s (TYPE s3, KEY_ID 'a', SECRET 'b')

-- title: a variable of the Python process in place of a table
-- verdict: refused table
-- engine: refuses
SELECT * FROM cursor
