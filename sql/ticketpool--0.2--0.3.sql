/* ticketpool 0.2 to 0.3. A fresh installation runs ticketpool--0.2.sql and then this script: there is no second source. */

-- complain if script is sourced in psql rather than via ALTER EXTENSION
\echo Use "ALTER EXTENSION ticketpool UPDATE TO '0.3'" to load this file. \quit

-- ---------------------------------------------------------------------------
-- Rules: no key can be had (a restore brings enabled built-in rules a second
-- time), and a publication FOR ALL TABLES refuses an UPDATE without identity
-- ---------------------------------------------------------------------------

ALTER TABLE @extschema@.ticket_rule REPLICA IDENTITY FULL;
