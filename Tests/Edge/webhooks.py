"""Standard Webhooks 1.0: how a bank signs what it sends. Written from the specification, not from the server's code."""
import base64
import hashlib
import hmac
import itertools
import re
import time

PATHS = re.compile(r"/v1/(payments(/[^/?]*/reversal)?|payment_statements)(\?|$)")
numbers = itertools.count(1)
keys = {}   # of each bank's token


def sign(key, message_id, timestamp, body):
    code = hmac.new(base64.b64decode(key.removeprefix("whsec_")), f"{message_id}.{timestamp}.".encode() + body,
                    hashlib.sha256)
    return "v1," + base64.b64encode(code.digest()).decode()


def headers(method, target, authorization, body):
    """What a bank adds to what it reports; nothing for anybody else, and for other requests."""
    token = (authorization or "").removeprefix("Bearer ")
    if method != "POST" or token not in keys or not PATHS.match(target):
        return {}
    # What is sent in pieces is signed as empty: it is refused before anybody looks at its signature.
    body = body.encode() if isinstance(body, str) else body if isinstance(body, bytes) else b""
    message_id, at = f"msg_auto_{next(numbers)}", str(int(time.time()))
    return {"webhook-id": message_id, "webhook-timestamp": at,
            "webhook-signature": sign(keys[token], message_id, at, body)}
