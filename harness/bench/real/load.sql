-- A load for sqlite3 in memory: inserts, indexes, joins, groups, text functions. Parameter :rows is the number of rows.
-- SPDX-License-Identifier: Apache-2.0
CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT, city INTEGER, note TEXT);
CREATE TABLE city(id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE visit(person INTEGER, city INTEGER, day INTEGER, remark TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :rows)
  INSERT INTO person SELECT i, printf('%x-%d', i * 2654435761 % 1048576, i), i * 7919 % 500,
    substr('lorem ipsum dolor sit amet consectetur adipiscing elit', 1 + i % 20, 5 + i * 31 % 40) FROM n;
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 499)
  INSERT INTO city SELECT i, printf('city %03d', i) FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2 * :rows)
  INSERT INTO visit SELECT i * 48271 % :rows, i * 16807 % 500, i * 69621 % 365, hex(i * 7) || 'x' FROM n;
CREATE INDEX person_name ON person(name);
CREATE INDEX visit_person ON visit(person, day);
SELECT c.name, count(*), max(p.name), sum(length(p.note)) FROM person p JOIN city c ON c.id = p.city
  GROUP BY c.id ORDER BY 2 DESC, 1 LIMIT 20;
SELECT v.day, count(DISTINCT p.name), group_concat(DISTINCT upper(substr(v.remark, 1, 2))) FROM visit v
  JOIN person p ON p.id = v.person WHERE p.note LIKE '%dolor%' GROUP BY v.day ORDER BY v.day LIMIT 20;
UPDATE person SET note = note || ' ' || name WHERE id % 3 = 0;
DELETE FROM visit WHERE day % 5 = 0;
SELECT count(*), sum(length(note)), sum(length(replace(note, 'o', '00'))) FROM person;
SELECT count(*), total(city) FROM (SELECT person, city FROM visit ORDER BY remark, person);
