"""Sends one event over HTTP, signed as in the Standard Webhooks specification."""

import base64
import hashlib
import hmac
import http.client
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from app.store.event_queue import WaitingEvent

_INVALID = frozenset({400, 413, 415, 422})
"""Statuses with which a receiver refuses this event; others may change when it is repeated."""


class NotDelivered(Exception):
    """The receiver was not reached or did not accept the event; it is sent again."""


class Refused(Exception):
    """The receiver does not accept this event, also if it is sent again."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Events are sent to the URL of the setting, to no other."""

    def redirect_request(self, *_arguments: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirects)


@dataclass(frozen=True, slots=True)
class Receiver:
    """The receiver's URL, http or https, the key of the signatures, and how long to wait."""

    url: str
    key: bytes
    seconds: float

    def send(self, event: WaitingEvent) -> None:
        """Returns when the receiver has answered with 2xx. Raises NotDelivered, Refused."""
        seconds = str(int(time.time()))
        request = urllib.request.Request(  # noqa: S310 - the setting is checked at start
            self.url,
            data=event.content,
            headers={
                "Content-Type": "application/cloudevents+json",
                "User-Agent": "sima",
                "webhook-id": event.event_id,
                "webhook-timestamp": seconds,
                "webhook-signature": sign(self.key, event.event_id, seconds, event.content),
            },
        )
        try:
            with _OPENER.open(request, timeout=self.seconds):
                return
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in _INVALID:
                raise Refused(f"the receiver answered {error.code}") from None
            raise NotDelivered(f"the receiver answered {error.code}") from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or type(error).__name__
            raise NotDelivered(f"the receiver was not reached: {reason}") from None


def sign(key: bytes, event_id: str, seconds: str, content: bytes) -> str:
    """The header `webhook-signature`: HMAC-SHA256 of id, time and content, joined by dots."""
    signed = b".".join((event_id.encode(), seconds.encode(), content))
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"
