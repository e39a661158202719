"""Every address of Aftersend."""

from __future__ import annotations

from django.urls import include, path

from dashboard.api import health
from dashboard.ingest.webhook import receive
from dashboard.web import (
    accounts,
    attention,
    audit,
    batches,
    bulk,
    bulk_steps,
    doubts,
    exports,
    find,
    help,
    home,
    likes,
    messages_list,
    messages_one,
    people,
    recipients,
    retries,
    second_factor,
    sign_in,
    tokens,
    trial,
)

handler400 = "dashboard.web.errors.bad_request"
handler403 = "dashboard.web.errors.forbidden"
handler404 = "dashboard.web.errors.not_found"
handler500 = "dashboard.web.errors.broken"

urlpatterns = [
    path("hooks/<str:token>/", receive, name="hook"),
    # programs
    path("api/", include("dashboard.api.app")),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
    # the frame
    path("", home.home, name="home"),
    path("sign-in/", sign_in.sign_in, name="sign-in"),
    path("sign-out/", sign_in.sign_out, name="sign-out"),
    path("theme/", likes.theme, name="theme"),
    path("zone/", likes.zone, name="zone"),
    path("story/", likes.story, name="story"),
    path("columns/", likes.list_columns, name="columns"),
    path("help/statuses/", help.statuses, name="help"),
    path("second-factor/", second_factor.code, name="second-factor"),
    path("second-factor/set-up/", second_factor.set_up, name="second-factor-set-up"),
    path("second-factor/codes/", second_factor.codes, name="second-factor-codes"),
    path("second-factor/replace/", second_factor.replace, name="second-factor-replace"),
    # support
    path("find/", find.find, name="find"),
    path("recipients/<slug:pk>/", recipients.recipient, name="recipient"),
    path("recipients/<slug:pk>/opt-out/", recipients.opt_out, name="recipient-opt-out"),
    path("recipients/<slug:pk>/opt-out/lift/", recipients.lift_opt_out, name="recipient-opt-out-lift"),
    path("messages/<int:pk>/", messages_one.message, name="message"),
    path("messages/<int:pk>/check/", messages_one.check, name="message-check"),
    path("messages/<int:pk>/retry/", retries.retry, name="message-retry"),
    path("messages/<int:pk>/doubt/", doubts.doubt, name="message-doubt"),
    path("messages/<int:pk>/evidence/<int:evidence_pk>/", messages_one.evidence, name="message-evidence"),
    # operations
    path("messages/", messages_list.messages, name="messages"),
    path("messages/export.csv", exports.messages, {"kind": "csv"}, name="messages-export"),
    path("messages/export.jsonl", exports.messages, {"kind": "jsonl"}, name="messages-export-json"),
    path("batches/", batches.batches, name="batches"),
    path("batches/<int:pk>/", batches.batch, name="batch"),
    path("batches/<int:pk>/export.csv", exports.batch, {"kind": "csv"}, name="batch-export"),
    path("batches/<int:pk>/export.jsonl", exports.batch, {"kind": "jsonl"}, name="batch-export-json"),
    path("bulk/", bulk.bulks, name="bulks"),
    path("bulk/new/", bulk.new, name="bulk-new"),
    path("bulk/<int:pk>/", bulk.bulk, name="bulk"),
    path("bulk/<int:pk>/approve/", bulk_steps.approve, name="bulk-approve"),
    path("bulk/<int:pk>/pause/", bulk_steps.pause, name="bulk-pause"),
    path("bulk/<int:pk>/resume/", bulk_steps.resume, name="bulk-resume"),
    path("bulk/<int:pk>/stop/", bulk_steps.stop, name="bulk-stop"),
    path("bulk/<int:pk>/report.csv", bulk.report, name="bulk-report"),
    path("attention/", attention.attention, name="attention"),
    path("attention/orphans/<int:pk>/evidence/", attention.evidence, name="orphan-evidence"),
    path("attention/orphans/<int:pk>/attach/", attention.attach, name="orphan-attach"),
    # accounts: no slug has a "~"
    path("accounts/", accounts.accounts, name="accounts"),
    path("accounts/~add/", accounts.add, name="account-add"),
    path("accounts/<slug:slug>/", accounts.account, name="account"),
    path("accounts/<slug:slug>/edit/", accounts.edit, name="account-edit"),
    path("accounts/<slug:slug>/credentials/", accounts.credentials, name="account-credentials"),
    path("accounts/<slug:slug>/test/", accounts.test_connection, name="account-test"),
    path("accounts/<slug:slug>/rotate/", accounts.rotate, name="account-rotate"),
    path("accounts/<slug:slug>/test-text/", trial.trial, name="account-test-text"),
    # people, programs and what they did
    path("people/", people.people, name="people"),
    path("people/add/", people.add, name="person-add"),
    path("people/<int:pk>/", people.person, name="person"),
    path("people/<int:pk>/enable/", people.enable, name="person-enable"),
    path("people/<int:pk>/disable/", people.disable, name="person-disable"),
    path("people/<int:pk>/reset/", people.reset, name="person-reset"),
    path("people/<int:pk>/second-factor/reset/", second_factor.reset, name="person-second-factor-reset"),
    path("people/tokens/", tokens.tokens, name="tokens"),
    path("people/tokens/create/", tokens.create, name="token-create"),
    path("people/tokens/<int:pk>/revoke/", tokens.revoke, name="token-revoke"),
    path("password/", people.password, name="password"),
    path("audit/", audit.audit, name="audit"),
    path("audit/export.csv", audit.export, name="audit-export"),
]
