ALTER TABLE sign_ins ADD COLUMN timed_out_at INTEGER;
CREATE INDEX sign_ins_pending ON sign_ins (created_at)
    WHERE status IN ('started', 'authorized') AND timed_out_at IS NULL;
CREATE INDEX sign_ins_age ON sign_ins (created_at);
CREATE INDEX events_age ON events (created_at);
