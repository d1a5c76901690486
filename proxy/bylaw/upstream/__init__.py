"""The client side of the proxy: HTTP/1.1 to one provider over kept connections.

Law of this room: what comes from a provider is not trusted. A reply whose framing two parsers could read
differently is an error, a body that ends early never looks like a whole one, and everything is bounded.
Proxies named by the environment (`HTTPS_PROXY`, ...) are never used: traffic goes where the configuration
says, and nowhere else.
"""

from bylaw.upstream.client import UpstreamClient
from bylaw.upstream.reply import Reply
from bylaw.upstream.tally import Tally
from bylaw.upstream.tunnel import Tunnel

__all__ = ["Reply", "Tally", "Tunnel", "UpstreamClient"]
