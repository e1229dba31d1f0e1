-- What reaches files, extensions or memory.

-- title: attaches another database
-- verdict: refused query_only
-- engine: refuses
ATTACH DATABASE '/tmp/other.sqlite' AS other

-- title: detaches
-- verdict: refused query_only
-- engine: refuses
DETACH DATABASE main

-- title: loads an extension
-- verdict: refused function
-- engine: refuses
SELECT load_extension('/tmp/evil.so')

-- title: loads an extension in a subquery
-- verdict: refused function
-- engine: refuses
SELECT * FROM flights WHERE carrier IN (SELECT load_extension('/tmp/evil.so'))

-- title: reads a file
-- verdict: refused function
-- engine: refuses
SELECT readfile('/etc/passwd')

-- title: writes a file
-- verdict: refused function
-- engine: refuses
SELECT writefile('/tmp/out', carrier) FROM flights

-- title: starts an editor
-- verdict: refused function
-- engine: refuses
SELECT edit('text', 'sh')

-- title: lists a folder
-- verdict: refused function
-- engine: refuses
SELECT * FROM fsdir('/home')

-- title: hands an address in memory to a tokenizer
-- verdict: refused function
-- engine: refuses
SELECT fts3_tokenizer('simple', x'4141414141414141')

-- title: bytes by chance
-- verdict: refused function
SELECT randomblob(16)

-- title: a gigabyte of zeros
-- verdict: refused function
-- engine: refuses
SELECT zeroblob(1000000000)

-- title: chance
-- verdict: refused function
SELECT random() FROM flights

-- title: writes into the server's log
-- verdict: refused function
SELECT sqlite_log(1, 'hello')
