-- Why grants, requests and rules stand as they do is a code of one list. What was written before that is taken into it.
UPDATE grants SET state_reason = 'ROLE_DEACTIVATED_ACCOUNT_CLOSED' WHERE state = 'ended' AND state_reason = 'account-closed';
UPDATE grants SET state_reason = 'ROLE_DEACTIVATED_INACTIVE_ROLE' WHERE state = 'ended' AND state_reason NOT IN
    ('ROLE_DEACTIVATED_ACCOUNT_CLOSED', 'ROLE_DEACTIVATED_PATIENT_REQUEST', 'ROLE_DEACTIVATED_BY_HOLDER');
UPDATE grants SET state_reason = 'ROLE_SUSPENDED_PENDING_REVIEW' WHERE state = 'suspended';
UPDATE consent_rules SET end_reason = 'ROLE_DEACTIVATED_PATIENT_REQUEST' WHERE end_reason = 'PATIENT_REQUEST';
-- Whose staff suspended a grant, and decide whether it works again.
ALTER TABLE grants ADD COLUMN suspended_by TEXT REFERENCES organizations (id);
-- The code; the words that went with it stay in reason.
ALTER TABLE proxy_requests ADD COLUMN refusal TEXT;
UPDATE proxy_requests SET refusal = 'APPLICATION_REJECTED_PRACTICE_CLOSED'
    WHERE state = 'refused' AND reason = 'The practice closed.';
UPDATE proxy_requests SET refusal = 'OTHER' WHERE state = 'refused' AND refusal IS NULL;
