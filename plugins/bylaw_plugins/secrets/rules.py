"""The forms of credentials, as their issuers document them.

Law of this table: a form begins with something that ordinary text does not, so that streams of ordinary text
are not held; a check follows where the form alone would hit too much.
"""

from __future__ import annotations

from bylaw.spec import Rule
from bylaw_plugins.secrets.checks import is_jwt, is_key_block, is_mixed, is_password, is_random, is_real

ISSUED: dict[str, str] = {
    "aws_access_key": r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b",
    "gcp_api_key": r"\bAIza[0-9A-Za-z_-]{35}",
    "gcp_oauth_token": r"\bya29\.[0-9A-Za-z_-]{20,}",
    "gcp_oauth_secret": r"\bGOCSPX-[0-9A-Za-z_-]{28}",
    "github_token": r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59})",
    "gitlab_token": r"\bgl(?:pat|dt|rt|cbt|ptt|ft|soat|imt|agent|oas)-[A-Za-z0-9_-]{20,}",
    "slack_token": r"\b(?:xox[abeoprs]-[A-Za-z0-9-]{10,}|xapp-\d-[A-Z0-9]+-\d+-[a-z0-9]+)",
    "slack_webhook": r"\bhooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9+/]{20,}",
    "discord_webhook": r"\bdiscord(?:app)?\.com/api/webhooks/\d{17,20}/[A-Za-z0-9_-]{60,}",
    "stripe_key": r"\b(?:[sr]k_(?:live|test)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9+/]{32,}=*)",
    "openai_key": r"\bsk-(?:(?:proj|svcacct|admin|None)-[A-Za-z0-9_-]{20,}|[A-Za-z0-9]{32,})",
    "anthropic_key": r"\bsk-ant-[A-Za-z0-9_-]{24,}",
    "openrouter_key": r"\bsk-or-(?:v1-)?[0-9a-f]{40,}",
    "huggingface_token": r"\bhf_[A-Za-z0-9]{30,}",
    "groq_key": r"\bgsk_[A-Za-z0-9]{40,}",
    "xai_key": r"\bxai-[A-Za-z0-9]{60,}",
    "replicate_token": r"\br8_[A-Za-z0-9]{37}",
    "perplexity_key": r"\bpplx-[A-Za-z0-9]{40,}",
    "npm_token": r"\bnpm_[A-Za-z0-9]{36}",
    "pypi_token": r"\bpypi-[A-Za-z0-9_-]{50,}",
    "docker_token": r"\bdckr_(?:pat|oat)_[A-Za-z0-9_-]{27,}",
    "sendgrid_key": r"\bSG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16,64}",
    "twilio_key": r"\bSK[0-9a-f]{32}\b",
    "telegram_token": r"\b\d{8,10}:AA[A-Za-z0-9_-]{33}",
    "digitalocean_token": r"\bdo[opr]_v1_[0-9a-f]{64}",
    "databricks_token": r"\bdapi[0-9a-f]{32}(?:-\d)?\b",
    "shopify_token": r"\bshp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}",
    "grafana_token": r"\bgl(?:sa|c)_[A-Za-z0-9_+/=]{32,}",
    "vault_token": r"\bhv[sbr]\.[A-Za-z0-9_-]{24,}",
    "atlassian_token": r"\bATATT3[A-Za-z0-9_=-]{100,}",
    "linear_key": r"\blin_(?:api|oauth)_[A-Za-z0-9]{32,}",
    "notion_token": r"\bntn_[A-Za-z0-9]{40,}",
    "newrelic_key": r"\bNRAK-[A-Z0-9]{27}",
    "supabase_token": r"\bsb(?:p|_secret)_[A-Za-z0-9_]{30,}",
    "postman_key": r"\bPMAK-[0-9a-f]{24}-[0-9a-f]{34}",
    "sentry_token": r"\bsntry[su]_[A-Za-z0-9+/=_]{40,}",
    "age_key": r"\bAGE-SECRET-KEY-1[0-9A-Z]{58}",
    "mailgun_key": r"\bkey-[0-9a-f]{32}\b",
}

_ASSIGNED = r"""["'\\]{0,2}\s{0,3}(?::=|=>|=|:)\s{0,3}["'\\]{0,2}"""
_VALUE = r"""[^\s"'<>,;`(){}\[\]\\]"""
_WORDS = r"(?i)(?:password|passwd|passphrase|pwd)"
_KEYS = r"(?i)(?:api[_-]?key|(?:secret|access|private|signing|encryption)[_-]?key|secret|token|credentials?)"

PLACED: tuple[Rule, ...] = (
    Rule(
        "aws_secret_key",
        r"(?i)(?:aws|secret)_?(?:secret)?_?(?:access)?_?key(?:_id)?"
        + _ASSIGNED
        + r"(?-i)([A-Za-z0-9/+]{40})",
        group=1,
        validate=is_mixed,
    ),
    Rule("aws_key_pair", r"\b(?:AKIA|ASIA)[A-Z0-9]{16}[^A-Za-z0-9/+]{1,8}[A-Za-z0-9/+]{40}\b"),
    Rule("gcp_private_key_id", r'"private_key_id\\?"\s{0,3}:\s{0,3}\\?"([0-9a-f]{40})', group=1),
    Rule("azure_storage_key", r"(?i)\bAccountKey=([A-Za-z0-9+/]{86}==)", group=1),
    Rule("azure_access_key", r"(?i)\bSharedAccessKey=([A-Za-z0-9+/]{43}=)", group=1),
    Rule("azure_sas", r"[?&]sig=([A-Za-z0-9%+/]{43,63}(?:%3[Dd]|=))", group=1),
    Rule("jwt", r"\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){2,4}", validate=is_jwt),
    Rule(
        "private_key",
        r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
        r"(?:[A-Za-z0-9+/=\s\\]|[A-Z][A-Za-z-]{2,20}: [^\n\\]*)*"
        r"(?:-----END [A-Z0-9 ]{0,40}-----)?",
        validate=is_key_block,
    ),
    Rule("url_password", r"://[^\s:/@?#]*:([^\s/@?#:]{3,})@[A-Za-z0-9\[]", group=1, validate=is_real),
    Rule(
        "authorization",
        r"(?i)\bauthorization" + _ASSIGNED + r"(?:bearer|basic|token)\s{1,4}([a-z0-9._~+/=-]{16,})",
        group=1,
        validate=is_random,
    ),
    Rule("password", _WORDS + _ASSIGNED + "(" + _VALUE + "{8,})", group=1, validate=is_password),
    Rule("secret", _KEYS + _ASSIGNED + "(" + _VALUE + "{16,})", group=1, validate=is_random),
)

RULES: tuple[Rule, ...] = (*(Rule(name, expression) for name, expression in ISSUED.items()), *PLACED)
