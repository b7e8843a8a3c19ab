-- Requests in progress are few at any time. A service that starts looks for those that another one has left behind.
CREATE INDEX idempotency_keys_in_progress ON idempotency_keys (at) WHERE status = 0;
