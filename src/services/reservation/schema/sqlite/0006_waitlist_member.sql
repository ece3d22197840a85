-- A user's open place on a show's waitlist, however many she has left.
CREATE INDEX waitlist_member ON waitlist(user_id, show_id, place) WHERE state < 3;
