"""Something in Datasette's place, where only what is asked of it matters."""

import sys

from benchmarks.datasette import Datasette

STAND_IN = """
import http.server, sys

class AnyQuestion(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass

http.server.ThreadingHTTPServer.request_queue_size = 128
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), AnyQuestion).serve_forever()
"""


class StandIn(Datasette):
    """Answers everything, at once, with nothing."""

    name = "a stand-in"

    def command(self) -> list[str]:
        return [sys.executable, "-c", STAND_IN, str(self.port)]
