"""A visitor of the loopback address who says what a browser would not. Belongs here: asking. Does not: assertions."""

import http.client
from urllib.parse import urlsplit

from integrations_pipeline.cli.loopback import LoopbackServer
from integrations_pipeline_tests.patience import patient


def get(server: LoopbackServer, address: str, *hosts: str) -> tuple[int, str]:
    """Status and where it leads; `hosts` in place of the right Host header."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=patient(10))
    connection.putrequest("GET", f"{parts.path}?{parts.query}".rstrip("?"), skip_host=True)
    for host in hosts or (parts.netloc,):
        connection.putheader("Host", host)
    connection.endheaders()
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, answer.headers.get("Location", "")
