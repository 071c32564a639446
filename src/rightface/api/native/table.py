"""Who may ask what: every route by its name, and the roles that it answers.

A route that is not here cannot be made. Must never know: paths, shapes.
"""

from __future__ import annotations

from collections.abc import Mapping

ANYONE = "anyone"
OPERATOR, REVIEWER, AUDITOR, CLIENT = "operator", "reviewer", "auditor", "client"
_ACTS = frozenset({OPERATOR})
_READS = frozenset({OPERATOR, AUDITOR})
_REVIEWS = frozenset({REVIEWER})
_ALL = frozenset({OPERATOR, REVIEWER, AUDITOR, CLIENT})
_ASKS = frozenset({OPERATOR, AUDITOR, CLIENT})

ROLES: Mapping[str, frozenset[str]] = {
    "health": frozenset({ANYONE}),
    "whoami": _ALL,
    "issue_credential": _ACTS,
    "list_credentials": _READS,
    "end_credential": _ACTS,
    "issue_licence": _ACTS,
    "list_licences": _READS,
    "show_licence": _ASKS,
    "revoke_licence": _ACTS,
    "record_consents": _ACTS,
    "show_consents": _ASKS,
    "withdraw_consent": _ACTS,
    "record_warrant": _ACTS,
    "list_warrants": _READS,
    "show_warrant": _READS,
    "end_warrant": _ACTS,
    "mark_warrant_requested": _ACTS,
    "mark_warrant_reported": _ACTS,
    "record_finding": _ACTS,
    "list_findings": _READS,
    "show_finding": _READS,
    "ask_act_on_match": _ACTS,
    "adopt_commitment": _ACTS,
    "list_adoptions": _READS,
    "withdraw_commitment": _ACTS,
    "record_duty": _ACTS,
    "list_duties": _READS,
    "end_duty": _ACTS,
    "record_fact": _ACTS,
    "list_facts": _READS,
    "end_fact": _ACTS,
    "add_attester": _ACTS,
    "list_attesters": _READS,
    "end_attester": _ACTS,
    "list_instruments": _ALL,
    "decide": _ASKS,
    "explain": _ASKS,
    "report_subject": _ACTS,
    "erase_subject": _ACTS,
    "show_suppressions": _ACTS,
    "count_suppressions": _READS,
    "erase_ended_galleries": _ACTS,
    "show_receipt": _ASKS,
    "list_jobs": _ASKS,
    "show_job": _ASKS,
    "cancel_job": _ACTS,
    "list_reviews": _REVIEWS,
    "open_review": _REVIEWS,
    "decide_review": _REVIEWS,
    "review_outcome": frozenset({CLIENT}),
    "review_figures": _READS,
    "compare_samples": frozenset({CLIENT}),
    "list_evidence": _READS,
    "show_evidence": _READS,
    "evidence_rules": _ALL,
    "list_galleries": _ASKS,
    "aim_gallery": _ACTS,
    "list_due": _READS,
    "preview_sweep": _READS,
    "sweep": _ACTS,
    "note_interaction": _ACTS,
    "end_purpose": _ACTS,
    "accountability_report": _READS,
    "ledger_checkpoint": _ALL,
    "ledger_entry": _ALL,
    "prove_inclusion": _ALL,
    "prove_consistency": _ALL,
    "audit_ledger": _READS,
}
