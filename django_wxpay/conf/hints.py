"""The table of check codes: what to do about each, for `check` and the doctor alike."""

from __future__ import annotations

from typing import Final

from django_wxpay.protocol.sentences import sentence as _

# One row a check code. A code is never used again for another fault. What the form of a merchant
# may say is marked as a message; the others are for who runs a command.
HINTS: Final[dict[str, str]] = {
    "E001": 'Set WXPAY = {"NOTIFY_BASE_URL": ..., "MERCHANTS": {"default": {...}}}.',
    "E002": "Give at least one merchant, by an alias of your own, as a dict of its settings.",
    "E003": "Set scheme and host only, for instance https://shop.example.com.",
    "E004": "Give seconds above zero; a time-out cannot be switched off.",
    "E005": 'Use "off", "errors" or "all".',
    "E006": "Give a list of dotted paths to Django REST framework permission classes.",
    "E007": 'Add path("wxpay/", include("django_wxpay.urls")) to your urlpatterns.',
    "E008": 'Add "rest_framework" to INSTALLED_APPS.',
    "E009": _("The alias stands in notify_url: use letters, digits, hyphens and underscores."),
    "E010": _("See the page of settings in the documentation for what belongs here."),
    "E011": _("Use one of the words named."),
    "E012": _("Copy the 32-character API key (v2) from the merchant platform's API security page."),
    "E013": _("Give scheme and host only, primary first; leave HOSTS out for the official ones."),
    "E014": _(
        "Give the PEM's text, or the path of an unencrypted PEM file that this process may read."
    ),
    "E015": _("APIv3 needs API_V3_KEY, PRIVATE_KEY and CERT_SERIAL_NO, all three."),
    "E016": _("Copy the 32-character APIv3 key as it was set on the merchant platform."),
    "E017": _("Give apiclient_key.pem of this merchant, unencrypted."),
    "E018": _(
        "CERT_SERIAL_NO, CLIENT_CERT and PRIVATE_KEY come from one certificate: take all three "
        "from the same download."
    ),
    "E019": _(
        "Copy pub_key.pem and its PUB_KEY_ID_... from the merchant platform, both of them; or "
        "leave both out, and platform certificates are downloaded."
    ),
    "E020": _("Give the four digits of the merchant category code, with leading zeros."),
    "E021": "Give whole days, such as 30; in RETENTION_DAYS 7 or more, or None to keep rows for "
    "good. Orders and refunds are never deleted.",
    "E022": 'Give {"FAILURE_RATE": 0.05, "P95_MS": 3000}, or one of the two.',
    "E023": "Set USE_TZ = True: every time that is kept here is aware, and naive ones would shift "
    "payments by hours. TIME_ZONE still decides what people see.",
    "E024": 'Remove "AUTOCOMMIT": False: WeChat Pay would be told that a notification is kept '
    "before it is committed.",
    "E025": "Let the router write all tables of this app to one database and allow their "
    "relations; an order and its event commit together or not at all.",
    "E026": 'Give {"POLL_S": 5, "WAIT_S": 45}, or one of the two, in seconds from above 0 to 120.',
    "E027": "Give a number of hours above zero, such as 24, or None.",
    "E028": "Name one of the storages in STORAGES, which keeps the files of bills.",
    "E029": _(
        "Put your own value in its place, as the merchant platform shows it; a key comes from "
        "the environment or from a file. Without an account yet, manage.py wxpay_simulator takes "
        "any value that is well formed."
    ),
    "E030": "Make each with cryptography.fernet.Fernet.generate_key() and keep it where your other "
    "secrets are, apart from the database. The first seals, all open.",
    "E031": "Give a dict, or the dotted path of a class with get(alias), aliases() and version(), "
    'such as "django_wxpay.merchants.DatabaseMerchants" (docs/merchants.md).',
    "E032": _(
        "The source says what is wrong with this merchant, and the others go on. A key that is "
        'sealed needs its sealing key in WXPAY["SEALING_KEYS"], or has to be entered anew.'
    ),
    "W001": "Correct the spelling or remove it: nothing reads it.",
    "W002": "WeChat Pay calls public https addresses on port 443 only; fine for trying out.",
    "W003": 'Set OPTIONS["transaction_mode"] to "IMMEDIATE", or notifications that arrive '
    "together may fail with 'database is locked'.",
    "W004": "WeChat Pay counts order numbers per mch_id, this app per alias: two orders of the "
    "same number would be one order to WeChat Pay.",
    "W005": 'Use utf8mb4: OPTIONS["charset"] = "utf8mb4", and for each table ALTER TABLE ... '
    "CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin; PostgreSQL needs a database in UTF8.",
    "W006": "Start the database, and run manage.py migrate. Before its first run the tables are "
    "missing, as they should be.",
    "W007": "Put the merchant back into MERCHANTS until its orders are paid or closed: WeChat Pay "
    "calls the address with its alias, and is answered 404.",
    "W008": "WeChat Pay's numbers are case-sensitive: ALTER TABLE ... CONVERT TO CHARACTER SET "
    "utf8mb4 COLLATE utf8mb4_bin, or another's payment may settle an order of yours.",
    "W009": "Connect a receiver in the ready() of an app, so that every process has it; events "
    "wait until then. A shop that only reads orders, or is asked over REST, needs "
    'none: SILENCED_SYSTEM_CHECKS = ["django_wxpay.W009"].',
    "W010": "Add the host to ALLOWED_HOSTS, or every notification is answered 400.",
    "W011": "WeChat Pay follows no redirect: change NOTIFY_BASE_URL to the address that answers "
    "by itself.",
    "W012": "Remove the pattern: WeChat Pay's notifications come with that User-Agent.",
    "W013": 'Include "django_wxpay.urls" outside i18n_patterns: the address of notifications would '
    "be in the language of whoever placed the order.",
    "W014": "CLIENT_CERT and CLIENT_KEY are apiclient_cert.pem and apiclient_key.pem of one "
    "download: give both, for v2 refunds and reversals need them.",
    "W015": 'Put the sealing key back behind the others in WXPAY["SEALING_KEYS"], run manage.py '
    "wxpay_reseal, and take it out then; or enter the merchant's keys anew in the admin.",
    "W016": "Without a sealing key no merchant's key can be kept or opened: make one with "
    "cryptography.fernet.Fernet.generate_key() and keep it where your other secrets are.",
    "W017": "Apply for the WeChat Pay public key on the merchant platform (API security), and set "
    "WECHATPAY_PUBLIC_KEY and WECHATPAY_PUBLIC_KEY_ID before that day (docs/key-rotation.md); the "
    "certificate stays trusted beside it until it ends. Where the platform offers no key, take old "
    "ones out of PLATFORM_CERTIFICATES: newer ones are downloaded.",
}
