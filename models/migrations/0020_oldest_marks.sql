-- The oldest mark of an account and of a customer, which is how far sums include the records.
CREATE INDEX hour_marks_oldest ON hour_marks (account_id, marked_at);
CREATE INDEX hour_marks_oldest_customer ON hour_marks (account_id, customer_id, marked_at);
