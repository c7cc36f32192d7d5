"""Every code that an ``error`` frame, a ``bye`` frame, a close or an HTTP problem can carry.

One table, so that a code means the same on every path. ``retry`` says whether the same request may succeed later unchanged.
Close codes 4000–4499 ask the client to come back, 4500–4999 ask it not to.

Source: protocol/SPEC.md, "Codes".
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Code:
    """One way in which something did not work.

    Attributes:
        name: what a program compares.
        says: one sentence for a person.
        http: status of the same answer over HTTP.
        retry: the same request may succeed later.
        close: WebSocket close code, where the connection cannot go on.
    """

    name: str
    says: str
    http: int
    retry: bool = False
    close: int | None = None


# The peer broke the protocol.
MALFORMED: Final = Code("malformed", "The message is not a map in this connection's format.", 400, close=4500)
HELLO_FIRST: Final = Code("hello_first", "The first frame must be hello.", 400, close=4501)
TOO_LARGE: Final = Code("too_large", "The message is larger than the limit.", 413, close=4502)
VERSION: Final = Code("version", "This version of the protocol is not spoken here.", 400, close=4503)
UNKNOWN_TYPE: Final = Code("unknown_type", "There is no frame of this type.", 400)
BAD_FIELD: Final = Code("bad_field", "A field is missing, of the wrong type, or out of range.", 422)
NOT_TEXT: Final = Code("not_text", "A string is not valid Unicode text.", 422)
AGAIN: Final = Code("again", "This was already done on this connection.", 409)

# Who is asking.
UNAUTHENTICATED: Final = Code("unauthenticated", "Sign in first.", 401)
BAD_CREDENTIALS: Final = Code("bad_credentials", "Handle or password are wrong.", 401)
BAD_TOKEN: Final = Code("bad_token", "The token is not valid.", 401, close=4510)
TOKEN_EXPIRED: Final = Code("token_expired", "The token has expired; sign in again.", 401, close=4511)
REVOKED: Final = Code("revoked", "Access was withdrawn.", 403, close=4512)
FORBIDDEN: Final = Code("forbidden", "This account may not do that here.", 403)
UNVERIFIED: Final = Code("unverified", "A verified identity is needed before publishing.", 403)
MUTED: Final = Code("muted", "This account may not publish on this board for now.", 403)
NOT_YOURS: Final = Code("not_yours", "Only its author can do that.", 403)

# What is asked about.
NO_BOARD: Final = Code("no_board", "There is no such board.", 404)
BOARD_CLOSED: Final = Code("board_closed", "The board takes no new posts.", 403)
NO_POST: Final = Code("no_post", "There is no such post.", 404)
NO_CASE: Final = Code("no_case", "There is no such case.", 404)
NO_ALERT: Final = Code("no_alert", "There is no such alert.", 404)
NO_ACCOUNT: Final = Code("no_account", "There is no such account.", 404)
NO_POLICY: Final = Code("no_policy", "There is no such policy in the catalogue.", 422)
NO_RULE: Final = Code("no_rule", "There is no such rule.", 404)
NO_LIST: Final = Code("no_list", "There is no such list of terms.", 404)
NOT_APPROVED: Final = Code("not_approved", "Somebody other than its author must approve this version first.", 409)
NO_TAKEDOWN: Final = Code("no_takedown", "There is no such takedown record.", 404)
NO_ROUTE: Final = Code("no_route", "There is nothing at this address.", 404)
NO_METHOD: Final = Code("no_method", "This address does not take this method.", 405)
NOT_SUBSCRIBED: Final = Code("not_subscribed", "This connection does not follow that board.", 409)
BAD_CURSOR: Final = Code("bad_cursor", "The cursor is beyond the head of the board's log.", 409)
POST_STOPPED: Final = Code("post_stopped", "The post was withheld, retracted or deleted.", 409)
NOT_HELD: Final = Code("not_held", "The post is not waiting for a decision.", 409)
NOT_RETRACTED: Final = Code("not_retracted", "The post is not retracted.", 409)
EDIT_PENDING: Final = Code("edit_pending", "An edit of this post is waiting for a decision.", 409)
TAKEN: Final = Code("taken", "The name is taken.", 409)
CONFLICT: Final = Code("conflict", "Someone else changed it first.", 409)

# What was written.
EMPTY_BODY: Final = Code("empty_body", "The body has no visible text.", 422)
BODY_TOO_LONG: Final = Code("body_too_long", "The body is longer than the limit.", 422)
BODY_NOT_TEXT: Final = Code("body_not_text", "The body holds characters that are no plain text.", 422)
NONCE_REUSED: Final = Code("nonce_reused", "The nonce was already used with another body.", 409)
REASON_REQUIRED: Final = Code("reason_required", "A policy and a reason are required.", 422)
REFUSED: Final = Code("refused", "The post was refused under a policy; see the verdict.", 403)
BAD_RULE: Final = Code("bad_rule", "The rule document cannot be used.", 422)
BAD_REQUEST: Final = Code("bad_request", "The request cannot be read.", 400)

# The world.
LIMITED: Final = Code("limited", "Too much at once; wait and try again.", 429, retry=True)
INSPECTION_UNAVAILABLE: Final = Code(
    "inspection_unavailable", "Inspection cannot answer now; the post was not judged.", 503, retry=True
)
UNAVAILABLE: Final = Code(
    "unavailable", "A part of the service is not available now; make the same request again.", 503, retry=True
)
INTERNAL: Final = Code("internal", "The server made a mistake.", 500, retry=True, close=4005)

# Closes that ask the client to come back.
RESTART: Final = Code("restart", "The server restarts.", 503, retry=True, close=4000)
HELLO_LATE: Final = Code("hello_late", "No hello came in time.", 408, retry=True, close=4001)
SLOW: Final = Code("slow", "The connection took nothing for too long; resume from your cursor.", 503, retry=True, close=4002)
OVERLOADED: Final = Code("overloaded", "The server has no room for this connection now.", 503, retry=True, close=4003)
STALE: Final = Code(
    "stale", "The connection may have held a retracted post; resume from your cursor.", 503, retry=True, close=4004
)

# Closes that ask it not to.
ABUSE: Final = Code("abuse", "Limits were broken again and again.", 429, close=4520)

CODES: Final[dict[str, Code]] = {code.name: code for code in list(vars().values()) if isinstance(code, Code)}
"""Every code by its name."""
