-- Which seats are accessible, and which their companions' (store_layout.h). Replicas of the version before choose them as
-- any other.
ALTER TABLE layout ADD COLUMN access BLOB NOT NULL DEFAULT x'';
