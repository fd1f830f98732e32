"""How a bank signs what it reports: the headers of Standard Webhooks 1.0."""
import base64
import hashlib
import hmac
import secrets
import time


def signed(key, body):
    """The headers beside a body; `key` is the signing key as it was shown, `whsec_` and base64."""
    number, at = secrets.token_urlsafe(12), str(int(time.time()))
    code = hmac.new(base64.b64decode(key.removeprefix("whsec_")), f"{number}.{at}.".encode() + body, hashlib.sha256)
    return {"webhook-id": number, "webhook-timestamp": at,
            "webhook-signature": "v1," + base64.b64encode(code.digest()).decode()}
