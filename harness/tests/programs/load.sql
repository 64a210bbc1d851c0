-- SPDX-License-Identifier: Apache-2.0
-- sqlite3 under the allocator: inserts, indexes, joins, grouping, text that grows, deletes, vacuum.
PRAGMA cache_size = -20000;
CREATE TABLE item(id INTEGER PRIMARY KEY, kind INTEGER, name TEXT, note TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150000)
  INSERT INTO item SELECT i, (i * 7919) % 997, 'name ' || ((i * 104729) % 100003),
    substr('abcdefghijklmnopqrstuvwxyz0123456789', 1 + i % 20, i % 17) FROM n;
CREATE INDEX item_kind ON item(kind, name);
CREATE INDEX item_note ON item(note);
SELECT count(*), sum(length(name)), sum(length(note)) FROM item;
SELECT kind, count(*), max(name), min(note) FROM item GROUP BY kind ORDER BY kind LIMIT 40;
SELECT count(*) FROM item a JOIN item b ON a.name = b.name AND a.id < b.id;
SELECT length(group_concat(name || note, ';')) FROM item;
UPDATE item SET note = note || name || note WHERE kind % 3 = 0;
DELETE FROM item WHERE kind % 5 = 0;
SELECT note, count(*) FROM item GROUP BY note ORDER BY count(*) DESC, note LIMIT 30;
VACUUM;
PRAGMA integrity_check;
SELECT count(*), sum(id), sum(length(note)) FROM item;
SELECT json_group_array(j) FROM
  (SELECT json_object('k', kind, 'n', count(*)) AS j FROM item GROUP BY kind ORDER BY kind LIMIT 50);
