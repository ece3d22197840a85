-- The same as in ../sqlite, see there for what it is for.
-- serves_from: 5
CREATE INDEX waitlist_member ON waitlist(user_id, show_id, place) WHERE state < 3;
