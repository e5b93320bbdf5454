-- A shop: tables with indexes, text, numbers and dates, and queries that sort and join.
CREATE TABLE customer (id integer PRIMARY KEY, name text, city text, since date, balance numeric);
CREATE TABLE orders (id integer PRIMARY KEY, customer integer, placed date, total real, note text);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40000)
INSERT INTO customer SELECT i, 'customer ' || i * 7919 % 20011, 'city ' || i % 317,
    '2019-0' || (i % 9 + 1) || '-1' || i % 10, i * 37 % 10000 / 4.0 FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150000)
INSERT INTO orders SELECT i, i * 31 % 40000 + 1, '2024-1' || i % 3 || '-0' || (i % 9 + 1),
    i * 101 % 99991 / 8.0, CASE i % 5 WHEN 0 THEN 'deliver to the neighbours, floor ' || i % 9 END FROM n;
CREATE INDEX customer_by_city ON customer (city, name);
CREATE INDEX orders_by_customer ON orders (customer, placed);
CREATE TABLE summary AS SELECT city, count(*) AS orders, sum(total) AS total, max(note) AS note
    FROM customer JOIN orders ON orders.customer = customer.id GROUP BY city ORDER BY total DESC;
SELECT 'rows', count(*) FROM (SELECT name, total FROM customer JOIN orders ON customer.id = customer
    ORDER BY note, name, total) AS sorted;
SELECT 'corpus: ' || 'ready';
