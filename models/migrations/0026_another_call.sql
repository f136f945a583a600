-- A held content can be accepted as another call: a switch had used its call id before.

ALTER TABLE call_records
    ADD COLUMN received_call_id text COLLATE "C";       -- as the switch sent it; null: it is call_id

ALTER TABLE record_revisions
    DROP CONSTRAINT record_revisions_state_check,
    ADD CONSTRAINT record_revisions_state_check CHECK (
        state IN ('SUPERSEDED', 'STALE', 'HELD', 'ACCEPTED', 'ANOTHER_CALL', 'DISCARDED')
    );

-- What a switch sends under such an id is of the other call if it has the same setup.
CREATE TABLE reused_call_ids (
    account_id bigint NOT NULL,
    call_key   uuid NOT NULL,                           -- of the switch and the received call id
    setup_at   timestamptz NOT NULL,                    -- of the other call's attempt
    PRIMARY KEY (account_id, call_key, setup_at)
);
