-- pgbench: every train of the busiest pair with the seats left in each class
SELECT * FROM ticket_search('N', 'S', :date);
